"""Makes WARC archives in memory, record by record, whole or broken."""

import gzip
from collections.abc import Iterable, Sequence

DATE = "2024-05-06T07:08:09Z"
URL = "http://example.org/"

Headers = Sequence[tuple[str, str]]


def record(
    kind: str,
    block: bytes = b"",
    *,
    url: str | None = None,
    date: str | None = DATE,
    headers: Headers = (),
    content_length: int | str | None = -1,
    newline: bytes = b"\r\n",
    ending: bytes = b"\r\n\r\n",
) -> bytes:
    """One record as it stands in a plain archive; a `content_length` of -1 is the true one, None leaves it out."""
    lines = [f"WARC-Type: {kind}"]
    if url is not None:
        lines.append(f"WARC-Target-URI: {url}")
    if date is not None:
        lines.append(f"WARC-Date: {date}")
    lines += [f"{name}: {value}" for name, value in headers]
    if content_length is not None:
        lines.append(f"Content-Length: {len(block) if content_length == -1 else content_length}")
    return newline.join([b"WARC/1.0", *(line.encode() for line in lines), b"", b""]) + block + ending


def http(
    payload: bytes,
    *,
    status: str = "HTTP/1.1 200 OK",
    content_type: str | None = "text/html; charset=utf-8",
    headers: Headers = (),
    newline: bytes = b"\r\n",
) -> bytes:
    """An HTTP response as a server sends it."""
    lines = [status]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in headers]
    return newline.join([*(line.encode() for line in lines), b"", b""]) + payload


def response(
    payload: bytes,
    *,
    url: str | None = URL,
    date: str | None = DATE,
    status: str = "HTTP/1.1 200 OK",
    content_type: str | None = "text/html; charset=utf-8",
    http_headers: Headers = (),
    headers: Headers = (),
    content_length: int | str | None = -1,
    newline: bytes = b"\r\n",
) -> bytes:
    """A response record with an HTTP message in it."""
    block = http(payload, status=status, content_type=content_type, headers=http_headers, newline=newline)
    return record(
        "response", block, url=url, date=date, headers=headers, content_length=content_length, newline=newline
    )


def warcinfo() -> bytes:
    return record("warcinfo", b"software: tests/warc_builder.py\r\n")


def request(url: str = URL) -> bytes:
    return record("request", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", url=url)


def metadata(url: str = URL) -> bytes:
    return record("metadata", b"fetchTimeMs: 1\r\n", url=url)


def member(record_bytes: bytes, *, level: int = 6) -> bytes:
    """One gzip member, the same bytes for the same record."""
    return gzip.compress(record_bytes, level, mtime=0)


def archive(records: Iterable[bytes], *, gzipped: bool = True) -> bytes:
    """The records one after another, each a gzip member of its own or plain."""
    return b"".join(map(member, records) if gzipped else records)


def starts(records: Iterable[bytes], *, gzipped: bool = True) -> list[int]:
    """Where each record starts in `archive(records)`, and where the archive ends."""
    offsets = [0]
    for content in records:
        offsets.append(offsets[-1] + len(member(content) if gzipped else content))
    return offsets


def chunked(payload: bytes, size: int = 7) -> bytes:
    """A payload in HTTP chunks."""
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
