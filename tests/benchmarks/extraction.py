"""What each extractor finds of the main texts that people marked, and what it costs.

    python -m tests.benchmarks.extraction [--web FOLDER] [--limit PAGES] [--workers N]

The folder has archives, `pages.jsonl.gz` that names their records, and `ground_truth.jsonl.gz` with the texts. Each
setting runs in processes of its own, with its libraries loaded beforehand; the time is CPU time from decoded page to
text. `trafilatura` is as it comes, without comments; all others are this project's. Of a set the mean F1 of words
counts, and each set counts once: a set of fourteen pages as much as one of four hundred.
"""

import argparse
import dataclasses
import itertools
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from curation.extraction import main_text
from curation.extraction.main_text import Html
from curation.extraction.settings import FOCUSES, ExtractText, Resiliparse, Trafilatura
from tests.benchmarks import extraction_scores as scores
from tests.benchmarks import ground_truth
from tests.benchmarks.ground_truth import KnownPage

_WEB = Path(__file__).parents[3] / "shared" / "data" / "web"
_PLAIN = "trafilatura"
_SETTINGS: dict[str, Trafilatura | Resiliparse | ExtractText | None] = {
    _PLAIN: None,
    **{focus: Trafilatura(focus) for focus in FOCUSES},
    **{f"{focus}, fast": Trafilatura(focus, fast=True) for focus in FOCUSES},
    "recall, fast, checked": Trafilatura("recall", fast=True, checked=True),
    "precision, deduplicated": Trafilatura("precision", deduplicate=True),  # as FineWeb's script has it
    "resiliparse": Resiliparse(),
    "ExtractText()": ExtractText(),
}


@dataclasses.dataclass(frozen=True)
class Result:
    """What one setting made of one page."""

    text: str
    seconds: float  # of CPU
    failed: bool  # the extractor raised, and the text is ""


@dataclasses.dataclass(frozen=True)
class Row:
    """What one setting made of all pages."""

    name: str
    by_set: dict[str, float]  # mean F1
    inside: float  # share of the strings that must be there
    outside: float  # share of those that must not
    milliseconds: list[float]
    num_failed: int


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a row for each setting, and then the F1 of each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--web", type=Path, default=_WEB, metavar="FOLDER")
    parser.add_argument("--limit", type=int, metavar="PAGES", help="read no more pages than these")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(_SETTINGS), metavar="SETTING", help="beside trafilatura")
    args = parser.parse_args(argv)
    try:
        pages = ground_truth.known_pages(args.web, limit=args.limit)
    except ValueError as error:
        sys.exit(str(error))
    print(f"{len(pages)} pages, {sum(len(page.truths) for page in pages)} ground truths\n")
    print(_HEADINGS)
    rows: list[Row] = []
    for name in _SETTINGS:
        if name == _PLAIN or not args.only or name in args.only:
            rows.append(measure(name, pages, workers=args.workers))
            print(line(rows[-1], rows[0]), flush=True)
    print(f"\nMean F1 of each set\n{table(rows)}")


def measure(name: str, pages: Sequence[KnownPage], *, workers: int) -> Row:
    """Runs one setting over all pages, in fresh processes."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=_prepare, initargs=(name,)) as pool:
        results = pool.map(_extract, [page.html for page in pages], chunksize=8)
    texts = [result.text for result in results]
    inside, outside = scores.segments(pages, texts)
    return Row(
        name,
        scores.by_set(pages, texts),
        inside,
        outside,
        [result.seconds * 1000 for result in results],
        sum(result.failed for result in results),
    )


_extractor: Callable[[str], str]  # of this process


def _prepare(name: str) -> None:
    global _extractor
    logging.disable(logging.CRITICAL)
    if name != _PLAIN:
        main_text.load()
    _extractor = extractor(name)
    _extractor("<html><body><p>what is loaded with the first page is loaded now</p></body></html>")


def _extract(html: str) -> Result:
    start = time.process_time()
    try:
        text, failed = _extractor(html), False
    except Exception:  # a page can make an extractor raise anything; it is counted
        text, failed = "", True
    return Result(text, time.process_time() - start, failed)


def extractor(name: str) -> Callable[[str], str]:
    """A page's text by the setting of that name."""
    settings = _SETTINGS[name]
    if settings is None:
        return _by_trafilatura
    if isinstance(settings, ExtractText):
        return lambda page: _with_second_try(page, settings)
    return lambda page: main_text.main_text(Html(page), settings)


def _by_trafilatura(page: str) -> str:
    import trafilatura

    return trafilatura.extract(page, include_comments=False) or ""


def _with_second_try(page: str, settings: ExtractText) -> str:
    """As `page_text` has it, but for the limits."""
    html = Html(page)
    try:
        text = main_text.main_text(html, settings.extractor)
    except Exception:
        text = ""
    return text if text.strip() or settings.second is None else main_text.main_text(html, settings.second)


_HEADINGS = (
    f"{'':20} {'F1 of':>7} {'and':>7} {'to tra-':>8} {'largest loss':>24} {'inside':>7} {'outside':>8} "
    f"{'pages/s':>8} {'ms':>7} {'':>7} {'':>7}\n"
    f"{'':20} {'marked':>7} {'wcxb':>7} {'filatura':>8} {'of a set':>24} {'found':>7} {'leaked':>8} "
    f"{'per core':>8} {'p50':>7} {'p99':>7} {'max':>7} {'failed':>7}"
)


def line(row: Row, reference: Row) -> str:
    """The setting's numbers in one line, beside those of the reference."""
    marked, all_human = (scores.mean_of(row.by_set, names) for names in _HUMAN)
    loss, where = scores.largest_loss(row.by_set, reference.by_set)
    times = row.milliseconds
    p50, p99, longest = (scores.percentile(times, share) for share in (0.5, 0.99, 1.0))
    return (
        f"{row.name:20} {marked:7.4f} {all_human:7.4f} {marked - scores.mean_of(reference.by_set, _HUMAN[0]):+8.4f} "
        f"{f'{loss:+.3f} {where}':>24} {row.inside:7.1%} {row.outside:8.1%} "
        f"{len(times) / sum(times) * 1000:8.1f} {p50:7.1f} {p99:7.0f} {longest:7.0f} {row.num_failed:7d}"
    )


_HUMAN = (scores.MARKED, (*scores.MARKED, *scores.REVIEWED))


def table(rows: Sequence[Row]) -> str:
    """The mean F1 of every set, a line a set."""
    names = [name for name in dict.fromkeys(itertools.chain(*_HUMAN, rows[0].by_set)) if name in rows[0].by_set]
    width = max(len(row.name) for row in rows) + 1
    lines = [" " * 18 + "".join(f"{row.name:>{width}}" for row in rows)]
    lines += [f"{name:18}" + "".join(f"{row.by_set[name]:{width}.3f}" for row in rows) for name in names]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
