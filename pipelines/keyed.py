"""Passes over all documents that decide key by key: what stands more than once is dropped, but for one."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from curation import parts
from curation.document import Document
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Run
from pipelines.tasks import Round


@dataclasses.dataclass(frozen=True)
class Keyed:
    """What tells one such pass from another."""

    what: str  # that has keys, as the rounds are named
    keys: Callable[[Any, Document, int], Iterable[tuple[Any, ...]]]  # of a step, a document and its number
    key: np.dtype  # of a row of keys, with a field `key` of 128 bits
    drops: Callable[[np.ndarray], np.ndarray]  # key[n] of one partition to drop[m]
    drop: np.dtype  # with a field `document`
    parts: int  # whose keys share a partition where there are many parts


def write_keys(task: Task, *, run: Run, number: int, how: Keyed) -> int:
    """Sends the keys of a part's documents to the partitions that they fall into."""
    path = run.pass_work(number, "keys", task.part)
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    batches, ids = [np.empty(0, how.key)], run.ids
    with progress.reporting(run.progress, how.what, task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            name = ids.number(task.number, document.offset)
            batches.append(np.array(list(how.keys(step, document, name)), how.key))
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    keys, partitions = np.concatenate(batches), run.num_partitions(how.parts)
    exchange.send(path, keys, (keys["key"][:, 0] % partitions).astype(np.int64), count=partitions)
    return len(keys)


def write_drops(partition: int, *, run: Run, number: int, how: Keyed) -> int:
    """Sends what to drop of one partition to the parts that hold it."""
    path = run.pass_work(number, "drops", f"{partition:05d}")
    if exchange.is_sent(path):
        return 0
    senders = [run.pass_work(number, "keys", task.part) for task in run.tasks]
    drops = how.drops(exchange.receive(senders, partition, how.key))
    exchange.send(path, drops, run.owners(drops["document"]), count=len(run.tasks))
    return len(drops)


def rounds(run: Run, number: int, how: Keyed) -> list[Round]:
    """From keys to what is dropped; each round passes over what it finds made."""
    known = functools.partial(functools.partial, run=run, number=number, how=how)
    partitions = range(run.num_partitions(how.parts))
    keys, drops = run.pass_work(number, "keys"), run.pass_work(number, "drops")
    return [
        Round(how.what, run.tasks, known(write_keys), sends=(keys,)),
        Round(f"repeated {how.what}", partitions, known(write_drops), sends=(drops,), receives=(keys,)),
    ]


def drops_of(task: Task, run: Run, number: int, how: Keyed) -> np.ndarray:
    """What to drop of a part, drop[n]."""
    senders = [run.pass_work(number, "drops", f"{place:05d}") for place in range(run.num_partitions(how.parts))]
    return exchange.receive(senders, task.number, how.drop)
