"""How often the documents of one corpus are read: repetitions by a signal, whole passes, a sampled rest.

All chance comes from a hash of (seed, id), so it depends neither on the shards nor on the tokenizer.
"""

import dataclasses
import hashlib
import math

import numpy as np
import pyarrow as pa
import xxhash

from trainers import permutation
from trainers.corpus import Split


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """The documents of one corpus that may be read, and how often one pass reads them."""

    path: str  # of the corpus
    split: Split
    documents: np.ndarray  # int64[n]: without the forgotten ones
    copies: np.ndarray  # int64[n]: how often a pass reads each
    hashes: np.ndarray  # uint64[n]: of (seed, id); nothing where neither chance nor an order needs them

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64[n]."""
        starts = self.split.doc_starts
        lengths: np.ndarray = starts[self.documents + 1] - starts[self.documents]
        return lengths

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents once."""
        return int(self.lengths.sum())

    def room(self, max_repeats: float) -> float:
        """The most tokens it can give; a document that no pass reads gives none."""
        most = int(self.lengths[self.copies > 0].sum())
        return math.floor(max_repeats * most) if max_repeats < math.inf else math.inf

    def keys(self, indices: np.ndarray, times: np.ndarray) -> np.ndarray:
        """What occurrences are ordered by, uint64[k]: each of documents int64[k], and which time it is, from 0 on."""
        return _keyed(self.hashes[indices], times + 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """Occurrences of the documents of a source."""

    indices: np.ndarray  # int64[k], into the source's documents
    times: np.ndarray  # int64[k]: which time the document is read, from 0 on

    @classmethod
    def once(cls, source: Source) -> "Reading":
        """Every document once."""
        indices = np.arange(len(source.documents))
        return cls(indices, np.zeros_like(indices))


def passes(source: Source, *, wanted_tokens: int, max_repeats: float) -> Reading:
    """Whole passes, then a sampled rest of whole documents until the tokens are there: less than one document more.

    Of what a pass reads of a document, no more than makes `max_repeats` occurrences (infinity for any) is read.
    """
    indices, times, found, number = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0, 0
    lengths, most = source.lengths, math.ceil(min(max_repeats, 1 << 40))
    while found < wanted_tokens:
        begins = source.copies * number
        counts = np.clip(most - begins, 0, source.copies)
        chosen = np.repeat(np.arange(len(counts)), counts)
        which = begins[chosen] + np.arange(len(chosen)) - np.repeat(np.cumsum(counts) - counts, counts)
        tokens = lengths[chosen]
        assert len(chosen), (source.path, wanted_tokens, found)
        if found + tokens.sum() > wanted_tokens:
            order = np.argsort(source.keys(chosen, which), kind="stable")
            count = int(np.searchsorted(np.cumsum(tokens[order]), wanted_tokens - found)) + 1
            rest = np.sort(order[:count])
            chosen, which, tokens = chosen[rest], which[rest], tokens[rest]
        indices.append(chosen)
        times.append(which)
        found, number = found + int(tokens.sum()), number + 1
    return Reading(np.concatenate(indices), np.concatenate(times))


def hashes(split: Split, *, seed: int) -> np.ndarray:
    """XXH3 of the id of each document under a key of the seed, uint64[documents]."""
    key = int.from_bytes(hashlib.blake2b(f"document/{seed}".encode(), digest_size=8).digest(), "little")
    found = np.empty(split.num_documents, np.uint64)
    for shard, before in zip(split.shards, split.shard_documents, strict=False):
        start = int(before)
        for chunk in shard.table.column("id").chunks:
            digests = [xxhash.xxh3_64_intdigest(name, seed=key) for name in chunk.cast(pa.binary()).to_pylist()]
            found[start : start + len(digests)] = digests
            start += len(digests)
    return found


def copies(values: np.ndarray, hashes: np.ndarray, *, max_repeats: float) -> np.ndarray:
    """How often a pass reads documents with the numbers float64[n], int64[n]: NaN once, 2.3 twice or three times.

    ValueError where a number is negative or, with `max_repeats` infinite, has no end, and where all come to 0.
    """
    values = np.where(np.isnan(values), 1.0, values)
    if values.size and values.min() < 0:
        raise ValueError(f"a document has {values.min():g}, expected numbers from 0 on; choose another one")
    values = np.minimum(values, np.ceil(max_repeats))
    if np.isinf(values).any():
        raise ValueError("a document has an infinite one; set --max-repeats, or choose another one")
    whole = np.floor(values)
    chance = _keyed(hashes, np.zeros(1, np.int64)).astype(np.float64) / 2.0**64
    counts: np.ndarray = whole.astype(np.int64) + (chance < values - whole)
    if not counts.any():
        raise ValueError("every document comes to 0 times; choose another one, or leave out the corpus")
    return counts


def _keyed(hashes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Other uint64[n] for each of the numbers, int64: 0 is for chance, an occurrence has its own."""
    return permutation.mix(hashes + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))  # splitmix64's step
