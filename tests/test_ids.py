import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.ids import Ids, pack
from curation.sources import Task

RANGES = [("in/a.warc.gz", 0, 50), ("in/a.warc.gz", 50, 99), ("in/b.warc.gz", 0, 7), ("gs://x/c.warc.gz", 0, 8)]
TASKS = [Task(number, len(RANGES), *bounds) for number, bounds in enumerate(RANGES)]
PLACES = st.tuples(st.integers(0, (1 << 20) - 1), st.integers(0, (1 << 43) - 1))


@given(one=PLACES, other=PLACES)
def test_numbers_have_the_order_of_archive_and_offset_and_fit_int64(one, other):
    assert (pack(*one) < pack(*other)) == (one < other)
    assert (pack(*one) == pack(*other)) == (one == other)
    assert 0 <= pack(*one) < 1 << 63


@pytest.mark.parametrize("archive, offset", [(-1, 0), (0, -1), (1 << 20, 0), (0, 1 << 43)])
def test_what_does_not_fit_is_refused(archive, offset):
    with pytest.raises(AssertionError):
        pack(archive, offset)


def test_numbers_and_ids_of_parts():
    ids = Ids(TASKS)
    assert [ids.id(ids.number(part, offset)) for part, offset in [(0, 0), (1, 60), (2, 5), (3, 7)]] == [
        "a.warc.gz@0",
        "a.warc.gz@60",
        "b.warc.gz@5",
        "c.warc.gz@7",
    ]
    assert ids.number(0, 60) == ids.number(1, 60)  # parts of one archive
    assert ids.first == [pack(0, 0), pack(0, 50), pack(1, 0), pack(2, 0)]


def test_ids_of_other_archives_are_refused():
    ids = Ids(TASKS)
    for id in ("d.warc.gz@1", "a.warc.gz", "a.warc.gz@x", "a.warc.gz@-1", "@", ""):
        with pytest.raises(ValueError, match="expected the name of an archive of this corpus"):
            ids.number_of(id)


@given(offset=st.integers(0, (1 << 43) - 1), part=st.integers(0, 3))
def test_every_number_is_read_back(offset, part):
    ids = Ids(TASKS)
    assert ids.id(ids.number(part, offset)) == f"{'aabc'[part]}.warc.gz@{offset}"
    assert ids.number_of(ids.id(ids.number(part, offset))) == ids.number(part, offset)
