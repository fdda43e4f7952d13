"""Buckets of S3 and of Google Cloud Storage, and the web, on servers of our own; no network but the loopback."""

import base64
import contextlib
import dataclasses
import errno
import hashlib
import http.server
import multiprocessing
import os
import pickle
import re
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import gcp_storage_emulator.server
import gcsfs.core
import pytest
import s3fs.core
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from curation import storage
from curation.remote import access, fetch
from curation.remote.fetch import Patience
from curation.storage import Access, Entry, Identity, StorageError
from tests import http_server

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
HASTY = Patience(attempts=1, timeout=0.3)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
AMAZONS_NO = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
GOOGLES_NO = b'{"error": {"code": 403, "message": "no storage.objects.list access"}}'
OPEN_UP = "or pass --anonymous to read a public bucket"
SET_AWS = (
    f"set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to credentials with rights to it, {OPEN_UP}"
)
SET_GOOGLE = f"set GOOGLE_APPLICATION_CREDENTIALS to credentials with rights to it, {OPEN_UP}"


class S3:
    """A server that speaks S3; without credentials it lets nobody into a bucket whose name does not start with public.

    `seen` has the bucket of each request, and whether it was signed.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def client(self) -> "boto3.client":
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )

    def _answer(self, environ, start_response):
        bucket, signed = environ["PATH_INFO"].split("/")[1], "HTTP_AUTHORIZATION" in environ
        self.seen.append((bucket, signed))
        if signed or bucket.startswith("public"):
            return self._app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [AMAZONS_NO] if environ["REQUEST_METHOD"] != "HEAD" else []


class Refusing(http.server.BaseHTTPRequestHandler):
    """Says no to everything, in the words of both services."""

    protocol_version = "HTTP/1.1"  # S3's clients wait for the 100 Continue of it

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = GOOGLES_NO if "/storage/v1/" in self.path else AMAZONS_NO
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3]:
    server = S3()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gcs_url() -> Iterator[str]:
    server = gcp_storage_emulator.server.create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    yield f"http://127.0.0.1:{server._api._httpd.server_port}"
    server.stop()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process that has been told nothing, on a machine without credentials and outside any cloud."""
    monkeypatch.setattr(access, "_access", None)
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    s3fs.S3FileSystem.clear_instance_cache()  # which read the environment when they were made
    yield
    fetch.use(Patience())


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket on S3."""
    for name, value in {"AWS_ENDPOINT_URL": s3_server.url, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
    name = f"private-{uuid.uuid4().hex}"
    s3_server.client().create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def gcs(gcs_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket on Google Cloud Storage."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_url)
    name = f"private-{uuid.uuid4().hex}"
    gcsfs.core.GCSFileSystem(token="anon", project="project").mkdir(name)
    return f"gs://{name}"


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest) -> str:
    """An empty bucket on either."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def refusing() -> Iterator[str]:
    """The URL of a server that denies everything."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """The URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def write(path: str, content: bytes = b"content") -> None:
    with storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(content)


def read(path: str) -> bytes:
    with storage.open_read(path) as file:
        return file.read()


def refusal(kind: type[Exception], call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(Exception) as caught:
        call(*arguments)
    assert type(caught.value) is kind, repr(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def denial(call: Callable[..., object], path: str) -> str:
    """A PermissionError; for output a StorageError that says so."""
    if call is not write:
        return refusal(PermissionError, call, path)
    message = refusal(StorageError, call, path)
    assert message.startswith("cannot write ")
    return message.removeprefix("cannot write ")


def test_round_trip(bucket):
    for number, name in enumerate(["b.gz", "a.gz", "deep/c.gz"]):
        write(f"{bucket}/in/{name}", b"x" * number)
    assert read(f"{bucket}/in/deep/c.gz") == b"xx"
    assert [storage.size(f"{bucket}/in/{name}") for name in ("a.gz", "b.gz")] == [1, 0]
    assert storage.listing(f"{bucket}/in") == storage.listing(f"{bucket}/in/") == ["a.gz", "b.gz", "deep"]
    assert storage.listing(f"{bucket}/out") == []
    paths = [f"{bucket}/{name}" for name in ("in/a.gz", "in/deep", "in", "in/a", "out")] + [bucket]
    assert [storage.exists(path) for path in paths] == [True, True, True, False, False, True]
    assert [storage.is_file(path) for path in paths] == [True, False, False, False, False, False]
    storage.remove(f"{bucket}/in/a.gz")
    assert [storage.exists(f"{bucket}/in/{name}") for name in ("a.gz", "b.gz")] == [False, True]
    storage.remove(f"{bucket}/in")
    storage.remove(f"{bucket}/in")
    assert storage.listing(bucket) == []


def test_reading_from_any_position(bucket):
    content = bytes(range(256)) * 40_000  # more than is read at once
    write(f"{bucket}/a", content)
    with storage.open_read(f"{bucket}/a") as file:
        assert (file.seekable(), file.readable(), file.writable()) == (True, True, False)
        assert file.seek(-3, os.SEEK_END) == len(content) - 3
        assert file.read() == content[-3:]
        assert (file.seek(5_000_000), file.read(7), file.tell()) == (5_000_000, content[5_000_000:5_000_007], 5_000_007)
        file.seek(0)
        assert file.read() == content
        assert file.read(1) == b""
    with pytest.raises(ValueError):
        file.read()
    assert storage.read_range(f"{bucket}/a", 1, 4) == b"\x01\x02\x03"
    assert storage.read_range(f"{bucket}/a", 4, 4) == b""
    assert refusal(StorageError, storage.read_range, f"{bucket}/a", len(content) - 2, len(content) + 9) == (
        f"{bucket}/a: expected bytes 10239998 to 10240009, found 2 of them; it is not the file that was meant"
    )
    assert refusal(StorageError, storage.read_range, f"{bucket}/a", len(content), len(content) + 9) in (
        f"{bucket}/a: storage refused (The requested range is not satisfiable); try again later, or check the path",
        f"{bucket}/a: expected bytes 10240000 to 10240009, found 0 of them; it is not the file that was meant",
    )


def test_glob(bucket):
    names = ["a.gz", "in/b.gz", "in/a.gz", "in/c.txt", "in/deep/d.gz", "in/w*?[1].gz", "in/deep/deeper/e.gz"]
    for number, name in enumerate(names):
        write(f"{bucket}/{name}", b"x" * number)

    def found(pattern: str) -> list[str]:
        entries = storage.glob(f"{bucket}/{pattern}")
        assert all(entry.size == names.index(entry.path.removeprefix(f"{bucket}/")) for entry in entries)
        return [entry.path.removeprefix(f"{bucket}/") for entry in entries]

    assert found("*.gz") == ["a.gz"]
    assert found("in/*.gz") == ["in/a.gz", "in/b.gz", "in/w*?[1].gz"]
    assert found("in/?.gz") == ["in/a.gz", "in/b.gz"]
    assert found("in/[ac].*") == ["in/a.gz", "in/c.txt"]
    assert found("*/*/d.gz") == found("in/d*/d.gz") == ["in/deep/d.gz"]
    assert found("in/de*/**/*.gz") == ["in/deep/d.gz", "in/deep/deeper/e.gz"]
    assert found("in/w*?[1].gz") == ["in/w*?[1].gz"]
    assert found("in/a.gz") == ["in/a.gz"]
    assert found("in") == found("in/*eep") == found("in/x.gz") == found("out/*") == found("a.gz/*") == []
    kind = bucket.partition("://")[0]
    assert refusal(ValueError, storage.glob, f"{kind}://priv*/*.gz") == (
        f"{kind}://priv*/*.gz: expected the name of one bucket, found a pattern; name it"
    )


def test_a_folder_that_may_not_be_listed_is_no_empty_one(s3, monkeypatch):
    write(f"{s3}/open/a")
    write(f"{s3}/shut/a")
    listed = s3fs.S3FileSystem._ls

    async def refuse(self, path, **options):
        if path.endswith("/shut"):
            raise PermissionError("Access Denied")
        return await listed(self, path, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_ls", refuse)
    s3fs.S3FileSystem.clear_instance_cache()
    assert storage.glob(f"{s3}/o*/*") == [Entry(f"{s3}/open/a", 7)]
    assert denial(storage.glob, f"{s3}/*/*") == f"{s3}/*/*: access denied (Access Denied); {SET_AWS}"


def test_what_could_not_be_removed_is_said(s3, monkeypatch):
    async def refused(self, paths, **_):
        return []  # as where the server lists nothing but errors

    write(f"{s3}/deep/a")
    monkeypatch.setattr(s3fs.S3FileSystem, "_bulk_delete", refused)
    assert refusal(StorageError, storage.remove, f"{s3}/deep") == (
        f"{s3}/deep: could not be removed; check that these credentials may delete there"
    )


def test_a_file_that_changes_while_it_is_read_is_one_sentence(s3):
    write(f"{s3}/a", b"x" * (20 << 20))
    with storage.open_read(f"{s3}/a") as file:
        assert file.read(1) == b"x"
        write(f"{s3}/a", b"y" * (20 << 20))
        assert refusal(StorageError, file.read) == f"{s3}/a: changed while it was read; start again"


def test_an_empty_object_that_stands_for_a_folder_is_not_in_it(s3, s3_server):
    client = s3_server.client()
    for key in ("corpus/", "corpus/part"):
        client.put_object(Bucket=s3.removeprefix("s3://"), Key=key, Body=b"")
    assert storage.listing(f"{s3}/corpus") == ["part"]
    assert storage.glob(f"{s3}/corpus/*") == [Entry(f"{s3}/corpus/part", 0)]


def test_identity_is_told_by_the_content(s3, gcs):
    for path in (f"{s3}/a", f"{gcs}/a"):
        for content in (b"one", b"two", b"one"):
            write(path, content)
            digest = hashlib.md5(content)
            version = f"etag:{digest.hexdigest()}" if path.startswith("s3") else f"md5:{_base64(digest.digest())}"
            assert storage.identity(path) == Identity(3, version)
        folder = storage.join(path.removesuffix("/a"), "deep")
        write(f"{folder}/b")
        assert refusal(FileNotFoundError, storage.identity, folder) == (
            f"{folder}: expected a file, found a folder; check the path"
        )
        assert (
            refusal(FileNotFoundError, storage.size, f"{path}/b") == f"{path}/b: there is no such file; check the path"
        )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_what_was_there(bucket, error):
    for expected in (False, True):
        with pytest.raises(error), storage.publish(f"{bucket}/a") as temporary, open(temporary, "wb") as file:
            file.write(b"half")
            raise error
        assert storage.exists(f"{bucket}/a") is expected
        assert not os.path.exists(temporary)
        write(f"{bucket}/a", b"whole")
    assert (read(f"{bucket}/a"), storage.listing(bucket)) == (b"whole", ["a"])


def break_uploads(monkeypatch: pytest.MonkeyPatch, how: Callable[[], None]) -> None:
    """Makes an upload of more than 10 MiB arrive half, in the way of either service, and then do `how`."""
    call, ask, send = s3fs.S3FileSystem._call_s3, gcsfs.core.GCSFileSystem._call, gcsfs.core.upload_chunk

    async def second_part_breaks(self, method, *arguments, **options):
        if method == "upload_part" and options["PartNumber"] == 2:
            how()
        return await call(self, method, *arguments, **options)

    async def half_arrives(filesystem, location, data, offset, size, content_type):
        await send(filesystem, location, data[: 5 << 20], offset, size, content_type)
        how()

    async def cancelled_or_sent(self, method, *arguments, **options):  # the emulator does not know how to cancel
        return await ask(self, method, *arguments, **options) if method != "DELETE" else None

    monkeypatch.setattr(gcsfs.core.GCSFileSystem, "_call", cancelled_or_sent)
    monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda *_, **__: 5 << 20)
    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", second_part_breaks)
    monkeypatch.setattr(gcsfs.core, "upload_chunk", half_arrives)


def test_an_upload_that_breaks_off_leaves_what_was_there(bucket, s3_server, monkeypatch):
    def broken() -> None:
        raise ConnectionResetError("Connection reset by peer")

    write(f"{bucket}/old", b"old")
    break_uploads(monkeypatch, broken)
    for name in ("old", "new"):
        assert refusal(StorageError, write, f"{bucket}/{name}", bytes(12 << 20)).startswith(
            f"{bucket}/{name}: no connection (Connection reset by peer); check the network and "
        )
    assert (storage.listing(bucket), read(f"{bucket}/old")) == (["old"], b"old")
    if bucket.startswith("s3://"):
        assert "Uploads" not in s3_server.client().list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))


KILLED = """
import os, pytest, sys
from tests.test_remote_storage import break_uploads, write
break_uploads(pytest.MonkeyPatch(), lambda: os._exit(9))
write(sys.argv[1], bytes(12 << 20))
"""


def test_a_process_that_is_killed_in_an_upload_leaves_nothing_to_be_seen(s3, gcs):
    for path in (f"{s3}/deep/a", f"{gcs}/deep/a"):
        assert subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT).returncode == 9
        assert not storage.exists(path)
        write(path, b"whole")
        assert read(path) == b"whole"


def in_a_worker(how: Access, path: str) -> tuple[bytes, list[str]]:
    storage.use(how)
    write(f"{path}/theirs", read(f"{path}/ours") + b", theirs")
    return storage.read_range(f"{path}/ours", 1, 3), storage.listing(path)


def test_another_process_sees_the_same(bucket):
    write(f"{bucket}/ours", b"ours")
    assert storage.listing(bucket) == ["ours"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(in_a_worker, (Access(), bucket)) == (b"ur", ["ours", "theirs"])
    assert (storage.listing(bucket), read(f"{bucket}/theirs")) == (["ours", "theirs"], b"ours, theirs")


def access_to(server: S3, **fields: object) -> Access:
    return Access(
        s3_endpoint_url=server.url,
        s3_region_name="us-east-1",
        s3_access_key_id="id",
        s3_secret_access_key="secret",
        **fields,
    )


def test_endpoint_and_credentials_travel_to_another_process(s3_server, s3, monkeypatch):
    for name in ("AWS_ENDPOINT_URL", *CREDENTIALS):
        monkeypatch.delenv(name)
    how = access_to(s3_server)
    storage.use(how)
    write(f"{s3}/ours", b"ours")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(in_a_worker, (how, s3)) == (b"ur", ["ours", "theirs"])
    assert {signed for bucket, signed in s3_server.seen if bucket == s3.removeprefix("s3://")} == {True}


def test_a_public_bucket_is_read_without_credentials_while_output_has_them(s3_server, s3):
    public = f"public-{uuid.uuid4().hex}"
    s3_server.client().create_bucket(Bucket=public, ACL="public-read")
    s3_server.client().put_object(Bucket=public, Key="in/a", Body=b"archive", ACL="public-read")
    already = len(s3_server.seen)
    storage.use(access_to(s3_server, anonymous=True, input_buckets=(f"s3://{public}",)))
    write(f"{s3}/a", read(f"s3://{public}/in/a"))
    assert storage.glob(f"s3://{public}/*/*") == [Entry(f"s3://{public}/in/a", 7)]
    assert storage.identity(f"{s3}/a") == storage.identity(f"s3://{public}/in/a")
    private = s3.removeprefix("s3://")
    seen = {(bucket, signed) for bucket, signed in s3_server.seen[already:] if bucket in (public, private)}
    assert seen == {(public, False), (private, True)}

    storage.use(access_to(s3_server, anonymous=True, input_buckets=(s3,)))
    assert refusal(PermissionError, storage.open_read, f"{s3}/a") == (
        f"{s3}/a: access denied (Forbidden); it is not public, so leave out --anonymous and give credentials"
    )
    write(f"{s3}/b")  # output is never anonymous


def test_google_cloud_is_read_without_credentials_where_asked():
    storage.use(Access(anonymous=True, input_buckets=("gs://public",)))
    filesystem, inner = access.filesystem("gs://public/a")
    assert (filesystem.credentials.token, inner) == ("anon", "public/a")
    for call in (read, write, storage.exists, storage.listing, storage.remove):
        assert re.fullmatch(
            rf"gs://public-too/a: no credentials that work \(Your default credentials .*\); {SET_GOOGLE}",
            denial(call, "gs://public-too/a"),
        )


def test_only_the_input_buckets_are_anonymous():
    how = Access(anonymous=True, input_buckets=("s3://one", "gs://two/"))
    paths = ["s3://one/a", "s3://one", "gs://two/a", "s3://one-more/a", "gs://one/a", "one/a"]
    assert [how.is_anonymous(path) for path in paths] == [True, True, True, False, False, False]
    assert not dataclasses.replace(how, anonymous=False).is_anonymous("s3://one/a")


def test_access_travels_and_keeps_its_secrets():
    how = Access(
        s3_endpoint_url="http://here", s3_access_key_id="who", s3_secret_access_key="x7", s3_session_token="y8"
    )
    assert pickle.loads(pickle.dumps(how)) == how
    assert hash(pickle.loads(pickle.dumps(how))) == hash(how)
    shown = repr(how)
    assert "http://here" in shown and not any(secret in shown for secret in ("who", "x7", "y8"))


CALLS = [read, write, storage.exists, storage.listing, storage.identity, storage.remove]


def test_a_bucket_that_is_not_there_is_one_sentence(bucket):
    kind = bucket.partition("://")[0]
    for call in (*CALLS, storage.glob, lambda path: storage.glob(f"{path}/*")):
        assert refusal(StorageError, call, f"{kind}://nobody/deep/a") == (
            f"{kind}://nobody: there is no such bucket; check its name"
        )


def test_the_endpoint_is_named_where_it_is_ours(s3_server):
    storage.use(access_to(s3_server))
    assert refusal(StorageError, storage.exists, "s3://nobody") == (
        f"s3://nobody: there is no such bucket at {s3_server.url}; check its name"
    )


def test_denied_is_one_sentence(refusing, monkeypatch):
    for name, value in {"AWS_ENDPOINT_URL": refusing, "STORAGE_EMULATOR_HOST": refusing, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
    for path, way in (("s3://ours/a", SET_AWS), ("gs://ours/a", SET_GOOGLE)):
        for call in (*CALLS, lambda path: storage.glob(f"{path}*")):
            assert re.fullmatch(rf"{path}\*?: access denied \(.+\); {way}", denial(call, path))


def test_no_credentials_are_one_sentence(s3_server, monkeypatch):
    storage.use(Access(s3_endpoint_url=s3_server.url))
    for call in CALLS:
        assert denial(call, "s3://ours/a") == (
            f"s3://ours/a: no credentials that work (Unable to locate credentials); {SET_AWS}"
        )
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    s3fs.S3FileSystem.clear_instance_cache()
    for call in CALLS:
        assert denial(call, "s3://ours/a") == (
            f"s3://ours/a: no credentials that work (The config profile (nobody) could not be found); {SET_AWS}"
        )


def test_no_connection_is_one_sentence(closed, monkeypatch):
    for name, value in {"AWS_ENDPOINT_URL": closed, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
    storage.use(Access(patience=Patience(attempts=1)))
    for call in CALLS:
        assert re.fullmatch(
            rf's3://ours/a: no connection \(Could not connect to the endpoint URL: "{closed}/ours.*"\); '
            r"check the network and the endpoint \(--s3_endpoint_url or AWS_ENDPOINT_URL\)",
            refusal(StorageError, call, "s3://ours/a"),
        )


def test_a_bucket_that_does_not_answer_is_one_sentence(silent, monkeypatch):
    for name, value in {"AWS_ENDPOINT_URL": silent, "STORAGE_EMULATOR_HOST": silent, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
    storage.use(Access(patience=HASTY))
    calls = [(path, call) for path in ("s3://ours/a", "gs://ours/a") for call in (storage.exists, write)]
    calls += [("s3://ours/a", call) for call in (read, storage.listing)]  # gcsfs has tries of its own here: 35 s
    for path, call in calls:
        assert refusal(StorageError, call, path) == f"{path}: no answer in time, 0.3 s a request; try again later"


def test_a_name_that_no_bucket_can_have_is_one_sentence(s3):
    message = refusal(StorageError, storage.exists, "s3://No Bucket/a")
    assert message.startswith("s3://No Bucket/a: cannot be asked for (Parameter validation failed: Invalid bucket name")


def test_an_endpoint_that_is_no_url_is_one_sentence():
    storage.use(Access(s3_endpoint_url="localhost:9000", s3_access_key_id="id", s3_secret_access_key="secret"))
    for call in (read, write, storage.exists):
        assert refusal(StorageError, call, "s3://ours/a") == (
            "s3://ours/a: cannot be asked for (Invalid endpoint: localhost:9000); check the path and the endpoint "
            "(--s3_endpoint_url or AWS_ENDPOINT_URL)"
        )


@pytest.fixture
def web(tmp_path: Path) -> Iterator[http_server.Server]:
    """A web server with one file, whose URL has what would be wildcards elsewhere."""
    fetch.use(Patience(slots=str(tmp_path / "slots")))
    with http_server.Server({"/in/a*.gz": b"content"}) as server:
        yield server


def test_the_web_is_read(web):
    url, missing = web.url("/in/a*.gz?b=1"), web.url("/in/b.gz")
    assert (read(url), storage.read_range(url, 1, 4), storage.size(url)) == (b"content", b"ont", 7)
    assert storage.identity(url) == Identity(7, f"etag:{hashlib.sha256(b'content').hexdigest()[:16]}")
    assert storage.glob(url) == [Entry(url, 7)]
    assert [storage.exists(url), storage.is_file(url)] == [True, True]
    assert [storage.exists(missing), storage.is_file(missing), storage.glob(missing)] == [False, False, []]
    for call in (read, storage.size, storage.identity):
        assert missing in refusal(FileNotFoundError, call, missing)


def test_the_web_is_copied_to_a_file_for_as_long_as_it_is_needed(web, monkeypatch, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    url = web.url("/in/a*.gz?b=1")
    for error in (None, RuntimeError):
        with contextlib.suppress(RuntimeError), storage.local_copy(url) as copy:
            assert (Path(copy).parent, Path(copy).read_bytes()) == (folder, b"content")
            if error:
                raise error
        assert os.listdir(folder) == []
    refusal(FileNotFoundError, lambda: storage.local_copy(web.url("/in/b.gz")).__enter__())
    assert os.listdir(folder) == []


def test_a_full_folder_for_copies_is_one_sentence(monkeypatch, tmp_path):
    def refuse(url: str, path: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fetch, "download", refuse)
    assert refusal(StorageError, lambda: storage.local_copy("https://host/a").__enter__()) == (
        f"cannot fetch https://host/a: no space is left in {tmp_path}; free some, or set TMPDIR to a folder with more"
    )
    assert os.listdir(tmp_path) == []


def test_only_the_web_is_copied(tmp_path, s3):
    for path, expected in ((f"{tmp_path}/a", f"{tmp_path}/a"), ("file:///a", "/a"), (f"{s3}/a", f"{s3}/a")):
        with storage.local_copy(path) as copy:
            assert copy == expected


@pytest.mark.parametrize("call", [write, storage.listing, storage.remove])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_web_is_for_input_only(call, scheme):
    assert refusal(ValueError, call, f"{scheme}://host/a") == (
        f"{scheme}://host/a: {scheme}:// is for input only; use a local path, gs:// or s3://"
    )


def test_patience_is_that_of_the_web_as_well(web, tmp_path):
    storage.use(Access(patience=Patience(attempts=2, first_wait=0.01, slots=str(tmp_path / "slots"))))
    url = web.url("/in/a*.gz?b=1")
    web.fail("/in/a*.gz", http_server.Fault(status=503), always=True)
    assert url in refusal(StorageError, read, url)
    assert len([request for request in web.requests if request.method == "GET"]) == 2
