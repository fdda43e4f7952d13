"""Archive bytes to pages: every record of a task is delivered as a page, rejected with a reason, or counted by type."""

import base64
import collections
import datetime
import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException

from curation import http_body, members, storage
from curation.document import Page, Rejection
from curation.sources import Task

MAX_PAYLOAD = 16 << 20  # bytes; Common Crawl itself cuts pages at 5 MiB
_MAX_RECORD = MAX_PAYLOAD + (1 << 20)  # bytes; room for the headers
_WARC_HEADERS = StatusAndHeadersParser(["WARC/0.17", "WARC/0.18", "WARC/1.0", "WARC/1.1"])
_HTTP_HEADERS = StatusAndHeadersParser([], verify=False)  # HTTP/2 too, which warcio's own list lacks


def pages(task: Task, skipped: collections.Counter[str]) -> Iterator[Page | Rejection]:
    """The response records that start inside the task's byte range; records of other types are counted in `skipped`."""
    with storage.open_read(task.path) as file:
        yield from read_pages(file, task, skipped)


def read_pages(file: BinaryIO, task: Task, skipped: collections.Counter[str]) -> Iterator[Page | Rejection]:
    """As `pages`, from an open archive."""
    for member in members.read(file, task.start, task.stop, max_bytes=_MAX_RECORD):
        if isinstance(member, members.Damage):
            yield _rejection(task, member.offset, member.length, "", member.reason, None, member.evidence)
        else:
            yield from _of_member(member, task, skipped)


def _of_member(member: members.Member, task: Task, skipped: collections.Counter[str]) -> Iterator[Page | Rejection]:
    try:
        headers = _WARC_HEADERS.parse(stream := io.BytesIO(member.data))
        outcome = _of_record(headers, stream, member, task)
    except (StatusAndHeadersParserException, EOFError) as error:
        yield _rejection(task, member.offset, member.length, "", "damaged_record", None, repr(error)[:200])
        return
    if outcome is None:
        skipped[headers.get_header("WARC-Type") or "unknown"] += 1
    else:
        yield outcome

    declared = _number(headers.get_header("Content-Length"))
    trailing = member.data[members.header_size(member.data) + max(declared, 0) :].lstrip(b"\r\n")
    if declared >= 0 and trailing.startswith(b"WARC/"):
        evidence = "this gzip member holds more than one record; recompress the archive with one member a record"
        yield _rejection(task, member.offset, member.length, "", "records_share_a_member", None, evidence)


def _of_record(
    headers: StatusAndHeaders, stream: BinaryIO, member: members.Member, task: Task
) -> Page | Rejection | None:
    if headers.get_header("WARC-Type") != "response":
        return None
    url = (headers.get_header("WARC-Target-URI") or "").strip().strip("<>")
    declared = _number(headers.get_header("Content-Length"))

    def reject(reason: str, value: float | None, evidence: str | None) -> Rejection:
        return _rejection(task, member.offset, member.length, url, reason, value, evidence)

    if declared < 0:
        return reject("damaged_record", None, "the WARC header has no Content-Length")
    if max(declared, member.size) > MAX_PAYLOAD:
        return reject("too_large", max(declared, member.size), f"more than {MAX_PAYLOAD} bytes")
    found = member.size - members.header_size(member.data)
    if found < declared:
        return reject("truncated_record", found, f"Content-Length says {declared} bytes")

    block = io.BytesIO(stream.read(declared))
    try:
        http = _HTTP_HEADERS.parse(block)
    except (StatusAndHeadersParserException, EOFError):
        return reject("no_http_header", None, repr(block.getvalue()[:40]))
    if not http.protocol.startswith("HTTP/"):
        return reject("no_http_header", None, repr(block.getvalue()[:40]))
    try:
        payload = http_body.decode(
            block.read(),
            transfer_encoding=http.get_header("Transfer-Encoding") or "",
            content_encoding=http.get_header("Content-Encoding") or "",
            limit=MAX_PAYLOAD,
        )
    except ValueError as error:
        return reject("undecodable_payload", None, str(error)[:200])
    if len(payload) > MAX_PAYLOAD:
        return reject("too_large", len(payload), f"more than {MAX_PAYLOAD} bytes after Content-Encoding")

    media_type, charset = _content_type(http.get_header("Content-Type") or "")
    status = http.get_statuscode()
    return Page(
        id=_id(task, member.offset),
        url=url,
        date=_date(headers.get_header("WARC-Date") or ""),
        warc=task.path,
        offset=member.offset,
        length=member.length,
        status=int(status) if len(status) == 3 and status.isdecimal() else 0,
        media_type=media_type,
        http_charset=charset,
        payload=payload,
        digest="sha1:" + base64.b32encode(hashlib.sha1(payload).digest()).decode(),
    )


def _id(task: Task, offset: int) -> str:
    return f"{storage.base_name(task.path)}@{offset}"


def _rejection(
    task: Task, offset: int, length: int, url: str, reason: str, value: float | None, evidence: str | None
) -> Rejection:
    return Rejection(
        id=_id(task, offset),
        url=url,
        warc=task.path,
        offset=offset,
        length=length,
        step="read",
        reason=reason,
        value=value,
        evidence=evidence,
    )


def _number(header: str | None) -> int:
    """A Content-Length, or -1 where it is none."""
    return int(header) if header and header.strip().isdecimal() and len(header) < 19 else -1


def _content_type(header: str) -> tuple[str, str]:
    """Media type in lower case, and charset as spelled; both empty where the header has none."""
    media_type, *parameters = header.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return media_type.strip().lower(), value.strip().strip("\"'")[:40]
    return media_type.strip().lower(), ""


def _date(text: str) -> datetime.datetime | None:
    """A WARC-Date as UTC to the millisecond, or None where it is none."""
    try:
        date = datetime.datetime.fromisoformat(text.strip())
        date = date.replace(tzinfo=datetime.UTC) if date.tzinfo is None else date.astimezone(datetime.UTC)
    except (ValueError, OverflowError):  # overflow: a year that another time zone puts out of range
        return None
    return date.replace(microsecond=date.microsecond // 1000 * 1000)
