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
    """Every pair of documents that share a key: of equal texts with the first alone, which stands for them."""
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
            found |= {(b, a, False) for a, b in itertools.combinations(sorted(first_of_text.values()), 2)}
            found |= {(b, first_of_text[text], False) for b, text in members if b != first_of_text[text]}
    return sorted(found)


TEXT_OF = [document % 7 for document in range(20)]
ROWS = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 19), st.booleans())).map(
    lambda found: [(key, document, TEXT_OF[document], is_exact) for key, document, is_exact in sorted(found)]
)


@given(rows=ROWS, seed=st.integers(0, 1000))
def test_small_groups_give_all_pairs_of_texts_in_any_order(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    assert find([rows[place] for place in order]) == slow_pairs(rows)


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
        ([(2**64 - 1, 5, 2**64 - 1, False), (2**64 - 1, 6, 0, False)], [(6, 5, False)]),
    ],
    ids=range(10),
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
