"""Parts: the Parquet files of one task, which carry their fingerprint and their ledger in their own metadata."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation import storage
from curation.cascade import SeenPayload
from curation.dedup.overlaps import Overlap
from curation.document import DOCUMENTS, Cut, Document, Rejection
from curation.ledger import Ledger
from curation.sources import Task

_ROWS = 1000  # of a row group
_TEXT = 16 << 20  # characters of a row group's texts: bounds the memory of a writer
_FINGERPRINT, _LEDGER, _TASK = b"fingerprint", b"ledger", b"task"


class PartWriter:
    """Writes rows as they come, in row groups of bounded size."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._size = 0
        self.num_rows = 0

    def add(self, row: Document | Rejection | Cut | Overlap) -> None:
        """Adds one row."""
        values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        if isinstance(row, Rejection):
            values["value"] = None if row.value is None else float(row.value)
        elif isinstance(row, Document):
            values["signals"] = list(row.signals.items())
            self._size += len(row.text)
        self._rows.append(values)
        self.num_rows += 1
        if len(self._rows) >= _ROWS or self._size >= _TEXT:
            self.flush()

    def flush(self) -> None:
        """Writes what has been added as a row group."""
        if self._rows:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, self._schema))
        self._rows, self._size = [], 0


@contextlib.contextmanager
def writing(
    path: str, schema: pa.Schema, *, fingerprint: str, ledger: Ledger, task: Task | None = None
) -> Iterator[PartWriter]:
    """A part that appears at `path` when the block ends without an error, with the ledger as it then stands.

    `task` says which bytes of which archive it was made from, where that may be asked for again (`task_of`).
    """
    with storage.publish(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        part = PartWriter(writer, schema)
        yield part
        part.flush()
        metadata = {_FINGERPRINT: fingerprint.encode(), _LEDGER: json.dumps(ledger.to_json()).encode()}
        if task:
            metadata[_TASK] = json.dumps(dataclasses.astuple(task)).encode()
        writer.add_key_value_metadata(metadata)


def fingerprint_of(path: str) -> str | None:
    """The fingerprint of the part at `path`; None where there is none, or it is no part."""
    try:
        with storage.open_read(path) as file:
            metadata = pq.read_metadata(file).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return metadata.get(_FINGERPRINT, b"").decode() or None


def ledger_of(path: str) -> Ledger:
    """The ledger that a part was written with."""
    with storage.open_read(path) as file:
        return Ledger.of_json(json.loads(pq.read_metadata(file).metadata[_LEDGER]))


def task_of(path: str) -> Task:
    """The task that a part was made by; ValueError where it does not say so."""
    with storage.open_read(path) as file:
        found = (pq.read_metadata(file).metadata or {}).get(_TASK)
    if found is None:
        raise ValueError(f"{path} does not say which task made it: make the corpus again, with this version")
    number, count, archive, start, stop, format, ranges = json.loads(found)
    return Task(number, count, archive, start, stop, format, tuple((first, end) for first, end in ranges))


def documents(path: str) -> Iterator[Document]:
    """The documents of a part, in order, a row group in memory at a time."""
    with storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        if not part.schema_arrow.equals(DOCUMENTS):
            raise ValueError(
                f"{path} is no part of documents: expected the columns\n{DOCUMENTS}\nfound\n{part.schema_arrow}"
            )
        for group in range(part.num_row_groups):
            for row in part.read_row_group(group).to_pylist():
                yield Document(**{**row, "signals": dict(row["signals"])})


def rejections(path: str) -> Iterator[Rejection]:
    """The rows of a part of rejections, in order, a row group in memory at a time."""
    with storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        for group in range(part.num_row_groups):
            for row in part.read_row_group(group).to_pylist():
                yield Rejection(**row)


def cuts(path: str) -> Iterator[Cut]:
    """The rows of a part of cuts, in order, a row group in memory at a time."""
    with storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        for group in range(part.num_row_groups):
            for row in part.read_row_group(group).to_pylist():
                yield Cut(**row)


def overlaps(path: str) -> Iterator[Overlap]:
    """The rows of a part of overlaps, in order, a row group in memory at a time."""
    with storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        for group in range(part.num_row_groups):
            for row in part.read_row_group(group).to_pylist():
                yield Overlap(**row)


def num_rows(path: str) -> int:
    """How many rows a part has."""
    with storage.open_read(path) as file:
        return int(pq.read_metadata(file).num_rows)


def repeated_payloads(path: str) -> Iterator[tuple[int, int]]:
    """Of a part of rejections: the offset of each page whose payload was seen before, and that of the first such."""
    with storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        for group in range(part.num_row_groups):
            for row in part.read_row_group(group, columns=["step", "offset", "evidence"]).to_pylist():
                if row["step"] == SeenPayload.__name__:
                    yield row["offset"], int(row["evidence"].rpartition("@")[2])


def texts(path: str, offsets: set[int]) -> Iterator[tuple[int, tuple[str, str]]]:
    """The texts and languages of a part at these record offsets; only the row groups that hold one are read."""
    with storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        for group in range(part.num_row_groups):
            found = part.read_row_group(group, columns=["offset"]).column("offset").to_pylist()
            if offsets.isdisjoint(found):
                continue
            columns = part.read_row_group(group, columns=["text", "language"])
            for row, offset in enumerate(found):
                if offset in offsets:
                    yield offset, (columns["text"][row].as_py(), columns["language"][row].as_py())
