"""What a server sent to what it meant: transfer and content encodings undone, within a bound."""

import io
import zlib
from collections.abc import Callable

import brotli
from warcio.bufferedreaders import ChunkedDataReader

from curation.reading import codecs

_MAX_ENCODINGS = 5  # one upon the other; nobody has a reason for more than two


def decode(
    body: bytes, *, transfer_encoding: str, content_encoding: str, limit: int, is_truncated: bool = False
) -> bytes:
    """The payload of a response, at most `limit` + 1 bytes of it; ValueError where an encoding's data is broken.

    Headers lie: crawlers store bodies decoded and leave the headers as they were. So an encoding that is declared and
    not there is passed over; one that is there and breaks off is an error, since half a page is no page, unless the
    crawler says of itself that it cut the body.
    """
    if "chunked" in transfer_encoding.lower():
        body = ChunkedDataReader(io.BytesIO(body)).read(limit + 1)
    for name in content_encoding.lower().split(",")[: -_MAX_ENCODINGS - 1 : -1]:
        if decoder := _DECODERS.get(name.strip()):
            try:
                body = decoder(body, limit + 1)
            except _BrokenOff as error:
                if not is_truncated:
                    raise
                body = error.found
    return body[: limit + 1]


class _BrokenOff(ValueError):
    def __init__(self, found: bytes) -> None:
        super().__init__(f"compressed payload breaks off after {len(found)} bytes")
        self.found = found


def _gzip(body: bytes, size: int) -> bytes:
    return _inflate(body, size, 31) if body.startswith(b"\x1f\x8b") else body


def _deflate(body: bytes, size: int) -> bytes:
    """With a zlib header, as the standard says, or without, as some servers send it."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        try:
            zlib.decompressobj(window).decompress(body, 64)
        except zlib.error:
            continue
        return _inflate(body, size, window)
    return body


def _inflate(body: bytes, size: int, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        found = inflater.decompress(body, size)
        if not inflater.eof and len(found) < size:
            raise _BrokenOff(found)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return found


def _brotli(body: bytes, size: int) -> bytes:
    """Brotli has no magic, so bytes that are none of it from the start are taken for decoded already."""
    decoder = brotli.Decompressor()
    found, pending = [], body
    try:
        while size > 0 and not decoder.is_finished():
            piece = decoder.process(pending, output_buffer_limit=min(size, 1 << 20))
            if not piece and not pending:
                break
            found.append(piece)
            size, pending = size - len(piece), b""
    except brotli.error as error:
        if not found:
            return body
        raise ValueError(str(error)) from None
    if size > 0 and not decoder.is_finished():
        raise _BrokenOff(b"".join(found))
    return b"".join(found)


def _zstd(body: bytes, size: int) -> bytes:
    if not body.startswith(codecs.ZSTD.magic):
        return body
    inflater, found = codecs.ZSTD.start(), bytearray()
    try:
        for piece in inflater.feed(body):
            found += piece[: size - len(found)]
            if len(found) >= size:
                return bytes(found)
    except codecs.Broken as error:
        raise ValueError(str(error)) from None
    if not inflater.eof:
        raise _BrokenOff(bytes(found))
    return bytes(found)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
