"""The best share of a corpus by one signal, such as DCLM's best tenth by its classifier (2406.11794, section 4.4)."""

import dataclasses
import fractions
import math

import numpy as np

from curation.rules import limits


@dataclasses.dataclass(frozen=True)
class TopShare:
    """Keeps the documents with the highest values of a signal: a share of all that reach this step, in any part."""

    signal: str
    share: float

    def __post_init__(self) -> None:
        limits.typed(self)
        if not self.signal:
            raise ValueError("TopShare(signal=''): expected the name of a signal, such as quality_score")
        if not 0 < self.share <= 1:
            raise ValueError(f"TopShare(share={self.share!r}): expected a share above 0, and 1 at most")


def threshold(scores: np.ndarray, share: float) -> float:
    """The value that a document needs at least, so that no less than this share of them is kept, and as few as that.

    It is the k-th highest score, where k is the share of their number, rounded up; the share is taken as the decimal
    that it is written as, so that a tenth of 30 is 3. Documents of that very score are all kept, since nothing tells
    them apart but their order: with ties more than the share is kept. The order of the scores changes nothing. Without
    any scores it is minus infinity. `scores` is float[documents].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share {share!r}: expected one above 0, and 1 at most")
    values = np.asarray(scores)
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError(f"expected one score a document, found shape {values.shape} with {np.isnan(values).sum()} NaN")
    if not len(values):
        return -math.inf
    kept = math.ceil(fractions.Fraction(repr(float(share))) * len(values))
    place = len(values) - kept
    return float(np.partition(values, place)[place])
