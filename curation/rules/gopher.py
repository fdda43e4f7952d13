"""The rules of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446), in the dialect of datatrove.

Dialects of "Gopher" differ in what a word is, what is counted twice and what is divided by what. This one is that of
datatrove 0.10.1 (gopher_repetition_filter.py, gopher_quality_filter.py), which made FineWeb: words are spaCy tokens,
punctuation included; shares of characters are of the whole text, white space included.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from curation.rules import limits, repetition, verdicts
from curation.rules.characters import ALL_PUNCTUATION
from curation.rules.ngrams import Ngrams
from curation.rules.repetition import repeats
from curation.rules.rule import Verdict
from curation.rules.stop_words import STOP_WORDS
from curation.text import Text

_REPETITION: verdicts.Limits = (
    ("too_many_repeated_paragraphs", "repeated_paragraphs", "max_repeated_paragraphs"),
    ("too_many_repeated_paragraph_characters", "repeated_paragraph_characters", "max_repeated_paragraph_characters"),
    ("too_many_repeated_lines", "repeated_lines", "max_repeated_lines"),
    ("too_many_repeated_line_characters", "repeated_line_characters", "max_repeated_line_characters"),
)
_QUALITY: verdicts.Limits = (
    ("too_few_words", "num_words", "min_words"),
    ("too_many_words", "num_words", "max_words"),
    ("words_too_short", "mean_word_length", "min_mean_word_length"),
    ("words_too_long", "mean_word_length", "max_mean_word_length"),
    ("too_many_hashes", "hashes_per_word", "max_hashes"),
    ("too_many_ellipses", "ellipses_per_word", "max_ellipses"),
    ("too_many_bullet_lines", "bullet_lines", "max_bullet_lines"),
    ("too_many_ellipsis_lines", "ellipsis_lines", "max_ellipsis_lines"),
    ("too_few_alphabetic_words", "alphabetic_words", "min_alphabetic_words"),
    ("too_few_stop_words", "stop_words", "min_stop_words"),
)


@dataclasses.dataclass(frozen=True)
class GopherRepetition:
    """Too much of the text repeats (table A1). Shares are of the text's characters unless said otherwise."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = (*verdicts.fields(_REPETITION), "max_top_ngram", "max_repeated_ngrams")

    max_repeated_paragraphs: float = 0.30  # of paragraphs
    max_repeated_paragraph_characters: float = 0.20
    max_repeated_lines: float = 0.30  # of lines
    max_repeated_line_characters: float = 0.20
    max_top_ngram: tuple[repetition.Limit, ...] = repetition.TOP_LIMITS
    max_repeated_ngrams: tuple[repetition.Limit, ...] = repetition.REPEATED_LIMITS

    def __post_init__(self) -> None:
        limits.shares(self, *verdicts.fields(_REPETITION))
        repetition.check_ngram_limits(self)

    def measure(self, text: Text) -> dict[str, float]:
        """Repetition among paragraphs, lines and n-grams of words."""
        size = max(len(text.content), 1)
        signals: dict[str, float] = {}
        count, characters = repeats(text.paragraphs)
        signals["repeated_paragraphs"] = count / len(text.paragraphs)
        signals["repeated_paragraph_characters"] = characters / size
        count, characters = repeats(text.nonempty_lines)
        signals["repeated_lines"] = count / len(text.nonempty_lines)
        signals["repeated_line_characters"] = characters / size
        ngrams = Ngrams(text)
        for n in repetition.TOP:
            signals[f"top_{n}gram"] = ngrams.top_characters(n) / size
        for n in repetition.REPEATED:
            signals[f"repeated_{n}grams"] = ngrams.repeated_characters(n) / size
        return signals

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first limit that is passed, in datatrove's order."""
        fault = verdicts.first_fault(self, signals, _REPETITION)
        return fault or repetition.ngram_fault(signals, self.max_top_ngram, self.max_repeated_ngrams)


@dataclasses.dataclass(frozen=True)
class GopherQuality:
    """The text does not look like prose (section A1.1). Punctuation marks are words only where a share is taken."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = verdicts.fields(_QUALITY)

    min_words: int = 50  # without punctuation marks
    max_words: int = 100_000
    min_mean_word_length: float = 3.0  # characters
    max_mean_word_length: float = 10.0  # characters
    max_hashes: float = 0.1  # per word
    max_ellipses: float = 0.1  # per word
    max_bullet_lines: float = 0.9  # of lines
    max_ellipsis_lines: float = 0.3  # of lines
    min_alphabetic_words: float = 0.8  # of words
    min_stop_words: int = 2  # distinct
    stop_words: tuple[str, ...] = STOP_WORDS["en"]

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words", "min_mean_word_length", "max_hashes", "max_ellipses", "min_stop_words")
        limits.ordered(self, "min_words", "max_words")
        limits.ordered(self, "min_mean_word_length", "max_mean_word_length")
        limits.shares(self, "max_bullet_lines", "max_ellipsis_lines", "min_alphabetic_words")

    def measure(self, text: Text) -> dict[str, float]:
        """Counts and shares of words and lines."""
        content, words, lines = text.content, text.words, text.lines
        num_words, num_lines = max(len(words), 1), max(len(lines), 1)
        counts = np.bincount(text.word_numbers.astype(np.int64)).tolist()
        # Letters alone are no punctuation, so only words with something else in them need a closer look.
        odd = [(word, count) for word, count in zip(text.vocabulary, counts, strict=True) if not word.isalpha()]
        marks = [(word, count) for word, count in odd if ALL_PUNCTUATION.issuperset(word)]
        num_plain = len(words) - sum(count for _, count in marks)
        characters = sum(map(len, words)) - sum(len(word) * count for word, count in marks)
        num_without_letters = sum(count for word, count in odd if not any(map(str.isalpha, word)))
        return {
            "num_words": num_plain,
            "mean_word_length": characters / max(num_plain, 1),
            "hashes_per_word": content.count("#") / num_words,
            "ellipses_per_word": (content.count("...") + content.count("…")) / num_words,
            "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines) / num_lines,
            "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines) / num_lines,
            "alphabetic_words": (len(words) - num_without_letters) / num_words,
            "stop_words": sum(word in text.vocabulary for word in set(self.stop_words)),
        }

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first fault, in datatrove's order."""
        return verdicts.first_fault(self, signals, _QUALITY)
