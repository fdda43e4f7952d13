"""Trains a fastText classifier so that the same lines and settings give the same bytes.

fastText is meant to be trained by threads that overwrite each other's weights, so that no two runs are alike. With one
thread all is in order, but fastText 0.9.3 (src/densematrix.cc, src/aligned.h) gives each of `thread` threads a tenth
of the input matrix to fill, and leaves the rest of it as the memory was found: it trains from what was there before, or
fails with "Encountered NaN". Up to 0.9.2 that memory was zero, and here it is zero again: glibc is told to hand out no
other while fastText trains.
"""

import contextlib
import ctypes
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from curation import fasttext_model
from curation.rules.limits import at_least

_M_PERTURB = -6  # of mallopt, malloc.h: memory is handed out filled with the complement of this byte
_ALL_ONES = 0xFF
_MAX_SEED = 2**31 - 2  # fastText's generator, minstd_rand, takes them modulo 2^31 - 1


@dataclasses.dataclass(frozen=True)
class Settings:
    """What fastText is trained with. DCLM's published model has fastText's own defaults, and 2-word n-grams.

    Those are 5 epochs, learning rate 0.1, 100 dimensions and 2,000,000 buckets: meant for DCLM's 400,000 texts, they
    leave a model of 2,000 texts half trained. Two labels need no more than 16 dimensions, and with 1,000,000 buckets
    the model has 64 MB in place of 800.
    """

    seed: int = 0
    epochs: int = 10
    learning_rate: float = 0.5
    dim: int = 16
    word_ngrams: int = 2  # words
    min_count: int = 1  # occurrences of a word
    buckets: int = 1_000_000  # that n-grams are hashed into

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "dim", "word_ngrams", "min_count", "buckets")
        at_least(self, 0, "seed")
        if self.seed > _MAX_SEED:
            raise ValueError(f"Settings(seed={self.seed}): expected at most {_MAX_SEED}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"Settings(learning_rate={self.learning_rate}): expected a number above 0")


def train(lines: str, settings: Settings) -> Any:
    """The model trained on a file of labelled lines, in their order; ValueError where the settings make none."""
    import fasttext

    try:
        with _zeroed_memory():
            model = fasttext.train_supervised(
                lines,
                seed=settings.seed,
                epoch=settings.epochs,
                lr=settings.learning_rate,
                dim=settings.dim,
                wordNgrams=settings.word_ngrams,
                minCount=settings.min_count,
                bucket=settings.buckets,
                thread=1,
                verbose=0,
            )
    except RuntimeError as error:  # "Encountered NaN."
        raise ValueError(f"fastText: {error} Expected weights; give a lower --learning-rate") from None
    except MemoryError:
        size = settings.buckets * settings.dim * 4
        raise ValueError(
            f"fastText: the model of {size:,} bytes does not fit into memory; give fewer --buckets"
        ) from None
    if not np.isfinite(_last_weights(model)).all():
        raise ValueError("fastText: the weights are no numbers; give a lower --learning-rate")
    return model


def saved(model: Any, path: str) -> Any:
    """Writes a model, and reads what was written; ValueError where the disk is full, which fastText does not notice."""
    model.save_model(path)
    written = fasttext_model.read(path)
    if not np.array_equal(_last_weights(written), _last_weights(model)):
        raise ValueError(f"{path}: the model was not written whole; free space on that disk, or set TMPDIR to another")
    return written


def _last_weights(model: Any) -> np.ndarray:
    """The matrix that a file ends with, float32[labels, dim]; a copy, since fastText's own goes with the model."""
    return np.array(model.f.getOutputMatrix())


@contextlib.contextmanager
def _zeroed_memory() -> Iterator[None]:
    """Has this process's new memory come filled with zeros, whatever it held before."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or not mallopt(_M_PERTURB, _ALL_ONES):
        raise ValueError("training needs Linux with glibc, without which fastText starts from whatever is in memory")
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)
