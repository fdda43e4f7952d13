"""Near-duplicates by MinHash (Broder 1997): datasketch's permutations and hash values, computed in bulk."""

import dataclasses
import functools

import numpy as np
import xxhash

from curation.dedup import keeping
from curation.dedup.shingles import WORDS, jaccard, normalize, shingles
from curation.rules import limits

__all__ = ["NearDuplicates", "band_keys", "jaccard", "normalize", "shingles", "signature", "sketch_size"]

_MAX_HASHES = 1 << 16  # of one document; RefinedWeb's 450 x 20 are the most of any recipe
_BATCH = 1 << 20  # hashes computed at once, of all permutations: bounds memory to a few times 4 MiB
_MAX_SKETCH = 128  # hashes of a document that a pair's similarity is estimated from
_MAX_WORDS_OF_SHINGLE = 1000


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """Keeps one document of each cluster of near-duplicates.

    Two documents are candidates where one of `bands` bands of `rows` hashes agrees: with 14 x 8 (FineWeb) that finds
    .77 of the pairs at similarity .75, .92 at .8, .99 at .85; `pipelines.minhash` prints the curve of any setting. A
    candidate pair joins a cluster only where the Jaccard similarity of its sets of shingles, n-grams of plain words, is
    at least `min_similarity`: by the signatures where they leave no doubt, else by the texts (`curation.dedup.verify`).
    """

    bands: int = 14
    rows: int = 8
    shingle: int = 5  # words
    min_similarity: float = 0.8
    words: str = "plain"  # that candidates are looked for with; fineweb: as datatrove 0.10.1 normalises and splits
    keep: str = keeping.FIRST  # first (the smallest id), longest, newest, or signal:NAME (the greatest value)
    scope: str = keeping.CORPUS  # corpus, crawl or language: where duplicates are looked for
    seed: int = 1

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "bands", "rows", "shingle")
        limits.shares(self, "min_similarity")
        if self.bands * self.rows > _MAX_HASHES:
            raise ValueError(
                f"NearDuplicates(bands={self.bands}, rows={self.rows}): expected at most {_MAX_HASHES} hashes"
            )
        if self.shingle > _MAX_WORDS_OF_SHINGLE:
            raise ValueError(f"NearDuplicates(shingle={self.shingle}): expected at most {_MAX_WORDS_OF_SHINGLE} words")
        if self.words not in WORDS:
            raise ValueError(f"NearDuplicates(words={self.words!r}): expected one of {', '.join(WORDS)}")
        keeping.check(self, self.keep, self.scope)
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"NearDuplicates(seed={self.seed}): expected 0 to {(1 << 32) - 1}")


def sketch_size(settings: NearDuplicates) -> int:
    """How many hashes of a document are kept to estimate similarities from."""
    return min(settings.bands * settings.rows, _MAX_SKETCH)


def signature(hashed: np.ndarray, settings: NearDuplicates, count: int | None = None) -> np.ndarray:
    """The MinHash of a set of shingles, uint32[bands * rows], or of its first `count` hashes.

    Equal to datasketch 2.0's MinHash(num_perm, seed, scheme="affine32") updated with the low 32 bits of each shingle.
    """
    size = settings.bands * settings.rows
    multipliers, summands = (values[:count] for values in _permutations(size, settings.seed))
    mixed, found = _mixed(hashed.astype(np.uint32)), np.full(len(multipliers), 0xFFFFFFFF, np.uint32)
    batch = max(_BATCH // len(multipliers), 1)
    for start in range(0, len(mixed), batch):
        values = np.multiply.outer(multipliers, mixed[start : start + batch])
        values += summands[:, None]
        np.minimum(found, values.min(axis=1), out=found)
    return found


def band_keys(signature_values: np.ndarray, settings: NearDuplicates) -> np.ndarray:
    """One key a band, uint64[bands]; equal keys of two documents mean equal rows of one band, but for chance."""
    packed = np.ascontiguousarray(signature_values).tobytes()
    width = settings.rows * signature_values.itemsize
    digest = xxhash.xxh3_64_intdigest
    keys = [digest(packed[band * width : (band + 1) * width], band + 1) for band in range(settings.bands)]
    return np.array(keys, np.uint64)


def _mixed(hashed: np.ndarray) -> np.ndarray:
    """MurmurHash3's finalizer, which datasketch puts before its permutations."""
    hashed = (hashed ^ (hashed >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashed = (hashed ^ (hashed >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    mixed: np.ndarray = hashed ^ (hashed >> np.uint32(16))
    return mixed


@functools.lru_cache(4)
def _permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from datasketch import MinHash  # brings scipy.integrate along: only what computes signatures pays for it

    multipliers, summands = MinHash(num_perm=count, seed=seed, scheme="affine32").permutations
    return multipliers, summands
