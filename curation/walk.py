"""The walk of one record through a recipe's per-document steps: read this to know what happens to a page."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from curation import response
from curation.cascade import Seen, SeenPayload
from curation.document import Document, Page, Rejection
from curation.extracted import Extracted, Extracts, Failed
from curation.extraction.settings import ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.opt_outs import OptOuts
from curation.recipe import step_name
from curation.rules.rule import Edit, Rule, UrlRule, Verdict
from curation.text import Text


@dataclasses.dataclass(frozen=True)
class Taken:
    """One step that a page has taken."""

    step: str  # as rejections name it
    outcome: Document | Rejection  # what the page is after it
    signals: Mapping[str, float] = dataclasses.field(default_factory=dict)  # what the step measured
    retried: bool = False  # extraction had to be tried twice
    rejected: Document | None = None  # what was rejected, with what this step measured, where it had a text


class Walked(NamedTuple):
    """What became of a page."""

    outcome: Document | Rejection
    retried: bool = False  # its extraction had to be tried twice
    rejected: Document | None = None  # the document that a step after extraction rejected, as it stood before that


class StepsClash(ValueError):
    """Two rules of a recipe measure the same: a mistake of the recipe's, not of a page."""


def outcome_in_child(page: Page, steps: Sequence[Any], extractor: Extracts, seen: Seen) -> Walked:
    """A page as a document or a rejection.

    The extractor's child takes all steps from FirstLook on, up to the first that looks at all documents.
    """
    if rejection := response.check(page) or _early(page, steps, seen):
        return Walked(rejection)
    found = extractor.extract(page)
    rejected = _outcome(page, found.rejected) if isinstance(found, Failed) and found.rejected else None
    assert not isinstance(rejected, Rejection)
    return Walked(_outcome(page, found), found.retried, rejected)


def later_steps(document: Document, steps: Sequence[Any]) -> Walked:
    """A document after `steps`: with their edits and signals, or rejected by the first that drops it."""
    walked = Walked(document)
    for taken in steps_of_document(document, steps):
        walked = Walked(taken.outcome, rejected=taken.rejected)
    return walked


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
    early = (UrlRule, SeenPayload, OptOuts, FirstLook, ExtractText)
    return [step for step in steps if not isinstance(step, early)]


def steps_of_document(document: Document, steps: Sequence[Any]) -> Iterator[Taken]:
    """The steps that a document takes, each with what it measured and left; none follows one that rejects."""
    text, here = Text(document.text, url=document.url, language=document.language or "en"), dict[str, float]()
    for step in steps:
        measured: dict[str, float] = {}
        if isinstance(step, KeepLanguage):
            label, score = step.identify(text.content)
            document = dataclasses.replace(document, language=label, language_score=score)
            if reason := step.reason(label, score):
                yield Taken(
                    step_name(step),
                    Rejection.of(document, step=step_name(step), reason=reason, value=score, evidence=label),
                    rejected=document,
                )
                return
            if label and label != text.language:
                text = Text(text.content, url=document.url, language=label)  # whose words are others
        if isinstance(step, Rule):
            measured = step.measure(text)
            if twice := here.keys() & measured.keys():
                raise StepsClash(f"{step_name(step)} measures {', '.join(sorted(twice))} as an earlier step does")
            here |= measured
            document = dataclasses.replace(document, signals={**document.signals, **measured})
            if verdict := step.reason(measured):
                rejection = rejected_by(step, document, text, verdict)
                yield Taken(step_name(step), rejection, measured, rejected=document)
                return
        if isinstance(step, Edit):
            edited = step.edit(text)
            if edited != text.content:
                text = Text(edited, before=text)
                document = dataclasses.replace(document, text=edited)
        yield Taken(step_name(step), document, measured)


def rejected_by(step: Any, document: Document, text: Text, verdict: Verdict) -> Rejection:
    """The rejection of a document by a rule, with the signal that decided, and its evidence where it has some."""
    reason, signal = verdict
    found = step.evidence(text) if hasattr(step, "evidence") else None
    return Rejection.of(
        document, step=step_name(step), reason=reason, value=document.signals[signal], evidence=found or signal
    )


def _early(page: Page, steps: Sequence[Any], seen: Seen | None) -> Rejection | None:
    """The rejection by a step that looks at no more than the page's URL or digest; `seen` is the task's, if any."""
    for step in steps:
        if isinstance(step, UrlRule) and (found := step.judge(page.url)):
            reason, value, evidence = found
            return response.reject(page, step_name(step), reason, value=value, evidence=evidence)
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
        licence=found.licence,
    )


def bare_document(text: str, **known: Any) -> Document:
    """A document of which only the text, and what is given, is known."""
    unknown = {"id": "", "url": "", "date": None, "language": "", "language_score": 0.0, "warc": "", "offset": 0}
    return Document(**{**unknown, "length": 0, "digest": "", "charset": "", "signals": {}, **known}, text=text)
