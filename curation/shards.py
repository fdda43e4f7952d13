"""Token shards: the contract between the pipelines, which write them, and the trainers, which map them.

A shard is an Arrow IPC file, uncompressed, one document a row, in few large record batches, so that a reader maps
the token buffer without copying it. What the tokens mean stands in the schema's metadata (`ShardInfo`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

FORMAT_VERSION = 1
SPLITS = ("train", "validation")
FINGERPRINT = b"fingerprint"  # key of the metadata: what the shard was made from, for restarts
_BATCH_TOKENS = 1 << 24


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
        ],
        metadata=info.metadata(),
    )


class ShardWriter:
    """Writes documents as they come, in record batches of about 16 million tokens."""

    def __init__(self, path: str, info: ShardInfo, *, fingerprint: str) -> None:
        self._schema = schema(info)
        metadata = {**info.metadata(), FINGERPRINT: fingerprint.encode()}
        self._writer = pa.ipc.new_file(path, self._schema.with_metadata(metadata))
        self._tokens: list[np.ndarray] = []
        self._columns: list[tuple[Any, ...]] = []
        self._size = 0

    def add(self, tokens: np.ndarray, columns: tuple[Any, ...]) -> None:
        """Adds a document: its tokens, uint16[n] or uint32[n], and its values of the other columns, in their order."""
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
        others = [pa.array(column, field.type) for column, field in zip(columns, list(self._schema)[1:], strict=True)]
        return pa.record_batch([lists, *others], schema=self._schema)


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
        """Every column of one row except its tokens."""
        return {name: self.table.column(name)[row].as_py() for name in self.table.column_names if name != "tokens"}


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
