"""A pass over all documents: paragraphs that a Bloom filter has seen before are dropped, or whole documents.

Keys of 64 bits go out of every part in the order in which they stand, and come to a filter sender after sender. One bit
for each comes back, in the same order, so that the part, which makes its keys once more, knows whose it is.
"""

import dataclasses
import functools

import numpy as np

from curation import parts
from curation.dedup import bloom
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_KEY, _BITS = np.dtype("<u8"), np.dtype("u1")
_PARTS = 64  # whose keys share a filter where there are many parts: up to a million of 64 bits each


def write_keys(task: Task, *, run: Run, number: int) -> int:
    """Sends the keys of a part's documents, in order, to the filters that they fall into."""
    path = run.pass_work(number, "keys", task.part)
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    batches = [np.empty(0, _KEY)]
    with progress.reporting(run.progress, "paragraphs", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            batches.append(bloom.keys(step, document.text))
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    keys, partitions = np.concatenate(batches), run.num_partitions(_PARTS)
    exchange.send(path, keys, _partitions(keys, partitions), count=partitions)
    return len(keys)


def write_seen(partition: int, *, run: Run, number: int) -> int:
    """Asks one filter for the keys of all parts, one part's in memory at a time, and sends back a bit for each."""
    path = run.pass_work(number, "seen", f"{partition:05d}")
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    senders = [run.pass_work(number, "keys", task.part) for task in run.tasks]
    partitions, sent = run.num_partitions(_PARTS), exchange.num_received(senders, partition, _KEY)
    filled = bloom.filter_of(step, sent=sent, partitions=partitions)
    answers = [np.empty(0, _BITS)]
    for keys in exchange.receive_each(senders, partition, _KEY):
        answers.append(np.packbits(filled.see(keys)))
        bloom.check_room(step, filled, partitions=partitions)
    owners = np.repeat([task.number for task in run.tasks], [len(bits) for bits in answers[1:]])
    exchange.send(path, np.concatenate(answers), owners, count=len(run.tasks))
    return sent


def rounds(run: Run, number: int) -> list[Round]:
    """From keys to whether they were seen; each round passes over what it finds made."""
    known = functools.partial(functools.partial, run=run, number=number)
    keys, seen = run.pass_work(number, "keys"), run.pass_work(number, "seen")
    partitions = range(run.num_partitions(_PARTS))
    return [
        Round("paragraphs", run.tasks, known(write_keys), sends=(keys,)),
        Round("seen paragraphs", partitions, known(write_seen), sends=(seen,), receives=(keys,)),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part, asked in the order of the part."""
    (step,) = run.recipe.passes[number].looks
    senders = [run.pass_work(number, "seen", f"{place:05d}") for place in range(run.num_partitions(_PARTS))]
    answers = _Answers([np.unpackbits(bits) for bits in exchange.receive_each(senders, task.number, _BITS)])

    def decide(document: Document, _: int) -> Document | Rejection:
        seen = answers.next(bloom.keys(step, document.text))
        text, signals, reason, value = bloom.verdict(step, document.text, seen)
        if reason:
            return Rejection.of(document, step=step_name(step), reason=reason, value=value)
        return dataclasses.replace(document, text=text, signals={**document.signals, **signals})

    return decide


class _Answers:
    """What the filters said of a part's keys, to be taken in the order in which the keys were sent."""

    def __init__(self, answers: list[np.ndarray]) -> None:
        """`answers`: of each filter, uint8[n] of 0 and 1."""
        self._all = np.concatenate(answers)
        self._next = np.cumsum([0, *map(len, answers)])[:-1]  # of each filter, where what was not taken begins

    def next(self, keys: np.ndarray) -> np.ndarray:
        """Whether the keys, uint64[n], that come next were seen, bool[n]."""
        partitions = _partitions(keys, len(self._next))
        counts = np.bincount(partitions, minlength=len(self._next))
        inner = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
        seen = np.empty(len(keys), bool)
        seen[np.argsort(partitions, kind="stable")] = self._all[np.repeat(self._next, counts) + inner]
        self._next += counts
        return seen


def _partitions(keys: np.ndarray, count: int) -> np.ndarray:
    """The filters, int64[n], that keys fall into."""
    return (keys % np.uint64(count)).astype(np.int64)
