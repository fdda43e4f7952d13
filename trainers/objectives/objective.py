"""What an objective is: rows of tokens in, a batch out; a model and a batch in, the loss of each target out.

Shapes: B rows, T positions of the input, N targets of a row.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch
from torch import nn

from trainers.row import IGNORED, Row


@dataclasses.dataclass(frozen=True)
class Batch:
    """B rows as a model takes them and as they are scored, by the name of each term of the loss."""

    inputs: Mapping[str, torch.Tensor]  # the model's arguments by name, each (B, ...)
    targets: Mapping[str, torch.Tensor]  # int64 (B, N) a term: what is scored, IGNORED elsewhere
    owners: Mapping[str, torch.Tensor]  # int32 (B, N) a term: the piece of its row that a target belongs to, or NOBODY

    @property
    def num_rows(self) -> int:
        """B."""
        return len(next(iter(self.targets.values())))

    @property
    def num_targets(self) -> dict[str, int]:
        """How many targets each term scores."""
        return {term: int((targets != IGNORED).sum()) for term, targets in self.targets.items()}

    def split(self, rows: int) -> Iterator["Batch"]:
        """The batch in parts of at most `rows` rows."""
        for start in range(0, self.num_rows, rows):
            part = slice(start, start + rows)
            yield Batch(*({name: values[part] for name, values in group.items()} for group in self._groups))

    def to(self, device: str | torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(
            *({name: values.to(device, non_blocking=True) for name, values in group.items()} for group in self._groups)
        )

    @property
    def _groups(self) -> tuple[Mapping[str, torch.Tensor], ...]:
        return self.inputs, self.targets, self.owners


class Objective(Protocol):
    """One way to learn from rows. The loss of a step is, over its terms, the sum of weight * mean over the targets."""

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each term; {"loss": 1.0} where there is one."""

    def batch(self, rows: Sequence[Row]) -> Batch:
        """The rows as one batch, on the CPU; the same rows give the same batch, whatever came before."""

    def losses(self, model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        """The loss of each target in nats, float32 (B, N) a term, 0 where it is IGNORED; on the batch's device."""
