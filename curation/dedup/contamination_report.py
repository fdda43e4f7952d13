"""What a corpus and evaluation sets have in common, counted by set, by item and by document."""

import collections
import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from curation.dedup.contamination import Contamination
from curation.dedup.evaluation_sets import EvaluationFile
from curation.dedup.overlaps import Overlap

NAME = "contamination.json"
ACTIONS = ("dropped", "cut", "kept")
_MOST = 10  # items that are shown
_EXAMPLES = 3  # of each


class Tally:
    """Counts as documents come; holds a few numbers for each item, and examples of those that are touched."""

    def __init__(self, sets: Sequence[EvaluationFile], items: np.ndarray) -> None:
        self._sets = sets
        self._items = items  # word_ngrams.ITEM[i]
        self._overlapping = np.zeros(len(items), bool)
        self._documents = np.zeros(len(items), np.int64)  # that hold each item
        self._actions = collections.Counter[tuple[str, str]]()
        self._all = collections.Counter[str]()
        self._touched: dict[tuple[str, int], tuple[int, list[dict[str, Any]]]] = {}

    def add_overlapping(self, items: np.ndarray) -> None:
        """Items, int64[n], of which an n-gram that counts stands somewhere."""
        self._overlapping[items] = True

    def add_held(self, items: np.ndarray, documents: np.ndarray | int = 1) -> None:
        """Items, int64[n], no two the same, that so many more documents hold."""
        self._documents[items] += documents

    def add_document(self, rows: Sequence[Overlap], **more: Sequence[str]) -> None:
        """All rows of one document; `more` are further columns of what is shown of them."""
        self._all[rows[0].action] += 1
        for name in dict.fromkeys(row.set for row in rows):
            self._actions[name, rows[0].action] += 1
        counted = set[tuple[str, int]]()
        for number, row in enumerate(rows):
            key = row.set, row.item
            count, examples = self._touched.get(key, (0, []))
            self._touched[key] = count + (key not in counted), examples
            counted.add(key)
            if len(examples) < _EXAMPLES:
                shown = {"document": row.id, "url": row.url, "start": row.start, "stop": row.stop, "text": row.text}
                examples.append({**shown, **{name: column[number] for name, column in more.items()}})

    def report(self, step: Contamination, num_documents: int, num_ignored: int) -> dict[str, Any]:
        """The numbers, for JSON; `num_ignored` n-grams stood in too many documents to count."""
        share = {"min_share": step.min_share} if step.rule == "share" else {"max_documents": step.max_documents}
        return {
            "rule": {"rule": step.rule, "n": step.n, **share},
            "action": step.action,
            "sets_sha256": step.sha256,
            "sets": [self._set(number, file) for number, file in enumerate(self._sets)],
            "documents": {"read": num_documents, **{action: self._all[action] for action in ACTIONS}},
            "ignored_ngrams": num_ignored,
            "most_touched": self._most_touched(),
        }

    def _set(self, number: int, file: EvaluationFile) -> dict[str, Any]:
        here = self._items["set"] == number
        count, held = int(here.sum()), int((self._documents[here] > 0).sum())
        return {
            "file": file.name,
            "sha256": file.sha256,
            "items": count,
            "items_skipped": int((self._items["ngrams"][here] == 0).sum()),
            "items_with_overlap": int(self._overlapping[here].sum()),
            "items_contaminated": held,
            "share": held / count if count else 0.0,
            "documents": {action: self._actions[file.name, action] for action in ACTIONS},
        }

    def _most_touched(self) -> list[dict[str, Any]]:
        order = {file.name: number for number, file in enumerate(self._sets)}
        ranked = heapq.nsmallest(_MOST, self._touched.items(), lambda it: (-it[1][0], order[it[0][0]], it[0][1]))
        return [
            {"file": name, "item": item, "documents": count, "spans": examples}
            for (name, item), (count, examples) in ranked
        ]
