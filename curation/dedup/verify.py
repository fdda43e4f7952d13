"""Candidate pairs to duplicates: by signatures where they leave no doubt, else by the texts themselves."""

import dataclasses
import functools

import numpy as np
from scipy.stats import binom

from curation.dedup.clusters import VERIFIED
from curation.dedup.minhash import NearDuplicates
from curation.dedup.shingles import jaccard
from curation.dedup.texts import Looks

_DOUBT = 1e-6  # the chance that a pair right at the threshold is judged by an estimate that is off

# How a similarity was found.
SAME_TEXT, SIMILAR_TEXT, SIMILAR_SIGNATURE = 0, 1, 2
REASONS = ("same_text", "similar_text", "similar_signature")


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Numbers of equal hashes: up to `unlike` no duplicate, from `alike` on one, in between in doubt."""

    unlike: int
    alike: int


@functools.lru_cache(16)
def bounds(size: int, min_similarity: float) -> Bounds:
    """Beyond these numbers of equal hashes, of `size`, a pair at the threshold falls once in a million times.

    Each hash of two sets is equal with the chance of their Jaccard similarity (Broder 1997), so the number is binomial.
    That the pair became a candidate by some of the same hashes makes it at most 1/P(candidate) times as likely.
    """
    unlike = int(binom.ppf(_DOUBT, size, min_similarity)) - 1
    alike = int(binom.isf(_DOUBT, size, min_similarity)) + 1
    return Bounds(unlike, alike)


def verified(pairs: np.ndarray, own: np.ndarray, others: np.ndarray, looks: Looks) -> np.ndarray:
    """The PAIR[n] that may be duplicates by their sketches, VERIFIED[m]; SKETCH[k] of both sides, sorted by document.

    The similarity is NaN where the texts must tell.
    """
    left = own[np.searchsorted(own["document"], pairs["document"])]
    right = others[np.searchsorted(others["document"], pairs["other"])]
    found = np.empty(len(pairs), VERIFIED)
    found["node"], found["rank"], found["weight"] = left["document"], left["rank"], left["copies"]
    found["neighbour"], found["neighbour_rank"] = right["document"], right["rank"]
    found["neighbour_weight"] = right["copies"]
    found["similarity"], found["how"] = _judged(left, right, pairs["is_exact"], looks)
    possible: np.ndarray = found[found["similarity"] != 0]
    return possible


def _judged(left: np.ndarray, right: np.ndarray, is_exact: np.ndarray, looks: Looks) -> tuple[np.ndarray, np.ndarray]:
    """Similarities, float32[n], 0 where a pair is none and NaN where there is a doubt, and how they were found."""
    size = left["hashes"].shape[1]
    is_same = (left["text"] == right["text"]).all(axis=1)
    found = np.where(is_exact, is_same, np.nan).astype(np.float32)
    how = np.where(is_exact, SAME_TEXT, SIMILAR_TEXT).astype(np.uint8)
    if looks.near:
        limits, near = bounds(size, looks.near.min_similarity), ~is_exact
        equal = np.count_nonzero(left["hashes"] == right["hashes"], axis=1)
        # Two texts without a word have equal hashes, and nothing in common.
        has_words = (left["hashes"] != 0xFFFFFFFF).any(axis=1) & (right["hashes"] != 0xFFFFFFFF).any(axis=1)
        found[near & (equal <= limits.unlike)] = 0
        is_alike = near & (equal >= limits.alike) & has_words
        found[is_alike], how[is_alike] = equal[is_alike] / size, SIMILAR_SIGNATURE
        if not (looks.exact and looks.exact.normalized):
            is_known = near & is_same & has_words
            found[is_known], how[is_known] = 1, SIMILAR_TEXT
    return found, how


def similarity(left: np.ndarray, right: np.ndarray, near: NearDuplicates) -> float:
    """How similar two texts are by their shingles, uint32[n], sorted; 0 where that is too little for duplicates."""
    found = jaccard(left, right)
    return found if found >= near.min_similarity else 0.0
