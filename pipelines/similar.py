"""A pass over all documents: those with the same or nearly the same text, but for one of each cluster, are dropped.

Keys out of each part, through the exchange, to candidate pairs; each pair judged by the part that holds its later
document, by the sketches of both and, where they leave a doubt, by the texts; clusters.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

from curation import parts
from curation.dedup import candidates, clusters, texts, verify
from curation.dedup.clusters import EVIDENCE, MEMBER
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.dedup.shingles import shingles
from curation.dedup.texts import Looks
from curation.document import Document, Rejection
from curation.sources import Task
from pipelines import exchange, indexed, progress, stars
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_PARTS = 64  # whose keys share a partition where there are many parts
_PAIRS = 1 << 14  # judged at once: bounds memory to some 30 MB


def write_keys(task: Task, *, run: Run, number: int) -> int:
    """Sends each document's keys to the partitions they fall into, and writes the sketches of the part."""
    path, sketches = run.pass_work(number, "keys", task.part), run.pass_work(number, "sketches", task.part)
    if exchange.is_sent(path) and exchange.is_sent(sketches):
        return 0
    looks, ids = _looks(run, number), run.ids
    keys, found = [np.empty(0, candidates.KEY)], [np.empty(0, texts.sketch_type(looks))]
    with progress.reporting(run.progress, "keys", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            of_document = texts.described(document, ids.number(task.number, document.offset), looks)
            keys.append(of_document[0])
            found.append(of_document[1])
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    of_part = np.concatenate(found)
    exchange.write(sketches, of_part[np.argsort(of_part["document"])])
    rows, count = np.concatenate(keys), run.num_partitions(_PARTS)
    exchange.send(path, rows, (rows["key"] % count).astype(np.int64), count=count)
    return len(rows)


def write_candidates(partition: int, *, run: Run, number: int) -> int:
    """Sends each candidate pair of a partition to the part that holds its later document."""
    path = run.pass_work(number, "candidates", f"{partition:05d}")
    if exchange.is_sent(path):
        return 0
    senders = [run.pass_work(number, "keys", task.part) for task in run.tasks]
    keys = exchange.receive(senders, partition, candidates.KEY)
    pairs = candidates.pairs(np.concatenate([keys, *indexed.keys(keys, partition, run, number)]))
    exchange.send(path, pairs, run.owners(pairs["document"]), count=len(run.tasks))
    return len(pairs)


def write_verified(task: Task, *, run: Run, number: int) -> int:
    """Keeps the candidate pairs of a part's documents that are duplicates in truth; sends each to both its parts."""
    path, evidence = run.pass_work(number, "verified", task.part), run.pass_work(number, "evidence", task.part)
    if exchange.is_sent(path) and exchange.is_sent(evidence):
        return 0
    senders = [run.pass_work(number, "candidates", f"{it:05d}") for it in range(run.num_partitions(_PARTS))]
    pairs = np.unique(exchange.receive(senders, task.number, candidates.PAIR))
    verified = _verified(pairs, task.number, run, number)
    # Pages that were not even extracted, so that `copies` counts them: they are in no part, and so never dropped.
    seen = _repeated_payloads(task.number, run, number)
    both = np.concatenate([verified, seen])
    exchange.send(path, both, np.repeat([0, 1], [len(verified), len(seen)]), count=2)
    stars.send_evidence(evidence, verified, run)
    return len(verified)


def write_clusters(_: int, *, run: Run, number: int) -> int:
    """Sends every member of a cluster to the part that holds it, unless there are more pairs than one task takes."""
    path = run.pass_work(number, "members", "00000")
    if exchange.is_sent(path):
        return 0
    senders = [run.pass_work(number, "verified", task.part) for task in run.tasks]
    senders += indexed.senders(run, number, "index_links")
    if sum(map(exchange.num_records, senders)) > run.max_links:
        stars.ask_for(run, number)
        return 0
    links = np.concatenate([exchange.receive(senders, which, clusters.VERIFIED) for which in (0, 1)])
    return stars.send_members(path, clusters.clusters(links), run)


def rounds(run: Run, number: int) -> list[Round]:
    """From keys to clusters; each round passes over what it finds made."""
    if stars.is_asked_for(run, number):
        return stars.rounds(run, number)
    known = functools.partial(functools.partial, run=run, number=number)
    keys, pairs, evidence, members = (
        (run.pass_work(number, name),) for name in ("keys", "candidates", "evidence", "members")
    )
    partitions = range(run.num_partitions(_PARTS))
    of_index = indexed.rounds(run, number)
    keys_of_index = tuple(channel for it in of_index for channel in it.sends)
    return [
        *of_index,
        Round("keys", run.tasks, known(write_keys), sends=keys),
        Round("candidates", partitions, known(write_candidates), sends=pairs, receives=keys + keys_of_index),
        Round("verification", run.tasks, known(write_verified), sends=evidence, receives=pairs),
        Round("clusters", [0], known(write_clusters), sends=members),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document of a part: dropped, or kept with the size of its cluster."""
    members, ids = exchange.receive(stars.senders(run, number), task.number, MEMBER), run.ids
    sent = [run.pass_work(number, "evidence", it.part) for it in run.tasks]
    evidence = clusters.best_evidence(exchange.receive(sent, task.number, EVIDENCE), members)
    evidence_of = dict(zip(evidence["document"].tolist(), evidence, strict=True))
    named = indexed.names(run, number, members["kept"], evidence["other"])
    member_of = dict(zip(members["document"].tolist(), members[["kept", "copies"]].tolist(), strict=True))

    def decide(document: Document, name: int) -> Document | Rejection:
        if name not in member_of:
            return document
        kept, copies = member_of[name]
        if kept == name:
            return dataclasses.replace(document, copies=copies)
        return _duplicate(document, kept, evidence_of[name], lambda it: named.get(it) or ids.id(it))

    return decide


def _looks(run: Run, number: int) -> Looks:
    return texts.looks_of(run.recipe.passes[number].looks)


def _verified(pairs: np.ndarray, part: int, run: Run, number: int) -> np.ndarray:
    """Those of the pairs, PAIR[n], that are duplicates, VERIFIED[m]. Sketches and texts are read part by part."""
    if not len(pairs):
        return np.empty(0, clusters.VERIFIED)
    looks, own, owners = _looks(run, number), _sketches(part, run, number), run.owners(pairs["other"])
    found = []
    for other_part in np.unique(owners).tolist():
        others = own if other_part == part else _sketches(other_part, run, number)
        mine = pairs[owners == other_part]
        for start in range(0, len(mine), _PAIRS):
            found.append(verify.verified(mine[start : start + _PAIRS], own, others, looks))
    return _settled(np.concatenate(found), part, run, number)


def _settled(verified: np.ndarray, part: int, run: Run, number: int) -> np.ndarray:
    """VERIFIED[n] without a doubt: where the similarity is not known it is found from the texts."""
    doubtful = np.flatnonzero(np.isnan(verified["similarity"]))
    if not len(doubtful):
        return verified
    near, owners = _looks(run, number).near, run.owners(verified["neighbour"][doubtful])
    assert near, "texts alone leave no doubt"
    own = _shingles(part, verified["node"][doubtful], run, number)
    for other_part in np.unique(owners).tolist():
        mine = doubtful[owners == other_part]
        others = _shingles(other_part, verified["neighbour"][mine], run, number)
        for place in mine.tolist():
            left, right = own[int(verified["node"][place])], others[int(verified["neighbour"][place])]
            verified["similarity"][place] = verify.similarity(left, right, near)
    return verified[verified["similarity"] > 0]


def _sketches(part: int, run: Run, number: int) -> np.ndarray:
    """The SKETCH[n] of a part, sorted by document."""
    if part < 0:
        return indexed.sketches(-1 - part, run, number)
    path = run.pass_work(number, "sketches", run.tasks[part].part)
    return exchange.receive([path], 0, texts.sketch_type(_looks(run, number)))


def _shingles(part: int, numbers: np.ndarray, run: Run, number: int) -> dict[int, np.ndarray]:
    """The shingles, uint32[n], of documents of one part, by their numbers."""
    if part < 0:
        return indexed.shingles(numbers, run)
    near, base = _looks(run, number).near, run.ids.number(part, 0)
    assert near
    offsets = {name - base for name in numbers.tolist()}
    found = parts.texts(run.pass_input(number, part), offsets)
    return {base + offset: shingles(text, near.shingle) for offset, (text, _) in found}


def _repeated_payloads(part: int, run: Run, number: int) -> np.ndarray:
    """Pages that SeenPayload rejected, each with the first of its payload, VERIFIED[n], unless they were counted."""
    if any(isinstance(it, texts.STEPS) for step in run.recipe.passes[:number] for it in step.looks):
        return np.empty(0, clusters.VERIFIED)
    base, sketches = run.ids.number(part, 0), _sketches(part, run, number)
    rows = [
        (base + offset, math.inf, base + first, math.inf, 1, 1, 1.0, verify.SAME_TEXT)
        for offset, first in parts.repeated_payloads(run.rejected(part))
    ]
    found = np.array(rows, clusters.VERIFIED)
    places = np.searchsorted(sketches["document"], found["neighbour"]).clip(max=max(len(sketches) - 1, 0))
    if len(sketches):
        is_there = sketches["document"][places] == found["neighbour"]
        found["neighbour_rank"][is_there] = sketches["rank"][places[is_there]]
        found["neighbour_weight"][is_there] = sketches["copies"][places[is_there]]
    return found


def _duplicate(document: Document, kept: int, evidence: np.void, name: Callable[[int], str]) -> Rejection:
    is_exact = evidence["how"] == verify.SAME_TEXT
    through = int(evidence["other"])
    return Rejection.of(
        document,
        step=(ExactDuplicates if is_exact else NearDuplicates).__name__,
        reason=verify.REASONS[evidence["how"]],
        value=float(evidence["similarity"]),
        evidence=name(kept) if kept == through else f"{name(kept)} through {name(through)}",
    )
