"""The duplicates of a corpus in numbers: by step, by size of cluster, by host, by similarity."""

import dataclasses
import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from curation import duplicate_clusters, duplicate_rows
from curation.duplicate_clusters import FATES, KEPT, Clusters
from curation.duplicate_rows import Rows
from curation.manifest import Manifest
from curation.stored_recipe import StoredRecipe


@dataclasses.dataclass(frozen=True)
class Step:
    """What a step dropped for one reason."""

    step: str
    reason: str
    documents: int


@dataclasses.dataclass(frozen=True)
class Fate:
    """The clusters whose root has one fate, and what was dropped for it."""

    root: str
    clusters: int
    dropped: int


@dataclasses.dataclass(frozen=True)
class Size:
    """How many clusters have from `first` to `last` documents."""

    first: int
    last: int
    clusters: int
    documents: int


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One cluster."""

    id: str  # of its root
    url: str  # empty where the corpus does not hold it
    root: str  # what became of it
    documents: int
    copies: int  # as the corpus has it: pages of one URL do not count there
    hosts: int


@dataclasses.dataclass(frozen=True)
class Host:
    """What a host has in the corpus, and what it lost as duplicates."""

    host: str
    dropped: int
    kept: int


@dataclasses.dataclass(frozen=True)
class HostPair:
    """Documents of one host that were dropped for those of another, or of its own."""

    kept: str
    dropped: str
    documents: int


def check(recipe: StoredRecipe, corpus: str) -> None:
    """ValueError where nothing in a corpus can be a duplicate."""
    if not {step.name for step in recipe.steps} & set(duplicate_rows.STEPS):
        raise ValueError(
            f"{corpus}: recipe {recipe.name} has no step that drops duplicates for a document that stays; expected one "
            f"of {', '.join(duplicate_rows.STEPS)}: add it and make the corpus again"
        )


def read(corpus: str, held: Manifest) -> tuple[Rows, Clusters]:
    """What a corpus stores of its duplicates; ValueError where a file is missing or damaged."""
    rows = duplicate_rows.read(corpus, held)
    return rows, duplicate_clusters.clusters(corpus, held, rows)


def by_step(rows: Rows) -> list[Step]:
    """What each step dropped, in the order of its name."""
    counts = np.bincount(rows.table["kind"], minlength=len(rows.kinds)).tolist()
    return [Step(*kind, count) for kind, count in sorted(zip(rows.kinds, counts, strict=True))]


def by_fate(found: Clusters) -> list[Fate]:
    """Where the roots are."""
    clusters = np.bincount(found.fate, minlength=len(FATES)).tolist()
    dropped = np.bincount(found.fate[found.of_row], minlength=len(FATES)).tolist()
    return [Fate(*it) for it in zip(FATES, clusters, dropped, strict=True) if it[1]]


def by_size(found: Clusters) -> list[Size]:
    """Clusters by their size, in steps of a factor of 2; documents without duplicates are those of size 1."""
    shown = found.size[found.is_shown]
    power = np.ceil(np.log2(shown)).astype(np.int64)  # 1 for 2, 2 for 3 to 4, 3 for 5 to 8, …
    alone = found.num_documents - int((found.fate == KEPT).sum())
    result = [Size(1, 1, alone, alone)]
    for number in range(1, int(power.max(initial=0)) + 1):
        here = shown[power == number]
        result.append(Size((1 << number - 1) + 1, 1 << number, len(here), int(here.sum())))
    return result


def largest(corpus: str, rows: Rows, found: Clusters, *, count: int) -> list[Cluster]:
    """The largest clusters; of one size, in the order of the ids of their roots."""

    def name(place: int) -> str:
        return rows.documents.id(int(found.root[place]))

    chosen = _most(np.where(found.is_shown, found.size, 0), name, count)
    urls = duplicate_clusters.pages(corpus, rows, found, chosen)
    result = []
    for place in chosen:
        hosts = {*np.unique(rows.table["host"][found.of_row == place]).tolist(), int(found.host[place])} - {-1}
        size, copies = int(found.size[place]), int(found.copies[place])
        result.append(Cluster(name(place), urls.get(place, ""), FATES[found.fate[place]], size, copies, len(hosts)))
    return result


def by_host(rows: Rows, found: Clusters, *, count: int) -> list[Host]:
    """The hosts that lost most documents."""
    shown, names = found.is_shown[found.of_row], rows.hosts.names
    dropped = np.bincount(rows.table["host"][shown], minlength=len(found.kept_of_host))
    chosen = _most(dropped, names.__getitem__, count)
    return [Host(names[place], int(dropped[place]), int(found.kept_of_host[place])) for place in chosen]


def by_host_pair(rows: Rows, found: Clusters, *, count: int) -> list[HostPair]:
    """The pairs of hosts between which most documents were dropped."""
    names = rows.hosts.names
    kept, shown = found.host[found.of_row], found.is_shown[found.of_row]
    shown = shown & (kept >= 0)
    keys, counts = np.unique(kept[shown] * len(names) + rows.table["host"][shown], return_counts=True)

    def pair(place: int) -> tuple[str, str]:
        kept, dropped = divmod(int(keys[place]), len(names))
        return names[kept], names[dropped]

    return [HostPair(*pair(place), int(counts[place])) for place in _most(counts, pair, count)]


def _most(counts: np.ndarray, name: Callable[[int], Any], count: int) -> list[int]:
    """The places of the greatest counts above 0, of equal ones those whose name comes first."""
    places = np.flatnonzero(counts)
    if len(places) > count > 0:
        places = places[counts[places] >= np.partition(counts[places], len(places) - count)[len(places) - count]]
    return heapq.nsmallest(count, places.tolist(), key=lambda place: (-int(counts[place]), name(place)))
