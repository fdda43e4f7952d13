"""FineWeb's own rules (Penedo et al. 2024, https://arxiv.org/abs/2406.17557, section 3.6)."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from curation.rules import limits, verdicts
from curation.rules.characters import TERMINAL_PUNCTUATION
from curation.rules.repetition import repeats
from curation.rules.rule import Verdict
from curation.text import Text

_LIMITS: verdicts.Limits = (
    ("too_few_terminal_lines", "terminal_lines", "min_terminal_lines"),
    ("too_many_short_lines", "short_lines", "max_short_lines"),
    ("too_many_repeated_lines", "repeated_line_share", "max_repeated_characters"),
    ("too_many_line_breaks", "breaks_per_word", "max_breaks"),
)


@dataclasses.dataclass(frozen=True)
class FineWebQuality:
    """The text is a list, a menu or a page of fragments.

    Thresholds of table 2 and of datatrove 0.10.1 (fineweb_quality_filter.py), which the published script uses: the
    prose of section 3.6 says 0.1 where both have 0.01, and does not mention the last rule.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = verdicts.fields(_LIMITS)

    min_terminal_lines: float = 0.12  # of non-blank lines, ending in a sentence mark
    max_short_lines: float = 0.67  # of non-blank lines
    short_line: int = 30  # characters
    max_repeated_characters: float = 0.01  # in repeated lines, of the characters without line breaks
    max_breaks: float = 0.3  # line breaks per word

    def __post_init__(self) -> None:
        limits.shares(self, "min_terminal_lines", "max_short_lines", "max_repeated_characters")
        limits.at_least(self, 0, "short_line", "max_breaks")

    def measure(self, text: Text) -> dict[str, float]:
        """Shares of lines and characters; a text without a line gives shares that fail."""
        lines = [line for line in text.content.split("\n") if line and not line.isspace()]
        num_lines, num_breaks = max(len(lines), 1), text.content.count("\n")
        return {
            "terminal_lines": sum(line[-1] in TERMINAL_PUNCTUATION for line in lines) / num_lines,
            "short_lines": sum(len(line) <= self.short_line for line in lines) / num_lines,
            "repeated_line_share": repeats(lines)[1] / max(len(text.content) - num_breaks, 1),
            "breaks_per_word": num_breaks / max(text.num_words, 1),
        }

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first fault, in the published script's order."""
        return verdicts.first_fault(self, signals, _LIMITS)
