"""Input patterns to tasks: byte ranges of archives, the same whatever the order of the patterns or the machine."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import BinaryIO, Protocol, TypeVar

from curation import storage
from curation.reading import codecs, members
from curation.reading.records import Damage, Record

_MIN_TASK, _MAX_TASK = 1 << 20, 64 << 20  # bytes of compressed archive; the larger is some minutes of one core
_FEW_TASKS = 64  # a small input is cut into about as many, so that workers end together and a restart loses little
_ENDS = 1 << 16
_TAIL = 1 << 20  # bytes before the end of an archive, in which its last record should start
_SHORT_TAIL = 1 << 17  # in which that of most does


class _HasPath(Protocol):
    @property
    def path(self) -> str: ...


_Named = TypeVar("_Named", bound=_HasPath)


@dataclasses.dataclass(frozen=True)
class Task:
    """The records that start inside [start, stop) of one archive; becomes one part of the corpus."""

    number: int
    count: int  # of all tasks of the run
    path: str
    start: int  # bytes
    stop: int  # bytes
    format: str = "warc"  # or "wet", whose conversion records are the pages
    ranges: tuple[tuple[int, int], ...] = ()  # where only these bytes of the archive are wanted

    @property
    def part(self) -> str:
        """The name of the part, without its extension."""
        return f"part-{self.number:05d}-of-{self.count:05d}"


@dataclasses.dataclass(frozen=True)
class Archive:
    """An input file, and what tells it from another of the same name."""

    path: str
    size: int  # bytes
    digest: str  # as its storage tells versions apart (ETag, generation), or sha256 of its first and last 64 KiB


def archives(patterns: Sequence[str]) -> list[storage.Entry]:
    """The files that match, by name; ValueError where a pattern matches none or two share a name.

    Ids are made of file names, so two archives of one name would give two documents one id; and in their order the
    smallest id is the same wherever the archives lie.
    """
    return by_name(matching(patterns))


def matching(patterns: Sequence[str]) -> list[storage.Entry]:
    """The files that match, each once; ValueError where a pattern matches none."""
    found: dict[str, storage.Entry] = {}
    for pattern in patterns:
        entries = storage.glob(pattern)
        if not entries:
            is_folder = storage.exists(pattern)
            what = "is a folder; give its files, such as FOLDER/*.warc.gz" if is_folder else "no file matches"
            raise ValueError(f"{pattern}: {what}; check the path and quote the pattern")
        found.update((entry.path, entry) for entry in entries)
    return list(found.values())


def by_name(archives: Iterable[_Named]) -> list[_Named]:
    """Archives in the order of their file names; ValueError where two share one."""
    found: dict[str, _Named] = {}
    for archive in sorted(archives, key=lambda archive: archive.path):
        name = storage.base_name(archive.path)
        if name in found:
            raise ValueError(
                f"{found[name].path} and {archive.path} have the same file name, which ids are made of; rename one"
            )
        found[name] = archive
    return [found[name] for name in sorted(found)]


def check(entries: Sequence[storage.Entry], *, allow_truncated: bool) -> list[Archive]:
    """The files as archives, before any work starts; ValueError names the first that is none.

    Over http only the size is asked for: what is there shows when it is fetched, once and whole.
    """
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda entry: _checked(entry, allow_truncated), entries))


def tasks(
    entries: Sequence[storage.Entry | Archive], *, task_bytes: int | None = None, format: str | None = None
) -> list[Task]:
    """Cuts each archive into equal ranges of about `task_bytes`; by default 64 MiB, less for an input below 4 GiB.

    What is fetched over http is one task, since it is fetched whole. `format` is warc or wet; by default as named.
    The cuts depend on the input alone, never on the number of workers.
    """
    if task_bytes is None:
        total = sum(entry.size for entry in entries)
        task_bytes = min(max(total // _FEW_TASKS, _MIN_TASK), _MAX_TASK)
    ranges = []
    for entry in entries:
        pieces = 1 if storage.is_http(entry.path) else max(1, round(entry.size / task_bytes))
        cuts = [entry.size * piece // pieces for piece in range(pieces + 1)]
        ranges += [(entry.path, start, stop) for start, stop in itertools.pairwise(cuts)]
    return [
        Task(number, len(ranges), path, start, stop, format or format_of(path))
        for number, (path, start, stop) in enumerate(ranges)
    ]


def format_of(path: str) -> str:
    """What an archive of this name holds: extracted text where it is named as Common Crawl names such, else pages."""
    return "wet" if ".wet" in storage.base_name(path).lower() else "warc"


def range_tasks(wanted: Iterable[tuple[str, Sequence[tuple[int, int]]]]) -> list[Task]:
    """Tasks that read only these byte ranges of these archives, of about 64 MiB and one archive each."""
    found = []
    for path, ranges in wanted:
        first, size = 0, 0
        for place, (start, stop) in enumerate(ranges):
            size += stop - start
            if size >= _MAX_TASK or place == len(ranges) - 1:
                found.append((path, tuple(ranges[first : place + 1])))
                first, size = place + 1, 0
    return [
        Task(number, len(found), path, ranges[0][0], ranges[-1][1], "warc", ranges)
        for number, (path, ranges) in enumerate(found)
    ]


def _checked(entry: storage.Entry, allow_truncated: bool) -> Archive:
    path = entry.path
    if entry.size == 0:
        raise ValueError(f"{path} is empty (0 bytes); download it again or leave it out of --input")
    if storage.is_http(path):
        return named(path)
    try:
        with storage.open_read(path) as file:
            if not members.holds_records(file):
                raise ValueError(no_archive(file, path))
            if storage.is_local(path) and not allow_truncated and (cut := _cut_off(file, entry.size)) is not None:
                raise ValueError(
                    f"{path} is truncated: its last record starts at byte {cut} and never ends; download it again, "
                    "or pass --allow-truncated to curate what is whole"
                )
            return Archive(path, entry.size, storage.identity(path).version or _digest_of_ends(file, entry.size))
    except PermissionError as error:
        if not storage.is_local(path):
            raise
        raise ValueError(
            f"{path} cannot be read: permission denied; change its permissions or leave it out of --input"
        ) from error
    except storage.StorageError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}; check the path and your access to it") from None


def named(path: str) -> Archive:
    """An archive of which only size and version are asked for."""
    found = storage.identity(path)
    return Archive(path, found.size, found.version)


def no_archive(file: BinaryIO, path: str) -> str:
    """What is wrong with a file that holds no records."""
    file.seek(0)
    head = file.read(1 << 16)
    if not head.lstrip(b"\r\n"):
        return f"{path} holds nothing but blank lines; leave it out"
    return (
        f"{path} is no WARC or ARC archive: expected a record (plain, or compressed by gzip, zstd, bzip2 or lz4), "
        f"found {_start(file, head)}; leave it out"
    )


def _start(file: BinaryIO, head: bytes) -> str:
    """The first bytes of a file, inflated where they can be."""
    if codec := codecs.of_archive(file):
        try:
            head = next(codec.start().feed(head), b"")
        except codecs.Broken as error:
            return str(error)
    return repr(head[:40])


def _digest_of_ends(file: BinaryIO, size: int) -> str:
    file.seek(0)
    ends = file.read(_ENDS)
    file.seek(max(size - _ENDS, 0))
    return hashlib.sha256(ends + file.read(_ENDS)).hexdigest()


def _cut_off(file: BinaryIO, size: int) -> int | None:
    """Where the record starts that the end of the archive cuts off; None where the last one is whole."""
    for tail, look_back in ((_SHORT_TAIL, 0), (_TAIL, _TAIL)):
        ends = members.read(file, max(size - tail, 0), size, max_bytes=_TAIL, look_back=look_back)
        last = next(iter(collections.deque(ends, maxlen=1)), None)
        if isinstance(last, Record):
            return None
    return last.offset if isinstance(last, Damage) and last.reason == "truncated_record" else None
