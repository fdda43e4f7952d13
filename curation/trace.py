"""One record of an archive: what it is, and what each step of a recipe makes of it.

The steps are those of `walk`, which a run takes too, so that what is shown here is what happens there.
"""

import collections
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from curation import charset, language, response, sources, walk, warc
from curation.cascade import SeenPayload
from curation.document import Document, Page, Rejection
from curation.extract import Extracted, Extractor, ExtractText
from curation.finding import find
from curation.finding import items as items
from curation.first_look import REJECT_ALL, FirstLook
from curation.reading import arc, record_header
from curation.reading.records import Damage, Record
from curation.recipe import GLOBAL_EDITS, Recipe, step_name
from curation.rules.rule import UrlRule
from curation.sources import Task
from curation.step_trace import StepTrace as StepTrace
from curation.step_trace import clocked, rejected, timed, traces

_HELD = 1 << 16  # bytes of an HTTP header, or of a record that is no page
_HTTP_HEADER = re.compile(rb"HTTP/.*?(?:\n\r?\n|\Z)", re.DOTALL)

Outcome = Page | Rejection | None


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
    item, finding = clocked(lambda: find(file, path, offset))
    found, reading = clocked(lambda: reader(file, path, format)(item))
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
    taken = list(timed(walk.steps_of_page(page, recipe.before, extractor)))
    outcomes, rows = [each.outcome for each, _ in taken], list(traces(taken, None))
    first, is_kept = rows[0].step, rows[0].verdict == "kept"
    if first != "response":
        _, seconds = clocked(lambda: response.check(page))  # which it has passed
        steps.append(StepTrace("response", "kept", seconds=seconds))
    elif is_kept:
        steps.append(rows.pop(0))  # which gave the text
    if first != "response" or is_kept:
        steps += _early(page, recipe, until=first)
    if first_look and first == ExtractText.__name__:
        found, seconds = clocked(lambda: look(page, looks))
        value, evidence = found or (None, None)
        steps.append(StepTrace(FirstLook.__name__, "kept", value=value, evidence=evidence, seconds=seconds))
    steps += rows
    for number, each in enumerate(recipe.passes):
        if not isinstance(last := outcomes[-1], Document):
            break
        steps += [StepTrace(step_name(step), "not run") for step in each.looks]
        if isinstance(each.looks[0], GLOBAL_EDITS):  # what is left of its text only the corpus knows
            left = [step for later in recipe.passes[number + 1 :] for step in (*later.looks, *later.steps)]
            steps += [StepTrace(step_name(step), "not run") for step in (*each.steps, *left)]
            break
        taken = list(timed(walk.steps_of_document(last, each.steps)))
        outcomes += [it.outcome for it, _ in taken]
        steps += traces(taken, last)
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
    return Extractor(ExtractText(), FirstLook(wanted, min_score=REJECT_ALL))


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
        return [rejected(found, {})], [found]
    settings, first_look = recipe.extraction
    wanted = first_look.language if first_look else "en"
    with Extractor(settings, first_look, recipe.opt_outs) as extractor, looker(wanted) as looks:
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
        if step_name(step) == until or not isinstance(step, (UrlRule, SeenPayload)):
            return
        if isinstance(step, SeenPayload):
            yield StepTrace(step_name(step), "not run")
        else:
            _, seconds = clocked(functools.partial(step.judge, page.url))
            yield StepTrace(step_name(step), "kept", seconds=seconds)


def _charset(found: Outcome) -> str | None:
    """What a page of HTML is decoded with, also where a later step has no use for it."""
    if not isinstance(found, Page) or response.check(found):
        return None
    return "utf-8" if found.is_text else charset.decode(found.payload, found.http_charset)[1]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")
