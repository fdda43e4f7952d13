"""RedPajama-V2's signals of words and characters (RedPajama-Data, quality_signals/natural_language.py, content.py)."""

import collections
import math
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

_SENTENCE = re.compile(r"\b[^.!?]+[.!?]*")
_LETTER = re.compile("[A-Za-z]")
_LOREM_IPSUM = "lorem ipsum"
_SYMBOLS = ("#", "...", "…")

# By the first word of each phrase: how many words phrases that start with it have, and the phrases.
Phrases = Mapping[str, tuple[list[int], AbstractSet[str]]]


def normalized(content: str) -> str:
    """A text in lower case, decomposed (NFD), without ASCII punctuation; its white space as it stands."""
    changed: dict[int, str | None] = {}
    lower = content.lower()
    # One character at a time, which leaves piled-up marks in their order: to sort them takes quadratic time.
    if not lower.isascii():
        changed = {ord(each): unicodedata.normalize("NFD", each) for each in set(lower)}
    return lower.translate({**changed, **dict.fromkeys(map(ord, string.punctuation))})


def signals(content: str, words: Sequence[str], stop_words: AbstractSet[str]) -> dict[str, float]:
    """The signals of a text and its normalised words.

    - word_count, mean_word_length (characters), unigram_entropy (nats), frac_unique_words, stop_word_fraction: of the
      normalised words;
    - symbol_to_word_ratio (`#`, `...` and `…`), frac_all_caps_words, frac_no_alph_words (without an ASCII letter): of
      the raw words;
    - lorem_ipsum: how often it stands in the normalised words, a character of these; curly_bracket: `{` and `}`, a
      character of the text; num_sentences: matches of \\b[^.!?]+[.!?]*.
    """
    raw = content.split()
    num_raw, num_words = max(len(raw), 1), max(len(words), 1)
    counts = collections.Counter(words)
    joined = " ".join(words)
    return {
        "rps_doc_word_count": len(words),
        "rps_doc_mean_word_length": sum(map(len, words)) / num_words,
        "rps_doc_unigram_entropy": _entropy(counts),
        "rps_doc_frac_unique_words": len(counts) / num_words,
        "rps_doc_stop_word_fraction": sum(counts[word] for word in counts.keys() & stop_words) / num_words,
        "rps_doc_symbol_to_word_ratio": sum(map(content.count, _SYMBOLS)) / num_raw,
        "rps_doc_frac_all_caps_words": sum(map(str.isupper, raw)) / num_raw,
        "rps_doc_frac_no_alph_words": sum(not _LETTER.search(word) for word in raw) / num_raw,
        "rps_doc_lorem_ipsum": joined.count(_LOREM_IPSUM) / max(len(joined), 1),
        "rps_doc_curly_bracket": (content.count("{") + content.count("}")) / max(len(content), 1),
        "rps_doc_num_sentences": sum(1 for _ in _SENTENCE.finditer(content)),
    }


def phrases(listed: Iterable[str]) -> Phrases:
    """Words and phrases of a list, normalised as texts are."""
    starts: dict[str, set[str]] = collections.defaultdict(set)
    for words in (normalized(phrase).split() for phrase in listed):
        if words:
            starts[words[0]].add(" ".join(words))
    return {first: (sorted({phrase.count(" ") + 1 for phrase in found}), found) for first, found in starts.items()}


def num_listed(words: Sequence[str], listed: Phrases) -> float:
    """How many runs of words are phrases of a list (rps_doc_ldnoobw_words)."""
    count = 0
    for place, word in enumerate(words):
        if word in listed:
            sizes, found = listed[word]
            count += sum(" ".join(words[place : place + size]) in found for size in sizes if place + size <= len(words))
    return count


def _entropy(counts: Mapping[str, int]) -> float:
    """The entropy of the words' distribution, from how many words have which count; 0 without words."""
    total = sum(counts.values())
    if not total:
        return 0.0
    how_many = collections.Counter(counts.values())  # few numbers; summed exactly, whatever their order
    return max(math.log(total) - math.fsum(n * c * math.log(c) for c, n in how_many.items()) / total, 0.0)
