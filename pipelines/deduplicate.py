"""The second stage: filtered documents to the curated corpus, through the steps that look at all documents.

A recipe's passes follow one another. In each, keys go out of every part through the exchange, what they decide comes
back to the part, and the part is written anew: without what was dropped, and through the per-document steps that
follow. The last pass writes the corpus; what those before it left lives in `work` until the end.
"""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from curation import ledger, parts, walk
from curation.dedup.bloom import BloomNgrams, BloomParagraphs
from curation.dedup.contamination import Contamination
from curation.dedup.pages import FirstOfUrl, NewestPage, SamePayload
from curation.dedup.substrings import ExactSubstrings
from curation.document import CUTS, DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.parts import PartWriter
from curation.recipe import GLOBAL_EDITS
from curation.sources import Task
from curation.top_share import TopShare
from pipelines import (
    bloom,
    command,
    contamination_pass,
    extract,
    lines,
    pages,
    progress,
    similar,
    stars,
    substrings,
    top_share,
)
from pipelines.made import all_made
from pipelines.run import Decide, Edited, PassOutput, Run
from pipelines.tasks import Round

_HOW: dict[type, ModuleType] = {NewestPage: pages, FirstOfUrl: pages, SamePayload: pages, TopShare: top_share}
_HOW |= {**dict.fromkeys(GLOBAL_EDITS, lines), ExactSubstrings: substrings, BloomParagraphs: bloom, BloomNgrams: bloom}
_HOW[Contamination] = contamination_pass


def write_documents(task: Task, *, run: Run, number: int) -> int:
    """Writes one part after a pass: what it keeps, through the steps that follow, and what was rejected so far."""
    paths = run.pass_output(number, task.number)
    if number < run.last_pass and all(parts.fingerprint_of(path) == run.fingerprint for path in paths.files):
        return 0
    decide, steps = _decisions(task, run, number), run.recipe.passes[number].steps if run.recipe.passes else ()
    books, here, ids = Ledger(), Ledger(), run.ids
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "documents", task.number))
        write = functools.partial(parts.writing, fingerprint=run.fingerprint, ledger=books)
        rejected = stack.enter_context(write(paths.rejected, REJECTED))
        texts = stack.enter_context(write(paths.texts, DOCUMENTS))
        cuts = stack.enter_context(write(paths.cuts, CUTS)) if paths.cuts else None
        kept = stack.enter_context(write(paths.documents, DOCUMENTS))
        if number:
            before = run.pass_output(number - 1, task.number)
            _carry_on(before, rejected, texts, cuts)
        for document in parts.documents(run.pass_input(number, task.number)):
            decided = decide(document, ids.number(task.number, document.offset))
            outcome, found = decided if isinstance(decided, Edited) else Edited(decided)
            for cut in found:
                assert cuts, f"{cut.step} is not among recipe.CUTTING"
                cuts.add(cut)
            walked = walk.later_steps(outcome, steps) if isinstance(outcome, Document) else walk.Walked(outcome)
            outcome = walked.outcome
            here.read += 1
            if isinstance(outcome, Document):
                here.kept += 1
                kept.add(outcome)
            else:
                here.reject(outcome)
                rejected.add(outcome)
            if walked.rejected:
                texts.add(walked.rejected)
            report(here.read, here.kept, (document.offset - task.start) / (task.stop - task.start))
        here.check(task.part)
        whole = ledger.chain(parts.ledger_of(before.documents), here) if number else here
        books.read, books.kept, books.rejected = whole.read, whole.kept, whole.rejected
    return here.kept


def _carry_on(before: PassOutput, rejected: PartWriter, texts: PartWriter, cuts: PartWriter | None) -> None:
    """Writes again what the pass before wrote of documents that are gone, and of what was cut."""
    for rejection in parts.rejections(before.rejected):
        rejected.add(rejection)
    for text in parts.documents(before.texts):
        texts.add(text)
    if cuts and before.cuts:
        for cut in parts.cuts(before.cuts):
            cuts.add(cut)


def is_done(run: Run, task: Task) -> bool:
    """Whether the part was made by this run or by one just like it; ValueError where another made it."""
    paths = [*run.pass_output(run.last_pass, task.number).files, *filter(None, [run.overlaps(task.number)])]
    is_reported = task.number > 0 or not run.contamination or contamination_pass.is_reported(run)
    return all_made(paths, parts.fingerprint_of, run.fingerprint) and is_reported


def rounds(run: Run, missing: Sequence[Task]) -> list[Round]:
    """Pass after pass, from keys to documents; each round passes over what it finds made."""
    if not missing:
        return []
    found: list[Round] = []
    for number in range(run.last_pass + 1):
        if any(stars.is_asked_for(run, later) for later in range(number + 1, run.last_pass + 1)):
            continue  # it was over before
        own: list[Round] = _how(run, number).rounds(run, number) if run.recipe.passes else []
        received = {channel for it in own for channel in it.receives}
        decided = tuple(channel for it in own for channel in it.sends if channel not in received)
        tasks = missing if number == run.last_pass else run.tasks
        work = functools.partial(write_documents, run=run, number=number)
        found += [_once_settled(it, run, range(number)) for it in own]
        found.append(_once_settled(Round("documents", tasks, work, receives=decided), run, range(number + 1)))
    names = [it.name for it in found]  # each of which Beam wants once
    times = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [
        dataclasses.replace(it, name=f"{it.name} {time}") if time > 1 else it
        for it, time in zip(found, times, strict=True)
    ]


def is_unsettled(run: Run) -> bool:
    """Whether clusters are to be made that one launch does not make."""
    return any(stars.is_waiting(run, number) for number in range(run.last_pass + 1))


def _once_settled(step: Round, run: Run, numbers: range) -> Round:
    """A round that does nothing in a launch that does not make the clusters of these passes."""
    waited_for = [number for number in numbers if run.recipe.passes and _how(run, number) is similar]
    work = functools.partial(_if_settled, work=step.work, run=run, numbers=waited_for)
    return dataclasses.replace(step, work=work) if waited_for else step


def _if_settled(task: Any, *, work: Callable[[Any], int], run: Run, numbers: Sequence[int]) -> int:
    return 0 if any(stars.is_waiting(run, number) for number in numbers) else work(task)


def _decisions(task: Task, run: Run, number: int) -> Decide:
    decide: Decide = _how(run, number).decisions(task, run=run, number=number) if run.recipe.passes else _keep
    return decide


def _keep(document: Document, _: int) -> Document | Rejection:
    return document


def _how(run: Run, number: int) -> ModuleType:
    """The module that makes the rounds and decisions of a pass."""
    return _HOW.get(type(run.recipe.passes[number].looks[0]), similar)


STAGE = command.Stage("deduplicate", extract.tasks, is_done, rounds, needs=extract.STAGE, is_unsettled=is_unsettled)


def main(argv: Sequence[str] | None = None) -> int:
    """This stage alone, on a folder that holds the output of the stages before it."""
    return command.main(__doc__ or "", [STAGE], argv)


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import deduplicate

    sys.exit(deduplicate.main())
