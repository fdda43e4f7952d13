"""One HTTP request to a server that is not trusted, and as much of its answer as makes sense."""

import contextlib
import datetime
import email.utils
import http.client
import http.cookiejar
import os
import re
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from time import time

import requests
import urllib3

from curation.remote.http_connection import Adapter
from curation.storage import StorageError
from curation.versions import VERSION

_MAX_REDIRECTS = 10
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,200}"')
_DATE = re.compile(r"[A-Za-z]{3}, [0-9]{2} [A-Za-z]{3} [0-9]{4} [0-9:]{8} GMT")
_NOT_A_URL = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema)
_BROKEN = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)  # requests' own errors are OSErrors
_WRAPPERS = (requests.RequestException, urllib3.exceptions.HTTPError)
_kept = threading.local()  # `session` and the id of the `process` that made it


class Setback(Exception):
    """A request failed in a way that may pass; the message is what happened."""

    def __init__(self, what: str, *, wait: float = 0.0, forbidden: bool = False) -> None:
        super().__init__(what)
        self.wait = wait  # seconds that the server asks for
        self.forbidden = forbidden


class Answer:
    """What a server answered; of its headers only what makes sense, None or empty where it does not."""

    def __init__(self, response: requests.Response) -> None:
        headers = response.headers
        self._raw = response.raw
        self.status = response.status_code
        encoding = headers.get("Transfer-Encoding", "").strip().lower()
        if encoding not in ("", "identity", "chunked"):
            raise Setback(f"the server sent the transfer encoding {_printable(encoding)!r}, which was not asked for")
        self.length = _number(headers.get("Content-Length", "")) if encoding != "chunked" else None
        self.content_range = _printable(headers.get("Content-Range", ""))
        span = _CONTENT_RANGE.fullmatch(self.content_range)
        first, last, total = span.groups("") if span else ("", "", "")
        self.first, self.last, self.total = _number(first), _number(last), _number(total)
        self.etag = headers.get("ETag", "") if _ETAG.fullmatch(headers.get("ETag", "")) else ""
        modified = headers.get("Last-Modified", "")
        # What If-Range takes (RFC 9110, section 13.1.5): a strong etag or a date.
        strong = self.etag if not self.etag.startswith("W/") else ""
        self.validator = strong or (modified if _DATE.fullmatch(modified) else "")
        self.wait = _seconds(headers.get("Retry-After", ""))

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the body as they lie on the server; empty at its end, Setback at a break."""
        try:
            return self._raw.read1(size, decode_content=False) or b""
        except _BROKEN as error:
            raise Setback(_words(_root(error))) from error


@contextlib.contextmanager
def ask(method: str, url: str, *, headers: Mapping[str, str], timeout: float) -> Iterator[Answer]:
    """Sends a request, follows redirections, and gives the answer with its body still to be read.

    Setback where no answer comes, ValueError where `url` is none, StorageError where it is redirected without end.
    """
    response = _send(method, url, headers, timeout)
    try:
        answer = Answer(response)
        if method == "HEAD":
            answer.read(1)  # gives the connection back
        yield answer
    finally:
        response.close()


def _send(method: str, url: str, headers: Mapping[str, str], timeout: float) -> requests.Response:
    try:
        response = _send_once(method, url, headers, timeout)
    except _NOT_A_URL as error:
        raise ValueError(f"{url}: cannot be fetched ({_printable(str(error))}); expected https://host/path") from error
    target = url
    for _ in range(_MAX_REDIRECTS):
        if not response.is_redirect:
            return response
        response.close()
        location = response.headers["Location"].encode("latin-1", "replace").decode("utf-8", "replace")
        try:
            target = urllib.parse.urljoin(target, location)
            response = _send_once(method, target, headers, timeout)
        except (*_NOT_A_URL, ValueError) as error:
            what = f"redirected to {_printable(location)}, which cannot be fetched ({_printable(str(error))})"
            raise StorageError(f"{url}: {what}; give the URL where it lies") from error
    response.close()
    raise StorageError(f"{url}: redirected more than {_MAX_REDIRECTS - 1} times; give the URL where it lies")


def _send_once(method: str, url: str, headers: Mapping[str, str], timeout: float) -> requests.Response:
    try:
        return _session().request(
            method, url, headers=headers, stream=True, timeout=(timeout, timeout), allow_redirects=False
        )
    except _NOT_A_URL:
        raise
    except _BROKEN as error:
        root = _root(error)
        if isinstance(root, ssl.SSLCertVerificationError):
            raise StorageError(
                f"{url}: its server is not to be trusted ({_words(root)}); "
                "check the URL, or set REQUESTS_CA_BUNDLE to a file with the certificate of its authority"
            ) from error
        raise Setback(_words(root)) from error


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None always: requests would read the whole body of a redirection into memory, even where it follows none."""


def _session() -> _Session:
    """This thread's own, since requests does not promise that threads can share one, nor can forked processes."""
    if getattr(_kept, "process", None) != os.getpid():
        session = _Session()
        session.headers.clear()
        session.headers.update(
            {"User-Agent": f"crawl-curation/{VERSION}", "Accept": "*/*", "Accept-Encoding": "identity"}
        )
        session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter())
        _kept.session, _kept.process = session, os.getpid()
    kept: _Session = _kept.session
    return kept


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _seconds(text: str) -> float:
    """What a Retry-After header asks for: seconds or a date (RFC 9110, section 10.2.3); 0 where it is neither."""
    if (seconds := _number(text)) is not None:
        return float(seconds)
    if not _DATE.fullmatch(text):
        return 0.0
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(until.replace(tzinfo=datetime.UTC).timestamp() - time(), 0.0)


def _root(error: BaseException) -> BaseException:
    """The error that requests and urllib3 wrapped."""
    while isinstance(error, _WRAPPERS) and isinstance(inner := error.__cause__ or error.__context__, _BROKEN):
        error = inner
    return error


def _words(error: BaseException) -> str:
    return _printable(f"{type(error).__name__}: {error}")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:200])
