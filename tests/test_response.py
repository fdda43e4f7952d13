import dataclasses

import pytest

from curation import response
from curation.document import Page, Rejection

PAGE = Page(
    id="a.warc.gz@5",
    url="http://example.org/",
    date=None,
    warc="crawl/a.warc.gz",
    offset=5,
    length=99,
    status=200,
    media_type="text/html",
    http_charset="",
    payload=b"<html><p>text</p></html>",
    digest="sha1:x",
)


def rejection(reason, value=None, evidence=None):
    return Rejection(
        "a.warc.gz@5", "http://example.org/", "crawl/a.warc.gz", 5, 99, "response", reason, value, evidence
    )


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, None),
        ({"media_type": "application/xhtml+xml"}, None),
        ({"status": 404}, rejection("status", 404)),
        ({"status": 0}, rejection("status", 0)),
        ({"status": 206, "media_type": "image/png"}, rejection("status", 206)),
        ({"media_type": "application/pdf"}, rejection("not_html", None, "application/pdf")),
        ({"media_type": "text/plain"}, rejection("not_html", None, "text/plain")),
        ({"media_type": ""}, None),
        ({"media_type": "", "payload": b"\n<!-- x --><!DOCTYPE  html><p>text"}, None),
        ({"media_type": "", "payload": b"<TITLE>a</TITLE>"}, None),
        ({"media_type": "", "payload": b"<titles>a</titles>"}, rejection("not_html")),
        ({"media_type": "", "payload": b"plain words"}, rejection("not_html")),
        ({"media_type": "", "payload": b" " * 2048 + b"<html>"}, rejection("not_html")),
        ({"payload": b""}, rejection("empty", 0.0)),
        ({"payload": b" \r\n\t"}, rejection("empty", 0.0)),
        ({"payload": b"GIF89a\0\1\2"}, rejection("binary")),
        ({"payload": b"<html>\0<p>text"}, None),
        ({"payload": "<html><p>text".encode("utf-16")}, None),
        ({"payload": "\ufeff<p>text".encode("utf-16-be")}, None),
        ({"payload": "<html ><p>text".encode("utf-16-le")}, None),
        ({"payload": b"words " * 400 + b"\0"}, None),
    ],
    ids=range(21),
)
def test_check(changes, expected):
    assert response.check(dataclasses.replace(PAGE, **changes)) == expected
