"""The plan: which tokens each optimizer step trains on, as arithmetic that holds no state.

A stream is cut into rows of `sequence_length` tokens; only the last row may be short. An epoch reads every row once:
with the order "row", as a permutation keyed by (seed, epoch) has them; with "document", as they lie, because the
documents of the stream were put in the order of a key of (seed, id) before, which another tokenizer leaves as it is.
Position p of the run is row `order(p % rows)` of epoch `p // rows`, and step s, counted from 1, takes the positions
[(s - 1) * batch_rows, s * batch_rows).

What is the same where: no number of workers, devices or restarts enters, so the rows of a step, and the step and place
of each row, are those of the plan on any machine. Rank r of W takes every W-th row of a step from the r-th on
(`of_rank`). A run resumes anywhere from its step alone, and a step's documents and a document's steps can both be
computed without a log.
"""

import dataclasses
import hashlib
import json

import numpy as np

from trainers.permutation import Permutation

ORDERS = ("row", "document")
_ARITHMETIC = "feistel 8 rounds, splitmix64, blake2b keys"  # another way to order rows is another plan


@dataclasses.dataclass(frozen=True)
class Plan:
    """The order in which a run reads a stream."""

    num_tokens: int  # of the stream
    sequence_length: int  # tokens in a row
    batch_rows: int  # rows in a step, over all devices and accumulated passes
    seed: int
    order: str  # one of ORDERS
    stream_sha256: str

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"the order of a plan is {self.order!r}, expected one of {', '.join(ORDERS)}")

    @property
    def num_rows(self) -> int:
        """Rows in an epoch."""
        return -(-self.num_tokens // self.sequence_length)

    @property
    def sha256(self) -> str:
        """The digest of everything that decides which tokens a step trains on."""
        described = json.dumps({**dataclasses.asdict(self), "arithmetic": _ARITHMETIC}, sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()

    def tokens(self, row: int) -> tuple[int, int]:
        """The tokens of a row, as a range of the stream."""
        return row * self.sequence_length, min((row + 1) * self.sequence_length, self.num_tokens)

    def rows(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The epochs and rows of a step, int64[batch_rows] each, in reading order; no pair of them occurs twice."""
        positions = np.arange((step - 1) * self.batch_rows, step * self.batch_rows)
        epochs, indices = np.divmod(positions, self.num_rows)
        rows = np.empty(self.batch_rows, np.int64)
        for epoch in np.unique(epochs):
            rows[epochs == epoch] = self._ordered(int(epoch), indices[epochs == epoch])
        return epochs, rows

    def steps(self, rows: np.ndarray, *, num_steps: int) -> np.ndarray:
        """When a run of `num_steps` reads rows int64[n]: int64[epochs, n] steps, 0 where the run ends before."""
        num_positions = num_steps * self.batch_rows
        found = [np.empty((0, len(rows)), np.int64)]
        for epoch in range(-(-num_positions // self.num_rows)):
            positions = epoch * self.num_rows + self._places(epoch, rows)
            found.append(np.where(positions < num_positions, positions // self.batch_rows + 1, 0)[None])
        return np.concatenate(found)

    def epochs(self, num_steps: int) -> float:
        """How often a run of `num_steps` reads the stream."""
        return num_steps * self.batch_rows / self.num_rows

    def _ordered(self, epoch: int, places: np.ndarray) -> np.ndarray:
        """The rows at int64[n] places of an epoch."""
        return places if self.order == "document" else self._permutation(epoch)(places)

    def _places(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        """The inverse of `_ordered`."""
        return rows if self.order == "document" else self._permutation(epoch).inverse(rows)

    def _permutation(self, epoch: int) -> Permutation:
        return Permutation(self.num_rows, f"{self.seed}/{epoch}")


def of_rank(rows: np.ndarray, *, rank: int, world: int) -> np.ndarray:
    """The part of a step's rows (or of their epochs) that rank `rank` of `world` trains on; the last may have fewer."""
    return rows[rank::world]
