"""The losses of the documents of every step of a run: `RUN/ledger/`, files of Arrow IPC that are written once.

A file holds the steps since the file before it and is closed before each checkpoint, so a killed run loses only steps
that it takes again, and a resumed one drops whatever is later than its checkpoint. Each rank writes files of its own.
A document whose tokens two ranks read in one step has a row from each. Steps that the guard leaves out are in it too.
"""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation import storage
from trainers.row import IGNORED, NOBODY, Row

if TYPE_CHECKING:  # whoever only reads a ledger has no need to wait for torch
    import torch

    from trainers.objectives.objective import Batch

FOLDER = "ledger"
SCHEMA = pa.schema(
    [
        ("step", pa.int32()),  # counted from 1
        ("occurrence", pa.int64()),  # the number of the document in the run's stream
        ("term", pa.dictionary(pa.int8(), pa.string())),  # of the loss, such as "loss"
        ("targets", pa.int32()),  # what was scored
        ("loss", pa.float64()),  # nats, the sum over the targets
    ]
)
_NAME = re.compile(r"steps-(\d{8,})-(\d{8,})-rank-(\d{4,})\.arrow")
_MOST_ROWS = 1 << 22  # held in memory, about 100 MB


@dataclasses.dataclass(frozen=True)
class DocumentLosses:
    """One term of the loss of each document that has a target in a batch."""

    occurrences: np.ndarray  # int64[n], ascending
    targets: np.ndarray  # int32[n]
    losses: np.ndarray  # float64[n]: nats, sums over the targets


def document_losses(
    losses: "torch.Tensor", targets: "torch.Tensor", owners: "torch.Tensor", documents: Sequence[np.ndarray]
) -> DocumentLosses:
    """The sums of losses float32 (B, N) by document, from targets and owners (B, N) and the documents of each row.

    `documents` has int64[pieces] a row, as `Row.documents`. Sums are float64 and in the order of the rows, so that how
    a step was cut into passes does not change them.
    """
    firsts = np.cumsum([0, *(len(row) for row in documents)])
    scored = (targets != IGNORED).cpu().numpy()
    owner = owners.cpu().numpy()
    assert (owner[scored] != NOBODY).all(), "a target is scored that no document owns"
    pieces = (owner + firsts[:-1, None])[scored]
    values = losses.detach().float().cpu().numpy()[scored]
    sums = np.bincount(pieces, weights=values, minlength=firsts[-1])
    counts = np.bincount(pieces, minlength=firsts[-1])
    found, places = np.unique(np.concatenate([np.empty(0, np.int64), *documents]), return_inverse=True)
    totals = np.bincount(places, weights=counts, minlength=len(found)).astype(np.int32)
    nats = np.bincount(places, weights=sums, minlength=len(found))
    return DocumentLosses(occurrences=found[totals > 0], targets=totals[totals > 0], losses=nats[totals > 0])


def by_document(rows: Sequence[Row], batch: "Batch", losses: "Mapping[str, torch.Tensor]") -> dict[str, DocumentLosses]:
    """Each term's losses (B, N) of a batch of these rows, by document; only the losses may be on a device."""
    documents = [row.documents for row in rows]
    return {
        term: document_losses(values, batch.targets[term], batch.owners[term], documents)
        for term, values in losses.items()
    }


def merged(parts: Sequence[DocumentLosses]) -> DocumentLosses:
    """The same term of the same step from several ranks as one."""
    occurrences = np.concatenate([part.occurrences for part in parts])
    found, places = np.unique(occurrences, return_inverse=True)
    targets = np.bincount(places, weights=np.concatenate([part.targets for part in parts]), minlength=len(found))
    losses = np.bincount(places, weights=np.concatenate([part.losses for part in parts]), minlength=len(found))
    return DocumentLosses(occurrences=found, targets=targets.astype(np.int32), losses=losses)


class Ledger:
    """Appends to the ledger of a run from after `step` on; rows of later steps, which are taken again, are dropped."""

    def __init__(self, run: str, *, step: int, rank: int = 0, world: int = 1) -> None:
        self._folder = os.path.join(run, FOLDER)
        self._rank, self._world = rank, world
        self._tables: list[pa.Table] = []  # added and not on disk yet
        self._num_rows = self._first = self._last = 0
        self.rewind(step)

    def add(self, step: int, losses: Mapping[str, DocumentLosses]) -> None:
        """Adds the documents of a step that was taken, or of this rank's part of it, by the name of each term."""
        assert not self._tables or step >= self._last, (step, self._last)
        for term, found in losses.items():
            size = len(found.occurrences)
            columns = [
                pa.array(np.full(size, step, np.int32)),
                pa.array(found.occurrences, pa.int64()),
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int8)), pa.array([term], pa.string())),
                pa.array(found.targets, pa.int32()),
                pa.array(found.losses, pa.float64()),
            ]
            self._tables.append(pa.table(columns, schema=SCHEMA))
            self._num_rows += size
        self._first, self._last = self._first or step, step
        if self._num_rows >= _MOST_ROWS:
            self.close_file()

    def close_file(self) -> None:
        """Puts what was added on disk, whole or not at all; to be called before a checkpoint of these steps is saved.

        StorageError where the disk is full.
        """
        if self._tables:
            name = f"steps-{self._first:08d}-{self._last:08d}-rank-{self._rank:04d}.arrow"
            _write(os.path.join(self._folder, name), pa.concat_tables(self._tables))
        self._empty()

    def rewind(self, step: int) -> None:
        """Drops all rows of steps after `step`, on disk too, as when the run goes back to its checkpoint.

        Files are shared out by rank: those of another number of ranks are cut by rank % world.
        """
        self._empty()
        for path, first, last, rank in _files(self._folder):
            if rank % self._world != self._rank:
                continue
            if first <= step < last:
                table = _open(path)
                name = f"steps-{first:08d}-{step:08d}-rank-{rank:04d}.arrow"
                _write(os.path.join(self._folder, name), table.filter(pc.less_equal(table["step"], step)))
            if last > step:
                os.remove(path)

    def rows(self, first: int, last: int) -> pa.Table:
        """The rows of the steps from `first` to `last`, also those that are not on disk yet."""
        table = pa.concat_tables([_between(_files(self._folder), first, last), *self._tables])
        return table.filter(_within(table, first, last)).unify_dictionaries()

    def _empty(self) -> None:
        self._tables = []
        self._num_rows = self._first = self._last = 0


def exists(run: str) -> bool:
    """Whether the run has a ledger with at least one file."""
    return bool(_files(os.path.join(run, FOLDER)))


def read(run: str, *, first: int = 1, last: int | None = None) -> pa.Table:
    """The ledger of a run, or of its steps from `first` to `last`, by step; of one rank, mapped and not copied.

    ValueError where there is none or a file of it is damaged.
    """
    folder = os.path.join(run, FOLDER)
    files = _files(folder)
    if not files:
        raise ValueError(
            f"{run} has no ledger of losses: {folder} holds no file; one is written at each checkpoint of "
            "trainers.pretrain, so let the run reach its first one"
        )
    table = _between(files, first, last)
    if len({rank for *_, rank in files}) > 1:
        table = table.take(pc.sort_indices(table, [("step", "ascending")]))  # stable, so rank by rank
    return table


def _files(folder: str) -> list[tuple[str, int, int, int]]:
    """Path, first step, last step and rank of each file, by step."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [(match, os.path.join(folder, match[0])) for name in names if (match := _NAME.fullmatch(name))]
    files = [(path, int(match[1]), int(match[2]), int(match[3])) for match, path in found]
    return sorted(files, key=lambda file: file[1:])


def _between(files: Sequence[tuple[str, int, int, int]], first: int, last: int | None) -> pa.Table:
    tables = [SCHEMA.empty_table()]
    for path, begin, end, _ in files:
        if end >= first and (last is None or begin <= last):
            table = _open(path)
            is_whole = begin >= first and (last is None or end <= last)
            tables.append(table if is_whole else table.filter(_within(table, first, last)))
    return pa.concat_tables(tables).unify_dictionaries()


def _within(table: pa.Table, first: int, last: int | None) -> pa.ChunkedArray:
    after = pc.greater_equal(table["step"], first)
    return after if last is None else pc.and_(after, pc.less_equal(table["step"], last))


def _open(path: str) -> pa.Table:
    try:
        table = pa.ipc.open_file(pa.memory_map(path)).read_all()
        if not table.schema.equals(SCHEMA):
            raise ValueError(f"expected the columns {SCHEMA.names}, found {table.schema.names}")
        return table
    except (ValueError, OSError) as error:  # pa.ArrowInvalid is a ValueError
        raise ValueError(
            f"{path} is not a file of a ledger ({error}); remove it: only the losses of its steps are lost"
        ) from None


def _write(path: str, table: pa.Table) -> None:
    with storage.publish(path) as temporary, pa.ipc.new_file(temporary, SCHEMA) as writer:
        writer.write_table(table.unify_dictionaries().combine_chunks())
