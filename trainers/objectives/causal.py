"""Causal language modelling (GPT, Llama): each token is predicted from those before it in its document."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainers.objectives.objective import Batch
from trainers.row import IGNORED, NOBODY, Row

TERM = "loss"


@dataclasses.dataclass(frozen=True)
class Causal:
    """Every token is the target of one position, and the input there is the token before it.

    What comes before a document is the end-of-text of the one before, so every document is predicted from an
    end-of-text on, its first token as well, and a target's position belongs to the target's document. For a row
    `a b <> c <>`: inputs `<> a b <> c`, targets `a b <> c <>`, segments `0 0 0 1 1`, positions `0 1 2 0 1`.
    """

    sequence_length: int
    end_of_text_id: int

    @property
    def weights(self) -> Mapping[str, float]:
        """One term, in nats."""
        return {TERM: 1.0}

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Inputs, segments and positions int64, int32 and int64 (B, T); targets int64 (B, T)."""
        shape = (len(rows), self.sequence_length)
        inputs = np.full(shape, self.end_of_text_id, np.int64)
        targets = np.full(shape, IGNORED, np.int64)
        segments = np.full(shape, NOBODY, np.int32)
        positions = np.zeros(shape, np.int64)
        for i, row in enumerate(rows):
            length = len(row.tokens)
            targets[i, :length] = row.tokens
            inputs[i, 0] = row.before
            inputs[i, 1:length] = row.tokens[:-1]
            segments[i, :length], positions[i, :length] = places(row)
        owners = torch.from_numpy(segments)
        return Batch(
            inputs={"inputs": torch.from_numpy(inputs), "segments": owners, "positions": torch.from_numpy(positions)},
            targets={TERM: torch.from_numpy(targets)},
            owners={TERM: owners},
        )

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The cross-entropy of each target, float32 (B, T)."""
        logits = model(**batch.inputs)  # (B, T, V)
        return {TERM: cross_entropy(logits, batch.targets[TERM])}


def places(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """For each token of a row: the number of its piece, int32[n], and its position in that piece, int64[n]."""
    lengths = np.diff(row.edges)
    segments = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return segments, np.arange(len(row.tokens)) - np.repeat(row.edges[:-1], lengths)


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Logits (B, N, V) and targets int64 (B, N) -> nats float32 (B, N), 0 where the target is IGNORED."""
    nats = functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return nats.view_as(targets)
