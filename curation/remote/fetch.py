"""http(s) input, politely: few requests at once, retries that wait, and never a byte fewer than the server promised."""

import dataclasses
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from curation.remote.patience import Patience as Patience
from curation.remote.patience import ask, persist, refusal
from curation.remote.patience import use as use
from curation.remote.transfer import NoPromise, Transfer
from curation.storage import StorageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 1 << 20  # bytes read ahead by `open_ranges`


@dataclasses.dataclass(frozen=True)
class Remote:
    """What a server says of an object: its size in bytes, and its etag, empty where it has none."""

    size: int
    etag: str


def look(url: str) -> Remote:
    """The size and etag of an object, without fetching it.

    Here and below: FileNotFoundError where there is none, PermissionError where the server keeps refusing it,
    StorageError where the request fails for good, and ValueError where `url` is none.
    """
    return persist(url, lambda: _look(url))


def read(url: str, start: int, stop: int) -> bytes:
    """The bytes [start, stop) of an object, all of them; StorageError where it does not reach as far."""
    return _read(Transfer(url, io.BytesIO(), start, stop))


def download(url: str, path: str) -> Remote:
    """Writes an object to a local file, as it lies on the server; the file is left half-written where this fails."""
    with open(path, "wb") as file:
        transfer = Transfer(url, file)
        try:
            transfer.run()
        except NoPromise:
            transfer.size = look(url).size
            try:
                transfer.run()
            except NoPromise:
                raise _no_size(url) from None
    assert transfer.done == transfer.size, (transfer.done, transfer.size)
    return Remote(transfer.size, transfer.etag)


def open_ranges(url: str) -> BinaryIO:
    """Opens an object for reading from any position, by requests for parts; StorageError where it changes meanwhile."""
    return cast(BinaryIO, io.BufferedReader(_Ranges(url, look(url)), _BUFFER))


def _look(url: str) -> Remote:
    with ask("HEAD", url, {}) as answer:
        if answer.status == 200 and answer.length is not None:
            return Remote(answer.length, answer.etag)
        if answer.status not in (200, 405, 501):
            raise refusal(url, answer)
    with ask("GET", url, {"Range": "bytes=0-0"}) as answer:
        if answer.status not in (200, 206, 416):
            raise refusal(url, answer)
        size = answer.length if answer.status == 200 else answer.total
        if size is None:
            raise _no_size(url)
        return Remote(size, answer.etag)


def _no_size(url: str) -> StorageError:
    return StorageError(
        f"{url}: the server does not say how large it is, so nobody could tell whether all of it came; "
        "download it by other means and give the local file"
    )


def _read(transfer: Transfer) -> bytes:
    assert transfer.stop is not None and 0 <= transfer.start <= transfer.stop, (transfer.start, transfer.stop)
    if transfer.start == transfer.stop:
        return b""
    transfer.run()
    transfer.sink.seek(0)
    piece = transfer.sink.read()
    assert len(piece) == transfer.stop - transfer.start, (len(piece), transfer.start, transfer.stop)
    return piece


class _Ranges(io.RawIOBase):
    """The file under the buffer of `open_ranges`."""

    def __init__(self, url: str, remote: Remote) -> None:
        self.name = url
        self._remote = remote
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._remote.size}[whence]
        if position < 0:
            raise ValueError(f"{self.name}: seek to {position}, expected 0 or more")
        self._position = position
        return position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        piece = self._next(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return self._next(self._remote.size)  # the inherited one makes a request for every 8 KiB

    def _next(self, size: int) -> bytes:
        start, stop = self._position, min(self._position + size, self._remote.size)
        if stop <= start:
            return b""
        size, etag = self._remote.size, self._remote.etag
        piece = _read(Transfer(self.name, io.BytesIO(), start, stop, size=size, etag=etag, pinned=True))
        self._position = stop
        return piece
