"""One record of an archive: what it is, and what each step of a recipe makes of it.

The steps are those of `walk`, which a run takes too, so that what is shown here is what happens there.
"""

import collections
import dataclasses
import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, TypeVar

from curation import charset, language, response, sources, walk, warc
from curation.cascade import SeenPayload, UrlBlocklist
from curation.document import Document, Page, Rejection
from curation.extract import Extracted, Extractor, ExtractText
from curation.finding import find
from curation.finding import items as items
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.reading import arc, record_header
from curation.reading.records import Damage, Record
from curation.recipe import Recipe, step_name
from curation.sources import Task
from curation.walk import Taken

_HELD = 1 << 16  # bytes of an HTTP header, or of a record that is no page
_HTTP_HEADER = re.compile(rb"HTTP/.*?(?:\n\r?\n|\Z)", re.DOTALL)

_T = TypeVar("_T")
Outcome = Page | Rejection | None


@dataclasses.dataclass(frozen=True)
class StepTrace:
    """What one step made of a page."""

    step: str
    verdict: str  # kept, edited, rejected, skipped (by the read step: a record that is no page), not run
    reason: str | None = None
    value: float | None = None  # the number that decided; of a step that looks at languages, the probability
    evidence: str | None = None
    characters: tuple[int, int] | None = None  # of the text before and after; extraction has 0 before
    signals: Mapping[str, float] = dataclasses.field(default_factory=dict)
    # By the clock on the wall, and None for what was not run. Extraction's holds that of the first look, which is timed
    # once more by itself. Nothing of it is ever part of a corpus.
    seconds: float | None = dataclasses.field(default=None, compare=False)
    # After the step, where it made or edited it.
    text: str | None = dataclasses.field(default=None, compare=False, repr=False)


@dataclasses.dataclass(frozen=True)
class RecordTrace:
    """What one record is and what becomes of it."""

    path: str
    offset: int
    length: int  # bytes it takes in the archive; 0 where it shares a compressed member
    size: int  # bytes, inflated
    type: str  # as in an inspection, or damage
    header: str  # the record's, as it stands
    http_header: str  # as it stands, of the first 64 KiB
    block: str  # of a record that is no page: what it holds, of the first 64 KiB
    page: Page | None
    charset: str | None  # what a page of HTML is decoded with
    steps: tuple[StepTrace, ...]
    extracted: str | None  # the text that a page was found to have
    outcome: Document | Rejection | None  # None for a record that is no page by its type
    text: str | None  # what the last step left of it, or found


def trace(
    file: BinaryIO, path: str, offset: int, recipe: Recipe, *, format: str | None = None, warm_up: bool = False
) -> RecordTrace:
    """The record at this offset of an open archive, through a recipe; finding.NoRecord where none starts there.

    What the steps on all documents do is not looked at: the record goes on as if it had no duplicate. With `warm_up`
    another page goes first, so that the seconds of each step are those that it takes in the middle of a run.
    """
    item, finding = _clocked(lambda: find(file, path, offset))
    found, reading = _clocked(lambda: reader(file, path, format)(item))
    content = item.data if isinstance(item, Record) else item.header
    size = record_header.size(content) or len(content)
    header, block = content[:size], content[size : size + _HELD]
    kind = record_type(item) if isinstance(item, Record) else "damage"
    http = _HTTP_HEADER.match(block)
    steps, outcomes = _steps(found, kind, recipe, warm_up)
    steps[0] = dataclasses.replace(steps[0], seconds=finding + reading)
    documents = [each for each in outcomes if isinstance(each, Document)]
    return RecordTrace(
        path=path,
        offset=offset,
        length=item.length,
        size=item.size if isinstance(item, Record) else item.length,
        type=kind,
        header=_text(header),
        http_header=_text(http[0]) if http else "",
        block="" if isinstance(found, Page) else _text(block[http.end() if http else 0 :]),
        page=found if isinstance(found, Page) else None,
        charset=_charset(found),
        steps=tuple(steps),
        extracted=documents[0].text if documents else None,
        outcome=outcomes[-1] if outcomes else None,
        text=documents[-1].text if documents else None,
    )


def steps_of_page(
    page: Page, recipe: Recipe, extractor: Extractor, looks: Extractor
) -> tuple[list[StepTrace], list[Document | Rejection]]:
    """The steps that a page takes through a recipe, and what it is after each from its extraction on.

    `extractor` is the recipe's; `looks` is a `looker()` for the language of its FirstLook.
    """
    steps, first_look = [StepTrace("read", "kept")], recipe.extraction[1]
    taken = list(_timed(walk.steps_of_page(page, recipe.before, extractor)))
    outcomes, rows = [each.outcome for each, _ in taken], list(_traces(taken, None))
    first, is_kept = rows[0].step, rows[0].verdict == "kept"
    if first != "response":
        _, seconds = _clocked(lambda: response.check(page))  # which it has passed
        steps.append(StepTrace("response", "kept", seconds=seconds))
    elif is_kept:
        steps.append(rows.pop(0))  # which gave the text
    if first != "response" or is_kept:
        steps += _early(page, recipe, until=first)
    if first_look and first == ExtractText.__name__:
        found, seconds = _clocked(lambda: look(page, looks))
        value, evidence = found or (None, None)
        steps.append(StepTrace(FirstLook.__name__, "kept", value=value, evidence=evidence, seconds=seconds))
    steps += rows
    if isinstance(last := outcomes[-1], Document):
        steps += [StepTrace(step_name(step), "not run") for step in recipe.duplicates]
        taken = list(_timed(walk.steps_of_document(last, recipe.after)))
        outcomes += [each.outcome for each, _ in taken]
        steps += _traces(taken, last)
    return steps, outcomes


def reader(file: BinaryIO, path: str, format: str | None) -> Callable[[Record | Damage], Outcome]:
    """What the read step makes of each item of an archive, as in a run; `format` is by default as it is named."""
    task = Task(0, 1, path, 0, 0, format or sources.format_of(path))
    return warc.Reader(file, task, collections.Counter(), 0).outcome


def record_type(item: Record) -> str:
    """The type that a record's header names; of ARC, which names none, by the scheme of its URL."""
    if record_header.is_warc(item.data):
        header = warc.parse_header(item.data[: record_header.size(item.data)])
        return (header.get_header("WARC-Type") or "unknown").strip().lower()
    header = arc.parse(item.data)
    scheme = header.url.partition(":")[0].lower() if header else "unknown"
    return "response" if scheme in ("http", "https") else scheme


def looker(wanted: str = "en") -> Extractor:
    """Looks at pages in a child process, see `look`; it extracts none, since no probability is what it asks for."""
    return Extractor(ExtractText(), FirstLook(wanted, min_score=100.0))


def look(page: Page, looks: Extractor) -> tuple[float, str] | None:
    """The probability of the wanted language in a page's whole text, and the most probable label.

    The label is empty for a text of which the model knows nothing; None where the page could not be looked at.
    """
    found = looks.extract(page)
    if isinstance(found, Extracted) or found.step != FirstLook.__name__ or found.value is None:
        return None
    probabilities = language.scores("", count=1)  # it has an opinion on nothing too
    return found.value, "" if probabilities == {found.evidence: found.value} else found.evidence or ""


def _steps(
    found: Outcome, kind: str, recipe: Recipe, warm_up: bool
) -> tuple[list[StepTrace], list[Document | Rejection]]:
    if found is None:
        return [StepTrace("read", "skipped", kind)], []
    if isinstance(found, Rejection):
        return [_rejected(found, {})], [found]
    settings, first_look = recipe.extraction
    with Extractor(settings, first_look) as extractor, looker(first_look.language if first_look else "en") as looks:
        if warm_up and not response.check(found):
            _warm_up(found, recipe, extractor, looks)
        return steps_of_page(found, recipe, extractor, looks)


def _warm_up(page: Page, recipe: Recipe, extractor: Extractor, looks: Extractor) -> None:
    """Starts the child processes and has every step load what it needs, with numbers, which are of no language."""
    other = dataclasses.replace(page, payload=b"<html><body><p>1234 5678, 9012.</p></body></html>", http_charset="")
    steps_of_page(other, recipe, extractor, looks)
    text = dataclasses.replace(page, payload=b"One sentence is short. The other is no longer.", is_text=True)
    for step in (*recipe.before, *recipe.after):  # each by itself, since no step follows one that rejects
        collections.deque(walk.steps_of_page(text, [step], extractor), maxlen=0)


def _early(page: Page, recipe: Recipe, *, until: str) -> Iterator[StepTrace]:
    """The steps before the first look, up to the one that rejected the page; which pages were before, none can say."""
    for step in recipe.before:
        if step_name(step) == until or not isinstance(step, (UrlBlocklist, SeenPayload)):
            return
        if isinstance(step, SeenPayload):
            yield StepTrace(step_name(step), "not run")
        else:
            _, seconds = _clocked(functools.partial(step.blocked, page.url))
            yield StepTrace(step_name(step), "kept", seconds=seconds)


def _clocked(work: Callable[[], _T]) -> tuple[_T, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def _timed(taken: Iterator[Taken]) -> Iterator[tuple[Taken, float]]:
    """Each step with the seconds it took, which is how long it kept us waiting."""
    begun = time.perf_counter()
    for each in taken:
        yield each, time.perf_counter() - begun
        begun = time.perf_counter()


def _traces(taken: list[tuple[Taken, float]], document: Document | None) -> Iterator[StepTrace]:
    """What was taken; `document` is what the page was before."""
    for each, seconds in taken:
        if isinstance(each.outcome, Rejection):
            yield dataclasses.replace(_rejected(each.outcome, each.signals), seconds=seconds)
            continue
        sizes = (len(document.text) if document else 0, len(each.outcome.text))
        verdict = "edited" if document and document.text != each.outcome.text else "kept"
        value = evidence = None
        if each.step == KeepLanguage.__name__:
            value, evidence = each.outcome.language_score, each.outcome.language
        text = None if document and verdict == "kept" else each.outcome.text
        yield StepTrace(each.step, verdict, None, value, evidence, sizes, each.signals, seconds, text)
        document = each.outcome


def _rejected(found: Rejection, signals: Mapping[str, float]) -> StepTrace:
    return StepTrace(found.step, "rejected", found.reason, found.value, found.evidence, signals=signals)


def _charset(found: Outcome) -> str | None:
    """What a page of HTML is decoded with, also where a later step has no use for it."""
    if not isinstance(found, Page) or response.check(found):
        return None
    return "utf-8" if found.is_text else charset.decode(found.payload, found.http_charset)[1]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")
