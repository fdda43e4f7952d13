"""One row of a corpus by its id, out of parts that may be many, large and far away."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from curation import storage
from curation.document import DOCUMENTS, Document, Rejection

_THREADS = 16  # parts that are asked at once: of remote ones, most of the time is waiting

_T = TypeVar("_T")


def split(id: str) -> tuple[str, int]:
    """The archive's file name and the record's offset; ValueError where it is no id."""
    name, _, offset = id.rpartition("@")
    if not name or not offset.isascii() or not offset.isdigit():
        raise ValueError(f"--id {id}: expected <file name of an archive>@<offset>, as the column id of a corpus has it")
    return name, int(offset)


def row(paths: Sequence[str], id: str) -> tuple[str, Document | Rejection] | None:
    """The row of this id, and which of these parts holds it; of the texts only those of its row group are read."""
    _, offset = split(id)

    def held(path: str) -> Iterator[tuple[str, Document | Rejection]]:
        with _opened(path) as part:
            for group in range(part.num_row_groups):
                low, high = _bounds(part, group, "offset")
                if low is not None and not low <= offset <= high:
                    continue
                ids = part.read_row_group(group, columns=["id"]).column("id").to_pylist()
                if id in ids:
                    found = part.read_row_group(group).slice(ids.index(id), 1).to_pylist()[0]
                    if part.schema_arrow.equals(DOCUMENTS):
                        yield path, Document(**{**found, "signals": dict(found["signals"])})
                    else:
                        yield path, Rejection(**found)
                    return

    return next(_of_all(held, paths), None)


def nearest(paths: Sequence[str], id: str) -> list[str]:
    """The ids of the same archive right before and after this one, as far as there are such."""
    name, offset = split(id)

    def held(path: str) -> Iterator[int]:
        """The nearest offsets of one part."""
        with _opened(path) as part:
            for group in range(part.num_row_groups):
                first, last = _bounds(part, group, "warc")
                if first is not None and first == last and storage.base_name(first) != name:
                    continue
                ids = part.read_row_group(group, columns=["id"]).column("id").to_pylist()
                offsets = [found for archive, found in map(split, ids) if archive == name]
                yield from _around(offsets, offset)

    return [f"{name}@{found}" for found in _around(list(_of_all(held, paths)), offset)]


@contextlib.contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    try:
        with storage.open_read(path) as file:
            yield pq.ParquetFile(file)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"is no Parquet file ({error})"
        raise ValueError(f"{path} {what}; the manifest lists it: copy the whole corpus, or make it again") from None


def _around(offsets: Sequence[int], offset: int) -> Iterator[int]:
    before = [found for found in offsets if found < offset]
    after = [found for found in offsets if found > offset]
    yield from ([max(before)] if before else [])
    yield from ([min(after)] if after else [])


def _of_all(held: Callable[[str], Iterator[_T]], paths: Sequence[str]) -> Iterator[_T]:
    """What the parts hold, in their order; the parts not yet begun are left alone once nobody asks for more."""
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(lambda path: list(held(path)), paths):
            yield from found


def _bounds(part: pq.ParquetFile, group: int, name: str) -> tuple[Any, Any]:
    """The smallest and largest value of a column in a row group, or None twice where the file does not say."""
    columns = part.metadata.row_group(group)
    for number in range(columns.num_columns):
        column = columns.column(number)
        if column.path_in_schema == name and column.is_stats_set and column.statistics.has_min_max:
            return column.statistics.min, column.statistics.max
    return None, None
