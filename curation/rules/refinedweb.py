"""RefinedWeb's corrections of a text and its lines (Penedo et al. 2023, https://arxiv.org/abs/2306.01116).

Its pipeline was never released: thresholds and order are those of DCLM's refinedweb.yaml. Words are what white space
separates, where DCLM counts words without punctuation marks.
"""

import dataclasses
import re
import string
from collections.abc import Callable, Mapping
from typing import ClassVar

from curation.rules import limits
from curation.rules.rule import Verdict
from curation.text import Text

_URL = re.compile(r"""\b(?:https?://|ftp://|www\.)[^\s<>"]*[^\s<>"'.,;:!?()\[\]{}]""", re.IGNORECASE)
_COUNTED = "likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|followers"
_COUNTER = re.compile(rf"\W*\d[\d.,]*[kmb]?\s+(?:{_COUNTED})\W*", re.IGNORECASE)
_CART = re.compile("items in cart", re.IGNORECASE)
_READ_MORE, _SIGN_IN = "read more...", "sign-in"
_UPPERCASE, _DIGITS = string.ascii_uppercase.encode(), string.digits.encode()
_EVIDENCE = 200  # characters


@dataclasses.dataclass(frozen=True)
class RefinedWebText:
    """Takes URLs out of the text, and cuts long runs of line breaks; stands before the language step.

    Line breaks first: a line that held no more than a URL stays as a blank one. A URL begins with http://, https://,
    ftp:// or www.; DCLM's pattern also finds bare host names by their top-level domain.
    """

    max_breaks: int = 2  # line breaks in a row

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "max_breaks")

    def edit(self, text: Text) -> str:
        """The text with at most so many line breaks in a row, and then without URLs."""
        content = cut_breaks(text.content, self.max_breaks)
        if "://" not in content and "www." not in content.lower():
            return content  # most texts; the pattern takes ten times as long to find nothing
        return _URL.sub("", content)


@dataclasses.dataclass(frozen=True)
class RefinedWebLines:
    """Drops lines that are no prose and shortens some; drops the document where too many words went.

    In this order: lines of capitals, of digits alone, that count something ("3 likes"), of one word; then, from lines
    of few words, "items in cart", "Read more..." at the end and "Sign-in" at the start, in any case of letters. Blank
    lines are not judged; runs of them that a dropped line leaves are cut.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("max_words_removed",)

    max_uppercase: float = 0.5  # of the line's characters
    max_digits: float = 0.999999  # of the line's characters
    min_words: int = 2  # of a line
    short_line: int = 10  # words; only lines of no more are shortened
    max_words_removed: float = 0.05  # of the document's words
    max_breaks: int = 2  # line breaks in a row where a line was dropped

    def __post_init__(self) -> None:
        limits.shares(self, "max_uppercase", "max_digits", "max_words_removed")
        limits.at_least(self, 0, "min_words", "short_line")
        limits.at_least(self, 1, "max_breaks")

    def measure(self, text: Text) -> dict[str, float]:
        """How many lines had which fault, and the share of words that went with all of them."""
        signals = {f"{fault}_lines": 0.0 for fault in ("uppercase", "digit", "counter", "one_word", "shortened")}
        words = removed = 0
        first = None
        kept: list[str] = []
        for line, pieces in zip(text.lines, text.pieces, strict=True):
            left, fault = self._corrected(line, pieces)
            words += len(pieces)
            if fault:
                signals[f"{fault}_lines"] += 1
                removed += len(pieces) - len(left.split())
                first = line if first is None else first
            if left or not fault:
                kept.append(left)
        text.notes[self] = "\n".join(kept) if first is not None else None, first
        return {**signals, "words_removed": removed / max(words, 1)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Whether more words went than may."""
        return (
            ("too_many_words_removed", "words_removed") if signals["words_removed"] > self.max_words_removed else None
        )

    def edit(self, text: Text) -> str:
        """The corrected lines; a text without faults stays as it is."""
        if self not in text.notes:
            self.measure(text)
        left, _ = text.notes[self]
        return text.content if left is None else cut_breaks(left, self.max_breaks).strip()

    def evidence(self, text: Text) -> str | None:
        """The first line with a fault."""
        if self not in text.notes:
            self.measure(text)
        first: str | None = text.notes[self][1]
        return first.strip()[:_EVIDENCE] if first else None

    def _corrected(self, line: str, pieces: list[str]) -> tuple[str, str | None]:
        """What is left of a line, and its first fault."""
        if not pieces:
            return "", None
        stripped = line.strip()
        size = len(stripped)
        if _count(stripped, _UPPERCASE, str.isupper) > self.max_uppercase * size:
            return "", "uppercase"
        if _count(stripped, _DIGITS, str.isnumeric) > self.max_digits * size:
            return "", "digit"
        if _COUNTER.fullmatch(stripped):
            return "", "counter"
        if len(pieces) < self.min_words:
            return "", "one_word"
        if len(pieces) <= self.short_line and (short := _shortened(stripped)) != stripped:
            return short, "shortened"
        return line, None


def _count(line: str, ascii_ones: bytes, is_one: Callable[[str], bool]) -> int:
    """How many characters are of a kind; ten times as fast for ASCII as asking each of them."""
    if line.isascii():
        return len(line) - len(line.encode().translate(None, ascii_ones))
    return sum(map(is_one, line))


def cut_breaks(text: str, most: int) -> str:
    """The text with at most `most` line breaks in a row."""
    if "\n" * (most + 1) not in text:
        return text
    return re.sub(rf"\n{{{most + 1},}}", "\n" * most, text)


def _shortened(line: str) -> str:
    line = _CART.sub("", line)
    if line.lower().endswith(_READ_MORE):
        line = line[: -len(_READ_MORE)]
    if line.lower().startswith(_SIGN_IN):
        line = line[len(_SIGN_IN) :]
    return line.strip()
