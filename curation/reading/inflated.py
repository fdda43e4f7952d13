"""The text of one compressed member, and of those after it that a record goes on in."""

from collections.abc import Iterator
from typing import BinaryIO

from curation.reading import codecs, record_header
from curation.reading.window import Window

_FIRST_CHUNK, _CHUNK = 1 << 12, 1 << 16  # bytes read from the archive at a time
_MAX_INFLATED = 1 << 30  # bytes of one member, beyond which it must have taken its share of the archive:
_MAX_RATIO = 1100  # times its size; gzip's own limit is 1032, and zstd has none
_MAX_REWINDS = 3  # of one member, which each inflate it anew; or more,
_MAX_REWOUND = 1 << 28  # as long as all of them inflate no more bytes than this


class Inflated:
    """The text of one member, and of the members after it as long as a record goes on in them."""

    is_plain = False

    def __init__(self, file: BinaryIO, position: int, codec: codecs.Codec) -> None:
        self._file, self._codec, self._first = file, codec, position
        self._rewinds = self._rewound = 0
        self.problem: tuple[str, str] | None = None
        self._open(position)

    def _open(self, position: int) -> None:
        self.member = self.end = position  # where the member starts that is being read, and where it ended
        self._position = position
        self._inflater: codecs.Inflater = self._codec.start()
        self._inflated = 0
        self._pieces: Iterator[bytes] = iter(())
        self._was_lent = False  # the line breaks that the next member has before its record, which may be of this one

    def read(self, *, beyond: bool) -> bytes:
        """The next inflated piece, of 1 MiB at most where the codec can be held to it."""
        while not (piece := self._piece()) and self._feed(beyond=beyond):
            pass
        return piece

    def starts_record(self, data: bytearray) -> bool:
        """Whether the member starts with a record, as far as its own first bytes tell, which are added to `data`."""
        while len(data) < 2 * record_header.LOOK:
            piece = self._piece()
            data += piece
            if not piece and (self.consumed >= self._codec.head or not self._feed(beyond=False)):
                break
        return record_header.starts(data[: 2 * record_header.LOOK].lstrip(b"\r\n"))

    def _piece(self) -> bytes:
        """The next piece of what was fed; empty where there is none, or a problem."""
        if self.problem is not None:
            return b""
        try:
            piece = next(self._pieces, b"")
        except codecs.Broken as error:
            self.problem = ("damaged_record", str(error))
            return b""
        self._inflated += len(piece)
        self._rewound += len(piece) if self._rewinds else 0
        if self._inflated > max(_MAX_INFLATED, _MAX_RATIO * (self._position - self.member)):
            self.problem = ("damaged_record", f"it inflates to more than {_MAX_RATIO} times its size")
            return b""
        return piece

    def _feed(self, *, beyond: bool) -> bool:
        """Goes on to the bytes that come next, in the next member too; False where there are none."""
        if self.problem is not None:
            return False
        if self._inflater.eof:
            self.end = self._position - len(self._inflater.unused)
            if not beyond or self._was_lent or not self._follows():
                return False
            following, head = Inflated(self._file, self.end, self._codec), bytearray()
            if following.starts_record(head):
                self._pieces, self._was_lent = iter([_blank(head)]), True
                return True
            self._open(self.end)
        self._file.seek(self._position)
        # At first a little, so that damage behind a record's first lines cannot hide that it is one.
        read = self._file.read(_CHUNK if self._position > self.member else _FIRST_CHUNK)
        self._position += len(read)
        if not read:
            evidence = f"the archive ends {self._position - self.member} bytes into this record"
            self.problem = ("truncated_record", evidence)
        self._pieces = self._inflater.feed(read)
        return True

    @property
    def consumed(self) -> int:
        """Bytes of the archive that what was read so far has taken."""
        return self._position - self._inflater.waiting - self._first

    def _follows(self) -> bool:
        """Whether another member comes next."""
        self._file.seek(self.end)
        return self._file.read(len(self._codec.magic)) == self._codec.magic

    def skip(self, size: int) -> int:
        """Nothing: what is compressed must be inflated to be passed over."""
        return 0

    def at(self, offset: int, size: int) -> None:
        """Nothing, for the same reason."""

    def left(self, offset: int) -> None:
        """Nothing, for the same reason."""

    def rewind(self, offset: int) -> bool:
        """Inflates the member anew, which may be done a few times only."""
        self._rewinds += 1
        if self._rewinds > _MAX_REWINDS and self._rewound > _MAX_REWOUND:
            return False
        self.problem = None
        self._open(self._first)
        window = Window(self)
        if not window.skip(offset):
            return False
        self._pieces = _chain(bytes(window.data), self._pieces)
        return True


def _blank(head: bytearray) -> bytes:
    return bytes(head[: len(head) - len(head.lstrip(b"\r\n"))])


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
