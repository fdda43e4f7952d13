"""How the members of an archive may be compressed, each read in bounded pieces."""

import bz2
import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

import lz4.frame
import zstandard

_FIRST = 1 << 13  # bytes of the first piece: what lies before a damaged place must come out, to be told from noise
_PIECE = 1 << 20  # bytes of the others, at most
_ZSTD_INPUT = 1 << 8  # bytes given to zstd at once, which knows no limit: 128 KiB can come of four of them
_ZSTD_WINDOW = 1 << 27  # bytes; the zstd program's own limit
_ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"  # the first frame of an archive that has one
_SKIPPABLE = 0x184D2A50  # and the 15 numbers after it
_MAX_DICTIONARY = 16 << 20  # bytes


class Broken(Exception):
    """Compressed bytes that are none from here on."""


class Inflater(Protocol):
    """One member on its way out: `feed` it what lies in the archive until `eof`; `unused` is what lies behind it.

    `waiting` is how many of the bytes fed to it have not been looked at, as far as it knows.
    """

    @property
    def eof(self) -> bool: ...
    @property
    def unused(self) -> bytes: ...
    @property
    def waiting(self) -> int: ...
    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes hold, in pieces of bounded size; Broken after the last good one."""


@dataclasses.dataclass(frozen=True)
class Codec:
    """A compression: how its members start, and how one is read."""

    name: str
    magic: bytes
    start: Callable[[], Inflater]
    head: int  # bytes of a member that are enough to inflate its first lines: all but gzip give whole blocks only
    is_checked: bool  # whether a checksum ends each member, so that one that was read to its end is all there


def of_archive(file: BinaryIO) -> Codec | None:
    """The compression that an archive starts with, or None; a zstd dictionary at its start is taken along.

    The dictionary frame is https://iipc.github.io/warc-specifications/specifications/warc-zstd/.
    """
    file.seek(0)
    head = file.read(8)
    if head.startswith(_ZSTD_DICTIONARY):
        return _with_dictionary(file.read(min(int.from_bytes(head[4:], "little"), _MAX_DICTIONARY)))
    if skippable(head):
        return ZSTD
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def skippable(head: bytes) -> int:
    """The size of the frame without content that zstd archives may hold here; 0 where there is none."""
    if len(head) < 8 or int.from_bytes(head[:4], "little") & ~0xF != _SKIPPABLE:
        return 0
    return 8 + int.from_bytes(head[4:8], "little")


class _Zlib:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused(self) -> bytes:
        return self._inflater.unused_data

    @property
    def waiting(self) -> int:
        return len(self.unused if self.eof else self._inflater.unconsumed_tail)

    def feed(self, data: bytes) -> Iterator[bytes]:
        limit, following = _FIRST, _PIECE
        while data and not self._inflater.eof:
            before = self._inflater.copy()
            try:
                piece = self._inflater.decompress(data, limit)
            except zlib.error as error:
                if limit == 1:
                    raise Broken(str(error)) from None
                self._inflater = before  # and on in ever smaller steps, up to the very byte
                limit = following = max(limit // 16, 1)
                continue
            data, limit = self._inflater.unconsumed_tail, following
            if piece:
                yield piece


class _Stepwise:
    """bz2 and lz4, whose inflaters are alike."""

    def __init__(self, inflater: Any) -> None:
        self._inflater = inflater

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof)

    @property
    def unused(self) -> bytes:
        return self._inflater.unused_data or b""

    @property
    def waiting(self) -> int:
        return len(self.unused)

    def feed(self, data: bytes) -> Iterator[bytes]:
        limit = _FIRST
        while not self._inflater.eof and (data or not self._inflater.needs_input):
            try:
                piece = self._inflater.decompress(data, max_length=limit)
            except (OSError, RuntimeError, EOFError) as error:
                raise Broken(str(error)) from None
            data, limit = b"", _PIECE
            if piece:
                yield piece


class _Zstd:
    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None = None) -> None:
        self._inflater = zstandard.ZstdDecompressor(dictionary, max_window_size=_ZSTD_WINDOW).decompressobj()
        self._left = b""
        self._waiting = 0

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof)

    @property
    def unused(self) -> bytes:
        return self._inflater.unused_data + self._left

    @property
    def waiting(self) -> int:
        return self._waiting

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_INPUT):
            try:
                piece = self._inflater.decompress(data[at : at + _ZSTD_INPUT])
            except zstandard.ZstdError as error:
                raise Broken(str(error)) from None
            if self._inflater.eof:
                self._left = data[at + _ZSTD_INPUT :]
            self._waiting = len(self.unused) or max(len(data) - at - _ZSTD_INPUT, 0)
            if piece:
                yield piece
            if self._inflater.eof:
                return


def _bz2() -> Inflater:
    return _Stepwise(bz2.BZ2Decompressor())


def _lz4() -> Inflater:
    return _Stepwise(lz4.frame.LZ4FrameDecompressor())


def _with_dictionary(content: bytes) -> Codec:
    try:
        if content.startswith(ZSTD.magic):
            content = b"".join(_bounded(_Zstd().feed(content)))
        start = functools.partial(_Zstd, zstandard.ZstdCompressionDict(content))
        start()
    except (Broken, zstandard.ZstdError):
        start = functools.partial(_Zstd, None)  # the frames that need it will be damage
    return dataclasses.replace(ZSTD, start=start)


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _MAX_DICTIONARY:
            raise Broken("the dictionary is too large")
        yield piece


GZIP = Codec("gzip", b"\x1f\x8b\x08", _Zlib, head=1 << 12, is_checked=True)
ZSTD = Codec("zstd", b"\x28\xb5\x2f\xfd", _Zstd, head=3 << 17, is_checked=False)
BZIP2 = Codec("bzip2", b"BZh", _bz2, head=1 << 20, is_checked=True)
LZ4 = Codec("lz4", b"\x04\x22\x4d\x18", _lz4, head=9 << 20, is_checked=False)
CODECS = (GZIP, ZSTD, BZIP2, LZ4)
