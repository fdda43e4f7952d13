"""A pass over all documents: stretches of tokens that stand earlier in the corpus are cut.

Fingerprints go out of every part, and those come back that stand more than once; then the hashes of the windows with
such a fingerprint, and the windows come back that stand earlier.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from curation import parts
from curation.dedup import substrings
from curation.document import Cut, Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Edited, Run
from pipelines.tasks import Round

# Parts whose records share a partition where there are many parts. The windows of a part whose texts all stand
# elsewhere too take 28 bytes a token, its fingerprints one.
_FINGERPRINTS, _WINDOWS = 32, 4


def write_fingerprints(task: Task, *, run: Run, number: int) -> int:
    """Sends the distinct fingerprints of a part's documents to the partitions that they fall into."""
    path = run.pass_work(number, "fingerprints", task.part)
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    batches = [np.empty(0, substrings.FINGERPRINT)]
    for document in _documents(task, run, number, "fingerprints"):
        batches.append(substrings.of_document(step, document.text))
    found = substrings.merged(np.concatenate(batches))
    found["part"] = task.number
    partitions = run.num_partitions(_FINGERPRINTS)
    exchange.send(path, found, (found["key"] % partitions).astype(np.int64), count=partitions)
    return len(found)


def write_shared(partition: int, *, run: Run, number: int) -> int:
    """Sends the fingerprints of one partition that stand more than once to the parts that hold them."""
    path = run.pass_work(number, "shared", f"{partition:05d}")
    if exchange.is_sent(path):
        return 0
    senders = [run.pass_work(number, "fingerprints", task.part) for task in run.tasks]
    shared = substrings.shared(exchange.receive(senders, partition, substrings.FINGERPRINT))
    exchange.send(path, shared["key"], shared["part"].astype(np.int64), count=len(run.tasks))
    return len(shared)


def write_windows(task: Task, *, run: Run, number: int) -> int:
    """Sends the windows of a part's documents that may stand elsewhere to the partitions that they fall into."""
    path = run.pass_work(number, "windows", task.part)
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    senders = [run.pass_work(number, "shared", f"{place:05d}") for place in range(run.num_partitions(_FINGERPRINTS))]
    among = np.sort(exchange.receive(senders, task.number, np.dtype("<u8")))
    batches, ids = [np.empty(0, substrings.WINDOW)], run.ids
    for document in _documents(task, run, number, "windows"):
        name = ids.number(task.number, document.offset)
        batches.append(substrings.windows(step, document.text, name, among))
    found, partitions = np.concatenate(batches), run.num_partitions(_WINDOWS)
    exchange.send(path, found, (found["key"][:, 0] % partitions).astype(np.int64), count=partitions)
    return len(found)


def write_drops(partition: int, *, run: Run, number: int) -> int:
    """Sends the windows of one partition that stand earlier to the parts that hold them."""
    path = run.pass_work(number, "drops", f"{partition:05d}")
    if exchange.is_sent(path):
        return 0
    senders = [run.pass_work(number, "windows", task.part) for task in run.tasks]
    drops = substrings.drops(exchange.receive(senders, partition, substrings.WINDOW))
    exchange.send(path, drops, run.owners(drops["document"]), count=len(run.tasks))
    return len(drops)


def rounds(run: Run, number: int) -> list[Round]:
    """From fingerprints to the windows that are cut; each round passes over what it finds made."""
    channels = ("fingerprints", "shared", "windows", "drops")
    fingerprints, shared, windows, drops = (run.pass_work(number, name) for name in channels)
    hashed, compared = range(run.num_partitions(_FINGERPRINTS)), range(run.num_partitions(_WINDOWS))

    def at(work: Callable[..., int]) -> Callable[[object], int]:
        return functools.partial(work, run=run, number=number)

    return [
        Round("fingerprints", run.tasks, at(write_fingerprints), sends=(fingerprints,)),
        Round("shared fingerprints", hashed, at(write_shared), sends=(shared,), receives=(fingerprints,)),
        Round("windows", run.tasks, at(write_windows), sends=(windows,), receives=(shared,)),
        Round("repeated windows", compared, at(write_drops), sends=(drops,), receives=(windows,)),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: written anew without what stands earlier, dropped where that is all."""
    (step,) = run.recipe.passes[number].looks
    senders = [run.pass_work(number, "drops", f"{place:05d}") for place in range(run.num_partitions(_WINDOWS))]
    drops = np.sort(exchange.receive(senders, task.number, substrings.DROP), order=["document", "token"])
    documents, ids = np.ascontiguousarray(drops["document"]), run.ids

    def decide(document: Document, name: int) -> Edited:
        first, last = np.searchsorted(documents, [name, name + 1])
        gone = substrings.spans(step, document.text, drops[first:last])
        cuts = tuple(
            Cut.of(document, step=step_name(step), start=it.start, stop=it.stop, evidence=ids.id(it.kept))
            for it in gone
        )
        text = substrings.without(document.text, gone)
        if gone and not step.is_enough(text):
            left = float(len(text.strip()))  # characters
            known = {"step": step_name(step), "reason": "nothing_left", "evidence": cuts[0].evidence}
            return Edited(Rejection.of(document, **known, value=left), cuts)
        counts = {"cut_spans": float(len(gone)), "cut_tokens": float(sum(it.tokens for it in gone))}
        return Edited(dataclasses.replace(document, text=text, signals={**document.signals, **counts}), cuts)

    return decide


def _documents(task: Task, run: Run, number: int, what: str) -> Iterator[Document]:
    with progress.reporting(run.progress, what, task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            yield document
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
