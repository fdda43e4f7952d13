"""What a classifier is trained on: files of texts, of which the rows of some hosts are held out."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from curation import storage

_PIECE = 1 << 20  # bytes
_BATCH = 256  # rows of a Parquet file
_PARQUET = b"PAR1"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError, pa.ArrowException, UnicodeDecodeError)


@dataclasses.dataclass(frozen=True)
class Fields:
    """Which columns hold what."""

    text: str = "text"
    url: str = "url"  # its host is what is held out; another field's values may take its place, such as a source


@dataclasses.dataclass(frozen=True)
class TrainingFile:
    """A file that was read, so that a model's card can say which one it was."""

    path: str
    rows: int
    bytes: int
    sha256: str


def read(path: str, fields: Fields, take: Callable[[str, str], None]) -> TrainingFile:
    """Hands on each row's text and URL, empty where it has none; ValueError where the file is no table of texts.

    The file is JSON lines, plain or compressed by gzip or zstd, or Parquet, whatever its name.
    """
    with storage.local_copy(path) as local:  # what is on the web is fetched once
        num_rows = 0
        for text, url in _rows(path, local, fields):
            take(text, url)
            num_rows += 1
        digest, size = hashlib.sha256(), 0
        with storage.open_read(local) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    return TrainingFile(path, num_rows, size, digest.hexdigest())


def _rows(path: str, local: str, fields: Fields) -> Iterator[tuple[str, str]]:
    try:
        with storage.open_read(local) as file:
            magic = file.read(4)
            file.seek(0)
            yield from _of_parquet(path, file, fields) if magic == _PARQUET else _of_json(path, file, magic, fields)
    except _BROKEN as error:
        if isinstance(error, storage.StorageError):
            raise
        why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise ValueError(f"{path} cannot be read: {why}; expected JSON lines, plain, .gz or .zst, or Parquet") from None


def _of_json(path: str, file: BinaryIO, magic: bytes, fields: Fields) -> Iterator[tuple[str, str]]:
    with _plain(file, magic) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            place = f"{path}, line {number}"
            if not isinstance(row, dict):
                raise ValueError(f"{place}: expected an object of JSON, found {line.strip()[:40]!r}; repair the file")
            yield _pair(place, row, fields)


def _plain(file: BinaryIO, magic: bytes) -> contextlib.AbstractContextManager[Any]:
    raw: Any = file
    if magic.startswith(_GZIP):
        raw = gzip.GzipFile(fileobj=file)
    elif magic == _ZSTD:
        raw = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")


def _of_parquet(path: str, file: BinaryIO, fields: Fields) -> Iterator[tuple[str, str]]:
    table = pq.ParquetFile(file)
    names = set(table.schema_arrow.names)
    if fields.text not in names:
        raise ValueError(f"{path}: {_missing(fields.text, names)}")
    row_number = 0
    for batch in table.iter_batches(_BATCH, columns=sorted({fields.text, fields.url} & names)):
        for row in batch.to_pylist():
            row_number += 1
            yield _pair(f"{path}, row {row_number}", row, fields)


def _pair(place: str, row: dict[str, Any], fields: Fields) -> tuple[str, str]:
    if fields.text not in row:
        raise ValueError(f"{place}: {_missing(fields.text, set(row))}")
    text, url = row[fields.text], row.get(fields.url)
    if not isinstance(text, str | None):
        raise ValueError(f"{place}: expected a text in {fields.text!r}, found {text!r:.40}; give another --text-field")
    # Half a surrogate pair, which JSON can hold, is nothing that fastText can read.
    return (text or "").encode("utf-8", "replace").decode(), "" if url is None else str(url)


def _missing(field: str, found: set[str]) -> str:
    return f"expected the field {field!r}, found {', '.join(sorted(found)) or 'none'}; name the one with --text-field"
