"""Record headers of ARC, the format of crawls before WARC (http://archive.org/web/researcher/ArcFileFormat.php)."""

import dataclasses
import datetime
import re

MAX_LINE = 1 << 13  # bytes
_LINE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\r\n]*")


@dataclasses.dataclass(frozen=True)
class ArcHeader:
    """One line before a record: URL IP-address Archive-date Content-type Archive-length."""

    url: str
    date: datetime.datetime | None  # of the capture, UTC
    media_type: str
    length: int  # bytes of the block


def parse(head: bytes) -> ArcHeader | None:
    """The header in the first line of these bytes, or None where that is none.

    Version 2 has five more fields between type and length; the fields are found by the date, since URLs hold spaces.
    """
    line, newline, _ = head[:MAX_LINE].partition(b"\n")
    if not newline or not _LINE.match(line):
        return None
    fields = line.rstrip(b"\r ").decode("utf-8", "replace").split(" ")
    length = int(fields[-1]) if fields[-1].isdecimal() and fields[-1].isascii() and len(fields[-1]) < 19 else None
    if length is None:
        return None
    if line.startswith(b"filedesc:"):
        return ArcHeader(fields[0], None, "text/plain", length)
    for place in range(len(fields) - 2, 1, -1):
        if re.fullmatch(r"[0-9]{12,18}", fields[place]):
            media_type = fields[place + 1] if place + 1 < len(fields) - 1 else ""
            return ArcHeader(" ".join(fields[: place - 1]), _date(fields[place]), media_type.lower(), length)
    return None


def _date(digits: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
