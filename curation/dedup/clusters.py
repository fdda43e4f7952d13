"""Verified pairs to clusters: which document each duplicate is dropped for, and on what evidence."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

EDGE = np.dtype([("document", "<i8"), ("other", "<i8"), ("similarity", "<f4"), ("is_exact", "?")])  # other < document
# `kept` is the smallest document of the cluster. `through` is the next on a shortest chain of verified pairs to it, and
# `kept` itself where the two were found similar; `similarity` is that to `through`.
DROP = np.dtype(
    [("document", "<i8"), ("kept", "<i8"), ("through", "<i8"), ("similarity", "<f4"), ("is_exact", "?")],
)
COPIES = np.dtype([("document", "<i8"), ("copies", "<i4")])


def clusters(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What to drop, DROP[n], and the size of each cluster by its kept document, COPIES[m]; from EDGE[k]; sorted."""
    if not len(edges):
        return np.empty(0, DROP), np.empty(0, COPIES)
    nodes, places = np.unique(np.concatenate([edges["document"], edges["other"]]), return_inverse=True)
    left, right = places[: len(edges)], places[len(edges) :]
    graph = coo_array((np.ones(len(edges), np.int8), (left, right)), shape=(len(nodes), len(nodes)))
    count, labels = connected_components(graph, directed=False)
    smallest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(smallest, labels, nodes)
    kept = smallest[labels]
    sizes = np.bincount(labels)

    steps = _first_steps(_both_ways(edges), nodes, kept)
    drops = np.empty(len(steps), DROP)
    for field in ("document", "through", "similarity", "is_exact"):
        drops[field] = steps[field]
    drops["kept"] = kept[np.searchsorted(nodes, steps["document"])]

    copies = np.empty(count, COPIES)
    copies["document"], copies["copies"] = smallest, sizes
    return drops, np.sort(copies, order="document")


def _both_ways(edges: np.ndarray) -> np.ndarray:
    """Each edge from either end, DROP[2k] without its `kept`, the best first: exact, most similar, smallest."""
    both = np.empty(2 * len(edges), DROP)
    both["document"] = np.concatenate([edges["document"], edges["other"]])
    both["through"] = np.concatenate([edges["other"], edges["document"]])
    both["similarity"] = np.tile(edges["similarity"], 2)
    both["is_exact"] = np.tile(edges["is_exact"], 2)
    return both[np.lexsort((both["through"], -both["similarity"], ~both["is_exact"], both["document"]))]


def _first_steps(both: np.ndarray, nodes: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """For each node that is not kept, its best edge to a node one step nearer to the kept one, DROP[n], by document."""
    reached = nodes == kept
    document, through = np.searchsorted(nodes, both["document"]), np.searchsorted(nodes, both["through"])
    chosen = [np.empty(0, np.int64)]
    while not reached.all():
        nearer = np.flatnonzero(reached[through] & ~reached[document])
        _, first = np.unique(document[nearer], return_index=True)
        chosen.append(nearer[first])
        reached[document[nearer]] = True
    return np.sort(both[np.concatenate(chosen)], order="document")
