import pytest

from curation.reading import record_header
from tests.warc_builder import arc, arc_start, block_digest, record, response

WARC, ARC = response(b"<p>page</p>"), arc(b"HTTP/1.1 200 OK\r\n\r\n<p>page</p>")


@pytest.mark.parametrize(
    "head, expected",
    [
        (WARC, True),
        (b"WARC/0.17\n", True),
        (b"WARC/1.1\r\n", True),
        (b"WARC/", False),
        (b"WARC/x", False),
        (b" WARC/1.0\r\n", False),
        (ARC, True),
        (arc_start(), True),
        (arc_start(version=2), True),
        (ARC.split(b"\n")[0], False),  # no end of the line
        (b"http://example.org/ says 12\n", False),
        (b"", False),
    ],
)
def test_starts(head, expected):
    assert record_header.starts(head) is expected


@pytest.mark.parametrize(
    "text, place",
    [
        (b"garbage\n" + WARC, 8),
        (b"garbage" + WARC, 7),  # no line break was put behind what is before it
        (b"garbage\n" + ARC, 8),
        (b"garbage" + ARC, None),  # no telling where its URL starts
        (b"<p>WARC/1.0</p>\nWARC/x\nhttp://a/ b 12\n", None),
        (b"WARC/1.0\r\n<p>", None),
        (b"x" * 100 + b"\nWARC/1.0", None),  # not below `stop`
    ],
)
def test_find(text, place):
    assert record_header.find(text, 50) == place


@pytest.mark.parametrize(
    "data, size",
    [
        (b"WARC/1.0\r\nA: b", None),
        (b"WARC/1.0\r\nA: b\r\n\r\nbody", 18),
        (b"WARC/1.0\nA: b\n\nbody\r\n\r\n", 15),
        (b"WARC/1.0\r\nA: b\r\n\r\nx\n\n", 18),
        (b"WARC/1.0\r\nA: b\r\r\n\r\r\nx", 20),
        (b"WARC/1.0\r\nA: b\r\nWARC/1.0\r\n\r\n", None),
        (b"WARC/1.0\r\nA: \0\0WARC/1.0\r\nWARC-Type: response\r\n\r\n", None),
        (b"WARC/1.0\r\n" + b"x" * record_header.MAX_HEADER + b"\r\n\r\n", None),
        (ARC, ARC.index(b"\n") + 1),
    ],
)
def test_size(data, size):
    assert record_header.size(data) == size


def test_a_header_that_comes_piece_by_piece_ends_where_it_would_at_once():
    for header in (
        b"WARC/1.0\r\nA: b\r\n\r\n",
        b"WARC/1.0\nA: b\n\n",
        b"WARC/1.0\r\nA: \0WARC/1.0\r\nContent-Length: 5",
    ):
        at_once = record_header.size(header)
        for seen in range(len(header)):
            if record_header.size(header[:seen]) is None:
                assert record_header.size(header, seen) == at_once


@pytest.mark.parametrize(
    "header, length",
    [
        (b"WARC/1.0\r\nContent-Length: 12\r\n\r\n", 12),
        (b"WARC/1.0\ncontent-length :12 \n\n", 12),
        (b"WARC/1.0\r\nContent-Length: 12\r\nContent-Length: 13\r\n\r\n", 12),
        (b"WARC/1.0\r\nX-Content-Length: 12\r\n\r\n", None),
        (b"WARC/1.0\r\nContent-Length: many\r\n\r\n", None),
        (b"WARC/1.0\r\nContent-Length: -1\r\n\r\n", None),
        (b"WARC/1.0\r\nContent-Length: " + b"9" * 19 + b"\r\n\r\n", None),
        (b"WARC/1.0\r\n\r\n", None),
        (ARC.split(b"\n")[0] + b"\n", 30),
    ],
)
def test_content_length(header, length):
    assert record_header.content_length(header) == length


@pytest.mark.parametrize(
    "headers, expected",
    [
        ([block_digest(b"block")], True),
        ([block_digest(b"other")], False),
        ([(name, digest.lower()) for name, digest in [block_digest(b"block")]], True),
        ([("WARC-Payload-Digest", block_digest(b"block")[1])], None),
        ([("WARC-Block-Digest", "md5:abc")], None),
        ([], None),
    ],
)
def test_has_digest(headers, expected):
    content = record("response", b"block", headers=headers)
    assert record_header.has_digest(content[: record_header.size(content)], b"block") is expected
