import datetime
import errno
import hashlib
import io
import ipaddress
import itertools
import os
import signal
import socketserver
import ssl
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.remote import fetch, http_connection, http_request, patience, slots, transfer
from curation.remote.fetch import Patience, Remote
from curation.storage import StorageError
from curation.versions import VERSION
from tests.http_server import Fault, Server

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTENT = hashlib.shake_256(b"seed").digest(1000)
OTHER = hashlib.shake_256(b"other").digest(1200)
LATER = "start again later, or with fewer --connections"


def etag(content):
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


REMOTE = Remote(len(CONTENT), etag(CONTENT))
NO_LENGTH = Fault(headers={"Content-Length": ""})
CHUNKED = Fault(chunked=True)


@pytest.fixture(autouse=True)
def waits(tmp_path, monkeypatch):
    """The seconds waited between tries, as they are asked for: nobody sleeps, and chance always takes the most."""
    waits = []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(patience, "sleep", waits.append)
    monkeypatch.setattr(patience, "uniform", lambda low, high: high)
    keep(tmp_path)
    yield waits
    fetch.use(Patience())


@pytest.fixture
def server():
    with Server({"/a": CONTENT}) as server:
        yield server


def keep(tmp_path, **options):
    fetch.use(Patience(**{"first_wait": 1.0, "timeout": 20.0, "slots": str(tmp_path / "slots"), **options}))


def downloaded(server, tmp_path, path="/a"):
    """What `download` returned and wrote."""
    remote = fetch.download(server.url(path), str(tmp_path / "copy"))
    return remote, (tmp_path / "copy").read_bytes()


def error(kind, call, *args):
    with pytest.raises(kind) as caught:
        call(*args)
    assert type(caught.value) is kind
    return str(caught.value)


def refused(server, tmp_path, kind=StorageError):
    """The error of a download that fails, and how many requests were made."""
    return error(kind, downloaded, server, tmp_path), len(server.requests)


def test_a_download_is_one_sequential_request(server, tmp_path, waits):
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    [request] = server.requests
    assert (request.method, request.range) == ("GET", None)
    assert (request.headers["accept-encoding"], request.headers["connection"]) == ("identity", "close")
    assert request.headers["user-agent"] == f"crawl-curation/{VERSION}"
    assert waits == []


def test_what_a_server_calls_gzip_stays_as_it_lies_there(server, tmp_path):
    """Servers label archives with Content-Encoding; nothing is inflated, whether it is gzip or not."""
    server.fail("/a", Fault(headers={"Content-Encoding": "gzip"}), always=True)
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert fetch.read(server.url("/a"), 5, 9) == CONTENT[5:9]


def test_an_empty_object_is_downloaded(server, tmp_path):
    server.files["/a"] = b""
    assert downloaded(server, tmp_path) == (Remote(0, etag(b"")), b"")
    assert fetch.look(server.url("/a")) == Remote(0, etag(b""))
    with fetch.open_ranges(server.url("/a")) as file:
        assert file.read() == b""


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_server_that_recovers_is_asked_again(server, tmp_path, waits, status):
    server.fail("/a", Fault(status), Fault(status))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert waits == [1, 2]


@pytest.mark.parametrize("chance, expected", [(1, [1, 2, 4, 8, 10, 10, 10]), (0, [0.5, 1, 2, 4, 5, 5, 5])])
def test_waits_double_up_to_the_longest_with_jitter(server, tmp_path, waits, monkeypatch, chance, expected):
    monkeypatch.setattr(patience, "uniform", lambda low, high: low + chance * (high - low))
    keep(tmp_path, longest_wait=10)
    server.fail("/a", Fault(503), always=True)
    message = f"{server.url('/a')}: the server answered with status 503 (tried 8 times); {LATER}"
    assert refused(server, tmp_path) == (message, 8)
    assert waits == expected


@pytest.mark.parametrize(
    "retry_after, wait",
    [
        ("7", 7),
        ("0", 1),
        ("31536000", 60),  # a year
        ("9" * 400, 1),
        ("-7", 1),
        ("soon", 1),
        ("Sat, 21 Nov 2026 00:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 00:00:00 GMT", 1),
        ("Sat, 21 Nov 2099 00:00:00 GMT", 60),
        ("Sat, 99 Nov 2026 99:99:99 GMT", 1),
    ],
)
@pytest.mark.parametrize("status", [403, 429, 503])
def test_retry_after_is_obeyed_within_limits(server, tmp_path, waits, monkeypatch, status, retry_after, wait):
    monkeypatch.setattr(http_request, "time", lambda: 1795219200.0)  # 2026-11-21T00:00:00Z
    server.fail("/a", Fault(status, headers={"Retry-After": retry_after}))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert waits == [wait]


def test_a_forbidden_object_is_asked_for_three_times(server, tmp_path):
    server.fail("/a", Fault(403), always=True)
    message = (
        f"{server.url('/a')}: the server refuses it (status 403, tried 3 times); "
        "check that the URL is public, or start again in some hours with fewer --connections"
    )
    assert refused(server, tmp_path, PermissionError) == (message, 3)


def test_a_server_that_forbids_for_a_while_is_asked_again(server, tmp_path):
    server.fail("/a", Fault(403), Fault(503), Fault(403))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_object_is_not_asked_for_again(server, tmp_path, status):
    server.fail("/a", Fault(status), always=True)
    message = f"{server.url('/a')}: there is no such file on the server (status {status}); check the URL"
    assert refused(server, tmp_path, FileNotFoundError) == (message, 1)


@pytest.mark.parametrize("status", [204, 300, 304, 400, 401, 405, 418, 451])
def test_other_statuses_fail_at_once(server, tmp_path, status):
    server.fail("/a", Fault(status), always=True)
    message = (
        f"{server.url('/a')}: the server answered with status {status}, where 200 or 206 is expected; check the URL"
    )
    assert refused(server, tmp_path) == (message, 1)


def test_a_broken_transfer_goes_on_where_it_broke(server, tmp_path, waits):
    server.fail("/a", Fault(hang_up_after=500), Fault(503), Fault(hang_up_after=300))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert server.ranges() == [None, "bytes=500-", "bytes=500-", "bytes=800-"]
    assert [request.headers.get("if-range") for request in server.requests] == [None, *[etag(CONTENT)] * 3]
    assert waits == [1, 2, 1]  # what brought bytes starts the count


def test_a_transfer_that_goes_on_may_break_more_often_than_attempts(server, tmp_path):
    keep(tmp_path, attempts=2)
    server.fail("/a", Fault(hang_up_after=100), always=True)
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert server.ranges() == [None, *[f"bytes={start}-" for start in range(100, 1000, 100)]]


def test_a_transfer_that_goes_on_byte_by_byte_ends(server, tmp_path):
    keep(tmp_path, attempts=2)
    server.fail("/a", Fault(hang_up_after=1), always=True)
    message, tries = refused(server, tmp_path)
    assert message.startswith(f"{server.url('/a')}: the connection broke after 32 of 1000 bytes (")
    assert message.endswith(f") (tried 32 times); {LATER}")
    assert tries == 32


def test_a_transfer_that_always_breaks_at_the_same_place_ends(server, tmp_path):
    server.fail("/a", Fault(hang_up_after=500, no_range=True), always=True)
    message, tries = refused(server, tmp_path)
    assert message.startswith(f"{server.url('/a')}: the connection broke after 500 of 1000 bytes (IncompleteRead: ")
    assert message.endswith(f") (tried 8 times); {LATER}")
    assert tries == 8


def test_a_connection_closed_before_the_answer_is_tried_again(server, tmp_path, waits):
    server.fail("/a", Fault(hang_up_after=-1))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert waits == [1]


def test_the_reason_is_what_the_system_said_last(server, tmp_path):
    server.fail("/a", CHUNKED)
    server.fail("/a", Fault(hang_up_after=-1), method="HEAD", always=True)
    what = "RemoteDisconnected: Remote end closed connection without response (tried 8 times)"
    assert refused(server, tmp_path) == (f"{server.url('/a')}: {what}; {LATER}", 9)


def test_an_object_that_changed_is_downloaded_anew(server, tmp_path, monkeypatch):
    server.fail("/a", Fault(hang_up_after=500))
    monkeypatch.setattr(patience, "sleep", lambda seconds: server.files.update({"/a": OTHER}))
    assert downloaded(server, tmp_path) == (Remote(len(OTHER), etag(OTHER)), OTHER)
    assert server.ranges() == [None, "bytes=500-"]


@pytest.mark.parametrize("other", [OTHER, OTHER[:1000]])
def test_parts_of_two_objects_are_never_joined(server, tmp_path, monkeypatch, other):
    """Not even by a server that goes on in another object than the one that it was asked about."""
    server.fail("/a", Fault(hang_up_after=500), Fault(any_version=True))
    monkeypatch.setattr(patience, "sleep", lambda seconds: server.files.update({"/a": other}))
    assert downloaded(server, tmp_path) == (Remote(len(other), etag(other)), other)
    assert server.ranges() == [None, "bytes=500-", None]


def test_a_size_alone_tells_two_objects_apart(server, tmp_path, monkeypatch):
    headers = {"ETag": "", "Last-Modified": "Sat, 21 Nov 2020 00:00:00 GMT"}
    server.fail("/a", Fault(headers=headers, hang_up_after=500), Fault(headers=headers), always=True)
    monkeypatch.setattr(patience, "sleep", lambda seconds: server.files.update({"/a": OTHER}))
    assert downloaded(server, tmp_path) == (Remote(len(OTHER), ""), OTHER)
    assert server.ranges() == [None, "bytes=500-", None]


def test_the_size_of_an_object_is_not_taken_for_that_of_its_successor(server, tmp_path, monkeypatch):
    server.fail("/a", Fault(hang_up_after=500), CHUNKED, always=True)
    monkeypatch.setattr(patience, "sleep", lambda seconds: server.files.update({"/a": OTHER}))
    assert downloaded(server, tmp_path) == (Remote(len(OTHER), etag(OTHER)), OTHER)


def test_an_etag_that_became_weak_is_still_the_same(server, tmp_path):
    server.fail("/a", Fault(hang_up_after=500), Fault(headers={"ETag": f"W/{etag(CONTENT)}"}, any_version=True))
    assert downloaded(server, tmp_path)[1] == CONTENT
    assert server.ranges() == [None, "bytes=500-"]


def test_an_object_that_shrank_is_downloaded_anew(server, tmp_path, monkeypatch):
    server.fail("/a", Fault(hang_up_after=500), Fault(any_version=True))
    monkeypatch.setattr(patience, "sleep", lambda seconds: server.files.update({"/a": CONTENT[:300]}))
    assert downloaded(server, tmp_path) == (Remote(300, etag(CONTENT[:300])), CONTENT[:300])
    assert server.ranges() == [None, "bytes=500-", None]


@pytest.mark.parametrize("version", ["", 'W/"weak"', "unquoted", '"' + "a" * 300 + '"'])
def test_without_an_etag_that_serves_a_broken_transfer_starts_anew(server, tmp_path, version):
    server.fail("/a", Fault(headers={"ETag": version}, hang_up_after=500), Fault(headers={"ETag": version}))
    remote, content = downloaded(server, tmp_path)
    assert (remote.etag, content) == ('W/"weak"' if version == 'W/"weak"' else "", CONTENT)
    assert server.ranges() == [None, None]


def test_without_an_etag_the_date_tells_whether_the_object_changed(server, tmp_path):
    headers = {"ETag": "", "Last-Modified": "Sat, 21 Nov 2020 00:00:00 GMT"}
    server.fail("/a", Fault(headers=headers, hang_up_after=500), Fault(headers=headers))
    assert downloaded(server, tmp_path) == (Remote(1000, ""), CONTENT)
    assert [request.headers.get("if-range") for request in server.requests] == [None, headers["Last-Modified"]]
    assert server.ranges() == [None, "bytes=500-"]


def test_a_server_that_cannot_go_on_in_the_middle_starts_anew(server, tmp_path):
    server.fail("/a", Fault(hang_up_after=500), Fault(no_range=True))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert server.ranges() == [None, "bytes=500-"]


def test_a_content_length_that_is_too_long_once_is_found_out(server, tmp_path):
    server.fail("/a", Fault(headers={"Content-Length": "1100"}))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert server.ranges() == [None, "bytes=1000-", None]


def test_a_content_length_that_is_always_too_long_is_an_error(server, tmp_path):
    server.fail("/a", Fault(headers={"Content-Length": "1100"}), always=True)
    what = "the server has nothing from byte 1000 on, where it promised 1100 bytes"
    assert refused(server, tmp_path) == (f"{server.url('/a')}: {what} (tried 8 times); {LATER}", 8)


def test_a_content_length_that_is_too_short_once_is_found_out(server, tmp_path):
    server.fail("/a", Fault(headers={"Content-Length": "900"}))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)


def test_a_content_length_that_is_always_too_short_is_an_error(server, tmp_path):
    server.fail("/a", Fault(headers={"Content-Length": "1"}, no_range=True), always=True)
    what = "the connection broke after 0 of 1 bytes (HTTPException: more bytes came than its Content-Length promised)"
    assert refused(server, tmp_path) == (f"{server.url('/a')}: {what} (tried 8 times); {LATER}", 8)


@pytest.mark.parametrize("fault", [NO_LENGTH, CHUNKED])
def test_without_a_content_length_head_says_how_much_must_come(server, tmp_path, fault):
    server.fail("/a", fault, always=True)
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert [request.method for request in server.requests] == ["GET", "HEAD", "GET"]


@pytest.mark.parametrize("fault", [NO_LENGTH, CHUNKED])
def test_a_break_shows_without_a_content_length_too(server, tmp_path, fault):
    broken = Fault(headers=fault.headers, chunked=fault.chunked, hang_up_after=500)
    server.fail("/a", fault, broken, fault)
    remote, content = downloaded(server, tmp_path)
    assert (remote, content) == (REMOTE, CONTENT)
    assert len(server.ranges()) == 3


@pytest.mark.parametrize("fault", [NO_LENGTH, CHUNKED])
def test_fewer_bytes_than_head_promised_are_an_error(server, tmp_path, fault):
    server.fail("/a", Fault(headers={"Content-Length": "1100"}), method="HEAD", always=True)
    server.fail("/a", Fault(headers=fault.headers, chunked=fault.chunked, no_range=True), always=True)
    message, _ = refused(server, tmp_path)
    what = "the connection broke after 1000 of 1100 bytes (closed by the server)"
    assert message == f"{server.url('/a')}: {what} (tried 8 times); {LATER}"


@pytest.mark.parametrize("fault", [NO_LENGTH, CHUNKED])
def test_more_bytes_than_head_promised_are_an_error(server, tmp_path, fault):
    server.fail("/a", Fault(headers={"Content-Length": "900"}), method="HEAD", always=True)
    server.fail("/a", Fault(headers=fault.headers, chunked=fault.chunked, no_range=True), always=True)
    message, _ = refused(server, tmp_path)
    what = "the server sent more bytes than it promised"
    assert message.startswith(f"{server.url('/a')}: {what} (tried ")


@pytest.mark.parametrize("fault", [NO_LENGTH, CHUNKED])
def test_an_object_whose_size_nobody_knows_is_refused(server, tmp_path, fault):
    server.fail("/a", NO_LENGTH, method="HEAD", always=True)
    server.fail("/a", Fault(headers=fault.headers, chunked=fault.chunked, no_range=True), always=True)
    message = (
        f"{server.url('/a')}: the server does not say how large it is, so nobody could tell whether all of it came; "
        "download it by other means and give the local file"
    )
    assert refused(server, tmp_path) == (message, 3)


@pytest.mark.parametrize("length", ["-5", "many", "9" * 30, "9" * 5000, "900, 1100"])
def test_an_absurd_content_length_is_none(server, tmp_path, length):
    server.fail("/a", Fault(headers={"Content-Length": length}))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    server.fail("/a", Fault(headers={"Content-Length": length}), method="HEAD")
    assert fetch.look(server.url("/a")) == REMOTE


def test_an_endless_body_is_cut(server, tmp_path):
    server.fail("/a", Fault(headers={"Content-Length": ""}, endless=True, no_range=True), always=True)
    message, _ = refused(server, tmp_path)
    assert message.startswith(f"{server.url('/a')}: the server sent more bytes than it promised (tried ")
    assert (tmp_path / "copy").stat().st_size == 0
    assert fetch.read(server.url("/a"), 990, 1000) == CONTENT[990:]


def test_a_body_that_drips_is_an_error(server, tmp_path):
    keep(tmp_path, attempts=1, timeout=0.1)
    server.fail("/a", Fault(drip=0.01), always=True)
    message, tries = refused(server, tmp_path)
    assert message.startswith(f"{server.url('/a')}: ")
    assert tries == 1


@pytest.mark.parametrize("pace, num_read", [(1, 59), (1023, 59), (1024, 200)])
def test_a_pace_below_the_floor_fails_after_the_timeout(monkeypatch, pace, num_read):
    """Each read takes a second and brings `pace` bytes."""
    seconds = itertools.count()
    monkeypatch.setattr(http_connection, "monotonic", lambda: next(seconds))
    file = http_connection._Pace(io.BytesIO(bytes(200 * pace)), timeout=60.0)
    reads = iter(lambda: file.readinto(bytearray(pace)), 0)
    if num_read == 200:
        assert list(reads) == [pace] * 200
    else:
        assert list(itertools.islice(reads, num_read)) == [pace] * num_read
        with pytest.raises(TimeoutError):
            next(reads)


def test_a_fast_beginning_does_not_make_up_for_a_pace_below_the_floor(monkeypatch):
    seconds = itertools.count()
    monkeypatch.setattr(http_connection, "monotonic", lambda: next(seconds))
    file = http_connection._Pace(io.BytesIO(bytes(500_000)), timeout=60.0)
    assert file.readinto(bytearray(400_000)) == 400_000
    with pytest.raises(TimeoutError):
        for _ in range(120):
            file.readinto(bytearray(1))


@pytest.fixture
def raw_server():
    """Starts a server that reads a request and answers with these bytes, and then those again and again.

    Without the latter it closes the connection, or waits until the client does.
    """
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), None) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def start(head, again=b"", *, waits=False):
            class Handler(socketserver.StreamRequestHandler):
                def handle(self):
                    while self.rfile.readline().strip():
                        pass
                    try:
                        self.wfile.write(head)
                        while again:
                            self.wfile.write(again * 100)
                        if waits:
                            self.rfile.read()
                    except ConnectionError:
                        pass

            server.RequestHandlerClass = Handler
            return f"http://127.0.0.1:{server.server_address[1]}/"

        yield start
        server.shutdown()


CHUNKED_HEAD = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head, again",
    [
        (b"", b""),
        (b"no HTTP\r\n\r\n", b""),
        (b"", b"endless line"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"Header: endless\r\n"),
        (CHUNKED_HEAD + b"no number\r\n", b""),
        (CHUNKED_HEAD + b"-a\r\n", b""),
        (CHUNKED_HEAD, b"1;" + b"e" * 60_000 + b"\r\nx\r\n"),
        (CHUNKED_HEAD + b"5\r\nabcde\r\n0\r\n", b"Trailer: endless\r\n"),
        (CHUNKED_HEAD.replace(b"chunked", b"gzip, chunked") + b"5\r\nabcde\r\n", b""),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 9-5/10\r\n\r\nabc", b""),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-" + b"9" * 5000 + b"/*\r\n\r\nabc", b""),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges\r\n\r\nabc", b""),
    ],
)
def test_what_is_no_proper_answer_is_an_error(raw_server, tmp_path, head, again):
    keep(tmp_path, attempts=2)
    url = raw_server(head, again)
    message = error(StorageError, fetch.read, url, 0, 10)
    assert message.startswith(f"{url}: ")
    assert message.endswith(f"times); {LATER}")
    assert message.isprintable()
    assert len(message) < 500


def test_a_server_that_does_not_close_as_it_said_is_not_waited_for(raw_server, tmp_path, monkeypatch):
    monkeypatch.setattr(http_connection, "_LINGER", 0.01)
    keep(tmp_path, timeout=1e6)
    url = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", waits=True)
    assert fetch.download(url, f"{tmp_path}/copy") == Remote(3, "")


def test_trailers_that_end_do_no_harm(raw_server):
    url = raw_server(CHUNKED_HEAD + b"4;name=value\r\nabcd\r\n6\r\nefghij\r\n0\r\nTrailer: one\r\n\r\n")
    assert fetch.read(url, 0, 10) == b"abcdefghij"


@pytest.mark.parametrize("location", ["/a", "//{host}/a", "http://{host}/a"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections_are_followed(server, tmp_path, status, location):
    location = location.format(host=server.url("").removeprefix("http://"))
    for method in ("GET", "HEAD"):
        server.fail("/old", Fault(status, headers={"Location": location}), always=True, method=method)
    assert downloaded(server, tmp_path, "/old") == (REMOTE, CONTENT)
    assert fetch.look(server.url("/old")) == REMOTE
    assert fetch.read(server.url("/old"), 10, 20) == CONTENT[10:20]


@pytest.mark.parametrize(
    "location", ["/a", "file:///etc/hostname", "ftp://127.0.0.1/", "http://[", "https://", "ftp:\x1b[2J"]
)
def test_redirections_that_lead_nowhere_are_an_error(server, tmp_path, location):
    server.fail("/a", Fault(302, headers={"Location": location}), always=True)
    message, tries = refused(server, tmp_path)
    assert message.startswith(f"{server.url('/a')}: redirected ")
    assert message.endswith("; give the URL where it lies")
    assert message.isprintable()
    assert tries == (11 if location == "/a" else 1)


def test_the_body_of_a_redirection_is_not_read(raw_server):
    url = raw_server(b"HTTP/1.1 302 Found\r\nLocation: file:///\r\n\r\n", b"endless")
    assert error(StorageError, fetch.look, url).startswith(f"{url}: redirected to file:///, ")


def test_look_asks_for_the_head_alone(server):
    assert fetch.look(server.url("/a")) == REMOTE
    assert [(request.method, request.range) for request in server.requests] == [("HEAD", None)]


@pytest.mark.parametrize("fault", [Fault(405), Fault(501), NO_LENGTH, CHUNKED])
@pytest.mark.parametrize("content", [CONTENT, b""])
@pytest.mark.parametrize("no_range", [False, True])
def test_look_asks_for_a_byte_where_the_head_says_nothing(server, fault, content, no_range):
    server.files["/a"] = content
    server.fail("/a", fault, method="HEAD", always=True)
    server.fail("/a", Fault(no_range=no_range), always=True)
    assert fetch.look(server.url("/a")) == Remote(len(content), etag(content))
    assert [(request.method, request.range) for request in server.requests] == [("HEAD", None), ("GET", "bytes=0-0")]


@pytest.mark.parametrize("status, kind", [(404, FileNotFoundError), (403, PermissionError), (503, StorageError)])
def test_look_and_read_fail_as_download_does(server, tmp_path, status, kind):
    for method in ("GET", "HEAD"):
        server.fail("/a", Fault(status), method=method, always=True)
    expected, tries = refused(server, tmp_path, kind)
    assert error(kind, fetch.look, server.url("/a")) == expected
    assert error(kind, fetch.read, server.url("/a"), 0, 1) == expected
    assert len(server.requests) == 3 * tries


@pytest.mark.parametrize("start, stop", [(0, 1), (0, 1000), (10, 20), (999, 1000)])
def test_read_asks_for_the_part_alone(server, start, stop):
    assert fetch.read(server.url("/a"), start, stop) == CONTENT[start:stop]
    assert server.ranges() == [f"bytes={start}-{stop - 1}"]


def test_reading_nothing_asks_nobody(server):
    assert fetch.read(server.url("/a"), 10, 10) == b""
    assert server.requests == []


def test_reads_share_a_connection(server):
    for start in range(0, 1000, 100):
        fetch.look(server.url("/a"))
        fetch.read(server.url("/a"), start, start + 100)
    assert len({request.port for request in server.requests}) == 1


def test_cookies_are_not_kept(server):
    server.fail("/a", Fault(headers={"Set-Cookie": "name=value; Path=/"}), always=True)
    for _ in range(2):
        fetch.read(server.url("/a"), 0, 10)
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


def test_a_broken_read_goes_on_where_it_broke(server):
    server.fail("/a", Fault(hang_up_after=30), Fault(503), Fault(hang_up_after=50))
    assert fetch.read(server.url("/a"), 100, 200) == CONTENT[100:200]
    assert server.ranges() == ["bytes=100-199", "bytes=130-199", "bytes=130-199", "bytes=180-199"]


def test_a_read_of_an_object_that_changed_starts_anew(server, monkeypatch):
    server.fail("/a", Fault(hang_up_after=30))
    monkeypatch.setattr(patience, "sleep", lambda seconds: server.files.update({"/a": OTHER}))
    assert fetch.read(server.url("/a"), 100, 200) == OTHER[100:200]


@pytest.mark.parametrize("part, requests", [("bytes=100-149", 2), ("bytes=100-999", 1), ("bytes=150-199", 2)])
def test_another_part_than_was_asked_for_is_not_taken_for_it(server, part, requests):
    server.fail("/a", Fault(part=part))
    assert fetch.read(server.url("/a"), 100, 200) == CONTENT[100:200]
    assert len(server.requests) == requests


def test_a_server_that_ignores_ranges_is_read_up_to_the_part(server):
    server.fail("/a", Fault(no_range=True), Fault(no_range=True, hang_up_after=150), Fault(no_range=True), always=True)
    assert fetch.read(server.url("/a"), 100, 200) == CONTENT[100:200]
    assert fetch.read(server.url("/a"), 100, 200) == CONTENT[100:200]
    with fetch.open_ranges(server.url("/a")) as file:
        file.seek(100)
        assert file.read(100) == CONTENT[100:200]


def test_a_server_that_ignores_ranges_is_not_read_through(server, monkeypatch):
    monkeypatch.setattr(transfer, "_MAX_SKIP", 100)
    server.fail("/a", Fault(no_range=True), always=True)
    assert fetch.read(server.url("/a"), 100, 200) == CONTENT[100:200]
    message = (
        f"{server.url('/a')}: the server sends the whole file where a part from byte 101 on is asked for; "
        "download it and give the local file"
    )
    assert error(StorageError, fetch.read, server.url("/a"), 101, 200) == message
    assert len(server.requests) == 2


@pytest.mark.parametrize("start, stop", [(0, 1001), (990, 1010), (1000, 1001), (5000, 6000)])
@pytest.mark.parametrize("no_range", [False, True])
def test_bytes_beyond_the_end_are_an_error(server, start, stop, no_range):
    server.fail("/a", Fault(no_range=no_range))
    message = (
        f"{server.url('/a')}: bytes {start} to {stop} are asked for and it has 1000; "
        "check that the offsets are of this file"
    )
    assert error(StorageError, fetch.read, server.url("/a"), start, stop) == message
    assert len(server.requests) == 1


def test_open_ranges_is_a_file(server):
    server.files["/big"] = big = bytes(range(256)) * (1 << 13)  # 2 MiB
    with fetch.open_ranges(server.url("/big")) as file:
        assert (file.readable(), file.seekable(), file.writable(), file.tell()) == (True, True, False, 0)
        assert file.name == server.url("/big")
        assert file.seek(0, os.SEEK_END) == len(big)
        assert file.read(1) == b""
        assert file.seek(-5, os.SEEK_END) == len(big) - 5
        assert file.read() == big[-5:]
        assert file.seek(1000) == 1000
        assert b"".join(file.read(7) for _ in range(100)) == big[1000:1700]
        assert file.seek(10, os.SEEK_CUR) == 1710
        assert file.read() == big[1710:]
        with pytest.raises(ValueError):
            file.seek(-1)
    [head, *ranges] = [(request.method, request.range) for request in server.requests]
    assert head == ("HEAD", None)
    assert ranges == [("GET", f"bytes={start}-{len(big) - 1}") for start in (len(big) - 5,)] + [
        ("GET", f"bytes=1000-{1000 + (1 << 20) - 1}"),
        ("GET", f"bytes={1000 + (1 << 20)}-{len(big) - 1}"),
    ]


def test_open_ranges_serves_parquet(server):
    table = pa.table({"name": [str(number) for number in range(1000)], "number": range(1000)})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=100)
    server.files["/a"] = sink.getvalue()
    with fetch.open_ranges(server.url("/a")) as file:
        assert pq.ParquetFile(file).read() == table


@pytest.mark.parametrize("other", [OTHER, OTHER[:1000], OTHER[:50]])
@pytest.mark.parametrize("fault", [Fault(), Fault(any_version=True), Fault(no_range=True)])
def test_open_ranges_never_mixes_two_objects(server, other, fault):
    with fetch.open_ranges(server.url("/a")) as file:
        server.files["/a"] = other
        server.fail("/a", fault, always=True)
        file.seek(100)
        message = f"{server.url('/a')}: it changed while it was being read; start again"
        assert error(StorageError, file.read, 10) == message


@pytest.mark.parametrize("url", ["http://", "https:///path", "ftp://127.0.0.1/a", "nonsense", "http://["])
def test_what_is_no_url_is_the_users_mistake(url, tmp_path):
    for call in (lambda: fetch.look(url), lambda: fetch.read(url, 0, 1), lambda: fetch.download(url, f"{tmp_path}/a")):
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value).startswith(f"{url}: cannot be fetched (")
        assert str(caught.value).endswith("); expected https://host/path")


@pytest.fixture
def tls_server(tmp_path):
    """A server with a certificate that its own file alone vouches for, and that file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    years = [datetime.datetime(year, 1, 1) for year in (2000, 2100)]
    certificate = builder.not_valid_before(years[0]).not_valid_after(years[1]).add_extension(address, False)
    path = tmp_path / "certificate.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, *form)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with Server({"/a": CONTENT}, tls=context) as server:
        yield server, path


def test_https_is_as_patient(tls_server, tmp_path, monkeypatch):
    server, certificate = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server.fail("/a", Fault(503), Fault(hang_up_after=500), Fault(headers={"Content-Length": "900"}))
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert server.ranges()[:3] == [None, None, "bytes=500-"]
    assert fetch.read(server.url("/a"), 10, 20) == CONTENT[10:20]


def test_a_server_that_is_not_who_it_says_is_an_error_at_once(tls_server, tmp_path, waits):
    server, _ = tls_server
    message, _ = refused(server, tmp_path)
    assert message.startswith(f"{server.url('/a')}: its server is not to be trusted (SSLCertVerificationError: ")
    assert message.endswith("REQUESTS_CA_BUNDLE to a file with the certificate of its authority")
    assert (server.requests, waits) == ([], [])


def test_a_server_that_is_not_there_is_named(tmp_path):
    with Server({}) as server:
        url = server.url("/a")
    what = "ConnectionRefusedError: [Errno 111] Connection refused (tried 8 times)"
    assert error(StorageError, fetch.look, url) == f"{url}: {what}; {LATER}"


def test_a_full_disk_is_not_tried_again(server):
    class Full(io.BytesIO):
        def write(self, piece):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError) as caught:
        transfer.Transfer(server.url("/a"), Full()).run()
    assert caught.value.errno == errno.ENOSPC
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"connections": 0}, "connections is 0, expected 1 or more"),
        ({"attempts": 0}, "attempts is 0, expected 1 or more"),
        ({"first_wait": -1.0}, "first_wait is -1.0, expected 0 or more"),
        ({"timeout": 0.0}, "timeout is 0.0, expected seconds above 0"),
    ],
)
def test_patience_has_limits(options, message):
    assert error(ValueError, lambda: Patience(**options)) == message


WORKER = """
import sys, threading
from curation.remote import fetch
url, slots = sys.argv[1:]
fetch.use(fetch.Patience(connections=2, slots=slots, timeout=20.0))
def work():
    for start in range(0, 1000, 250):
        fetch.read(url, start, start + 250)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.slow
def test_processes_and_threads_share_the_connections(tmp_path):
    """Three processes of two threads each, and every answer waits a little for others to come in between."""
    with Server({"/a": CONTENT}, linger=0.03) as server:
        command = [sys.executable, "-c", WORKER, server.url("/a"), str(tmp_path / "slots")]
        workers = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
        assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert len(server.requests) == 24
    assert server.peak in (1, 2)
    assert sorted(os.listdir(tmp_path / "slots")) == ["slot-0", "slot-1"]


HOLDER = """
import sys
from curation.remote import slots
with slots.hold(sys.argv[1], 1):
    print(1, flush=True)
    sys.stdin.read()
"""


class Waited(Exception):
    pass


@pytest.fixture
def no_free_slot(monkeypatch):
    """Waiting for a slot raises."""

    def wait(seconds):
        raise Waited

    monkeypatch.setattr(slots, "sleep", wait)


def test_as_many_as_there_are_slots_are_held_at_once(tmp_path, no_free_slot):
    with slots.hold(str(tmp_path), 2):
        with slots.hold(str(tmp_path), 2), pytest.raises(Waited), slots.hold(str(tmp_path), 2):
            pass
        with slots.hold(str(tmp_path), 2):
            pass


def test_who_waits_for_a_slot_gets_it_when_it_is_free(tmp_path, monkeypatch):
    held = slots.hold(str(tmp_path), 1)
    held.__enter__()
    monkeypatch.setattr(slots, "sleep", lambda seconds: held.__exit__(None, None, None))
    with slots.hold(str(tmp_path), 1):
        pass


def test_an_error_frees_the_slot(tmp_path, no_free_slot):
    with pytest.raises(KeyboardInterrupt), slots.hold(str(tmp_path), 1):
        raise KeyboardInterrupt
    with slots.hold(str(tmp_path), 1):
        pass


def test_a_killed_process_frees_its_slot(tmp_path, no_free_slot):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"1\n"
        with pytest.raises(Waited), slots.hold(str(tmp_path), 1):
            pass
        holder.kill()
        assert holder.wait() == -signal.SIGKILL
    with slots.hold(str(tmp_path), 1):
        pass


def test_a_process_that_was_forked_meanwhile_does_not_keep_the_slot(tmp_path, no_free_slot):
    reading, writing = os.pipe()
    with slots.hold(str(tmp_path), 1):
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    with slots.hold(str(tmp_path), 1):
        os.close(writing)
    assert os.waitpid(child, 0) == (child, 0)
    os.close(reading)


def test_a_request_that_waits_to_be_tried_again_holds_no_slot(server, tmp_path, monkeypatch, no_free_slot):
    keep(tmp_path, connections=1)
    others = []

    def wait(seconds):
        with slots.hold(str(tmp_path / "slots"), 1):
            others.append(seconds)

    monkeypatch.setattr(patience, "sleep", wait)
    server.fail("/a", Fault(503), Fault(hang_up_after=500), NO_LENGTH)
    assert downloaded(server, tmp_path) == (REMOTE, CONTENT)
    assert others == [1, 1]


def test_slots_may_be_cleaned_away_while_they_are_held(tmp_path, no_free_slot):
    folder = tmp_path / "slots"
    with slots.hold(str(folder), 1):
        (folder / "slot-0").unlink()
        folder.rmdir()
    with slots.hold(str(folder), 1):
        assert os.listdir(folder) == ["slot-0"]


def test_slots_may_be_cleaned_away_while_they_are_looked_for(tmp_path, monkeypatch, no_free_slot):
    makes = iter([lambda folder: None, os.makedirs])
    monkeypatch.setattr(slots, "_make", lambda folder: next(makes)(folder))
    monkeypatch.setattr(slots, "sleep", lambda seconds: None)
    with slots.hold(f"{tmp_path}/slots", 1):
        assert os.listdir(tmp_path / "slots") == ["slot-0"]


def test_slots_of_no_folder_are_this_users(tmp_path, monkeypatch, no_free_slot):
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))
    with slots.hold("", 1):
        folder = tmp_path / f"crawl-curation-slots-{os.getuid()}"
        assert (os.listdir(folder), folder.stat().st_mode & 0o777) == (["slot-0"], 0o700)


def test_slots_are_not_taken_from_a_folder_that_somebody_else_laid_out(tmp_path, monkeypatch):
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"crawl-curation-slots-{os.getuid()}"
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    message = f"{folder}: belongs to another user; remove it or set TMPDIR to a folder of your own"
    assert error(StorageError, slots.hold("", 1).__enter__) == message


def test_slots_are_not_taken_from_another_users_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(slots.os, "getuid", lambda: 12345)
    message = f"{tmp_path}/crawl-curation-slots-12345: belongs to another user; "
    assert error(StorageError, slots.hold("", 1).__enter__).startswith(message)


def test_a_folder_that_cannot_hold_slots_is_named(tmp_path):
    (tmp_path / "file").touch()
    message = f"{tmp_path}/file: cannot be made (File exists); give a local folder for the slots"
    assert error(StorageError, slots.hold(str(tmp_path / "file"), 1).__enter__) == message
