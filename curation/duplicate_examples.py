"""Pairs of near-duplicates to look at: chosen over all similarities, with their texts and what differs."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from curation import parts, storage, word_diff
from curation.duplicate_clusters import Clusters
from curation.duplicate_rows import Rows, batches, explained
from curation.word_diff import Difference

_NEAR = "NearDuplicates"


@dataclasses.dataclass(frozen=True)
class Page:
    """Where a document is from."""

    id: str
    url: str


@dataclasses.dataclass(frozen=True)
class Example:
    """A dropped document beside the one that it was found similar to."""

    similarity: float
    reason: str
    dropped: Page
    other: Page
    kept: str  # id of the document at the root of the cluster
    difference: Difference  # left the other one, right the dropped one


def similarities(rows: Rows) -> np.ndarray:
    """Of each pair that near-duplicates were dropped for, float64[n]; NaN for what was dropped otherwise."""
    return np.where(rows.of_step(_NEAR), rows.table["value"], np.nan)


def examples(corpus: str, rows: Rows, found: Clusters, *, count: int, seed: int) -> list[Example]:
    """The least similar pair, and by chance one of each stretch of the similarities, the least similar first.

    Texts are as they came to the first step on all documents. ValueError where the corpus lacks one.
    """
    near = np.flatnonzero(~np.isnan(similarities(rows)))
    near = near[_parts(rows, found, rows.table["other"][near]) >= 0]  # not of an earlier corpus
    places = near[choose(rows.table["value"][near], count=count, seed=seed)]
    numbers = np.unique(np.concatenate([rows.table["document"][places], rows.table["other"][places]]))
    of_number = _parts(rows, found, numbers)
    texts: dict[int, tuple[str, str]] = {}
    for part in np.unique(of_number).tolist():
        texts |= _texts(corpus, rows, part, numbers[of_number == part])
    return [_example(rows, found, int(place), texts) for place in places]


def choose(values: np.ndarray, *, count: int, seed: int) -> list[int]:
    """Places in an array of similarities, float64[n]: the least, then one of each of `count` - 1 equal stretches.

    Where a stretch has none, others stand in. The same seed gives the same places.
    """
    if not len(values) or count <= 0:
        return []
    first, low, high = int(np.argmin(values)), float(values.min()), float(values.max())
    order = np.random.default_rng(seed).permutation(len(values))
    order = order[order != first]
    width = (high - low) / max(count - 1, 1) or 1.0
    stretch = np.minimum((values[order] - low) / width, max(count - 2, 0)).astype(np.int64)
    _, starts = np.unique(stretch, return_index=True)
    chosen = [first, *order[starts].tolist()][:count]
    chosen += np.delete(order, starts)[: count - len(chosen)].tolist()
    return sorted(chosen, key=lambda place: (float(values[place]), place))


def _parts(rows: Rows, found: Clusters, numbers: np.ndarray) -> np.ndarray:
    """The parts that hold documents, int64[n], -1 for those of earlier corpora."""
    result = np.full(len(numbers), -1)
    for known, part in ((found.root, found.part), (rows.table["document"], rows.table["part"])):
        if len(known):
            at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
            result = np.where(known[at] == numbers, part[at], result)
    return result


def _texts(corpus: str, rows: Rows, part: int, numbers: np.ndarray) -> dict[int, tuple[str, str]]:
    """The URLs and texts of documents of one part; only the row groups that hold one are read."""
    path = storage.join(corpus, "filtered", f"{rows.parts[part]}.parquet")
    wanted = {rows.documents.offset(number): number for number in numbers.tolist()}
    urls: dict[int, str] = {}
    for batch in batches(path, ["offset", "url"]):
        pairs = zip(batch["offset"].to_pylist(), batch["url"], strict=True)
        urls |= {offset: url.as_py() for offset, url in pairs if offset in wanted}
    with explained(path):
        texts = {offset: found[0] for offset, found in parts.texts(path, set(wanted))}
    if missing := sorted(wanted.keys() - texts.keys()):
        raise ValueError(
            f"{path} lacks {rows.documents.id(wanted[missing[0]])}, which was dropped as a duplicate or kept for one; "
            "copy the whole corpus, or make it again"
        )
    return {number: (urls[offset], texts[offset]) for offset, number in wanted.items()}


def _example(rows: Rows, found: Clusters, place: int, texts: Mapping[int, tuple[str, str]]) -> Example:
    row = rows.table[place]
    (url, text), (other_url, other_text) = texts[int(row["document"])], texts[int(row["other"])]
    return Example(
        similarity=float(row["value"]),
        reason=rows.kinds[row["kind"]][1],
        dropped=Page(rows.documents.id(int(row["document"])), url),
        other=Page(rows.documents.id(int(row["other"])), other_url),
        kept=rows.documents.id(int(found.root[found.of_row[place]])),
        difference=word_diff.difference(other_text, text),
    )
