"""Documents decided anew, by what was measured on them: a changed threshold needs no crawl, and mostly no text.

The outcome is what a run with the new recipe would give, to the last byte. Where that cannot be had from what a corpus
stores, `plan` says which steps must run again.
"""

import dataclasses
from typing import Any

from curation import opt_outs, stored_recipe, walk
from curation.document import Document, Rejection
from curation.language import KeepLanguage
from curation.recipe import Recipe, step_name
from curation.rules.rule import Edit, Rule
from curation.stored_recipe import StoredRecipe, StoredStep
from curation.text import Text
from curation.walk import Walked

_OF_EXTRACTION = frozenset({"warc_truncated", "second_extractor", *opt_outs.SIGNALS})


@dataclasses.dataclass(frozen=True)
class Plan:
    """The new recipe's steps after extraction, up to the first that looks at all documents."""

    decided: tuple[Any, ...]  # by the signals that are stored
    changed: tuple[str, ...]  # the names of those among them whose thresholds are others now
    run: tuple[Any, ...]  # on the texts that are stored
    old: tuple[str, ...]  # the names of the old recipe's, in their order


def plan(old: StoredRecipe, new: Recipe) -> Plan:
    """How documents are decided anew; ValueError names the steps that must run again, and why."""
    fresh = stored_recipe.of_recipe(new)
    own = {step_name(step) for step in new.steps if old.text_sha256 != new.text_sha256 and stored_recipe.is_own(step)}
    first = len(new.before) - len(walk.after_extraction(new.before))
    _check_early(old, fresh, first)
    before, stored = new.before[first:], old.steps[first : old.num_before]
    changed, same = [], 0
    for step, told, was in zip(before, fresh.steps[first:], stored, strict=False):
        others = _others(told, was)
        if others is None or told.name in own or not others <= set(stored_recipe.thresholds(step)):
            break
        changed += [told.name] if others else []
        same += 1
    if edits := [was.name for was in stored[same:] if was.name in old.edits]:
        again = [step_name(step) for step in before[same:]] or edits
        raise ValueError(
            f"{', '.join(again)} must run again, on texts as they were before {', '.join(edits)} wrote them anew, "
            "which are not stored: run pipelines.curate with the new recipe on the archives"
        )
    return Plan(before[:same], tuple(changed), before[same:], tuple(was.name for was in stored))


def _check_early(old: StoredRecipe, new: StoredRecipe, first: int) -> None:
    """Refuses where a page must be looked at again."""
    if old.steps[:first] != new.steps[:first] or any(was.name == "ExtractText" for was in old.steps[first:]):
        early = {step.name: step for step in old.steps[: old.num_before]}
        again = [step.name for step in new.steps[:first] if early.get(step.name) != step]
        gone = [was.name for was in old.steps[:first] if was.name not in {step.name for step in new.steps}]
        what = ", ".join(again or gone) or "the steps up to ExtractText"
        raise ValueError(
            f"{what} must run again, on pages, which are not stored: the steps up to ExtractText are others than those "
            f"of recipe {old.name}: run pipelines.curate with the new recipe on the archives"
        )


def _others(new: StoredStep, old: StoredStep) -> set[str] | None:
    """The fields that differ; None where it is another step."""
    if new.name != old.name or new.fields.keys() != old.fields.keys():
        return None
    return {name for name, value in new.fields.items() if old.fields[name] != value}


def decide(document: Document, rejected_by: str | None, plan: Plan) -> Walked:
    """A stored document by the new recipe; `rejected_by` names the old step that rejected it, if any did."""
    number = len(plan.old) if rejected_by is None else plan.old.index(rejected_by)
    for place, step in enumerate(plan.decided[: number + 1]):
        if rejection := _verdict(document, step):
            known = _as_it_stood(document, plan.decided[: place + 1])
            return Walked(rejection, rejected=known)
    if number >= len(plan.decided):
        return walk.later_steps(_as_it_stood(document, plan.decided), plan.run)
    step = plan.decided[number]  # which lets it pass now: all that follow have yet to see it
    document = _as_it_stood(document, plan.decided[: number + 1])
    if isinstance(step, Edit):
        document = dataclasses.replace(document, text=step.edit(_text(document)))
    return walk.later_steps(document, (*plan.decided[number + 1 :], *plan.run))


def _verdict(document: Document, step: Any) -> Rejection | None:
    if isinstance(step, KeepLanguage):
        label, score = document.language, document.language_score
        if reason := step.reason(label, score):
            return Rejection.of(document, step=step_name(step), reason=reason, value=score, evidence=label)
    elif isinstance(step, Rule) and (verdict := step.reason(document.signals)):
        return walk.rejected_by(step, document, _text(document), verdict)
    return None


def _as_it_stood(document: Document, steps: tuple[Any, ...]) -> Document:
    """The document with no more than what extraction and these steps found."""
    if not any(isinstance(step, KeepLanguage) for step in steps):
        document = dataclasses.replace(document, language="", language_score=0.0)
    names = set(_OF_EXTRACTION)
    for step in steps:
        if isinstance(step, Rule):
            names |= step.measure(Text("one")).keys()
    signals = {name: value for name, value in document.signals.items() if name in names}
    return dataclasses.replace(document, signals=signals)


def _text(document: Document) -> Text:
    return Text(document.text, url=document.url, language=document.language or "en")
