"""The text of an archive to its records, one after another; bytes that are none are reported and passed over."""

import dataclasses
from collections.abc import Iterator

from curation.reading import record_header
from curation.reading.window import Window

_AFTER = 1 << 12  # bytes looked at behind a record
_SEARCH = 1 << 20  # bytes searched at a time for the next record
_PIECE = 1 << 16  # bytes searched at a time inside a record
_HASHED = 1 << 16  # bytes of the largest record whose digest counts although another seems to start in it


@dataclasses.dataclass(frozen=True)
class Record:
    """One record as it lies in the archive, inflated where it is compressed."""

    offset: int  # bytes; see `members.read`
    length: int  # bytes
    data: bytes  # header and block, cut after `max_bytes`
    size: int  # bytes it has in truth


@dataclasses.dataclass(frozen=True)
class Damage:
    """Bytes of an archive that are no intact record."""

    offset: int
    length: int  # bytes passed over until the next record
    reason: str  # damaged_record, truncated_record, or not_a_record where not even a header is left
    evidence: str
    header: bytes = b""  # the record's, where it can be read


def split(window: Window, max_bytes: int) -> Iterator[Record | Damage]:
    """The records from here on, with their places in the text."""
    while True:
        _skip_blank(window)
        if not window.data:
            return
        offset = window.start
        head = _first_line(window, 0)
        if record_header.starts(head):
            found = _record(window, max_bytes)
        else:
            found = Damage(offset, 0, "not_a_record", repr(head[:40]))
        if isinstance(found, Damage):
            window.skip(1)
            find_start(window)
        else:
            _skip_blank(window)
        yield dataclasses.replace(found, length=window.start - offset)


def _skip_blank(window: Window) -> None:
    while window.fill(1, beyond=False):
        head = window.peek(0, min(len(window.data), _AFTER))
        rest = head.lstrip(b"\r\n")
        window.drop(len(head) - len(rest))
        if rest:
            return


def _first_line(window: Window, at: int) -> bytes:
    """What settles whether a record starts `at` bytes ahead, also where a member ends within its first line."""
    head = window.peek(at, record_header.LOOK)
    while b"\n" not in head and len(head) < record_header.LOOK and not window.source.is_plain:
        if not window.fill(at + len(head) + 1):
            break
        head = bytes(window.data[at : at + record_header.LOOK])
    return head


def _record(window: Window, max_bytes: int) -> Record | Damage:
    """The record that starts here, moved past where it is intact, and not where it is not."""
    offset = window.start
    size, seen = record_header.size(window.data), len(window.data)
    while size is None and seen < record_header.MAX_HEADER and window.fill(seen + 1):
        size, seen = record_header.size(window.data, seen), len(window.data)
    if size is None:
        found = min(seen, record_header.MAX_HEADER)
        return _damage(window, offset, f"no end of the record's header within {found} bytes", b"")
    header = bytes(window.data[:size])
    block = record_header.content_length(header)
    if block is None:
        return _damage(window, offset, "the record's header has no Content-Length", header)

    whole = size + block
    if whole > max_bytes and not window.source.is_plain:
        return _large(window, header, whole, max_bytes)
    if (found := window.available(whole)) < whole:
        return _short(window, offset, header, found - size)
    if not _is_followed(window, whole, header, is_whole_kept=whole <= max_bytes):
        return _damage(window, offset, f"no record follows after its Content-Length of {block}", header)
    return _taken(window, whole, max_bytes)


def _taken(window: Window, whole: int, max_bytes: int) -> Record:
    offset, kept = window.start, min(whole, max_bytes)
    window.fill(kept)
    with memoryview(window.data) as view:
        data = bytes(view[:kept])
    window.skip(whole)
    return Record(offset, 0, data, whole)


def _large(window: Window, header: bytes, whole: int, max_bytes: int) -> Record | Damage:
    """A record of which too much is compressed to keep it while it is seen whether another follows."""
    offset, size = window.start, len(header)
    window.fill(max_bytes)
    data = bytes(window.data[:max_bytes])
    if not window.skip(whole):
        found = _short(window, offset, header, window.start - offset - size)
    elif not _is_followed(window, 0, header, is_whole_kept=False):
        found = _damage(window, offset, f"no record follows after its Content-Length of {whole - size}", header)
    else:
        return Record(offset, 0, data, whole)
    return (
        found if window.rewind(offset) else dataclasses.replace(found, evidence=f"{found.evidence}; the rest is lost")
    )


def _is_followed(window: Window, at: int, header: bytes, *, is_whole_kept: bool) -> bool:
    """Whether what follows at `at` lets the record before be whole: the end, a record, or its own line breaks.

    Line breaks before something else say little, since text is full of them: the record's digest then decides. Where it
    has none, it is taken for whole in plain archives only, where nothing else shows that garbage was put between, and
    only if it has not run over the start of the next one. One that is too large to be kept is never: the records that a
    wrong length takes in would be lost with it.
    """
    after = window.peek(at, _AFTER)
    rest = after.lstrip(b"\r\n")
    if not rest:
        return window.source.problem is None
    behind = at + len(after) - len(rest)
    if record_header.starts(_first_line(window, behind)):
        # Where it could not be found from another place, it must not be found from here.
        return not window.source.is_plain or record_header.find(window.peek(behind - 1, record_header.LOOK + 1), 2) == 1
    ending = b"\n" if not record_header.is_warc(header) else b"\r\n\r\n" if b"\r\n" in header else b"\n\n"
    if not after.startswith(ending):
        return False
    return is_whole_kept and window.fill(at) and _is_whole(window, at, header)


def _is_whole(window: Window, at: int, header: bytes) -> bool:
    """Whether a record that ends `at` bytes ahead with line breaks, but before something else, is whole.

    A large one that has run over another start is not, and is not hashed: each of many such may be as large as the
    archive.
    """
    is_run_over = _holds_start(window, len(header), at)
    if is_run_over and at > _HASHED:
        return False
    is_intact = record_header.has_digest(header, bytes(window.data[len(header) : at]))
    if window.source.is_plain:
        return not is_run_over if is_intact is None else is_intact
    window.fill(at + _SEARCH, beyond=False)  # if its member is damaged, these may be the bytes of another one
    return is_intact is True and window.source.problem is None


def _holds_start(window: Window, at: int, stop: int) -> bool:
    """Whether a record seems to start there, looked for in small pieces, since it mostly is near."""
    for first in range(at, stop, _PIECE - 1):  # a line break that ends one piece starts the next
        piece = bytes(window.data[first : first + _PIECE + record_header.LOOK])
        if record_header.find(piece, min(_PIECE, stop - first)) is not None:
            return True
    return False


def _damage(window: Window, offset: int, evidence: str, header: bytes) -> Damage:
    reason, evidence = window.source.problem or ("damaged_record", evidence)
    return Damage(offset, 0, reason, evidence, header)


def _short(window: Window, offset: int, header: bytes, found: int) -> Damage:
    expected = record_header.content_length(header)
    evidence = f"the archive ends {found} bytes into a Content-Length of {expected}"
    reason, evidence = window.source.problem or ("truncated_record", evidence)
    return Damage(offset, 0, reason, evidence, header)


def find_start(window: Window, stop: int | None = None) -> None:
    """Moves on to where a record seems to start, or to the end, or past `stop`."""
    while window.fill(1, beyond=False) and (stop is None or window.start < stop):
        is_end = not window.fill(_SEARCH, beyond=False)
        safe = len(window.data) if is_end else _SEARCH - record_header.LOOK
        found = record_header.find(window.data, safe)
        if found is not None:
            window.drop(found)
            return
        window.drop(safe if is_end else safe - 1)  # the line break before the next place to look stays
