"""A pass over all documents: of those with one URL, one is kept."""

from curation.dedup import pages
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import keyed
from pipelines.keyed import Keyed
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_HOW = Keyed("URLs", pages.keys, pages.PAGE, pages.drops, pages.DROP, parts=64)


def rounds(run: Run, number: int) -> list[Round]:
    """From URLs to what is dropped."""
    return keyed.rounds(run, number, _HOW)


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: dropped for another of its URL, or kept."""
    (step,) = run.recipe.passes[number].looks
    drops = dict(keyed.drops_of(task, run, number, _HOW).tolist())

    def decide(document: Document, name: int) -> Document | Rejection:
        if name not in drops:
            return document
        return Rejection.of(document, step=step_name(step), reason="same_url", evidence=run.ids.id(drops[name]))

    return decide
