import base64
import collections
import datetime
import gzip
import hashlib
import io
import itertools
import zlib

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import warc
from curation.document import Page, Rejection
from curation.reading import http_message
from curation.sources import Task
from tests.warc_builder import (
    archive,
    chunked,
    http,
    member,
    record,
    request,
    response,
    starts,
    warcinfo,
)

PATH = "crawl/CC-MAIN-1.warc.gz"
HTML = "<html><title>Seite</title><p>Grüße</p></html>".encode()


def read(content, start=0, stop=None):
    """The pages and rejections of an archive, and what was skipped."""
    skipped = collections.Counter()
    task = Task(0, 1, PATH, start, len(content) if stop is None else stop)
    return list(warc.read_pages(io.BytesIO(content), task, skipped)), dict(skipped)


def only(record_bytes, *, gzipped=True):
    """What becomes of one record."""
    (found,), skipped = read(archive([record_bytes], gzipped=gzipped))
    assert skipped == {}
    return found


def digest(payload):
    return "sha1:" + base64.b32encode(hashlib.sha1(payload).digest()).decode()


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_every_field_of_a_page(gzipped):
    records = [
        warcinfo(),
        response(
            HTML,
            url="https://example.org/grüße?a=1#b",
            date="2024-05-06T07:08:09.123456Z",
            content_type='Text/HTML ; x=y; Charset="ISO-8859-1"',
        ),
    ]
    bounds = starts(records, gzipped=gzipped)
    (page,), skipped = read(archive(records, gzipped=gzipped))
    assert page == Page(
        id=f"CC-MAIN-1.warc.gz@{bounds[1]}",
        url="https://example.org/grüße?a=1#b",
        date=datetime.datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=datetime.UTC),
        warc=PATH,
        offset=bounds[1],
        length=bounds[2] - bounds[1],
        status=200,
        media_type="text/html",
        http_charset="ISO-8859-1",
        payload=HTML,
        digest=digest(HTML),
    )
    assert skipped == {"warcinfo": 1}


@pytest.mark.parametrize(
    "body, headers",
    [
        (HTML, []),
        (chunked(HTML), [("Transfer-Encoding", "chunked")]),
        (gzip.compress(HTML), [("Content-Encoding", "gzip")]),
        (gzip.compress(HTML), [("Content-Encoding", "GZIP")]),
        (zlib.compress(HTML), [("Content-Encoding", "deflate")]),
        (brotli.compress(HTML), [("Content-Encoding", "br")]),
        (chunked(gzip.compress(HTML)), [("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip")]),
        (chunked(brotli.compress(HTML)), [("Transfer-Encoding", "chunked"), ("Content-Encoding", "br")]),
        (HTML, [("Content-Encoding", "gzip")]),  # as Common Crawl stores it: decoded, with the header left
        (HTML, [("Transfer-Encoding", "chunked")]),
        (HTML, [("Content-Encoding", "identity")]),
        (HTML, [("Content-Encoding", "br")]),
        (HTML, [("Content-Encoding", "deflate")]),
        (zlib.compress(HTML)[2:-4], [("Content-Encoding", "deflate")]),  # without its zlib header
        (gzip.compress(HTML), [("Content-Encoding", "x-gzip")]),
        (brotli.compress(gzip.compress(HTML)), [("Content-Encoding", "gzip, br")]),
        (chunked(HTML), [("Transfer-Encoding", "Chunked")]),
    ],
    ids=range(17),
)
def test_payloads_are_decoded(body, headers):
    page = only(response(body, http_headers=headers))
    assert page.payload == HTML
    assert page.digest == digest(HTML)


@pytest.mark.parametrize(
    "header, media_type, charset",
    [
        (None, "", ""),
        ("", "", ""),
        ("text/html", "text/html", ""),
        ("TEXT/HTML;charset=utf-8", "text/html", "utf-8"),
        ("text/html; charset='Shift_JIS'", "text/html", "Shift_JIS"),
        ("text/html; charset = koi8-r ; x", "text/html", "koi8-r"),
        ("text/html; charset=a; charset=b", "text/html", "a"),
        ("; charset=utf-8", "", "utf-8"),
        ("text/html; charset=" + "x" * 60, "text/html", "x" * 40),
        ("application/pdf", "application/pdf", ""),
    ],
)
def test_content_type(header, media_type, charset):
    page = only(response(HTML, content_type=header))
    assert (page.media_type, page.http_charset) == (media_type, charset)


@pytest.mark.parametrize(
    "status, expected",
    [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.0 404", 404),
        ("HTTP/1.1 301 Moved Permanently", 301),
        ("HTTP/1.1 abc Odd", 0),
        ("HTTP/2 200", 200),
        ("HTTP/3 404", 404),
        ("HTTP/1.1 ²00 OK", 0),
        ("HTTP/1.1 " + "9" * 30, 0),  # more than a column of numbers holds
        ("HTTP/1.1 " + "9" * 5000, 0),  # more digits than Python reads
    ],
)
def test_status(status, expected):
    assert only(response(HTML, status=status)).status == expected


@pytest.mark.parametrize(
    "written, expected",
    [
        ("2024-05-06T07:08:09Z", (2024, 5, 6, 7, 8, 9)),
        ("2024-05-06T07:08:09", (2024, 5, 6, 7, 8, 9)),
        ("2024-05-06T09:08:09+02:00", (2024, 5, 6, 7, 8, 9)),
        ("2024-05-06T07:08:09.999999Z", (2024, 5, 6, 7, 8, 9, 999000)),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("0001-01-01T00:00:00+05:00", None),  # before the first year in UTC
        ("9999-12-31T23:59:59-05:00", None),
    ],
)
def test_date(written, expected):
    assert only(response(HTML, date=written)).date == (expected and datetime.datetime(*expected, tzinfo=datetime.UTC))


@pytest.mark.parametrize("written", ["http://example.org/a", "<http://example.org/a>", "http://example.org/a "])
def test_url_stands_without_brackets(written):
    assert only(response(HTML, url=written)).url == "http://example.org/a"


REJECTED = [
    (response(HTML, content_length=None), "damaged_record"),
    (response(HTML, content_length="many"), "damaged_record"),
    (response(HTML, content_length=100_000), "truncated_record"),
    (record("response", b"", url="http://example.org/"), "no_http_header"),
    (record("response", b"something", url="dns:example.org"), "no_http_header"),
    (record("response", b"no HTTP at all", url="http://example.org/"), "no_http_header"),
    (b"WARC/9.9\r\nWARC-Type: response\r\n\r\n\r\n\r\n", "damaged_record"),
    (b"no record", "not_a_record"),
]


@pytest.mark.parametrize("content, reason", REJECTED, ids=range(len(REJECTED)))
def test_bad_records_are_rejected_and_reading_goes_on(content, reason):
    records = [response(b"before"), content, response(b"after")]
    bounds = starts(records)
    (before, rejection, after), skipped = read(archive(records))
    assert (before.payload, after.payload, skipped) == (b"before", b"after", {})
    assert type(rejection) is Rejection
    assert (rejection.step, rejection.reason) == ("read", reason)
    assert (rejection.id, rejection.warc) == (f"CC-MAIN-1.warc.gz@{bounds[1]}", PATH)
    assert (rejection.offset, rejection.length) == (bounds[1], bounds[2] - bounds[1])


def test_a_response_without_a_url_is_a_page_without_one():
    page = only(record("response", http(HTML), url=None))
    assert (page.url, page.payload) == ("", HTML)


def test_a_record_without_a_type_is_counted():
    assert read(member(b"WARC/1.0\r\nContent-Length: 0\r\n\r\n")) == ([], {"unknown": 1})


def test_a_request_of_an_odd_method_is_skipped_like_any_other():
    records = [record("request", b"PROPFIND / HTTP/1.1\r\n\r\n", url="http://example.org/"), response(HTML)]
    (page,), skipped = read(archive(records))
    assert (page.payload, skipped) == (HTML, {"request": 1})


def test_a_truncated_record_says_what_is_there():
    content = response(HTML, content_length=100_000, url="http://example.org/a")
    length = len(member(content))
    found = len(http(HTML)) + len("\r\n\r\n")  # the line breaks after it are taken for its own
    assert only(content) == Rejection(
        id="CC-MAIN-1.warc.gz@0",
        url="http://example.org/a",
        warc=PATH,
        offset=0,
        length=length,
        step="read",
        reason="truncated_record",
        evidence=f"the archive ends {found} bytes into a Content-Length of 100000",
    )


def test_a_damaged_member_is_a_rejection_with_the_url_that_its_header_says():
    records = [response(b"before"), response(HTML), response(b"after")]
    bounds = starts(records)
    content = bytearray(archive(records))
    content[bounds[2] - 6] ^= 0xFF
    (before, rejection, after), _ = read(bytes(content))
    assert (before.payload, after.payload) == (b"before", b"after")
    assert rejection == Rejection(
        id=f"CC-MAIN-1.warc.gz@{bounds[1]}",
        url="http://example.org/",
        warc=PATH,
        offset=bounds[1],
        length=bounds[2] - bounds[1],
        step="read",
        reason="damaged_record",
        evidence="Error -3 while decompressing data: incorrect data check",
    )


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_a_record_that_is_too_large(monkeypatch, gzipped):
    monkeypatch.setattr(warc, "MAX_PAYLOAD", 10_000)
    monkeypatch.setattr(warc, "MAX_RECORD", 11_000)
    records = [response(b"a" * 20_000), response(HTML)]
    (rejection, page), _ = read(archive(records, gzipped=gzipped))
    assert (rejection.reason, rejection.value, rejection.evidence) == (
        "too_large",
        len(http(b"a" * 20_000)),
        "more than 10000 bytes",
    )
    assert (rejection.url, page.payload) == ("http://example.org/", HTML)


def test_a_payload_that_inflates_to_too_much(monkeypatch):
    monkeypatch.setattr(http_message, "MAX_PAYLOAD", 10_000)
    rejection = only(response(gzip.compress(b"a" * 50_000), http_headers=[("Content-Encoding", "gzip")]))
    assert (rejection.reason, rejection.value, rejection.evidence) == (
        "too_large",
        10_001,
        "more than 10000 bytes after Content-Encoding",
    )


def test_a_payload_as_large_as_allowed_passes(monkeypatch):
    monkeypatch.setattr(warc, "MAX_PAYLOAD", 10_000)
    page = only(response(gzip.compress(b"a" * 10_000), http_headers=[("Content-Encoding", "gzip")]))
    assert page.payload == b"a" * 10_000


@pytest.mark.parametrize("blocks", [100, 4000])
def test_an_undecodable_payload(blocks):
    """gzip whose checksum is wrong: neither its bytes nor a part of what it held are the page."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(blocks))
    broken = bytearray(gzip.compress(noise))
    broken[-6] ^= 0xFF
    found = only(response(bytes(broken), http_headers=[("Content-Encoding", "gzip")]))
    assert (type(found), getattr(found, "reason", None)) == (Rejection, "undecodable_payload")


@pytest.mark.parametrize(
    "encoding, body",
    [
        ("gzip", gzip.compress(HTML * 50)[:-9]),
        ("deflate", zlib.compress(HTML * 50)[:-5]),
        ("br", brotli.compress(HTML * 50)[:-3]),
    ],
)
def test_a_payload_that_breaks_off_is_undecodable(encoding, body):
    found = only(response(body, http_headers=[("Content-Encoding", encoding)]))
    assert (type(found), getattr(found, "reason", None)) == (Rejection, "undecodable_payload")


@given(
    body=st.binary(max_size=60),
    start=st.sampled_from([b"", b"\x1f\x8b\x08\0", gzip.compress(HTML)[:40], brotli.compress(HTML)[:30], b"5\r\nabc"]),
    encodings=st.lists(st.sampled_from(["gzip", "br", "deflate", "zstd", "identity", ""]), max_size=3).map(",".join),
    is_chunked=st.booleans(),
)
@settings(deadline=None)
def test_any_bytes_in_any_encoding_are_one_page_or_one_rejection(body, start, encodings, is_chunked):
    headers = [("Content-Encoding", encodings), ("Transfer-Encoding", "chunked" if is_chunked else "")]
    found = only(response(start + body, http_headers=headers))
    assert type(found) is Page or (found.step, found.reason) == ("read", "undecodable_payload")


@given(block=st.binary(max_size=80), url=st.sampled_from([None, "", "http://example.org/", "dns:a", "\ufffd"]))
@settings(deadline=None)
def test_any_block_of_a_response_is_one_page_or_one_rejection(block, url):
    for start in (b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"):
        found = only(record("response", start + block, url=url))
        assert type(found) is Page or found.reason in ("no_http_header", "undecodable_payload")


@given(data=st.binary(max_size=80))
@settings(deadline=None)
def test_any_member_is_read_or_rejected_or_counted(data):
    for start in (b"", b"WARC/1.0\r\n", b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: "):
        found, skipped = read(member(start + data))
        assert len(found) + sum(skipped.values()) == (1 if (start + data).strip(b"\r\n") else 0)


def test_records_that_share_a_member_are_told_apart_by_their_place_in_it():
    records = [warcinfo(), response(HTML), request(), response(b"second")]
    first = member(b"".join(records))
    (page, second, third), skipped = read(first + member(response(b"third")))
    assert (page.payload, second.payload, third.payload) == (HTML, b"second", b"third")
    assert [(page.offset, page.length) for page in (page, second)] == [(1, 0), (3, 0)]
    assert (third.offset, third.id) == (len(first), f"CC-MAIN-1.warc.gz@{len(first)}")
    assert skipped == {"warcinfo": 1, "request": 1}


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_offset_and_length_give_the_same_page_again(gzipped):
    records = [warcinfo(), response(b"<p>a</p>"), request(), response(HTML, url="http://example.org/b")]
    content = archive(records, gzipped=gzipped)
    pages, _ = read(content)
    for page in pages:
        (again,), skipped = read(content, page.offset, page.offset + 1)
        assert (again, skipped) == (page, {})
        (alone,), _ = read(content[page.offset : page.offset + page.length])
        assert (alone.payload, alone.length) == (page.payload, page.length)


def test_ranges_give_every_page_once():
    records = [response(b"<p>%d</p>" % number) for number in range(9)]
    content = archive(records)
    cuts = [0, 100, 700, 701, len(content)]
    found = [page for start, stop in itertools.pairwise(cuts) for page in read(content, start, stop)[0]]
    assert [page.payload for page in found] == [b"<p>%d</p>" % number for number in range(9)]


def test_pages_opens_the_archive(tmp_path):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(archive([warcinfo(), response(HTML)]))
    skipped = collections.Counter()
    (page,) = warc.pages(Task(0, 1, str(path), 0, path.stat().st_size), skipped)
    assert (page.warc, page.payload, skipped) == (str(path), HTML, {"warcinfo": 1})
