"""Archive bytes to pages: every record of a task is delivered as a page, rejected with a reason, or counted by type."""

import base64
import collections
import contextlib
import datetime
import hashlib
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException

from curation import archives, response, storage
from curation.document import Page, Rejection
from curation.reading import arc, http_message, members, record_header, segments
from curation.reading.http_message import MAX_PAYLOAD, Message, Unusable
from curation.reading.records import Damage, Record
from curation.sources import Task

MAX_RECORD = MAX_PAYLOAD + (1 << 20)  # bytes; room for the headers
_MAX_GAP = 1 << 18  # bytes between wanted records that are fetched along
_MAX_FETCH = 32 << 20  # bytes of one request for wanted records
_TYPES = ("warcinfo", "request", "response", "resource", "metadata", "revisit", "conversion", "continuation")
_HEADERS = StatusAndHeadersParser([], verify=False)


def pages(task: Task, skipped: collections.Counter[str]) -> Iterator[Page | Rejection]:
    """The pages of the task's records; records that are none by their type are counted in `skipped`.

    archives.Unreadable where the archive cannot be read.
    """
    with archives.reading(task.path):
        if not task.ranges:
            with archives.opened(task.path) as file:
                yield from read_pages(file, task, skipped)
        for near in _neighbours(task.ranges):
            first = near[0][0]
            content = storage.read_range(task.path, first, near[-1][1])
            for start, stop in near:
                yield from read_pages(io.BytesIO(content[start - first : stop - first]), task, skipped, base=start)


def _neighbours(ranges: Sequence[tuple[int, int]]) -> Iterator[Sequence[tuple[int, int]]]:
    """The ranges in runs that are fetched in one request: the server minds requests more than bytes."""
    first = 0
    for place, (_, stop) in enumerate(ranges, 1):
        is_end = place == len(ranges)
        if is_end or ranges[place][0] - stop > _MAX_GAP or ranges[place][1] - ranges[first][0] > _MAX_FETCH:
            yield ranges[first:place]
            first = place


def read_pages(
    file: BinaryIO, task: Task, skipped: collections.Counter[str], *, base: int | None = None
) -> Iterator[Page | Rejection]:
    """As `pages`, from an open archive, or from a piece of one that lies at `base` in it."""
    start, stop = (task.start, task.stop) if base is None else (0, file.seek(0, 2))
    reader = Reader(file, task, skipped, base or 0)
    for item in members.read(file, start, stop, max_bytes=MAX_RECORD):
        if outcome := reader.outcome(item):
            yield outcome


class Reader:
    """Says of each record what it is."""

    def __init__(self, file: BinaryIO, task: Task, skipped: collections.Counter[str], base: int) -> None:
        self._file, self._task, self._skipped, self._base = file, task, skipped, base

    def outcome(self, item: Record | Damage) -> Page | Rejection | None:
        """A page, a rejection, or None for a record that is counted by its type."""
        if isinstance(item, Damage):
            url = _url(parse_header(item.header)) if record_header.is_warc(item.header) else ""
            return self._reject(item, url, item.reason, None, item.evidence)
        size = record_header.size(item.data)
        assert size is not None, item.offset
        if not record_header.is_warc(item.data):
            return self._of_arc(item, size)
        header = parse_header(item.data[:size])
        kind = (header.get_header("WARC-Type") or "unknown").strip().lower()
        if self._task.format == "wet":
            if kind == "conversion":
                return self._of_block(item, header, item.data[size:], kind)
        elif kind == "response" or (kind == "resource" and _is_page(header)):
            return self._of_response(item, header, item.data[size:], kind)
        elif kind == "revisit":
            same_as = f"{header.get_header('WARC-Refers-To-Target-URI')} {header.get_header('WARC-Refers-To-Date')}"
            return self._reject(item, _url(header), "revisit", None, same_as[:4096])
        self._skipped[kind if kind in (*_TYPES, "unknown") else "other"] += 1
        return None

    def _of_response(self, item: Record, header: StatusAndHeaders, block: bytes, kind: str) -> Page | Rejection:
        if header.get_header("WARC-Segment-Number"):
            whole = segments.joined(self._file, item, header, block, MAX_PAYLOAD, parse_header)
            if isinstance(whole, str):
                return self._reject(item, _url(header), "segmented_record", None, whole)
            block = whole
        return self._of_block(item, header, block, kind)

    def _of_block(self, item: Record, header: StatusAndHeaders, block: bytes, kind: str) -> Page | Rejection:
        url, truncated = _url(header), (header.get_header("WARC-Truncated") or "").strip()[:40]
        size = item.size - (len(item.data) - len(block)) if item.size > len(item.data) else len(block)
        if size > MAX_PAYLOAD:
            return self._reject(item, url, "too_large", size, f"more than {MAX_PAYLOAD} bytes")
        if kind == "response":
            message = http_message.parse(block, is_truncated=bool(truncated))
        else:
            media_type, charset = http_message.content_type([header.get_header("Content-Type") or ""])
            message = Message(200, media_type, charset, block)
        if isinstance(message, Unusable):
            return self._reject(item, url, message.reason, message.value, message.evidence)
        date = _date(header.get_header("WARC-Date") or "")
        return self._page(item, url, date, message, is_text=kind == "conversion", truncated=truncated)

    def _of_arc(self, item: Record, size: int) -> Page | Rejection | None:
        header = arc.parse(item.data)
        assert header is not None, item.offset
        scheme = header.url.partition(":")[0].lower()
        if scheme not in ("http", "https"):
            self._skipped[scheme if scheme in ("filedesc", "dns") else "other"] += 1
            return None
        if item.size - size > MAX_PAYLOAD:
            return self._reject(item, header.url, "too_large", item.size - size, f"more than {MAX_PAYLOAD} bytes")
        message = http_message.parse(item.data[size:], is_truncated=False)
        if isinstance(message, Unusable):
            return self._reject(item, header.url, message.reason, message.value, message.evidence)
        return self._page(item, header.url, header.date, message, is_text=False, truncated="")

    def _page(
        self, item: Record, url: str, date: datetime.datetime | None, message: Message, *, is_text: bool, truncated: str
    ) -> Page:
        return Page(
            id=f"{storage.base_name(self._task.path)}@{self._base + item.offset}",
            url=url,
            date=date,
            warc=self._task.path,
            offset=self._base + item.offset,
            length=item.length,
            status=message.status,
            media_type=message.media_type,
            http_charset=message.charset,
            payload=message.payload,
            digest="sha1:" + base64.b32encode(hashlib.sha1(message.payload).digest()).decode(),
            is_text=is_text,
            truncated=truncated,
            headers=message.headers,
        )

    def _reject(
        self, item: Record | Damage, url: str, reason: str, value: float | None, evidence: str | None
    ) -> Rejection:
        return Rejection(
            id=f"{storage.base_name(self._task.path)}@{self._base + item.offset}",
            url=url,
            warc=self._task.path,
            offset=self._base + item.offset,
            length=item.length,
            step="read",
            reason=reason,
            value=value,
            evidence=evidence,
        )


def parse_header(header: bytes) -> StatusAndHeaders:
    """The fields of a WARC header; none where there are none."""
    try:
        return _HEADERS.parse(io.BytesIO(header))
    except (StatusAndHeadersParserException, EOFError):
        return StatusAndHeaders("", [])


def _url(header: StatusAndHeaders) -> str:
    return (header.get_header("WARC-Target-URI") or "").strip().strip("<>")


def _is_page(header: StatusAndHeaders) -> bool:
    """Whether a resource record, which has no HTTP header, holds a web page: some crawlers write them so."""
    media_type, _ = http_message.content_type([header.get_header("Content-Type") or ""])
    return media_type in response.HTML and _url(header).lower().startswith(("http://", "https://"))


def _date(text: str) -> datetime.datetime | None:
    """A WARC-Date as UTC to the millisecond, or None where it is none."""
    with contextlib.suppress(ValueError, OverflowError):  # overflow: a year that another time zone puts out of range
        date = datetime.datetime.fromisoformat(text.strip())
        date = date.replace(tzinfo=datetime.UTC) if date.tzinfo is None else date.astimezone(datetime.UTC)
        return date.replace(microsecond=date.microsecond // 1000 * 1000)
    return None
