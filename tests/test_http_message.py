import pytest

from curation.reading import http_message
from curation.reading.http_message import Message, Unusable

PAGE = b"<!-- hello --><html><p>A page</p></html>"


@pytest.mark.parametrize(
    "values, expected",
    [
        ([], ("", "")),
        ([""], ("", "")),
        (["text/html"], ("text/html", "")),
        (["Text/HTML; Charset='UTF-8'"], ("text/html", "UTF-8")),
        (["text/html; charset=a; charset=b"], ("text/html", "a")),
        # of several, the last one that is a media type counts, and keeps the charset of its like before it
        (["text/plain; charset=koi8-r", "text/html"], ("text/html", "")),
        (["text/html; charset=koi8-r", "text/html"], ("text/html", "koi8-r")),
        (["text/html; charset=koi8-r", "text/html; charset=utf-8"], ("text/html", "utf-8")),
        (["text/html; charset=koi8-r", "html"], ("text/html", "koi8-r")),
        (["text/html; charset=" + "x" * 100], ("text/html", "x" * 40)),
    ],
)
def test_content_type(values, expected):
    assert http_message.content_type(values) == expected


def test_contradicting_headers_of_a_response():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
    head += b"Content-Type: text/html\r\nContent-Length: 9999\r\n\r\n"
    assert http_message.parse(head + PAGE, is_truncated=False) == Message(200, "text/html", "", PAGE)


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_headers_end_lines_either_way(newline):
    head = newline.join([b"HTTP/1.1 200 OK", b"Content-Type: text/html; charset=x", b"", b""])
    assert http_message.parse(head + PAGE, is_truncated=False) == Message(200, "text/html", "x", PAGE)


def test_a_page_without_any_header_is_an_answer_of_http_0_9():
    assert http_message.parse(PAGE, is_truncated=False) == Message(200, "", "", PAGE)


@pytest.mark.parametrize("block", [b"", b"something", b"SSH-2.0-OpenSSH\r\n", b"20 text/gemini\r\n# Page"])
def test_what_is_neither_header_nor_page(block):
    assert http_message.parse(block, is_truncated=False) == Unusable("no_http_header", None, repr(block[:40]))


@pytest.mark.parametrize(
    "line, status",
    [
        (b"HTTP/1.1 404 Not Found", 404),
        (b"HTTP/1.1 200", 200),
        (b"HTTP/2 204", 204),
        (b"HTTP/1.1 OK", 0),
        (b"HTTP/1.1 9999 ?", 0),
    ],
)
def test_status(line, status):
    found = http_message.parse(line + b"\r\n\r\n", is_truncated=False)
    assert isinstance(found, Message) and found.status == status


def test_a_header_of_100_kilobytes_is_read():
    head = b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * 100_000 + b"\r\nContent-Type: text/html\r\n\r\n"
    assert http_message.parse(head + PAGE, is_truncated=False) == Message(200, "text/html", "", PAGE)


def test_a_header_without_an_end_is_none():
    """Of 4 million folded lines the parser makes one value, each time anew."""
    block = b"HTTP/1.1 200 OK\r\nX-Large: x\r\n" + b" x\r\n" * (4 << 20)
    found = http_message.parse(block, is_truncated=False)
    assert found == Unusable("no_http_header", None, f"no end of the HTTP header within {1 << 18} bytes")
