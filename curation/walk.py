"""The walk of one record through a recipe's per-document steps: read this to know what happens to a page."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import extract, language, response
from curation.document import Document, Page, Rejection
from curation.extract import Extracted, Extractor, ExtractText, Failed
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


def first_steps(page: Page, steps: Sequence[Any], extractor: Extractor) -> tuple[Document | Rejection, bool]:
    """A page as a document or a rejection, and whether its extraction had to be tried twice."""
    taken = list(steps_of_page(page, steps, extractor))
    return taken[-1].outcome, taken[0].retried


def later_steps(document: Document, steps: Sequence[Any]) -> Document | Rejection:
    """A document after `steps`: with their edits and signals, or rejected by the first that drops it."""
    outcome: Document | Rejection = document
    for taken in steps_of_document(document, steps):
        outcome = taken.outcome
    return outcome


def steps_of_page(page: Page, steps: Sequence[Any], extractor: Extractor) -> Iterator[Taken]:
    """The steps that a page takes, from the one that gives its text or rejects it on; none follows one that rejects.

    A page that is text already, as in WET archives, is neither looked at before nor extracted: it has its text from the
    step `response`.
    """
    if rejection := response.check(page):
        yield Taken(rejection.step, rejection)
        return
    step = "response" if page.is_text else ExtractText.__name__
    if page.is_text:
        outcome: Extracted | Failed = Extracted(page.payload.decode("utf-8-sig", "replace"), "utf-8", retried=False)
    else:
        outcome = extractor.extract(page)
    if not isinstance(outcome, Extracted):
        rejection = response.reject(page, outcome.step, outcome.reason, value=outcome.value, evidence=outcome.evidence)
        yield Taken(rejection.step, rejection, retried=outcome.retried)
        return
    document = _document(page, outcome)
    yield Taken(step, document, retried=outcome.retried)
    yield from steps_of_document(document, [step for step in steps if not isinstance(step, (FirstLook, ExtractText))])


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
                raise ValueError(f"{step_name(step)} measures {', '.join(sorted(twice))} as an earlier step does")
            here |= measured
            if verdict := step.reason(measured):
                reason, signal = verdict
                yield Taken(step_name(step), _reject(document, step, reason, measured[signal], signal), measured)
                return
            document = dataclasses.replace(document, signals={**document.signals, **measured})
        if isinstance(step, Edit):
            edited = step.edit(text)
            if edited != text.content:
                text = Text(edited)
                document = dataclasses.replace(document, text=edited)
        yield Taken(step_name(step), document, measured)


def _document(page: Page, extracted: extract.Extracted) -> Document:
    return Document(
        id=page.id,
        url=page.url,
        date=page.date,
        text=extracted.text,
        language="",
        language_score=0.0,
        warc=page.warc,
        offset=page.offset,
        length=page.length,
        digest=page.digest,
        charset=extracted.charset,
        signals={"warc_truncated": 1.0} if page.truncated else {},
    )


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
