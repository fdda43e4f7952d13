"""The files of an index: one row a document."""

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation import manifest, storage
from curation.dedup import index, texts
from curation.dedup.index import Index
from curation.dedup.shingles import shingles
from curation.dedup.texts import Looks
from curation.document import Document

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("kept_corpus", pa.string()),  # where the document lies that was kept instead of this one, or this one
        ("kept_row", pa.int64()),  # of that corpus in the index
        ("text", pa.list_(pa.uint64(), 2)),  # 128 bits of what ExactDuplicates compares
        ("text_key", pa.uint64()),
        ("exact_key", pa.list_(pa.uint64())),  # one, or none without ExactDuplicates
        ("bands", pa.list_(pa.uint64())),  # keys of the MinHash bands; zeros where a text has no word
        ("hashes", pa.list_(pa.uint32())),  # of the sketch
        ("shingles", pa.list_(pa.uint32())),
    ]
)
_ROWS = 500  # of a row group, so that few documents are read for one
_SHINGLES = 1 << 20  # of a row group of long documents, one more at most: bounds memory to a few MB


def write(path: str, documents: Iterable[tuple[Document, tuple[str, int]]], looks: Looks) -> int:
    """Writes the part of these documents, each with the corpus and row of the one that was kept; how many they are."""
    rows: list[dict[str, Any]] = []
    count = size = 0
    with storage.publish(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for document, (corpus, row) in documents:
            rows.append(_row(document, looks) | {"kept_corpus": corpus, "kept_row": row})
            count, size = count + 1, size + len(rows[-1]["shingles"])
            if len(rows) == _ROWS or size >= _SHINGLES:
                writer.write_batch(pa.RecordBatch.from_pylist(rows, SCHEMA))
                rows, size = [], 0
        if rows:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, SCHEMA))
    return count


def check(held: Index, part: int) -> None:
    """StorageError where the file of a part is not the one that the index was written with: a process looks once."""
    _check(held.path(part), held.parts[part].sha256)


@functools.cache
def _check(path: str, expected: str) -> None:
    try:
        found = manifest.sha256_of(path)
    except FileNotFoundError:
        raise storage.StorageError(f"{path} does not exist; copy the whole index, or make it again") from None
    if found != expected:
        raise storage.StorageError(
            f"{path} has sha256 {found}, expected {expected}; copy the whole index, or make it again"
        )


@contextlib.contextmanager
def _opened(held: Index, part: int) -> Iterator[BinaryIO]:
    """The file of a part, which is checked."""
    check(held, part)
    with storage.open_read(held.path(part)) as file:
        yield file


def columns(held: Index, part: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a part, a row of an array for each document."""
    with _opened(held, part) as file:
        table = pq.read_table(file, columns=list(names))
    return {name: _array(table.column(name), table.num_rows) for name in names}


def keys(held: Index, part: int) -> np.ndarray:
    """The KEY[n] of a part."""
    rows = columns(held, part, ("text_key", "exact_key", "bands", "hashes"))
    return index.keys(rows, int(held.first[part]))


def sketches(held: Index, part: int, looks: Looks) -> np.ndarray:
    """The SKETCH[n] of a part."""
    rows = columns(held, part, ("text", "hashes"))
    return index.sketches(rows, _kept(held, part), int(held.first[part]), looks)


def links(held: Index, part: int) -> np.ndarray:
    """VERIFIED[n]: the documents of a part that were dropped, each with the one that was kept."""
    return index.links(_kept(held, part), int(held.first[part]))


def _kept(held: Index, part: int) -> np.ndarray:
    """For each document of a part the one that was kept of its cluster, int64[n]."""
    with _opened(held, part) as file:
        table = pq.read_table(file, columns=["kept_corpus", "kept_row"])
    corpora = table.column("kept_corpus").to_pylist()
    first = {corpus: held.first_of(corpus) for corpus in set(corpora)}
    base = np.array([first[corpus] for corpus in corpora], np.int64)
    return np.asarray(base + table.column("kept_row").to_numpy())


def shingles_of(held: Index, numbers: np.ndarray) -> dict[int, np.ndarray]:
    """The shingles, uint32[n], sorted, of documents of an index, by their numbers."""
    return {number: np.array(row, np.uint32) for number, row in _values(held, numbers, "shingles")}


def names(held: Index, numbers: np.ndarray) -> dict[int, str]:
    """How documents of an index are named, `<corpus>:<id>`, by their numbers."""
    owners = dict(zip(numbers.tolist(), held.owners(numbers).tolist(), strict=True))
    return {number: f"{held.parts[owners[number]].corpus}:{row}" for number, row in _values(held, numbers, "id")}


def _values(held: Index, numbers: np.ndarray, name: str) -> Iterator[tuple[int, object]]:
    """One column of these documents, a row group in memory at a time."""
    owners = held.owners(numbers)
    for part in np.unique(owners).tolist():
        first = int(held.first[part])
        wanted = np.unique(numbers[owners == part]) - first
        with _opened(held, part) as file:
            opened, start = pq.ParquetFile(file), 0
            for group in range(opened.num_row_groups):
                stop = start + opened.metadata.row_group(group).num_rows
                here = wanted[(wanted >= start) & (wanted < stop)]
                if len(here):
                    column = opened.read_row_group(group, columns=[name]).column(name)
                    for row in here.tolist():
                        yield first + row, column[row - start].as_py()
                start = stop


def _row(document: Document, looks: Looks) -> dict[str, Any]:
    found, sketch = texts.described(document, 0, looks)
    bands = found["key"][~found["is_exact"]]
    near = looks.near
    return {
        "id": document.id,
        "text": sketch["text"][0].tolist(),
        "text_key": int(found["text"][0]) if len(found) else 0,
        "exact_key": found["key"][found["is_exact"]].tolist(),
        "bands": bands.tolist() if len(bands) or not near else [0] * near.bands,
        "hashes": sketch["hashes"][0].tolist(),
        "shingles": shingles(document.text, near.shingle) if near else [],
    }


def _array(column: pa.ChunkedArray, rows: int) -> np.ndarray:
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        values = pa.concat_arrays([chunk.flatten() for chunk in column.chunks]) if column.num_chunks else None
        flat = values.to_numpy() if values is not None else np.empty(0, column.type.value_type.to_pandas_dtype())
        assert rows == 0 or len(flat) % rows == 0, "rows of one length"
        return np.asarray(flat.reshape(rows, -1) if rows else flat.reshape(0, 0))
    return np.asarray(column.to_numpy())
