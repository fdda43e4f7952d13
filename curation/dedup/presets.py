"""How MinHash is cut into bands and rows: what others use, what that finds, and how to choose.

The numbers are those that each project publishes with its code or in its paper, with what it calls its threshold.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from curation.dedup import minhash
from curation.dedup.minhash import NearDuplicates

MAX_HASHES = 1 << 16  # of one document, as NearDuplicates has it
SIMILARITIES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_APART = 0.3  # how far below the similarity asked for a pair is unlike
_UNION = 40  # elements that two simulated sets have together; 1/40 divides all of SIMILARITIES
_MAX_PAIRS = 2000  # simulated at each similarity
_MAX_WORK = 144_000_000  # hashes computed for one similarity, which take under half a second


@dataclasses.dataclass(frozen=True)
class Preset:
    """A published setting."""

    bands: int
    rows: int
    similarity: float  # at which it is meant to find pairs
    source: str


PRESETS = {
    "fineweb": Preset(14, 8, 0.8, "datatrove, examples/fineweb.py; arXiv 2406.17557"),
    "refinedweb": Preset(450, 20, 0.8, "arXiv 2306.01116, its appendix; the main text swaps bands and rows"),
    "dclm": Preset(93, 15, 0.8, "arXiv 2406.11794, the MinHash beside its Bloom filter"),
    "curator": Preset(20, 13, 0.8, "NeMo Curator, fuzzy deduplication, 260 hashes"),
    "redpajama-0.7": Preset(14, 9, 0.7, "RedPajama-V2, minhash signature of 0.7"),
    "redpajama-0.8": Preset(9, 13, 0.8, "RedPajama-V2, minhash signature of 0.8"),
    "redpajama-0.9": Preset(5, 25, 0.9, "RedPajama-V2, minhash signature of 0.9"),
}


@dataclasses.dataclass(frozen=True)
class Point:
    """What a setting finds of the pairs at one similarity."""

    similarity: float
    calculated: float  # probability
    found: float  # share of the simulated pairs
    error: float  # one standard error of `found`, by the calculated probability
    num_pairs: int


def probability(similarity: float, bands: int, rows: int) -> float:
    """That a pair shares a band, 1 - (1 - similarity^rows)^bands (Leskovec et al., Mining of Massive Datasets, 3.4)."""
    agree = min(max(similarity, 0.0), 1.0) ** rows
    return 1.0 if agree >= 1 else -math.expm1(bands * math.log1p(-agree))


def choose(similarity: float, recall: float, *, max_unlike: float = 0.05) -> tuple[int, int]:
    """The bands and rows of fewest hashes that find pairs well enough and leave unlike ones alone.

    Pairs at `similarity` are found with at least probability `recall`, and those at `similarity` - 0.3 with at most
    `max_unlike`: they are told apart by their texts afterwards, which costs time and no precision. More rows mean
    fewer unlike pairs and more hashes, so the fewest rows that will do are taken. ValueError where none do.
    """
    _check(similarity, recall, max_unlike)
    for rows in range(1, MAX_HASHES + 1):
        bands = _bands(similarity, recall, rows)
        if bands * rows > MAX_HASHES:
            break
        if probability(similarity - _APART, bands, rows) <= max_unlike:
            return bands, rows
    raise ValueError(
        f"similarity {similarity}, recall {recall}: takes more than {MAX_HASHES} hashes where at most "
        f"{max_unlike:g} of the pairs at {similarity - _APART:.2f} may be candidates; ask for less recall, such as 0.95"
    )


def _check(similarity: float, recall: float, max_unlike: float) -> None:
    if not 0 < similarity <= 1:
        raise ValueError(f"similarity {similarity}: expected more than 0 and at most 1, such as 0.8")
    if not 0 < recall < 1:
        raise ValueError(f"recall {recall}: expected more than 0 and less than 1, such as 0.95; no setting finds all")
    if not 0 < max_unlike <= 1:
        raise ValueError(f"max_unlike {max_unlike}: expected more than 0 and at most 1, such as 0.05")


def _bands(similarity: float, recall: float, rows: int) -> int:
    """The fewest bands that reach the recall, or one more than are allowed."""
    agree = similarity**rows
    if agree >= 1:
        return 1
    needed = math.log1p(-recall) / math.log1p(-agree) if agree > 0 else math.inf
    if needed > MAX_HASHES:
        return MAX_HASHES + 1
    bands = max(math.floor(needed), 1)
    while probability(similarity, bands, rows) < recall:  # once, but for rounding
        bands += 1
    return bands


def measured_curve(
    bands: int,
    rows: int,
    *,
    similarities: Sequence[float] = SIMILARITIES,
    num_pairs: int | None = None,
    seed: int = 1,
) -> list[Point]:
    """Signatures of random sets of known similarity, and how many pairs of them share a band.

    The sets of a pair have 40 elements together, so a similarity is a multiple of 1/40. Without `num_pairs` there
    are 2,000 pairs at each, and fewer where a signature has more than 450 hashes. `seed` is that of the sets and
    of the permutations.
    """
    if off := [it for it in similarities if not 0 <= it <= 1 or abs(it * _UNION - round(it * _UNION)) > 1e-6]:
        raise ValueError(f"similarities {off}: expected multiples of 1/{_UNION} from 0 to 1")
    if num_pairs is not None and num_pairs < 1:
        raise ValueError(f"num_pairs {num_pairs}: expected at least 1")
    settings = NearDuplicates(bands=bands, rows=rows, seed=seed)
    count = num_pairs or min(_MAX_PAIRS, max(_MAX_WORK // (2 * _UNION * bands * rows), 1))
    generator = np.random.default_rng(seed)
    points = []
    for similarity in similarities:
        common = round(similarity * _UNION)
        found = sum(_is_found(generator, common, settings) for _ in range(count)) / count
        expected = probability(common / _UNION, bands, rows)
        error = math.sqrt(expected * (1 - expected) / count)
        points.append(Point(common / _UNION, expected, found, error, count))
    return points


def _is_found(generator: np.random.Generator, common: int, settings: NearDuplicates) -> bool:
    elements = generator.integers(0, 1 << 63, _UNION, dtype=np.uint64)  # two alike: once in 10^16 pairs
    half = (_UNION - common) // 2
    left, right = np.sort(elements[: common + half]), np.sort(np.delete(elements, slice(common, common + half)))
    keys = [minhash.band_keys(minhash.signature(side, settings), settings) for side in (left, right)]
    return bool((keys[0] == keys[1]).any())
