import collections
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import clusters
from curation.dedup.clusters import EVIDENCE, LINK, MEMBER, VERIFIED
from curation.dedup.verify import SAME_TEXT, SIMILAR_SIGNATURE, SIMILAR_TEXT

RANKS = st.sampled_from([-math.inf, -7.0, -1.0, 0.0, 0.5, math.inf])  # few, so that ties are many
NUMBERS = st.integers(-6, 12).map(lambda number: number << 43)  # as far apart as packed ids are
GRAPHS = st.tuples(
    st.lists(st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] != pair[1]), max_size=25),
    st.dictionaries(NUMBERS, RANKS),
)


def links_of(pairs, ranks=None):
    """LINK[n] of pairs of numbers, each once; a number without a rank has rank 0."""
    ranks = ranks or {}
    return np.array([(a, ranks.get(a, 0.0), b, ranks.get(b, 0.0), weight(a), weight(b)) for a, b in pairs], LINK)


def weight(number):
    """The copies that a document stands for: 1, but for some."""
    return 5 if number == 0 else 1


def slow_members(links):
    """Every document of a cluster, the one kept, and how many there are, by walking from node to node."""
    neighbours, ranks = collections.defaultdict(set), {}
    for one, rank, other, other_rank, *_ in links.tolist():
        neighbours[one].add(other)
        neighbours[other].add(one)
        ranks |= {one: rank, other: other_rank}
    found = {}
    for node in neighbours:
        waiting, component = [node], {node}
        while waiting and node not in found:
            fresh = neighbours[waiting.pop()] - component
            component |= fresh
            waiting += fresh
        if node not in found:
            kept = min(component, key=lambda it: (ranks[it], it))
            found |= {it: (kept, sum(map(weight, component))) for it in component}
    return [(node, *found[node]) for node in sorted(found)]


def find(links):
    found = clusters.clusters(links)
    assert found.dtype == MEMBER
    return found.tolist()


@given(graph=GRAPHS, seed=st.integers(0))
def test_clusters_are_components_however_links_are_given(graph, seed):
    """Once or from both ends, in any order, some of them doubled."""
    links, generator = links_of(*graph), np.random.default_rng(seed)
    expected = slow_members(links)
    assert find(links) == expected
    assert find(generator.permutation(clusters.both_ways(links))) == expected
    turned = links.copy()
    for one, other in (("node", "neighbour"), ("rank", "neighbour_rank"), ("weight", "neighbour_weight")):
        turned[one], turned[other] = links[other], links[one]
    some = generator.random(len(links)) < 0.5
    assert find(generator.permutation(np.concatenate([links[some], turned, links[some]]))) == expected


@pytest.mark.parametrize(
    "pairs, ranks, expected",
    [
        ([], {}, []),
        ([(7, 3)], {}, [(3, 3, 2), (7, 3, 2)]),
        ([(7, 3)], {7: -1.0}, [(3, 7, 2), (7, 7, 2)]),
        ([(9, 7), (7, 3)], {}, [(3, 3, 3), (7, 3, 3), (9, 3, 3)]),  # A~B~C with A unlike C
        ([(9, 7), (7, 3)], {3: math.inf, 9: math.inf}, [(3, 7, 3), (7, 7, 3), (9, 7, 3)]),
        ([(9, 7), (7, 3)], {3: 1.0, 7: 1.0, 9: 1.0}, [(3, 3, 3), (7, 3, 3), (9, 3, 3)]),
        ([(20, 10), (4, 2)], {}, [(2, 2, 2), (4, 2, 2), (10, 10, 2), (20, 10, 2)]),
        ([(5, -3)], {}, [(-3, -3, 2), (5, -3, 2)]),  # of an index
        ([(7, 3)] * 256, {}, [(3, 3, 2), (7, 3, 2)]),  # which sum up to 0 in 8 bits
    ],
    ids=range(9),
)
def test_clusters(pairs, ranks, expected):
    assert find(links_of(pairs, ranks)) == expected


def test_verified_pairs_are_links():
    verified = np.array(
        [(7, 0.0, 3, 0.0, 1, 2, 0.875, SIMILAR_TEXT), (9, -1.0, 7, 0.0, 1, 1, 1.0, SAME_TEXT)], VERIFIED
    )
    assert find(verified) == [(3, 9, 4), (7, 9, 4), (9, 9, 4)]
    assert clusters.both_ways(verified).tolist() == [
        (7, 0.0, 3, 0.0, 1, 2),
        (9, -1.0, 7, 0.0, 1, 1),
        (3, 0.0, 7, 0.0, 2, 1),
        (7, 0.0, 9, -1.0, 1, 1),
    ]


def star(count):
    """`count` copies, each a duplicate of the last."""
    return np.array([(count << 43, 0.0, leaf << 43, 0.0, 1, 1) for leaf in range(count)], LINK)


def path(count):
    """A chain of `count` documents, each like the next alone, in an order that says nothing."""
    number = np.random.default_rng(1).permutation(count).astype(np.int64) << 20
    found = np.zeros(count - 1, LINK)
    found["node"], found["neighbour"] = number[1:], number[:-1]
    found["weight"] = found["neighbour_weight"] = 1
    return found


@pytest.mark.parametrize("links", [star(10_000), path(100_000)], ids=["star", "path"])
def test_large_clusters_in_memory_that_their_links_bound(links):
    tracemalloc.start()
    found = clusters.clusters(links)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found["document"] == np.unique([links["node"], links["neighbour"]])).all()
    assert (found["kept"] == 0).all() and (found["copies"] == len(links) + 1).all()
    assert peak < 200 * len(links) + (1 << 20)  # bytes


def test_evidence_is_seen_from_both_ends():
    verified = np.array(
        [(7, 0.0, 3, 0.0, 1, 2, 0.875, SIMILAR_TEXT), (9, -1.0, 7, 0.0, 1, 1, 1.0, SAME_TEXT)], VERIFIED
    )
    found = clusters.evidence(verified)
    assert found.dtype == EVIDENCE
    assert found.tolist() == [
        (7, 3, 0.875, SIMILAR_TEXT),
        (9, 7, 1.0, SAME_TEXT),
        (3, 7, 0.875, SIMILAR_TEXT),
        (7, 9, 1.0, SAME_TEXT),
    ]


def best(rows, kept):
    """What is shown for each dropped document, of (document, other, similarity, how), where `kept` is kept for all."""
    members = np.array([(document, kept, len(rows)) for document in sorted({row[0] for row in rows})], MEMBER)
    found = clusters.best_evidence(np.array(rows, EVIDENCE), members)
    assert found.dtype == EVIDENCE
    return found.tolist()


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([], []),
        ([(7, 3, 0.875, SIMILAR_TEXT)], [(7, 3, 0.875, SIMILAR_TEXT)]),
        # The kept one itself, even where another is nearer, or the same.
        ([(9, 7, 1.0, SAME_TEXT), (9, 3, 0.75, SIMILAR_TEXT)], [(9, 3, 0.75, SIMILAR_TEXT)]),
        # Of that what is the same text first.
        ([(9, 3, 1.0, SIMILAR_SIGNATURE), (9, 3, 1.0, SAME_TEXT)], [(9, 3, 1.0, SAME_TEXT)]),
        # Else the same text, where it stands before; one behind says nothing that is not known.
        ([(9, 5, 1.0, SIMILAR_TEXT), (9, 7, 1.0, SAME_TEXT)], [(9, 7, 1.0, SAME_TEXT)]),
        ([(9, 11, 1.0, SAME_TEXT), (9, 13, 0.75, SIMILAR_TEXT)], [(9, 13, 0.75, SIMILAR_TEXT)]),
        ([(9, 11, 1.0, SAME_TEXT)], [(9, 11, 1.0, SAME_TEXT)]),
        # Else the most similar one, found either way.
        ([(9, 5, 0.875, SIMILAR_TEXT), (9, 7, 0.9375, SIMILAR_SIGNATURE)], [(9, 7, 0.9375, SIMILAR_SIGNATURE)]),
        ([(9, 5, 0.875, SIMILAR_SIGNATURE), (9, 7, 0.9375, SIMILAR_TEXT)], [(9, 7, 0.9375, SIMILAR_TEXT)]),
        # Else the smallest number.
        ([(9, 7, 0.875, SIMILAR_TEXT), (9, 5, 0.875, SIMILAR_SIGNATURE)], [(9, 5, 0.875, SIMILAR_SIGNATURE)]),
        ([(9, 7, 1.0, SAME_TEXT), (9, -5, 1.0, SAME_TEXT)], [(9, -5, 1.0, SAME_TEXT)]),
        # One for each document that is dropped.
        ([(9, 3, 0.75, 1), (5, 3, 0.875, 2), (3, 9, 0.75, 1)], [(5, 3, 0.875, 2), (9, 3, 0.75, 1)]),
    ],
    ids=range(12),
)
def test_best_evidence(rows, expected):
    assert best(rows, 3) == expected
    assert best(rows[::-1], 3) == expected


EVIDENCES = st.lists(
    st.tuples(st.integers(-3, 5), st.integers(-3, 5), st.sampled_from([0.75, 0.875, 1.0]), st.integers(0, 2)),
    max_size=20,
)


@given(rows=EVIDENCES, kept=st.integers(-3, 5))
def test_best_evidence_in_any_order(rows, kept):
    expected = {}

    def order(row):
        document, other, similarity, how = row
        is_same = how == SAME_TEXT
        place = 0 if other == kept else 2 if not is_same else 1 if other < document else 3
        return document, place, not is_same, -similarity, other

    for row in sorted(rows, key=order):
        if row[0] != kept:
            expected.setdefault(row[0], row[:3])
    for given_in_order in (rows, rows[::-1]):
        assert [row[:3] for row in best(given_in_order, kept)] == list(expected.values())
