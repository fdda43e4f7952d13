"""What an objective is: rows of tokens in, a batch out; a model and a batch in, the loss of each target out.

Shapes: B rows, T positions of the input, N targets of a row.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import nn

IGNORED = -100  # a target that is not scored; cross_entropy's own default
NOBODY = -1  # the owner, and the segment, of what belongs to no document: padding


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the plan: pieces of documents, one after another; only the last row of an epoch may be short."""

    epoch: int
    number: int  # in the plan
    before: int  # the token that precedes the first one in its document; end-of-text where a document starts here
    tokens: np.ndarray  # uint16 or uint32 [n], 1 <= n <= the plan's sequence_length
    edges: np.ndarray  # int64[pieces + 1], from 0 to n: piece i has the tokens [edges[i], edges[i + 1])
    documents: np.ndarray  # int64[pieces]: the number in the stream of the document of each piece


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
