"""How many of the near-duplicates there are MinHash has found, told from the similarities of those that it found.

Each pair found at similarity s stands for 1 / p(s) pairs that there were, where p(s) is the chance that MinHash makes a
candidate of it (Horvitz and Thompson 1952, https://doi.org/10.1080/01621459.1952.10483446).
"""

import ast
import dataclasses
import itertools

import numpy as np

from curation.stored_recipe import StoredRecipe

_STEP = "NearDuplicates"
_LEAST_CHANCE = 1e-100  # of a pair that was found
_CURVE = np.arange(50, 101, 5) / 100
_ROUNDING = 1e-5  # of a bin: similarities are stored as float32


@dataclasses.dataclass(frozen=True)
class Settings:
    """What of NearDuplicates decides which pairs are found."""

    bands: int
    rows: int
    min_similarity: float


@dataclasses.dataclass(frozen=True)
class Bin:
    """The pairs whose similarity lies from `first` to below `last`, or up to 1 in the last bin."""

    first: float
    last: float
    found: int
    chance: float  # that a pair becomes a candidate: the mean of those found, or that in the middle where none was
    estimate: float  # pairs that there were
    recall: float | None  # found / estimate
    standard_error: float | None  # of `recall`


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What was found of the pairs at or above the threshold."""

    settings: Settings
    bins: tuple[Bin, ...]
    whole: Bin
    curve: tuple[tuple[float, float], ...]  # similarity, chance


def settings_of(recipe: StoredRecipe) -> Settings | None:
    """The settings of a corpus's recipe; None where it does not look for near-duplicates, or not by bands and rows."""
    for step in recipe.steps:
        if step.name == _STEP:
            try:
                values = [ast.literal_eval(step.fields[name]) for name in ("bands", "rows", "min_similarity")]
                return Settings(int(values[0]), int(values[1]), float(values[2]))
            except (KeyError, ValueError, TypeError, SyntaxError):
                return None
    return None


def chance(similarity: np.ndarray, settings: Settings) -> np.ndarray:
    """The chance that a pair shares all rows of at least one band, float64[n]: 1 - (1 - s^rows)^bands."""
    with np.errstate(divide="ignore"):  # of a similarity of 1, whose chance is 1
        found = -np.expm1(settings.bands * np.log1p(-(np.clip(similarity, 0, 1) ** settings.rows)))
    floor: np.ndarray = np.maximum(found, _LEAST_CHANCE)
    return floor


def estimate(similarity: np.ndarray, settings: Settings) -> Estimate:
    """From the similarities of the pairs found, float64[n], what share of all there were they are."""
    similarity = similarity[~np.isnan(similarity)]
    width = 0.02 if settings.min_similarity >= 0.6 else 0.05
    start = min(int(settings.min_similarity / width + _ROUNDING), round(1 / width) - 1)
    count = round(1 / width) - start
    place = np.clip(np.floor(similarity / width + _ROUNDING).astype(np.int64) - start, 0, count - 1)
    edges = [round(number * width, 2) for number in range(start, start + count + 1)]
    spans = enumerate(itertools.pairwise(edges))
    bins = [_bin(similarity[place == number], first, last, settings) for number, (first, last) in spans]
    curve = zip(_CURVE.tolist(), chance(_CURVE, settings).tolist(), strict=True)
    return Estimate(settings, tuple(bins), _bin(similarity, edges[0], edges[-1], settings), tuple(curve))


def _bin(similarity: np.ndarray, first: float, last: float, settings: Settings) -> Bin:
    chances, found = chance(similarity, settings), len(similarity)
    if not found:
        middle = chance(np.array([(first + last) / 2]), settings)
        return Bin(first, last, 0, float(middle[0]), 0.0, None, None)
    total = float((1 / chances).sum())
    # The variance of `total` where each pair is found or missed by itself: the sum of (1 - p) / p^2 over those found.
    error = float(np.sqrt(((1 - chances) / chances**2).sum()))
    recall = found / total
    return Bin(first, last, found, float(chances.mean()), total, recall, recall * error / total)
