"""What the dialects of Gopher share when they look for repetition: segments, and n-grams of words.

`curation.rules.ngrams` is for datatrove's n-grams, which are the same where their characters are.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from curation.rules.rule import Verdict

TOP = (2, 3, 4)  # words of the n-grams of which the most frequent one counts
REPEATED = (5, 6, 7, 8, 9, 10)  # words of the n-grams of which all that repeat count
Limit = tuple[int, float]  # words of an n-gram, and its share

# Table A1 of the paper, on which all programs agree.
TOP_LIMITS: tuple[Limit, ...] = ((2, 0.20), (3, 0.18), (4, 0.16))
REPEATED_LIMITS: tuple[Limit, ...] = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))


def repeats(elements: Sequence[str]) -> tuple[int, int]:
    """How many elements stood before, and their characters; first copies do not count."""
    seen: set[str] = set()
    count = characters = 0
    if len(set(elements)) == len(elements):
        return 0, 0  # the common case, found without a loop
    for element in elements:
        if element in seen:
            count += 1
            characters += len(element)
        else:
            seen.add(element)
    return count, characters


def copies(elements: Sequence[str]) -> tuple[int, int]:
    """How many elements stand more than once, and their characters; first copies count too."""
    if len(set(elements)) == len(elements):
        return 0, 0
    repeated = [(element, count) for element, count in collections.Counter(elements).items() if count > 1]
    return sum(count for _, count in repeated), sum(len(element) * count for element, count in repeated)


def ngram_fault(signals: Mapping[str, float], top: Sequence[Limit], repeated: Sequence[Limit]) -> Verdict | None:
    """The first limit of n-grams that is passed."""
    for n, limit in top:
        if signals[f"top_{n}gram"] > limit:
            return f"top_{n}gram_too_frequent", f"top_{n}gram"
    for n, limit in repeated:
        if signals[f"repeated_{n}grams"] > limit:
            return f"too_many_repeated_{n}grams", f"repeated_{n}grams"
    return None


def check_ngram_limits(step: Any) -> None:
    """ValueError for limits of n-grams that are not measured, and for limits below 0.

    What is measured does not depend on the limits, so that others can be asked of stored signals.
    """
    for name, sizes in (("max_top_ngram", TOP), ("max_repeated_ngrams", REPEATED)):
        for pair in getattr(step, name):
            if len(pair) != 2 or pair[0] not in sizes or not pair[1] >= 0:
                raise ValueError(
                    f"{type(step).__name__}({name}={getattr(step, name)!r}): expected pairs of a number of words, "
                    f"{sizes[0]} to {sizes[-1]}, and a limit of at least 0; leave out the pairs that shall not apply"
                )


@dataclasses.dataclass(frozen=True)
class RepeatedNgrams:
    """The n-grams of one size that stand more than once, by the number of their first word, in order."""

    n: int
    num_ngrams: int  # in all, overlapping ones and those that stand once too
    starts: np.ndarray  # int64[num_words + 1], of each word in the words without blanks, and their end
    positions: np.ndarray  # int64[num_repeated]
    numbers: np.ndarray  # int64[num_repeated], the same where the n-grams are
    counts: np.ndarray  # int64[num_repeated], how often that n-gram stands in the text

    @property
    def characters(self) -> np.ndarray:
        """Of the words of each, int64[num_repeated]."""
        lengths: np.ndarray = self.starts[self.positions + self.n] - self.starts[self.positions]
        return lengths

    def first_top(self) -> tuple[int, int]:
        """The number of the first word of the most frequent n-gram, the first among ties, and its count."""
        if not len(self.positions):
            return 0, min(self.num_ngrams, 1)
        place = int(self.counts.argmax())
        return int(self.positions[place]), int(self.counts[place])

    def later_positions(self) -> np.ndarray:
        """The positions of n-grams that stood before."""
        first = np.zeros(len(self.positions), bool)
        first[np.unique(self.numbers, return_index=True)[1]] = True
        return self.positions[~first]

    def covered(self, positions: np.ndarray, length: int) -> np.ndarray:
        """For each word whether it is among the `length` words from one of these positions on, bool[num_words]."""
        steps = np.zeros(len(self.starts), np.int64)  # positions differ, so that no place is named twice
        steps[positions] += 1
        steps[positions + length] -= 1
        is_covered: np.ndarray = np.cumsum(steps)[:-1] > 0
        return is_covered


def repeated_ngrams(words: Sequence[str]) -> Iterator[RepeatedNgrams]:
    """For 2 to 10 words what repeats among the n-grams of a text.

    An n-gram can repeat only where the shorter ones at its start and at its end do, and is the same where both are: so
    few are looked at, and each is a pair of numbers however long its words are.
    """
    starts = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=starts[1:])
    places: dict[str, int] = collections.defaultdict(itertools.count().__next__)
    at = np.fromiter(map(places.__getitem__, words), np.int64, len(words))  # number of the n-gram there, or -1
    positions = np.arange(len(words))
    for n in range(2, REPEATED[-1] + 1):
        ahead = positions[positions + n <= len(words)]
        ahead = ahead[at[ahead + 1] >= 0]
        pairs = at[ahead] * len(words) + at[ahead + 1]
        _, numbers, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        repeat = counts[numbers] > 1
        at[positions] = -1
        positions, numbers, counts = ahead[repeat], numbers[repeat], counts[numbers][repeat]
        at[positions] = numbers
        yield RepeatedNgrams(n, max(len(words) - n + 1, 0), starts, positions, numbers, counts)
