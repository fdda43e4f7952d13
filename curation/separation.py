"""How well a score tells two classes of documents apart."""

import dataclasses

import numpy as np
from scipy.stats import rankdata


@dataclasses.dataclass(frozen=True)
class Cut:
    """What a threshold keeps: documents that score at least as much."""

    threshold: float
    share_kept: float  # of all documents
    precision: float  # of what is kept, how much is positive
    recall: float  # of positives, how many are kept; the true positive rate
    false_positive_rate: float  # of negatives, how many are kept


def auc(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """The area under the ROC curve: how often a positive outscores a negative, where ties count half.

    `scores` is float[documents], `is_positive` bool[documents], of both classes.
    """
    num_positive, num_negative = int(is_positive.sum()), int((~is_positive).sum())
    above = rankdata(scores)[is_positive].sum() - num_positive * (num_positive + 1) / 2
    return float(above / (num_positive * num_negative))


def cuts(scores: np.ndarray, is_positive: np.ndarray, shares: tuple[float, ...]) -> list[Cut]:
    """For each share of the negatives that a threshold lets through, the one that keeps most positives.

    Thresholds that are the same are listed once.
    """
    negatives = np.sort(scores[~is_positive])[::-1]
    found: dict[float, Cut] = {}
    for share in shares:
        refused = int(share * len(negatives))  # the place of the best negative that must not pass
        limit = negatives[refused] if refused < len(negatives) else -np.inf
        passing = scores[scores > limit]
        if len(passing):
            cut = _cut(float(passing.min()), scores, is_positive)
            found.setdefault(cut.threshold, cut)
    return list(found.values())


def _cut(threshold: float, scores: np.ndarray, is_positive: np.ndarray) -> Cut:
    kept = scores >= threshold
    true, num_kept = int((kept & is_positive).sum()), int(kept.sum())
    return Cut(
        threshold=threshold,
        share_kept=num_kept / len(scores),
        precision=true / num_kept,
        recall=true / int(is_positive.sum()),
        false_positive_rate=(num_kept - true) / int((~is_positive).sum()),
    )
