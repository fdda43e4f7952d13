"""A forward look at the text of an archive, plain or inflated, with no more of it in memory than was asked for."""

from typing import BinaryIO, Protocol

_CHUNK = 1 << 16  # bytes read from the archive at a time
_SKIP = 1 << 20  # bytes passed over at a time


class Source(Protocol):
    """Where a window's bytes come from."""

    is_plain: bool
    problem: tuple[str, str] | None  # reason and evidence, once the bytes have ended before their time

    def read(self, *, beyond: bool) -> bytes:
        """The next piece; empty at the end. `beyond` goes on into a member that only continues this one."""

    def skip(self, size: int) -> int:
        """Passes over up to `size` bytes without giving them, where that is cheap; how many."""

    def at(self, offset: int, size: int) -> bytes | None:
        """Up to `size` bytes at an offset of the text, or None where what lies before must be read first."""

    def left(self, offset: int) -> int | None:
        """How many bytes the text has from an offset on, or None where that is not known before they are read."""

    def rewind(self, offset: int) -> bool:
        """Goes back to an offset of the text; False where that cannot be had."""


class Window:
    """The bytes of a source from `start` on, as far as they have been asked for."""

    def __init__(self, source: Source, start: int = 0) -> None:
        self.source = source
        self.start = start  # offset of the text where `data` begins
        self.data = bytearray()

    def fill(self, size: int, *, beyond: bool = True) -> bool:
        """Looks ahead until `data` has `size` bytes; False where the text ends before."""
        while len(self.data) < size:
            piece = self.source.read(beyond=beyond)
            if not piece:
                return False
            self.data += piece
        return True

    def peek(self, at: int, size: int) -> bytes:
        """Up to `size` bytes that lie `at` bytes ahead, in the same member."""
        if at > len(self.data) and (direct := self.source.at(self.start + at, size)) is not None:
            return direct
        self.fill(at + size, beyond=False)
        return bytes(self.data[at : at + size])

    def available(self, size: int) -> int:
        """How many of the next `size` bytes there are."""
        if size <= len(self.data):
            return size
        left = self.source.left(self.start)
        if left is None:
            self.fill(size)
            left = len(self.data)
        return min(size, left)

    def drop(self, size: int) -> None:
        """Moves on by bytes that have been looked at."""
        assert size <= len(self.data), (size, len(self.data))
        del self.data[:size]
        self.start += size

    def skip(self, size: int) -> bool:
        """Moves on by bytes that need not be seen; False where the text ends before."""
        while size:
            if not self.data and (passed := self.source.skip(size)):
                self.start += passed
                size -= passed
            elif not self.fill(1):
                return False
            else:
                step = min(size, len(self.data), _SKIP)
                self.drop(step)
                size -= step
        return True

    def rewind(self, offset: int) -> bool:
        """Goes back to an offset of the text; False where that cannot be had."""
        if not self.source.rewind(offset):
            return False
        self.start, self.data = offset, bytearray()
        return True


class Plain:
    """The text of an archive that is not compressed."""

    is_plain = True
    problem: tuple[str, str] | None = None

    def __init__(self, file: BinaryIO, position: int) -> None:
        self._file = file
        self._position = position
        self._size = file.seek(0, 2)

    def read(self, *, beyond: bool) -> bytes:
        """The next piece of the file."""
        self._file.seek(self._position)
        piece = self._file.read(_CHUNK)
        self._position += len(piece)
        return piece

    def skip(self, size: int) -> int:
        """Moves on within the file."""
        size = min(size, self._size - self._position)
        self._position += size
        return size

    def at(self, offset: int, size: int) -> bytes:
        """What lies there in the file."""
        self._file.seek(offset)
        return self._file.read(size)

    def left(self, offset: int) -> int:
        """What the file has from there on."""
        return self._size - offset

    def rewind(self, offset: int) -> bool:
        """Moves within the file."""
        self._position = offset
        return True
