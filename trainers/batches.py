"""Batches: rows of the plan as tensors, made in the background from nothing but their numbers."""

import collections
import concurrent.futures
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import numpy as np

from trainers.objectives.objective import Batch, Objective
from trainers.plan import Plan, of_rank
from trainers.row import Row
from trainers.stream import Stream

Made = TypeVar("Made")


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of a stream, cut as the plan cuts it."""

    stream: Stream
    num_tokens: int  # rows stop here: the stream's, or less
    sequence_length: int
    end_of_text_id: int
    vocab_size: int

    @property
    def num_rows(self) -> int:
        """Rows, the last of which may be short."""
        return -(-self.num_tokens // self.sequence_length)

    def row(self, number: int, *, epoch: int = 0) -> Row:
        """One row as it is read in an epoch; ValueError where a token is none of the vocabulary."""
        start = number * self.sequence_length
        stop = min(start + self.sequence_length, self.num_tokens)
        row = self.stream.row(epoch=epoch, number=number, start=start, stop=stop, end_of_text_id=self.end_of_text_id)
        if (largest := int(row.tokens.max())) >= self.vocab_size:  # of an embedding it would be a wrong memory access
            raise ValueError(
                f"a shard changed while it was read: found token {largest} in a vocabulary of {self.vocab_size}; "
                "start again with --resume, which checks every shard"
            )
        return row


@dataclasses.dataclass(frozen=True)
class Loader:
    """Makes the batch of any step for one rank; it has no state, so a run goes on anywhere."""

    rows: Rows
    plan: Plan
    objective: Objective
    rank: int = 0
    world_size: int = 1

    def __call__(self, step: int) -> tuple[list[Row], Batch]:
        """The rows of a step that this rank reads, and their batch."""
        epochs, numbers = self.plan.rows(step)
        mine = (of_rank(values, rank=self.rank, world=self.world_size) for values in (epochs, numbers))
        rows = [self.rows.row(int(number), epoch=int(epoch)) for epoch, number in zip(*mine, strict=True)]
        return rows, self.objective.batch(rows)


def prefetched(make: Callable[[int], Made], steps: Iterable[int], *, ahead: int = 2) -> Generator[Made]:
    """`map(make, steps)`, computed by a background thread up to `ahead` steps early."""
    remaining = iter(steps)
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        pending = collections.deque(pool.submit(make, step) for step in itertools.islice(remaining, ahead))
        while pending:
            made = pending.popleft().result()
            if (following := next(remaining, None)) is not None:
                pending.append(pool.submit(make, following))
            yield made


def counted(stream: Stream, vocab_size: int) -> np.ndarray:
    """How often each token stands in the stream, int64[vocab_size]; read in parts of a few megabytes."""
    counts, part = np.zeros(vocab_size, np.int64), 1 << 22
    for start in range(0, stream.num_tokens, part):
        counts += np.bincount(stream.tokens(start, min(start + part, stream.num_tokens)), minlength=vocab_size)
    return counts
