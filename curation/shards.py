"""Token shards: the contract between the pipelines, which write them, and the trainers, which map them.

A shard is an Arrow IPC file, uncompressed, one document a row, in few large record batches, so that a reader maps
the token buffer without copying it. What the tokens mean stands in the schema's metadata (`ShardInfo`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

FORMAT_VERSION = 2
SPLITS = ("train", "validation")
FINGERPRINT = b"fingerprint"  # key of the metadata: what the shard was made from, for restarts
NUMBERS = ("num_bytes", "language_score", "copies")  # columns that documents can be chosen by, beside signals
_BATCH_TOKENS = 1 << 24
# Names lie in a dictionary: written out in each row, those of a recipe are half as large as a short page's tokens.
_SIGNALS = pa.map_(pa.dictionary(pa.int16(), pa.string()), pa.float32())


@dataclasses.dataclass(frozen=True)
class ShardInfo:
    """What a reader must know to use a shard's tokens; stored as the Arrow schema's metadata."""

    split: str  # "train" or "validation"
    tokenizer_sha256: str
    vocab_size: int
    end_of_text_id: int
    recipe_sha256: str
    format_version: int = FORMAT_VERSION

    def metadata(self) -> dict[bytes, bytes]:
        """The Arrow schema metadata that `of_metadata` reads back."""
        return {name.encode(): str(value).encode() for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def of_metadata(cls, metadata: Mapping[bytes, bytes] | None, path: str) -> "ShardInfo":
        """Reads the metadata of the shard at `path`; ValueError where a key is missing or the format is unknown."""
        found = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
        if missing := sorted({field.name for field in dataclasses.fields(cls)} - found.keys()):
            raise ValueError(f"{path} is not a token shard: its Arrow metadata has no {', '.join(missing)}")
        if found["format_version"] != str(FORMAT_VERSION):
            raise ValueError(
                f"{path} has shard format {found['format_version']}, this version reads {FORMAT_VERSION}; "
                "write the corpus again or use the version that wrote it"
            )
        return cls(
            split=found["split"],
            tokenizer_sha256=found["tokenizer_sha256"],
            vocab_size=int(found["vocab_size"]),
            end_of_text_id=int(found["end_of_text_id"]),
            recipe_sha256=found["recipe_sha256"],
        )


def token_dtype(vocab_size: int) -> pa.DataType:
    """uint16 where every id fits, else uint32."""
    return pa.uint16() if vocab_size <= 1 << 16 else pa.uint32()


def schema(info: ShardInfo) -> pa.Schema:
    """The columns of a shard; `tokens` of a row ends with the end-of-text id."""
    return pa.schema(
        [
            ("tokens", pa.large_list(pa.field("item", token_dtype(info.vocab_size), nullable=False))),
            ("id", pa.string()),
            ("url", pa.string()),
            ("warc", pa.string()),
            ("offset", pa.int64()),
            ("num_bytes", pa.int64()),  # of the document's text as UTF-8
            ("language", pa.string()),
            ("language_score", pa.float32()),
            ("copies", pa.int32()),
            ("signals", _SIGNALS),  # all that the curated document has, by name, the names sorted
        ],
        metadata=info.metadata(),
    )


class ShardWriter:
    """Writes documents as they come, in record batches of about 16 million tokens."""

    def __init__(self, path: str, info: ShardInfo, *, fingerprint: str) -> None:
        self._schema = schema(info)
        metadata = {**info.metadata(), FINGERPRINT: fingerprint.encode()}
        # A later batch may hold names that those before it do not: the file format adds to a dictionary by deltas only.
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        self._writer = pa.ipc.new_file(path, self._schema.with_metadata(metadata), options=options)
        # Of signals, in the order in which they came, after one of none: no delta adds to an empty dictionary.
        self._names = {"": 0}
        self._tokens: list[np.ndarray] = []
        self._columns: list[tuple[Any, ...]] = []
        self._size = 0

    def add(self, tokens: np.ndarray, columns: tuple[Any, ...]) -> None:
        """Adds a document: its tokens, uint16[n] or uint32[n], and its values of the other columns, in their order.

        The last one, its signals, is a mapping of names to numbers.
        """
        self._tokens.append(tokens)
        self._columns.append(columns)
        self._size += len(tokens)
        if self._size >= _BATCH_TOKENS:
            self._flush()

    def close(self) -> None:
        """Writes what is left and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._tokens:
            self._writer.write_batch(self._batch(self._tokens, list(zip(*self._columns, strict=True))))
        self._tokens, self._columns, self._size = [], [], 0

    def _batch(self, tokens: Sequence[np.ndarray], columns: Sequence[Sequence[Any]]) -> pa.RecordBatch:
        kind = self._schema.field("tokens").type
        offsets = np.concatenate([[0], np.cumsum([len(document) for document in tokens])])
        values = pa.array(np.concatenate(tokens), kind.value_type)
        lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values, type=kind)
        fields = list(self._schema)[1:-1]
        others = [pa.array(column, field.type) for column, field in zip(columns[:-1], fields, strict=True)]
        return pa.record_batch([lists, *others, self._signals(columns[-1])], schema=self._schema)

    def _signals(self, rows: Sequence[Mapping[str, float]]) -> pa.MapArray:
        sorted_rows = [sorted(row.items()) for row in rows]
        for name in (name for row in sorted_rows for name, _ in row):
            self._names.setdefault(name, len(self._names))
        keys = pa.array([self._names[name] for row in sorted_rows for name, _ in row], pa.int16())
        values = pa.array([value for row in sorted_rows for _, value in row], pa.float32())
        offsets = pa.array(np.cumsum([0, *map(len, sorted_rows)]), pa.int32())
        names = pa.DictionaryArray.from_arrays(keys, pa.array(list(self._names), pa.string()))
        return pa.MapArray.from_arrays(offsets, names, values, type=_SIGNALS)


@dataclasses.dataclass(frozen=True)
class Shard:
    """A mapped shard. Nothing is read until it is touched, and nothing is copied but the offsets' shift."""

    path: str
    info: ShardInfo
    table: pa.Table  # all columns; `tokens` stays on disk until read
    chunks: tuple[np.ndarray, ...]  # uint16[n] or uint32[n]: the tokens of each record batch, mapped
    chunk_starts: np.ndarray  # int64[chunks + 1]: where each chunk starts in the shard, in tokens
    doc_starts: np.ndarray  # int64[documents + 1]: where each document starts in the shard, in tokens

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, end-of-text included."""
        return int(self.chunk_starts[-1])

    def tokens(self, start: int, stop: int) -> np.ndarray:
        """The tokens [start, stop) of the shard; a view where they lie in one record batch, else a copy."""
        assert 0 <= start <= stop <= self.num_tokens, (start, stop, self.num_tokens)
        first = max(int(np.searchsorted(self.chunk_starts, start, "right")) - 1, 0)
        parts = []
        for number in range(first, len(self.chunks)):
            base = int(self.chunk_starts[number])
            if base >= stop:
                break
            parts.append(self.chunks[number][max(start - base, 0) : stop - base])
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, np.uint16)

    def document(self, row: int) -> dict[str, Any]:
        """Every column of one row except its tokens; `signals` is a dictionary of names to numbers."""
        names = [name for name in self.table.column_names if name != "tokens"]
        found = {name: self.table.column(name)[row].as_py() for name in names}
        return {**found, "signals": dict(found["signals"] or ())}

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of the signals that any document has, sorted."""
        chunks = self.table.column("signals").chunks
        return tuple(sorted({name for chunk in chunks for name in chunk.keys.dictionary.to_pylist()} - {""}))

    def numbers(self, name: str) -> np.ndarray:
        """A column of `NUMBERS` or else a signal, float64[documents]: NaN where a document has none of that name.

        ValueError where it is a column of another kind.
        """
        if name in NUMBERS:
            found: np.ndarray = self.table.column(name).to_numpy().astype(np.float64)
            return found
        if name in self.table.column_names:
            raise ValueError(f"{name} of {self.path} is no number; choose one of {', '.join(NUMBERS)}, or a signal")
        chunks = self.table.column("signals").chunks
        return np.concatenate([np.empty(0), *(_signal(chunk, name) for chunk in chunks)])


def _signal(documents: pa.MapArray, name: str) -> np.ndarray:
    """One signal of the documents of a record batch, float64[documents]."""
    found = np.full(len(documents), np.nan)
    known = documents.keys.dictionary.to_pylist()
    if name in known:
        (entries,) = np.nonzero(documents.keys.indices.to_numpy() == known.index(name))
        rows = np.searchsorted(documents.offsets.to_numpy(), entries, "right") - 1
        found[rows] = documents.items.to_numpy(zero_copy_only=False)[entries]
    return found


def open_shard(path: str) -> Shard:
    """Maps the shard at `path` on local disk; ValueError where it is not one or its columns are not ours."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(path))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a token shard: {error}") from None
    info = ShardInfo.of_metadata(reader.schema.metadata, path)
    if not reader.schema.equals(schema(info), check_metadata=False):
        raise ValueError(f"{path} is not a token shard: expected the columns\n{schema(info)}\nfound\n{reader.schema}")

    batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    chunks, doc_starts, chunk_starts = [], [np.zeros(1, np.int64)], [0]
    for batch in batches:
        column = batch.column("tokens")
        offsets = column.offsets.to_numpy()
        chunks.append(column.values.to_numpy(zero_copy_only=True)[offsets[0] : offsets[-1]])
        doc_starts.append(offsets[1:] - offsets[0] + chunk_starts[-1])
        chunk_starts.append(chunk_starts[-1] + int(offsets[-1] - offsets[0]))
    return Shard(
        path=path,
        info=info,
        table=pa.Table.from_batches(batches, reader.schema),
        chunks=tuple(chunks),
        chunk_starts=np.asarray(chunk_starts, np.int64),
        doc_starts=np.concatenate(doc_starts),
    )
