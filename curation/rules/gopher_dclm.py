"""The rules of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446), in the dialect of DCLM.

DCLM (Li et al. 2024, https://arxiv.org/abs/2406.11794; baselines/mappers/filters) counts Unicode's words without
punctuation for the length of a text and for repetition, and what white space separates for all else. Lines and
paragraphs without a character but white space are no lines and paragraphs.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from curation.rules import limits, plain_words, repetition, verdicts
from curation.rules.rule import Verdict
from curation.rules.stop_words import STOP_WORDS
from curation.text import Text

_BULLETS = ("●", "•", "*", "-")
_ELLIPSES = ("...", ". . .", "…")
_QUALITY: verdicts.Limits = (
    ("too_few_words", "num_words", "min_words"),
    ("too_many_words", "num_words", "max_words"),
    ("words_too_short", "mean_word_length", "min_mean_word_length"),
    ("words_too_long", "mean_word_length", "max_mean_word_length"),
    ("too_many_symbols", "symbols_per_word", "max_symbols"),
    ("too_many_bullet_lines", "bullet_lines", "max_bullet_lines"),
    ("too_many_ellipsis_lines", "ellipsis_lines", "max_ellipsis_lines"),
    ("too_few_alphabetic_words", "words_without_letters", "max_words_without_letters"),
    ("too_few_stop_words", "stop_words", "min_stop_words"),
)
_REPETITION: verdicts.Limits = (
    ("too_many_repeated_lines", "repeated_lines", "max_repeated_lines"),
    ("too_many_repeated_paragraphs", "repeated_paragraphs", "max_repeated_paragraphs"),
    ("too_many_repeated_line_characters", "repeated_line_characters", "max_repeated_line_characters"),
    ("too_many_repeated_paragraph_characters", "repeated_paragraph_characters", "max_repeated_paragraph_characters"),
)


@dataclasses.dataclass(frozen=True)
class DclmGopherQuality:
    """The text does not look like prose (section A1.1)."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = verdicts.fields(_QUALITY)

    min_words: int = 50  # Unicode's, without punctuation
    max_words: int = 100_000
    min_mean_word_length: float = 3.0  # characters
    max_mean_word_length: float = 10.0  # characters
    max_symbols: float = 0.1  # hashes and ellipses, per word
    max_bullet_lines: float = 0.9  # of lines
    max_ellipsis_lines: float = 0.3  # of lines
    max_words_without_letters: float = 0.2  # of words
    min_stop_words: int = 2  # occurrences, of capitals too
    stop_words: tuple[str, ...] = STOP_WORDS["en"]

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words", "min_mean_word_length", "max_symbols", "min_stop_words")
        limits.ordered(self, "min_words", "max_words")
        limits.ordered(self, "min_mean_word_length", "max_mean_word_length")
        limits.shares(self, "max_bullet_lines", "max_ellipsis_lines", "max_words_without_letters")

    def measure(self, text: Text) -> dict[str, float]:
        """Counts and shares of words and lines."""
        content, words = text.content, plain_words.whitespace_words(text)
        lines = [stripped for line in content.split("\n") if (stripped := line.strip())]
        num_words, num_lines = max(len(words), 1), max(len(lines), 1)
        return {
            "num_words": len(plain_words.unicode_words(text)),
            "mean_word_length": sum(map(len, words)) / num_words,
            "symbols_per_word": sum(map(content.count, ("#", *_ELLIPSES))) / num_words,
            "bullet_lines": sum(line.startswith(_BULLETS) for line in lines) / num_lines,
            "ellipsis_lines": sum(line.endswith(_ELLIPSES) for line in lines) / num_lines,
            "words_without_letters": (len(words) - plain_words.num_with_letters(words)) / num_words,
            "stop_words": plain_words.num_occurrences(content.lower().split(), self.stop_words),
        }

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first fault, in the paper's order."""
        return verdicts.first_fault(self, signals, _QUALITY)


@dataclasses.dataclass(frozen=True)
class DclmGopherRepetition:
    """Too much of the text repeats (table A1); every copy counts, the first one too.

    Shares are of the characters of all lines, paragraphs or words, without what is between them. A text of one line
    repeats no line, and an n-gram that stands once is not frequent.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = (*verdicts.fields(_REPETITION), "max_top_ngram", "max_repeated_ngrams")

    max_repeated_lines: float = 0.30  # of lines
    max_repeated_paragraphs: float = 0.30  # of paragraphs
    max_repeated_line_characters: float = 0.20  # of the lines' characters
    max_repeated_paragraph_characters: float = 0.20  # of the paragraphs' characters
    max_top_ngram: tuple[repetition.Limit, ...] = repetition.TOP_LIMITS  # of the words' characters
    max_repeated_ngrams: tuple[repetition.Limit, ...] = repetition.REPEATED_LIMITS  # of the words' characters

    def __post_init__(self) -> None:
        limits.shares(self, *verdicts.fields(_REPETITION))
        repetition.check_ngram_limits(self)

    def measure(self, text: Text) -> dict[str, float]:
        """Repetition among lines, paragraphs and n-grams of words."""
        signals: dict[str, float] = {}
        for name, separator in (("line", "\n"), ("paragraph", "\n\n")):
            segments = [segment for segment in text.content.split(separator) if segment and not segment.isspace()]
            count, characters = repetition.copies(segments)
            signals[f"repeated_{name}s"] = count / max(len(segments), 1)
            signals[f"repeated_{name}_characters"] = characters / max(sum(map(len, segments)), 1)
        for found in repetition.repeated_ngrams(plain_words.unicode_words(text)):
            size = max(int(found.starts[-1]), 1)
            if found.n in repetition.TOP:
                signals[f"top_{found.n}gram"] = _longest_top(found) / size
            else:
                covered = found.covered(found.positions, found.n)
                signals[f"repeated_{found.n}grams"] = int(np.diff(found.starts)[covered].sum()) / size
        return signals

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first limit that is passed, in DCLM's order."""
        fault = verdicts.first_fault(self, signals, _REPETITION)
        return fault or repetition.ngram_fault(signals, self.max_top_ngram, self.max_repeated_ngrams)


def _longest_top(found: repetition.RepeatedNgrams) -> int:
    """Characters of the most frequent n-gram, the longest among ties, times its count; 0 where none repeats."""
    if not len(found.positions):
        return 0
    count = int(found.counts.max())
    return int(found.characters[found.counts == count].max()) * count
