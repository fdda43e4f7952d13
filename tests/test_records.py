"""Which bytes are a record: what follows it decides, whether in a plain archive or in the text of its members."""

import io
import itertools
import random

import pytest

from curation.reading import members
from curation.reading.records import Damage, Record
from tests.warc_builder import (
    arc,
    arc_start,
    block_digest,
    cut_members,
    http,
    member,
    record,
    response,
    zstd_frame,
)

PAGES = [response(b"<p>page %d</p>" % number, url=f"http://site{number}.example/") for number in range(4)]
ARC_PAGES = [arc(http(b"<p>page %d</p>" % number), url=f"http://site{number}.example/") for number in range(4)]


def read(content, *cuts):
    file, bounds = io.BytesIO(content), [0, *cuts, len(content)]
    return [
        found
        for start, stop in itertools.pairwise(bounds)
        for found in members.read(file, start, stop, max_bytes=1 << 20)
    ]


def records_of(found):
    return [one.data for one in found if isinstance(one, Record)]


def blocks(pages):
    """WARC records without the line breaks behind them."""
    return [page[:-4] for page in pages]


def test_records_without_line_breaks_between_them_are_found_from_any_range(monkeypatch):
    monkeypatch.setattr(members, "_LOOK_BACK", 1)
    content = b"".join(blocks(PAGES))
    expected = read(content)
    assert records_of(expected) == blocks(PAGES)
    assert [cut for cut in range(len(content)) if read(content, cut) != expected] == []


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("garbage", [b"garbage", b"\0" * 300, b"\n\n<html>"], ids=["text", "zeros", "lines"])
def test_garbage_between_plain_records_costs_neither_of_them(newline, garbage):
    pages = [
        record("response", http(b"%d" % number), url="http://a/", newline=newline, ending=newline * 2)
        for number in range(3)
    ]
    found = read(pages[0] + garbage + pages[1] + pages[2])
    assert records_of(found) == [page[: -2 * len(newline)] for page in pages]
    assert [(one.offset, one.reason) for one in found if isinstance(one, Damage)] == [
        (len(pages[0]) + len(garbage) - len(garbage.lstrip()), "not_a_record")
    ]


@pytest.mark.parametrize("lost", range(1, 12))
def test_a_plain_record_that_lost_bytes_takes_nothing_of_the_next(lost):
    """Its length then ends in the next one, here on a line break too, as one line in an ARC header has."""
    first = arc(http(b"<p>page</p>" * 9))
    header = len(ARC_PAGES[1].partition(b"\n")[0])
    for size in (lost, header + 1 + lost):
        content = first[:-size] + b"\n" + ARC_PAGES[1] + ARC_PAGES[2]
        found = read(content)
        assert records_of(found)[-2:] == [page[:-1] for page in ARC_PAGES[1:3]]


def test_a_record_whose_header_lost_its_end_takes_nothing_of_the_next():
    cut = PAGES[0].index(b"WARC-Date")
    for between in (b"", b"\0" * 100, b"\r\n"):
        found = read(PAGES[0][:cut] + between + PAGES[1] + PAGES[2])
        assert records_of(found) == blocks(PAGES[1:3])
        assert [one.reason for one in found if isinstance(one, Damage)] == ["damaged_record"]


@pytest.mark.parametrize("is_stated", [True, False], ids=["digest", "no digest"])
def test_of_a_member_with_more_than_its_record_the_digest_says_whether_that_is_whole(is_stated):
    block = http(b"<p>page</p>")
    page = record("response", block, url="http://a/", headers=[block_digest(block)] if is_stated else [])
    found = read(member(page + b"more") + member(PAGES[1]))
    assert records_of(found) == [*([page[:-4]] if is_stated else []), PAGES[1][:-4]]
    assert len([one for one in found if isinstance(one, Damage)]) == 1


@pytest.mark.parametrize("size", range(6, 60))
def test_records_go_on_in_the_next_members_wherever_these_are_cut(size):
    """Also where the next one starts with line breaks, which may still be the record's."""
    pages = [*PAGES, response(b"<p>lines</p>\n\r\n\n"), response(b"<p>last</p>\n")]
    content = cut_members(b"".join(pages), size)
    expected = read(content)
    assert records_of(expected) == blocks(pages)
    assert read(content, *range(0, len(content), 97)) == expected


def test_a_record_that_says_it_is_longer_does_not_go_on_in_the_next_records_member():
    found = read(member(response(b"<p>short</p>", content_length=300)) + member(PAGES[1]))
    start = len(member(response(b"<p>short</p>", content_length=300)))
    assert [(type(one), one.offset) for one in found] == [(Damage, 0), (Record, start)]


def test_the_header_of_an_arc_record_may_go_on_in_the_next_member():
    text = arc_start() + b"".join(ARC_PAGES)
    for at in range(len(arc_start()) + 10, len(arc_start()) + 60):
        found = read(member(text[:at]) + member(text[at:]))
        assert records_of(found) == [arc_start()[:-1], *(page[:-1] for page in ARC_PAGES)]


@pytest.mark.parametrize("lost", [1, 4, 5, 20, 60])
def test_a_member_without_a_checksum_that_lost_bytes_takes_nothing_of_the_next(lost):
    """Its compression counts the bytes too, and goes on into the next member for those that are missing."""
    noise = random.Random(5).randbytes(2000)
    pages = [response(noise, url=f"http://site{number}.example/") for number in range(3)]
    packed = [zstd_frame(page) for page in pages]
    assert pages[0] in packed[0]  # as it is, since it cannot be made smaller
    found = read(packed[0][: -1000 - lost] + packed[0][-1000:] + packed[1] + packed[2])
    assert records_of(found) == blocks(pages[1:])
    assert [one.offset for one in found][-2:] == [len(packed[0]) - lost, len(packed[0] + packed[1]) - lost]
    assert isinstance(found[0], Damage)


def test_a_member_that_by_chance_ends_with_a_line_break_of_the_next_takes_nothing_of_it():
    noise = random.Random(5).randbytes(2000).replace(b"\n", b"")
    pages = [arc(noise, url=f"http://site{number}.example/") for number in range(3)]
    packed = [zstd_frame(page) for page in pages]
    lost = packed[1].index(b"\n") + 1
    found = read(packed[0][: -1000 - lost] + packed[0][-1000:] + packed[1] + packed[2])
    assert records_of(found)[-2:] == [page[:-1] for page in pages[1:]]
    assert len(records_of(found)) == 3  # without a checksum, nothing says that the first is another
