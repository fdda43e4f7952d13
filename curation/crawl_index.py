"""Pages of a crawl by host, language or type: Common Crawl's columnar index to byte ranges of its archives.

The index is some 300 Parquet files of a gigabyte, sorted by `url_surtkey`. Read are the footer of each file, then, in
row groups whose statistics admit a wanted host, the columns that the conditions need, then, in row groups that hold a
wanted page, where the records lie.
"""

import bisect
import concurrent.futures
import contextlib
import dataclasses
import io
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import common_crawl, storage
from curation.common_crawl import Crawl

_TEXT = {"url_surtkey", "url_host_name", "content_languages", "content_mime_detected", "warc_filename"}
_TEXT_TYPES, _INTEGER_TYPES = {"string", "large_string"}, {"int16", "int32", "int64"}
_ADDRESS = ["warc_filename", "warc_record_offset", "warc_record_length"]
_MAX_RECORD = 1 << 30  # bytes; a page of Common Crawl has a few MiB at most
_THREADS = 8  # files that are read at a time, most of it waiting for the network
_LANGUAGE = re.compile(r"[a-z]{3}")
_MIME = re.compile(r"[a-z0-9.+_-]+/[a-z0-9.+_-]+")


@dataclasses.dataclass(frozen=True)
class Selection:
    """The pages that meet every condition that is not empty; ValueError where a value is no host, language or type.

    Values are kept in one spelling and order, so that selections of the same pages are equal.
    """

    hosts: tuple[str, ...] = ()  # each stands for itself and its subdomains
    languages: tuple[str, ...] = ()  # ISO 639-3; one of them is the most probable language of the page
    mimes: tuple[str, ...] = ()  # as detected from the content, whatever the server said

    def __post_init__(self) -> None:
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language):
                raise ValueError(f"--url-languages {language}: expected a code of ISO 639-3, such as eng or deu")
        for mime in self.mimes:
            if not _MIME.fullmatch(mime.lower()):
                raise ValueError(f"--mime {mime}: expected a media type, such as text/html")
        object.__setattr__(self, "hosts", tuple(sorted({common_crawl.host_name(name) for name in self.hosts})))
        object.__setattr__(self, "languages", tuple(sorted(set(self.languages))))
        object.__setattr__(self, "mimes", tuple(sorted({mime.lower() for mime in self.mimes})))

    def __str__(self) -> str:
        flags = {"--hosts": self.hosts, "--url-languages": self.languages, "--mime": self.mimes}
        return " ".join(f"{flag} {_some(values)}" for flag, values in flags.items() if values)


@dataclasses.dataclass(frozen=True)
class Spans:
    """An archive, and where its wanted records lie."""

    path: str
    ranges: tuple[tuple[int, int], ...]  # [start, stop) in bytes, sorted, each once, none over another


@dataclasses.dataclass(frozen=True)
class _Query:
    conditions: Mapping[str, Callable[[str], bool]]  # by column
    prefixes: Sequence[bytes]  # of the sort keys of wanted pages, sorted; empty where any key may be wanted
    archives: frozenset[str] | None  # below the base; None where any archive will do


def select(
    crawl: Crawl, selection: Selection, *, files: slice | None = None, segment: str | None = None
) -> list[Spans]:
    """The wanted pages that were fetched with status 200, by archive: of all, or of one segment and `files` of those.

    Raises ValueError where a list or an index file is not what it should be, and where there is no such page.
    """
    if crawl.format != "warc":
        raise ValueError(
            f"--format {crawl.format}: the index says where pages lie in WARC archives only; use --format warc, or "
            "leave --hosts, --url-languages and --mime out"
        )
    if selection == Selection():
        raise ValueError("no page is asked of the index: give --hosts, --url-languages or --mime")
    archives = None
    if files is not None or segment is not None:
        paths = common_crawl.archive_paths(crawl, files=files, segment=segment)
        archives = frozenset(path.removeprefix(storage.join(crawl.base, "")) for path in paths)
    query = _Query(_conditions(selection), common_crawl.sort_key_prefixes(selection.hosts), archives)
    ranges = defaultdict[str, set[tuple[int, int]]](set)
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(lambda path: _look_up(path, query), common_crawl.index_paths(crawl)):
            for archive, start, stop in found:
                ranges[archive].add((start, stop))
    if not ranges:
        where = "" if archives is None else f" in the {len(archives)} archives asked for"
        raise ValueError(f"{selection}: {crawl.name} has no such page{where}; ask for others")
    return [_spans(storage.join(crawl.base, archive), ranges.pop(archive)) for archive in sorted(ranges)]


def _look_up(path: str, query: _Query) -> list[tuple[str, int, int]]:
    """The wanted records that one index file knows: archive, start and stop."""
    try:
        with storage.open_read(path) as file:
            return list(_records(path, file, query))
    except storage.StorageError:
        raise
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read as an index of pages: {' '.join(str(error).split())}; check --crawl-base or "
            "download the file again"
        ) from None


def _records(path: str, file: BinaryIO, query: _Query) -> Iterator[tuple[str, int, int]]:
    footer = pq.read_metadata(file)
    filters = ["fetch_status", *query.conditions]
    _check_columns(path, footer, [*filters, *_ADDRESS, *(["url_surtkey"] if query.prefixes else [])])
    texts = [*query.conditions, "warc_filename"]
    index = pq.ParquetFile(file, metadata=footer, read_dictionary=texts, pre_buffer=False)  # reads no column between
    every = range(footer.num_row_groups)
    for group in _admitted(footer, file.seek(0, io.SEEK_END), query.prefixes) if query.prefixes else every:
        pages = _read(index, group, filters)
        wanted = pc.fill_null(pc.equal(pages["fetch_status"], 200), False).to_numpy()
        for name, is_wanted in query.conditions.items():
            wanted = wanted & _mask(pages[name], is_wanted)
        if not wanted.any():
            continue
        rows = _read(index, group, _ADDRESS).filter(pa.array(wanted))
        if query.archives is not None:
            rows = rows.filter(pa.array(_mask(rows["warc_filename"], query.archives.__contains__)))
        for name, offset, length in zip(*(rows[column].to_pylist() for column in _ADDRESS), strict=True):
            if not _is_record(name, offset, length):
                raise ValueError(
                    f"{path}: expected records of 1 byte to 1 GiB in archives such as crawl-data/.../x.warc.gz, found "
                    f"one of {length} bytes at {offset} of {name!r}; check --crawl-base or download the file again"
                )
            yield sys.intern(name), offset, offset + length


def _read(index: pq.ParquetFile, group: int, columns: Sequence[str]) -> pa.Table:
    table = index.read_row_group(group, columns=columns, use_threads=False)
    table.validate(full=True)  # damage may leave indices that point outside their dictionary
    return table


def _mask(column: pa.ChunkedArray, is_wanted: Callable[[str], bool]) -> np.ndarray:
    """bool[rows]: where a column of dictionary-encoded text holds a wanted value; a null is none."""
    masks = [np.zeros(0, bool)]
    for chunk in column.chunks:
        verdicts = np.array([*(is_wanted(value) for value in chunk.dictionary.to_pylist()), False])
        masks.append(verdicts[chunk.indices.fill_null(len(chunk.dictionary)).to_numpy()])
    return np.concatenate(masks)


def _is_record(name: str | None, offset: int | None, length: int | None) -> bool:
    if name is None or offset is None or length is None or not name.startswith("crawl-data/"):
        return False
    return common_crawl.is_path(name) and offset >= 0 and 1 <= length <= _MAX_RECORD


def _check_columns(path: str, footer: pq.FileMetaData, needed: Sequence[str]) -> None:
    """Raises ValueError where a needed column is not there, there twice, or of another type."""
    schema = footer.schema.to_arrow_schema()
    wrong = []
    for name in needed:
        kind, spellings = ("text", _TEXT_TYPES) if name in _TEXT else ("integer", _INTEGER_TYPES)
        found = [str(field.type) for field in schema if field.name == name]
        if len(found) != 1 or found[0] not in spellings:
            wrong.append(f"{name} as {kind} ({' and '.join(found) or 'not there'})")
    if wrong:
        raise ValueError(
            f"{path} is no index of pages: expected {', '.join(wrong)}, found the columns {_some(schema.names, 40)}; "
            "check --crawl-base or choose another crawl"
        )


def _conditions(selection: Selection) -> dict[str, Callable[[str], bool]]:
    hosts, languages, mimes = map(frozenset, (selection.hosts, selection.languages, selection.mimes))
    conditions: dict[str, Callable[[str], bool]] = {}
    if hosts:
        conditions["url_host_name"] = lambda name: _is_within(name, hosts)
    if languages:
        conditions["content_languages"] = lambda codes: codes.split(",", 1)[0] in languages
    if mimes:
        conditions["content_mime_detected"] = lambda mime: mime in mimes
    return conditions


def _is_within(name: str, hosts: Set[str]) -> bool:
    labels = name.split(".")
    return any(".".join(labels[first:]) in hosts for first in range(len(labels)))


def _admitted(footer: pq.FileMetaData, size: int, prefixes: Sequence[bytes]) -> Iterator[int]:
    """The row groups whose statistics admit a sort key with one of the prefixes; `size` is the file's in bytes."""
    # pyarrow 25 raises an error about damaged metadata where it reads; where it is asked for it, it aborts the process.
    probe = pq.ParquetFile(_Unread(size), metadata=footer, pre_buffer=False)
    number = [footer.schema.column(number).path for number in range(footer.num_columns)].index("url_surtkey")
    for group in range(footer.num_row_groups):
        with contextlib.suppress(EOFError):
            probe.read_row_group(group, columns=["url_surtkey"], use_threads=False)
        column = footer.row_group(group).column(number)
        statistics = column.statistics if column.physical_type == "BYTE_ARRAY" else None
        low, high = b"", b"\xff"
        if statistics is not None and statistics.has_min_max:
            low, high = statistics.min_raw, statistics.max_raw
        first = bisect.bisect_left(prefixes, low)
        if any(prefix <= high for prefix in prefixes[first : first + 1]) or low.startswith(tuple(prefixes)):
            yield group


class _Unread(io.BytesIO):
    """Has the size of a file, in bytes, and raises EOFError where it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._size

    def tell(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        raise EOFError


def _spans(path: str, ranges: set[tuple[int, int]]) -> Spans:
    spans = Spans(path, tuple(sorted(ranges)))
    for (start, stop), (following, _) in itertools.pairwise(spans.ranges):
        if following < stop:
            found = f"a record in bytes {start} to {stop} and another one from {following}"
            raise ValueError(f"{path}: the index has {found}; check --crawl-base or choose another crawl")
    return spans


def _some(values: Sequence[str], most: int = 3) -> str:
    """The first few values, as a message can hold them."""
    shown = ",".join(value[:100] for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
