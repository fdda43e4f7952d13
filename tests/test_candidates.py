import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup.candidates import KEY, PAIR, pairs


def find(rows):
    """The candidate pairs of (key, document, text, is_exact) rows, as tuples."""
    found = pairs(np.array(rows, KEY))
    assert found.dtype == PAIR
    return found.tolist()


def slow_pairs(rows):
    """Every pair of documents that share a key: of equal texts with the first alone, which stands for them.

    Of more than 32 texts each with the first 32, and with the one before it; none of two documents below 0.
    """
    groups = collections.defaultdict(set)
    for key, document, text, is_exact in rows:
        groups[key, is_exact].add((document, text))
    found = set()
    for (_, is_exact), members in groups.items():
        if is_exact:
            first = min(members)[0]
            found |= {(document, first, True) for document, _ in members if document != first}
        else:
            first_of_text = {}
            for document, text in sorted(members):
                first_of_text.setdefault(text, document)
            texts = enumerate(sorted(first_of_text.values()))
            for (place, a), (after, b) in itertools.combinations(texts, 2):
                found |= {(b, a, False)} if place < 32 or after == place + 1 else set()
            found |= {(b, first_of_text[text], False) for b, text in members if b != first_of_text[text]}
    return sorted(pair for pair in found if pair[0] >= 0)


def keyed(text_of):
    """KEYs of documents, those of an index among them, below 0."""
    documents = st.integers(-8, 19)
    return st.sets(st.tuples(st.integers(0, 3), documents, st.booleans())).map(
        lambda found: [(key, document, text_of(document), is_exact) for key, document, is_exact in sorted(found)]
    )


@given(rows=st.one_of(keyed(lambda document: document % 7), keyed(lambda document: document + 8)), seed=st.integers(0))
def test_small_groups_give_all_pairs_of_texts_in_any_order(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    assert find([rows[place] for place in order]) == slow_pairs(rows)


@pytest.mark.parametrize("seed", range(8))
def test_groups_of_any_size_and_copies_and_an_index(seed):
    generator = np.random.default_rng(seed)
    keys, is_exact = generator.integers(0, 6, 400).tolist(), (generator.random(400) < 0.2).tolist()
    documents = generator.integers(-60, 300, 400).tolist()
    texts = [document % (400 if seed % 2 else 60) for document in documents]
    rows = list(zip(keys, documents, texts, is_exact, strict=True))
    assert find(rows) == slow_pairs(rows)


def test_a_key_of_the_index_alone_costs_nothing():
    assert find([(1, document, document % 5, bool(document % 2)) for document in range(-100, 0)]) == []


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([], []),
        ([(1, 5, 0, False)], []),
        ([(1, 5, 0, False), (2, 6, 0, False)], []),
        ([(1, 5, 8, False), (1, 6, 9, False)], [(6, 5, False)]),
        ([(1, 6, 9, False), (1, 5, 8, False)], [(6, 5, False)]),
        ([(1, 5, 8, False), (1, 6, 8, False), (1, 7, 8, False)], [(6, 5, False), (7, 5, False)]),  # of one text
        ([(1, 5, 8, True), (1, 6, 8, True), (1, 7, 8, True)], [(6, 5, True), (7, 5, True)]),
        ([(1, 5, 8, True), (1, 6, 9, False)], []),  # an exact key is no band key
        ([(1, 5, 8, False), (1, 6, 9, False), (2, 5, 8, False), (2, 6, 9, False)], [(6, 5, False)]),
        ([(1, -2, 8, False), (1, -1, 9, False), (1, 5, 7, False)], [(5, -2, False), (5, -1, False)]),
        ([(1, -2, 8, False), (1, -1, 8, False), (1, 5, 8, False)], [(5, -2, False)]),
        ([(1, -2, 8, False), (1, -1, 8, False), (1, 5, 9, False)], [(5, -2, False)]),
        ([(1, -2, 8, True), (1, -1, 8, True), (1, 5, 8, True), (1, 6, 8, True)], [(5, -2, True), (6, -2, True)]),
        ([(1, 6, 9, True), (1, 5, 8, True)], [(6, 5, True)]),  # of normalised texts: the keys are equal, not the texts
        ([(1, 5, 8, True), (1, 6, 8, True), (1, 5, 8, False), (1, 6, 8, False)], [(6, 5, False), (6, 5, True)]),
        ([(2**64 - 1, 5, 2**64 - 1, False), (2**64 - 1, 6, 0, False)], [(6, 5, False)]),
    ],
    ids=range(16),
)
def test_pairs(rows, expected):
    assert find(rows) == expected


@pytest.mark.parametrize("count", [32, 33, 34, 100])
def test_a_large_group_costs_33_pairs_a_text(count):
    """Each is compared with the first 32 and with the one before it."""
    found = find([(1, document, document, False) for document in range(count)])
    expected = [
        (document, other, False)
        for document in range(count)
        for other in range(document)
        if other < 32 or other == document - 1
    ]
    assert found == expected
    assert len(found) <= 33 * count


def test_a_chain_through_a_large_group_stays_connected():
    found = find([(1, document, document, False) for document in range(200)])
    assert {(document, document - 1, False) for document in range(1, 200)} <= set(found)


def test_copies_of_one_text_do_not_crowd_out_the_others():
    """A thousand copies and two other texts: three pairs of texts, and each copy with the first."""
    rows = [(1, document, 7, False) for document in range(1000)] + [(1, 1000, 8, False), (1, 1001, 9, False)]
    copies = [(document, 0, False) for document in range(1, 1000)]
    assert find(rows) == [*copies, (1000, 0, False), (1001, 0, False), (1001, 1000, False)]
