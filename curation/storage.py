"""The one door to storage: local disk, gs://, s3://, https:// and whatever else fsspec knows, by path.

Nothing is ever seen half-written under its final name: a file is written beside its place (or, for remote storage, in
the local temporary folder) and moved there when it is whole.
"""

import contextlib
import dataclasses
import errno
import os
import tempfile
import uuid
from collections.abc import Iterator
from typing import BinaryIO, cast

import fsspec

_TEMPORARY = ".writing-"  # prefix of files that are not whole yet
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(OSError):
    """Storage refused: the message names the path, what happened and what to do."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file and its size in bytes."""

    path: str
    size: int


def is_local(path: str) -> bool:
    """Whether `path` lies on this machine's disk."""
    return "://" not in path or path.startswith("file://")


def join(folder: str, *names: str) -> str:
    """Joins path components with `/`, which every storage understands."""
    return "/".join([folder.rstrip("/"), *names]) if names else folder


def base_name(path: str) -> str:
    """The last component of a path."""
    return path.rstrip("/").rsplit("/", 1)[-1]


def open_read(path: str) -> BinaryIO:
    """Opens a file for reading from any position; FileNotFoundError where there is none."""
    filesystem, inner = _resolve(path)
    return cast(BinaryIO, filesystem.open(inner, "rb", compression=None))


def size(path: str) -> int:
    """The size of a file in bytes."""
    filesystem, inner = _resolve(path)
    return int(filesystem.info(inner)["size"])


def exists(path: str) -> bool:
    """Whether there is a file or folder at `path`."""
    filesystem, inner = _resolve(path)
    return bool(filesystem.exists(inner))


def is_file(path: str) -> bool:
    """Whether `path` is a file."""
    filesystem, inner = _resolve(path)
    return bool(filesystem.isfile(inner))


def glob(pattern: str) -> list[Entry]:
    """The files that match `pattern`, by path; the pattern itself where it has no wildcard and the file exists."""
    filesystem, inner = _resolve(pattern)
    prefix = pattern[: pattern.index("://") + 3] if "://" in pattern and not pattern.startswith("file://") else ""
    if filesystem.exists(inner):  # as it stands, whatever wildcards its name may hold
        found = {inner: filesystem.info(inner)}
    elif not any(character in inner for character in "*?["):
        found = {}
    else:
        found = filesystem.glob(inner, detail=True)
    entries = []
    for path, info in found.items():
        if info["type"] == "file" or (info.get("islink") and os.path.isfile(path)):
            name = path if not prefix or path.startswith(prefix) else prefix + path.lstrip("/")
            entries.append(Entry(_as_given(name, pattern), int(info["size"])))
    return sorted(entries, key=lambda entry: entry.path)


def listing(folder: str) -> list[str]:
    """The names in a folder, sorted, without files that are still being written; empty where there is no folder."""
    filesystem, inner = _resolve(folder)
    try:
        names = [base_name(path) for path in filesystem.ls(inner, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name and not name.startswith(_TEMPORARY))


def remove(path: str) -> None:
    """Removes a file or a whole folder; nothing where there is none."""
    filesystem, inner = _resolve(path)
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm(inner, recursive=True)


def remove_unfinished(folder: str) -> None:
    """Removes what a killed run left half-written in a folder on local disk; remote storage never holds such files."""
    if is_local(folder) and os.path.isdir(folder):
        for name in os.listdir(folder):
            if name.startswith(_TEMPORARY):
                os.remove(os.path.join(folder, name))


@contextlib.contextmanager
def publish(path: str) -> Iterator[str]:
    """Yields a local path to write to; what was written appears at `path` when the block ends without an error.

    Raises StorageError where the disk is full or the folder cannot be written.
    """
    path = path.removeprefix("file://")
    folder = path.rsplit("/", 1)[0] or "/" if "/" in path else "."
    with _explained(path):
        if is_local(path):
            os.makedirs(folder, exist_ok=True)
            temporary = os.path.join(folder, f"{_TEMPORARY}{base_name(path)}-{uuid.uuid4().hex}")
        else:
            handle, temporary = tempfile.mkstemp(prefix="publish-")
            os.close(handle)
        try:
            yield temporary
            if is_local(path):
                _flush(temporary)
                os.replace(temporary, path)
                _flush(folder)
            else:
                filesystem, inner = _resolve(path)
                filesystem.put_file(temporary, inner)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(temporary)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in _NO_ROOM:
            what = "no space is left there; free some or choose another --output, then start again"
        elif isinstance(error, PermissionError):
            what = "writing there is not permitted; choose another --output or change its permissions"
        elif isinstance(error, NotADirectoryError) or error.errno == errno.EROFS:
            what = "no file can be made there; choose another --output"
        else:
            raise
        raise StorageError(error.errno, f"cannot write {path}: {what} ({error.strerror})") from error


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _resolve(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    if is_local(path):
        return fsspec.filesystem("file"), os.path.abspath(path.removeprefix("file://"))
    try:
        # Without the cache of listings, in which files that other processes publish never appear.
        filesystem, inner = fsspec.core.url_to_fs(path, use_listings_cache=False)
    except ImportError as error:
        extra = "gcp" if path.startswith("gs://") else "aws" if path.startswith("s3://") else None
        way = f"pip install '.[{extra}]'" if extra else "install the fsspec package for it"
        raise ValueError(f"{path}: this storage needs a package that is not installed; {way} ({error})") from None
    except ValueError as error:
        raise ValueError(
            f"{path}: unknown kind of storage ({error}); use a local path, gs://, s3:// or https://"
        ) from None
    return filesystem, inner


def _as_given(path: str, pattern: str) -> str:
    """fsspec makes local paths absolute; give back what the user wrote, so that output does not hold this machine's."""
    if not is_local(pattern) or os.path.isabs(pattern) or pattern.startswith("file://"):
        return path
    return os.path.relpath(path)
