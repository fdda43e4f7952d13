import io
import itertools
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.reading import codecs, inflated, members, record_header
from curation.reading.records import Damage, Record
from tests.warc_builder import archive, http, member, record, request, response, starts, warcinfo

MAX = 1 << 20
_NOISE = random.Random(7)
RECORDS = [
    warcinfo(),
    request(),
    response(b"<p>one</p>" * 40),
    response(_NOISE.randbytes(900), content_type="image/png"),
    response(b""),
    response(b"<p>two</p>\r\n\r\n"),
    record("metadata"),
    response(b"<p>three</p>" * 20, newline=b"\n"),
]
GZIP, PLAIN = archive(RECORDS), archive(RECORDS, gzipped=False)


def read(content, *cuts, max_bytes=MAX):
    """What the ranges between the cuts give, one after another."""
    bounds = [0, *sorted(cuts), len(content)]
    file = io.BytesIO(content)
    return [
        found
        for start, stop in itertools.pairwise(bounds)
        for found in members.read(file, start, stop, max_bytes=max_bytes)
    ]


def whole(records, *, gzipped=True, skip=0):
    """The records that an undamaged archive of these records has; `skip` bytes stand before it."""
    bounds = starts(records, gzipped=gzipped)
    return [
        Record(skip + start, stop - start, content[:-4], len(content) - 4)  # the line breaks belong to the length alone
        for content, (start, stop) in zip(records, itertools.pairwise(bounds), strict=True)
    ]


def records_of(found):
    return [one for one in found if isinstance(one, Record)]


def damages_of(found):
    return [(one.offset, one.length, one.reason) for one in found if isinstance(one, Damage)]


def test_reads_every_member_of_an_archive():
    assert read(GZIP) == whole(RECORDS)
    assert read(PLAIN) == whole(RECORDS, gzipped=False)


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_cut_gives_every_member_exactly_once(gzipped, data):
    content = GZIP if gzipped else PLAIN
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=5))
    assert read(content, *cuts) == whole(RECORDS, gzipped=gzipped)


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_every_single_cut_gives_every_member_exactly_once(gzipped):
    records = RECORDS[:3]
    content = archive(records, gzipped=gzipped)
    expected = whole(records, gzipped=gzipped)
    assert [cut for cut in range(len(content) + 1) if read(content, cut) != expected] == []


@given(cuts=st.lists(st.integers(0, 4000), max_size=4))
@settings(max_examples=50, deadline=None)
def test_a_member_with_magics_inside_is_cut_like_any_other(cuts):
    """Bytes that look like the start of a gzip member, in the open: such a payload is stored, not deflated."""
    payload = b"".join(_noise(60, seed) + codecs.GZIP.magic for seed in range(30))
    records = [response(payload), response(b"after")]
    content = member(records[0], level=0) + member(records[1])
    assert content.count(codecs.GZIP.magic) > 30
    found = read(content, *(cut for cut in cuts if cut <= len(content)))
    assert [one.data for one in found] == [one[:-4] for one in records]


def _noise(size, seed):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_a_record_inside_a_payload_is_no_record_of_the_archive(gzipped):
    """Where no range starts inside the page that holds it: `members.read` says why."""
    inner = response(b"<p>inner</p>" * 5)
    records = [response(b"\n" + (member(inner) if gzipped else inner) + b"\n"), response(b"after")]
    pieces = [member(one, level=0) if gzipped else one for one in records]
    for cut in (0, len(pieces[0]), len(pieces[0]) + 1, len(pieces[0] + pieces[1])):
        found = read(b"".join(pieces), cut)
        assert [one.data for one in found] == [one[: len(one) - 4] for one in records]


def test_a_flipped_byte_costs_that_record_alone():
    bounds = starts(RECORDS)
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        content = bytearray(GZIP)
        content[stop - 6] ^= 0xFF  # of the checksum, so that it is found in the end
        found = read(bytes(content))
        expected = whole(RECORDS)
        del expected[number]
        assert records_of(found) == expected
        assert damages_of(found) == [(start, stop - start, "damaged_record")]


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_zeroed_bytes_cost_the_records_they_touch_alone(data):
    bounds = starts(RECORDS)
    first = data.draw(st.integers(bounds[1], len(GZIP) - 1))
    last = data.draw(st.integers(first, min(first + 300, len(GZIP) - 1)))
    content = GZIP[:first] + bytes(last + 1 - first) + GZIP[last + 1 :]
    touched = {start for start, stop in itertools.pairwise(bounds) if start <= last and first < stop}
    found = read(content)
    assert [one for one in records_of(found) if one.offset not in touched] == [
        one for one in whole(RECORDS) if one.offset not in touched
    ]
    assert [one for one in records_of(found) if one not in whole(RECORDS)] == []  # no changed record passes for whole
    assert sum(one.length for one in found) == len(content)


def test_a_zeroed_record_is_passed_over_with_its_length():
    bounds = starts(RECORDS)
    content = GZIP[: bounds[2]] + bytes(bounds[3] - bounds[2]) + GZIP[bounds[3] :]
    found = read(content)
    assert records_of(found) == whole(RECORDS)[:2] + whole(RECORDS)[3:]
    assert damages_of(found) == [(bounds[2], bounds[3] - bounds[2], "not_a_record")]


def test_garbage_between_members_is_reported_and_passed_over():
    garbage = b"\x1f\x8b\x08 not a member " + _noise(200, 1)
    head, tail = archive(RECORDS[:3]), archive(RECORDS[3:])
    found = read(head + garbage + tail)
    assert records_of(found) == whole(RECORDS[:3]) + whole(RECORDS[3:], skip=len(head) + len(garbage))
    assert damages_of(found) == [(len(head), len(garbage), "damaged_record")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content, number",
    [
        (archive(RECORDS[:3]) + b"garbage" * 9 + archive(RECORDS[3:]), 3),
        (archive(RECORDS[:3], gzipped=False) + b"garbage " * 9 + archive(RECORDS[3:], gzipped=False), 3),
    ],
    ids=["gzip", "plain"],
)
def test_any_cut_reports_damage_exactly_once(content, number):
    """Bytes that are no record are counted whichever way the file is cut."""
    expected = [(type(one), one.offset) for one in read(content)]
    assert [kind for kind, _ in expected].index(Damage) == number
    odd = [
        cut for cut in range(len(content) + 1) if [(type(one), one.offset) for one in read(content, cut)] != expected
    ]
    assert odd == []


@pytest.mark.parametrize("kept", [1, 2, 3, 10, 40, -9, -8, -1])
def test_a_truncated_last_member_is_damage_up_to_the_end(kept):
    records = [*RECORDS[:3], RECORDS[3]]
    bounds = starts(records)
    end = bounds[3] + kept if kept > 0 else bounds[4] + kept
    found = read(archive(records)[:end])
    assert records_of(found) == whole(records)[:3]
    assert damages_of(found) == [(bounds[3], end - bounds[3], "truncated_record")]
    if end - bounds[3] > 3:  # less is not even a magic
        assert found[-1].evidence == f"the archive ends {end - bounds[3]} bytes into this record"


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_an_archive_of_nothing_has_no_members(gzipped):
    assert read(b"") == []
    assert read(b"\r\n\r\n") == []


@pytest.mark.parametrize("size", [0, 1, 70_000, 300_000])
@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_data_is_bounded_and_size_is_true(gzipped, size):
    records = [response(b"a" * size), response(b"after")]
    content = archive(records, gzipped=gzipped)
    first, second = read(content, max_bytes=1000)
    assert (first.size, first.data) == (len(records[0]) - 4, records[0][: min(1000, len(records[0]) - 4)])
    assert (second.size, second.data) == (len(records[1]) - 4, records[1][: len(records[1]) - 4])


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_data_is_bounded_inside_the_header_too(gzipped):
    content = archive([response(b"page")], gzipped=gzipped)
    assert [len(one.data) for one in read(content, max_bytes=20)] == [20]


def test_a_member_that_inflates_out_of_all_proportion_is_damage(monkeypatch):
    """gzip cannot: it makes at most 1032 bytes of one, and these are passed over as they come."""
    monkeypatch.setattr(inflated, "_MAX_INFLATED", 2 << 20)
    size = 100 << 20
    bomb = zstandard.compress(response(b"\0" * size))
    assert size / len(bomb) > 5000
    found = read(bomb + zstandard.compress(RECORDS[2]))
    assert damages_of(found) == [(0, len(bomb), "damaged_record")]
    assert found[0].evidence == "it inflates to more than 1100 times its size"
    assert [one.data for one in records_of(found)] == [RECORDS[2][:-4]]


@pytest.mark.parametrize(
    "length, reason",
    [
        (0, "damaged_record"),
        (5, "damaged_record"),
        (len(http(b"<p>page</p>")) + 100, "damaged_record"),
        (10**9, "truncated_record"),
        ("many", "damaged_record"),
        (None, "damaged_record"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_wrong_content_length_in_a_plain_archive_costs_that_record_alone(place, length, reason):
    records = [response(b"<p>before</p>"), response(b"<p>after</p>" * 30)]
    records.insert(place, response(b"<p>page</p>", content_length=length))
    bounds = starts(records, gzipped=False)
    found = read(archive(records, gzipped=False))
    expected = whole(records, gzipped=False)
    del expected[place]
    assert damages_of(found) == [(bounds[place], bounds[place + 1] - bounds[place], reason)]
    assert records_of(found) == expected


def test_a_truncated_plain_archive_loses_its_last_record_alone():
    bounds = starts(RECORDS, gzipped=False)
    content = PLAIN[: bounds[-1] - 20]
    found = read(content)
    assert records_of(found) == whole(RECORDS, gzipped=False)[:-1]
    assert damages_of(found) == [(bounds[-2], len(content) - bounds[-2], "truncated_record")]


def test_line_breaks_before_a_plain_record_do_not_change_its_size():
    content = RECORDS[2]
    (found,) = read(b"\r\n\r\n" + content)
    assert (found.data, found.size) == (content[:-4], len(content) - 4)


def test_a_plain_header_without_an_end_is_damage(monkeypatch):
    monkeypatch.setattr(record_header, "MAX_HEADER", 1 << 17)
    content = b"WARC/1.0\r\nX: " + b"x" * (1 << 18) + b"\r\n\r\n"
    found = read(RECORDS[1] + content + RECORDS[2])
    assert damages_of(found) == [(len(RECORDS[1]), len(content), "damaged_record")]
    assert found[1].evidence.startswith("no end of the record's header within ")


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_headers_may_end_their_lines_with_line_feeds_alone(gzipped):
    records = [
        record("response", http(b"page"), url="http://a/", newline=b"\n", ending=b"\n\n"),
        record("response", http(b"more"), url="http://b/", newline=b"\n", ending=b"\n\n"),
    ]
    found = read(archive(records, gzipped=gzipped))
    assert [one.data for one in found] == [one[:-2] for one in records]
    assert [record_header.size(one.data) for one in found] == [one.index(b"\n\n") + 2 for one in records]


def test_members_in_any_part_of_a_large_file_are_found():
    """Ranges that start far from a record: the search goes on past its window."""
    big = random.Random(3).randbytes(3 << 20)
    records = [response(big), response(b"small")]
    for gzipped in (True, False):
        content = archive(records, gzipped=gzipped)
        start = starts(records, gzipped=gzipped)[1]
        found = list(members.read(io.BytesIO(content), 100, len(content), max_bytes=MAX))
        assert [one.offset for one in found] == [start]


@pytest.mark.slow
@pytest.mark.parametrize("blank", [b"\n" * 200, b"\r\n" * 40_000, b"\n" * 5000])
def test_blank_lines_between_plain_records_lose_and_double_nothing(blank):
    records = [response(b"<p>%d</p>" % number) for number in range(3)]
    content = blank.join(records)
    found = read(content)
    assert [one.data for one in found] == [record[:-4] for record in records]
    for cut in range(0, len(content), 97):
        assert read(content, cut) == found
