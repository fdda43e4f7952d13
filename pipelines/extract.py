"""The first stage: archives to filtered documents and rejected pages, with their texts, a part a task."""

if __name__ == "__main__":
    from curation import fork_server

    fork_server.start()  # it loads its libraries, which takes a second, while this process loads Beam

import collections
import contextlib
import functools
import sys
from collections.abc import Iterator, Sequence

from curation import archives, fork_server, parts, storage, walk, warc
from curation.cascade import Seen
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.extract import Extractor
from curation.ledger import Ledger
from curation.recipe import step_name
from curation.sources import Task
from pipelines import command, progress
from pipelines.made import all_made
from pipelines.run import Run
from pipelines.tasks import Round


def extract_part(task: Task, *, run: Run) -> int:
    """Writes one part, or the reason why its archive could not be read: the other tasks go on."""
    try:
        return _extract_part(task, run)
    except archives.Unreadable as error:
        with storage.publish(run.failure(task.number)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(str(error))
        return 0


def _extract_part(task: Task, run: Run) -> int:
    """The pages of `task` through the recipe's first per-document steps."""
    steps, fingerprint = run.recipe.before, run.extract_fingerprints[task.number]
    ledger, skipped, seen = Ledger(), collections.Counter[str](), Seen()
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "extract", task.number))
        extractor = stack.enter_context(_extractor(run))
        write = functools.partial(parts.writing, fingerprint=fingerprint, ledger=ledger)
        rejected = stack.enter_context(write(run.rejected(task.number), REJECTED))
        texts = stack.enter_context(write(run.rejected_texts(task.number), DOCUMENTS))
        filtered = stack.enter_context(write(run.filtered(task.number), DOCUMENTS, task=task))
        for page in warc.pages(task, skipped):
            outcome, retried, text = (
                walk.Walked(page)
                if isinstance(page, Rejection)
                else walk.outcome_in_child(page, steps, extractor, seen)
            )
            ledger.read += 1
            ledger.retried += retried
            if text:
                texts.add(text)
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


def tasks(run: Run) -> Sequence[Task]:
    """One task a part."""
    return run.tasks


def is_done(run: Run, task: Task) -> bool:
    """Whether the part was made by this run or by one just like it; ValueError where another made it."""
    paths = [run.filtered(task.number), run.rejected_texts(task.number), run.rejected(task.number)]
    return all_made(paths, parts.fingerprint_of, run.extract_fingerprints[task.number])


def failures(run: Run, left: Sequence[Task]) -> list[str]:
    """Why these parts could not be made, as far as their tasks have said."""
    noted = set(storage.listing(storage.join(run.output, "work", "failed")))
    found = []
    for task in left:
        if storage.base_name(path := run.failure(task.number)) in noted:
            with storage.open_read(path) as file:
                found.append(file.read().decode())
    return found


def rounds(run: Run, missing: Sequence[Task]) -> list[Round]:
    """All parts side by side."""
    return [Round("extract", missing, functools.partial(extract_part, run=run))]


_idle: collections.defaultdict[str, list[Extractor]] = collections.defaultdict(list)  # by the recipe they work for


@contextlib.contextmanager
def _extractor(run: Run) -> Iterator[Extractor]:
    """An extractor whose child process lives on for this worker's next task; it ends with the worker."""
    idle = _idle[run.recipe.sha256]
    try:
        extractor = idle.pop()
    except IndexError:
        steps = tuple(map(step_name, walk.after_extraction(run.recipe.before)))
        source = (run.recipe_file, run.recipe_text, run.language)
        extractor = Extractor(*run.recipe.extraction, run.recipe.opt_outs, steps=steps, recipe=source)
    try:
        yield extractor
    except BaseException:
        extractor.close()
        raise
    idle.append(extractor)


def close_idle() -> None:
    """Ends the children that wait for another task in this process, and the server they come from."""
    while _idle:
        _, extractors = _idle.popitem()
        for extractor in extractors:
            extractor.close()
    fork_server.stop()


STAGE = command.Stage("extract", tasks, is_done, rounds, failures=failures, in_children=True, close=close_idle)


def main(argv: Sequence[str] | None = None) -> int:
    """This stage alone, on a folder that holds the output of the stages before it."""
    return command.main(__doc__ or "", [STAGE], argv)


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import extract

    sys.exit(extract.main())
