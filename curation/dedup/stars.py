"""Connected components round by round, each partition of nodes by itself (Kiveris et al. 2014, alternating stars).

https://dl.acm.org/doi/10.1145/2670979.2670997. Every round joins each node to the best of its neighbours, the one with
the smallest rank and number: first the worse ones of them (large star), then the better ones (small star). When a
round leaves the edges as they were, each component is a star around its best node. That takes some four rounds on
clusters as duplicates make them, and 17 on a path of a million nodes.
"""

import numpy as np

from curation.dedup.clusters import LINK, MEMBER

_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))  # MurmurHash3's, for 64 bits


def large_star(links: np.ndarray) -> np.ndarray:
    """From all edges of a partition's nodes, LINK[n], each given from either end: worse neighbours to the best one.

    LINK[m], each from its worse end, which decides the partition of the next step.
    """
    return _joined(links, is_large=True)


def small_star(links: np.ndarray) -> np.ndarray:
    """From the edges of a partition's nodes, LINK[n], each given from its worse end: node and neighbours to the best.

    LINK[m], each from its worse end.
    """
    return _joined(links, is_large=False)


def partitions(links: np.ndarray, count: int) -> np.ndarray:
    """The partition of each link's node, int64[n] below `count`."""
    found: np.ndarray = _mixed(links["node"].astype(np.uint64)) % np.uint64(count)
    return found.astype(np.int64)


def digest(links: np.ndarray) -> int:
    """A sum over edges, LINK[n], that no order and no split into partitions changes; 64 bits."""
    mixed = _mixed(links["node"].astype(np.uint64) + _MIX[0] * _mixed(links["neighbour"].astype(np.uint64)))
    return int(mixed.sum(dtype=np.uint64))


def members(links: np.ndarray) -> np.ndarray:
    """MEMBER[n], sorted by document, of the stars whose best nodes a partition holds, LINK[k], each from either end."""
    is_centre = _is_better(links["rank"], links["node"], links["neighbour_rank"], links["neighbour"])
    links = links[is_centre]
    ordered = links[np.lexsort((links["neighbour"], links["node"]))]
    if not len(ordered):
        return np.empty(0, MEMBER)
    ordered = ordered[_differs(ordered)]
    centres, starts, sizes = np.unique(ordered["node"], return_index=True, return_counts=True)
    copies = ordered["weight"][starts] + np.add.reduceat(ordered["neighbour_weight"], starts)
    found = np.empty(len(ordered) + len(centres), MEMBER)
    found["document"] = np.concatenate([ordered["neighbour"], centres])
    found["kept"] = np.concatenate([ordered["node"], centres])
    found["copies"] = np.concatenate([np.repeat(copies, sizes), copies])
    return found[np.argsort(found["document"], kind="stable")]


def _joined(links: np.ndarray, *, is_large: bool) -> np.ndarray:
    if not len(links):
        return np.empty(0, LINK)
    order = np.lexsort((links["neighbour"], links["neighbour_rank"], links["node"]))
    links = links[order]
    links = links[_differs(links)]
    starts = np.flatnonzero(np.r_[True, links["node"][1:] != links["node"][:-1]])
    place = np.repeat(starts, np.diff(np.r_[starts, len(links)]))
    # The best of a node and its neighbours.
    is_node = _is_better(links["rank"], links["node"], links["neighbour_rank"][place], links["neighbour"][place])
    found = np.empty(len(links), LINK)
    for own, others in (("node", "neighbour"), ("rank", "neighbour_rank"), ("weight", "neighbour_weight")):
        found[own] = links[others]
        found[others] = np.where(is_node, links[own], links[others][place])
    if is_large:
        is_joined = ~_is_better(found["rank"], found["node"], links["rank"], links["node"])
    else:
        nodes = found[starts]
        for name in ("node", "rank", "weight"):
            nodes[name] = links[name][starts]
        found = np.concatenate([found, nodes])
        is_joined = found["node"] != found["neighbour"]
    joined: np.ndarray = found[is_joined]
    return joined


def _is_better(rank: np.ndarray, node: np.ndarray, other_rank: np.ndarray, other: np.ndarray) -> np.ndarray:
    found: np.ndarray = (rank < other_rank) | ((rank == other_rank) & (node < other))
    return found


def _differs(links: np.ndarray) -> np.ndarray:
    """Which rows, sorted, are not just the row before, bool[n]."""
    found = np.ones(len(links), bool)
    found[1:] = (links["node"][1:] != links["node"][:-1]) | (links["neighbour"][1:] != links["neighbour"][:-1])
    return found


def _mixed(values: np.ndarray) -> np.ndarray:
    for multiplier in _MIX:
        values = (values ^ (values >> np.uint64(33))) * multiplier
    mixed: np.ndarray = values ^ (values >> np.uint64(33))
    return mixed
