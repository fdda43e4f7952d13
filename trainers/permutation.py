"""A keyed permutation of range(size): both directions are arithmetic, so an order needs no memory and no state."""

import dataclasses
import hashlib

import numpy as np

_ROUNDS = 8


@dataclasses.dataclass(frozen=True)
class Permutation:
    """A Feistel network over the next power of four, walked until it lands inside range(size).

    Each distinct key gives another order; `inverse` undoes a call exactly.
    """

    size: int
    key: str

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """int64[n] positions in range(size) -> int64[n] their images."""
        return self._walk(positions, forward=True)

    def inverse(self, images: np.ndarray) -> np.ndarray:
        """int64[n] images in range(size) -> int64[n] the positions they came from."""
        return self._walk(images, forward=False)

    def _walk(self, values: np.ndarray, *, forward: bool) -> np.ndarray:
        """Applies the network until every value is in range; at most 4 times on average."""
        values = np.atleast_1d(values)
        assert values.size == 0 or (values.min() >= 0 and values.max() < self.size), (values, self.size)
        keys = [_round_key(self.key, number) for number in range(_ROUNDS)]
        walked = self._network(values.astype(np.uint64), keys, forward=forward)
        while (outside := walked >= self.size).any():
            walked[outside] = self._network(walked[outside], keys, forward=forward)
        return walked.astype(np.int64)

    def _network(self, values: np.ndarray, keys: list[np.uint64], *, forward: bool) -> np.ndarray:
        """One pass over uint64[n] values below the power of four."""
        bits = np.uint64(max(1, ((self.size - 1).bit_length() + 1) // 2))
        mask = (np.uint64(1) << bits) - np.uint64(1)
        left, right = values >> bits, values & mask
        if forward:
            for key in keys:
                left, right = right, left ^ (mix(right ^ key) & mask)
        else:
            for key in reversed(keys):
                left, right = right ^ (mix(left ^ key) & mask), left
        return (left << bits) | right


def _round_key(key: str, number: int) -> np.uint64:
    digest = hashlib.blake2b(f"{key}/{number}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def mix(values: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele et al. 2014): every input bit reaches every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
