"""Archives, opened to be read: whatever goes wrong with one is that archive's fault and no other's."""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from curation import sources, storage
from curation.reading import members


class Unreadable(storage.StorageError):
    """An archive cannot be read: the message names it, what happened and what to do."""


@contextlib.contextmanager
def opened(path: str, *, in_parts: bool = False) -> Iterator[BinaryIO]:
    """The archive at `path`, to be read from any position; over http it is fetched whole first, unless `in_parts`.

    Unreadable where storage refuses, then or later inside the block, or what it has is no archive.
    """
    local = contextlib.nullcontext(path) if in_parts else storage.local_copy(path)
    with reading(path), local as copy, storage.open_read(copy) as file:
        if not members.holds_records(file):
            raise Unreadable(sources.no_archive(file, path))
        yield file


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Makes every error of storage an Unreadable one."""
    try:
        yield
    except Unreadable:
        raise
    except OSError as error:
        message = str(error)
        named = message if path in message else f"{path} cannot be read: {message}"
        raise Unreadable(named) from error
