"""Near-duplicate candidates by MinHash (Broder 1997), with datasketch's permutations and FineWeb's shingles."""

import dataclasses
import functools
import re
import unicodedata

import numpy as np
import regex
import xxhash

from curation import splitting
from curation.rules import limits
from curation.rules.characters import PUNCTUATION

_NUMBER = regex.compile(r"\p{Nd}+([.,،٫⎖⎗⎘]{1}\p{Nd}+)?")
_SPACE = re.compile(r"\s+")
_TO_BLANKS = str.maketrans(dict.fromkeys(PUNCTUATION, " "))
_MAX_HASHES = 1 << 16  # of one document; RefinedWeb's 450 x 20 are the most of any recipe
_BATCH = 1 << 20  # hashes computed at once, of all permutations: bounds memory to a few times 8 MiB


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """Keeps the document with the smallest id of a cluster of near-duplicates.

    Two documents are candidates where one of `bands` bands of `rows` hashes agrees: with 14 x 8 (FineWeb) that finds
    .77 of the pairs at similarity .75, .92 at .8, .99 at .85. A candidate pair joins a cluster only where the Jaccard
    similarity of its shingle sets, computed from the texts, is at least `min_similarity`.
    """

    bands: int = 14
    rows: int = 8
    shingle: int = 5  # words
    min_similarity: float = 0.8
    seed: int = 1

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "bands", "rows", "shingle")
        limits.shares(self, "min_similarity")
        if self.bands * self.rows > _MAX_HASHES:
            raise ValueError(
                f"NearDuplicates(bands={self.bands}, rows={self.rows}): expected at most {_MAX_HASHES} hashes"
            )
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"NearDuplicates(seed={self.seed}): expected 0 to {(1 << 32) - 1}")


def normalize(text: str) -> str:
    """Lower case, numbers as 0, no punctuation, single blanks, no accents (datatrove 0.10.1, simplify_text)."""
    text = _NUMBER.sub("0", text.lower()).translate(_TO_BLANKS)
    text = _SPACE.sub(" ", text.strip())
    if not text.isascii():
        # Marks go before the decomposition too, whose time is quadratic in a run of them.
        text = _without_marks(unicodedata.normalize("NFD", _without_marks(text)))
    return text.strip()


def _without_marks(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Mn")


def shingles(text: str, size: int, language: str = "en") -> np.ndarray:
    """The distinct hashed word n-grams of a text, uint64[n], sorted; one of all words where they are fewer."""
    tokens = splitting.words(normalize(text), language)
    if not tokens:
        return np.empty(0, np.uint64)
    count = max(len(tokens) - size + 1, 1)
    hashes = (xxhash.xxh3_64_intdigest(" ".join(tokens[at : at + size]).encode()) for at in range(count))
    return np.unique(np.fromiter(hashes, np.uint64, count))


def signature(hashed: np.ndarray, settings: NearDuplicates) -> np.ndarray:
    """The MinHash of a shingle set, uint32[bands * rows]: datasketch's own for the low 32 bits of each shingle."""
    from datasketch import MinHash  # brings scipy.integrate along: only what computes signatures pays for it

    sketch = MinHash(
        num_perm=settings.bands * settings.rows,
        hashfunc=int,
        permutations=_permutations(settings.bands * settings.rows, settings.seed),
        scheme="affine32",
    )
    low, batch = hashed.astype(np.uint32), max(_BATCH // (settings.bands * settings.rows), 1)
    for start in range(0, len(low), batch):
        sketch.update_batch(low[start : start + batch])
    return np.asarray(sketch.hashvalues, np.uint32)


def band_keys(signature_values: np.ndarray, settings: NearDuplicates) -> np.ndarray:
    """One key a band, uint64[bands]; equal keys of two documents mean equal rows of one band, but for chance."""
    bands = np.ascontiguousarray(signature_values.reshape(settings.bands, settings.rows))
    keys = [xxhash.xxh3_64_intdigest(band.tobytes(), seed=number + 1) for number, band in enumerate(bands)]
    return np.array(keys, np.uint64)


def jaccard(left: np.ndarray, right: np.ndarray) -> float:
    """The Jaccard similarity of two sets of shingles, sorted and distinct; 0 where both are empty."""
    common = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - common
    return common / union if union else 0.0


@functools.cache
def _permutations(count: int, seed: int) -> np.ndarray:
    from datasketch import MinHash

    return np.asarray(MinHash(num_perm=count, seed=seed, scheme="affine32").permutations, np.uint32)
