"""Lists that a recipe names by path and sha256: they are not ours to ship, and another list is another recipe."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from curation import storage


def content(step: str, path: str, sha256: str) -> bytes:
    """The bytes of a file; ValueError where it cannot be had, or is not the one that the recipe says."""
    found = unchecked(step, path)
    digest = hashlib.sha256(found).hexdigest()
    if digest != sha256:
        raise ValueError(
            f"{step}({path!r}) has sha256 {digest}, expected {sha256}; take the list that the recipe was made "
            "with, or put the new digest into the recipe"
        )
    return found


def unchecked(step: str, path: str) -> bytes:
    """The bytes of a file, whatever they are; ValueError where it cannot be had."""
    try:
        with storage.open_read(path) as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"{step}({path!r}) cannot be read: {error.strerror or error}; check the path") from None


def lines(step: str, path: str, content: bytes) -> Iterator[str]:
    """The lines of a list in lower case, without blank ones and comments (#); one that ends in .gz is unpacked."""
    packed = io.BytesIO(content)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=packed)) if path.endswith(".gz") else packed
    try:
        for line in io.TextIOWrapper(stream, "utf-8-sig", "replace"):
            entry = line.strip().lower()
            if entry and not entry.startswith("#"):
                yield entry
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{step}({path!r}) is no whole gzip file: {error}; take it anew") from None
