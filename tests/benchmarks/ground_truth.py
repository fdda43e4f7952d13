"""Pages whose text is known: archives, and beside them `pages.jsonl.gz` and `ground_truth.jsonl.gz`."""

import collections
import dataclasses
import gzip
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation import charset, response, sources, storage, warc
from curation.document import Page

_FIRST_LINE = re.compile(r"\A\ufeff?URL: .*\n")  # of a text of cleaneval, and no text of the page


@dataclasses.dataclass(frozen=True)
class Truth:
    """What somebody says of a page: its whole main text, or strings that are in it and strings that are not."""

    set: str
    kind: str  # human, human-reviewed, site-parser, tool-reviewed, segments
    text: str | None
    inside: tuple[str, ...]
    outside: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class KnownPage:
    """A page as its charset has it, and all that is known of it."""

    id: str  # <archive>@<offset>
    html: str
    truths: tuple[Truth, ...] = ()


def known_pages(folder: Path, *, limit: int | None = None) -> list[KnownPage]:
    """The pages of a folder that something is known of, in the order of the archives; ValueError without archives."""
    archives = sorted(folder.glob("*.warc.gz"))
    if not archives:
        raise ValueError(f"{folder}: there is no *.warc.gz; --web names a folder with archives and their ground truth")
    truths = _truths(folder)
    found = (
        dataclasses.replace(page, truths=tuple(truths[page.id]))
        for path in archives
        for page in pages_of(path)
        if page.id in truths
    )
    return list(itertools.islice(found, limit))


def pages_of(path: Path) -> Iterator[KnownPage]:
    """The pages of HTML in an archive, without what is known of them."""
    entry = storage.glob(str(path))
    skipped: collections.Counter[str] = collections.Counter()
    for task in sources.tasks(entry, task_bytes=1 << 40):
        for page in warc.pages(task, skipped):
            if isinstance(page, Page) and response.check(page) is None:
                text, _ = charset.decode(page.payload, page.http_charset)
                yield KnownPage(f"{path.name}@{page.offset}", text.removeprefix("\ufeff"))


def _truths(folder: Path) -> dict[str, list[Truth]]:
    places = {row["record_id"]: f"{row['warc']}@{row['offset']}" for row in _rows(folder / "pages.jsonl.gz")}
    found: dict[str, list[Truth]] = {}
    for row in _rows(folder / "ground_truth.jsonl.gz"):
        if place := places.get(row["record_id"]):
            found.setdefault(place, []).append(_truth(row))
    return found


def _truth(row: dict[str, Any]) -> Truth:
    text = row["text"] and _FIRST_LINE.sub("", row["text"])
    return Truth(row["set"], row["kind"], text, tuple(row["with"] or ()), tuple(row["without"] or ()))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)
