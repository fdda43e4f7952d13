"""The records of an archive, and the one at an offset."""

from collections.abc import Iterator
from typing import BinaryIO

from curation import warc
from curation.reading import members
from curation.reading.records import Damage, Record

_LOOK_BACK = 1 << 20  # bytes before an offset from which its record is looked for first


class NoRecord(ValueError):
    """No record starts at an offset: the message says which are the nearest, and no flag."""


def items(file: BinaryIO, start: int, stop: int) -> Iterator[Record | Damage]:
    """The records that start inside [start, stop), and the damage, as a run reads them."""
    return members.read(file, start, stop, max_bytes=warc.MAX_RECORD)


def find(file: BinaryIO, path: str, offset: int) -> Record | Damage:
    """What starts at an offset; first as where records have members of their own, then from ever further before it.

    NoRecord where nothing does.
    """
    end = file.seek(0, 2)
    for back in (0, _LOOK_BACK, offset):
        before = after = None
        for item in items(file, max(offset - back, 0), end):
            if item.offset == offset:
                return item
            if item.offset > offset:
                after = item.offset
                break
            before = item.offset
        if before is not None:
            break
    nearest = [f"at {at} {where} it" for at, where in ((before, "before"), (after, "after")) if at is not None]
    raise NoRecord(
        f"no record starts there in {path}, which has {end} bytes; the nearest start {' and '.join(nearest)}"
    )
