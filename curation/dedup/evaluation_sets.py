"""Evaluation sets: the texts of test questions, read from files of JSON lines or Parquet."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import pyarrow as pa
import zstandard

from curation import manifest, storage

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_MAX_LINE = 64 << 20  # bytes, unpacked: bounds memory
_ROWS = 1000  # of a Parquet file read at once
_SHOWN = 10  # names that a message holds
_UNREADABLE = (OSError, EOFError, zlib.error, zstandard.ZstdError, pa.ArrowException)


@dataclasses.dataclass(frozen=True)
class EvaluationFile:
    """One file of evaluation items."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        """How reports name the set."""
        return storage.base_name(self.path)


def files(where: str, folder: str, paths: Sequence[str]) -> tuple[EvaluationFile, ...]:
    """The sets of a folder by name, then single ones as given, with their digests; `where` names the flag or step.

    ValueError where there is none, where one cannot be read, or where two have one name.
    """
    found = [*_of_folder(where, folder), *paths] if folder else list(paths)
    for path in found:
        if not path.endswith(SUFFIXES):
            raise ValueError(f"{where} {path}: expected a file that ends in {', '.join(SUFFIXES)}; convert it to one")
    names = [storage.base_name(path) for path in found]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"{where}: two files are named {doubles[0]}, and reports name sets by their files; rename one of them, or "
            "leave it out"
        )
    return tuple(EvaluationFile(path, _digest(where, path)) for path in found)


def sha256_of(found: Sequence[EvaluationFile]) -> str:
    """One digest of all sets: that of what `sha256sum` prints in their folder, in the order of their names."""
    lines = [f"{file.sha256}  {file.name}\n" for file in sorted(found, key=lambda file: file.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def items(where: str, path: str, fields: Sequence[str] = ()) -> Iterator[tuple[int, str]]:
    """The number of each row, from 1, and its text: all its strings, or those in `fields`, nested ones too.

    Blank lines are no rows. ValueError names file and line where a row cannot be read, and the file where no row has
    text.
    """
    rows = _parquet_rows if path.endswith(".parquet") else _json_rows
    has_text, known = False, dict[str, None]()
    try:
        for number, row in rows(where, path, fields):
            if isinstance(row, dict):
                known.update(dict.fromkeys(list(row)[:_SHOWN] if len(known) < _SHOWN else ()))
            if fields:
                row = [row[name] for name in fields if name in row] if isinstance(row, dict) else []
            text = "\n".join(_strings(row))
            has_text = has_text or bool(text.strip())
            yield number, text
    except _UNREADABLE as error:
        raise ValueError(f"{where} {path} cannot be read ({_told(error)}); check the path, or take it anew") from None
    if has_text:
        return
    if fields and known:
        raise ValueError(
            f"{where} {path}: no row has text in {', '.join(fields)}; it has {', '.join(map(repr, known))}: name others"
        )
    raise ValueError(f"{where} {path} holds no text in any row; leave it out, or give the file that was meant")


def _of_folder(where: str, folder: str) -> list[str]:
    names = [name for name in storage.listing(folder) if name.endswith(SUFFIXES) and not name.startswith(".")]
    if not names:
        raise ValueError(
            f"{where} {folder}: no folder with files that end in {', '.join(SUFFIXES)}; check the path, or put "
            "evaluation sets there"
        )
    return [storage.join(folder, name) for name in names]


def _digest(where: str, path: str) -> str:
    try:
        return manifest.sha256_of(path)
    except OSError as error:
        raise ValueError(f"{where} {path} cannot be read: {error.strerror or error}; check the path") from None


def _json_rows(where: str, path: str, _: Sequence[str]) -> Iterator[tuple[int, Any]]:
    with contextlib.closing(_unpacked(path)) as file:
        number = 0
        while line := file.readline(_MAX_LINE + 1):
            number += 1
            if len(line) > _MAX_LINE:
                raise ValueError(
                    f"{where} {path}, line {number}: longer than {_MAX_LINE >> 20} MiB; one item a line is expected"
                )
            if not (line := line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{where} {path}, line {number}: no JSON ({_told(error)}); one JSON object a line is expected: "
                    "mend or remove the line"
                ) from None


def _unpacked(path: str) -> BinaryIO:
    packed = storage.open_read(path)
    if path.endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=packed))
    if path.endswith(".zst"):
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader)))
    return packed


def _parquet_rows(where: str, path: str, fields: Sequence[str]) -> Iterator[tuple[int, Any]]:
    from pyarrow import parquet  # here, since every child that extracts pages knows of recipes, and none of this

    with storage.open_read(path) as file:
        part = parquet.ParquetFile(file)
        names = part.schema_arrow.names
        if missing := [name for name in fields if name not in names]:
            raise ValueError(
                f"{where} {path} has no column {missing[0]}; it has {', '.join(map(repr, names[:_SHOWN]))}: name others"
            )
        number = 0
        for batch in part.iter_batches(_ROWS, columns=list(fields) or None):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _strings(value: Any) -> Iterator[str]:
    """All strings of a JSON value, in their order; keys are none."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += reversed(value.values())
        elif isinstance(value, (list, tuple)):
            waiting += reversed(value)


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
