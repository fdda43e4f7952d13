"""The second stage: filtered documents to the curated corpus, through the steps that look at all documents.

A recipe's passes follow one another. In each, keys go out of every part through the exchange, what they decide comes
back to the part, and the part is written anew: without what was dropped, and through the per-document steps that
follow. The last pass writes the corpus; what those before it left lives in `work` until the end.
"""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Sequence
from types import ModuleType

from curation import ledger, parts, walk
from curation.dedup.pages import FirstOfUrl, NewestPage
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.recipe import GLOBAL_EDITS
from curation.sources import Task
from curation.top_share import TopShare
from pipelines import command, extract, lines, pages, progress, similar, top_share
from pipelines.made import all_made
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_HOW: dict[type, ModuleType] = {NewestPage: pages, FirstOfUrl: pages, TopShare: top_share}
_HOW |= dict.fromkeys(GLOBAL_EDITS, lines)


def write_documents(task: Task, *, run: Run, number: int) -> int:
    """Writes one part after a pass: what it keeps, through the steps that follow, and what was rejected so far."""
    paths = run.pass_output(number, task.number)
    if number < run.last_pass and all(parts.fingerprint_of(path) == run.fingerprint for path in paths):
        return 0
    decide, steps = _decisions(task, run, number), run.recipe.passes[number].steps if run.recipe.passes else ()
    books, here = Ledger(), Ledger()
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "documents", task.number))
        write = functools.partial(parts.writing, fingerprint=run.fingerprint, ledger=books)
        rejected = stack.enter_context(write(paths.rejected, REJECTED))
        texts = stack.enter_context(write(paths.texts, DOCUMENTS))
        kept = stack.enter_context(write(paths.documents, DOCUMENTS))
        if number:
            before = run.pass_output(number - 1, task.number)
            for rejection in parts.rejections(before.rejected):
                rejected.add(rejection)
            for text in parts.documents(before.texts):
                texts.add(text)
        for document in parts.documents(run.pass_input(number, task.number)):
            outcome = decide(document, run.ids.number(task.number, document.offset))
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


def is_done(run: Run, task: Task) -> bool:
    """Whether the part was made by this run or by one just like it; ValueError where another made it."""
    return all_made(run.pass_output(run.last_pass, task.number), parts.fingerprint_of, run.fingerprint)


def rounds(run: Run, missing: Sequence[Task]) -> list[Round]:
    """Pass after pass, from keys to documents; each round passes over what it finds made."""
    if not missing:
        return []
    found: list[Round] = []
    for number in range(run.last_pass + 1):
        if run.recipe.passes:
            found += _how(run, number).rounds(run, number)
        tasks = missing if number == run.last_pass else run.tasks
        found.append(Round("documents", tasks, functools.partial(write_documents, run=run, number=number)))
    names = [it.name for it in found]  # each of which Beam wants once
    times = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [
        dataclasses.replace(it, name=f"{it.name} {time}") if time > 1 else it
        for it, time in zip(found, times, strict=True)
    ]


def _decisions(task: Task, run: Run, number: int) -> Decide:
    decide: Decide = _how(run, number).decisions(task, run=run, number=number) if run.recipe.passes else _keep
    return decide


def _keep(document: Document, _: int) -> Document | Rejection:
    return document


def _how(run: Run, number: int) -> ModuleType:
    """The module that makes the rounds and decisions of a pass."""
    return _HOW.get(type(run.recipe.passes[number].looks[0]), similar)


STAGE = command.Stage("deduplicate", extract.tasks, is_done, rounds, needs=extract.STAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """This stage alone, on a folder that holds the output of the stages before it."""
    return command.main(__doc__ or "", [STAGE], argv)


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import deduplicate

    sys.exit(deduplicate.main())
