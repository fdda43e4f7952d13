"""What the reader makes of records of every type and format."""

import collections
import datetime
import gzip
import io
import random

import brotli
import pytest

from curation import archives, storage, warc
from curation.sources import Task
from tests.test_warc import HTML, digest, only, read
from tests.warc_builder import DATE, URL, archive, http, member, metadata, record, request, response, starts, warcinfo

LONG = b"<html>" + random.Random(5).randbytes(2000)


def test_records_that_are_no_responses_are_counted_by_type():
    records = [
        warcinfo(),
        request(),
        response(HTML),
        metadata(),
        record("resource", b"x", url="http://example.org/"),
        record("conversion", b"x", url="http://example.org/"),
        record("Metadata", b"x"),
        record("brand-new", b"x"),
        record("also-new", b"x"),
    ]
    found, skipped = read(archive(records))
    assert [page.payload for page in found] == [HTML]
    assert skipped == {"warcinfo": 1, "request": 1, "metadata": 2, "resource": 1, "conversion": 1, "other": 2}


def test_the_type_of_a_record_may_be_spelled_in_any_case():
    assert only(record("Response", http(HTML), url="http://example.org/")).payload == HTML


def test_a_revisit_is_rejected_naming_what_it_repeats():
    headers = [("WARC-Refers-To-Target-URI", "http://example.org/old"), ("WARC-Refers-To-Date", DATE)]
    rejection = only(record("revisit", http(b""), url="http://example.org/", headers=headers))
    assert (rejection.url, rejection.step, rejection.reason) == ("http://example.org/", "read", "revisit")
    assert rejection.evidence == f"http://example.org/old {DATE}"


@pytest.mark.parametrize(
    "url, media_type, is_page",
    [
        ("http://example.org/", "text/html; charset=latin-1", True),
        ("https://example.org/", "application/xhtml+xml", True),
        ("http://example.org/", "image/png", False),
        ("urn:pageinfo:http://example.org/", "text/html", False),
        ("http://example.org/", None, False),
    ],
)
def test_a_resource_is_a_page_where_it_is_html_of_the_web(url, media_type, is_page):
    headers = [("Content-Type", media_type)] if media_type else []
    (*found,), skipped = read(member(record("resource", HTML, url=url, headers=headers)))
    assert [(page.payload, page.status, page.media_type) for page in found] == (
        [(HTML, 200, media_type.partition(";")[0])] if is_page else []
    )
    assert skipped == ({} if is_page else {"resource": 1})


def test_conversions_are_the_pages_of_a_wet_archive():
    text = "Grüße\nund mehr".encode()
    records = [
        warcinfo(),
        record("conversion", text, url="http://example.org/", headers=[("Content-Type", "text/plain")]),
        response(HTML),
    ]
    task = Task(0, 1, "a.warc.wet.gz", 0, 1 << 20, "wet")
    skipped = collections.Counter()
    (page,) = warc.read_pages(io.BytesIO(archive(records)), task, skipped)
    assert (page.is_text, page.payload, page.media_type, page.status) == (True, text, "text/plain", 200)
    assert (page.digest, skipped) == (digest(text), {"warcinfo": 1, "response": 1})


def test_a_page_says_why_the_crawler_cut_it():
    assert only(response(HTML, headers=[("WARC-Truncated", "length")])).truncated == "length"
    assert only(response(HTML)).truncated == ""


@pytest.mark.parametrize("encoding, packed", [("gzip", gzip.compress(LONG)), ("br", brotli.compress(LONG))])
def test_of_a_payload_that_the_crawler_cut_what_there_is_counts(encoding, packed):
    headers = [("Content-Encoding", encoding)]
    cut = response(packed[:-12], http_headers=headers)
    assert only(cut).reason == "undecodable_payload"
    page = only(response(packed[:-12], http_headers=headers, headers=[("WARC-Truncated", "time")]))
    assert (page.payload[:100], page.truncated) == (LONG[:100], "time")


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_records_of_arc_are_pages_too(gzipped):
    block = http(HTML, content_type="text/html; charset=utf-8")
    version = b"1 0 Somebody\nURL IP-address Archive-date Content-type Archive-length\n"
    records = [
        b"filedesc://a.arc 0.0.0.0 20060305082251 text/plain %d\n%s\n" % (len(version), version),
        b"dns:example.org 1.2.3.4 20060305082252 text/dns 3\nabc\n",
        b"http://example.org/a b 1.2.3.4 20060305082253 text/html %d\n%s\n" % (len(block), block),
        b"http://example.org/2 1.2.3.4 20060305082254 text/html 200 - - 7 a.arc %d\n%s\n" % (len(block), block),
        b"http://example.org/ssh 1.2.3.4 20060305082255  8\nSSH-2.0-\n",
    ]
    bounds = starts(records, gzipped=gzipped)
    (first, second, other), skipped = read(archive(records, gzipped=gzipped))
    assert skipped == {"filedesc": 1, "dns": 1}
    assert (first.url, first.offset, first.length) == ("http://example.org/a b", bounds[2], bounds[3] - bounds[2])
    assert first.date == datetime.datetime(2006, 3, 5, 8, 22, 53, tzinfo=datetime.UTC)
    assert (first.payload, first.http_charset, second.url) == (HTML, "utf-8", "http://example.org/2")
    assert (other.url, other.reason) == ("http://example.org/ssh", "no_http_header")


def test_only_wanted_ranges_of_an_archive_are_read(tmp_path, monkeypatch):
    """Near ones in one request, and each with its own place in the archive."""
    far = random.Random(1).randbytes(1 << 19)
    records = [response(b"0"), request(), response(b"2"), response(far), response(b"4"), metadata()]
    bounds = starts(records)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(archive(records))
    fetched = []
    read_range = storage.read_range
    monkeypatch.setattr(storage, "read_range", lambda *place: fetched.append(place[1:]) or read_range(*place))
    ranges = tuple((bounds[place], bounds[place + 1]) for place in (0, 2, 4))
    task = Task(0, 1, str(path), 0, bounds[5], "warc", ranges)
    skipped = collections.Counter()
    pages = list(warc.pages(task, skipped))
    assert [(page.payload, page.offset, page.length) for page in pages] == [
        (b"%d" % place, bounds[place], bounds[place + 1] - bounds[place]) for place in (0, 2, 4)
    ]
    assert (fetched, skipped) == ([(0, bounds[3]), (bounds[4], bounds[5])], {})


def test_an_archive_that_cannot_be_read_is_named(tmp_path):
    for name, content in (("missing", None), ("page", b"<html>")):
        path = tmp_path / name
        if content:
            path.write_bytes(content)
        with pytest.raises(archives.Unreadable, match=name):
            list(warc.pages(Task(0, 1, str(path), 0, 6), collections.Counter()))


def segmented(*pieces, total=None, origin="<urn:uuid:1>", numbers=None):
    """A response in segments, its HTTP header in the first."""
    blocks = [http(b"<html>") + pieces[0], *pieces[1:]]
    total = sum(map(len, blocks)) if total is None else total
    records = []
    for number, block in zip(numbers or range(1, len(blocks) + 1), blocks, strict=True):
        headers = [("WARC-Segment-Number", str(number))]
        if number == 1:
            headers.append(("WARC-Record-ID", "<urn:uuid:1>"))
        else:
            headers += [("WARC-Segment-Origin-ID", origin), ("WARC-Record-ID", f"<urn:uuid:{number}>")]
        if block is blocks[-1] and len(blocks) > 1:
            headers.append(("WARC-Segment-Total-Length", str(total)))
        records.append(record("response" if number == 1 else "continuation", block, url=URL, headers=headers))
    return records


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_segments_that_follow_each_other_are_one_page_at_every_cut(gzipped):
    records = [warcinfo(), *segmented(b"one ", b"two ", b"three"), response(HTML)]
    content = archive(records, gzipped=gzipped)
    whole = read(content)
    (page, other), skipped = whole
    assert (page.payload, page.offset) == (b"<html>one two three", starts(records, gzipped=gzipped)[1])
    assert (other.payload, skipped) == (HTML, {"warcinfo": 1, "continuation": 2})
    for cut in range(1, len(content), 7):
        (first, skipped_first), (second, skipped_second) = read(content, 0, cut), read(content, cut)
        assert (first + second, collections.Counter(skipped_first) + collections.Counter(skipped_second)) == whole


@pytest.mark.parametrize(
    "records, evidence",
    [
        (segmented(b"one"), "segment 2 does not follow in this archive"),
        (segmented(b"one", b"two")[:1], "segment 2 does not follow in this archive"),
        (segmented(b"one", b"two", b"three")[::2], "segment 2 does not follow in this archive"),
        (segmented(b"one", b"two", origin="<urn:uuid:7>"), "segment 2 does not follow in this archive"),
        (segmented(b"one", b"two", total=9), "its 2 segments have 71 bytes; the last one says 9"),
        (
            [record("response", http(HTML), url=URL, headers=[("WARC-Segment-Number", "2")])],
            "segment 2 of a record, where the first is expected",
        ),
        (
            [record("response", http(HTML), url=URL, headers=[("WARC-Segment-Number", "1")])],
            "segments cannot be followed in records that share a compressed member, or have no WARC-Record-ID",
        ),
    ],
)
def test_segments_that_do_not_make_a_record(records, evidence):
    (rejection, page), _ = read(archive([*records, response(HTML)]))
    assert (rejection.reason, rejection.evidence, page.payload) == ("segmented_record", evidence, HTML)
