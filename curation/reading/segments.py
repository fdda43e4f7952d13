"""Records that a crawler cut into segments (WARC 1.1, section 7), put together where these follow one another."""

from collections.abc import Callable
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders

from curation.reading import members, record_header
from curation.reading.records import Record


def joined(
    file: BinaryIO,
    first: Record,
    header: StatusAndHeaders,
    block: bytes,
    limit: int,
    parse_header: Callable[[bytes], StatusAndHeaders],
) -> bytes | str:
    """The block of a record whose first segment this is, of at most about `limit` bytes, or what is wrong with it.

    The continuation records stay records of their own, counted by their type, in whichever task they start.
    """
    number, origin = (header.get_header("WARC-Segment-Number") or "").strip(), header.get_header("WARC-Record-ID")
    if number != "1":
        return f"segment {number[:20]} of a record, where the first is expected"
    if not first.length or not origin:
        return "segments cannot be followed in records that share a compressed member, or have no WARC-Record-ID"
    parts, position, found = [block], first.offset + first.length, len(block)
    for following in members.behind(file, position, max_bytes=limit):
        if not isinstance(following, Record) or following.offset != position or found > limit:
            break
        size = record_header.size(following.data) or 0
        fields = parse_header(following.data[:size])
        expected = (origin, str(len(parts) + 1))
        if (fields.get_header("WARC-Segment-Origin-ID"), fields.get_header("WARC-Segment-Number")) != expected:
            break
        parts.append(following.data[size:])
        found += len(parts[-1])
        position = following.offset + following.length
        if total := fields.get_header("WARC-Segment-Total-Length"):
            whole = b"".join(parts)
            if total.strip() != str(len(whole)):
                return f"its {len(parts)} segments have {len(whole)} bytes; the last one says {total.strip()[:20]}"
            return whole
    return f"segment {len(parts) + 1} does not follow in this archive"
