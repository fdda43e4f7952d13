"""How many things are done at once over all processes of this machine: lock files in a folder, one held by each."""

import contextlib
import fcntl
import os
import random
import stat
import tempfile
from collections.abc import Iterator
from time import sleep

from curation.storage import StorageError

_POLL = 0.1  # seconds between two looks for a free slot, at most


@contextlib.contextmanager
def hold(folder: str, count: int) -> Iterator[None]:
    """Waits for one of the `count` slots of `folder` and holds it for the block; "" is a folder of this user's own.

    The kernel frees the slot of a process that was killed. StorageError where the folder cannot be used.
    """
    descriptor = _wait(folder or _own_folder(), count)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough where a child was forked in the meantime
        os.close(descriptor)


def _own_folder() -> str:
    return os.path.join(tempfile.gettempdir(), f"crawl-curation-slots-{os.getuid()}")


def _wait(folder: str, count: int) -> int:
    assert count >= 1, count
    while True:
        _make(folder)  # each time: whoever cleans a temporary folder may have removed it
        for number in random.sample(range(count), count):
            if (descriptor := _try(folder, number)) is not None:
                return descriptor
        sleep(random.uniform(_POLL / 4, _POLL))


def _make(folder: str) -> None:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made ({error.strerror}); give a local folder for the slots") from error
    status = os.lstat(folder)
    if folder == _own_folder() and not (stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()):
        raise StorageError(f"{folder}: belongs to another user; remove it or set TMPDIR to a folder of your own")


def _try(folder: str, number: int) -> int | None:
    path = os.path.join(folder, f"slot-{number}")
    try:
        # Opened anew each time: flock tells open files apart, so that the threads of a process count too.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:  # the folder was removed a moment ago
        return None
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened ({error.strerror}); give a local folder for the slots") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise StorageError(f"{path}: cannot be locked ({error.strerror}); give a local folder for the slots") from error
    return descriptor
