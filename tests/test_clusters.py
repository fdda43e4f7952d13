import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup.clusters import COPIES, DROP, EDGE, clusters


def find(edges):
    """Drops and copies of (document, other, similarity, is_exact) edges, as tuples."""
    drops, copies = clusters(np.array(edges, EDGE))
    assert (drops.dtype, copies.dtype) == (DROP, COPIES)
    return drops.tolist(), copies.tolist()


def slow_components(edges):
    """The smallest node of each node's component, and how many edges away it is, by walking."""
    neighbours = collections.defaultdict(set)
    for one, other, *_ in edges:
        neighbours[one].add(other)
        neighbours[other].add(one)
    smallest, distance = {}, {}
    for node in sorted(neighbours):
        waiting = [(node, 0)]
        for current, steps in waiting:  # breadth first, while it grows
            if current not in smallest:
                smallest[current], distance[current] = node, steps
                waiting += [(neighbour, steps + 1) for neighbour in sorted(neighbours[current])]
    return smallest, distance


def slow_clusters(edges):
    smallest, distance = slow_components(edges)
    drops = []
    for node in sorted(smallest):
        kept = smallest[node]
        if node != kept:
            ties = [
                (not is_exact, -similarity, other)
                for document, second, similarity, is_exact in edges
                for here, other in ((document, second), (second, document))
                if here == node and distance[other] == distance[node] - 1
            ]
            not_exact, negative, through = min(ties)
            drops.append((node, kept, through, -negative, not not_exact))
    sizes = collections.Counter(smallest.values())
    return drops, sorted(sizes.items())


# Similarities that float32 holds exactly; document numbers as far apart as packed ids are.
EDGES = st.dictionaries(
    st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[1] < pair[0]),
    st.tuples(st.sampled_from([0.75, 0.875, 1.0]), st.booleans()),
    max_size=20,
).map(lambda found: [(a << 43, b << 43, *how) for (a, b), how in found.items()])


@given(edges=EDGES, seed=st.integers(0, 1000))
def test_clusters_are_connected_components_in_any_order_of_edges(edges, seed):
    order = np.random.default_rng(seed).permutation(len(edges))
    assert find([edges[place] for place in order]) == slow_clusters(edges)


@pytest.mark.parametrize(
    "edges, drops, copies",
    [
        ([], [], []),
        ([(7, 3, 0.875, False)], [(7, 3, 3, 0.875, False)], [(3, 2)]),
        (  # a chain: 9 is tied to 3 through 7
            [(9, 7, 0.875, False), (7, 3, 0.75, False)],
            [(7, 3, 3, 0.75, False), (9, 3, 7, 0.875, False)],
            [(3, 3)],
        ),
        (  # the kept document itself, even where another is nearer
            [(9, 7, 1.0, True), (7, 3, 0.75, False), (9, 3, 0.75, False)],
            [(7, 3, 3, 0.75, False), (9, 3, 3, 0.75, False)],
            [(3, 3)],
        ),
        (  # among others: exact, then nearest, then smallest
            [(5, 1, 0.75, False), (6, 1, 0.75, False), (9, 5, 0.75, True), (9, 6, 1.0, False)],
            [(5, 1, 1, 0.75, False), (6, 1, 1, 0.75, False), (9, 1, 5, 0.75, True)],
            [(1, 4)],
        ),
        (
            [(5, 1, 0.75, False), (6, 1, 0.75, False), (9, 5, 0.875, False), (9, 6, 0.875, False)],
            [(5, 1, 1, 0.75, False), (6, 1, 1, 0.75, False), (9, 1, 5, 0.875, False)],
            [(1, 4)],
        ),
        (
            [(20, 10, 1.0, True), (4, 2, 0.75, False)],
            [(4, 2, 2, 0.75, False), (20, 10, 10, 1.0, True)],
            [(2, 2), (10, 2)],
        ),
        (  # the kept one may be reached through a larger one alone
            [(9, 5, 0.75, False), (9, 3, 0.75, False)],
            [(5, 3, 9, 0.75, False), (9, 3, 3, 0.75, False)],
            [(3, 3)],
        ),
    ],
    ids=range(8),
)
def test_clusters(edges, drops, copies):
    assert find(edges) == (drops, copies)
