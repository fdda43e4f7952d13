"""Batches: rows of the stream as tensors, made in the background from nothing but their numbers."""

import collections
import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from trainers.corpus import Split

IGNORED = -100  # the target that cross_entropy skips
_PADDING = -1  # the segment of what follows the end of the stream


@dataclasses.dataclass(frozen=True)
class Batch:
    """B rows of T targets; what a row's loss is, and to which document each position belongs."""

    inputs: torch.Tensor  # int64 (B, T): the token before each target
    targets: torch.Tensor  # int64 (B, T): IGNORED after the end of the stream
    segments: torch.Tensor  # int32 (B, T): the number in its row of the document of each target
    positions: torch.Tensor  # int64 (B, T): counted from the segment's start in the row
    num_targets: int

    def split(self, rows: int) -> Iterator["Batch"]:
        """The batch in parts of at most `rows` rows."""
        for start in range(0, len(self.inputs), rows):
            part = slice(start, start + rows)
            targets = self.targets[part]
            yield Batch(
                inputs=self.inputs[part],
                targets=targets,
                segments=self.segments[part],
                positions=self.positions[part],
                num_targets=int((targets != IGNORED).sum()),
            )

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        return dataclasses.replace(
            self,
            inputs=self.inputs.to(device),
            targets=self.targets.to(device),
            segments=self.segments.to(device),
            positions=self.positions.to(device),
        )


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of a stream, cut as the plan cuts it.

    Every token is the target of one position, and the input there is the token before it. What comes before a document
    is the end-of-text of the one before, and one is put in front of the stream; so every document is predicted from an
    end-of-text on, its first token as well, and a target's position belongs to the target's document.

    For the stream `a b <> c <>` in rows of 3: inputs `<> a b | <> c .`, targets `a b <> | c <> .`, segments
    `0 0 0 | 0 0 .`; in a row of 5 the segments are `0 0 0 1 1` and the positions `0 1 2 0 1`.
    """

    split: Split
    num_tokens: int  # rows stop here: the split's, or less
    sequence_length: int
    end_of_text_id: int
    vocab_size: int

    def batch(self, rows: Sequence[int] | np.ndarray) -> Batch:
        """The given rows as one batch."""
        shape = (len(rows), self.sequence_length)
        inputs = np.full(shape, self.end_of_text_id, np.int64)
        targets = np.full(shape, IGNORED, np.int64)
        segments = np.full(shape, _PADDING, np.int32)
        positions = np.zeros(shape, np.int64)
        num_targets = 0
        for i, row in enumerate(map(int, rows)):
            start = row * self.sequence_length
            stop = min(start + self.sequence_length, self.num_tokens)
            length = stop - start
            stream = self.split.tokens(max(start - 1, 0), stop)
            targets[i, :length] = stream[-length:]
            inputs[i, length - len(stream[:-1]) : length] = stream[:-1]  # the stream's first token keeps end-of-text
            _, edges = self.split.spans(start, stop)
            lengths = np.diff(edges)
            segments[i, :length] = np.repeat(np.arange(len(lengths)), lengths)
            positions[i, :length] = np.arange(length) - np.repeat(edges[:-1] - start, lengths)
            num_targets += length
        if (largest := int(targets.max())) >= self.vocab_size:
            raise ValueError(
                f"a shard changed while it was read: found token {largest} in a vocabulary of {self.vocab_size}; "
                "start again with --resume, which checks every shard"
            )
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            segments=torch.from_numpy(segments),
            positions=torch.from_numpy(positions),
            num_targets=num_targets,
        )


def prefetched(make: Callable[[int], Batch], steps: range, *, ahead: int = 2) -> Iterator[Batch]:
    """`map(make, steps)`, computed by a background thread up to `ahead` steps early."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        pending = collections.deque(pool.submit(make, step) for step in steps[:ahead])
        for following in range(ahead, ahead + len(steps)):
            batch = pending.popleft().result()
            if following < len(steps):
                pending.append(pool.submit(make, steps[following]))
            yield batch
