"""A pass over all documents: of those with one URL, one is kept."""

import functools

import numpy as np

from curation import parts, storage
from curation.dedup import pages
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Run
from pipelines.tasks import Round


def write_keys(task: Task, *, run: Run, number: int) -> int:
    """Sends each document's URL, as 128 bits, and its date to the partition that they fall into."""
    path = run.pass_work(number, "keys", task.part)
    if storage.exists(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    rows = []
    with progress.reporting(run.progress, "URLs", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            rows.append(pages.key(step, document, run.ids.number(task.number, document.offset)))
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    keys, count = np.array(rows, pages.PAGE), run.num_partitions(64)
    exchange.send(path, keys, (keys["low"] % count).astype(np.int64), count=count)
    return len(keys)


def write_drops(partition: int, *, run: Run, number: int) -> int:
    """Sends what to drop of one partition's URLs to the parts that hold it."""
    path = run.pass_work(number, "drops", f"{partition:05d}")
    if storage.exists(path):
        return 0
    senders = [run.pass_work(number, "keys", task.part) for task in run.tasks]
    drops = pages.drops(exchange.receive(senders, partition, pages.PAGE))
    exchange.send(path, drops, run.owners(drops["document"]), count=len(run.tasks))
    return len(drops)


def rounds(run: Run, number: int) -> list[Round]:
    """From URLs to what is dropped; each round passes over what it finds made."""
    return [
        Round("URLs", run.tasks, functools.partial(write_keys, run=run, number=number)),
        Round("pages", range(run.num_partitions(64)), functools.partial(write_drops, run=run, number=number)),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: dropped for another of its URL, or kept."""
    (step,) = run.recipe.passes[number].looks
    senders = [run.pass_work(number, "drops", f"{partition:05d}") for partition in range(run.num_partitions(64))]
    drops = dict(exchange.receive(senders, task.number, pages.DROP).tolist())

    def decide(document: Document, name: int) -> Document | Rejection:
        if name not in drops:
            return document
        return Rejection.of(document, step=step_name(step), reason="same_url", evidence=run.ids.id(drops[name]))

    return decide
