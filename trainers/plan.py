"""The plan: which tokens each optimizer step trains on, as arithmetic that holds no state.

The stream of the training split is cut into rows of `sequence_length` targets; only the last row may be short. An epoch
reads every row once, in an order that a permutation keyed by (seed, epoch) gives. Position p of the run is row
`order[p // rows](p % rows)`, and step s, counted from 1, takes the positions [(s - 1) * batch_rows, s * batch_rows).
No number of workers, devices or restarts enters, so a run resumes anywhere from its step alone, and a step's documents
and a document's steps can both be computed without a log.
"""

import dataclasses
import hashlib
import json

import numpy as np

from trainers.permutation import Permutation

_ORDER = "feistel 8 rounds, splitmix64, blake2b keys"  # another way to order rows is another plan


@dataclasses.dataclass(frozen=True)
class Plan:
    """The order in which a run reads a corpus."""

    num_tokens: int  # of the training split
    sequence_length: int  # targets in a row
    batch_rows: int  # rows in a step, over all devices and accumulated passes
    seed: int
    corpus_sha256: str

    @property
    def num_rows(self) -> int:
        """Rows in an epoch."""
        return -(-self.num_tokens // self.sequence_length)

    @property
    def sha256(self) -> str:
        """The digest of everything that decides which tokens a step trains on."""
        described = json.dumps({**dataclasses.asdict(self), "order": _ORDER}, sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()

    def tokens(self, row: int) -> tuple[int, int]:
        """The targets of a row, as a range of the stream."""
        return row * self.sequence_length, min((row + 1) * self.sequence_length, self.num_tokens)

    def rows(self, step: int) -> np.ndarray:
        """The rows of a step, int64[batch_rows], in reading order; a row is there twice only across an epoch's end."""
        positions = np.arange((step - 1) * self.batch_rows, step * self.batch_rows)
        epochs, indices = np.divmod(positions, self.num_rows)
        rows = np.empty(self.batch_rows, np.int64)
        for epoch in np.unique(epochs):
            rows[epochs == epoch] = self._order(int(epoch))(indices[epochs == epoch])
        return rows

    def steps(self, rows: np.ndarray, *, num_steps: int) -> np.ndarray:
        """When a run of `num_steps` reads rows int64[n]: int64[epochs, n] steps, 0 where the run ends before."""
        num_positions = num_steps * self.batch_rows
        found = []
        for epoch in range(-(-num_positions // self.num_rows)):
            positions = epoch * self.num_rows + self._order(epoch).inverse(rows)
            found.append(np.where(positions < num_positions, positions // self.batch_rows + 1, 0))
        return np.stack(found)

    def epochs(self, num_steps: int) -> float:
        """How often a run of `num_steps` reads the corpus."""
        return num_steps * self.batch_rows / self.num_rows

    def _order(self, epoch: int) -> Permutation:
        return Permutation(self.num_rows, f"{self.seed}/{epoch}")
