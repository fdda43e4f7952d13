"""A pass over all documents: a line that stands on many is kept on one, and the others are written anew without it."""

import collections
import dataclasses
import functools

import numpy as np

from curation import parts, storage
from curation.dedup import lines
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_PARTS = 16  # of a partition: a document has some thirty lines of 44 bytes each


def write_keys(task: Task, *, run: Run, number: int) -> int:
    """Sends each line, as 128 bits, to the partition that it falls into."""
    path = run.pass_work(number, "keys", task.part)
    if storage.exists(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    batches = [np.empty(0, lines.LINE)]
    with progress.reporting(run.progress, "lines", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            name = run.ids.number(task.number, document.offset)
            batches.append(np.array(list(lines.keys(step, document, name)), lines.LINE))
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    keys, partitions = np.concatenate(batches), run.num_partitions(_PARTS)
    exchange.send(path, keys, (keys["key"][:, 0] % partitions).astype(np.int64), count=partitions)
    return len(keys)


def write_drops(partition: int, *, run: Run, number: int) -> int:
    """Sends the lines to drop of one partition to the parts that hold them."""
    path = run.pass_work(number, "drops", f"{partition:05d}")
    if storage.exists(path):
        return 0
    senders = [run.pass_work(number, "keys", task.part) for task in run.tasks]
    drops = lines.drops(exchange.receive(senders, partition, lines.LINE))
    exchange.send(path, drops, run.owners(drops["document"]), count=len(run.tasks))
    return len(drops)


def rounds(run: Run, number: int) -> list[Round]:
    """From lines to what is dropped; each round passes over what it finds made."""
    return [
        Round("lines", run.tasks, functools.partial(write_keys, run=run, number=number)),
        Round(
            "repeated lines", range(run.num_partitions(_PARTS)), functools.partial(write_drops, run=run, number=number)
        ),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: written anew without its repeated lines, dropped where none is left."""
    (step,) = run.recipe.passes[number].looks
    senders = [run.pass_work(number, "drops", f"{partition:05d}") for partition in range(run.num_partitions(_PARTS))]
    drops = collections.defaultdict[int, dict[int, bool]](dict)
    for name, line, is_local in exchange.receive(senders, task.number, lines.DROP).tolist():
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
