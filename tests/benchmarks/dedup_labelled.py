"""Near-duplicates of texts of which every pair's similarity is known."""

import collections
import dataclasses
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from curation.dedup import candidates, minhash
from curation.dedup.exact import text_key
from curation.dedup.minhash import NearDuplicates
from tests.benchmarks import dedup_runs, dedup_scores, dedup_texts
from tests.benchmarks.dedup_scores import MARGIN, THRESHOLD, Pair, pair

_THRESHOLDS = tuple(twentieth / 20 for twentieth in range(10, 20))
_SETS = {
    "made": ("made_docs", "id", "made_all_pairs_j5_ge_0.2"),
    "web": ("web_pair_docs", "page_id", "web_all_pairs_j5_ge_0.2"),
}


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Texts, the Jaccard similarity of word 5-grams of all pairs from .2 on, and pairs that are no duplicates."""

    name: str
    texts: dict[str, str]
    truth: dict[Pair, float]
    negatives: tuple[Pair, ...]  # that share a template and are below the threshold


def read(folder: Path) -> list[Labelled]:
    """The sets of the folder; FileNotFoundError where one is not there."""
    found = []
    for name, (documents, key, pairs) in _SETS.items():
        texts = {row[key]: row["text"] for row in _rows(folder, documents)}
        truth = {pair(row["a"], row["b"]): row["j5"] for row in _rows(folder, pairs)}
        made = _rows(folder, "made_pairs") if name == "made" else iter(())
        negatives = (row for row in made if row["kind"] == "shared_template" and row["j5"] < THRESHOLD)
        found.append(Labelled(name, texts, truth, tuple(pair(row["a"], row["b"]) for row in negatives)))
    return found


def report(labelled: Labelled, work: Path, workers: int, *, peers: bool) -> Iterator[str]:
    """Runs the pipeline, and the others where asked for, on the texts; a table, and the curve over thresholds."""
    yield f"{labelled.name}: {len(labelled.texts):,} texts, {len(labelled.truth):,} pairs of similarity .2 or more"
    yield ""
    work.mkdir(parents=True)
    dedup_texts.write_wet(work / "texts.warc.wet.gz", labelled.texts.items())
    archives, corpus = f"{work}/*.wet.gz", work / "corpus"
    dedup_runs.extract(archives, corpus, workers)
    mine = dedup_runs.this_project(archives, corpus, workers)
    linked = dedup_scores.components(mine.pairs)
    assert linked.keys() == mine.cluster_of.keys(), (
        "each dropped document has a chain of verified pairs to what is kept"
    )
    yield from dedup_runs.HEADINGS
    yield mine.row(labelled.name, "this project", len(labelled.texts), labelled.truth)
    if peers:
        texts = work / "json"
        texts.mkdir()
        dedup_texts.write_json(texts / "texts.jsonl", labelled.texts.items())
        for name, run in dedup_runs.PEERS.items():
            found = run(texts, work / run.__name__, workers)
            yield found.row(labelled.name, name, len(labelled.texts), labelled.truth)
    if labelled.negatives:
        verified = {pair(*each) for each in mine.pairs}
        merged = sum(each in verified for each in labelled.negatives)
        together = sum(dedup_scores.is_together(each, mine.cluster_of) for each in labelled.negatives)
        yield ""
        yield f"{len(labelled.negatives)} pairs of one template below .8: {merged} merged, {together} in one cluster"
    yield ""
    yield from curve(labelled)


def curve(labelled: Labelled) -> Iterator[str]:
    """A row for each threshold: every candidate pair, judged by its texts, and the clusters that those pairs make."""
    found = judged(labelled.texts, NearDuplicates())
    yield f"{len(found):,} candidate pairs of 14 bands of 8 rows, each judged by its texts, at other thresholds t"
    yield ""
    yield "| t | pairs | precision | recall, j ≥ t | j ≥ t + .05 | in clusters | precision | j ≥ t | j ≥ t + .05 |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for threshold in _THRESHOLDS:
        pairs = [each for each, similarity in found.items() if similarity >= threshold]
        cluster_of, cells = dedup_scores.components(pairs), [f"{threshold:.2f}"]
        all_wanted = (
            dedup_scores.of_pairs(pairs, labelled.truth, threshold),
            dedup_scores.of_clusters(cluster_of, labelled.truth, threshold),
        )
        surely_wanted = (
            dedup_scores.of_pairs(pairs, labelled.truth, threshold, MARGIN),
            dedup_scores.of_clusters(cluster_of, labelled.truth, threshold, MARGIN),
        )
        for score, sure in zip(all_wanted, surely_wanted, strict=True):
            cells += [f"{score.claimed:,}", *(f"{it:.4f}" for it in (score.precision, score.recall, sure.recall))]
        yield f"| {' | '.join(cells)} |"


def judged(texts: dict[str, str], settings: NearDuplicates) -> dict[Pair, float]:
    """The candidate pairs, by the functions that the pipeline calls, with the similarity of their sets of shingles.

    Of documents with one text only the first is compared with others; what is found of it is so of all.
    """
    names = sorted(texts)
    shingles = [minhash.shingles(texts[name], settings.shingle, words=settings.words) for name in names]
    keys = [np.empty(0, candidates.KEY)]
    for number, hashed in enumerate(shingles):
        if len(hashed):
            of_document = np.zeros(settings.bands, candidates.KEY)
            of_document["key"] = minhash.band_keys(minhash.signature(hashed, settings), settings)
            of_document["document"], of_document["text"] = number, text_key(texts[names[number]])
            keys.append(of_document)
    pairs = candidates.pairs(np.concatenate(keys))
    same: dict[str, list[str]] = collections.defaultdict(list)
    for name in names:
        same[texts[name]].append(name)
    found = {pair(*each): 1.0 for alike in same.values() for each in itertools.combinations(alike, 2)}
    for one, other in ((int(row["document"]), int(row["other"])) for row in pairs):
        similarity = minhash.jaccard(shingles[one], shingles[other])
        for each in itertools.product(same[texts[names[one]]], same[texts[names[other]]]):
            if each[0] != each[1]:
                found[pair(*each)] = similarity
    return found


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)
