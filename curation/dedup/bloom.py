"""Paragraphs that were seen before, as Bloom filters tell: some 10 to 24 bits for each thing seen, whatever its size.

What a filter takes for seen, at the rate that the step promises, may be new; it cannot say where it saw anything. The
steps that compare keys (`curation.dedup.lines`, `NearDuplicates`) do neither, and take 44 bytes for each line.
"""

import collections
import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
import regex
import xxhash

from curation.dedup import bloom_filter
from curation.dedup.bloom_filter import BloomFilter
from curation.rules import limits

_LEAST_RATE, _GREATEST_RATE = 1e-9, 0.5  # keys of 64 bits alone take one of 2**64 / n new things for one of n
_SIGMAS = 6  # of how unevenly things may fall into partitions before there are too many
# Unicode's word boundaries (https://unicode.org/reports/tr29). Flags are paired here: to know whether a boundary is
# between two of their letters, it counts all those before, which takes quadratic time.
_WORD = regex.compile(r"(?sw)[\U0001F1E6-\U0001F1FF]{2}[\p{M}\u200d]*|.+?\b")
_FACTOR = 0x9E3779B97F4A7C15  # odd, and so with an inverse modulo 2**64
_INVERSE = pow(_FACTOR, -1, 1 << 64)


@dataclasses.dataclass(frozen=True)
class BloomParagraphs:
    """Drops a paragraph, a line that is not blank, that was seen before, by id and place, the same to the character.

    As Dolma's program does (Soldaini et al. 2024, https://arxiv.org/abs/2402.00159, section 3.1), which reads documents
    in no set order. There is one filter for each partition of the run's parts, so that the same corpus cut into other
    tasks has other false positives. Signal `seen_paragraphs`: how many a document lost.
    """

    expected_items: int | None = None  # paragraphs that differ; None: room for all there are, as if all differed
    false_positive_rate: float = 1e-5

    def __post_init__(self) -> None:
        _check(self)


@dataclasses.dataclass(frozen=True)
class BloomNgrams:
    """Drops paragraphs, and documents, of whose n-grams of words more than a share was seen before, by id and place.

    DCLM's bff with `old-both`, 13-grams and .8 at a rate of .01 (Li et al. 2024, https://arxiv.org/abs/2406.11794,
    section 4.2). A word is what lies between Unicode's word boundaries and is not blank. A paragraph, a line, of fewer
    words than an n-gram is one n-gram of all its words, and of fewer than `min_words` has none and stays. An n-gram
    that stands twice in a paragraph counts twice, and is not seen the first time for that. A document with too large a
    share of known ones, those of its dropped paragraphs among them, is dropped (`seen_ngrams`). Signals
    `seen_ngram_share` and `seen_paragraphs`.

    What differs: bff adds the n-grams of paragraphs that it keeps, this step those of all; so of the n-grams of what
    is dropped those that are new, a fifth at most, are known afterwards here alone. All that bff has seen is seen here
    too, but for its own false positives. bff reads in as many threads as there are, in no set order, and DCLM ran it
    on each hundredth of its pool alone; here documents come by id, and all are compared.
    """

    size: int = 13  # words of an n-gram
    min_words: int = 13
    max_seen: float = 0.8  # share of n-grams
    expected_items: int | None = None  # n-grams that differ; None: room for all there are, as if all differed
    false_positive_rate: float = 0.01

    def __post_init__(self) -> None:
        _check(self)
        limits.at_least(self, 1, "size", "min_words")
        limits.shares(self, "max_seen")
        limits.ordered(self, "min_words", "size")


Bloom = BloomParagraphs | BloomNgrams


class Verdict(NamedTuple):
    """What becomes of a document's text."""

    text: str  # without the paragraphs that were seen
    signals: dict[str, float]
    reason: str | None  # to drop the document: seen_ngrams, no_line_left
    value: float  # that decided


def keys(step: Bloom, text: str) -> np.ndarray:
    """What a text asks the filter for, uint64[n], in order: its paragraphs, or the n-grams of each, each once."""
    return _paragraphs(text)[1] if isinstance(step, BloomParagraphs) else _ngrams(step, text).keys


def verdict(step: Bloom, text: str, seen: np.ndarray) -> Verdict:
    """What becomes of a text when the answers to its keys are seen, bool[n]."""
    if isinstance(step, BloomParagraphs):
        gone, signals, reason, value = _paragraphs(text)[0][seen], {}, None, 0.0
    else:
        gone, share = _seen_paragraphs(step, _ngrams(step, text), seen)
        signals, reason, value = {"seen_ngram_share": share}, "seen_ngrams" if share > step.max_seen else None, share
    signals["seen_paragraphs"] = float(len(gone))
    places = set(gone.tolist())
    left = "\n".join(line for place, line in enumerate(text.split("\n")) if place not in places)
    if not reason and not left.strip():
        reason, value = "no_line_left", float(len(gone))
    return Verdict(left, signals, reason, value)


def filter_of(step: Bloom, *, sent: int, partitions: int) -> BloomFilter:
    """An empty filter for one of so many partitions, to which so many keys are sent."""
    return BloomFilter(min(sent, _room(step, partitions) or sent), step.false_positive_rate)


def check_room(step: Bloom, filled: BloomFilter, *, partitions: int) -> None:
    """ValueError where a filter was given more than was expected, so that its rate is no longer the promised one."""
    room = _room(step, partitions)
    if room and filled.num_new > room:
        raise ValueError(
            f"{step!r}: {filled.num_new:,} things that differ, and maybe more, fell into one of {partitions} filters, "
            f"each with room for {room:,}, so that more would be dropped by mistake than promised: set expected_items "
            f"to {filled.num_new * partitions:,} or more, or to None"
        )


def _room(step: Bloom, partitions: int) -> int | None:
    if step.expected_items is None:
        return None
    mean = step.expected_items / partitions
    return int(mean + _SIGMAS * mean**0.5) + 1


def _check(step: Bloom) -> None:
    limits.typed(step)
    if step.expected_items is not None:
        limits.at_least(step, 1, "expected_items")
    if not _LEAST_RATE <= step.false_positive_rate <= _GREATEST_RATE:
        raise ValueError(
            f"{type(step).__name__}(false_positive_rate={step.false_positive_rate!r}): expected a share from "
            f"{_LEAST_RATE:g} to {_GREATEST_RATE:g}"
        )


def _paragraphs(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The places of paragraphs among the lines, int64[n], and their keys, uint64[n]."""
    found = [(place, _hash(line)) for place, line in enumerate(text.split("\n")) if line.strip()]
    return np.array([place for place, _ in found], np.int64), np.array([key for _, key in found], np.uint64)


class _Ngrams(NamedTuple):
    keys: np.ndarray  # uint64[n], of what is asked for
    asked: np.ndarray  # int64[m], for each n-gram of the text the place of its key
    paragraph: np.ndarray  # int64[m], for each n-gram its line


def _ngrams(step: BloomNgrams, text: str) -> _Ngrams:
    lines = [[word for word in _WORD.findall(line) if not word.isspace()] for line in text.split("\n")]
    words = np.fromiter(map(len, lines), np.int64, len(lines))
    counts = np.where(words >= step.min_words, np.maximum(words - step.size + 1, 1), 0)
    paragraph = np.repeat(np.arange(len(lines)), counts)
    inner = np.arange(len(paragraph)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(np.cumsum(words) - words, counts) + inner
    every = _windows(_hashes(lines), starts, np.minimum(words, step.size)[paragraph])
    # Once a paragraph, where it stands first.
    inside = bloom_filter.mixed(bloom_filter.mixed(paragraph.astype(np.uint64)) ^ every)
    _, first, same = np.unique(inside, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.empty(len(first), np.int64)
    places[order] = np.arange(len(first))
    return _Ngrams(every[first[order]], places[same], paragraph)


def _windows(hashes: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The hash, uint64[n], of so many words from each start, of the words' hashes: in linear time at any length.

    The hash of words w is the sum of w[i] * FACTOR**i, so that of a stretch is a difference of two, but for a power.
    """
    powers, inverses = (_powers(base, len(hashes)) for base in (_FACTOR, _INVERSE))
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * powers, out=sums[1:])
    return bloom_filter.mixed((sums[starts + lengths] - sums[starts]) * inverses[starts])


def _powers(base: int, count: int) -> np.ndarray:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _seen_paragraphs(step: BloomNgrams, found: _Ngrams, seen: np.ndarray) -> tuple[np.ndarray, float]:
    """The lines too much of which was seen, int64[n], and the share of the text's n-grams that was."""
    if not len(found.asked):
        return np.empty(0, np.int64), 0.0
    is_seen = seen[found.asked]
    shares = np.bincount(found.paragraph, is_seen) / np.maximum(np.bincount(found.paragraph), 1)
    return np.flatnonzero(shares > step.max_seen), float(is_seen.mean())


def _hashes(lines: list[list[str]]) -> np.ndarray:
    """The hash of each word, uint64[n]."""
    numbers: dict[str, int] = collections.defaultdict(itertools.count().__next__)
    places = np.fromiter(map(numbers.__getitem__, itertools.chain.from_iterable(lines)), np.int64)
    return np.fromiter(map(_hash, numbers), np.uint64, len(numbers))[places]


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
