"""The command line's archives: files by name, or a crawl by name, as tasks."""

import argparse
import concurrent.futures
import dataclasses
import hashlib
from collections.abc import Sequence

from curation import common_crawl, crawl_index, sources
from curation.crawl_index import Selection, Spans
from curation.sources import Archive, Task

_SAMPLE = 20  # archives of a crawl whose size is asked for where only an estimate is wanted
_BYTES_PER_SECOND = 1_090_000  # of archive through the FineWeb recipe on one core; README, "Measured"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The archives of a run, by name, and its tasks."""

    archives: tuple[Archive, ...]
    tasks: tuple[Task, ...]


def checked(args: argparse.Namespace) -> Inputs:
    """The archives, each looked at as far as that is cheap; ValueError where one is none."""
    if args.crawl:
        spans = _spans(args)
        if spans is not None:
            return Inputs(tuple(map(_piecewise, spans)), tuple(_range_tasks(spans)))
        with concurrent.futures.ThreadPoolExecutor(args.connections) as pool:
            archives = list(pool.map(sources.named, _paths(args)))
        archives = sources.by_name(archives)
    else:
        archives = sources.check(sources.archives(args.input), allow_truncated=args.allow_truncated)
    return Inputs(tuple(archives), tuple(sources.tasks(archives, task_bytes=_task_bytes(args), format=args.format)))


def estimate(args: argparse.Namespace) -> str:
    """What a run would read, and about how long and at what price, without reading any archive."""
    about = ""
    if args.crawl and (spans := _spans(args)) is not None:
        sizes, count = [stop - start for archive in spans for start, stop in archive.ranges], len(spans)
        size, tasks = sum(sizes), len(_range_tasks(spans))
        what = f"{len(sizes):,} records in {count:,} archives"
    elif args.crawl:
        paths = _paths(args)
        step = -(-len(paths) // _SAMPLE)
        with concurrent.futures.ThreadPoolExecutor(args.connections) as pool:
            asked = list(pool.map(sources.named, paths[::step]))
        about = "about " if step > 1 else ""
        mean = sum(archive.size for archive in asked) // len(asked)
        archives = asked if step == 1 else [Archive(path, mean, "") for path in paths]
        size, what = sum(archive.size for archive in archives), f"{len(paths):,} archives"
        tasks = len(sources.tasks(archives, task_bytes=_task_bytes(args), format=args.format))
    else:
        entries = sources.archives(args.input)
        size, what = sum(entry.size for entry in entries), f"{len(entries):,} archives"
        tasks = len(sources.tasks(entries, task_bytes=_task_bytes(args), format=args.format))
    hours = size / _BYTES_PER_SECOND / 3600
    return (
        f"{what}, {about}{size / 1e6:,.1f} MB, {about}{tasks:,} tasks; about {hours:,.2f} core hours: "
        f"{hours / min(args.workers, tasks):,.2f} hours with --workers {args.workers}, "
        f"{hours * args.core_hour_price:,.2f} USD at {args.core_hour_price:g} a core hour"
    )


def _task_bytes(args: argparse.Namespace) -> int | None:
    return None if args.task_mib is None else args.task_mib << 20


def _crawl(args: argparse.Namespace) -> common_crawl.Crawl:
    return common_crawl.Crawl(args.crawl, args.crawl_base.rstrip("/"), args.format or "warc")


def _paths(args: argparse.Namespace) -> list[str]:
    files = common_crawl.parse_files(args.files) if args.files else None
    return common_crawl.archive_paths(_crawl(args), files=files, segment=args.segment)


def _spans(args: argparse.Namespace) -> list[Spans] | None:
    """Where the wanted pages lie, or None where whole archives are wanted."""
    selection = Selection(tuple(args.hosts), tuple(args.url_languages), tuple(args.mime))
    if selection == Selection():
        return None
    files = common_crawl.parse_files(args.files) if args.files else None
    spans = crawl_index.select(_crawl(args), selection, files=files, segment=args.segment)
    return sources.by_name(spans)


def _range_tasks(spans: Sequence[Spans]) -> list[Task]:
    return sources.range_tasks((archive.path, archive.ranges) for archive in spans)


def _piecewise(spans: Spans) -> Archive:
    """An archive of which only pieces are read: these stand for it."""
    size = sum(stop - start for start, stop in spans.ranges)
    return Archive(spans.path, size, hashlib.sha256(repr(spans.ranges).encode()).hexdigest())
