import datetime

import pytest

from curation.reading import arc
from curation.reading.arc import ArcHeader

DATE = datetime.datetime(2006, 3, 5, 8, 22, 53, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "line, expected",
    [
        ("http://a.example/ 1.2.3.4 20060305082253 text/html 12", ("http://a.example/", DATE, "text/html", 12)),
        ("http://a.example/b c 1.2.3.4 20060305082253 Text/HTML 12", ("http://a.example/b c", DATE, "text/html", 12)),
        ("http://a.example/ 1.2.3.4 20060305082253  12", ("http://a.example/", DATE, "", 12)),
        ("http://a.example/ 1.2.3.4 200603050822530000 text/html 12", ("http://a.example/", DATE, "text/html", 12)),
        ("http://a.example/ 1.2.3.4 20069905082253 text/html 12", ("http://a.example/", None, "text/html", 12)),
        ("http://a/ 1.2.3.4 20060305082253 text/html 200 - - 9 a.arc 12", ("http://a/", DATE, "text/html", 12)),
        ("dns:a.example 1.2.3.4 20060305082253 text/dns 0", ("dns:a.example", DATE, "text/dns", 0)),
        ("filedesc://a.arc 0.0.0.0 20060305082253 text/plain 76", ("filedesc://a.arc", None, "text/plain", 76)),
        ("filedesc:// - - - 76", ("filedesc://", None, "text/plain", 76)),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_header(line, expected, newline):
    assert arc.parse(f"{line}{newline}HTTP/1.1 200 OK\r\n".encode()) == ArcHeader(*expected)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "WARC/1.0",
        "http://a.example/ 1.2.3.4 20060305082253 text/html -1",
        "http://a.example/ 1.2.3.4 20060305082253 text/html many",
        "http://a.example/ 1.2.3.4 20060305082253 text/html " + "9" * 19,
        "http://a.example/ 1.2.3.4 2006 text/html 12",
        "http://a.example/ 1.2.3.4 text/html 12",
        "no url 1.2.3.4 20060305082253 text/html 12",
        "note: see 12",
    ],
)
def test_what_is_no_header(line):
    assert arc.parse(f"{line}\nmore\n".encode()) is None


def test_a_header_is_a_whole_line_of_bounded_length():
    line = b"http://a.example/ 1.2.3.4 20060305082253 text/html 12"
    assert arc.parse(line) is None
    assert arc.parse(b"http://a.example/" + b"a" * arc.MAX_LINE + line + b"\n") is None
