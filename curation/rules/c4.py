"""The line rules of C4 (Raffel et al. 2020, https://jmlr.org/papers/v21/20-074.html), in the dialect of datatrove."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from curation import splitting, words
from curation.rules import limits
from curation.rules.rule import Verdict
from curation.text import Text

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")

# A kept line without citations, its number, and the signal of the fault that drops the whole page with it. The number
# is None where a citation is gone, the signal where there is no fault.
Line = tuple[str, int | None, str | None]


@dataclasses.dataclass(frozen=True)
class C4Lines:
    """Drops lines that are no prose, and pages that hold code, filler or too few sentences in the lines that are left.

    datatrove 0.10.1, c4_filters.py: thresholds of the paper's first version (three words, five sentences), words of a
    line counted before citations are removed, sentences as spaCy counts them.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_sentences",)

    end_mark: bool = True  # keep only lines that end in . ? ! " or ', and not in ...
    min_words: int = 3  # of a line
    max_word_length: int = 1000  # characters
    min_sentences: int = 5  # in all kept lines

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words", "max_word_length", "min_sentences")

    def measure(self, text: Text) -> dict[str, float]:
        """Sentences of the kept lines, and how many lines hold what a page must not."""
        signals = {"num_sentences": 0.0, "lorem_ipsum_lines": 0.0, "curly_bracket_lines": 0.0}
        for line, number, fault in self._lines(text):
            if fault:
                signals[fault] += 1
                return signals  # the page is dropped: what follows does not matter
            if number is None:
                signals["num_sentences"] += splitting.num_sentences(line, text.language)
            else:
                signals["num_sentences"] += words.num_sentences_of(line, text.pieces[number], text.split_pieces[number])
        return signals

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The page's first fault, top to bottom; too few sentences only where there is no other."""
        if signals["lorem_ipsum_lines"]:
            return "lorem_ipsum", "lorem_ipsum_lines"
        if signals["curly_bracket_lines"]:
            return "curly_bracket", "curly_bracket_lines"
        if signals["num_sentences"] < self.min_sentences:
            return "too_few_sentences", "num_sentences"
        return None

    def edit(self, text: Text) -> str:
        """The kept lines."""
        return "\n".join(line for line, _, _ in self._lines(text)).strip()

    def _lines(self, text: Text) -> list[Line]:
        found: list[Line] | None = text.notes.get(self)
        if found is None:
            found = text.notes[self] = list(self._kept(text))
        return found

    def _kept(self, text: Text) -> Iterator[Line]:
        for number, (line, pieces) in enumerate(zip(text.lines, text.pieces, strict=True)):
            if len(pieces) < self.min_words:
                continue
            line = line.strip()
            if len(line) > self.max_word_length and max(map(len, pieces)) > self.max_word_length:
                continue
            whole = line
            if "[" in line:
                line = _CITATION.sub("", line)
            if self.end_mark and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
                continue
            fault, lower = None, line.lower()
            if "lorem ipsum" in lower:
                fault = "lorem_ipsum_lines"
            elif "javascript" in lower:
                continue
            elif "{" in line:
                fault = "curly_bracket_lines"
            elif any(phrase in lower for phrase in _POLICY):
                continue
            yield line, number if line is whole else None, fault
