"""The bytes of an object on their way to a file, over as many requests as it takes, all of the same object."""

import dataclasses
from typing import BinaryIO, NoReturn

from curation.remote.http_request import Answer, Setback
from curation.remote.patience import ask, persist, refusal
from curation.storage import StorageError

_PIECE = 1 << 18  # bytes read at a time
_MAX_SKIP = 1 << 26  # bytes passed over where a server sends the whole for a part


class NoPromise(Exception):
    """The server does not say how large the object is that it sends, so a broken transfer would not be noticed."""


@dataclasses.dataclass
class Transfer:
    """The bytes [start, stop) of an object, and how many of them are in `sink` already."""

    url: str
    sink: BinaryIO  # seekable, empty
    start: int = 0
    stop: int | None = None  # None: the end of the object
    size: int | None = None  # of the object in bytes, once a server has promised it
    etag: str = ""
    validator: str = ""  # what must still be true on the server for it to go on in the middle
    pinned: bool = False  # to `size` and `etag`: a change is an error
    done: int = 0

    def run(self) -> None:
        """Fetches until every byte is there; the errors are those of `fetch`, and NoPromise."""
        persist(self.url, self._request, progress=lambda: self.done)

    def _request(self) -> None:
        if not self.validator:
            self._start_anew()  # what comes next might be of another object
        position = self.start + self.done
        headers = {}
        if self.stop is None:
            headers["Connection"] = "close"  # its end then shows whether more came than was promised
        if self.stop is not None or position:
            headers["Range"] = f"bytes={position}-{'' if self.stop is None else self.stop - 1}"
            if self.validator:
                headers["If-Range"] = self.validator
        with ask("GET", self.url, headers) as answer:
            if answer.status == 200:
                self._take_whole(answer)
            elif answer.status == 206:
                self._take_part(answer, position)
            elif answer.status == 416 and (self.stop is None or self.pinned):
                self._forget(f"the server has nothing from byte {position} on, where it promised {self.size} bytes")
            elif answer.status == 416:
                self.size = answer.total
                raise self._out_of_reach()
            else:
                raise refusal(self.url, answer)

    def _take_whole(self, answer: Answer) -> None:
        if self.pinned:
            self._compare(answer.length, answer.etag)
        elif answer.length is not None or answer.etag != self.etag:
            self.size = answer.length
        self._start_anew()
        self.etag, self.validator = answer.etag, answer.validator
        stop = self._reach()
        if self.start > _MAX_SKIP:
            raise StorageError(
                f"{self.url}: the server sends the whole file where a part from byte {self.start} on is asked for; "
                "download it and give the local file"
            )
        self._take(answer, self.start, stop)
        if self.stop is None:
            self._expect_end(answer)

    def _take_part(self, answer: Answer, position: int) -> None:
        if answer.first != position or answer.last is None:
            raise Setback(f"the server answered {answer.content_range!r} where bytes from {position} on are asked for")
        self._compare(answer.total, answer.etag)
        self.size = answer.total if self.size is None else self.size
        self.etag, self.validator = answer.etag or self.etag, answer.validator or self.validator
        stop = self._reach()
        self._take(answer, 0, min(stop, answer.last + 1) - position)
        if answer.last < stop:
            self._expect_end(answer)
        if answer.last + 1 < stop:
            raise Setback(f"the server sent bytes {position} to {answer.last} of those up to {stop - 1}")

    def _take(self, answer: Answer, skip: int, stop: int) -> None:
        """Writes the bytes [skip, stop) of the answer's body."""
        got = 0
        while got < stop:
            try:
                piece, reason = answer.read(min(_PIECE, stop - got)), "closed by the server"
            except Setback as setback:
                piece, reason = b"", str(setback)
            if not piece:
                wanted = self._reach() - self.start
                raise Setback(f"the connection broke after {self.done} of {wanted} bytes ({reason})")
            self.done += self.sink.write(piece[max(skip - got, 0) :])
            got += len(piece)

    def _expect_end(self, answer: Answer) -> None:
        try:
            surplus = answer.read(1)
        except Setback:
            return  # whatever broke now, the bytes that were promised are here
        if surplus:
            self._start_anew()
            raise Setback("the server sent more bytes than it promised")

    def _compare(self, size: int | None, etag: str) -> None:
        """Raises where an answer is of another object than those before it."""
        sizes, etags = {size, self.size} - {None}, {etag.removeprefix("W/"), self.etag.removeprefix("W/")} - {""}
        if len(sizes) == 2 or len(etags) == 2:
            self._forget("the size or etag that the server gives changed during the transfer")

    def _forget(self, what: str) -> NoReturn:
        if self.pinned:
            raise StorageError(f"{self.url}: it changed while it was being read; start again")
        self._start_anew()
        self.size, self.etag, self.validator = None, "", ""
        raise Setback(what)

    def _start_anew(self) -> None:
        self.sink.seek(0)
        self.sink.truncate()
        self.done = 0

    def _reach(self) -> int:
        """Where the transfer ends; raises where the object does not reach as far or nobody said how far it does."""
        if self.stop is None:
            if self.size is None:
                raise NoPromise
            return self.size
        if self.size is not None and self.size < self.stop:
            raise self._out_of_reach()
        return self.stop

    def _out_of_reach(self) -> StorageError:
        size = "fewer" if self.size is None else self.size
        return StorageError(
            f"{self.url}: bytes {self.start} to {self.stop} are asked for and it has {size}; "
            "check that the offsets are of this file"
        )
