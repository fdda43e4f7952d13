"""The walk of one record through a recipe's per-document steps: read this to know what happens to a page."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from curation import extract, language, response
from curation.document import Document, Page, Rejection
from curation.extract import Extracted, Extractor, ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import step_name
from curation.rules.rule import Edit, Rule
from curation.text import Text


def first_steps(page: Page, steps: Sequence[Any], extractor: Extractor) -> tuple[Document | Rejection, bool]:
    """A page as a document or a rejection, and whether its extraction had to be tried twice."""
    if rejection := response.check(page):
        return rejection, False
    outcome = extractor.extract(page)
    if not isinstance(outcome, Extracted):
        rejection = response.reject(page, outcome.step, outcome.reason, value=outcome.value, evidence=outcome.evidence)
        return rejection, outcome.retried
    rest = [step for step in steps if not isinstance(step, (FirstLook, ExtractText))]
    return later_steps(_document(page, outcome), rest), outcome.retried


def later_steps(document: Document, steps: Sequence[Any]) -> Document | Rejection:
    """A document after `steps`: with their edits and signals, or rejected by the first that drops it."""
    text, here = Text(document.text), dict[str, float]()
    label, score = document.language, document.language_score
    for step in steps:
        if isinstance(step, KeepLanguage):
            label, score = language.identify(text.content)
            if reason := step.reason(label, score):
                return _reject(document, step, reason, score, label)
        if isinstance(step, Rule):
            measured = step.measure(text)
            if twice := here.keys() & measured.keys():
                raise ValueError(f"{step_name(step)} measures {', '.join(sorted(twice))} as an earlier step does")
            here |= measured
            if verdict := step.reason(measured):
                reason, signal = verdict
                return _reject(document, step, reason, measured[signal], signal)
        if isinstance(step, Edit):
            edited = step.edit(text)
            if edited != text.content:
                text = Text(edited)
    signals = {**document.signals, **here}
    return dataclasses.replace(document, text=text.content, language=label, language_score=score, signals=signals)


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
        signals={},
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
