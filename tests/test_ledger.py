import collections
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.document import Rejection
from curation.ledger import Ledger, chain, total

NAMES = st.sampled_from(["read", "GopherQuality", "C4Lines", "a", "b"])
COUNTS = st.integers(1, 100)
LEDGERS = st.builds(
    Ledger,
    skipped=st.dictionaries(NAMES, COUNTS).map(collections.Counter),
    read=COUNTS,
    kept=COUNTS,
    rejected=st.dictionaries(st.tuples(NAMES, NAMES), COUNTS).map(collections.Counter),
    retried=COUNTS,
)


def rejected(**counts):
    return collections.Counter({tuple(name.split("__")): count for name, count in counts.items()})


def test_reject_counts_by_step_and_reason():
    ledger = Ledger()
    for step, reason in [("read", "a"), ("C4Lines", "a"), ("read", "a"), ("read", "b")]:
        ledger.reject(Rejection("", "", "", 0, 0, step, reason))
    assert ledger == Ledger(rejected=rejected(read__a=2, C4Lines__a=1, read__b=1))


def test_books_that_close_pass():
    Ledger().check("part")
    Ledger(read=5, kept=2, rejected=rejected(read__a=2, C4__b=1)).check("part")


@pytest.mark.parametrize("kept", [1, 3])
def test_books_that_do_not_close_are_an_error(kept):
    with pytest.raises(ValueError) as caught:
        Ledger(read=5, kept=kept, rejected=rejected(read__a=2, C4__b=1)).check("part-00000")
    assert str(caught.value) == (
        f"part-00000: the books do not close: 5 read, {kept} kept, 3 rejected; this is a defect of the program, and "
        "its output must not be used"
    )


@given(ledger=LEDGERS)
def test_json_round_trip(ledger):
    assert Ledger.of_json(json.loads(json.dumps(ledger.to_json()))) == ledger


def test_json_is_sorted_whatever_the_order_of_counting():
    one = Ledger(skipped=collections.Counter(b=1, a=2), read=3, rejected=rejected(s__b=1, s__a=1, r__c=1), retried=4)
    other = Ledger(skipped=collections.Counter(a=2, b=1), read=3, rejected=rejected(r__c=1, s__a=1, s__b=1), retried=4)
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())
    assert json.dumps(one.to_json()) == (
        '{"skipped": {"a": 2, "b": 1}, "read": 3, "kept": 0, "rejected": {"r": {"c": 1}, "s": {"a": 1, "b": 1}}, '
        '"retried": 4}'
    )


@given(ledgers=st.lists(LEDGERS, max_size=4))
def test_total_adds_every_count(ledgers):
    before = [ledger.to_json() for ledger in ledgers]
    found = total(ledgers)
    assert (found.read, found.kept, found.retried) == (
        sum(ledger.read for ledger in ledgers),
        sum(ledger.kept for ledger in ledgers),
        sum(ledger.retried for ledger in ledgers),
    )
    for name in ("skipped", "rejected"):
        counts = [getattr(ledger, name) for ledger in ledgers]
        keys = {key for count in counts for key in count}
        assert getattr(found, name) == {key: sum(count[key] for count in counts) for key in keys}
    assert found == total(ledgers[::-1])
    assert [ledger.to_json() for ledger in ledgers] == before


def test_chain_reads_what_the_first_read_and_keeps_what_the_second_kept():
    first = Ledger(collections.Counter(request=7), 10, 6, rejected(read__a=4), 2)
    second = Ledger(read=6, kept=5, rejected=rejected(NearDuplicates__duplicate=1))
    found = chain(first, second)
    assert found == Ledger(collections.Counter(request=7), 10, 5, rejected(read__a=4, NearDuplicates__duplicate=1), 2)
    found.check("all")


def test_chain_refuses_stages_that_do_not_meet():
    with pytest.raises(ValueError) as caught:
        chain(Ledger(read=3, kept=3), Ledger(read=2, kept=2))
    assert str(caught.value) == (
        "the books do not close: one stage kept 3 documents, the next read 2; files were changed between them: make "
        "the corpus again"
    )
