"""The one door to storage: local disk, gs://, s3://, https:// and whatever else fsspec knows, by path.

Nothing is ever seen half-written under its final name, see `remote.publishing`. What remote storage refuses is said in
one sentence that names the path, see `remote.refusals`. `remote.fetch`, which serves https://, is imported where it is
used, since it reports with the StorageError that it finds here.
"""

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from curation.remote import access, publishing, remote_files
from curation.remote.access import Access as Access
from curation.remote.access import use as use
from curation.remote.refusals import NO_ROOM, explained
from curation.remote.refusals import StorageError as StorageError

# What tells contents apart, the strongest first: S3 has the ETag only, and GCS no MD5 of composed objects.
_VERSIONS = {"md5Hash": "md5", "crc32c": "crc32c", "generation": "generation", "ETag": "etag"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file and its size in bytes."""

    path: str
    size: int


@dataclasses.dataclass(frozen=True)
class Identity:
    """The size of a file in bytes, and what its storage tells contents apart by, such as `etag:1f2e`; "" on disk."""

    size: int
    version: str


def is_local(path: str) -> bool:
    """Whether `path` lies on this machine's disk."""
    return not access.scheme(path)


def is_http(path: str) -> bool:
    """Whether `path` is a URL of the web, which is for input only."""
    return access.scheme(path).lower() in ("http", "https")


def join(folder: str, *names: str) -> str:
    """Joins path components with `/`, which every storage understands."""
    return "/".join([folder.rstrip("/"), *names]) if names else folder


def base_name(path: str) -> str:
    """The last component of a path."""
    return path.rstrip("/").rsplit("/", 1)[-1]


def open_read(path: str) -> BinaryIO:
    """Opens a file for reading from any position; FileNotFoundError where there is none."""
    if is_http(path):
        from curation.remote import fetch

        return fetch.open_ranges(path)
    return open(path.removeprefix("file://"), "rb") if is_local(path) else remote_files.opened(path)


def read_range(path: str, start: int, stop: int) -> bytes:
    """The bytes from `start` up to `stop` of a file, all of them; StorageError where it does not reach as far."""
    if is_http(path):
        from curation.remote import fetch

        return fetch.read(path, start, stop)
    content = _read_range(path, start, stop) if start < stop else b""  # an empty range would be asked for as all
    if len(content) != stop - start:
        raise StorageError(
            f"{path}: expected bytes {start} to {stop}, found {len(content)} of them; it is not the file that was meant"
        )
    return content


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """For a URL of the web, a local file with what is there, until the block ends; other paths as they are.

    Other storage may be read from any position as often as one likes. StorageError where the disk is full.
    """
    if not is_http(path):
        yield path.removeprefix("file://")
        return
    from curation.remote import fetch

    folder = tempfile.gettempdir()
    with contextlib.ExitStack() as stack:
        try:
            handle, temporary = tempfile.mkstemp(prefix="copy-", dir=folder)
            stack.callback(os.remove, temporary)
            os.close(handle)
            fetch.download(path, temporary)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise StorageError(
                f"cannot fetch {path}: no space is left in {folder}; free some, or set TMPDIR to a folder with more"
            ) from error
        yield temporary


def size(path: str) -> int:
    """The size of a file in bytes."""
    return identity(path).size


def identity(path: str) -> Identity:
    """The size and the version of a file, without reading it; FileNotFoundError where there is none."""
    info = _look(path)
    if info is None:
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if info["type"] == "directory":
        raise FileNotFoundError(f"{path}: expected a file, found a folder; check the path")
    found = [f"{kind}:{info[key]}".replace('"', "") for key, kind in _VERSIONS.items() if info.get(key)]
    return Identity(int(info["size"]), found[0] if found else "")


def exists(path: str) -> bool:
    """Whether there is a file or folder at `path`; StorageError where there is not even its bucket."""
    return _look(path) is not None


def is_file(path: str) -> bool:
    """Whether `path` is a file."""
    info = _look(path)
    return info is not None and _is_file(info)


def glob(pattern: str) -> list[Entry]:
    """The files that match `pattern`, by path; the pattern itself where such a file exists, as for any URL."""
    if not is_local(pattern) and remote_files.is_pattern(access.bucket(pattern)):
        raise ValueError(f"{pattern}: expected the name of one bucket, found a pattern; name it")
    info = _look(pattern)
    found = _search(pattern) if info is None else [info]  # as it stands, whatever wildcards its name may hold
    prefix = "" if is_local(pattern) else pattern[: pattern.index("://") + 3]
    entries = []
    for info in filter(_is_file, found):
        name = info["name"]
        path = name if name.startswith(prefix) else prefix + name.lstrip("/")
        entries.append(Entry(_as_given(path, pattern), int(info["size"])))
    return sorted(entries, key=lambda entry: entry.path)


def listing(folder: str) -> list[str]:
    """The names in a folder, sorted, without files that are still being written; empty where there is no folder."""
    _refuse_http(folder)
    try:
        with explained(folder):
            filesystem, inner = access.filesystem(folder)
            paths = filesystem.ls(inner, detail=False)
    except FileNotFoundError:
        return []
    names = [base_name(path) for path in paths if path.strip("/") != inner.strip("/")]  # some list their own marker
    return sorted(name for name in names if name and not name.startswith(publishing.TEMPORARY))


def remove(path: str) -> None:
    """Removes a file or a whole folder; nothing where there is none."""
    _refuse_http(path)
    with contextlib.suppress(FileNotFoundError), explained(path):
        filesystem, inner = access.filesystem(path, writing=True)
        filesystem.rm(inner, recursive=True)
    if access.is_s3(path) and exists(path):  # s3fs passes over what the server did not remove
        raise StorageError(f"{path}: could not be removed; check that these credentials may delete there")


def remove_unfinished(folder: str) -> None:
    """Removes what a killed run left half-written below a folder on local disk; remote storage never holds such."""
    if is_local(folder):
        for inner, _, names in os.walk(folder.removeprefix("file://")):
            for name in names:
                if name.startswith(publishing.TEMPORARY):
                    os.remove(os.path.join(inner, name))


def publish(path: str) -> contextlib.AbstractContextManager[str]:
    """Yields a local path to write to; what was written appears at `path` when the block ends without an error.

    Raises StorageError where the disk is full, or the folder or bucket cannot be written.
    """
    _refuse_http(path)
    return publishing.publish(path)


def _read_range(path: str, start: int, stop: int) -> bytes:
    if is_local(path):
        with open_read(path) as file:
            file.seek(start)
            return file.read(stop - start)
    with explained(path):  # one request, where opening the file would take another and reading ahead would take more
        filesystem, inner = access.filesystem(path)
        return bytes(filesystem.cat_file(inner, start=start, end=stop, **access.in_time(filesystem, stop - start)))


def _look(path: str) -> dict[str, Any] | None:
    """What fsspec knows of a file or folder, or as much of a URL; None where there is nothing."""
    try:
        if is_http(path):
            from curation.remote import fetch

            remote = fetch.look(path)
            return {"name": path, "type": "file", "size": remote.size, "ETag": remote.etag}
        if is_local(path) and not os.path.exists(path.removeprefix("file://")):
            return None
        with explained(path):
            filesystem, inner = access.filesystem(path)
            return cast(dict[str, Any], filesystem.info(inner, **access.in_time(filesystem)))
    except FileNotFoundError:
        return None


def _search(pattern: str) -> list[dict[str, Any]]:
    if is_http(pattern) or not remote_files.is_pattern(pattern):
        return []
    if not is_local(pattern):
        return remote_files.matching(pattern)
    filesystem, inner = access.filesystem(pattern)
    return list(filesystem.glob(inner, detail=True).values())


def _is_file(info: dict[str, Any]) -> bool:
    return info["type"] == "file" or (info.get("islink", False) and os.path.isfile(info["name"]))


def _refuse_http(path: str) -> None:
    if is_http(path):
        raise ValueError(f"{path}: {access.scheme(path)}:// is for input only; use a local path, gs:// or s3://")


def _as_given(path: str, pattern: str) -> str:
    """fsspec makes local paths absolute; give back what the user wrote, so that output does not hold this machine's."""
    if not is_local(pattern) or os.path.isabs(pattern) or pattern.startswith("file://"):
        return path
    return os.path.relpath(path)
