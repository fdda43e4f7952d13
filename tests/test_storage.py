import errno
import os
import subprocess
import sys
import tempfile
import uuid

import fsspec
import pytest

from curation import storage
from curation.storage import Entry, Identity, StorageError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NO_SPACE = "no space is left there; free some or choose another --output, then start again"
NOT_PERMITTED = "writing there is not permitted; choose another --output or change its permissions"


def write(path, content=b"content"):
    with storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(content)


def read(path):
    with storage.open_read(path) as file:
        return file.read()


def everything(folder):
    """Every file under a folder, hidden ones too."""
    return sorted(
        os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names
    )


@pytest.fixture
def memory():
    """A folder of fsspec's in-memory storage that no other test uses."""
    return f"memory://{uuid.uuid4().hex}"


def test_publish_makes_the_folder_and_the_file(tmp_path):
    path = f"{tmp_path}/a/b/part.parquet"
    write(path)
    assert read(path) == b"content"
    assert everything(tmp_path) == ["a/b/part.parquet"]


def test_nothing_is_at_the_path_before_the_block_ends(tmp_path):
    path = f"{tmp_path}/part.parquet"
    with storage.publish(path) as temporary:
        assert not storage.exists(path)
        assert os.path.dirname(temporary) == str(tmp_path)
        with open(temporary, "w"):
            pass
        assert storage.listing(str(tmp_path)) == []
    assert storage.listing(str(tmp_path)) == ["part.parquet"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_neither_file_nor_temporary(tmp_path, error):
    path = f"{tmp_path}/part.parquet"
    with pytest.raises(error), storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(b"half")
        raise error
    assert everything(tmp_path) == []


def test_an_exception_leaves_the_file_that_was_there(tmp_path):
    path = f"{tmp_path}/part.parquet"
    write(path, b"old")
    with pytest.raises(RuntimeError), storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(b"half")
        raise RuntimeError
    assert (read(path), everything(tmp_path)) == (b"old", ["part.parquet"])
    write(path, b"new")
    assert read(path) == b"new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, number):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    path = f"{tmp_path}/part.parquet"
    with pytest.raises(StorageError) as caught:
        write(path)
    assert caught.value.errno == number
    assert caught.value.strerror == f"cannot write {path}: {NO_SPACE} ({os.strerror(number)})"
    assert everything(tmp_path) == []


FILL = """
import resource, signal, sys
from curation import storage
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with storage.publish(sys.argv[1]) as temporary, open(temporary, "wb") as file:
        file.write(bytes(5000))
except storage.StorageError as error:
    print(error.strerror)
"""


def test_a_file_over_the_limit_of_the_system_is_one_sentence(tmp_path):
    path = f"{tmp_path}/part.parquet"
    command = [sys.executable, "-c", FILL, path]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert found == f"cannot write {path}: {NO_SPACE} (File too large)\n"
    assert everything(tmp_path) == []


def test_missing_permission_is_one_sentence(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    path = f"{tmp_path}/part.parquet"
    with pytest.raises(StorageError) as caught:
        write(path)
    assert caught.value.strerror == f"cannot write {path}: {NOT_PERMITTED} (Permission denied)"
    assert everything(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    os.chmod(tmp_path, 0o500)
    with pytest.raises(StorageError) as caught:
        write(f"{tmp_path}/part.parquet")
    assert caught.value.strerror == f"cannot write {tmp_path}/part.parquet: {NOT_PERMITTED} (Permission denied)"


def test_other_errors_stay_what_they_are(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError) as caught:
        write(f"{tmp_path}/part.parquet")
    assert (type(caught.value), caught.value.errno) == (OSError, errno.EIO)


def test_what_is_read_meanwhile_is_not_blamed_on_the_output(tmp_path):
    for error in (PermissionError("s3://in/a: access denied"), PermissionError(errno.EACCES, "Denied", "/in/a")):
        with pytest.raises(PermissionError) as caught, storage.publish(f"{tmp_path}/part.parquet"):
            raise error
        assert caught.value is error
    assert everything(tmp_path) == []


def test_unfinished_files_are_removed(tmp_path):
    (tmp_path / ".writing-part.parquet-1234").write_bytes(b"half")
    (tmp_path / "part.parquet").write_bytes(b"whole")
    (tmp_path / ".hidden").write_bytes(b"not ours")
    storage.remove_unfinished(str(tmp_path))
    assert everything(tmp_path) == [".hidden", "part.parquet"]
    storage.remove_unfinished(f"{tmp_path}/nowhere")
    storage.remove_unfinished("memory://somewhere")


def test_a_file_url_is_a_local_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = f"file://{tmp_path}/out/part.parquet"
    write(path)
    assert everything(tmp_path) == ["out/part.parquet"]
    assert read(path) == b"content"


def test_glob_gives_sorted_files_as_the_pattern_spells_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["in/b.gz", "in/a.gz", "in/c.txt", "in/deep/d.gz"]):
        write(f"{tmp_path}/{name}", b"x" * number)
    assert storage.glob("in/*.gz") == [Entry("in/a.gz", 1), Entry("in/b.gz", 0)]
    assert storage.glob("./in/*.gz") == [Entry("in/a.gz", 1), Entry("in/b.gz", 0)]
    assert storage.glob(f"{tmp_path}/in/*.gz") == [Entry(f"{tmp_path}/in/a.gz", 1), Entry(f"{tmp_path}/in/b.gz", 0)]
    assert storage.glob("in/**/*.gz") == [Entry("in/a.gz", 1), Entry("in/b.gz", 0), Entry("in/deep/d.gz", 3)]
    assert storage.glob("in/[ac].*") == [Entry("in/a.gz", 1), Entry("in/c.txt", 2)]
    assert storage.glob("in/a.gz") == [Entry("in/a.gz", 1)]
    assert storage.glob("in") == []  # a folder is no file
    assert storage.glob("in/*eep") == []
    assert storage.glob("in/x.gz") == []


def test_sizes_and_existence(tmp_path):
    write(f"{tmp_path}/a", b"12345")
    assert storage.size(f"{tmp_path}/a") == 5
    assert [storage.exists(f"{tmp_path}{name}") for name in ("/a", "", "/b")] == [True, True, False]
    with pytest.raises(FileNotFoundError):
        storage.open_read(f"{tmp_path}/b")


def test_ranges(tmp_path, memory):
    for path in (f"{tmp_path}/a", f"file://{tmp_path}/a", f"{memory}/a"):
        write(path, b"0123456789")
        assert storage.read_range(path, 2, 5) == b"234"
        assert storage.read_range(path, 5, 5) == b""
        with pytest.raises(StorageError) as caught:
            storage.read_range(path, 8, 12)
        assert str(caught.value) == (
            f"{path}: expected bytes 8 to 12, found 2 of them; it is not the file that was meant"
        )


def test_identity_of_what_has_no_versions_is_its_size(tmp_path, memory):
    for folder in (str(tmp_path), memory):
        write(f"{folder}/deep/a", b"12345")
        assert storage.identity(f"{folder}/deep/a") == Identity(5, "")
        for path, what in (("deep", "expected a file, found a folder"), ("b", "there is no such file")):
            with pytest.raises(FileNotFoundError) as caught:
                storage.identity(f"{folder}/{path}")
            assert str(caught.value) == f"{folder}/{path}: {what}; check the path"


def test_what_is_no_folder_has_no_names_in_it(tmp_path):
    write(f"{tmp_path}/a")
    assert storage.listing(f"{tmp_path}/a") == []
    assert not storage.exists(f"{tmp_path}/a/b")
    assert [storage.is_file(f"{tmp_path}{name}") for name in ("/a", "", "/a/b")] == [True, False, False]


def test_remove(tmp_path):
    write(f"{tmp_path}/a/b/c")
    write(f"{tmp_path}/a/d")
    storage.remove(f"{tmp_path}/a/d")
    assert everything(tmp_path) == ["a/b/c"]
    storage.remove(f"{tmp_path}/a")
    storage.remove(f"{tmp_path}/a")
    assert os.listdir(tmp_path) == []


def test_memory_round_trip(memory):
    for number, name in enumerate(["b.gz", "a.gz", "deep/c.gz"]):
        write(f"{memory}/in/{name}", b"x" * number)
    assert read(f"{memory}/in/deep/c.gz") == b"xx"
    assert storage.size(f"{memory}/in/deep/c.gz") == 2
    assert storage.glob(f"{memory}/in/*.gz") == [Entry(f"{memory}/in/a.gz", 1), Entry(f"{memory}/in/b.gz", 0)]
    assert storage.glob(f"{memory}/in/a.gz") == [Entry(f"{memory}/in/a.gz", 1)]
    assert storage.listing(f"{memory}/in") == ["a.gz", "b.gz", "deep"]
    assert storage.listing(f"{memory}/out") == []
    storage.remove(f"{memory}/in/a.gz")
    assert [storage.exists(f"{memory}/in/{name}") for name in ("a.gz", "b.gz")] == [False, True]
    storage.remove(f"{memory}/in")
    storage.remove(f"{memory}/in")
    assert storage.listing(memory) == []


def test_remote_storage_never_holds_half_a_file(memory):
    with pytest.raises(RuntimeError), storage.publish(f"{memory}/a") as temporary, open(temporary, "wb") as file:
        file.write(b"half")
        raise RuntimeError
    assert not storage.exists(f"{memory}/a")
    assert not os.path.exists(temporary)
    write(f"{memory}/a")
    assert (read(f"{memory}/a"), storage.listing(memory)) == (b"content", ["a"])


def test_a_full_temporary_folder_is_one_sentence(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(StorageError) as caught, storage.publish(f"{memory}/a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.strerror == (
        f"cannot write {memory}/a: no space is left in {tmp_path}, where it is written first; free some, or set TMPDIR "
        "to a folder with more (No space left on device)"
    )
    assert (everything(tmp_path), storage.exists(f"{memory}/a")) == ([], False)


@pytest.mark.parametrize("call", [storage.open_read, storage.glob, storage.exists, storage.listing, write])
def test_an_unknown_kind_of_storage_is_one_sentence(call):
    with pytest.raises(ValueError) as caught:
        call("nosuch://bucket/a")
    message = str(caught.value)
    assert message.startswith("nosuch://bucket/a: unknown kind of storage (")
    assert message.endswith("); use a local path, gs://, s3:// or https://")


@pytest.mark.parametrize(
    "scheme, package, way",
    [("gs", "gcsfs.core", "pip install '.[gcp]'"), ("s3", "s3fs", "pip install '.[aws]'")],
)
def test_a_package_that_is_not_installed_is_one_sentence(monkeypatch, scheme, package, way):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError) as caught:
        storage.open_read(f"{scheme}://bucket/a")
    assert str(caught.value) == (
        f"{scheme}://bucket/a: this storage needs a package that is not installed; {way} "
        f"(import of {package} halted; None in sys.modules)"
    )


def test_a_package_for_other_storage_that_is_not_installed_is_one_sentence(monkeypatch):
    def refuse(path, **_):
        raise ImportError("Please install it")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(ValueError) as caught:
        storage.open_read("other://bucket/a")
    assert str(caught.value) == (
        "other://bucket/a: this storage needs a package that is not installed; install the fsspec package for it "
        "(Please install it)"
    )


@pytest.mark.parametrize(
    "path, expected",
    [
        ("a/b", True),
        ("/a/b", True),
        ("file:///a", True),
        ("gs://a", False),
        ("https://a/b", False),
        ("memory://a", False),
    ],
)
def test_is_local(path, expected):
    assert storage.is_local(path) is expected


@pytest.mark.parametrize(
    "path, expected",
    [
        ("http://a/b", True),
        ("HTTPS://a/b", True),
        ("https", False),
        ("gs://http/a", False),
        ("file:///http://a", False),
    ],
)
def test_is_http(path, expected):
    assert storage.is_http(path) is expected


@pytest.mark.parametrize(
    "parts, expected",
    [
        (["a", "b"], "a/b"),
        (["a/", "b", "c"], "a/b/c"),
        (["gs://bucket/", "b"], "gs://bucket/b"),
        (["a"], "a"),
        (["/", "b"], "/b"),
    ],
)
def test_join(parts, expected):
    assert storage.join(*parts) == expected


@pytest.mark.parametrize("path, expected", [("a", "a"), ("a/b", "b"), ("a/b/", "b"), ("gs://a/b.gz", "b.gz")])
def test_base_name(path, expected):
    assert storage.base_name(path) == expected
