"""CPU seconds of each step of this project's FineWeb path, page after page in one process."""

import collections
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import charset, first_look, page_text, recipe, response, sources, storage, walk, warc
from curation.document import Page
from curation.extraction import main_text
from curation.extraction.main_text import Html

# What this project's steps correspond to in datatrove, which has the last three in one each.
_PEERS = {
    "reading": "Warc",
    "FirstLook": "",
    "ExtractText": "Trafilatura",
    "KeepLanguage": "Language ID",
    "GopherRepetition": "Gopher Repetition",
    "GopherQuality": "Gopher Quality",
    "C4Lines": "C4 Quality",
    "FineWebQuality": "FineWeb Quality",
}


def pages(archives: Sequence[str]) -> Iterator[Page]:
    """The pages of HTML of some archives, in their order."""
    for number, path in enumerate(archives):
        task = sources.Task(number, len(archives), path, 0, storage.size(path), sources.format_of(path))
        for page in warc.pages(task, collections.Counter()):
            if isinstance(page, Page) and not response.check(page):
                yield page


def of_this_project(archives: Sequence[str]) -> dict[str, float]:
    """Seconds by step; the libraries are loaded before."""
    page_text.load()
    steps = recipe.of_source(*recipe.read_source("fineweb"))
    extract, look = steps.extraction
    assert look
    later = walk.after_extraction(steps.before)
    seconds: collections.Counter[str] = collections.Counter()
    found = _timed(pages(archives), seconds, itertools.repeat("reading"))
    for page in found:
        html = _clocked(seconds, "FirstLook", _decoded, page)
        if _clocked(seconds, "FirstLook", _looked, html, look):
            continue
        text = _clocked(seconds, "ExtractText", main_text.main_text, html, extract.extractor)
        if text.strip():
            names = (type(step).__name__ for step in later)
            collections.deque(_timed(walk.steps_of_document(walk.bare_document(text), later), seconds, names), maxlen=0)
    return dict(seconds)


def report(ours: Mapping[str, float], theirs: Mapping[str, float]) -> None:
    """Prints the seconds side by side, and datatrove's steps that have no counterpart."""
    print(f"{'seconds of all pages':<22} {'this project':>13} {'datatrove':>10}")
    left = dict(theirs)
    for step, peer in _PEERS.items():
        name = next((name for name in left if peer and peer in name), None)
        shown = f"{left.pop(name):>10.1f}" if name else f"{'-':>10}"
        print(f"{step:<22} {ours.get(step, 0.0):>13.1f} {shown}")
    for name, value in left.items():
        print(f"{name.split(': ')[-1][-22:]:<22} {'-':>13} {value:>10.1f}")
    print(f"{'all':<22} {sum(ours.values()):>13.1f} {sum(theirs.values()):>10.1f}\n")


def _decoded(page: Page) -> Html:
    return Html(charset.decode(page.payload, page.http_charset)[0].removeprefix("\ufeff"))


def _looked(html: Html, look: first_look.FirstLook) -> Any:
    return first_look.settle(html.text, lambda: main_text.whole_text(html), look)


def _clocked(seconds: collections.Counter[str], name: str, function: Any, *args: Any) -> Any:
    start = time.process_time()
    try:
        return function(*args)
    finally:
        seconds[name] += time.process_time() - start


def _timed(items: Iterator[Any], seconds: collections.Counter[str], names: Iterator[str]) -> Iterator[Any]:
    """The items, with the time that each took to come under its name."""
    nothing = object()
    for name in names:
        item = _clocked(seconds, name, next, items, nothing)
        if item is nothing:
            return
        yield item
