"""What single steps made of a page, and how long they took."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from curation.document import Document, Rejection
from curation.language import KeepLanguage
from curation.walk import Taken

_T = TypeVar("_T")


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


def clocked(work: Callable[[], _T]) -> tuple[_T, float]:
    """What work gives, and the seconds that it takes."""
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def timed(taken: Iterator[Taken]) -> Iterator[tuple[Taken, float]]:
    """Each step with the seconds it took, which is how long it kept us waiting."""
    begun = time.perf_counter()
    for each in taken:
        yield each, time.perf_counter() - begun
        begun = time.perf_counter()


def traces(taken: list[tuple[Taken, float]], document: Document | None) -> Iterator[StepTrace]:
    """What was taken; `document` is what the page was before."""
    for each, seconds in taken:
        if isinstance(each.outcome, Rejection):
            yield dataclasses.replace(rejected(each.outcome, each.signals), seconds=seconds)
            continue
        sizes = (len(document.text) if document else 0, len(each.outcome.text))
        verdict = "edited" if document and document.text != each.outcome.text else "kept"
        value = evidence = None
        if each.step == KeepLanguage.__name__:
            value, evidence = each.outcome.language_score, each.outcome.language
        text = None if document and verdict == "kept" else each.outcome.text
        yield StepTrace(each.step, verdict, None, value, evidence, sizes, each.signals, seconds, text)
        document = each.outcome


def rejected(found: Rejection, signals: Mapping[str, float]) -> StepTrace:
    """A step that rejected, with what it measured."""
    return StepTrace(found.step, "rejected", found.reason, found.value, found.evidence, signals=signals)
