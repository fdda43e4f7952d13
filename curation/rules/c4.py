"""The line rules of C4 (Raffel et al. 2020, https://jmlr.org/papers/v21/20-074.html), in the dialect of datatrove."""

import dataclasses
import re
from collections.abc import Iterator, Mapping

from curation import words
from curation.rules.rule import Verdict
from curation.text import Text

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


@dataclasses.dataclass(frozen=True)
class C4Lines:
    """Drops lines that are no prose, and pages that hold code, filler or too few sentences in the lines that are left.

    datatrove 0.10.1, c4_filters.py: thresholds of the paper's first version (three words, five sentences), words of a
    line counted before citations are removed, sentences as spaCy counts them.
    """

    end_mark: bool = True  # keep only lines that end in . ? ! " or ', and not in ...
    min_words: int = 3  # of a line
    max_word_length: int = 1000  # characters
    min_sentences: int = 5  # in all kept lines

    def measure(self, text: Text) -> dict[str, float]:
        """Sentences of the kept lines, and how many lines hold what a page must not."""
        signals = {"num_sentences": 0.0, "lorem_ipsum_lines": 0.0, "curly_bracket_lines": 0.0}
        for line, fault in self._lines(text):
            if fault:
                signals[fault] += 1
                return signals  # the page is dropped: what follows does not matter
            signals["num_sentences"] += words.num_sentences(line)
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
        return "\n".join(line for line, _ in self._lines(text)).strip()

    def _lines(self, text: Text) -> Iterator[tuple[str, str | None]]:
        """Each kept line without citations, and the signal of the fault that drops the whole page with it, or None."""
        for line in text.lines:
            line = line.strip()
            pieces = line.split()
            if any(len(piece) > self.max_word_length for piece in pieces):
                continue
            line = _CITATION.sub("", line)
            if self.end_mark and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
                continue
            if len(pieces) < self.min_words:
                continue
            lower = line.lower()
            if "lorem ipsum" in lower:
                yield line, "lorem_ipsum_lines"
            elif "javascript" in lower:
                continue
            elif "{" in line:
                yield line, "curly_bracket_lines"
            elif not any(phrase in lower for phrase in _POLICY):
                yield line, None
