"""A web server on loopback that serves bytes with Range, HEAD and etags, and misbehaves as a test tells it to."""

import contextlib
import dataclasses
import hashlib
import http.server
import itertools
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Fault:
    """How one request is answered; what is not set is answered as it should be."""

    status: int = 0  # this status and no content
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)  # sent as well or instead; "" leaves it out
    hang_up_after: int | None = None  # closes the connection after so many bytes of the body, -1: before any answer
    chunked: bool = False  # sends chunks, without a Content-Length
    no_range: bool = False  # answers with the whole where a part is asked for
    part: str = ""  # answers this Range, such as "bytes=0-9", whatever part is asked for
    any_version: bool = False  # takes no notice of If-Range
    surplus: bytes = b""  # sent after the body
    endless: bool = False  # the last byte again and again
    drip: float = 0.0  # seconds before each single byte


GOOD = Fault()


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asked for; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    port: int  # of the client, which tells connections apart

    @property
    def range(self) -> str | None:
        """The Range header."""
        return self.headers.get("range")


class Server:
    """Serves `files`, by path such as `/a/b.gz`, as long as its block lasts; a value may be replaced meanwhile."""

    def __init__(self, files: Mapping[str, bytes], *, linger: float = 0.0, tls: ssl.SSLContext | None = None) -> None:
        self.files = dict(files)
        self.requests: list[Request] = []
        self.peak = 0  # requests that were being answered at once
        self._linger = linger  # seconds before each answer, for others to come at the same time
        self._tls = tls
        self._faults: dict[tuple[str, str], Iterator[Fault]] = {}
        self._active = 0
        self._lock = threading.Lock()

    @classmethod
    def of_folder(cls, folder: str | Path, **options: Any) -> "Server":
        """A server of every file under a folder, as it is now."""
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        return cls({f"/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}, **options)

    def fail(self, path: str, *faults: Fault, method: str = "GET", always: bool = False) -> None:
        """Answers the next requests for `path` with one fault each, all of them with the last one if `always`."""
        self._faults[method, path] = itertools.chain(faults, itertools.repeat(faults[-1] if always else GOOD))

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_port}{path}"

    def ranges(self) -> list[str | None]:
        """The Range header of each GET so far."""
        return [request.range for request in self.requests if request.method == "GET"]

    def __enter__(self) -> "Server":
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def enter(self, request: Request) -> Fault:
        """Notes a request and says how to answer it."""
        with self._lock:
            self.requests.append(request)
            self._active += 1
            self.peak = max(self.peak, self._active)
            fault = next(self._faults.get((request.method, request.path), iter(())), GOOD)
        time.sleep(self._linger)
        return fault

    def leave(self) -> None:
        """Notes that a request is as good as answered."""
        with self._lock:
            self._active -= 1


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serves a client until either side closes the connection."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.path = urllib.parse.unquote(self.path.partition("?")[0])
        fault = self.site.enter(Request(self.command, self.path, headers, self.client_address[1]))
        self._left = False
        try:
            self._answer(fault, headers)
        except ConnectionError:  # the client went away, as it should where it has seen enough
            self.close_connection = True
        finally:
            self._leave()

    do_HEAD = do_GET

    def _leave(self) -> None:
        """Before the last byte that a client waits for: it may make its next request before this thread goes on."""
        if not self._left:
            self._left = True
            self.site.leave()

    def _answer(self, fault: Fault, asked: Mapping[str, str]) -> None:
        content = self.site.files.get(self.path)
        if fault.hang_up_after == -1:
            self.close_connection = True
        elif fault.status or content is None:
            self._send(fault.status or 404, {"Content-Length": "0", **fault.headers}, b"", fault)
        else:
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            headers = {"ETag": etag, "Accept-Ranges": "bytes", **fault.headers}
            status, part = 200, content
            versions = [None, headers["ETag"], headers.get("Last-Modified")]
            is_same = fault.any_version or asked.get("if-range") in versions
            if "range" in asked and is_same and not fault.no_range:
                status, part, content_range = _part(content, fault.part or asked["range"])
                headers.setdefault("Content-Range", content_range)
            headers.setdefault("Content-Length", str(len(part)))
            self._send(status, headers, part, fault)

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        is_framed = headers["Content-Length"] == str(len(body)) or self.command == "HEAD"
        if fault.chunked:
            headers, is_framed = {**headers, "Content-Length": "", "Transfer-Encoding": "chunked"}, True
            body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*_chunks(body), b""))
        body = b"" if self.command == "HEAD" else body[: fault.hang_up_after] + fault.surplus
        if not is_framed or fault.hang_up_after is not None or fault.surplus or fault.endless:
            self.close_connection = True
        self.send_response_only(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if not body or fault != GOOD:
            self._leave()  # a client may go away as soon as it sees what is wrong, and make its next request
        self.end_headers()
        self._write(body, fault)

    def _write(self, body: bytes, fault: Fault) -> None:
        if fault.drip:
            for byte in body:
                time.sleep(fault.drip)
                self.wfile.write(bytes([byte]))
        elif fault.endless:
            while True:
                self.wfile.write(body)
        else:
            self.wfile.write(body[:-1])
            self._leave()
            self.wfile.write(body[-1:])

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def _chunks(body: bytes) -> Iterator[bytes]:
    size = max(len(body) // 3, 1)
    return (body[start : start + size] for start in range(0, len(body), size))


def _part(content: bytes, asked: str) -> tuple[int, bytes, str]:
    """Status, body and Content-Range for the header `Range: bytes=first-last`."""
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last) + 1 if last else len(content), len(content))
    if start >= stop:
        return 416, b"", f"bytes */{len(content)}"
    return 206, content[start:stop], f"bytes {start}-{stop - 1}/{len(content)}"
