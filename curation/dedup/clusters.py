"""Verified pairs to clusters: which document each duplicate is dropped for, and on what evidence."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

EDGE = np.dtype([("document", "<i8"), ("other", "<i8"), ("similarity", "<f4"), ("is_exact", "?")])  # other < document
DROP = np.dtype(
    [
        ("document", "<i8"),
        ("kept", "<i8"),  # the smallest of its cluster
        (
            "through",
            "<i8",
        ),  # the verified neighbour that ties it to the cluster; `kept` itself where they were compared
        ("similarity", "<f4"),  # to `through`
        ("is_exact", "?"),
    ]
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

    dropped = np.flatnonzero(nodes != kept)
    drops = np.empty(len(dropped), DROP)
    drops["document"], drops["kept"] = nodes[dropped], kept[dropped]
    best = _best_neighbours(edges, nodes, kept)
    for field in ("through", "similarity", "is_exact"):
        drops[field] = best[field][dropped]

    copies = np.empty(count, COPIES)
    copies["document"], copies["copies"] = smallest, sizes
    return drops, np.sort(copies, order="document")


def _best_neighbours(edges: np.ndarray, nodes: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """For each node its best edge: to the kept document where there is one, else to the most similar, then smallest."""
    both = np.empty(2 * len(edges), [("node", "<i8"), ("to_kept", "?"), *DROP.descr[2:]])
    half = len(edges)
    both["node"][:half], both["through"][:half] = edges["document"], edges["other"]
    both["node"][half:], both["through"][half:] = edges["other"], edges["document"]
    both["similarity"] = np.tile(edges["similarity"], 2)
    both["is_exact"] = np.tile(edges["is_exact"], 2)
    both["to_kept"] = both["through"] == kept[np.searchsorted(nodes, both["node"])]
    order = np.lexsort((both["through"], -both["similarity"], ~both["is_exact"], ~both["to_kept"], both["node"]))
    both = both[order]
    first = np.searchsorted(both["node"], nodes)
    return both[first]
