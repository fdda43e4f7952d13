"""The rules of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446), in the dialect of Dolma.

Dolma's tagger `gopher_v1` (Soldaini et al. 2024, https://arxiv.org/abs/2402.00159; dolma/taggers/gopher.py) and the
limits of configs/dolma-v1_6/mixing: words are what white space separates, and shares of characters are of theirs.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from curation.rules import limits, plain_words, repetition, verdicts
from curation.rules.rule import Verdict
from curation.rules.stop_words import STOP_WORDS
from curation.text import Text

_DECIMALS = 5  # that the tagger writes, and the mixer compares
_BULLETS = ("*", "-")
_LIMITS: verdicts.Limits = (
    ("too_few_words", "num_words", "min_words"),
    ("too_many_words", "num_words", "max_words"),
    ("words_too_short", "median_word_length", "min_median_word_length"),
    ("words_too_long", "median_word_length", "max_median_word_length"),
    ("too_many_symbols", "symbol_words", "max_symbol_words"),
    ("too_few_alphabetic_words", "alphabetic_words", "min_alphabetic_words"),
    ("too_few_stop_words", "stop_words", "min_stop_words"),
    ("too_many_bullet_lines", "bullet_lines", "max_bullet_lines"),
    ("too_many_ellipsis_lines", "ellipsis_lines", "max_ellipsis_lines"),
    ("too_many_repeated_lines", "repeated_lines", "max_repeated_lines"),
    ("too_many_repeated_line_characters", "repeated_line_characters", "max_repeated_line_characters"),
)


@dataclasses.dataclass(frozen=True)
class DolmaGopher:
    """The text does not look like prose, or too much of it repeats; blank lines are lines, and repeat.

    The published files of the mixer misname the attributes of the most frequent n-grams. These rules are here as they
    are meant; `max_top_ngram=()` leaves them out.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = (*verdicts.fields(_LIMITS), "max_top_ngram", "max_repeated_ngrams")

    min_words: int = 50
    max_words: int = 100_000
    min_median_word_length: float = 3.0  # characters
    max_median_word_length: float = 10.0  # characters
    max_symbol_words: float = 0.1  # of words, that hold a hash or an ellipsis
    min_alphabetic_words: float = 0.8  # of words
    min_stop_words: int = 2  # occurrences
    max_bullet_lines: float = 0.9  # of lines
    max_ellipsis_lines: float = 0.3  # of lines
    max_repeated_lines: float = 0.30  # of lines, every copy
    max_repeated_line_characters: float = 0.30  # per character of the words, every copy; the paper has 0.20
    max_top_ngram: tuple[repetition.Limit, ...] = repetition.TOP_LIMITS  # of the words' characters
    max_repeated_ngrams: tuple[repetition.Limit, ...] = repetition.REPEATED_LIMITS  # of all n-grams' characters
    stop_words: tuple[str, ...] = STOP_WORDS["en"]

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words", "min_median_word_length", "min_stop_words")
        limits.at_least(self, 0, "max_repeated_line_characters")  # beyond 1 where lines hold much white space
        limits.ordered(self, "min_words", "max_words")
        limits.ordered(self, "min_median_word_length", "max_median_word_length")
        limits.shares(self, "max_symbol_words", "min_alphabetic_words", "max_bullet_lines", "max_ellipsis_lines")
        limits.shares(self, "max_repeated_lines")
        repetition.check_ngram_limits(self)

    def measure(self, text: Text) -> dict[str, float]:
        """Counts and shares of words, lines and n-grams."""
        words, lines = plain_words.whitespace_words(text), text.content.split("\n")
        num_words = max(len(words), 1)
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        characters = max(int(lengths.sum()), 1)
        num_copies, copied = repetition.copies(lines)
        signals: dict[str, float] = {
            "num_words": len(words),
            "median_word_length": float(np.median(lengths)) if words else 0.0,
            "symbol_words": sum("#" in word or "…" in word for word in words) / num_words,
            "alphabetic_words": plain_words.num_with_letters(words) / num_words,
            "stop_words": plain_words.num_occurrences(words, self.stop_words),
            "bullet_lines": sum(line.startswith(_BULLETS) for line in lines) / len(lines),
            "ellipsis_lines": sum(line.endswith("…") for line in lines) / len(lines),
            "repeated_lines": num_copies / len(lines),
            "repeated_line_characters": copied / characters,
        }
        for found in repetition.repeated_ngrams(words):
            if found.n in repetition.TOP:
                at, count = found.first_top()
                top = int(found.starts[at + found.n] - found.starts[at]) if count else 0
                signals[f"top_{found.n}gram"] = top * count / characters
            else:
                total = int((found.starts[found.n :] - found.starts[: -found.n]).sum())
                signals[f"repeated_{found.n}grams"] = int(found.characters.sum()) / max(total, 1)
        return {name: round(value, _DECIMALS) for name, value in signals.items()}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first limit that is passed; the mixer, which has no order, drops where any is."""
        fault = verdicts.first_fault(self, signals, _LIMITS)
        return fault or repetition.ngram_fault(signals, self.max_top_ngram, self.max_repeated_ngrams)
