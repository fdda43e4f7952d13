"""Precision and recall of duplicates against pairs whose similarity is known."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping

THRESHOLD = 0.8  # NearDuplicates' own
MARGIN = 0.05  # above it pairs are to be found for sure
Pair = tuple[str, str]  # names of two documents, the smaller first


@dataclasses.dataclass(frozen=True)
class Score:
    """Pairs that were claimed, and pairs that were to be found."""

    claimed: int
    right: int  # of those claimed
    wanted: int
    found: int  # of those wanted

    @property
    def precision(self) -> float:
        """1 where nothing was claimed."""
        return self.right / self.claimed if self.claimed else 1.0

    @property
    def recall(self) -> float:
        """1 where nothing was wanted."""
        return self.found / self.wanted if self.wanted else 1.0


def pair(one: str, other: str) -> Pair:
    """Two names in order."""
    return (one, other) if one < other else (other, one)


def of_pairs(claimed: Iterable[Pair], truth: Mapping[Pair, float], threshold: float, margin: float = 0.0) -> Score:
    """Claimed pairs are right from `threshold` on; those are wanted that are at least `margin` above it.

    A pair that `truth` does not have has nothing in common.
    """
    distinct = {pair(*each) for each in claimed}
    wanted = _wanted(truth, threshold + margin)
    right = sum(truth.get(each, 0.0) >= threshold for each in distinct)
    return Score(len(distinct), right, len(wanted), sum(each in distinct for each in wanted))


def of_clusters(
    cluster_of: Mapping[str, object], truth: Mapping[Pair, float], threshold: float, margin: float = 0.0
) -> Score:
    """The same where all pairs within one cluster are claimed; who is not in `cluster_of` is alone."""
    sizes = collections.Counter(cluster_of.values())
    claimed = sum(size * (size - 1) // 2 for size in sizes.values())
    wanted = _wanted(truth, threshold + margin)
    right = sum(is_together(each, cluster_of) for each in _wanted(truth, threshold))
    return Score(claimed, right, len(wanted), sum(is_together(each, cluster_of) for each in wanted))


def is_together(names: Pair, cluster_of: Mapping[str, object]) -> bool:
    """Whether both are in one cluster."""
    return names[0] in cluster_of and cluster_of[names[0]] == cluster_of.get(names[1])


def components(pairs: Iterable[Pair]) -> dict[str, str]:
    """The clusters that pairs make, each named by its smallest document."""
    neighbours: dict[str, list[str]] = collections.defaultdict(list)
    for one, other in pairs:
        neighbours[one].append(other)
        neighbours[other].append(one)
    cluster_of: dict[str, str] = {}
    for name in sorted(neighbours):
        reached = [] if name in cluster_of else [name]
        for each in reached:
            if each not in cluster_of:
                cluster_of[each] = name
                reached += neighbours[each]
    return cluster_of


def _wanted(truth: Mapping[Pair, float], least: float) -> list[Pair]:
    return [each for each, similarity in truth.items() if similarity >= least - 1e-9]  # .8 + .05 is no .85
