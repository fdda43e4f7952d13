"""Connections to a server that is not trusted: they end where it answers too slowly, or without end."""

import contextlib
import http.client
import io
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

import requests
import urllib3

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SLOWEST = 1024  # bytes per second
_LINGER = 1.0  # seconds to wait for the end of a connection that the server said it would close
_MAX_HEADERS = 1 << 20  # bytes that may come before the first byte of a body
_MAX_FRAMING = 16  # bytes that may come for each byte of a body; chunks of one byte need 6


class Adapter(requests.adapters.HTTPAdapter):
    """Makes a session of requests use such connections."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> urllib3.HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _TlsConnection if pool.scheme == "https" else _Connection
        return pool


class _Response(http.client.HTTPResponse):
    """A response that must come at a certain pace and may not be more than was promised."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._socket = sock
        self._pace = _Pace(self.fp.detach(), sock.gettimeout())
        self.fp = io.BufferedReader(self._pace)

    def read1(self, n: int = -1) -> bytes:
        piece = super().read1(n)
        self._pace.allowance += _MAX_FRAMING * len(piece)
        if piece and self.length == 0 and self.will_close:
            self._expect_end()
        return piece

    def _expect_end(self) -> None:
        with contextlib.suppress(OSError):  # whatever breaks now, the bytes that were promised are here
            self._socket.settimeout(_LINGER)
            if self.fp.peek(1):
                raise http.client.HTTPException("more bytes came than its Content-Length promised")


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pace(io.RawIOBase):
    """Fails where bytes come too slowly, however regularly, or too many of them are not of the body."""

    def __init__(self, raw: io.RawIOBase, timeout: float | None) -> None:
        self._raw = raw
        self._timeout = timeout or 60.0
        self._waited = 0.0  # seconds of waiting for the server, not of what is done with its bytes
        self._got = 0  # bytes in that time
        self.allowance = _MAX_HEADERS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        before = monotonic()
        count = self._raw.readinto(buffer) or 0
        self._waited += monotonic() - before
        self._got += count
        self.allowance -= count
        if self.allowance < 0:
            raise http.client.HTTPException("far more bytes came around the content than in it")
        if count and self._waited >= self._timeout:
            if self._got < _SLOWEST * self._waited:
                raise TimeoutError(f"fewer than {_SLOWEST} bytes a second came")
            self._waited, self._got = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
