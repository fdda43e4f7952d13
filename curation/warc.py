"""Archive bytes to pages: every record of a task is delivered as a page, rejected with a reason, or counted by type."""

import base64
import collections
import datetime
import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord, ArcWarcRecordLoader

from curation import members, storage
from curation.document import Page, Rejection
from curation.sources import Task

MAX_PAYLOAD = 16 << 20  # bytes; Common Crawl itself cuts pages at 5 MiB
_MAX_RECORD = MAX_PAYLOAD + (1 << 20)  # bytes; room for the headers


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
    stream = io.BytesIO(member.data)
    try:
        record = ArcWarcRecordLoader().parse_record_stream(stream, known_format="warc")
        outcome = _of_record(record, member, task)
    except (
        ArchiveLoadFailed,
        EOFError,
        ValueError,
        AttributeError,
        IndexError,
    ) as error:  # what warcio raises on bad bytes
        yield _rejection(task, member.offset, member.length, "", "damaged_record", None, repr(error)[:200])
        return
    if outcome is None:
        skipped[record.rec_type or "unknown"] += 1
    else:
        yield outcome

    trailing = member.data[members.header_size(member.data) + max(record.length or 0, 0) :].lstrip(b"\r\n")
    if trailing.startswith(b"WARC/"):
        evidence = "this gzip member holds more than one record; recompress the archive with one member a record"
        yield _rejection(task, member.offset, member.length, "", "records_share_a_member", None, evidence)


def _of_record(record: ArcWarcRecord, member: members.Member, task: Task) -> Page | Rejection | None:
    if record.rec_type != "response":
        return None
    url = (record.rec_headers.get_header("WARC-Target-URI") or "").strip().strip("<>")
    declared = int(record.rec_headers.get_header("Content-Length") or -1)

    def reject(reason: str, value: float | None, evidence: str | None) -> Rejection:
        return _rejection(task, member.offset, member.length, url, reason, value, evidence)

    if declared < 0:
        return reject("damaged_record", None, "the WARC header has no Content-Length")
    if max(declared, member.size) > MAX_PAYLOAD:
        return reject("too_large", max(declared, member.size), f"more than {MAX_PAYLOAD} bytes")
    found = member.size - members.header_size(member.data)
    if found < declared:
        return reject("truncated_record", found, f"Content-Length says {declared} bytes")
    if record.http_headers is None:
        return reject("no_http_header", None, None)

    try:
        payload = record.content_stream().read(MAX_PAYLOAD + 1)
    except Exception as error:  # decoders of four encodings raise what they like on bytes that are not theirs
        return reject("undecodable_payload", None, repr(error)[:200])
    if len(payload) > MAX_PAYLOAD:
        return reject("too_large", len(payload), f"more than {MAX_PAYLOAD} bytes after Content-Encoding")

    media_type, charset = _content_type(record.http_headers.get_header("Content-Type") or "")
    status = record.http_headers.get_statuscode()
    return Page(
        id=_id(task, member.offset),
        url=url,
        date=_date(record.rec_headers.get_header("WARC-Date") or ""),
        warc=task.path,
        offset=member.offset,
        length=member.length,
        status=int(status) if status.isdigit() else 0,
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
    except ValueError:
        return None
    date = date.replace(tzinfo=datetime.UTC) if date.tzinfo is None else date.astimezone(datetime.UTC)
    return date.replace(microsecond=date.microsecond // 1000 * 1000)
