"""Repetition among the n-grams of a text's words, found without building the n-grams."""

import collections
import functools

import numpy as np

from curation.text import Text

_BASE = 0x9E3779B97F4A7C15  # odd, so that no power of it is 0 modulo 2**64
_SLOTS = 16  # per n-gram: one in 16 that stands once looks as if it may stand twice, and is looked at in vain
_MAX_SLOT_BITS = 22  # 16 MiB; beyond 200,000 words more are looked at in vain


class Ngrams:
    """The n-grams of a text: runs of n words, read from left to right."""

    def __init__(self, text: Text) -> None:
        self._words, self._numbers = text.words, text.word_numbers
        self._bits = len(text.vocabulary).bit_length()
        lengths = np.fromiter(map(len, text.vocabulary), np.int64, len(text.vocabulary))
        self._starts = np.zeros(len(text.words) + 1, np.int64)  # of each word in `_joined`, and its end
        np.cumsum(lengths[self._numbers], out=self._starts[1:])
        self._joined = "".join(text.words)

    def top_characters(self, n: int) -> int:
        """Characters of the most frequent n-gram, joined with blanks, times its count; the first among ties."""
        size = len(self._words) - n + 1
        if size <= 0:
            return 0
        if self._bits * n > 64:
            ngrams = zip(*(self._words[at:] for at in range(n)), strict=False)
            ngram, count = collections.Counter(ngrams).most_common(1)[0]
            return len(" ".join(ngram)) * count
        packed = self._numbers[:size]
        for at in range(1, n):  # the numbers of n words side by side in 64 bits: equal only where all words are
            packed = packed << np.uint64(self._bits) | self._numbers[at : at + size]
        ordered = np.sort(packed)
        inner = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        bounds = np.concatenate(([0], inner, [size]))
        counts = bounds[1:] - bounds[:-1]
        count = int(counts.max())
        most = ordered[bounds[:-1][counts == count]]
        at = int((np.isin(packed, most) if len(most) > 1 else packed == most).argmax()) if count > 1 else 0
        return int(self._starts[at + n] - self._starts[at] + n - 1) * count

    def repeated_characters(self, n: int) -> int:
        """Characters of n-grams that stood before, read left to right, skipping n words after each found.

        N-grams are the same where their characters are, without blanks between words: "a bc" is "ab c" here.
        """
        candidates = self._candidates(n)
        starts, ends = self._starts[candidates], self._starts[candidates + n]
        seen: set[str] = set()
        characters = next_position = 0
        for position, start, end in zip(candidates.tolist(), starts.tolist(), ends.tolist(), strict=True):
            if position < next_position:
                continue
            ngram = self._joined[start:end]
            if ngram in seen:
                characters += end - start
                next_position = position + n
            else:
                seen.add(ngram)
        return characters

    def _candidates(self, n: int) -> np.ndarray:
        """The numbers, in order, of all n-grams that stand twice, and of some others."""
        size = len(self._words) - n + 1
        if size <= 0:
            return np.empty(0, np.int64)
        sums, factors = self._hashes
        hashes = (sums[n:] - sums[:size]) * factors[:size]
        slots = hashes >> np.uint64(64 - self._slot_bits)  # the high bits: low ones depend on low bits alone
        numbers = np.arange(size, dtype=np.int32)
        table = self._table
        table[slots] = numbers  # of n-grams that share a slot, as equal ones do, the last stays
        shared = slots[table[slots] != numbers]
        table[shared] = -1
        return np.flatnonzero(table[slots] == -1)

    @functools.cached_property
    def _hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """For the start of each word, and the end: a hash of all before it, and what makes differences comparable.

        The hash of characters c is the sum of c[i] * BASE**i, so that of a slice is a difference of two, but for a
        factor that depends on where the slice starts.
        """
        characters = np.frombuffer(self._joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        powers = np.full(len(characters) + 1, _BASE, np.uint64)
        powers[0] = 1
        np.cumprod(powers, out=powers)
        sums = np.zeros(len(characters) + 1, np.uint64)
        np.cumsum(characters * powers[:-1], out=sums[1:])
        return sums[self._starts], powers[len(characters) - self._starts]

    @functools.cached_property
    def _slot_bits(self) -> int:
        return min((_SLOTS * len(self._words)).bit_length(), _MAX_SLOT_BITS)

    @functools.cached_property
    def _table(self) -> np.ndarray:
        """A slot for each value of `_slot_bits` bits; what lies in it is read only after it was written."""
        return np.empty(1 << self._slot_bits, np.int32)
