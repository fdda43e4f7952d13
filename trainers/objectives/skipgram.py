"""Skip-gram and continuous bag of words with negative sampling, as word2vec.c does them (Mikolov et al. 2013).

Shapes: B rows, N = sequence_length positions, W = 2 * window places around a centre, K negatives, P pairs, C width.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainers.objectives.causal import places
from trainers.objectives.objective import Batch
from trainers.objectives.randomness import generator
from trainers.row import IGNORED, NOBODY, Row

TERM = "loss"
NEGATIVE_POWER = 0.75  # word2vec.c: negatives are drawn from counts ** 0.75


@dataclasses.dataclass(frozen=True, eq=False)
class Windows:
    """Which tokens are centres, what stands around each, and the negatives; the defaults are word2vec.c's.

    Words are the tokens that occur `min_count` times or more; end-of-text is none. Frequent words are dropped at random
    before windows are taken, so windows reach over what was dropped. A window stays in its piece of the row.
    Unlike word2vec.c: the words' frequencies leave out end-of-text, negatives are drawn from the exact distribution and
    not from a table of 1e8 places, and a document is cut where its row ends and not after 1,000 words.
    """

    seed: int
    counts: np.ndarray  # int64[vocab]: how often each token occurs in the corpus
    sequence_length: int
    end_of_text_id: int
    window: int = 5  # words on each side, at most: each centre draws its own from 1 to this
    negatives: int = 5
    subsample: float = 1e-3  # the share of the corpus from which on a word is dropped at times; 0: never
    min_count: int = 5

    def __post_init__(self) -> None:
        if np.count_nonzero(self.frequencies) < 2:
            raise ValueError(
                f"fewer than two tokens of the corpus occur min_count={self.min_count} times, so no word can be told "
                "from another; train on a larger corpus"
            )

    @functools.cached_property
    def frequencies(self) -> np.ndarray:
        """The share of each word among the words, float64[vocab]; 0 for what is no word."""
        words = np.where(self.counts >= self.min_count, self.counts, 0)
        words[self.end_of_text_id] = 0
        return np.asarray(words / max(words.sum(), 1), np.float64)

    @functools.cached_property
    def keeping(self) -> np.ndarray:
        """The probability that a token is kept, float64[vocab]: (sqrt(f / s) + 1) * s / f, which may be above 1."""
        f, s = self.frequencies, self.subsample
        if not s:
            return np.where(f > 0, 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(f > 0, (np.sqrt(f / s) + 1) * s / f, 0.0)

    @functools.cached_property
    def cumulative(self) -> np.ndarray:
        """The distribution function of the negatives, float64[vocab]."""
        sums = np.cumsum(self.frequencies**NEGATIVE_POWER)
        return np.asarray(sums / sums[-1], np.float64)

    def around(self, row: Row, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The positions int64[k] of the words that are kept, and what is around each, int32[k, W], NOBODY elsewhere."""
        kept = np.flatnonzero(chance.random(len(row.tokens)) < self.keeping[row.tokens])
        widths = chance.integers(1, self.window, len(row.tokens), endpoint=True)[kept]
        words, pieces = row.tokens[kept].astype(np.int32), places(row)[0][kept]
        offsets = np.concatenate([np.arange(-self.window, 0), np.arange(1, self.window + 1)])
        others = np.arange(len(kept))[:, None] + offsets  # [k, W]
        inside = (others >= 0) & (others < len(kept)) & (abs(offsets) <= widths[:, None])
        others = np.where(inside, others, 0)
        inside &= pieces[others] == pieces[:, None]
        return kept, np.where(inside, words[others], NOBODY).astype(np.int32)

    def drawn(self, shape: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
        """Negatives, int32 of a shape."""
        return np.searchsorted(self.cumulative, chance.random(shape), side="right").astype(np.int32)

    def batch(self, rows: Sequence[Row], *, of_pairs: bool) -> Batch:
        """The rows as one batch: contexts int32 (B, N, W), negatives int32 (B, N, W, K) of pairs, (B, N, K) of centres.

        The target at position i is token i of the row, where it is a word with a context. A negative may be equal to
        the target: the loss leaves it out.
        """
        shape = (len(rows), self.sequence_length)
        contexts = np.full((*shape, 2 * self.window), NOBODY, np.int32)
        negatives = np.zeros((*(contexts.shape if of_pairs else shape), self.negatives), np.int32)
        targets, owners = np.full(shape, IGNORED, np.int64), np.full(shape, NOBODY, np.int32)
        for i, row in enumerate(rows):
            chance = generator(seed=self.seed, epoch=row.epoch, row=row.number, purpose="windows")
            kept, around = self.around(row, chance)
            contexts[i, kept] = around
            pairs = contexts[i] != NOBODY  # [N, W]
            centres = np.flatnonzero(pairs.any(axis=1))
            targets[i, centres], owners[i, centres] = row.tokens[centres], places(row)[0][centres]
            scored = pairs if of_pairs else pairs.any(axis=1)
            negatives[i][scored] = self.drawn((int(scored.sum()), self.negatives), chance)
        return Batch(
            inputs={"contexts": torch.from_numpy(contexts), "negatives": torch.from_numpy(negatives)},
            targets={TERM: torch.from_numpy(targets)},
            owners={TERM: torch.from_numpy(owners)},
        )


@dataclasses.dataclass(frozen=True)
class SkipGram:
    """Each word around a centre predicts it on its own.

    As in word2vec.c the input vector is the context's and the output vector the centre's, where the paper has them the
    other way round; over a corpus it is the same, since each of two neighbours is once the centre. The loss of a centre
    is the sum over its pairs of -log s(u.v) - sum over the negatives of log s(-u.n), s the logistic function.
    """

    windows: Windows

    @property
    def weights(self) -> Mapping[str, float]:
        """One term, in nats for a centre."""
        return {TERM: 1.0}

    def batch(self, rows: Sequence[Row]) -> Batch:
        """As Windows.batch says, with negatives for each pair."""
        return self.windows.batch(rows, of_pairs=True)

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The loss of each centre, float32 (B, N)."""
        contexts, targets = batch.inputs["contexts"], batch.targets[TERM]
        pairs = contexts != NOBODY  # (B, N, W); about a third, so only they are computed
        centres = targets[:, :, None].expand_as(contexts)[pairs]  # (P,)
        nats = _nats(model, contexts[pairs][:, None], centres, batch.inputs["negatives"][pairs])
        return {TERM: nats.new_zeros(contexts.shape).index_put((pairs,), nats).sum(dim=-1)}


@dataclasses.dataclass(frozen=True)
class ContinuousBagOfWords:
    """The mean of the words around a centre predicts it (`cbow_mean` 1).

    The gradient of each context's vector is that of the mean, in full and not divided by their number: word2vec.c adds
    the whole error to each.
    """

    windows: Windows

    @property
    def weights(self) -> Mapping[str, float]:
        """One term, in nats for a centre."""
        return {TERM: 1.0}

    def batch(self, rows: Sequence[Row]) -> Batch:
        """As Windows.batch says, with negatives for each centre."""
        return self.windows.batch(rows, of_pairs=False)

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The loss of each centre, float32 (B, N)."""
        targets = batch.targets[TERM]
        scored = targets != IGNORED  # (B, N)
        nats = _nats(model, batch.inputs["contexts"][scored], targets[scored], batch.inputs["negatives"][scored])
        return {TERM: nats.new_zeros(targets.shape).index_put((scored,), nats)}


def _nats(model: nn.Module, contexts: torch.Tensor, centres: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    """The loss of P predictions, float32 (P,): contexts int32 (P, any), centres int (P,), negatives int32 (P, K)."""
    words = torch.cat([centres.int()[:, None], negatives], dim=1)  # (P, 1 + K)
    inputs, outputs = model(contexts.clamp(min=0), words)  # (P, any, C), (P, 1 + K, C)
    present = contexts != NOBODY
    total = (inputs.float() * present[..., None]).sum(dim=1)  # (P, C)
    mean = total / present.sum(dim=1, keepdim=True)
    # The value is the mean, the gradient that of a sum.
    hidden = mean.detach() + (total - total.detach())
    scores = (outputs.float() * hidden[:, None]).sum(dim=-1)  # (P, 1 + K); products in float32 under autocast, too
    others = functional.softplus(scores[:, 1:]) * (words[:, 1:] != words[:, :1])
    return functional.softplus(-scores[:, 0]) + others.sum(dim=1)
