"""N-grams of words as 64-bit numbers, and an index of those of evaluation items."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np
import regex
import xxhash

# Scripts that put no blanks between words (Thai, Lao, Burmese, Khmer, kana, Han): each character is a word.
_UNSPACED = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff]--\p{P}"
)
_PIECE = regex.compile(rf"[{_UNSPACED}]|[^\s[{_UNSPACED}]]+", regex.V1)
_PUNCTUATION = regex.compile(r"[\p{P}$+<=>^`|~]+")  # Unicode's, and what else Python's string.punctuation has
_FACTOR = 0x9E3779B97F4A7C15  # odd, so that every word moves all higher bits
_SLOTS = 8  # of the table of what is surely not there, for each n-gram
_MAX_SLOT_BITS = 26  # 64 MiB
_SHORTEST = 8  # words; GPT-3's least n

NGRAM = np.dtype([("key", "<u8"), ("item", "<u4")])  # an n-gram of an item, once
ITEM = np.dtype([("set", "<u4"), ("number", "<u8"), ("words", "<u4"), ("ngrams", "<u4")])  # ngrams 0: too short
# An n-gram of a document that stands in an item too: `at` is its first word, `ngram` its place in the index.
MATCH = np.dtype([("document", "<i8"), ("at", "<u4"), ("length", "<u4"), ("ngram", "<u4")])


def words(text: str) -> list[str]:
    """What blanks separate, in lower case, without punctuation; nothing where that is all."""
    found: list[str] = _PIECE.findall(_PUNCTUATION.sub("", text.lower()))
    return found


def places(text: str) -> np.ndarray:
    """Where each word of `words` starts and ends in the text, int64[words, 2], punctuation at its ends left out."""
    found = []
    for piece in _PIECE.finditer(text):
        content, start = piece[0], piece.start()
        if content.isalnum():  # as most are
            found.append((start, piece.end()))
        elif _PUNCTUATION.sub("", content):
            first = _PUNCTUATION.match(content)
            start += first.end() if first else 0
            end = piece.end()
            while _PUNCTUATION.match(text, end - 1, end):
                end -= 1
            found.append((start, end))
    return np.array(found, np.int64).reshape(-1, 2)


def hashed(found: Iterable[str]) -> np.ndarray:
    """The xxh3 hashes of words, uint64[words]."""
    return np.fromiter((xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass")) for word in found), np.uint64)


def ngrams(hashes: np.ndarray, length: int) -> np.ndarray:
    """The n-grams of `length` words, uint64[words - length + 1], of the words' hashes, uint64[words]."""
    size = max(len(hashes) - length + 1, 0)
    found = np.full(size, length, np.uint64)  # so that those of different lengths differ
    for place in range(length):
        found = found * np.uint64(_FACTOR) + hashes[place : place + size]
    found ^= found >> np.uint64(32)
    return found * np.uint64(_FACTOR)


def of_items(texts: Iterable[tuple[int, int, str]], n: int) -> tuple[np.ndarray, np.ndarray]:
    """NGRAM[k], sorted, and ITEM[i] of (set, number, text).

    An item of fewer than `n` words is one n-gram of all its words where it has at least 8, and else none.
    """
    found, rows = [np.empty(0, NGRAM)], list[tuple[int, int, int, int]]()
    for item, (which, number, text) in enumerate(texts):
        hashes = hashed(words(text))
        length = min(n, len(hashes))
        keys = np.unique(ngrams(hashes, length)) if length >= min(n, _SHORTEST) else np.empty(0, np.uint64)
        here = np.empty(len(keys), NGRAM)
        here["key"], here["item"] = keys, item
        found.append(here)
        rows.append((which, number, min(len(hashes), 0xFFFFFFFF), len(keys)))
    together = np.concatenate(found)
    return together[np.lexsort((together["item"], together["key"]))], np.array(rows, ITEM)


@dataclasses.dataclass(frozen=True, eq=False)
class NgramIndex:
    """The n-grams of evaluation items: 12 bytes for each of an item, 24 to 32 for each that differs from all others."""

    keys: np.ndarray  # uint64[k], sorted, no two the same
    first: np.ndarray  # int64[k + 1], where the items of each begin
    items_of: np.ndarray  # uint32[m], numbers of items
    items: np.ndarray  # ITEM[i]
    lengths: tuple[int, ...]  # of n-grams, in words

    @classmethod
    def of(cls, found: np.ndarray, items: np.ndarray, n: int) -> "NgramIndex":
        """The index of what `of_items` gives."""
        starts = np.flatnonzero(np.r_[len(found) > 0, found["key"][1:] != found["key"][:-1]])
        lengths = np.unique(np.minimum(items["words"][items["ngrams"] > 0], n)).tolist()
        first = np.r_[starts, len(found)].astype(np.int64)
        return cls(found["key"][starts].copy(), first, found["item"].copy(), items, tuple(lengths))

    def matches(self, text: str, document: int) -> np.ndarray:
        """The n-grams of a document's text that stand in an item, MATCH[n], by place."""
        found = words(text)
        if not len(self.keys) or len(found) < self.lengths[0]:
            return np.empty(0, MATCH)
        hashes, parts = hashed(found), []
        for length in self.lengths:
            at, ngram = self._known(ngrams(hashes, length))
            part = np.empty(len(at), MATCH)
            part["document"], part["at"], part["length"], part["ngram"] = document, at, length, ngram
            parts.append(part)
        together = np.concatenate(parts)
        return together[np.lexsort((together["length"], together["at"]))]

    def owners(self, ngram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For n-grams, by their places, int64[n]: each of their items, with which of the n-grams it is of."""
        counts = self.first[ngram + 1] - self.first[ngram]
        which = np.repeat(np.arange(len(ngram)), counts)
        inner = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.items_of[self.first[ngram][which] + inner].astype(np.int64)

    def _known(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of these keys are in the index, and where."""
        at = np.flatnonzero(self._table[keys >> self._shift])
        place = np.searchsorted(self.keys, keys[at])
        place[place == len(self.keys)] = 0
        is_known = self.keys[place] == keys[at]
        return at[is_known], place[is_known]

    @functools.cached_property
    def _table(self) -> np.ndarray:
        """Whether a key with these high bits is in the index: most n-grams of a document are told by one look."""
        table = np.zeros(1 << (64 - int(self._shift)), bool)
        table[self.keys >> self._shift] = True
        return table

    @functools.cached_property
    def _shift(self) -> np.uint64:
        return np.uint64(64 - min((_SLOTS * len(self.keys)).bit_length(), _MAX_SLOT_BITS))


def but_for(found: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """MATCH[m] of MATCH[n] without the n-grams of these places, sorted."""
    if not len(ignored) or not len(found):
        return found
    place = np.minimum(np.searchsorted(ignored, found["ngram"]), len(ignored) - 1)
    left: np.ndarray = found[ignored[place] != found["ngram"]]
    return left


def documents_of(found: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The places of n-grams, sorted, and in how many documents each stands, of the MATCHes of documents."""
    each = [np.unique(part["ngram"]) for part in found]
    places, counts = np.unique(np.concatenate([np.empty(0, np.uint32), *each]), return_counts=True)
    return places, counts
