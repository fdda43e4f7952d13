"""RedPajama-V2's signals of repetition (RedPajama-Data, quality_signals/repetitions.py).

Shares are of the characters of all normalised words, without the white space between them.
"""

import collections
import itertools
from collections.abc import Sequence

import numpy as np

_TOP = (2, 3, 4)
_REPEATED = (5, 6, 7, 8, 9, 10)


def signals(words: Sequence[str]) -> dict[str, float]:
    """The repetition among a text's normalised words.

    - rps_doc_frac_chars_top_2gram to 4gram: the characters of the most frequent n-gram, the first among ties, times its
      count; 0 where each stands once;
    - rps_doc_frac_chars_dupe_5grams to 10grams: the characters of words that an n-gram covers which stood before; words
      under several of them count once, and first copies do not count.
    """
    found = {f"rps_doc_frac_chars_top_{n}gram": 0.0 for n in _TOP}
    found |= {f"rps_doc_frac_chars_dupe_{n}grams": 0.0 for n in _REPEATED}
    size = len(words)
    lengths = np.fromiter(map(len, words), np.int64, size)
    total = max(int(lengths.sum()), 1)
    places: dict[str, int] = collections.defaultdict(itertools.count().__next__)
    # For each n-gram its number among those that stand more than once, and -1 where it stands once.
    numbers = _numbers(np.fromiter(map(places.__getitem__, words), np.int64, size), np.arange(size), size)[0]
    for n in range(2, _REPEATED[-1] + 1):
        # An n-gram stands twice only where both the shorter ones in it do, which few n-grams outlive.
        starts = np.flatnonzero((numbers[:-1] >= 0) & (numbers[1:] >= 0))
        if not len(starts):
            break
        numbers, top, count, later = _numbers(numbers[starts] * size + numbers[starts + 1], starts, len(numbers) - 1)
        if count > 1 and n in _TOP:
            found[f"rps_doc_frac_chars_top_{n}gram"] = int(lengths[top : top + n].sum()) * count / total
        if n in _REPEATED:
            found[f"rps_doc_frac_chars_dupe_{n}grams"] = int(lengths[_covered(later, n, size)].sum()) / total
    return found


def _numbers(keys: np.ndarray, starts: np.ndarray, size: int) -> tuple[np.ndarray, int, int, np.ndarray]:
    """Of keys and their places, in order: numbers of `size` places, the most frequent's place and count, copies."""
    numbers = np.full(size, -1, np.int64)
    if not len(keys):
        return numbers, 0, 0, starts
    _, first, key, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    numbers[starts] = np.where(counts[key] > 1, key, -1)
    count = int(counts.max())
    top = int(starts[first[counts == count].min()])
    return numbers, top, count, starts[first[key] != np.arange(len(keys))]


def _covered(starts: np.ndarray, n: int, size: int) -> np.ndarray:
    """Which of `size` words stand under runs of n words."""
    changes = np.zeros(size + 1, np.int64)
    np.add.at(changes, starts, 1)
    np.add.at(changes, starts + n, -1)
    return np.cumsum(changes[:-1]) > 0
