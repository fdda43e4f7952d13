"""Files that appear whole or not at all: written elsewhere, and moved to their place when they are finished."""

import contextlib
import errno
import os
import tempfile
import uuid
from collections.abc import Iterator

from curation.remote import access
from curation.remote.refusals import NO_ROOM, StorageError, explained

TEMPORARY = ".writing-"  # prefix of files on local disk that are not whole yet


@contextlib.contextmanager
def publish(path: str) -> Iterator[str]:
    """Yields a local path to write to; what was written appears at `path` when the block ends without an error.

    Raises StorageError where the disk is full, or the folder or bucket cannot be written.
    """
    with _on_disk(path.removeprefix("file://")) if not access.scheme(path) else _remotely(path) as temporary:
        yield temporary


@contextlib.contextmanager
def _on_disk(path: str) -> Iterator[str]:
    folder = path.rsplit("/", 1)[0] or "/" if "/" in path else "."
    temporary = os.path.join(folder, f"{TEMPORARY}{os.path.basename(path)}-{uuid.uuid4().hex}")
    with _refusals_of(path, temporary):
        try:
            os.makedirs(folder, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(folder)
        finally:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.remove(temporary)


@contextlib.contextmanager
def _remotely(path: str) -> Iterator[str]:
    with _unwritable(path):
        filesystem, inner = access.filesystem(path, writing=True)
    folder = tempfile.gettempdir()
    try:
        handle, temporary = tempfile.mkstemp(prefix="publish-", dir=folder)
        os.close(handle)
        try:
            yield temporary
            with _unwritable(path):
                filesystem.put_file(temporary, inner, **access.in_time(filesystem, os.path.getsize(temporary)))
        finally:
            os.remove(temporary)
    except OSError as error:
        if error.errno not in NO_ROOM or isinstance(error, StorageError):
            raise
        raise StorageError(
            error.errno,
            f"cannot write {path}: no space is left in {folder}, where it is written first; free some, or set TMPDIR "
            f"to a folder with more ({error.strerror})",
        ) from error


@contextlib.contextmanager
def _unwritable(path: str) -> Iterator[None]:
    try:
        with explained(path):
            yield
    except (PermissionError, FileNotFoundError) as error:
        raise StorageError(f"cannot write {error}") from error


@contextlib.contextmanager
def _refusals_of(path: str, temporary: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        # What the caller reads meanwhile may be refused as well.
        is_ours = error.errno and (error.filename is None or error.filename == temporary or error.filename in path)
        if error.errno in NO_ROOM:
            what = "no space is left there; free some or choose another --output, then start again"
        elif is_ours and isinstance(error, PermissionError):
            what = "writing there is not permitted; choose another --output or change its permissions"
        elif is_ours and (isinstance(error, NotADirectoryError) or error.errno == errno.EROFS):
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
