"""Input patterns to tasks: byte ranges of archives, the same whatever the order of the patterns or the machine."""

import concurrent.futures
import dataclasses
import itertools
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from curation import members, storage

_MIN_TASK, _MAX_TASK = 2 << 20, 64 << 20  # bytes of compressed archive; the larger is some minutes of one core
_FEW_TASKS = 32  # a small input is cut into about as many, so that workers end together and a restart loses little
_TAIL = 4 << 20  # bytes read from the end of an archive to see whether its last record is whole


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


def archives(patterns: Sequence[str]) -> list[storage.Entry]:
    """The archives that match, sorted by path; ValueError where a pattern matches none or two share a name.

    Ids are made of file names, so two archives of one name would give two documents one id.
    """
    found: dict[str, storage.Entry] = {}
    for pattern in patterns:
        entries = storage.glob(pattern)
        if not entries:
            raise ValueError(f"--input {pattern}: no file matches; check the path and quote the pattern")
        found.update((entry.path, entry) for entry in entries)
    by_name: dict[str, str] = {}
    for path in sorted(found):
        name = storage.base_name(path)
        if name in by_name:
            raise ValueError(
                f"--input: {by_name[name]} and {path} have the same file name, which ids are made of; rename one"
            )
        by_name[name] = path
    return [found[path] for path in sorted(found)]


def check(entries: Sequence[storage.Entry], *, allow_truncated: bool) -> None:
    """Refuses files that are no archives, before any work starts; ValueError names the first that is none."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for problem in pool.map(lambda entry: _problem(entry, allow_truncated), entries):
            if problem:
                raise ValueError(problem)


def tasks(entries: Sequence[storage.Entry], *, task_bytes: int | None = None) -> list[Task]:
    """Cuts each archive into equal ranges of about `task_bytes`; by default 64 MiB, less for an input below 2 GiB.

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


def _problem(entry: storage.Entry, allow_truncated: bool) -> str | None:
    path = entry.path
    if entry.size == 0:
        return f"{path} is empty (0 bytes); download it again or leave it out of --input"
    try:
        with storage.open_read(path) as file:
            if not (head := next(members.read(file, 0, 1, max_bytes=64), None)):
                return f"{path} holds nothing but blank lines; leave it out of --input"
            if isinstance(head, members.Damage) and head.reason != "truncated_record":
                return _no_archive(path, head.evidence)
            if isinstance(head, members.Member) and not head.data.lstrip(b"\r\n").startswith(b"WARC/"):
                return _no_archive(path, repr(head.data[:40]))
            if not allow_truncated and (cut := _cut_off(file, entry.size)) is not None:
                return (
                    f"{path} is truncated: its last record starts at byte {cut} and never ends; download it again, "
                    "or pass --allow-truncated to curate what is whole"
                )
    except PermissionError:
        return f"{path} cannot be read: permission denied; change its permissions or leave it out of --input"
    except OSError as error:
        return f"{path} cannot be read: {error}; check the path and your access to it"
    return None


def _no_archive(path: str, found: str) -> str:
    return (
        f"{path} is no WARC archive: expected a record that starts with WARC/ (plain, or gzip with one member a "
        f"record), found {found}; leave it out of --input"
    )


def _cut_off(file: BinaryIO, size: int) -> int | None:
    """Where the record starts that the end of the archive cuts off; None where the last one is whole."""
    if not members.is_gzip(file):
        return None  # reading a plain archive's last record needs all its lengths: the run itself reports it
    start = max(size - _TAIL, 0)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(members.GZIP_MAGIC)
    while at != -1:
        inflater = zlib.decompressobj(31)
        try:
            head = inflater.decompress(tail[at:], 64)
            if head.lstrip(b"\r\n").startswith(b"WARC/"):
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
