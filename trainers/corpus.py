"""A split of a corpus as one flat stream of tokens: the documents of its shards, shard after shard."""

import dataclasses
import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.shards import Shard


@dataclasses.dataclass(frozen=True)
class Split:
    """Mapped shards with the tables that turn a position of the stream into a document, and back."""

    shards: tuple[Shard, ...]
    shard_starts: np.ndarray  # int64[shards + 1]: where each shard starts in the stream, in tokens
    shard_documents: np.ndarray  # int64[shards + 1]: the number of documents before each shard
    doc_starts: np.ndarray  # int64[documents + 1]: where each document starts in the stream, in tokens
    sha256: str = ""  # the digest of what is in it, where it is known

    @classmethod
    def of(cls, shards: Sequence[Shard], *, sha256: str = "") -> "Split":
        """Joins shards in the order given."""
        shard_starts = np.cumsum([0, *(shard.num_tokens for shard in shards)], dtype=np.int64)
        doc_starts = [shard.doc_starts[:-1] + start for shard, start in zip(shards, shard_starts, strict=False)]
        return cls(
            shards=tuple(shards),
            shard_starts=shard_starts,
            shard_documents=np.cumsum([0, *(len(starts) for starts in doc_starts)], dtype=np.int64),
            doc_starts=np.concatenate([*doc_starts, shard_starts[-1:]]),
            sha256=sha256,
        )

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, end-of-text included."""
        return int(self.shard_starts[-1])

    @property
    def num_documents(self) -> int:
        """Documents of all shards."""
        return len(self.doc_starts) - 1

    def tokens(self, start: int, stop: int) -> np.ndarray:
        """The tokens [start, stop) of the stream, uint16 or uint32; a view where they lie in one record batch."""
        assert 0 <= start <= stop <= self.num_tokens, (start, stop, self.num_tokens)
        starts, chunks = self._chunks
        number = int(starts.searchsorted(start, "right")) - 1
        base = int(starts[number])
        parts = [chunks[number][start - base : stop - base]]
        while (base := int(starts[number + 1])) < stop:
            number += 1
            parts.append(chunks[number][: stop - base])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @functools.cached_property
    def _chunks(self) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """The record batches of all shards: where each starts in the stream, and the end; their tokens, mapped."""
        starts = [shard.chunk_starts[:-1] + base for shard, base in zip(self.shards, self.shard_starts, strict=False)]
        chunks = tuple(chunk for shard in self.shards for chunk in shard.chunks)
        # One more, so that there is one at the end of the stream too.
        empty = np.empty(0, chunks[0].dtype if chunks else np.uint16)
        return np.concatenate([*starts, self.shard_starts[-1:], self.shard_starts[-1:]]), (*chunks, empty)

    def spans(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The documents that have tokens in [start, stop): int64[n] numbers, int64[n + 1] edges of their tokens there.

        The edges begin with `start` and end with `stop`: document i has the tokens [edges[i], edges[i + 1]).
        """
        assert start < stop, (start, stop)
        first = int(np.searchsorted(self.doc_starts, start, "right")) - 1
        last = int(np.searchsorted(self.doc_starts, stop - 1, "right")) - 1
        edges = self.doc_starts[first : last + 2].copy()
        edges[0], edges[-1] = start, stop
        return np.arange(first, last + 1), edges

    def document(self, number: int) -> dict[str, Any]:
        """Every column of a document except its tokens."""
        shard = int(np.searchsorted(self.shard_documents, number, "right")) - 1
        return self.shards[shard].document(number - int(self.shard_documents[shard]))

    def find(self, document_id: str) -> int | None:
        """The number of the document with this id, None where there is none."""
        for shard, before in zip(self.shards, self.shard_documents, strict=False):
            row = int(pc.index(shard.table.column("id"), document_id).as_py())
            if row >= 0:
                return row + int(before)
        return None

    def have_ids(self, ids: Collection[str]) -> np.ndarray:
        """bool[documents]: whether a document's id is among the given ones."""
        wanted = pa.array(sorted(ids), pa.string())
        found = [pc.is_in(shard.table.column("id"), value_set=wanted).to_numpy() for shard in self.shards]
        return np.concatenate([np.zeros(0, bool), *found])

    @functools.cached_property
    def document_bytes(self) -> np.ndarray:
        """UTF-8 bytes of the text of each document, int64[documents]."""
        columns = [shard.table.column("num_bytes").to_numpy() for shard in self.shards]
        return np.concatenate([np.zeros(0, np.int64), *columns])

    def numbers(self, name: str) -> np.ndarray:
        """A numeric column or signal of all documents, float64[documents], NaN where it is missing."""
        return np.concatenate([np.zeros(0), *(shard.numbers(name) for shard in self.shards)])
