"""What one model gained over another on the same examples, with an interval for what other examples would show.

The intervals are of 95% and of the choice of examples alone: other seeds of training differ, too.
"""

import dataclasses
import math

import numpy as np

_DEVIATIONS = 1.959964  # of a normal distribution, on both sides of 95%


@dataclasses.dataclass(frozen=True)
class Gain:
    """A difference between two models, and the interval that it lies in."""

    difference: float
    low: float
    high: float


def matched(right: np.ndarray, others_right: np.ndarray) -> Gain:
    """Of shares that are right, bool[n] twice: the interval of Agresti and Min (2005) for matched proportions.

    Half an example is added to each of the four ways in which two models can be right or wrong, so that few examples,
    or none that they differ on, do not seem certain.
    """
    count = len(right)
    won, lost = int((right & ~others_right).sum()), int((~right & others_right).sum())
    total, more, less = count + 2, won + 0.5, lost + 0.5
    middle = (more - less) / total
    margin = _DEVIATIONS * math.sqrt((more + less) - (more - less) ** 2 / total) / total
    return Gain((won - lost) / count, max(-1.0, middle - margin), min(1.0, middle + margin))


def ratio(gained: np.ndarray, weights: np.ndarray) -> Gain:
    """Of sums by their weights, float64[n] twice: nats that each example gained, and its targets.

    The normal interval of a ratio estimator, by the residuals of the examples; without bounds where there is only one.
    """
    count, mean = len(gained), gained.sum() / weights.sum()
    if count < 2:
        return Gain(float(mean), -math.inf, math.inf)
    residuals = gained - mean * weights
    error = math.sqrt(float((residuals**2).sum()) * count / (count - 1)) / float(weights.sum())
    return Gain(float(mean), float(mean - _DEVIATIONS * error), float(mean + _DEVIATIONS * error))
