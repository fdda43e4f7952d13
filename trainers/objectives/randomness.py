"""Chance that can be repeated: a generator for each row of each epoch, so that any batch can be made again alone."""

import hashlib

import numpy as np


def generator(*, seed: int, epoch: int, row: int, purpose: str) -> np.random.Generator:
    """The random numbers of one row in one epoch; another `purpose` has other ones.

    Philox (Salmon et al. 2011) with a key of 128 bits from blake2b: no state is carried from row to row, so neither the
    order of rows nor the number of workers changes what is drawn.
    """
    digest = hashlib.blake2b(f"{purpose}/{seed}/{epoch}/{row}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
