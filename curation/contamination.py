"""What a finished corpus and evaluation sets have in common, told from its documents; nothing is written."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from curation import parts, storage
from curation.dedup import overlaps, word_ngrams
from curation.dedup.contamination import Contamination
from curation.dedup.contamination_report import Tally
from curation.dedup.word_ngrams import NgramIndex
from curation.manifest import Manifest

_AROUND = 60  # characters of a text that are shown before a match, and behind it


def survey(corpus: str, held: Manifest, step: Contamination) -> dict[str, Any]:
    """The report of `Tally`, with what stands around each example; documents that hold n-grams are read twice.

    ValueError where an evaluation set or a part of the corpus cannot be read.
    """
    sets, index = step.sets(), step.index()
    paths = [storage.join(corpus, it.path) for it in held.outputs if it.path.startswith("documents/")]
    documents = np.zeros(len(index.keys), np.int64)  # in which each n-gram stands
    places: dict[str, list[int]] = {}  # of the documents that hold any, in their part
    read = 0
    for path in paths:
        found = list(_matching(path, index, documents))
        read += parts.num_rows(path)
        if found:
            places[path] = found
    ignored = np.flatnonzero(documents > step.max_documents) if step.rule == "gpt3" else np.empty(0, np.int64)
    tally = Tally(sets, index.items)
    tally.add_overlapping(index.owners(np.setdiff1d(np.flatnonzero(documents), ignored))[1])
    names = [file.name for file in sets]
    for path, here in places.items():
        wanted = set(here)
        for place, document in enumerate(parts.documents(path)):
            if place not in wanted:
                continue
            found_here = word_ngrams.but_for(index.matches(document.text, place), ignored)
            if it := overlaps.judged(step, index, document.text, found_here):
                rows = overlaps.rows(step, index, names, document, it)
                tally.add_held(it.items)
                before = [document.text[max(row.start - _AROUND, 0) : row.start] for row in rows]
                behind = [document.text[row.stop : row.stop + _AROUND] for row in rows]
                tally.add_document(rows, before=before, behind=behind)
    return tally.report(step, read, len(ignored))


def _matching(path: str, index: NgramIndex, documents: np.ndarray) -> Iterator[int]:
    """The places of a part's documents with n-grams of an item; counts each n-gram once a document."""
    for place, document in enumerate(parts.documents(path)):
        found = index.matches(document.text, place)
        if len(found):
            documents[np.unique(found["ngram"])] += 1
            yield place
