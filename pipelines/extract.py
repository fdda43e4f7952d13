"""The first stage: archives to filtered documents and rejected pages, a part a task."""

import collections
import contextlib
import functools
import sys
from collections.abc import Sequence

from curation import parts, walk, warc
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.extract import Extractor
from curation.ledger import Ledger
from curation.sources import Task
from pipelines import command, progress
from pipelines.made import all_made
from pipelines.run import Run
from pipelines.tasks import Round


def extract_part(task: Task, *, run: Run) -> int:
    """Writes one part: the pages of `task` through the recipe's first per-document steps."""
    steps, fingerprint = run.recipe.before, run.extract_fingerprints[task.number]
    ledger, skipped = Ledger(), collections.Counter[str]()
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "extract", task.number))
        extractor = stack.enter_context(Extractor(steps[0]))
        write = functools.partial(parts.writing, fingerprint=fingerprint, ledger=ledger)
        rejected = stack.enter_context(write(run.rejected(task.number), REJECTED))
        filtered = stack.enter_context(write(run.filtered(task.number), DOCUMENTS))
        for page in warc.pages(task, skipped):
            outcome, retried = (
                (page, False) if isinstance(page, Rejection) else walk.first_steps(page, steps, extractor)
            )
            ledger.read += 1
            ledger.retried += retried
            if isinstance(outcome, Document):
                ledger.kept += 1
                filtered.add(outcome)
            else:
                ledger.reject(outcome)
                rejected.add(outcome)
            report(ledger.read, ledger.kept, (page.offset - task.start) / (task.stop - task.start))
        ledger.skipped += skipped
        ledger.check(task.part)
    return ledger.kept


def is_done(run: Run, part: int) -> bool:
    """Whether the part was made by this run or by one just like it; ValueError where another made it."""
    return all_made([run.filtered(part), run.rejected(part)], parts.fingerprint_of, run.extract_fingerprints[part])


def missing(run: Run) -> list[Task]:
    """The parts that are still to be made."""
    return [task for task in run.tasks if not is_done(run, task.number)]


def rounds(run: Run) -> list[Round]:
    """The parts that are missing."""
    return [Round("extract", missing(run), functools.partial(extract_part, run=run))]


STAGE = command.Stage("extract", rounds, missing, needs=None)


def main(argv: Sequence[str] | None = None) -> int:
    """This stage alone, on a folder that holds the output of the stages before it."""
    return command.main(__doc__ or "", [STAGE], argv)


if __name__ == "__main__":
    sys.exit(main())
