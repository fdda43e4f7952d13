"""Permutation language modelling (XLNet): a sixth of the tokens is predicted, one after another in a random order."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from trainers.objectives.causal import TERM, cross_entropy, places
from trainers.objectives.objective import Batch
from trainers.objectives.randomness import generator
from trainers.row import IGNORED, NOBODY, Row
from trainers.specials import Specials

_LONGEST_WORD = 10  # tokens; a longer run without a start is no word: a script without blanks, an address


@dataclasses.dataclass(frozen=True)
class Permuted:
    """XLNet's partial prediction (Yang et al. 2019, section 2.3 and appendix; the flags of its XLNet-Large).

    Spans of 1 to `longest` words, n of them with a probability proportional to 1 / n, each anywhere in a context of
    n / `rate` words. The reference means words too, but tests seg[beg] where it means seg[end], so its spans are of n
    tokens, and it counts contexts in tokens; then a word behind a long one is predicted more often. What a piece's
    share still misses is filled up with words from anywhere in it (the reference: with single tokens), and the last
    span is cut where it exceeds the share: a piece has the targets that are due to it, a row at most ceil(T * rate).

    The order of prediction is a random permutation in each block of `block` tokens of a piece, and a block follows
    those before it. Tokens that are not predicted, end-of-text among them, have rank -1 and are seen by all of their
    piece; at least one in a piece is not predicted. Pieces of a single token have no target.
    """

    seed: int
    specials: Specials
    sequence_length: int
    rate: float = 1 / 6  # share of the tokens that is predicted; the reference's mask_beta / mask_alpha
    longest: int = 5  # words in a span; the reference's max_gram
    block: int = 256  # tokens; the reference's perm_size

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ValueError(f"--mask-rate of permuted is {self.rate}; expected a share above 0 and below 1, as 0.1667")

    @property
    def weights(self) -> Mapping[str, float]:
        """One term, in nats."""
        return {TERM: 1.0}

    @property
    def num_predict(self) -> int:
        """N: the most targets of a row."""
        return math.ceil(self.sequence_length * self.rate)

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Inputs, positions and ranks int64 (B, T), segments int32 (B, T); predicted and targets int64 (B, N).

        `predicted` says where in its row a target stands, in the order of the row; NOBODY where there is none.
        """
        shape = (len(rows), self.sequence_length)
        inputs = np.full(shape, self.specials.end_of_text_id, np.int64)
        segments = np.full(shape, NOBODY, np.int32)
        positions = np.zeros(shape, np.int64)
        ranks = np.full(shape, -1, np.int64)
        predicted = np.full((len(rows), self.num_predict), NOBODY, np.int64)
        targets = np.full_like(predicted, IGNORED)
        owners = np.full(predicted.shape, NOBODY, np.int32)
        for i, row in enumerate(rows):
            length = len(row.tokens)
            inputs[i, :length] = row.tokens
            segments[i, :length], positions[i, :length] = places(row)
            ranks[i, :length] = self._ranks(row)
            chosen = np.flatnonzero(ranks[i] >= 0)
            predicted[i, : len(chosen)] = chosen
            targets[i, : len(chosen)] = inputs[i, chosen]
            owners[i, : len(chosen)] = segments[i, chosen]
        arrays = {
            "inputs": inputs,
            "segments": segments,
            "positions": positions,
            "ranks": ranks,
            "predicted": predicted,
        }
        return Batch(
            inputs={name: torch.from_numpy(values) for name, values in arrays.items()},
            targets={TERM: torch.from_numpy(targets)},
            owners={TERM: torch.from_numpy(owners)},
        )

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The cross-entropy of each target, float32 (B, N)."""
        return {TERM: cross_entropy(model(**batch.inputs), batch.targets[TERM])}

    def _ranks(self, row: Row) -> np.ndarray:
        """For each token when it is predicted, or -1: int64[n]."""
        rng = generator(seed=self.seed, epoch=row.epoch, row=row.number, purpose="permuted")
        # Cut at a random phase: the shares of the pieces are fair, and their sum is the share of the row.
        due = np.diff(np.floor(row.edges * self.rate + rng.random()).astype(np.int64))
        ranks = np.full(len(row.tokens), -1, np.int64)
        for start, stop, share in zip(row.edges[:-1], row.edges[1:], due, strict=True):
            length = stop - start - (row.tokens[stop - 1] == self.specials.end_of_text_id)
            count = int(min(share, length, stop - start - 1))
            if count:
                words = word_starts(self.specials.starts_word[row.tokens[start : start + length]])
                chosen = self._spans(words, int(length), count, rng)
                ranks[start : start + length][chosen] = order(int(length), self.block, rng)[chosen]
        return ranks

    def _spans(self, words: np.ndarray, length: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Which `count` of the `length` tokens of a piece are predicted, bool[length]; `words` is where words start."""
        # The walk begins at any word and goes round, or a piece's end would be predicted less often than its start.
        turn = int(rng.integers(len(words)))
        lengths = np.roll(np.diff(np.append(words, length)), -turn)
        edges = np.concatenate([[0], np.cumsum(lengths)])
        chosen = np.zeros(length, bool)
        shares = np.cumsum(1 / np.arange(1, self.longest + 1))
        missing, cursor = count, 0
        while missing:
            number = int(np.searchsorted(shares, rng.random() * shares[-1], side="right")) + 1
            context = max(round(number / self.rate), number)
            first = cursor + int(rng.integers(context - number + 1))
            if first + number > len(words):
                break
            taken = min(int(edges[first + number] - edges[first]), missing)
            chosen[edges[first] : edges[first] + taken] = True
            missing -= taken
            cursor += context
        for word in rng.permutation(len(words)) if missing else ():
            if not chosen[edges[word]]:
                taken = min(int(lengths[word]), missing)
                chosen[edges[word] : edges[word] + taken] = True
                missing -= taken
            if not missing:
                break
        return np.roll(chosen, words[turn])


def word_starts(starts: np.ndarray) -> np.ndarray:
    """Where the words of a piece start, int64, from which tokens can start one, bool[length]; the first one does."""
    starts = starts.copy()
    starts[0] = True
    edges = np.append(np.flatnonzero(starts), len(starts))
    lengths = np.diff(edges)
    return np.flatnonzero(starts | np.repeat(lengths > _LONGEST_WORD, lengths))


def order(length: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """When each of `length` tokens comes, int64: a permutation of each block of positions, one block after another."""
    return np.concatenate([start + rng.permutation(min(block, length - start)) for start in range(0, length, block)])
