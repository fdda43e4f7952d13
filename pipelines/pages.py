"""A pass over all documents: of those with one URL, or one payload, one is kept."""

import dataclasses

from curation.dedup import pages
from curation.dedup.pages import SamePayload
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import keyed
from pipelines.keyed import Keyed
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_URLS = Keyed("URLs", pages.keys, pages.PAGE, pages.drops, pages.DROP, parts=64)
_PAYLOADS = Keyed("payloads", pages.keys, pages.PAGE, pages.members, pages.MEMBER, parts=64)


def rounds(run: Run, number: int) -> list[Round]:
    """From URLs or digests to what is dropped."""
    (step,) = run.recipe.passes[number].looks
    return keyed.rounds(run, number, _PAYLOADS if isinstance(step, SamePayload) else _URLS)


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: dropped for another, or kept."""
    (step,) = run.recipe.passes[number].looks
    return _payloads(task, run, number) if isinstance(step, SamePayload) else _urls(task, run, number)


def _urls(task: Task, run: Run, number: int) -> Decide:
    (step,) = run.recipe.passes[number].looks
    drops, ids = dict(keyed.drops_of(task, run, number, _URLS).tolist()), run.ids

    def decide(document: Document, name: int) -> Document | Rejection:
        if name not in drops:
            return document
        return Rejection.of(document, step=step_name(step), reason="same_url", evidence=ids.id(drops[name]))

    return decide


def _payloads(task: Task, run: Run, number: int) -> Decide:
    (step,) = run.recipe.passes[number].looks
    ids = run.ids
    members = {name: (kept, copies) for name, kept, copies in keyed.drops_of(task, run, number, _PAYLOADS).tolist()}

    def decide(document: Document, name: int) -> Document | Rejection:
        kept, copies = members.get(name, (name, 1))
        if kept == name:
            return dataclasses.replace(document, copies=document.copies + copies - 1)
        return Rejection.of(document, step=step_name(step), reason="same_payload", evidence=ids.id(kept))

    return decide
