"""Causal language modelling (GPT, Llama): each token is predicted from those before it in its document."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable
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
    nats: torch.Tensor = _CrossEntropy.apply(logits.flatten(0, 1), targets.flatten())  # type: ignore[no-untyped-call]
    return nats.view_as(targets)


class _CrossEntropy(torch.autograd.Function):
    """torch's cross_entropy without reduction, which makes its gradient where its log-probabilities lie.

    With small models on a CPU the loss is a fifth of a step, most of it memory: torch's own makes three more arrays of
    a float for each target and word. A second backward pass through the same graph raises RuntimeError.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(N, V) and int64 (N,) -> float32 (N,)."""
        scored = targets != IGNORED
        chosen = torch.where(scored, targets, 0)
        log_probabilities = functional.log_softmax(logits, -1, dtype=torch.float32)
        ctx.save_for_backward(log_probabilities, scored, chosen)
        ctx.dtype = logits.dtype
        return torch.where(scored, -log_probabilities[torch.arange(len(chosen), device=chosen.device), chosen], 0.0)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """(N,) -> (N, V): by the loss, the probabilities less 1 at the target."""
        log_probabilities, scored, chosen = ctx.saved_tensors
        gradient = torch.where(scored, gradient, 0.0)
        found = log_probabilities.exp_().mul_(gradient[:, None])
        found[torch.arange(len(chosen), device=chosen.device), chosen] -= gradient
        return found.to(ctx.dtype), None
