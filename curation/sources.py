"""Input patterns to tasks: byte ranges of archives, the same whatever the order of the patterns or the machine."""

import concurrent.futures
import dataclasses
import hashlib
import itertools
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from curation import members, storage

_MIN_TASK, _MAX_TASK = 1 << 20, 64 << 20  # bytes of compressed archive; the larger is some minutes of one core
_FEW_TASKS = 64  # a small input is cut into about as many, so that workers end together and a restart loses little
_ENDS = 1 << 16
_TAIL = 1 << 20  # bytes read from the end of an archive to see whether its last record is whole


@dataclasses.dataclass(frozen=True)
class Task:
    """The records that start inside [start, stop) of one archive; becomes one part of the corpus."""

    number: int
    count: int  # of all tasks of the run
    path: str
    start: int  # bytes
    stop: int  # bytes

    @property
    def part(self) -> str:
        """The name of the part, without its extension."""
        return f"part-{self.number:05d}-of-{self.count:05d}"


@dataclasses.dataclass(frozen=True)
class Archive:
    """An input file, and what tells it from another of the same name."""

    path: str
    size: int  # bytes
    digest: str  # sha256 of its first and last 64 KiB


def archives(patterns: Sequence[str]) -> list[storage.Entry]:
    """The files that match, by name; ValueError where a pattern matches none or two share a name.

    Ids are made of file names, so two archives of one name would give two documents one id; and in their order the
    smallest id is the same wherever the archives lie.
    """
    found: dict[str, storage.Entry] = {}
    for pattern in patterns:
        entries = storage.glob(pattern)
        if not entries:
            is_folder = storage.exists(pattern)
            what = "is a folder; give its files, such as FOLDER/*.warc.gz" if is_folder else "no file matches"
            raise ValueError(f"--input {pattern}: {what}; check the path and quote the pattern")
        found.update((entry.path, entry) for entry in entries)
    by_name: dict[str, storage.Entry] = {}
    for path, entry in sorted(found.items()):
        name = storage.base_name(path)
        if name in by_name:
            raise ValueError(
                f"--input: {by_name[name].path} and {path} have the same file name, which ids are made of; rename one"
            )
        by_name[name] = entry
    return [by_name[name] for name in sorted(by_name)]


def check(entries: Sequence[storage.Entry], *, allow_truncated: bool) -> list[Archive]:
    """The files as archives, before any work starts; ValueError names the first that is none."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda entry: _checked(entry, allow_truncated), entries))


def tasks(entries: Sequence[storage.Entry | Archive], *, task_bytes: int | None = None) -> list[Task]:
    """Cuts each archive into equal ranges of about `task_bytes`; by default 64 MiB, less for an input below 4 GiB.

    The cuts depend on the input alone, never on the number of workers.
    """
    if task_bytes is None:
        total = sum(entry.size for entry in entries)
        task_bytes = min(max(total // _FEW_TASKS, _MIN_TASK), _MAX_TASK)
    ranges = []
    for entry in entries:
        pieces = max(1, round(entry.size / task_bytes))
        cuts = [entry.size * piece // pieces for piece in range(pieces + 1)]
        ranges += [(entry.path, start, stop) for start, stop in itertools.pairwise(cuts)]
    return [Task(number, len(ranges), *rest) for number, rest in enumerate(ranges)]


def _checked(entry: storage.Entry, allow_truncated: bool) -> Archive:
    try:
        with storage.open_read(entry.path) as file:
            if problem := _problem(file, entry, allow_truncated):
                raise ValueError(problem)
            file.seek(0)
            ends = file.read(_ENDS)
            file.seek(max(entry.size - _ENDS, 0))
            return Archive(entry.path, entry.size, hashlib.sha256(ends + file.read(_ENDS)).hexdigest())
    except PermissionError:
        raise ValueError(
            f"{entry.path} cannot be read: permission denied; change its permissions or leave it out of --input"
        ) from None
    except OSError as error:
        raise ValueError(f"{entry.path} cannot be read: {error}; check the path and your access to it") from None


def _problem(file: BinaryIO, entry: storage.Entry, allow_truncated: bool) -> str | None:
    path = entry.path
    if entry.size == 0:
        return f"{path} is empty (0 bytes); download it again or leave it out of --input"
    if not (head := next(members.read(file, 0, 1, max_bytes=64), None)):
        return f"{path} holds nothing but blank lines; leave it out of --input"
    if isinstance(head, members.Damage) and head.reason != "truncated_record":
        return _no_archive(path, head.evidence)
    if isinstance(head, members.Member) and not head.data.lstrip(b"\r\n").startswith(b"WARC/"):
        return _no_archive(path, repr(head.data[:40]))
    if isinstance(head, members.Member) and members.is_gzip(file) and _shares_member(file):
        return (
            f"{path} holds several records in one gzip member; recompress it with one member a record, as "
            "`warcio recompress` does, or leave it out of --input"
        )
    if not allow_truncated and (cut := _cut_off(file, entry.size)) is not None:
        return (
            f"{path} is truncated: its last record starts at byte {cut} and never ends; download it again, "
            "or pass --allow-truncated to curate what is whole"
        )
    return None


def _no_archive(path: str, found: str) -> str:
    return (
        f"{path} is no WARC archive: expected a record that starts with WARC/ (plain, or gzip with one member a "
        f"record), found {found}; leave it out of --input"
    )


def _shares_member(file: BinaryIO) -> bool:
    """Whether more than one record lies in the archive's first gzip member."""
    first = next(members.read(file, 0, 1, max_bytes=_TAIL), None)
    if not isinstance(first, members.Member) or not (length := members.content_length(first.data)):
        return False
    return first.data[members.header_size(first.data) + length :].lstrip(b"\r\n").startswith(b"WARC/")


def _cut_off(file: BinaryIO, size: int) -> int | None:
    """Where the record starts that the end of the archive cuts off; None where the last one is whole."""
    start = max(size - _TAIL, 0)
    file.seek(start)
    tail = file.read()
    if not members.is_gzip(file):
        at = start + max(tail.rfind(b"\nWARC/") + 1, 0)
        last = list(members.read(file, at, size, max_bytes=64))
        is_cut = last and isinstance(last[-1], members.Damage) and last[-1].reason == "truncated_record"
        return last[-1].offset if is_cut else None
    at = tail.rfind(members.GZIP_MAGIC)
    while at != -1:
        inflater = zlib.decompressobj(31)
        try:
            if members.holds_record(tail[at : at + members.PROBE]):
                inflater.decompress(tail[at:], 64)
                while not inflater.eof and inflater.unconsumed_tail:
                    inflater.decompress(inflater.unconsumed_tail, 1 << 20)
                if not inflater.eof:
                    return start + at
                rest = inflater.unused_data  # too little of one more record to be inflated?
                is_cut = rest[:2] == members.GZIP_MAGIC[: min(len(rest), 2)] != b""
                return size - len(rest) if is_cut else None
        except zlib.error:
            pass
        at = tail.rfind(members.GZIP_MAGIC, 0, at)
    return None
