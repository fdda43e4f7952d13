"""Clusters of duplicates, as packed numbers: each dropped document with the one at its root, and what became of that.

A cluster is a kept document with all that were dropped for it, by whichever step, also through a document that a later
step dropped in turn.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curation import ids, storage, urls
from curation.duplicate_rows import Rows, batches
from curation.manifest import Manifest

KEPT, LATER, EARLIER, NEVER = range(4)
# Where the document at the root of a cluster is.
FATES = ("kept", "rejected by a later step", "in an earlier corpus", "never a document")
_MAX_ROUNDS = 64  # of following `kept`; each doubles the length of the chains that are followed


@dataclasses.dataclass(frozen=True)
class Clusters:
    """The clusters of a corpus, in the order of the numbers of their roots."""

    root: np.ndarray  # int64[m], sorted
    size: np.ndarray  # int64[m], documents, the root included
    fate: np.ndarray  # int64[m], place in FATES
    copies: np.ndarray  # int64[m], as the corpus has it; 0 where the root is not in it
    host: np.ndarray  # int64[m], place in the hosts of the rows; -1 where it is not known
    part: np.ndarray  # int64[m], place in the parts; -1 where the root is in none
    of_row: np.ndarray  # int64[n]: the cluster of each dropped document
    kept_of_host: np.ndarray  # int64[h], documents of the corpus from each host that lost one
    num_documents: int  # of the corpus

    @property
    def is_shown(self) -> np.ndarray:
        """Which clusters are of documents, bool[m]: a page may repeat the bytes of one that never became a document."""
        shown: np.ndarray = self.fate != NEVER
        return shown


def clusters(corpus: str, held: Manifest, rows: Rows) -> Clusters:
    """The clusters of a corpus, whose documents are looked through; ValueError where a file of it is damaged."""
    root, of_row, counts = np.unique(_ends(rows, corpus), return_inverse=True, return_counts=True)
    known = {storage.base_name(str(entry["path"])) for entry in held.inputs}
    earlier = np.array([name not in known for name in rows.documents.archives.names], bool)
    fate = np.where(earlier[root // ids.pack(1, 0)], EARLIER, NEVER) if len(root) else np.empty(0, np.int64)
    copies, host, part = np.zeros(len(root), np.int64), np.full(len(root), -1), np.full(len(root), -1)
    kept_of_host, num_documents = np.zeros(len(rows.hosts.names), np.int64), 0
    found = Clusters(root, counts + 1, fate, copies, host, part, of_row, kept_of_host, num_documents)
    for number in range(len(rows.parts)):
        for batch in batches(_kept(corpus, rows, number), ["id", "url", "copies"]):
            num_documents += batch.num_rows
            hosts = list(map(urls.host, batch["url"].to_pylist()))
            places = rows.hosts.known(hosts)
            places = places[(places >= 0) & (places < len(kept_of_host))]
            np.add.at(kept_of_host, places, 1)
            here, at = _roots(rows, found, batch, corpus)
            copies[at] = batch["copies"].to_numpy(zero_copy_only=False)[here]
            _found(rows, found, at, fate=KEPT, part=number, hosts=[hosts[row] for row in here])
    for number in range(len(rows.parts)) if (fate == NEVER).any() else ():
        for batch in batches(_dropped(corpus, rows, number), ["id", "url"]):
            here, at = _roots(rows, found, batch, corpus)
            _found(
                rows, found, at, fate=LATER, part=number, hosts=[urls.host(batch["url"][row].as_py()) for row in here]
            )
    return dataclasses.replace(found, num_documents=num_documents)


def pages(corpus: str, rows: Rows, found: Clusters, chosen: Sequence[int]) -> dict[int, str]:
    """The URLs of the roots of these clusters, as far as the corpus has them."""
    result: dict[int, str] = {}
    for number in sorted({int(found.part[place]) for place in chosen} - {-1}):
        here = {rows.documents.id(int(found.root[place])): place for place in chosen if found.part[place] == number}
        for path in (_kept(corpus, rows, number), _dropped(corpus, rows, number)):
            for batch in batches(path, ["id", "url"]):
                names = batch["id"].to_pylist()
                result |= {here[name]: batch["url"][row].as_py() for row, name in enumerate(names) if name in here}
    return result


def _ends(rows: Rows, corpus: str) -> np.ndarray:
    """The document that stays of each row's cluster, int64[n]: `kept`, or what that was dropped for, and so on."""
    ends = rows.table["kept"].copy()
    documents = np.ascontiguousarray(rows.table["document"])
    if not len(ends):
        return ends
    for _ in range(_MAX_ROUNDS):
        at = np.minimum(np.searchsorted(documents, ends), len(ends) - 1)
        dropped = np.flatnonzero(documents[at] == ends)
        if not len(dropped):
            return ends
        ends[dropped] = ends[at[dropped]]
    raise ValueError(f"{corpus}: documents were dropped for one another in a ring: it is damaged; make it again")


def _roots(rows: Rows, found: Clusters, batch: pa.RecordBatch, corpus: str) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of a batch are roots, and of which clusters."""
    numbers = rows.documents.numbers(batch["id"], corpus)
    if not len(found.root):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    at = np.minimum(np.searchsorted(found.root, numbers), len(found.root) - 1)
    here = np.flatnonzero(found.root[at] == numbers)
    return here, at[here]


def _found(rows: Rows, found: Clusters, at: np.ndarray, *, fate: int, part: int, hosts: Sequence[str]) -> None:
    found.fate[at], found.part[at], found.host[at] = fate, part, rows.hosts.of(hosts)


def _kept(corpus: str, rows: Rows, part: int) -> str:
    return storage.join(corpus, "documents", f"{rows.parts[part]}.parquet")


def _dropped(corpus: str, rows: Rows, part: int) -> str:
    return storage.join(corpus, "rejected", f"{rows.parts[part]}-duplicates.parquet")
