"""The walk of one record through a recipe's per-document steps: read this to know what happens to a page."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import language, response
from curation.cascade import Seen, SeenPayload, UrlBlocklist
from curation.document import Document, Page, Rejection
from curation.extracted import Extracted, Extracts, Failed
from curation.extraction.settings import ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import step_name
from curation.rules.rule import Edit, Rule
from curation.text import Text


@dataclasses.dataclass(frozen=True)
class Taken:
    """One step that a page has taken."""

    step: str  # as rejections name it
    outcome: Document | Rejection  # what the page is after it
    signals: Mapping[str, float] = dataclasses.field(default_factory=dict)  # what the step measured
    retried: bool = False  # extraction had to be tried twice


class StepsClash(ValueError):
    """Two rules of a recipe measure the same: a mistake of the recipe's, not of a page."""


def outcome_in_child(
    page: Page, steps: Sequence[Any], extractor: Extracts, seen: Seen
) -> tuple[Document | Rejection, bool]:
    """A page as a document or a rejection, and whether its extraction had to be tried twice.

    The extractor's child takes all steps from FirstLook on, up to the first that looks at all documents.
    """
    if rejection := response.check(page) or _early(page, steps, seen):
        return rejection, False
    found = extractor.extract(page)
    return _outcome(page, found), found.retried


def later_steps(document: Document, steps: Sequence[Any]) -> Document | Rejection:
    """A document after `steps`: with their edits and signals, or rejected by the first that drops it."""
    outcome: Document | Rejection = document
    for taken in steps_of_document(document, steps):
        outcome = taken.outcome
    return outcome


def steps_of_page(page: Page, steps: Sequence[Any], extractor: Extracts) -> Iterator[Taken]:
    """The steps that a page takes, from the one that gives its text or rejects it on; none follows one that rejects.

    A page that is text already, as in WET archives, is neither looked at before nor extracted: it has its text from the
    step `response`.
    """
    if rejection := response.check(page):
        yield Taken(rejection.step, rejection)
        return
    if rejection := _early(page, steps, None):
        yield Taken(rejection.step, rejection)
        return
    step = "response" if page.is_text else ExtractText.__name__
    if page.is_text:
        found: Extracted | Failed = Extracted(page.payload.decode("utf-8-sig", "replace"), "utf-8", retried=False)
    else:
        found = extractor.extract(page)
    outcome = _outcome(page, found)
    yield Taken(step if isinstance(outcome, Document) else outcome.step, outcome, retried=found.retried)
    if isinstance(outcome, Document):
        yield from steps_of_document(outcome, after_extraction(steps))


def after_extraction(steps: Sequence[Any]) -> list[Any]:
    """The steps that see a page's text."""
    return [step for step in steps if not isinstance(step, (UrlBlocklist, SeenPayload, FirstLook, ExtractText))]


def steps_of_document(document: Document, steps: Sequence[Any]) -> Iterator[Taken]:
    """The steps that a document takes, each with what it measured and left; none follows one that rejects."""
    text, here = Text(document.text), dict[str, float]()
    for step in steps:
        measured: dict[str, float] = {}
        if isinstance(step, KeepLanguage):
            label, score = language.identify(text.content)
            if reason := step.reason(label, score):
                yield Taken(step_name(step), _reject(document, step, reason, score, label))
                return
            document = dataclasses.replace(document, language=label, language_score=score)
        if isinstance(step, Rule):
            measured = step.measure(text)
            if twice := here.keys() & measured.keys():
                raise StepsClash(f"{step_name(step)} measures {', '.join(sorted(twice))} as an earlier step does")
            here |= measured
            if verdict := step.reason(measured):
                reason, signal = verdict
                yield Taken(step_name(step), _reject(document, step, reason, measured[signal], signal), measured)
                return
            document = dataclasses.replace(document, signals={**document.signals, **measured})
        if isinstance(step, Edit):
            edited = step.edit(text)
            if edited != text.content:
                text = Text(edited, before=text)
                document = dataclasses.replace(document, text=edited)
        yield Taken(step_name(step), document, measured)


def _early(page: Page, steps: Sequence[Any], seen: Seen | None) -> Rejection | None:
    """The rejection by a step that looks at no more than the page's URL or digest; `seen` is the task's, if any."""
    for step in steps:
        if isinstance(step, UrlBlocklist) and (domain := step.blocked(page.url)):
            return response.reject(page, step_name(step), "blocked_domain", evidence=domain)
        if isinstance(step, SeenPayload) and seen and (first := seen.before(page)):
            return response.reject(page, step_name(step), "repeated_payload", value=1.0, evidence=first)
    return None


def _outcome(page: Page, found: Extracted | Failed) -> Document | Rejection:
    if isinstance(found, Failed):
        return response.reject(page, found.step, found.reason, value=found.value, evidence=found.evidence)
    signals = {"warc_truncated": 1.0} if page.truncated else {}
    if found.by_second:
        signals["second_extractor"] = 1.0
    return bare_document(
        found.text,
        id=page.id,
        url=page.url,
        date=page.date,
        language=found.language,
        language_score=found.language_score,
        warc=page.warc,
        offset=page.offset,
        length=page.length,
        digest=page.digest,
        charset=found.charset,
        signals={**signals, **found.signals},
    )


def bare_document(text: str, **known: Any) -> Document:
    """A document of which only the text, and what is given, is known."""
    unknown = {"id": "", "url": "", "date": None, "language": "", "language_score": 0.0, "warc": "", "offset": 0}
    return Document(**{**unknown, "length": 0, "digest": "", "charset": "", "signals": {}, **known}, text=text)


def _reject(document: Document, step: object, reason: str, value: float, evidence: str) -> Rejection:
    return Rejection(
        id=document.id,
        url=document.url,
        warc=document.warc,
        offset=document.offset,
        length=document.length,
        step=step_name(step),
        reason=reason,
        value=value,
        evidence=evidence,
    )
