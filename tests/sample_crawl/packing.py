"""Packs captures as Common Crawl does: a request, a response and a metadata record each, one gzip member a record."""

import dataclasses
import datetime
import io
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from tests.sample_crawl.content import share

_START = datetime.datetime(2024, 5, 6, 4, 0, 0, tzinfo=datetime.UTC)
_AGENT = "sample-crawl/1.0"
_INFO = {
    "isPartOf": "sample crawl",
    "description": "A small crawl of sites that do not exist, for tests",
    "format": "WARC File Format 1.0",
    "software": "tests/sample_crawl/build.py",
    "robots": "checked via robots.txt",
}


@dataclasses.dataclass(frozen=True)
class Capture:
    """What a server answered to one request."""

    url: str
    payload: bytes
    content_type: str
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    charset: str = ""  # as a crawler would detect it, "" where there is no text
    damaged: bool = False  # bytes in the middle of the response are overwritten after packing


def pack(captures: Iterable[Capture], *, name: str) -> bytes:
    """The bytes of one WARC file; the same captures and name give the same bytes."""
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=True, warc_version="1.0")
    info_id = _id(name, "warcinfo")
    dates = (_START + datetime.timedelta(seconds=n * 7) for n in range(10**6))
    info = writer.create_warcinfo_record(name, _INFO)
    info.rec_headers.replace_header("WARC-Record-ID", info_id)
    info.rec_headers.replace_header("WARC-Date", _stamp(next(dates)))
    writer.write_record(info)

    for capture in captures:
        common = {"WARC-Date": _stamp(next(dates)), "WARC-Warcinfo-ID": info_id, "WARC-IP-Address": _ip(capture.url)}
        _write(writer, "request", capture, _request(capture.url), common)
        start = file.tell()
        _write(
            writer, "response", capture, _response(capture), common | {"WARC-Identified-Payload-Type": _type(capture)}
        )
        if capture.damaged:
            _damage(file, start)
        fields = f"fetchTimeMs: {int(40 + 900 * share(capture.url))}\r\n"
        if capture.charset:
            fields += f"charset-detected: {capture.charset}\r\n"
        _write(writer, "metadata", capture, (None, fields.encode()), common)
    return file.getvalue()


def _write(
    writer: WARCWriter,
    kind: str,
    capture: Capture,
    message: tuple[StatusAndHeaders | None, bytes],
    common: dict[str, str],
) -> None:
    headers, payload = message
    own = {"WARC-Record-ID": _id(capture.url, kind)}
    if kind != "response":
        own["WARC-Concurrent-To"] = _id(capture.url, "response")
    record = writer.create_warc_record(
        capture.url,
        kind,
        payload=io.BytesIO(payload),
        length=len(payload),
        warc_content_type="application/warc-fields" if kind == "metadata" else "",
        warc_headers_dict=common | own,
        http_headers=headers,
    )
    writer.write_record(record)


def _request(url: str) -> tuple[StatusAndHeaders, bytes]:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = [
        ("User-Agent", _AGENT),
        ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("Accept-Encoding", "gzip"),
        ("Host", parts.netloc),
    ]
    return StatusAndHeaders(f"GET {target} HTTP/1.1", headers, is_http_request=True), b""


def _response(capture: Capture) -> tuple[StatusAndHeaders, bytes]:
    headers = [
        ("Content-Type", capture.content_type),
        *capture.headers,
        ("X-Crawl-Content-Length", str(len(capture.payload))),
        ("Content-Length", str(len(capture.payload))),
    ]
    return StatusAndHeaders(capture.status, headers, protocol="HTTP/1.1"), capture.payload


def _type(capture: Capture) -> str:
    return capture.content_type.split(";")[0]


def _damage(file: io.BytesIO, start: int) -> None:
    """Overwrites 32 bytes in the middle of the gzip member from `start` to the end of the file."""
    file.seek(start + (file.seek(0, io.SEEK_END) - start) // 2)
    file.write(b"\xff" * 32)
    file.seek(0, io.SEEK_END)


def _id(*names: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join(names))}>"


def _ip(url: str) -> str:
    """An address from the block 198.51.100.0/24, which is reserved for documentation."""
    return f"198.51.100.{1 + int(254 * share(urlsplit(url).netloc))}"


def _stamp(date: datetime.datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")
