import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import clusters, stars
from curation.dedup.clusters import LINK, MEMBER
from tests.test_clusters import GRAPHS, links_of, path, slow_members, star


def scattered(links, count):
    """LINK[n] by the partition of its node."""
    places = stars.partitions(links, count)
    return [links[places == place] for place in range(count)]


def stepped(step, parts, count):
    """What a step gives of each partition, and that in the partitions of the next one."""
    found = [step(part) for part in parts]
    return found, scattered(np.concatenate(found), count)


def run(links, count, most=40):
    """Clusters by rounds over partitions, as pipelines.stars has them; and how many edges there are after each."""
    parts, before, sizes = scattered(clusters.both_ways(links), count), None, []
    for turn in itertools.count():
        assert turn < most, "the rounds do not end"
        _, parts = stepped(stars.large_star, parts, count)
        found, _ = stepped(stars.small_star, parts, count)
        digest = sum(stars.digest(part) for part in found) % 2**64
        sizes.append(sum(map(len, found)))
        parts = scattered(clusters.both_ways(np.concatenate(found)), count)
        if digest == before:
            break
        before = digest
    members = [stars.members(part) for part in parts]
    assert all(part.dtype == MEMBER and (np.diff(part["document"]) > 0).all() for part in members)
    found = np.concatenate(members)
    return found[np.argsort(found["document"])], sizes


@given(graph=GRAPHS, count=st.integers(1, 5), seed=st.integers(0))
def test_rounds_give_the_clusters_of_one_task(graph, count, seed):
    """Links once or twice, from either end, in any order; any number of partitions; ranks with ties."""
    links, generator = links_of(*graph), np.random.default_rng(seed)
    some = clusters.both_ways(links)[generator.random(2 * len(links)) < 0.5]
    found, sizes = run(generator.permutation(np.concatenate([links, some])), count)
    assert found.tolist() == clusters.clusters(links).tolist() == slow_members(links)
    distinct = {frozenset(pair) for pair in links[["node", "neighbour"]].tolist()}
    assert max(sizes) <= len(distinct)  # a round adds no edge


@pytest.mark.parametrize("seed", range(5))
def test_rounds_on_larger_graphs(seed):
    """2,000 documents in components of every size, with ranks of which many are equal."""
    generator = np.random.default_rng(seed)
    pairs = generator.integers(0, 2000, (900 + 400 * seed, 2))
    pairs, ranks = pairs[pairs[:, 0] != pairs[:, 1]], generator.integers(0, 50, 2000) / 4
    links = links_of((pairs << 30).tolist(), dict(zip((np.arange(2000) << 30).tolist(), ranks.tolist(), strict=True)))
    expected = clusters.clusters(links)
    for count in (1, 7):
        found, sizes = run(links, count, most=15)
        assert found.tolist() == expected.tolist()
        assert max(sizes) <= len(links)


@pytest.mark.parametrize(
    "links, most",
    [
        (links_of([(9, 7), (7, 3)]), 3),  # A~B~C with A unlike C
        (links_of([(9, 7), (7, 3)], {3: math.inf, 9: math.inf}), 3),
        (star(10_000), 3),
        pytest.param(path(100_000), 20, marks=pytest.mark.slow),
    ],
    ids=["chain", "chain around its kept", "star", "path"],
)
def test_chains_stars_and_paths(links, most):
    """In as many rounds as the logarithm of their length, in memory that their links bound."""
    count = 4
    tracemalloc.start()
    found, sizes = run(links, count, most)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.tolist() == clusters.clusters(links).tolist()
    assert max(sizes) <= len(links)
    assert peak < 500 * len(links) + (1 << 20)  # bytes: all partitions at once here, both ends of each edge


def test_the_edges_of_a_step_are_given_from_their_worse_end():
    """That decides the partition of the next one."""
    links = clusters.both_ways(path(1000))
    large = stars.large_star(links)
    assert (large["node"] > large["neighbour"]).all()
    assert (stars.small_star(large)["node"] > stars.small_star(large)["neighbour"]).all()


def test_nothing_stays_nothing():
    empty = np.empty(0, LINK)
    assert [step(empty).dtype for step in (stars.large_star, stars.small_star)] == [LINK, LINK]
    assert run(empty, 3)[0].tolist() == [] and stars.digest(empty) == 0


@given(graph=GRAPHS, count=st.integers(1, 9), seed=st.integers(0))
def test_a_digest_is_of_all_edges_in_any_order_and_split(graph, count, seed):
    links = links_of(*graph)
    expected, parts = stars.digest(links), scattered(np.random.default_rng(seed).permutation(links), count)
    assert sum(map(len, parts)) == len(links)
    assert sum(map(stars.digest, parts)) % 2**64 == expected
    assert 0 <= expected < 2**64


def test_another_edge_is_another_digest():
    pairs = list(itertools.permutations([-(1 << 43), -1, 0, 1, 2, 3, 1 << 43, 2 << 43], 2))
    assert len({stars.digest(links_of([pair])) for pair in pairs}) == len(pairs)  # its direction matters too
    assert stars.digest(links_of([(1, 2), (3, 4)])) != stars.digest(links_of([(1, 4), (3, 2)]))
    assert stars.digest(links_of([(1, 2)])) != stars.digest(links_of([(1, 2)] * 2))


@pytest.mark.parametrize("count", [1, 2, 5, 64])
def test_partitions_are_of_nodes_alone_and_even(count):
    links = np.zeros(20_000, LINK)
    links["node"], links["neighbour"] = np.arange(-10_000, 10_000) << 43, np.arange(20_000)
    found = stars.partitions(links, count)
    sizes = np.bincount(found, minlength=count)
    assert found.dtype == np.int64 and len(sizes) == count
    mean = len(links) / count
    assert (abs(sizes - mean) <= 5 * math.sqrt(mean)).all()  # 5 sigma
    links["neighbour"], links["rank"] = 0, 1.0
    assert (stars.partitions(links, count) == found).all()


def test_members_of_stars_given_twice():
    links = clusters.both_ways(links_of([(9, 3), (7, 3), (8, 5)], {5: 2.0, 8: 1.0}))
    found = stars.members(np.concatenate([links, links[::-1]]))
    assert found.tolist() == [(3, 3, 3), (5, 8, 2), (7, 3, 3), (8, 8, 2), (9, 3, 3)]
