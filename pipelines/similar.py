"""A pass over all documents: those with the same or nearly the same text, but for one of each cluster, are dropped.

Keys out of each part, through the exchange, to candidate pairs; each verified on the texts by the part that holds its
later document; clusters.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from curation import parts, storage
from curation.dedup import candidates, clusters, minhash
from curation.dedup.exact import ExactDuplicates, text_key
from curation.dedup.minhash import NearDuplicates
from curation.document import Document, Rejection
from curation.recipe import Pass
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Run
from pipelines.tasks import Round


def write_keys(task: Task, *, run: Run, number: int) -> int:
    """Sends each document's keys to the partitions they fall into: one for its text, one for each MinHash band."""
    path = run.pass_work(number, "keys", task.part)
    if storage.exists(path):
        return 0
    rows: list[tuple[int, int, int, bool]] = []
    with progress.reporting(run.progress, "keys", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            name, text = run.ids.number(task.number, document.offset), text_key(document.text)
            looks = run.recipe.passes[number]
            rows += [(key, name, text, is_exact) for key, is_exact in _keys(document, text, looks)]
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    keys = np.array(rows, candidates.KEY)
    count = run.num_partitions(64)
    exchange.send(path, keys, (keys["key"] % count).astype(np.int64), count=count)
    return len(keys)


def write_candidates(partition: int, *, run: Run, number: int) -> int:
    """Sends each candidate pair of a partition to the part that holds its later document."""
    path = run.pass_work(number, "candidates", f"{partition:05d}")
    if storage.exists(path):
        return 0
    senders = [run.pass_work(number, "keys", task.part) for task in run.tasks]
    pairs = candidates.pairs(exchange.receive(senders, partition, candidates.KEY))
    exchange.send(path, pairs, run.owners(pairs["document"]), count=len(run.tasks))
    return len(pairs)


def write_edges(task: Task, *, run: Run, number: int) -> int:
    """Keeps the candidate pairs of a part's documents that are duplicates in truth, by the shingles of both texts."""
    path = run.pass_work(number, "edges", task.part)
    if storage.exists(path):
        return 0
    senders = [run.pass_work(number, "candidates", f"{partition:05d}") for partition in range(run.num_partitions(64))]
    pairs = np.unique(exchange.receive(senders, task.number, candidates.PAIR))
    edges = _verified(pairs, task.number, run, number) if len(pairs) else []
    # Pages that were not even extracted, so that `copies` counts them: they are in no part, and so never dropped.
    for offset, first in parts.repeated_payloads(run.rejected(task.number)):
        edges.append((run.ids.number(task.number, offset), run.ids.number(task.number, first), 1.0, True))
    found = np.array(edges, clusters.EDGE)
    exchange.send(path, found, np.zeros(len(found), np.int64), count=1)
    return len(found)


def write_clusters(_: int, *, run: Run, number: int) -> int:
    """Sends what to drop, and how many copies each kept document has, to the parts that hold them."""
    paths = [run.pass_work(number, "drops"), run.pass_work(number, "copies")]
    if all(map(storage.exists, paths)):
        return 0
    senders = [run.pass_work(number, "edges", task.part) for task in run.tasks]
    edges = exchange.receive(senders, 0, clusters.EDGE)
    for path, rows in zip(paths, clusters.clusters(edges), strict=True):
        exchange.send(path, rows, run.owners(rows["document"]), count=len(run.tasks))
    return len(edges)


def rounds(run: Run, number: int) -> list[Round]:
    """From keys to clusters; each round passes over what it finds made."""
    return [
        Round("keys", run.tasks, functools.partial(write_keys, run=run, number=number)),
        Round("candidates", range(run.num_partitions(64)), functools.partial(write_candidates, run=run, number=number)),
        Round("verification", run.tasks, functools.partial(write_edges, run=run, number=number)),
        Round("clusters", [0], functools.partial(write_clusters, run=run, number=number)),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: dropped, or kept with the size of its cluster."""
    drops = exchange.receive([run.pass_work(number, "drops")], task.number, clusters.DROP)
    copies = exchange.receive([run.pass_work(number, "copies")], task.number, clusters.COPIES)
    drop_of = {int(row["document"]): row for row in drops}
    copies_of = {int(row["document"]): int(row["copies"]) for row in copies}

    def decide(document: Document, name: int) -> Document | Rejection:
        if name in drop_of:
            return _duplicate(document, drop_of[name], run)
        return dataclasses.replace(document, copies=copies_of.get(name, document.copies))

    return decide


def _keys(document: Document, text_number: int, looks: Pass) -> Iterator[tuple[int, bool]]:
    for step in looks.looks:
        if isinstance(step, ExactDuplicates):
            yield text_number, True
        else:
            shingles = minhash.shingles(document.text, step.shingle, document.language)
            if len(shingles):
                for key in minhash.band_keys(minhash.signature(shingles, step), step).tolist():
                    yield key, False


def _verified(pairs: np.ndarray, part: int, run: Run, number: int) -> list[tuple[int, int, float, bool]]:
    """The pairs, PAIR[n], that are duplicates by their texts, with their similarity. Texts are read part by part."""
    own = _texts(part, pairs["document"], run, number)
    owners = run.owners(pairs["other"])
    found = []
    for other_part in np.unique(owners).tolist():
        mine = pairs[owners == other_part]
        others = _texts(other_part, mine["other"], run, number)
        for document, other, is_exact in mine.tolist():
            similarity = _similarity(own[document], others[other], is_exact, run.recipe.passes[number].looks)
            if similarity is not None:
                found.append((document, other, similarity, is_exact))
    return found


def _similarity(left: tuple[str, str], right: tuple[str, str], is_exact: bool, looks: Sequence[object]) -> float | None:
    """How similar two texts, each with its language, are, or None where that is too little."""
    if is_exact:
        return 1.0 if left[0] == right[0] else None
    (settings,) = (step for step in looks if isinstance(step, NearDuplicates))
    similarity = minhash.jaccard(_shingles(*left, settings.shingle), _shingles(*right, settings.shingle))
    return similarity if similarity >= settings.min_similarity else None


@functools.lru_cache(256)
def _shingles(text: str, language: str, size: int) -> np.ndarray:
    """Kept for a while, since a document stands in several pairs one after another."""
    return minhash.shingles(text, size, language)


def _texts(part: int, numbers: np.ndarray, run: Run, number: int) -> dict[int, tuple[str, str]]:
    """The texts and languages of documents of one part, by their numbers."""
    base = run.ids.number(part, 0)
    offsets = {name - base for name in numbers.tolist()}
    return {base + offset: found for offset, found in parts.texts(run.pass_input(number, part), offsets)}


def _duplicate(document: Document, drop: np.void, run: Run) -> Rejection:
    kept, through = run.ids.id(int(drop["kept"])), run.ids.id(int(drop["through"]))
    return Rejection.of(
        document,
        step=(ExactDuplicates if drop["is_exact"] else NearDuplicates).__name__,
        reason="same_text" if drop["is_exact"] else "similar_text",
        value=float(drop["similarity"]),
        evidence=kept if kept == through else f"{kept} through {through}",
    )
