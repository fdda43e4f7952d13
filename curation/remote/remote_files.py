"""What fsspec's file systems lack: errors in one sentence while a file is read, and none passed over in a search."""

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import fsspec.utils

from curation.remote import access
from curation.remote.refusals import explained

_READ_AHEAD = 8 << 20  # bytes; few requests for a whole archive, and little in vain between two columns of an index
_BUFFER = 1 << 20  # bytes


class _Explained(io.RawIOBase):
    def __init__(self, path: str, file: Any) -> None:
        self._path, self._file = path, file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with explained(self._path):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        with explained(self._path):
            return bytes(self._file.read())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def opened(path: str) -> BinaryIO:
    """The remote file at `path`, to be read from any position; raises as `refusals.explained`, then too."""
    with explained(path):
        filesystem, inner = access.filesystem(path)
        file = filesystem.open(inner, "rb", block_size=_READ_AHEAD, compression=None)
    return cast(BinaryIO, io.BufferedReader(_Explained(path, file), _BUFFER))


def matching(pattern: str) -> list[dict[str, Any]]:
    """What fsspec knows of the remote files and folders that match; raises as `refusals.explained`.

    fsspec's own search takes a folder that it may not list, or that does not answer, for an empty one.
    """
    with explained(pattern):
        filesystem, inner = access.filesystem(pattern)
    bucket, *parts = inner.split("/")
    whole = re.compile(fsspec.utils.glob_translate(inner))
    return [info for info in _below(pattern, filesystem, bucket, parts) if whole.match(info["name"])]


def is_pattern(path: str) -> bool:
    """Whether `path` has wildcards."""
    return any(character in path for character in "*?[")


def _below(pattern: str, filesystem: Any, folder: str, parts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What is in a folder and may match the next part of the pattern, level by level; with `**` all that is below."""
    while len(parts) > 1 and not is_pattern(parts[0]):
        folder, parts = f"{folder}/{parts[0]}", parts[1:]
    everything = "**" in parts[0]
    try:
        with explained(pattern):
            found = filesystem.find(folder, detail=True).values() if everything else filesystem.ls(folder, detail=True)
    except FileNotFoundError:
        return
    if everything:
        yield from found
        return
    level = re.compile(fsspec.utils.glob_translate(f"{folder}/{parts[0]}"))
    for info in found:
        name = info["name"].rstrip("/")
        if level.match(name):
            if len(parts) == 1:
                yield info
            elif info["type"] == "directory" and name != folder:
                yield from _below(pattern, filesystem, name, parts[1:])
