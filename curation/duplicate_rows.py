"""What a corpus stores of its duplicates, as packed numbers: who was dropped for whom, by which step, how similar.

A row takes 44 bytes of memory, whatever its text; every archive and every host is held once.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import ids, storage, stored_pages, urls
from curation.manifest import Manifest

# Steps that drop a document and name the one that stays.
STEPS = ("SeenPayload", "SamePayload", "NewestPage", "FirstOfUrl", "ExactDuplicates", "NearDuplicates")
ROW = np.dtype(
    [
        ("document", "<i8"),
        ("kept", "<i8"),  # that it was dropped for, which may have been dropped later
        ("other", "<i8"),  # that it was found similar to: the kept one, or another of its cluster
        ("value", "<f8"),  # similarity to `other`, NaN where texts were not compared
        ("kind", "<i4"),  # place in Rows.kinds
        ("host", "<i4"),  # place in Rows.hosts
        ("part", "<i4"),  # place in Rows.parts
    ]
)
_BATCH = 1 << 16  # rows
_ID = r"(?s)^(?P<archive>.*)@(?P<offset>\d{1,12})$"
_EVIDENCE = r"(?s)^(?P<kept>.*?@\d+)(?: through (?P<other>.*@\d+))?$"
_REJECTED = ["id", "url", "step", "reason", "value", "evidence"]


class Codes:
    """Names as small numbers, in the order in which they were met."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, name: str) -> int:
        """The number of a name, which gets one where it has none."""
        place = self._places.setdefault(name, len(self.names))
        if place == len(self.names):
            self.names.append(name)
        return place

    def of(self, names: Iterable[str]) -> np.ndarray:
        """The numbers of names that may be new, int64[n]."""
        return np.fromiter(map(self.add, names), np.int64)

    def known(self, names: Iterable[str]) -> np.ndarray:
        """The numbers of names, int64[n], -1 for those that have none."""
        return np.fromiter((self._places.get(name, -1) for name in names), np.int64)


class Documents:
    """The ids of documents, `<archive>@<offset>`, as an int64 each."""

    def __init__(self) -> None:
        self.archives = Codes()

    def numbers(self, found: pa.Array, where: str) -> np.ndarray:
        """The numbers of ids, int64[n]; ValueError names the first that is none."""
        parsed = pc.extract_regex(found, _ID)
        _check(parsed, found, where, "an id, <archive>@<offset>")
        archives = pc.struct_field(parsed, "archive").dictionary_encode()
        bases = [ids.pack(self.archives.add(name), 0) for name in archives.dictionary.to_pylist()]
        offsets = pc.struct_field(parsed, "offset").cast(pa.int64()).to_numpy(zero_copy_only=False)
        result: np.ndarray = np.array(bases, np.int64)[archives.indices.to_numpy(zero_copy_only=False)] + offsets
        return result

    def id(self, number: int) -> str:
        """The id that the corpus shows."""
        return f"{self.archive(number)}@{self.offset(number)}"

    @staticmethod
    def offset(number: int) -> int:
        """Where the record of a document starts in its archive, in bytes."""
        return number % ids.pack(1, 0)

    def archive(self, number: int) -> str:
        """The name of the archive that a document is from, behind that of its corpus where it is of an earlier one."""
        return self.archives.names[number // ids.pack(1, 0)]


@dataclasses.dataclass(frozen=True)
class Rows:
    """The dropped documents of a corpus."""

    table: np.ndarray  # ROW[n], by document, each once
    documents: Documents
    kinds: list[tuple[str, str]]  # steps with reasons
    hosts: Codes
    parts: list[str]

    def of_step(self, step: str) -> np.ndarray:
        """Which rows a step dropped, bool[n]."""
        return np.isin(self.table["kind"], [place for place, kind in enumerate(self.kinds) if kind[0] == step])


def read(corpus: str, held: Manifest) -> Rows:
    """The duplicates of a corpus; ValueError where a file of it is missing, damaged, or does not name what stays."""
    documents, hosts, kinds = Documents(), Codes(), Codes()
    parts = stored_pages.part_names(held)
    pieces = [np.empty(0, ROW)]
    for number, part in enumerate(parts):
        for name in (part, f"{part}-duplicates"):
            path = storage.join(corpus, "rejected", f"{name}.parquet")
            for batch in batches(path, _REJECTED):
                batch = batch.filter(pc.is_in(batch["step"], pa.array(STEPS)))
                kept, other = _evidence(batch["evidence"], path)
                piece = np.empty(batch.num_rows, ROW)
                piece["document"] = documents.numbers(batch["id"], path)
                piece["kept"], piece["other"] = documents.numbers(kept, path), documents.numbers(other, path)
                piece["value"] = batch["value"].to_numpy(zero_copy_only=False)
                pairs = zip(batch["step"].to_pylist(), batch["reason"].to_pylist(), strict=True)
                piece["kind"] = kinds.of("\n".join(pair) for pair in pairs)
                piece["host"] = hosts.of(map(urls.host, batch["url"].to_pylist()))
                piece["part"] = number
                pieces.append(piece)
    table = np.concatenate(pieces)
    steps = [(step, reason) for step, _, reason in (name.partition("\n") for name in kinds.names)]
    return Rows(table[np.argsort(table["document"], kind="stable")], documents, steps, hosts, parts)


def batches(path: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, 65,536 rows in memory at a time; ValueError where it cannot be read."""
    with explained(path), storage.open_read(path) as file:
        part = pq.ParquetFile(file)
        if missing := set(columns) - set(part.schema_arrow.names):
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}: make the corpus again")
        yield from part.iter_batches(_BATCH, columns=columns)


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Says in one sentence what is wrong with a Parquet file that cannot be read."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; copy the whole corpus, or make it again") from None
    except storage.StorageError:
        raise
    except (pa.ArrowException, OSError) as error:
        why = str(error).partition("\n")[0][:200]
        raise ValueError(f"{path} is no whole Parquet file ({why}); copy the whole corpus, or make it again") from None


def _evidence(found: pa.Array, path: str) -> tuple[pa.Array, pa.Array]:
    """The ids of the kept documents, and of those whose similarity is told."""
    parsed = pc.extract_regex(found, _EVIDENCE)
    _check(parsed, found, path, "the id of the document that was kept")
    kept, other = (pc.struct_field(parsed, name) for name in ("kept", "other"))
    return kept, pc.if_else(pc.equal(other, ""), kept, other)


def _check(parsed: pa.Array, found: pa.Array, where: str, what: str) -> None:
    if parsed.null_count:
        (wrong,) = found.filter(pc.is_null(parsed)).slice(0, 1).to_pylist()
        raise ValueError(f"{where}: expected {what}, found {str(wrong)[:200]!r}; the corpus is damaged: make it again")
