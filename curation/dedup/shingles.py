"""A text as a set of hashed word n-grams (Broder 1997), which is what near-duplicates have in common."""

import itertools
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import regex
import xxhash

from curation import splitting
from curation.rules.characters import PUNCTUATION, UNSPACED

WORDS = ("plain", "fineweb")
_PLAIN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
_NUMBER = regex.compile(r"\p{Nd}+([.,،٫⎖⎗⎘]{1}\p{Nd}+)?")
_SPACE = re.compile(r"\s+")
_ORDERED = regex.compile(r"[^\p{Mn}\p{ccc=0}]{2,}")  # spacing marks that Unicode puts in an order of its own
_TO_BLANKS = str.maketrans(dict.fromkeys(PUNCTUATION, " "))


def shingles(text: str, size: int, language: str = "en", words: str = "plain") -> np.ndarray:
    """The distinct hashed word n-grams of a text, uint32[n], sorted; one of all words where they are fewer.

    The low 32 bits of xxh3, of which datasketch takes no more: of two texts of a thousand n-grams each, one pair in
    4,300 shares one by chance, which moves their similarity by a two-thousandth.
    """
    tokens = plain_words(text) if words == "plain" else splitting.words(normalize(text), language)
    return hashes(tokens, size)


def hashes(tokens: Sequence[str], size: int) -> np.ndarray:
    """The distinct hashed n-grams of words, uint32[n], sorted: of each, the words with blanks between them."""
    if not tokens:
        return np.empty(0, np.uint32)
    joined = " ".join(tokens)
    content = joined.encode()
    lengths = map(len, tokens) if len(content) == len(joined) else (len(token.encode()) for token in tokens)
    ends = list(itertools.accumulate(lengths, lambda end, length: end + 1 + length, initial=-1))  # bytes
    digest, width = xxhash.xxh3_64_intdigest, min(size, len(tokens))
    found = [digest(content[before + 1 : end]) for before, end in zip(ends, ends[width:], strict=False)]
    values = np.sort(np.array(found, np.uint64).astype(np.uint32))
    is_first = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    distinct: np.ndarray = values[is_first]  # in a tenth of the time of np.unique
    return distinct


def plain_words(text: str) -> list[str]:
    """Lower-cased runs of letters, digits and underscores; single characters in scripts without blanks."""
    return _PLAIN.findall(text.lower())


def normalize(text: str) -> str:
    """Lower case, numbers as 0, no punctuation, single blanks, no accents (datatrove 0.10.1, simplify_text)."""
    text = _NUMBER.sub("0", text.lower()).translate(_TO_BLANKS)
    text = _SPACE.sub(" ", text.strip())
    if not text.isascii():
        # Marks go before the decomposition too, and others that it orders are in order then: its time is quadratic in
        # a run of them.
        text = _ORDERED.sub(_in_order, _without_marks(text))
        text = _without_marks(unicodedata.normalize("NFD", text))
    return text.strip()


def _in_order(run: re.Match[str]) -> str:
    # What this Python's Unicode knows no order of stays where it is, and so does what stands on either side of it.
    groups = itertools.groupby(run.group(), lambda mark: unicodedata.combining(mark) > 0)
    return "".join(mark for _, marks in groups for mark in sorted(marks, key=unicodedata.combining))


def _without_marks(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Mn")


def jaccard(left: np.ndarray, right: np.ndarray) -> float:
    """The Jaccard similarity of two sets of shingles, sorted and distinct; 0 where both are empty."""
    common = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - common
    return common / union if union else 0.0
