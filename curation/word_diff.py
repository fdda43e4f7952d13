"""What differs between two texts, word by word.

The longest common subsequence of the words, by Hyyrö's bit-parallel algorithm (2004, "Bit-parallel LCS-length
computation revisited"): one integer of a bit a word for each word of the other text, so that 10,000 words against
10,000 take some 13 MB and well under a second whatever they are, where difflib may take hours.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence

_WORD = re.compile(r"(\S+)(\s*)")
_MAX_CHARACTERS = 100_000  # of either text that are compared
_MAX_WORDS = 10_000
_MAX_WORD = 200  # characters of a word that are shown
_CONTEXT = 12  # words that are shown on either side of a difference
_MAX_CHANGED = 400  # words of one difference that are shown
_MAX_SPANS = 400  # that are shown

SAME, REMOVED, ADDED, SKIPPED = "same", "removed", "added", "skipped"


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of words: in both texts, in the left one alone, in the right one alone, or not shown."""

    kind: str
    text: str  # the words with a line break or a blank between them; empty where they are not shown
    words: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """Two texts side by side."""

    spans: tuple[Span, ...]
    removed: int  # words of the left text alone
    added: int  # words of the right text alone
    same: int
    is_cut: bool  # the texts go on behind what was compared


def difference(left: str, right: str) -> Difference:
    """What differs between two texts, but for white space; of long ones, of their first 10,000 words."""
    (old, is_cut), (new, is_cut_too) = _words(left), _words(right)
    runs = list(_runs([word for word, _ in old], [word for word, _ in new]))
    spans: list[Span] = []
    counts = {SAME: 0, REMOVED: 0, ADDED: 0}
    for number, (kind, start, stop) in enumerate(runs):
        counts[kind] += stop - start
        words = (new if kind == ADDED else old)[start:stop]
        if kind == SAME:
            spans += _context(words, is_first=number == 0, is_last=number == len(runs) - 1)
        else:
            spans += _shortened(kind, words)
    if len(spans) > _MAX_SPANS:
        spans = [*spans[:_MAX_SPANS], Span(SKIPPED, "", sum(span.words for span in spans[_MAX_SPANS:]))]
    return Difference(tuple(spans), counts[REMOVED], counts[ADDED], counts[SAME], is_cut or is_cut_too)


def _words(text: str) -> tuple[list[tuple[str, str]], bool]:
    """Words, each with what stands behind it, and whether the text goes on."""
    found = _WORD.finditer(text[:_MAX_CHARACTERS])
    words = [(it[1], "\n" if "\n" in it[2] else " ") for it in itertools.islice(found, _MAX_WORDS)]
    return words, len(text) > _MAX_CHARACTERS or next(found, None) is not None


def _context(words: Sequence[tuple[str, str]], *, is_first: bool, is_last: bool) -> Iterator[Span]:
    """What is the same, without its middle, and where no difference stands before or behind it, without that end."""
    head, tail = (0 if is_first else _CONTEXT), (0 if is_last else _CONTEXT)
    if len(words) <= head + tail:
        yield Span(SAME, _shown(words), len(words))
        return
    if head:
        yield Span(SAME, _shown(words[:head]), head)
    yield Span(SKIPPED, "", len(words) - head - tail)
    if tail:
        yield Span(SAME, _shown(words[-tail:]), tail)


def _shortened(kind: str, words: Sequence[tuple[str, str]]) -> Iterator[Span]:
    yield Span(kind, _shown(words[:_MAX_CHANGED]), min(len(words), _MAX_CHANGED))
    if len(words) > _MAX_CHANGED:
        yield Span(SKIPPED, "", len(words) - _MAX_CHANGED)


def _shown(words: Sequence[tuple[str, str]]) -> str:
    shown = ((word if len(word) <= _MAX_WORD else f"{word[:_MAX_WORD]}…", behind) for word, behind in words)
    return "".join(word + behind for word, behind in shown).rstrip(" ")


def _runs(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """What is the same, removed and added, in order, each with the places where it starts and ends in its text."""
    left = right = 0
    for start, stop, length in _matches(old, new):
        if left < start:
            yield REMOVED, left, start
        if right < stop:
            yield ADDED, right, stop
        if length:
            yield SAME, start, start + length
        left, right = start + length, stop + length


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
    """Where stretches of the longest common subsequence start in both, and their lengths; then the ends, with 0."""
    rows = _lengths(old, new)
    places: list[tuple[int, int]] = []
    row, column = len(old), len(new)
    while row and column:
        if rows[row] >> (column - 1) & 1:  # the word at `column` adds nothing
            column -= 1
        elif rows[row - 1] >> (column - 1) & 1:  # nor without the word at `row`, which is its match
            row, column = row - 1, column - 1
            places.append((row, column))
        else:
            row -= 1
    result: list[list[int]] = []
    for start, stop in reversed(places):
        if result and (result[-1][0] + result[-1][2], result[-1][1] + result[-1][2]) == (start, stop):
            result[-1][2] += 1
        else:
            result.append([start, stop, 1])
    return [(start, stop, length) for start, stop, length in [*result, [len(old), len(new), 0]]]


def _lengths(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """For each number of words of `old`, an integer whose bit k is 0 where word k of `new` lengthens what is common."""
    places: dict[str, int] = {}
    for number, word in enumerate(new):
        places[word] = places.get(word, 0) | 1 << number
    whole = (1 << len(new)) - 1
    rows = [whole]
    for word in old:
        last = rows[-1]
        met = last & places.get(word, 0)
        rows.append(((last + met) | (last - met)) & whole)
    return rows
