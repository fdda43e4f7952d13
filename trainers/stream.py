"""What an epoch reads: occurrences of documents, one after another, as one flat stream of tokens.

The stream of one whole corpus is its training split as it lies in the shards. A mixture, a sampling or a tombstone
gives another list of documents; none copies a token, and documents that follow each other in a split stay one slice.
"""

import dataclasses
import functools
import hashlib
import json
from typing import Any

import numpy as np

from trainers.corpus import Split
from trainers.row import Row


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """Occurrences of documents in reading order; a document that is repeated has several. All arrays are read only."""

    splits: tuple[Split, ...]  # one per corpus
    sources: np.ndarray  # uint8 or uint16 [n]: which split each occurrence is from
    documents: np.ndarray  # int64[n]: its number there
    starts: np.ndarray  # int64[n + 1]: where each occurrence starts in the stream, in tokens

    @classmethod
    def of(cls, splits: tuple[Split, ...], sources: np.ndarray, documents: np.ndarray) -> "Stream":
        """The stream of the given documents, int64[n], of the given splits, an integer for each."""
        lengths = np.empty(len(documents), np.int64)
        for source, split in enumerate(splits):
            chosen = sources == source
            numbers = documents[chosen]
            lengths[chosen] = split.doc_starts[numbers + 1] - split.doc_starts[numbers]
        kind = np.min_scalar_type(len(splits) - 1)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        return cls(splits, sources.astype(kind, copy=False), documents, starts)

    @classmethod
    def of_split(cls, split: Split, *, without: frozenset[str] = frozenset()) -> "Stream":
        """A split once, as it lies in its shards, but for the documents with the ids `without`."""
        documents = np.flatnonzero(~split.have_ids(without)) if without else np.arange(split.num_documents)
        if len(documents) == split.num_documents:
            return cls((split,), np.zeros(len(documents), np.uint8), documents, split.doc_starts)
        return cls.of((split,), np.zeros(len(documents), np.uint8), documents)

    @property
    def num_tokens(self) -> int:
        """Tokens of all occurrences, end-of-text included."""
        return int(self.starts[-1])

    @property
    def num_documents(self) -> int:
        """Occurrences."""
        return len(self.documents)

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the text of all occurrences."""
        chosen = [self.documents[self.sources == source] for source in range(len(self.splits))]
        return sum(
            int(split.document_bytes[documents].sum()) for split, documents in zip(self.splits, chosen, strict=True)
        )

    @functools.cached_property
    def sha256(self) -> str:
        """The digest of what is read and in which order: the splits' digests, and the list of documents."""
        digest = hashlib.sha256(json.dumps([split.sha256 for split in self.splits]).encode())
        for values in (self.sources.astype("<u2"), self.documents.astype("<i8"), self.starts.astype("<i8")):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def tokens(self, start: int, stop: int) -> np.ndarray:
        """The tokens [start, stop) of the stream, uint16 or uint32 [n]; a view where they lie in one record batch."""
        assert 0 <= start <= stop <= self.num_tokens, (start, stop, self.num_tokens)
        edges, sources, shifts = self._runs
        parts: list[np.ndarray] = []
        run = int(edges.searchsorted(start, "right")) - 1
        while start < stop:
            end, shift = min(int(edges[run + 1]), stop), int(shifts[run])
            parts.append(self.splits[sources[run]].tokens(start + shift, end + shift))
            run, start = run + 1, end
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, np.uint16)

    def spans(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The occurrences that have tokens in [start, stop): int64[n] numbers, int64[n + 1] edges of their tokens.

        The edges begin with `start` and end with `stop`: occurrence i has the tokens [edges[i], edges[i + 1]).
        """
        assert start < stop, (start, stop)
        first = int(self.starts.searchsorted(start, "right")) - 1
        last = int(self.starts.searchsorted(stop)) - 1
        edges = self.starts[first : last + 2].copy()
        edges[0], edges[-1] = start, stop
        return np.arange(first, last + 1), edges

    def row(self, *, epoch: int, number: int, start: int, stop: int, end_of_text_id: int) -> Row:
        """The tokens [start, stop) as row `number` of a plan."""
        occurrences, edges = self.spans(start, stop)
        inside = int(self.starts[occurrences[0]]) < start  # so the token before is of the same document
        tokens = self.tokens(start - inside, stop)
        return Row(
            epoch=epoch,
            number=number,
            before=int(tokens[0]) if inside else end_of_text_id,
            tokens=tokens[1:] if inside else tokens,
            edges=edges - start,
            documents=occurrences,
        )

    def before(self, start: int) -> int | None:
        """The token that precedes position `start` in its document, None where a document starts there."""
        if self.starts[self.starts.searchsorted(start)] == start:
            return None
        return int(self.tokens(start - 1, start)[0])

    def document(self, occurrence: int) -> dict[str, Any]:
        """Every column of an occurrence's document except its tokens, and `corpus`, the number of its split."""
        source = int(self.sources[occurrence])
        return {**self.splits[source].document(int(self.documents[occurrence])), "corpus": source}

    def occurrences(self, source: int, documents: int | np.ndarray) -> np.ndarray:
        """Where documents of a split are read, int64[k], in reading order."""
        read = np.isin(self.documents, documents)
        return np.flatnonzero(read & (self.sources == source))

    def find(self, document_id: str) -> np.ndarray:
        """Where the document with this id is read, int64[k], in reading order; nothing where it is in no split."""
        found = []
        for source, split in enumerate(self.splits):
            document = split.find(document_id)
            if document is not None:
                found.append(self.occurrences(source, document))
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)

    @functools.cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Occurrences that follow each other in their split, joined: edges int64[r + 1] in the stream, the split of
        each, and int64[r] what turns a position of the stream into one of the split.
        """
        breaks = (np.diff(self.documents) != 1) | (self.sources[1:] != self.sources[:-1])
        firsts = np.concatenate([np.arange(min(1, len(self.documents))), np.flatnonzero(breaks) + 1])
        sources = self.sources[firsts]
        begins = np.empty(len(firsts), np.int64)
        for source, split in enumerate(self.splits):
            begins[sources == source] = split.doc_starts[self.documents[firsts[sources == source]]]
        return np.append(self.starts[firsts], self.starts[-1]), sources, begins - self.starts[firsts]
