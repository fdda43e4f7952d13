"""Words without a tokenizer: what white space separates, and the words of Unicode's Annex 29."""

import collections
from collections.abc import Collection, Sequence

import regex

from curation.text import Text

_BOUNDARY = regex.compile(r"\b", regex.WORD | regex.V1)
_FLAGS = regex.compile("[\U0001f1e6-\U0001f1ff]+")


def whitespace_words(text: Text) -> list[str]:
    """What white space separates."""
    return text.content.split()


def unicode_words(text: Text) -> list[str]:
    """The words of Unicode's Annex 29 that hold a letter or a digit; the rest is punctuation, symbols and white space.

    These are the words of the package uniseg, found a hundred times faster by `regex`.
    """
    found: list[str] | None = text.notes.get(unicode_words)
    if found is None:
        # Flags are pairs of letters of their own, counted from the first of a run: quadratic, and no words.
        pieces = _BOUNDARY.split(_FLAGS.sub("•", text.content))
        found = [piece for piece in pieces if piece.isalnum() or any(map(str.isalnum, piece))]
        text.notes[unicode_words] = found
    return found


def num_with_letters(words: Sequence[str]) -> int:
    """How many words hold a letter."""
    return sum(word.isalpha() or any(map(str.isalpha, word)) for word in words)


def num_occurrences(words: Sequence[str], wanted: Collection[str]) -> int:
    """How many words are among these, each as often as it stands."""
    counts = collections.Counter(words)
    return sum(counts[word] for word in set(wanted))
