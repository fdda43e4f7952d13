"""The pages of a corpus with what was measured on them, in the crawl's order; texts are read only where asked for."""

import contextlib
import dataclasses
import functools
import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation import storage
from curation.document import DOCUMENTS, Document
from curation.manifest import Manifest

_KNOWN = ["id", "url", "offset", "language", "language_score", "signals"]
_VERDICT = ["id", "url", "offset", "step", "reason", "value"]


class _Group:
    """A row group of documents: what was measured is read at once, a column of signals or the texts when asked for."""

    def __init__(self, part: pq.ParquetFile, number: int) -> None:
        self._part, self._number = part, number
        self.known = part.read_row_group(number, columns=_KNOWN)
        self._columns: dict[str, list[float]] = {}

    @functools.cached_property
    def texts(self) -> pa.ChunkedArray:
        """The texts of the rows."""
        return self._part.read_row_group(self._number, columns=["text"]).column("text")

    @functools.cached_property
    def rows(self) -> pa.Table:
        """The rows with all their columns."""
        return self._part.read_row_group(self._number)

    @functools.cached_property
    def _pairs(self) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
        """The names of the signals; then, for each number of the group: whose name it has, its row, itself."""
        column = self.known.column("signals").combine_chunks()
        starts = column.offsets.to_numpy()
        names = column.keys.dictionary_encode()
        rows = np.repeat(np.arange(len(column)), np.diff(starts))
        span = slice(int(starts[0]), int(starts[-1])) if len(starts) else slice(0, 0)
        indices = names.indices.to_numpy(zero_copy_only=False)[span]
        return names.dictionary.to_pylist(), indices, rows, column.items.to_numpy(zero_copy_only=False)[span]

    def names(self, row: int) -> list[str]:
        """The signals of a row."""
        names, numbers, rows, _ = self._pairs
        return [names[number] for number in numbers[rows == row]]

    def signals(self, name: str) -> list[float]:
        """A signal of all rows, NaN where a row has it not; KeyError where none has."""
        if name not in self._columns:
            names, numbers, rows, values = self._pairs
            if name not in names:
                raise KeyError(name)
            here, found = numbers == names.index(name), np.full(self.known.num_rows, np.nan)
            found[rows[here]] = values[here]
            self._columns[name] = found.tolist()
        return self._columns[name]


class _Signals(Mapping[str, float]):
    """The signals of one row."""

    def __init__(self, group: _Group, row: int) -> None:
        self._group, self._row = group, row

    def __getitem__(self, name: str) -> float:
        value = self._group.signals(name)[self._row]
        if value != value:  # no rule measures a NaN
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._group.names(self._row))

    def __len__(self) -> int:
        return len(self._group.names(self._row))


@dataclasses.dataclass(frozen=True)
class StoredPage:
    """A page as the corpus has it."""

    id: str
    url: str
    offset: int
    language: str = ""
    language_score: float = 0.0
    signals: Mapping[str, float] = dataclasses.field(default_factory=dict, repr=False)
    step: str = ""  # that rejected it; empty where none did
    reason: str = ""
    value: float | None = None
    group: _Group | None = dataclasses.field(default=None, repr=False)  # where its text lies, if it has one
    row: int = 0

    def text(self) -> str:
        """Its text, to be asked for before the next page is; empty where none is stored."""
        return "" if self.group is None else str(self.group.texts[self.row].as_py())

    def document(self) -> Document:
        """The whole row, of a page that has a text, to be asked for before the next page is."""
        assert self.group is not None, self.id
        (found,) = self.group.rows.slice(self.row, 1).to_pylist()
        return Document(**{**found, "signals": dict(found["signals"])})


def part_names(held: Manifest) -> list[str]:
    """The parts of a corpus, in the crawl's order."""
    paths = (output.path for output in held.outputs if output.path.startswith("filtered/"))
    return sorted(path.removeprefix("filtered/").removesuffix(".parquet") for path in paths)


def before_duplicates(corpus: str, part: str) -> Iterator[StoredPage]:
    """The pages of a part as they are after the per-document steps before the first on all documents."""
    return _merged(_path(corpus, "filtered", part), _rejected(corpus, part))


def at_the_end(corpus: str, part: str) -> Iterator[StoredPage]:
    """The pages of a part as the corpus has them."""
    later = _rejected(corpus, f"{part}-duplicates")
    return _merged(_path(corpus, "documents", part), heapq.merge(_rejected(corpus, part), later, key=_offset))


def after_duplicates(corpus: str, part: str) -> Iterator[StoredPage]:
    """The pages of a part that came to the steps behind those on all documents."""
    later = _rejected(corpus, f"{part}-duplicates")
    return _merged(_path(corpus, "documents", part), (page for page in later if page.group))


def ids(corpus: str, folder: str, part: str) -> set[str]:
    """The ids of a part."""
    with _opened(_path(corpus, folder, part)) as opened:
        return set(opened.read(columns=["id"]).column("id").to_pylist())


def _path(corpus: str, folder: str, part: str) -> str:
    return storage.join(corpus, folder, f"{part}.parquet")


def _offset(page: StoredPage) -> int:
    return page.offset


def _merged(kept: str, rejected: Iterable[StoredPage]) -> Iterator[StoredPage]:
    return heapq.merge(_documents(kept), rejected, key=_offset)


def _rejected(corpus: str, part: str) -> Iterator[StoredPage]:
    """The rejected pages of a part, each with its text and what was measured where these are stored."""
    texts = _documents(_path(corpus, "rejected_texts", part))
    text = next(texts, None)
    for row in _rows(_path(corpus, "rejected", part), _VERDICT):
        if text and text.id == row["id"]:
            yield dataclasses.replace(text, step=row["step"], reason=row["reason"], value=row["value"])
            text = next(texts, None)
        else:
            yield StoredPage(**row)
    assert text is None, text.id


def _documents(path: str) -> Iterator[StoredPage]:
    with _opened(path) as part:
        if not part.schema_arrow.equals(DOCUMENTS):
            raise ValueError(f"{path} has other columns than documents have: make the corpus again, with this version")
        for number in range(part.num_row_groups):
            group = _Group(part, number)
            columns = group.known.drop_columns(["signals"]).to_pylist()
            for row, known in enumerate(columns):
                yield StoredPage(**known, signals=_Signals(group, row), group=group, row=row)


def _rows(path: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    with _opened(path) as part:
        for number in range(part.num_row_groups):
            yield from part.read_row_group(number, columns=columns).to_pylist()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    try:
        with storage.open_read(path) as file:
            yield pq.ParquetFile(file)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"is no Parquet file ({error})"
        raise ValueError(f"{path} {what}; copy the whole corpus, or make it again") from None
