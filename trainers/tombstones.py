"""Tombstones: the documents of a corpus that no later plan may read, in `tombstones.jsonl` beside its shards.

The shards stay as they are, and so does a run that has begun: it keeps a copy of the tombstones that it started with.
"""

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterable

from curation import storage

NAME = "tombstones.jsonl"


@dataclasses.dataclass(frozen=True)
class Tombstone:
    """One document that is to be forgotten."""

    id: str
    reason: str
    date: str  # ISO 8601, a day


def load(path: str) -> tuple[Tombstone, ...]:
    """The tombstones in a file, in its order, none where there is no file; ValueError where a line is not one."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no file of tombstones ({error}); put the right one back") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = Tombstone(**json.loads(line))
            if not all(isinstance(value, str) for value in dataclasses.astuple(entry)):
                raise TypeError("a field is not a string")
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{path}: line {number} is no tombstone ({error}), expected an object with id, reason and date; "
                "mend the line, because a document that was to be forgotten may be in it"
            ) from None
        found.append(entry)
    return tuple(found)


def write(path: str, entries: Iterable[Tombstone]) -> None:
    """Writes a file of tombstones, whole or not at all."""
    with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in entries)


def add(folder: str, entries: Iterable[Tombstone]) -> int:
    """Appends to the tombstones of the corpus in `folder`, and returns how many of the ids had none before."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two commands at once would lose one's lines
        path = os.path.join(folder, NAME)
        known = load(path)
        fresh = {entry.id: entry for entry in entries}
        for entry in known:
            fresh.pop(entry.id, None)
        if fresh:
            write(path, [*known, *fresh.values()])
        return len(fresh)
    finally:
        os.close(descriptor)


def ids(entries: Iterable[Tombstone]) -> frozenset[str]:
    """The ids of the documents."""
    return frozenset(entry.id for entry in entries)


def joined(files: Iterable[tuple[Tombstone, ...]]) -> tuple[Tombstone, ...]:
    """The tombstones of several corpora, one for each id, in the order they are given."""
    first: dict[str, Tombstone] = {}
    for entries in files:
        for entry in entries:
            first.setdefault(entry.id, entry)
    return tuple(first.values())
