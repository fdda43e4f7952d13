"""Clusters of more pairs than one task takes: alternating star rounds, each over partitions of the documents.

The task that would make the clusters asks for them, and the stage is then launched again with a number of rounds, until
one leaves the edges as they were. Edges go from round to round by file, so that a launch goes on where one ended.
"""

import functools
import json

import numpy as np

from curation import storage
from curation.dedup import clusters, stars
from curation.dedup.clusters import LINK, VERIFIED
from curation.sources import Task
from pipelines import exchange, indexed
from pipelines.run import Run
from pipelines.tasks import Round

_PARTS = 64  # whose links share a partition where there are many parts
_ROUNDS = 5  # of one launch


def ask_for(run: Run, number: int) -> None:
    """Leaves the word that the clusters of a pass are to be made by star rounds."""
    _write_json(_path(run, number, "asked"), {})


def is_asked_for(run: Run, number: int) -> bool:
    """Whether they are."""
    return not run.is_dry and storage.exists(_path(run, number, "asked"))


def is_waiting(run: Run, number: int) -> bool:
    """Whether they are, and are not made yet."""
    return is_asked_for(run, number) and not storage.exists(_path(run, number, "done"))


def senders(run: Run, number: int) -> list[str]:
    """Where the members of clusters come from."""
    names = _partitions(run) if is_asked_for(run, number) else range(1)
    return [run.pass_work(number, "members", f"{name:05d}") for name in names]


def send_evidence(path: str, verified: np.ndarray, run: Run) -> None:
    """Sends VERIFIED[n] to the parts that hold either document."""
    rows = clusters.evidence(verified)
    rows = rows[rows["document"] >= 0]  # the others are of the index, and stay
    exchange.send(path, rows, run.owners(rows["document"]), count=len(run.tasks))


def send_members(path: str, members: np.ndarray, run: Run) -> int:
    """Sends MEMBER[n] to the parts that hold them; how many they are."""
    members = members[members["document"] >= 0]
    exchange.send(path, members, run.owners(members["document"]), count=len(run.tasks))
    return len(members)


def rounds(run: Run, number: int) -> list[Round]:
    """From verified pairs to members, as far as one launch goes."""
    known = functools.partial(functools.partial, run=run, number=number)
    first = _last_round(run, number)[0] + 1
    evidence, members = (run.pass_work(number, "evidence"),), (run.pass_work(number, "members"),)
    of_index = range(len(indexed.parts(run, number)))
    found = [
        Round("links", run.tasks, known(write_links), sends=evidence),
        Round("links of the index", of_index, known(write_index_links)),
    ]
    for turn in range(first, first + _ROUNDS):
        found += [
            Round(f"large star {turn}", _partitions(run), known(write_large_star, turn=turn)),
            Round(f"small star {turn}", _partitions(run), known(write_small_star, turn=turn)),
            Round(f"edges of round {turn}", [0], known(write_state, turn=turn)),
        ]
    found.append(Round("clusters", _partitions(run), known(write_members), sends=members))
    found.append(Round("clusters are made", [0], known(write_done)))
    return found


def write_links(task: Task, *, run: Run, number: int) -> int:
    """Sends the verified pairs of a part from either end, as edges and as evidence."""
    path, evidence = _path(run, number, "links", task.part), run.pass_work(number, "evidence", task.part)
    if exchange.is_sent(path) and exchange.is_sent(evidence):
        return 0
    sender = run.pass_work(number, "verified", task.part)
    verified, seen = (exchange.receive([sender], which, VERIFIED) for which in (0, 1))
    _send(path, clusters.both_ways(np.concatenate([verified, seen])), run)
    if not exchange.is_sent(evidence):
        send_evidence(evidence, verified, run)
    return len(verified)


def write_index_links(part: int, *, run: Run, number: int) -> int:
    """Sends the links among the documents of one part of the index."""
    path = _path(run, number, "index_links", f"{part:05d}")
    if exchange.is_sent(path):
        return 0
    links = exchange.receive([indexed.senders(run, number, "index_links")[part]], 0, VERIFIED)
    _send(path, clusters.both_ways(links), run)
    return len(links)


def write_large_star(partition: int, *, run: Run, number: int, turn: int) -> int:
    """The first half of a round."""
    path = _path(run, number, f"large-{turn:03d}", f"{partition:05d}")
    if exchange.is_sent(path) or _is_over(run, number, turn):
        return 0
    links = stars.large_star(exchange.receive(_edges(run, number, turn - 1), partition, LINK))
    _send(path, links, run)
    return len(links)


def write_small_star(partition: int, *, run: Run, number: int, turn: int) -> int:
    """The second half of a round."""
    name = f"{partition:05d}"
    path, digest = _path(run, number, f"small-{turn:03d}", name), _path(run, number, f"digest-{turn:03d}", name)
    if (exchange.is_sent(path) and exchange.is_sent(digest)) or _is_over(run, number, turn):
        return 0
    senders = [_path(run, number, f"large-{turn:03d}", f"{it:05d}") for it in _partitions(run)]
    links = stars.small_star(exchange.receive(senders, partition, LINK))
    _send(path, clusters.both_ways(links), run)
    exchange.write(digest, np.array([stars.digest(links)], np.uint64))
    return len(links)


def write_state(_: int, *, run: Run, number: int, turn: int) -> int:
    """Compares the edges of a round with those of the round before."""
    path = _state(run, number, turn)
    if storage.exists(path) or _is_over(run, number, turn):
        return 0
    paths = [_path(run, number, f"digest-{turn:03d}", f"{it:05d}") for it in _partitions(run)]
    digest = int(exchange.receive(paths, 0, np.dtype("<u8")).sum(dtype=np.uint64))
    before = _read_json(_state(run, number, turn - 1)).get("digest") if turn > 1 else None
    _write_json(path, {"digest": digest, "is_over": digest == before})
    return 1


def write_members(partition: int, *, run: Run, number: int) -> int:
    """Sends the members of the clusters whose kept document is of this partition to the parts that hold them."""
    path, (last, is_over) = run.pass_work(number, "members", f"{partition:05d}"), _last_round(run, number)
    if not is_over or exchange.is_sent(path):
        return 0
    return send_members(path, stars.members(exchange.receive(_edges(run, number, last), partition, LINK)), run)


def write_done(_: int, *, run: Run, number: int) -> int:
    """Leaves the word that the rounds are over."""
    if _last_round(run, number)[1]:
        _write_json(_path(run, number, "done"), {})
    return 0


def _send(path: str, links: np.ndarray, run: Run) -> None:
    count = len(_partitions(run))
    exchange.send(path, links, stars.partitions(links, count), count=count)


def _edges(run: Run, number: int, turn: int) -> list[str]:
    """Where the edges after a round are, from either end; after none those of the verified pairs."""
    if not turn:
        of_index = [_path(run, number, "index_links", f"{it:05d}") for it in range(len(indexed.parts(run, number)))]
        return [_path(run, number, "links", task.part) for task in run.tasks] + of_index
    return [_path(run, number, f"small-{turn:03d}", f"{it:05d}") for it in _partitions(run)]


def _is_over(run: Run, number: int, turn: int) -> bool:
    """Whether a round before this one left the edges as they were."""
    last, is_over = _last_round(run, number)
    return is_over and last < turn


def _last_round(run: Run, number: int) -> tuple[int, bool]:
    """The last round that is complete, 0 for none, and whether it left the edges as they were."""
    turn = 0
    while storage.exists(_state(run, number, turn + 1)):
        turn += 1
    return turn, bool(turn and _read_json(_state(run, number, turn))["is_over"])


def _partitions(run: Run) -> range:
    return range(run.num_partitions(_PARTS))


def _state(run: Run, number: int, turn: int) -> str:
    return _path(run, number, "states", f"{turn:03d}.json")


def _path(run: Run, number: int, *names: str) -> str:
    return run.pass_work(number, "stars", *names)


def _write_json(path: str, content: dict[str, int | bool]) -> None:
    with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file)


def _read_json(path: str) -> dict[str, int | bool]:
    with storage.open_read(path) as file:
        found: dict[str, int | bool] = json.load(file)
    return found
