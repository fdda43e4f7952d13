"""Masked language modelling: some tokens are hidden, and predicted from all others of their document."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from trainers.objectives.causal import TERM, cross_entropy, places
from trainers.objectives.objective import Batch
from trainers.objectives.randomness import generator
from trainers.row import IGNORED, NOBODY, Row
from trainers.specials import Specials, require_mask

ABSENT = -1  # in `predicted`, where a row has fewer chosen positions than the batch has room for


@dataclasses.dataclass(frozen=True)
class Masked:
    """BERT's masks (Devlin et al. 2019, appendix A.1), drawn anew in every epoch as in RoBERTa (Liu et al. 2019).

    Of a row's n tokens that are not special, round(rate * n) are chosen, and at least one. Each of them by itself
    becomes the mask with probability `mask_share`, a token from all that are not special (which may be the same) with
    `random_share`, and stays as it is otherwise. What is drawn depends on seed, epoch and row alone.

    With `whole_words`, words are taken in random order, one that does not fit in what is left to choose being passed
    over, as in BERT's create_pretraining_data.py; a row in which no word fits is chosen from by tokens.
    """

    seed: int
    specials: Specials
    vocab_size: int
    sequence_length: int
    rate: float = 0.15
    mask_share: float = 0.8
    random_share: float = 0.1
    whole_words: bool = False

    def __post_init__(self) -> None:
        """Refuses a tokenizer without a mask, and a rate that hides nothing or everything."""
        require_mask(self.specials, "masked")
        if not 0 < self.rate < 1:
            raise ValueError(f"the share of tokens to mask is {self.rate}; give one between 0 and 1, such as 0.15")
        if len(self._ordinary_ids) == 0:
            raise ValueError(f"all {self.vocab_size} tokens of the vocabulary are special; curate with a larger one")
        assert self.mask_share >= 0 and self.random_share >= 0 and self.mask_share + self.random_share <= 1

    @property
    def weights(self) -> Mapping[str, float]:
        """One term, in nats."""
        return {TERM: 1.0}

    @property
    def num_targets(self) -> int:
        """N: the most tokens that are chosen of a row."""
        return max(1, round(self.rate * self.sequence_length))

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Inputs, segments and positions (B, T); the chosen positions, `predicted`, and the tokens there (B, N)."""
        inputs, segments, positions = packed(rows, self.sequence_length, self.specials.end_of_text_id)
        shape = (len(rows), self.num_targets)
        predicted = np.full(shape, ABSENT, np.int64)
        targets = np.full(shape, IGNORED, np.int64)
        owners = np.full(shape, NOBODY, np.int32)
        for i, row in enumerate(rows):
            chance = generator(seed=self.seed, epoch=row.epoch, row=row.number, purpose="masked")
            chosen = self._choose(row, chance)
            number = len(chosen)
            predicted[i, :number] = chosen
            targets[i, :number] = row.tokens[chosen]
            owners[i, :number] = segments[i, chosen]
            inputs[i, chosen] = self._hide(inputs[i, chosen], chance)
        arrays = {"inputs": inputs, "segments": segments, "positions": positions, "predicted": predicted}
        return Batch(
            inputs={name: torch.from_numpy(array) for name, array in arrays.items()},
            targets={TERM: torch.from_numpy(targets)},
            owners={TERM: torch.from_numpy(owners)},
        )

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The cross-entropy of each hidden token, float32 (B, N)."""
        logits = model(**batch.inputs)  # (B, N, V)
        return {TERM: cross_entropy(logits, batch.targets[TERM])}

    @functools.cached_property
    def _special_ids(self) -> np.ndarray:
        ids = (self.specials.end_of_text_id, self.specials.mask_id, *self.specials.sentinel_ids)
        return np.array(sorted({special for special in ids if special is not None}), np.int64)

    @functools.cached_property
    def _ordinary_ids(self) -> np.ndarray:
        return np.setdiff1d(np.arange(self.vocab_size), self._special_ids)

    def _choose(self, row: Row, chance: np.random.Generator) -> np.ndarray:
        """The positions that are predicted, int64[k] in rising order."""
        ordinary = ~np.isin(row.tokens, self._special_ids)
        candidates = np.flatnonzero(ordinary)
        number = min(max(1, round(self.rate * len(candidates))), len(candidates))
        if self.whole_words:
            starts = self.specials.starts_word[row.tokens] | ~ordinary
            starts[row.edges[:-1]] = True
            starts[1:] |= ~ordinary[:-1]
            words = np.cumsum(starts)[candidates]
            chosen = whole_words(words, number, chance)
        else:
            chosen = chance.permutation(len(candidates))[:number]
        return np.sort(candidates[chosen])

    def _hide(self, tokens: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """What the model sees instead of tokens int64[k]."""
        action = chance.random(len(tokens))
        others = self._ordinary_ids[chance.integers(len(self._ordinary_ids), size=len(tokens))]
        kept = np.where(action < self.mask_share + self.random_share, others, tokens)
        return np.where(action < self.mask_share, require_mask(self.specials, "masked"), kept)


def whole_words(words: np.ndarray, number: int, chance: np.random.Generator) -> np.ndarray:
    """Indices into `words`, the rising word number of each candidate, of whole words of at most `number` in all."""
    edges = np.flatnonzero(np.diff(words, prepend=-1, append=-1))
    chosen: list[int] = []
    for word in chance.permutation(len(edges) - 1):
        start, stop = edges[word], edges[word + 1]
        if len(chosen) + stop - start <= number:
            chosen.extend(range(start, stop))
        if len(chosen) == number:
            break
    return np.array(chosen, np.int64) if chosen else chance.permutation(len(words))[:number]


def packed(rows: Sequence[Row], sequence_length: int, padding_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows as they are: tokens int64, segments int32 and positions int64, each (B, T)."""
    shape = (len(rows), sequence_length)
    tokens = np.full(shape, padding_id, np.int64)
    segments = np.full(shape, NOBODY, np.int32)
    positions = np.zeros(shape, np.int64)
    for i, row in enumerate(rows):
        length = len(row.tokens)
        tokens[i, :length] = row.tokens
        segments[i, :length], positions[i, :length] = places(row)
    return tokens, segments, positions
