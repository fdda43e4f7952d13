"""The rules of C4 that look at one page, as TFDS applies them (tensorflow_datasets/text/c4_utils.py, version 3.1.0).

C4 is Raffel et al. 2020 (https://jmlr.org/papers/v21/20-074.html). Dialects differ in thresholds, in the order of the
tests and in what a fault drops: datatrove's is `C4Lines`, dolma's is `C4Dolma`.
"""

import dataclasses
import heapq
import re
from collections.abc import Mapping
from typing import ClassVar

from curation import punkt
from curation.rules import limits
from curation.rules.rule import Verdict
from curation.text import Text

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_DROPPED = (
    "lines_with_too_long_word",
    "lines_without_end_mark",
    "lines_with_too_few_words",
    "lines_with_javascript",
    "lines_with_policy",
)
_PAGE_FAULTS = ("lorem_ipsum_lines", "curly_bracket_lines")
_EVIDENCE = 200  # characters


@dataclasses.dataclass(frozen=True)
class C4Page:
    """Drops lines that are no prose, and pages that hold code, filler or too few sentences in the lines that are left.

    The tests of a line in their order: too long a word, citations out, no end mark, too few words, lorem ipsum (drops
    the page), javascript, a curly bracket (drops the page), policy. A line is not stripped again when its citations are
    out, so `word. [1]` has no end mark. Sentences are NLTK's, counted line by line. The first version of the T5 paper,
    and Dodge et al. 2021 (https://arxiv.org/abs/2104.08758), have `min_words=3, min_sentences=5`.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_sentences",)

    min_words: int = 5  # of a line
    min_sentences: int = 3  # in all kept lines
    max_word_length: int = 1000  # characters
    end_marks: tuple[str, ...] = (".", "?", "!", '"')

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words", "min_sentences", "max_word_length")

    def measure(self, text: Text) -> dict[str, float]:
        """Sentences and lines kept, lines dropped by reason; up to the line that drops the whole page, if one does."""
        return dict(self._found(text)[1])

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The page's first fault, top to bottom; too few sentences only where there is no other."""
        for signal in _PAGE_FAULTS:
            if signals[signal]:
                return signal.removesuffix("_lines"), signal
        return ("too_few_sentences", "num_sentences") if signals["num_sentences"] < self.min_sentences else None

    def edit(self, text: Text) -> str:
        """The kept lines."""
        return "\n".join(self._found(text)[0]).strip()

    def evidence(self, text: Text) -> str | None:
        """The line that drops the page."""
        kept, signals = self._found(text)
        return kept[-1][:_EVIDENCE] if any(signals[fault] for fault in _PAGE_FAULTS) else None

    def _found(self, text: Text) -> tuple[list[str], dict[str, float]]:
        found: tuple[list[str], dict[str, float]] | None = text.notes.get(self)
        if found is None:
            found = text.notes[self] = self._look(text)
        return found

    def _look(self, text: Text) -> tuple[list[str], dict[str, float]]:
        kept: list[str] = []
        signals = dict.fromkeys(("num_sentences", "lines_kept", *_DROPPED, *_PAGE_FAULTS), 0.0)
        for whole in text.lines:
            line, fault = self._judged(whole.strip())
            if fault in _DROPPED:
                signals[fault] += 1
                continue
            kept.append(line)
            if fault:
                signals[fault] += 1
                break  # what follows does not matter
            signals["lines_kept"] += 1
            signals["num_sentences"] += punkt.num_sentences(line)
        return kept, signals

    def _judged(self, line: str) -> tuple[str, str]:
        """The line without citations, and its first fault, if any."""
        if len(line) > self.max_word_length and max(map(len, line.split())) > self.max_word_length:
            return line, "lines_with_too_long_word"
        if "[" in line:
            line = _CITATION.sub("", line)
        if not line.endswith(self.end_marks) or line.endswith("..."):
            return line, "lines_without_end_mark"
        if len(line.split()) < self.min_words:
            return line, "lines_with_too_few_words"
        lower = line.lower()
        if "lorem ipsum" in lower:
            return line, "lorem_ipsum_lines"
        if "javascript" in lower:
            return line, "lines_with_javascript"
        if "{" in line:
            return line, "curly_bracket_lines"
        return line, "lines_with_policy" if any(phrase in lower for phrase in _POLICY) else ""


@dataclasses.dataclass(frozen=True)
class C4Dolma:
    """C4's rules as dolma has them: javascript, lorem ipsum and curly brackets drop the page wherever they stand.

    Lines with few words are dropped; those without an end mark only where `end_mark` says so ("C4 NoPunc" of Dolma 1.6,
    https://arxiv.org/abs/2402.00159, does not). There are no citations, policies or sentences. dolma tags without an
    order, so the one of the reasons here is ours.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ()

    min_words: int = 3  # of a line
    end_mark: bool = False  # keep only lines that end in . ? ! or "

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words")

    def measure(self, text: Text) -> dict[str, float]:
        """How many lines hold what a page must not, over all lines."""
        lines = [line.lower() for line in text.content.split("\n")]
        return {
            "lorem_ipsum_lines": sum("lorem ipsum" in line for line in lines),
            "javascript_lines": sum("javascript" in line for line in lines),
            "curly_bracket_lines": sum("{" in line for line in lines),
        }

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first fault."""
        for signal in ("lorem_ipsum_lines", "javascript_lines", "curly_bracket_lines"):
            if signals[signal]:
                return signal.removesuffix("_lines"), signal
        return None

    def edit(self, text: Text) -> str:
        """The lines with enough words, as they stand."""
        lines = text.content.split("\n")
        return "\n".join(line for line in lines if len(line.split()) >= self.min_words and self._ends_well(line))

    def _ends_well(self, line: str) -> bool:
        return not self.end_mark or line.strip().endswith((".", "?", "!", '"'))


@dataclasses.dataclass(frozen=True)
class MaxCharacters:
    """Drops pages that are very long (190,000 characters in C4)."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("max_characters",)

    max_characters: int = 190_000

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "max_characters")

    def measure(self, text: Text) -> dict[str, float]:
        """The text's length."""
        return {"num_characters": len(text.content)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Too long, or not."""
        return ("too_many_characters", "num_characters") if signals["num_characters"] > self.max_characters else None


@dataclasses.dataclass(frozen=True)
class MinSentences:
    """Drops what the line dedup left too little of. Sentences are NLTK's, of the whole text; mC4 asks for none."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_sentences",)

    min_sentences: int = 3

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_sentences")

    def measure(self, text: Text) -> dict[str, float]:
        """Characters and sentences that are left."""
        return {"characters_left": len(text.content), "sentences_left": punkt.num_sentences(text.content)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Nothing is left, or too little."""
        if not signals["characters_left"]:
            return "empty", "characters_left"
        return ("too_few_sentences", "sentences_left") if signals["sentences_left"] < self.min_sentences else None


@dataclasses.dataclass(frozen=True)
class MultilingualParagraphs:
    """mC4's filter in place of C4's line rules (Xue et al. 2021, https://arxiv.org/abs/2010.11934): some long lines."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_length",)

    min_lines: int = 3
    min_length: int = 200  # characters, of each of the longest `min_lines` lines

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "min_lines")
        limits.at_least(self, 0, "min_length")

    def measure(self, text: Text) -> dict[str, float]:
        """The length of the shortest of the longest lines; -1 where there are fewer lines."""
        longest = heapq.nlargest(self.min_lines, map(len, text.content.split("\n")))
        return {"long_line_length": longest[-1] if len(longest) == self.min_lines else -1}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Too few long lines, or enough."""
        return ("too_few_paragraphs", "long_line_length") if signals["long_line_length"] < self.min_length else None
