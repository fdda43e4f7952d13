"""Where what is damaged and what a page holds look alike: the records around it are delivered all the same."""

import gzip
import io
import itertools

import pytest

from curation.reading import members, record_header
from curation.reading.records import Damage, Record
from tests.warc_builder import arc, archive, block_digest, http, member, record, response

MAX = 17 << 20


def read(content, *cuts, max_bytes=MAX):
    file, bounds = io.BytesIO(content), [0, *sorted(cuts), len(content)]
    return [
        found
        for start, stop in itertools.pairwise(bounds)
        for found in members.read(file, start, stop, max_bytes=max_bytes)
    ]


def records_of(found):
    return [one.data for one in found if isinstance(one, Record)]


@pytest.mark.slow
@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_an_archive_inside_a_page_is_one_page_at_every_cut(gzipped, monkeypatch):
    """Also where a task that looks back starts to look inside that page; only a page larger than that could mislead."""
    monkeypatch.setattr(members, "_LOOK_BACK", 1200)
    inner = archive([response(b"<p>inner %d</p>" % number) for number in range(3)], gzipped=gzipped)
    pages = [response(b"<p>page</p>" * 90), response(b"\n" + inner + b"\n"), *[response(b"<p>page</p>" * 90)] * 2]
    content = b"".join(member(page, level=0) if gzipped else page for page in pages)
    assert 300 < len(inner) < 1000 < 3000 < len(content)
    expected = read(content)
    assert records_of(expected) == [page[:-4] for page in pages]
    assert [cut for cut in range(len(content) + 1) if read(content, cut) != expected] == []


@pytest.mark.parametrize("start", [bytes(512), b"\x1f\x8b\x08" * 3], ids=["zeros", "a gzip magic"])
def test_an_archive_inside_a_page_does_not_decide_what_the_damaged_one_around_it_is(start):
    pages = [response(b"before"), response(member(response(b"<p>inner</p>"))), response(b"after")]
    assert records_of(read(start + b"".join(pages))) == [page[:-4] for page in pages]


def test_lengths_that_promise_too_much_do_not_cost_the_records_behind_them():
    bogus = [record("response", http(b"<html>%d" % number), content_length=10**10) for number in range(20)]
    found = read(gzip.compress(b"".join([*bogus, response(b"after")])))
    assert [one.reason for one in found if isinstance(one, Damage)] == ["truncated_record"] * 20
    assert records_of(found) == [response(b"after")[:-4]]


def test_a_wrong_length_that_ends_at_a_line_break_by_chance_takes_no_record_in():
    """However large; where what it takes in is more than is kept of a record, nobody looks what that is."""
    page = arc(http(b"<p>line</p>\n" * 100))
    line, block = page[:-1].split(b"\n", 1)
    length = len(block) + 2 * len(page) - len(b"<p>line</p>\n\n")
    content = line.replace(b" %d" % len(block), b" %d" % length) + b"\n" + block + b"\n" + page * 3
    assert content[len(line) + 1 + length :].startswith(b"\n<p>line</p>\n")
    for max_bytes in (MAX, 1000):
        found = read(content, max_bytes=max_bytes)
        assert [type(one) for one in found] == [Damage, Record, Record, Record]


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_what_many_wrong_lengths_take_in_is_not_hashed_for_each_of_them(gzipped, monkeypatch):
    """Each ends at line breaks and states a digest, so that only the digest could tell: 500 times 4 MiB."""
    has_digest, hashed = record_header.has_digest, []
    monkeypatch.setattr(
        record_header, "has_digest", lambda head, block: hashed.append(len(block)) or has_digest(head, block)
    )
    number, size = 500, 4 << 20
    head = record("response", headers=[block_digest(b"")], content_length=10**7, ending=b"")
    size -= size % len(head)
    head = head.replace(b"10000000", b"%08d" % size)
    ends = b"\r\n\r\nx".ljust(len(head), b"x") * (number + 1)
    content = head * number + b"x" * (size - len(head) * (number - 1)) + ends
    found = read(gzip.compress(content, 1) if gzipped else content)
    assert len([one for one in found if isinstance(one, Damage)]) >= number
    assert sum(hashed) < 2 * len(content)
