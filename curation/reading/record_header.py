"""The first bytes of a record, WARC or ARC: is this one, how long are its header and its block."""

import base64
import hashlib
import re

from curation.reading import arc

LOOK = arc.MAX_LINE  # bytes that settle whether a record starts
MAX_HEADER = 1 << 18  # bytes
_INLINE = rb"WARC/\d\.\d{1,2}\r?\n(?i:WARC|Content)-"  # a start where no line break was put behind the record before
# Another start before the blank line shows that the first has lost its header's end; and it keeps the search short.
_HEADER_END = re.compile(rb"\n\r{0,2}\n|\nWARC/\d|" + _INLINE)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,18})[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_DIGEST = re.compile(rb"^warc-block-digest[ \t]*:[ \t]*sha-?1:([A-Z2-7]{32})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_WARC = re.compile(rb"WARC/\d")
_CANDIDATE = re.compile(rb"\n(?=WARC/\d|[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\n]{1,8192}\d[\r ]*\n)|(?:" + _INLINE + rb")")


def starts(head: bytes | bytearray) -> bool:
    """Whether a record starts with these bytes, of which there should be LOOK."""
    return _WARC.match(head) is not None or arc.parse(bytes(head[:LOOK])) is not None


def find(data: bytes | bytearray, stop: int) -> int | None:
    """Where, below `stop`, a record seems to start; LOOK bytes behind it are needed, or the end of the text."""
    at = 0
    while found := _CANDIDATE.search(data, at, stop + LOOK):
        place = found.start() + (found[0] == b"\n")
        if place >= stop:
            return None
        if starts(data[place : place + LOOK]):
            return place
        at = found.end()
    return None


def is_warc(head: bytes | bytearray) -> bool:
    """Whether what starts here is a record of WARC and not of ARC."""
    return head.startswith(b"WARC/")


def size(data: bytes | bytearray, seen: int = 0) -> int | None:
    """Bytes of a record's header, its blank line included; None where it does not end within `data`.

    `seen` says that it did not within so many bytes.
    """
    if not is_warc(data):
        end = data.find(b"\n")
        return end + 1 if end != -1 else None
    found = _HEADER_END.search(data, max(seen - 24, 1), MAX_HEADER)
    return found.end() if found and found[0].endswith(b"\n") else None


def content_length(header: bytes | bytearray) -> int | None:
    """Bytes of the record's block as its header says, or None where it does not."""
    if not is_warc(header):
        line = arc.parse(bytes(header))
        return line.length if line else None
    found = _LENGTH.search(header)
    return int(found[1]) if found else None


def has_digest(header: bytes, block: bytes) -> bool | None:
    """Whether the block has the digest that its header states, or None where it states none that is known."""
    found = _DIGEST.search(header)
    return base64.b32decode(found[1].upper()) == hashlib.sha1(block).digest() if found else None
