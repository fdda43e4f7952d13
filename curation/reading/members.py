"""Finds the records of an archive one by one, inside a byte range, and carries on after damage.

gzip archives of crawls hold one member per record, so a record can be found from any byte: scan for the gzip magic and
inflate until the text says it is a WARC record. Readers that follow the stream instead lose the rest of a file at the
first damaged member (measured with warcio 1.8.1: 149 of 250 records, without an exception).
"""

import dataclasses
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b\x08"
_CHUNK = 1 << 16  # bytes read at a time
_SCAN = 1 << 20  # bytes searched at a time for the next record
PROBE = 1 << 12  # compressed bytes inflated to see whether a gzip magic is a record's
_MAX_INFLATED = 1 << 30  # bytes; a member that inflates to more is damage, not a record
_MAX_HEADER = 1 << 18  # bytes of one WARC header
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_RECORD_START = re.compile(rb"\n(?=WARC/\d\.\d)")


@dataclasses.dataclass(frozen=True)
class Member:
    """The bytes of one record as they lie in the archive, inflated where it is compressed."""

    offset: int  # bytes from the start of the archive
    length: int  # bytes in the archive
    data: bytes  # at most `max_bytes`
    size: int  # bytes it has in truth; more than len(data) where it was cut


@dataclasses.dataclass(frozen=True)
class Damage:
    """Bytes of an archive that are no intact record."""

    offset: int
    length: int  # bytes passed over until the next record
    reason: str
    evidence: str


def is_gzip(file: BinaryIO) -> bool:
    """Whether the archive starts with a gzip member."""
    file.seek(0)
    return file.read(3) == GZIP_MAGIC


def header_size(data: bytes) -> int:
    """Bytes of a record's WARC header, its blank line included; len(data) where it has no end."""
    ends = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := data.find(mark)) != -1]
    return min(ends, default=len(data))


def content_length(data: bytes) -> int | None:
    """The length of a record's block as its WARC header says, or None where it does not."""
    found = _LENGTH.search(data[: header_size(data)])
    return int(found[1]) if found else None


def read(file: BinaryIO, start: int, stop: int, *, max_bytes: int) -> Iterator[Member | Damage]:
    """The members that start inside [start, stop), in order, and what lies between them that is none.

    Ranges that meet give every member exactly once, whichever way the file is cut, and all damage once: bytes that are
    no record belong to the record before them, so a range reads on past its end until the next record. `max_bytes`
    bounds what is kept of one member's inflated bytes. One thing cannot be told: where a range starts inside a page
    that itself holds an archive, the records of that look like the crawl's.
    """
    find, take, is_start = _GZIP if is_gzip(file) else _PLAIN
    position = find(file, start) if start else _after_blank(file, 0)
    while position is not None and (position < stop or (position > start and not is_start(file, position))):
        found = take(file, position, max_bytes)
        if isinstance(found, Damage):
            following = find(file, position + 1)
            end = file.seek(0, 2) if following is None else following
            found = dataclasses.replace(found, length=end - position)
        if found.length == 0:
            return  # the end of the file
        yield found
        position = found.offset + found.length


def _after_blank(file: BinaryIO, position: int) -> int:
    """The first offset from `position` on that holds no line break; the end of the file where there is none."""
    file.seek(position)
    while window := file.read(_CHUNK):
        rest = window.lstrip(b"\r\n")
        if rest:
            return position + len(window) - len(rest)
        position += len(window)
    return position


def _find_gzip(file: BinaryIO, position: int) -> int | None:
    """The first offset from `position` on where a gzip member holds a WARC record."""
    while True:
        file.seek(position)
        window = file.read(_SCAN)
        at = window.find(GZIP_MAGIC)
        while at != -1:
            head = window[at : at + PROBE]
            if len(head) < PROBE:
                file.seek(position + at)
                head = file.read(PROBE)
            if holds_record(head):
                return position + at
            at = window.find(GZIP_MAGIC, at + 1)
        if len(window) < _SCAN:
            return None
        position += len(window) - len(GZIP_MAGIC) + 1


def holds_record(head: bytes) -> bool:
    """Whether these first bytes of a gzip member inflate to the start of a WARC record."""
    try:
        return zlib.decompressobj(31).decompress(head, 64).lstrip(b"\r\n").startswith(b"WARC/")
    except zlib.error:
        return False


def _starts_gzip(file: BinaryIO, offset: int) -> bool:
    """Whether a record starts at `offset`, or the archive ends there."""
    file.seek(offset)
    head = file.read(PROBE)
    return not head or (head.startswith(GZIP_MAGIC) and holds_record(head))


def _take_gzip(file: BinaryIO, offset: int, max_bytes: int) -> Member | Damage:
    inflater = zlib.decompressobj(31)
    pieces: list[bytes] = []
    size = consumed = 0
    file.seek(offset)
    pending = b""
    while not inflater.eof:
        if not pending:
            pending = file.read(_CHUNK)
            if not pending:
                if consumed == 0:
                    return Member(offset, 0, b"", 0)
                return Damage(offset, 0, "truncated_record", f"the archive ends {consumed} bytes into this record")
            consumed += len(pending)
        try:
            piece = inflater.decompress(pending, _SCAN)
        except zlib.error as error:
            return Damage(offset, 0, "damaged_record", str(error))
        pending = inflater.unconsumed_tail
        if size < max_bytes:
            pieces.append(piece[: max_bytes - size])
        size += len(piece)
        if size > _MAX_INFLATED:
            return Damage(offset, 0, "damaged_record", f"one gzip member inflates to more than {_MAX_INFLATED} bytes")
    return Member(offset, consumed - len(inflater.unused_data), b"".join(pieces), size)


def _find_plain(file: BinaryIO, position: int) -> int | None:
    """The first offset from `position` on where a line starts like a WARC record."""
    least = position
    position = max(position - 2, 0)  # a record may start right here, after its line break
    while True:
        file.seek(position)
        window = file.read(_SCAN)
        for match in _RECORD_START.finditer(window):
            if position + match.end() >= least:
                return position + match.end()
        if len(window) < _SCAN:
            return None
        position += len(window) - 16


def _starts_plain(file: BinaryIO, offset: int) -> bool:
    """Whether a record starts at `offset`, or the archive ends there."""
    file.seek(offset)
    head = file.read(5)
    return not head or head == b"WARC/"


def _take_plain(file: BinaryIO, offset: int, max_bytes: int) -> Member | Damage:
    file.seek(offset)
    head = file.read(_CHUNK)
    if not head:
        return Member(offset, 0, b"", 0)
    if not head.startswith(b"WARC/"):
        return Damage(offset, 0, "not_a_record", repr(head[:40]))
    if header_size(head) == len(head) == _CHUNK:
        head += file.read(_MAX_HEADER - _CHUNK)
    header = head[: header_size(head)]
    if not header.endswith(b"\n"):
        return Damage(offset, 0, "damaged_record", f"no end of the WARC header within {len(head)} bytes")

    length = content_length(header)
    if length is None:
        return Damage(offset, 0, "damaged_record", "the WARC header has no Content-Length")
    size = len(header) + length
    at_end = file.seek(0, 2)
    if at_end < offset + size:
        return Damage(
            offset, 0, "truncated_record", f"the archive ends {at_end - offset} bytes into {size} of this record"
        )
    end = _after_blank(file, offset + size)
    if not _starts_plain(file, end):
        evidence = f"no record follows after its Content-Length of {length}"
        return Damage(offset, 0, "damaged_record", evidence)
    file.seek(offset)
    return Member(offset, end - offset, file.read(min(size, max_bytes)), size)


_GZIP = (_find_gzip, _take_gzip, _starts_gzip)
_PLAIN = (_find_plain, _take_plain, _starts_plain)
