"""Verified pairs to clusters: which document each duplicate is dropped for, and on what evidence.

Clusters are the connected components of the graph of verified pairs. `clusters` finds them at once, in one place;
`curation.dedup.stars` finds the same ones round by round, where the pairs are too many for that.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# An edge. The smallest rank, and of equal ones the smallest number, is the copy that is kept. A document weighs as many
# copies as it stood for before.
_LINK = [
    *(("node", "<i8"), ("rank", "<f8"), ("neighbour", "<i8"), ("neighbour_rank", "<f8")),
    *(("weight", "<i4"), ("neighbour_weight", "<i4")),
]
LINK = np.dtype(_LINK)
VERIFIED = np.dtype([*_LINK, ("similarity", "<f4"), ("how", "<u1")])  # with its evidence, see `curation.dedup.verify`
EVIDENCE = np.dtype([("document", "<i8"), ("other", "<i8"), ("similarity", "<f4"), ("how", "<u1")])
MEMBER = np.dtype([("document", "<i8"), ("kept", "<i8"), ("copies", "<i4")])  # of a cluster of two and more


def clusters(links: np.ndarray) -> np.ndarray:
    """The members of all clusters, MEMBER[n], sorted by document, from LINK[k] or VERIFIED[k], from one end or both.

    Takes some 200 bytes of memory a link.
    """
    if not len(links):
        return np.empty(0, MEMBER)
    nodes, first, places = np.unique(
        np.concatenate([links["node"], links["neighbour"]]), return_index=True, return_inverse=True
    )
    ranks = np.concatenate([links["rank"], links["neighbour_rank"]])[first]
    weights = np.concatenate([links["weight"], links["neighbour_weight"]])[first]
    ends = places.astype(np.int32).reshape(2, -1)
    graph = coo_array((np.ones(len(links), np.int8), (ends[0], ends[1])), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, directed=False)

    order = np.lexsort((nodes, ranks, labels))
    starts = np.flatnonzero(np.r_[True, labels[order][1:] != labels[order][:-1]])
    sizes = np.diff(np.r_[starts, len(nodes)])
    found = np.empty(len(nodes), MEMBER)
    found["document"] = nodes[order]
    found["kept"] = np.repeat(nodes[order][starts], sizes)
    found["copies"] = np.repeat(np.add.reduceat(weights[order], starts), sizes)
    return found[np.argsort(found["document"], kind="stable")]


def both_ways(links: np.ndarray) -> np.ndarray:
    """Each edge of LINK[n] or VERIFIED[n] from either end, LINK[2n]."""
    found = np.empty(2 * len(links), LINK)
    for one, other in (("node", "neighbour"), ("rank", "neighbour_rank"), ("weight", "neighbour_weight")):
        found[one] = np.concatenate([links[one], links[other]])
        found[other] = np.concatenate([links[other], links[one]])
    return found


def evidence(verified: np.ndarray) -> np.ndarray:
    """Each pair of VERIFIED[n] as seen from either of its documents, EVIDENCE[2n]."""
    found = np.empty(2 * len(verified), EVIDENCE)
    found["document"] = np.concatenate([verified["node"], verified["neighbour"]])
    found["other"] = np.concatenate([verified["neighbour"], verified["node"]])
    for name in ("similarity", "how"):
        found[name] = np.tile(verified[name], 2)
    return found


def best_evidence(evidence: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Of EVIDENCE[n] the pair to show for each document that is dropped by MEMBER[k], EVIDENCE[m], sorted by document.

    That with the copy that is kept, where the two were compared; else that with the first document of the
    same text, or the most similar other, of which the smallest number. Texts that are the same name the one before,
    so that something else than themselves is named.
    """
    if not len(evidence) or not len(found):
        return evidence[:0]
    found = found[np.argsort(found["document"])]
    place = np.searchsorted(found["document"], evidence["document"]).clip(max=len(found) - 1)
    is_dropped = (found["document"][place] == evidence["document"]) & (found["kept"][place] != evidence["document"])
    evidence, place = evidence[is_dropped], place[is_dropped]
    is_kept = found["kept"][place] == evidence["other"]
    is_same, is_before = evidence["how"] == 0, evidence["other"] < evidence["document"]
    preference = np.select([is_kept, is_same & is_before, ~is_same], [0, 1, 2], 3)
    order = np.lexsort((evidence["other"], -evidence["similarity"], ~is_same, preference, evidence["document"]))
    ordered = evidence[order]
    is_first = np.ones(len(ordered), bool)
    is_first[1:] = ordered["document"][1:] != ordered["document"][:-1]
    best: np.ndarray = ordered[is_first]
    return best
