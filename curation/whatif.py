"""What a corpus would hold with other thresholds, told from what is stored of it; nothing is written.

Pages are decided by their signals. A text is read only of pages that the change lets pass, which have steps before them
that never saw them, and of documents that it drops, to count and to show them. Duplicates are not looked for anew.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from curation import refilter, stored_pages, stored_recipe, walk
from curation.document import Document
from curation.language import KeepLanguage
from curation.manifest import Manifest
from curation.recipe import Recipe, step_name
from curation.refilter import Plan
from curation.rule_name import Change
from curation.rules.rule import Rule
from curation.stored_pages import StoredPage
from curation.tally import Tally
from curation.tokens import Encoder


@dataclasses.dataclass(frozen=True)
class Question:
    """How the pages of a corpus are decided anew, and which of them."""

    plan: Plan
    is_after: bool  # the steps behind those on all documents are asked, and not those before
    steps: tuple[str, ...]  # those whose fields are changed


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What becomes of a page."""

    step: str  # that rejects it; empty where it is kept
    reason: str
    value: float | None
    text: Callable[[], str] = dataclasses.field(repr=False)
    is_measured: bool = False  # steps ran on its text


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is decided otherwise."""

    pages: int  # all
    seen: int  # that come to the first changed step, or did
    measured: int  # on whose texts steps ran
    moves: collections.Counter[tuple[str, str]]  # the step that rejected before, that rejects now; empty where kept
    gained: Tally
    lost: Tally  # that are in the corpus
    lost_duplicates: Tally  # that had come to the duplicates, and were dropped there or after


def check(held: Manifest, corpus: str) -> None:
    """Refuses a corpus of which less is stored than a run stores."""
    if source := held.run.get("refiltered_from"):
        raise ValueError(
            f"{corpus} was itself made by refilter, and of what that rejected it may have later texts: give "
            f"{source}, which it was made from"
        )


def question(corpus: str, held: Manifest, *, old: Recipe, new: Recipe, changes: Sequence[Change]) -> Question:
    """How a corpus of the old recipe answers for the new one; ValueError where what it stores does not tell."""
    check(held, corpus)
    names = tuple(dict.fromkeys(change.step for change in changes))
    for step in new.steps:
        if step_name(step) in names and hasattr(step, "check"):
            step.check()
    if of_all := [step_name(step) for step in new.duplicates if step_name(step) in names]:
        raise ValueError(
            f"{', '.join(of_all)} looks at all documents: pipelines.refilter makes the corpus with another value"
        )
    after = [step_name(step) for step in new.after if step_name(step) in names]
    if not after:
        return Question(refilter.plan(stored_recipe.of_manifest(held, corpus), new), is_after=False, steps=names)
    early = [name for name in names if name not in after]
    if early or len(old.passes) != 1:
        why = (
            f"{', '.join(early)} stands before {step_name(old.duplicates[0])} and {', '.join(after)} behind it: ask "
            "for one after the other"
            if early
            else f"{', '.join(after)} stands among several looks at all documents, between which no text is stored: "
            "pipelines.refilter makes the corpus with another value"
        )
        raise ValueError(why)
    return Question(_plan_after(new, old, changes), is_after=True, steps=names)


def _plan_after(new: Recipe, old: Recipe, changes: Sequence[Change]) -> Plan:
    """As refilter.plan, for the steps behind those on all documents."""
    known, named = walk.after_extraction(new.before), {step_name(step): step for step in new.after}
    others = {it.step for it in changes if it.field not in stored_recipe.thresholds(named[it.step])}
    same = next((place for place, name in enumerate(named) if name in others), len(named))
    edits = stored_recipe.of_recipe(old).edits
    if again := [name for name in list(named)[same:] if name in edits]:
        raise ValueError(
            f"{', '.join(list(named)[same:])} must run again, on texts as they were before {', '.join(again)} wrote "
            "them anew, which are not stored: run pipelines.curate with the new recipe on the archives"
        )
    changed = {it.step for it in changes} - others
    steps = [*known, *new.after]
    return Plan(
        decided=(*known, *new.after[:same]),
        changed=tuple(name for name in named if name in changed),
        run=new.after[same:],
        old=tuple(map(step_name, steps)),
    )


def outcome(page: StoredPage, plan: Plan) -> Outcome:
    """What becomes of a stored page: as `refilter.decide` has it, without its text where that is not needed."""
    same = Outcome(page.step, page.reason, page.value, page.text)
    if page.step and page.group is None:
        return same  # it never had a text
    number = plan.old.index(page.step) if page.step else len(plan.old)
    for step in plan.decided[: number + 1]:
        if step_name(step) in plan.changed and (found := _verdict(page, step)):
            return Outcome(step_name(step), *found, page.text)
    if number < len(plan.decided) and step_name(plan.decided[number]) not in plan.changed:
        return same
    if not page.step and not plan.run:
        return same
    walked = refilter.decide(page.document(), page.step or None, plan)
    if isinstance(walked.outcome, Document):
        text = walked.outcome.text
        return Outcome("", "", None, lambda: text, is_measured=True)
    by, text = walked.outcome, walked.rejected.text if walked.rejected else ""
    return Outcome(by.step, by.reason, by.value, lambda: text, is_measured=True)


def _verdict(page: StoredPage, step: Any) -> tuple[str, float | None] | None:
    """The reason why a step rejects a page, and the number that decided, by what was measured on it."""
    if isinstance(step, KeepLanguage):
        reason = step.reason(page.language, page.language_score)
        return (reason, page.language_score) if reason else None
    if isinstance(step, Rule) and (verdict := step.reason(page.signals)):
        return verdict[0], page.signals[verdict[1]]
    return None


def outcomes(corpus: str, held: Manifest, asked: Question) -> Iterator[tuple[str, StoredPage, Outcome]]:
    """Every page with its part and what becomes of it, in the crawl's order."""
    pages = stored_pages.after_duplicates if asked.is_after else stored_pages.before_duplicates
    for part in stored_pages.part_names(held):
        for page in pages(corpus, part):
            yield part, page, outcome(page, asked.plan)


def answer(corpus: str, held: Manifest, asked: Question, *, encoder: Encoder, samples: int) -> Answer:
    """What is decided otherwise than the corpus has it."""
    gained, lost, duplicates = (Tally(encoder, samples) for _ in range(3))
    moves, counts = collections.Counter[tuple[str, str]](), collections.Counter[str]()
    first = min(asked.plan.old.index(name) for name in asked.steps)
    came = {"", *asked.plan.old[first:]}
    at, kept = "", set[str]()
    for part, page, found in outcomes(corpus, held, asked):
        counts["pages"] += 1
        counts["seen"] += page.step in came
        counts["measured"] += found.is_measured
        if found.step == page.step:
            continue
        moves[page.step, found.step] += 1
        if not found.step:
            gained.add(page, page, found.text())
        elif not page.step:
            if part != at:
                at, kept = part, stored_pages.ids(corpus, "documents", part)
            (lost if page.id in kept else duplicates).add(page, found, page.text())
    return Answer(counts["pages"], counts["seen"], counts["measured"], moves, gained, lost, duplicates)
