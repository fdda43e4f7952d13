"""Span corruption (T5): spans of each document are replaced by sentinels, and what they held is predicted."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from trainers.objectives.causal import TERM, cross_entropy
from trainers.objectives.objective import Batch
from trainers.objectives.randomness import generator
from trainers.row import IGNORED, NOBODY, Row
from trainers.specials import Specials, require_sentinels

_T5_SENTINELS = 100
_SHAPES = 16  # lengths are rounded up to a 16th of the row, so that few shapes occur and little is padding


@dataclasses.dataclass(frozen=True)
class Spans:
    """T5's random_spans_noise_mask with unique sentinels (Raffel et al. 2020, section 3.1.4), for each piece by itself.

    Of `a b c d e f <>` with the spans `c d` and `f`: inputs `a b S0 e S1 <>`, targets `S0 c d S1 f <>`, and the decoder
    reads `<> S0 c d S1 f`. Sentinels begin at S0 in every piece. An end-of-text is no noise: each side ends with one,
    also where the piece is cut and had none. A piece of fewer than 2 other tokens is left out. A piece that would need
    more spans than there are sentinels has as many spans as sentinels, which are longer. A row of n tokens has at most
    n / 2 more inputs, where all its pieces have two tokens and no end-of-text, and at most as many targets.
    """

    seed: int
    specials: Specials
    sequence_length: int
    density: float = 0.15  # share of the tokens that is noise
    mean_length: float = 3.0  # tokens in a span

    def __post_init__(self) -> None:
        if not self.specials.sentinel_ids:  # fewer than T5 has will do, with longer spans
            require_sentinels(self.specials, _T5_SENTINELS, "spans")
        if not 0 < self.density < 1:
            raise ValueError(f"--mask-rate of spans is {self.density}; expected a share above 0 and below 1, as 0.15")
        if not self.mean_length >= 1:
            raise ValueError(f"the mean length of spans is {self.mean_length}; expected 1 token or more, as 3")

    @property
    def weights(self) -> Mapping[str, float]:
        """One term, in nats."""
        return {TERM: 1.0}

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Inputs int64 (B, T), segments int32 (B, T), decoder's and targets (B, N); T and N are of the longest row."""
        corrupted = [self._row(row) for row in rows]
        end = self.specials.end_of_text_id
        sources = [[source for source, _ in pieces.values()] for pieces in corrupted]
        answers = [[answer for _, answer in pieces.values()] for pieces in corrupted]
        starts = [[np.append(end, answer[:-1]) for answer in row] for row in answers]
        inputs = self._padded(sources, padding=end)
        segments = self._padded(_numbers(corrupted, 0), padding=NOBODY).int()
        owners = self._padded(_numbers(corrupted, 1), padding=NOBODY).int()
        return Batch(
            inputs={
                "inputs": inputs,
                "segments": segments,
                "decoder_inputs": self._padded(starts, padding=end),
                "decoder_segments": owners,
            },
            targets={TERM: self._padded(answers, padding=IGNORED)},
            owners={TERM: owners},
        )

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The cross-entropy of each target, sentinels and end-of-text included, float32 (B, N)."""
        return {TERM: cross_entropy(model(**batch.inputs), batch.targets[TERM])}

    def _row(self, row: Row) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets of each piece that has any, by its number, int64[n] each."""
        rng = generator(seed=self.seed, epoch=row.epoch, row=row.number, purpose="spans")
        sentinels = np.array(self.specials.sentinel_ids, np.int64)
        pieces = {}
        for piece, (start, stop) in enumerate(zip(row.edges[:-1], row.edges[1:], strict=True)):
            tokens = row.tokens[start:stop].astype(np.int64)
            if tokens[-1] == self.specials.end_of_text_id:
                tokens = tokens[:-1]
            if len(tokens) < 2:
                continue
            noise, spans = amounts(len(tokens), density=self.density, mean_length=self.mean_length)
            spans = min(spans, len(sentinels))
            kept_lengths = segmentation(len(tokens) - noise, spans, rng)
            noise_lengths = segmentation(noise, spans, rng)
            pieces[piece] = self._corrupted(tokens, kept_lengths, noise_lengths, sentinels)
        return pieces

    def _corrupted(
        self, tokens: np.ndarray, kept_lengths: np.ndarray, noise_lengths: np.ndarray, sentinels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        runs = np.stack([kept_lengths, noise_lengths], axis=1).ravel()  # kept, noise, kept, noise, ...
        noise = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        first = np.zeros(len(tokens), bool)
        first[np.cumsum(runs) - runs] = True
        sentinel = np.repeat(sentinels[: len(runs) // 2], kept_lengths + noise_lengths)
        end = self.specials.end_of_text_id
        source = np.where(noise, sentinel, tokens)[~noise | first]
        answer = np.where(noise, tokens, sentinel)[noise | first]
        return np.append(source, end), np.append(answer, end)

    def _padded(self, rows: list[list[np.ndarray]], *, padding: int) -> torch.Tensor:
        lengths = [sum(map(len, row)) for row in rows]
        step = max(8, self.sequence_length // _SHAPES)
        padded = np.full((len(rows), step * max(1, -(-max(lengths) // step))), padding, np.int64)
        for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            if row:
                padded[i, :length] = np.concatenate(row)
        return torch.from_numpy(padded)


def amounts(length: int, *, density: float, mean_length: float) -> tuple[int, int]:
    """How many of `length` >= 2 tokens are noise, and in how many spans; halves are rounded to the even number."""
    noise = min(max(round(length * density), 1), length - 1)
    spans = max(round(noise / mean_length), 1)
    return noise, min(spans, length - noise)  # before each span something is kept


def segmentation(total: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """`total` as a sum of `parts` positive numbers, int64[parts]; each such sum is as likely as any other."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1 if parts > 1 else np.empty(0, np.int64)
    return np.diff(np.concatenate([[0], cuts, [total]]))


def raw_length(input_length: int, *, density: float = 0.15, mean_length: float = 3.0) -> tuple[int, int]:
    """The most tokens of a document that corrupted fit `input_length` with end-of-text, and how many targets they have.

    T5's random_spans_helper: 512 inputs hold 568 tokens, which have 114 targets.
    """

    def inputs_and_targets(length: int) -> tuple[int, int]:
        noise, spans = amounts(length, density=density, mean_length=mean_length)
        return length - noise + spans + 1, noise + spans + 1

    length = 2
    if inputs_and_targets(length)[0] > input_length:
        raise ValueError(f"an input of {input_length} tokens cannot hold a corrupted document; expected 3 or more")
    while inputs_and_targets(length + 1)[0] <= input_length:
        length += 1
    return length, inputs_and_targets(length)[1]


def _numbers(corrupted: list[dict[int, tuple[np.ndarray, np.ndarray]]], side: int) -> list[list[np.ndarray]]:
    """The number of the piece of every token of one side, a list of int64[n] a row."""
    return [[np.full(len(piece[side]), number) for number, piece in pieces.items()] for pieces in corrupted]
