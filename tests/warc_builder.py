"""Makes WARC and ARC archives in memory, record by record, whole or broken."""

import base64
import bz2
import gzip
import hashlib
from collections.abc import Callable, Iterable, Sequence

import lz4.frame
import zstandard

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


def identity(content: bytes) -> bytes:
    """A record as it stands in a plain archive."""
    return content


def zstd_frame(content: bytes, dictionary: bytes = b"", *, level: int = 3) -> bytes:
    """One zstd frame; with a dictionary it can be read with that alone."""
    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    return zstandard.ZstdCompressor(level, dict_data=shared).compress(content)


def dictionary_frame(content: bytes) -> bytes:
    """The frame that stands before all others and holds their dictionary, or the zstd frame of it."""
    return b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def trained_dictionary(samples: Sequence[bytes]) -> bytes:
    """A zstd dictionary of 1 KiB, for which some samples are needed."""
    return zstandard.train_dictionary(1024, list(samples)).as_bytes()


def cut_members(text: bytes, size: int, compress: Callable[[bytes], bytes] = member) -> bytes:
    """Members of `size` bytes of text that heed no record, as bgzip makes them."""
    return b"".join(compress(text[at : at + size]) for at in range(0, len(text), size))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": identity,
    "gzip": member,
    "zstd": zstd_frame,
    "bzip2": bz2.compress,
    "lz4": lz4.frame.compress,
}


def arc_start(*, version: int = 1) -> bytes:
    """The record that an ARC file starts with."""
    fields = b"URL IP-address Archive-date Content-type Archive-length\n"
    if version == 2:
        fields = (
            b"URL IP-address Archive-date Content-type Result-code Checksum Location Offset Filename Archive-length\n"
        )
    block = b"%d 0 tests\n" % version + fields
    more = b"200 - - 0 a.arc " if version == 2 else b""
    return b"filedesc://a.arc 0.0.0.0 20060731110420 text/plain %s%d\n%s\n" % (more, len(block), block)


def arc(
    block: bytes, *, url: str = URL, date: str = "20060731110420", media_type: str = "text/html", version: int = 1
) -> bytes:
    """One ARC record, with the line break behind it."""
    more = "200 - - 0 a.arc " if version == 2 else ""
    return f"{url} 192.0.2.1 {date} {media_type} {more}{len(block)}\n".encode() + block + b"\n"


def block_digest(block: bytes) -> tuple[str, str]:
    """The header that lets a block be checked."""
    return "WARC-Block-Digest", "sha1:" + base64.b32encode(hashlib.sha1(block).digest()).decode()


def segments(block: bytes, size: int, *, url: str = URL) -> list[bytes]:
    """A response whose block is cut into segments of `size` bytes, one record each."""
    name, pieces = "<urn:uuid:first>", [block[at : at + size] for at in range(0, len(block), size)]
    found = []
    for number, piece in enumerate(pieces, 1):
        headers = [("WARC-Segment-Number", str(number))]
        headers += [("WARC-Record-ID", name)] if number == 1 else [("WARC-Segment-Origin-ID", name)]
        headers += [("WARC-Segment-Total-Length", str(len(block)))] if number == len(pieces) else []
        found.append(record("response" if number == 1 else "continuation", piece, url=url, headers=headers))
    return found


def conversion(text: str, *, url: str = URL) -> bytes:
    """A page as Common Crawl's WET archives hold it: its text."""
    return record("conversion", text.encode(), url=url, headers=[("Content-Type", "text/plain")])
