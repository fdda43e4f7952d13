"""A Bloom filter (Bloom 1970, https://doi.org/10.1145/362686.362692) that is asked and filled by whole arrays of keys.

numpy's integers are the same on every machine, and an array is one call; the libraries take a Python call or two for
each item, and promise no bits from version to version.
"""

import math

import numpy as np

_PIECE_BITS = 15  # keys looked at together: their bits, some 4 MiB each time, are all that is held beside the filter
_MIN_BITS = 1024  # below, bits that follow from two hashes are not independent enough
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # SplitMix64's, Steele et al. 2014
_SEEDS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)


def mixed(keys: np.ndarray) -> np.ndarray:
    """Other numbers, uint64[n], of which every bit depends on all bits of the keys, uint64[n]; one to one."""
    keys = (keys ^ (keys >> np.uint64(30))) * _A
    keys = (keys ^ (keys >> np.uint64(27))) * _B
    result: np.ndarray = keys ^ (keys >> np.uint64(31))
    return result


class BloomFilter:
    """A set of keys that takes a new key for one that it holds at a promised rate, and never the other way round."""

    def __init__(self, capacity: int, false_positive_rate: float) -> None:
        """Empty, with room for so many keys: once it holds them all, the rate is the one given."""
        self.num_hashes = max(round(-math.log2(false_positive_rate)), 1)
        set_share = false_positive_rate ** (1 / self.num_hashes)  # of bits, about half, once it is full
        self.num_bits = max(math.ceil(capacity * self.num_hashes / -math.log1p(-set_share)), _MIN_BITS)
        assert self.num_bits < 1 << (64 - _PIECE_BITS), capacity
        self.num_new = 0  # keys that were not in it when they came
        self._bytes = np.zeros(self.num_bits // 8 + 1, np.uint8)

    def see(self, keys: np.ndarray) -> np.ndarray:
        """Adds keys, uint64[n], one after another; for each, bool[n], whether it was there when it came.

        The same for keys given at once or in pieces: what a key finds are the bits of all those before it.
        """
        piece = 1 << _PIECE_BITS
        found = [self._see(keys[start : start + piece]) for start in range(0, len(keys), piece)]
        return np.concatenate([np.empty(0, bool), *found])

    def _see(self, keys: np.ndarray) -> np.ndarray:
        bits = self._bits(keys)
        unset = (self._bytes[bits >> np.uint64(3)] >> (bits & np.uint64(7)).astype(np.uint8)) & 1 == 0
        rows = np.broadcast_to(np.arange(len(keys), dtype=np.uint64)[:, None], bits.shape)
        # Sorted by bit, and of one bit by key: the first is the key that sets it, and so is new.
        missing = np.sort(bits[unset] << np.uint64(_PIECE_BITS) | rows[unset])
        bits, rows = missing >> np.uint64(_PIECE_BITS), missing & np.uint64((1 << _PIECE_BITS) - 1)
        starts = _starts(bits)
        seen = np.ones(len(keys), bool)
        seen[rows[starts]] = False
        self._set(bits[starts])
        self.num_new += int((~seen).sum())
        return seen

    def _bits(self, keys: np.ndarray) -> np.ndarray:
        """The bits of each key, uint64[n, num_hashes] (Kirsch and Mitzenmacher 2008: two hashes make any number)."""
        first, step = mixed(keys ^ _SEEDS[0]), mixed(keys ^ _SEEDS[1]) | np.uint64(1)
        steps = np.arange(self.num_hashes, dtype=np.uint64)
        bits: np.ndarray = (first[:, None] + step[:, None] * steps) % np.uint64(self.num_bits)
        return bits

    def _set(self, bits: np.ndarray) -> None:
        """Sets these bits, which are in order and differ."""
        if len(bits):
            places = bits >> np.uint64(3)
            starts = _starts(places)
            masks = np.left_shift(1, bits & np.uint64(7), dtype=np.uint64).astype(np.uint8)
            self._bytes[places[starts]] |= np.bitwise_or.reduceat(masks, np.flatnonzero(starts))


def _starts(numbers: np.ndarray) -> np.ndarray:
    """Where, in numbers that are in order, another one begins, bool[n]."""
    starts = np.ones(len(numbers), bool)
    starts[1:] = numbers[1:] != numbers[:-1]
    return starts
