"""The second stage: filtered documents to the curated corpus, without duplicates.

Keys out of each part, through the exchange, to candidate pairs; each verified on the texts by the part that holds its
later document; clusters; then every part is written anew without what duplicates another, and through the recipe's
last per-document steps.
"""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from curation import parts, storage, walk
from curation.dedup import candidates, clusters, minhash
from curation.dedup.exact import ExactDuplicates, text_key
from curation.dedup.minhash import NearDuplicates
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.sources import Task
from pipelines import command, exchange, extract, progress
from pipelines.made import all_made
from pipelines.run import Run
from pipelines.tasks import Round


def num_partitions(run: Run) -> int:
    """Partitions of the keys; about 64 parts' keys each (a few tens of MB) where there are many parts."""
    return max(min(len(run.tasks), 8), -(-len(run.tasks) // 64))


def write_keys(task: Task, *, run: Run) -> int:
    """Sends each document's keys to the partitions they fall into: one for its text, one for each MinHash band."""
    path = run.work("keys", task.part)
    if storage.exists(path):
        return 0
    rows: list[tuple[int, int, int, bool]] = []
    with progress.reporting(run.progress, "keys", task.number) as report:
        for count, document in enumerate(parts.documents(run.filtered(task.number)), 1):
            number, text = run.ids.number(task.number, document.offset), text_key(document.text)
            rows += [(key, number, text, is_exact) for key, is_exact in _keys(document.text, text, run)]
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    keys = np.array(rows, candidates.KEY)
    exchange.send(path, keys, (keys["key"] % num_partitions(run)).astype(np.int64), count=num_partitions(run))
    return len(keys)


def write_candidates(partition: int, *, run: Run) -> int:
    """Sends each candidate pair of a partition to the part that holds its later document."""
    path = run.work("candidates", f"{partition:05d}")
    if storage.exists(path):
        return 0
    senders = [run.work("keys", task.part) for task in run.tasks]
    pairs = candidates.pairs(exchange.receive(senders, partition, candidates.KEY))
    owners = np.searchsorted(run.ids.first, pairs["document"], "right") - 1
    exchange.send(path, pairs, owners, count=len(run.tasks))
    return len(pairs)


def write_edges(task: Task, *, run: Run) -> int:
    """Keeps the candidate pairs of a part's documents that are duplicates in truth, by the shingles of both texts."""
    path = run.work("edges", task.part)
    if storage.exists(path):
        return 0
    senders = [run.work("candidates", f"{number:05d}") for number in range(num_partitions(run))]
    pairs = np.unique(exchange.receive(senders, task.number, candidates.PAIR))
    edges = _verified(pairs, task.number, run) if len(pairs) else []
    # Pages that were not even extracted, so that `copies` counts them: they are in no part, and so never dropped.
    for offset, first in parts.repeated_payloads(run.rejected(task.number)):
        edges.append((run.ids.number(task.number, offset), run.ids.number(task.number, first), 1.0, True))
    found = np.array(edges, clusters.EDGE)
    exchange.send(path, found, np.zeros(len(found), np.int64), count=1)
    return len(found)


def write_clusters(_: int, *, run: Run) -> int:
    """Sends what to drop, and how many copies each kept document has, to the parts that hold them."""
    paths = [run.work("drops"), run.work("copies")]
    if all(map(storage.exists, paths)):
        return 0
    edges = exchange.receive([run.work("edges", task.part) for task in run.tasks], 0, clusters.EDGE)
    for path, rows in zip(paths, clusters.clusters(edges), strict=True):
        owners = np.searchsorted(run.ids.first, rows["document"], "right") - 1
        exchange.send(path, rows, owners, count=len(run.tasks))
    return len(edges)


def write_documents(task: Task, *, run: Run) -> int:
    """Writes one part of the corpus: its filtered documents, but for duplicates, through the recipe's last steps."""
    drops, copies = _decisions(task, run)
    ledger = Ledger()
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "documents", task.number))
        write = functools.partial(parts.writing, fingerprint=run.fingerprint, ledger=ledger)
        rejected = stack.enter_context(write(run.duplicates(task.number), REJECTED))
        kept = stack.enter_context(write(run.documents(task.number), DOCUMENTS))
        for document in parts.documents(run.filtered(task.number)):
            number = run.ids.number(task.number, document.offset)
            outcome: Document | Rejection
            if number in drops:
                outcome = _duplicate(document, drops[number], run)
            else:
                document = dataclasses.replace(document, copies=copies.get(number, 1))
                outcome = walk.later_steps(document, run.recipe.after)
            ledger.read += 1
            if isinstance(outcome, Document):
                ledger.kept += 1
                kept.add(outcome)
            else:
                ledger.reject(outcome)
                rejected.add(outcome)
            report(ledger.read, ledger.kept, (document.offset - task.start) / (task.stop - task.start))
        ledger.check(task.part)
    return ledger.kept


def is_done(run: Run, task: Task) -> bool:
    """Whether the part was made by this run or by one just like it; ValueError where another made it."""
    paths = [run.documents(task.number), run.duplicates(task.number)]
    return all_made(paths, parts.fingerprint_of, run.fingerprint)


def rounds(run: Run, missing: Sequence[Task]) -> list[Round]:
    """From keys to documents; each round passes over what it finds made."""
    if not missing:
        return []
    apply = Round("documents", missing, functools.partial(write_documents, run=run))
    if not run.recipe.duplicates:
        return [apply]
    return [
        Round("keys", run.tasks, functools.partial(write_keys, run=run)),
        Round("candidates", range(num_partitions(run)), functools.partial(write_candidates, run=run)),
        Round("verification", run.tasks, functools.partial(write_edges, run=run)),
        Round("clusters", [0], functools.partial(write_clusters, run=run)),
        apply,
    ]


def _keys(text: str, text_number: int, run: Run) -> Iterator[tuple[int, bool]]:
    for step in run.recipe.duplicates:
        if isinstance(step, ExactDuplicates):
            yield text_number, True
        else:
            shingles = minhash.shingles(text, step.shingle)
            if len(shingles):
                for key in minhash.band_keys(minhash.signature(shingles, step), step).tolist():
                    yield key, False


def _verified(pairs: np.ndarray, part: int, run: Run) -> list[tuple[int, int, float, bool]]:
    """The pairs, PAIR[n], that are duplicates by their texts, with their similarity. Texts are read part by part."""
    own = _texts(part, pairs["document"], run)
    owners = np.searchsorted(run.ids.first, pairs["other"], "right") - 1
    found = []
    for other_part in np.unique(owners).tolist():
        mine = pairs[owners == other_part]
        others = _texts(other_part, mine["other"], run)
        for document, other, is_exact in mine.tolist():
            similarity = _similarity(own[document], others[other], is_exact, run)
            if similarity is not None:
                found.append((document, other, similarity, is_exact))
    return found


def _similarity(left: str, right: str, is_exact: bool, run: Run) -> float | None:
    """How similar two texts are, or None where that is too little."""
    if is_exact:
        return 1.0 if left == right else None
    (settings,) = (step for step in run.recipe.duplicates if isinstance(step, NearDuplicates))
    similarity = minhash.jaccard(_shingles(left, settings.shingle), _shingles(right, settings.shingle))
    return similarity if similarity >= settings.min_similarity else None


@functools.lru_cache(256)
def _shingles(text: str, size: int) -> np.ndarray:
    """Kept for a while, since a document stands in several pairs one after another."""
    return minhash.shingles(text, size)


def _texts(part: int, numbers: np.ndarray, run: Run) -> dict[int, str]:
    """The texts of documents of one part, by their numbers."""
    base = run.ids.number(part, 0)
    offsets = {number - base for number in numbers.tolist()}
    return {base + offset: text for offset, text in parts.texts(run.filtered(part), offsets)}


def _decisions(task: Task, run: Run) -> tuple[dict[int, np.void], dict[int, int]]:
    """What to drop and the sizes of clusters, by document; only documents of this part."""
    if not run.recipe.duplicates:
        return {}, {}
    drops = exchange.receive([run.work("drops")], task.number, clusters.DROP)
    copies = exchange.receive([run.work("copies")], task.number, clusters.COPIES)
    return (
        {int(row["document"]): row for row in drops},
        {int(row["document"]): int(row["copies"]) for row in copies},
    )


def _duplicate(document: Document, drop: np.void, run: Run) -> Rejection:
    kept, through = run.ids.id(int(drop["kept"])), run.ids.id(int(drop["through"]))
    return Rejection(
        id=document.id,
        url=document.url,
        warc=document.warc,
        offset=document.offset,
        length=document.length,
        step=(ExactDuplicates if drop["is_exact"] else NearDuplicates).__name__,
        reason="same_text" if drop["is_exact"] else "similar_text",
        value=float(drop["similarity"]),
        evidence=kept if kept == through else f"{kept} through {through}",
    )


STAGE = command.Stage("deduplicate", extract.tasks, is_done, rounds, needs=extract.STAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """This stage alone, on a folder that holds the output of the stages before it."""
    return command.main(__doc__ or "", [STAGE], argv)


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import deduplicate

    sys.exit(deduplicate.main())
