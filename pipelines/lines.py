"""A pass over all documents: a line that stands on many is kept on one, and the others are written anew without it."""

import collections
import dataclasses

from curation.dedup import lines
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import keyed
from pipelines.keyed import Keyed
from pipelines.run import Decide, Run
from pipelines.tasks import Round

# Few parts share a partition: a document has some thirty lines of 44 bytes each.
_HOW = Keyed("lines", lines.keys, lines.LINE, lines.drops, lines.DROP, parts=16)


def rounds(run: Run, number: int) -> list[Round]:
    """From lines to what is dropped."""
    return keyed.rounds(run, number, _HOW)


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: written anew without its repeated lines, dropped where none is left."""
    (step,) = run.recipe.passes[number].looks
    drops = collections.defaultdict[int, dict[int, bool]](dict)
    for name, line, is_local in keyed.drops_of(task, run, number, _HOW).tolist():
        drops[name][line] = is_local

    def decide(document: Document, name: int) -> Document | Rejection:
        gone = drops.get(name, {})
        local = sum(gone.values())
        text = lines.without(step, document.text, gone.keys())
        if not text.strip():
            return Rejection.of(document, step=step_name(step), reason="no_line_left", value=float(len(gone)))
        counts = {"global": float(len(gone) - local), "local": float(local)}
        signals = {f"{where}_duplicate_{step.UNIT}": count for where, count in counts.items()}
        return dataclasses.replace(document, text=text, signals={**document.signals, **signals})

    return decide
