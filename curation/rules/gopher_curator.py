"""The rules of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446), in the dialect of NeMo Curator.

NeMo Curator 1.4.0 (stages/text/filters/heuristic/string.py and repetition.py, in the order of
heuristic_filter_english_pipeline.yaml), whose filters are one for each limit; they are two rules here, as elsewhere.
Words are what white space separates; lines are those that are not blank; shares of characters are of the whole text.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import regex

from curation.rules import limits, plain_words, repetition, verdicts
from curation.rules.rule import Verdict
from curation.rules.stop_words import STOP_WORDS
from curation.text import Text

_BULLETS = ("•", "‣", "⁃", "⁌", "⁍", "∙", "○", "●", "◘", "◦", "⦾", "⦿")
_ELLIPSES = ("...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more")
_HASHES = re.compile("#+")
_LETTER = regex.compile("[[:alpha:]]")  # Unicode's property Alphabetic: letters, and some marks and numerals
_QUALITY: verdicts.Limits = (
    ("too_many_symbols", "symbol_words", "max_symbol_words"),
    ("too_few_words", "num_words", "min_words"),
    ("too_many_words", "num_words", "max_words"),
    ("too_few_alphabetic_words", "alphabetic_words", "min_alphabetic_words"),
    ("too_few_stop_words", "stop_words", "min_stop_words"),
    ("words_too_short", "mean_word_length", "min_mean_word_length"),
    ("words_too_long", "mean_word_length", "max_mean_word_length"),
    ("too_many_ellipsis_lines", "ellipsis_lines", "max_ellipsis_lines"),
    ("too_many_bullet_lines", "bullet_lines", "max_bullet_lines"),
)
_REPETITION: verdicts.Limits = (
    ("too_many_repeated_lines", "unique_lines", "min_unique_lines"),
    ("too_many_repeated_paragraphs", "unique_paragraphs", "min_unique_paragraphs"),
    ("too_many_repeated_line_characters", "unique_line_characters", "min_unique_line_characters"),
    ("too_many_repeated_paragraph_characters", "unique_paragraph_characters", "min_unique_paragraph_characters"),
)


@dataclasses.dataclass(frozen=True)
class CuratorGopherQuality:
    """The text does not look like prose (section A1.1)."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = verdicts.fields(_QUALITY)

    max_symbol_words: float = 0.1  # of words, that are an ellipsis or hashes
    min_words: int = 50
    max_words: int = 100_000
    min_alphabetic_words: float = 0.8  # of words
    min_stop_words: int = 2  # occurrences
    min_mean_word_length: float = 3.0  # characters
    max_mean_word_length: float = 10.0  # characters
    max_ellipsis_lines: float = 0.3  # of lines
    max_bullet_lines: float = 0.9  # of lines
    stop_words: tuple[str, ...] = STOP_WORDS["en"]

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words", "min_stop_words", "min_mean_word_length")
        limits.ordered(self, "min_words", "max_words")
        limits.ordered(self, "min_mean_word_length", "max_mean_word_length")
        limits.shares(self, "max_symbol_words", "min_alphabetic_words", "max_ellipsis_lines", "max_bullet_lines")

    def measure(self, text: Text) -> dict[str, float]:
        """Counts and shares of words and lines; a text without a word has shares of 0, where Curator fails."""
        words, lines = plain_words.whitespace_words(text), [line.strip() for line in _lines(text)]
        num_words, num_lines = max(len(words), 1), max(len(lines), 1)
        return {
            "symbol_words": sum(word in _ELLIPSES or ("#" in word and _is_hashes(word)) for word in words) / num_words,
            "num_words": len(words),
            "alphabetic_words": sum(word.isalpha() or _LETTER.search(word) is not None for word in words) / num_words,
            "stop_words": plain_words.num_occurrences(words, self.stop_words),
            "mean_word_length": sum(map(len, words)) / num_words,
            "ellipsis_lines": sum(line.lower().endswith(_ELLIPSES) for line in lines) / num_lines,
            "bullet_lines": sum(line.startswith(_BULLETS) for line in lines) / num_lines,
        }

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first fault, in the order of the published pipeline."""
        return verdicts.first_fault(self, signals, _QUALITY)


@dataclasses.dataclass(frozen=True)
class CuratorGopherRepetition:
    """Too much of the text repeats (table A1): too little of it is left without second and later copies.

    The share of an n-gram is that of the characters which go when it is deleted wherever its words stand with single
    blanks between them. Shares of n-grams in a text of fewer words are 1. Among most frequent n-grams Curator takes
    any, and this the first.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = (*verdicts.fields(_REPETITION), "max_top_ngram", "max_repeated_ngrams")

    min_unique_lines: float = 0.7  # of lines
    min_unique_paragraphs: float = 0.7  # of paragraphs
    min_unique_line_characters: float = 0.8  # of the lines' characters
    min_unique_paragraph_characters: float = 0.8  # of the paragraphs' characters
    max_top_ngram: tuple[repetition.Limit, ...] = repetition.TOP_LIMITS
    max_repeated_ngrams: tuple[repetition.Limit, ...] = repetition.REPEATED_LIMITS

    def __post_init__(self) -> None:
        limits.shares(self, *verdicts.fields(_REPETITION))
        repetition.check_ngram_limits(self)

    def measure(self, text: Text) -> dict[str, float]:
        """What is unique among lines and paragraphs, and what repeats among n-grams of words."""
        signals: dict[str, float] = {}
        for name, segments in (("line", _lines(text)), ("paragraph", text.content.split("\n\n"))):
            count, characters = repetition.repeats(segments)
            size = sum(map(len, segments))
            signals[f"unique_{name}s"] = (len(segments) - count) / max(len(segments), 1)
            signals[f"unique_{name}_characters"] = (size - characters) / max(size, 1)
        words, size = plain_words.whitespace_words(text), len(text.content)
        for found in repetition.repeated_ngrams(words):
            name = f"top_{found.n}gram" if found.n in repetition.TOP else f"repeated_{found.n}grams"
            if not found.num_ngrams:
                signals[name] = 1.0
            elif found.n in repetition.TOP:
                at, _ = found.first_top()
                ngram = " ".join(words[at : at + found.n])
                signals[name] = text.content.count(ngram) * len(ngram) / size
            else:
                signals[name] = _repeated_characters(found) / size
        return signals

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first limit that is passed, in the order of the published pipeline."""
        fault = verdicts.first_fault(self, signals, _REPETITION)
        return fault or repetition.ngram_fault(signals, self.max_top_ngram, self.max_repeated_ngrams)


def _lines(text: Text) -> list[str]:
    return [line for line in text.content.split("\n") if line and not line.isspace()]


def _is_hashes(word: str) -> bool:
    """More than half of the word; Curator counts a run of hashes as one, so "#" is, and "##" is not."""
    return 2 * len(_HASHES.findall(word)) > len(word)


def _repeated_characters(found: repetition.RepeatedNgrams) -> int:
    """Of all words in n-grams that stood before, with the blanks inside of these, each counted once."""
    again = found.later_positions()
    words, blanks = found.covered(again, found.n), found.covered(again, found.n - 1)
    return int(np.diff(found.starts)[words].sum()) + int(blanks.sum())
