"""Document ids as one int64 each, for the steps that look at all documents at once.

The order of the numbers is the order of the ids: by archive name, then by offset.
"""

from collections.abc import Sequence

from curation import storage
from curation.sources import Task

_OFFSET_BITS = 43  # archives of up to 8 TiB, a million of them


def pack(archive: int, offset: int) -> int:
    """The number of the record at `offset` of the archive with this place among the run's archives."""
    assert 0 <= archive < 1 << (63 - _OFFSET_BITS) and 0 <= offset < 1 << _OFFSET_BITS, (archive, offset)
    return archive << _OFFSET_BITS | offset


class Ids:
    """Numbers to ids and parts, for the tasks of one run."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        paths = list(dict.fromkeys(task.path for task in tasks))
        self._names = [storage.base_name(path) for path in paths]
        self._archive_of = {name: place for place, name in reversed(list(enumerate(self._names)))}
        places = {path: place for place, path in enumerate(paths)}
        self._archives = [places[task.path] for task in tasks]
        self.first = [pack(places[task.path], task.start) for task in tasks]  # the smallest number of each part

    def number(self, part: int, offset: int) -> int:
        """The number of the document of `part` at `offset`."""
        return pack(self._archives[part], offset)

    def number_of(self, id: str) -> int:
        """The number of a document by its id; ValueError where no archive of the run has that name."""
        name, _, offset = id.rpartition("@")
        if name not in self._archive_of or not offset.isascii() or not offset.isdigit():
            raise ValueError(f"{id}: expected the name of an archive of this corpus, @ and an offset")
        return pack(self._archive_of[name], int(offset))

    def id(self, number: int) -> str:
        """The id that the corpus shows."""
        return f"{self._names[number >> _OFFSET_BITS]}@{number & (1 << _OFFSET_BITS) - 1}"
