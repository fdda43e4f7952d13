"""A pass over all documents: those that hold texts of evaluation sets are reported, cut or dropped, and counted."""

import functools
import itertools
import json
import operator
from collections.abc import Callable, Iterator

import numpy as np

from curation import parts, storage
from curation.dedup import contamination_report, overlaps, word_ngrams
from curation.dedup.contamination import Contamination
from curation.dedup.evaluation_sets import EvaluationFile
from curation.dedup.overlaps import Judged
from curation.dedup.word_ngrams import ITEM, MATCH, NGRAM, NgramIndex
from curation.document import Document
from curation.ledger import Ledger
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Edited, Run
from pipelines.tasks import Round

_COUNT = np.dtype([("of", "<u4"), ("documents", "<u4")])  # of an n-gram, by its place in the index, or of an item
_PLACE = np.dtype("<u4")


def write_index(_: int, *, run: Run, number: int) -> int:
    """Packs the n-grams of all evaluation items once, for the tasks to load."""
    path = run.pass_work(number, "evaluation", "sets.json")
    if storage.exists(path):
        return 0
    step = _step(run, number)
    found, items = word_ngrams.of_items(step.items(), step.n)
    exchange.write(run.pass_work(number, "evaluation", "ngrams"), found)
    exchange.write(run.pass_work(number, "evaluation", "items"), items)
    with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump([[each.path, each.sha256] for each in step.sets()], file)
    return len(items)


def write_matches(task: Task, *, run: Run, number: int) -> int:
    """Writes down which n-grams of a part's documents stand in an item, and in how many documents each stands."""
    path = run.pass_work(number, "counts", task.part)
    if storage.exists(path):
        return 0
    index, matches, ids = _index(run, number), list[np.ndarray](), run.ids
    with progress.reporting(run.progress, "matches", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            found = index.matches(document.text, ids.number(task.number, document.offset))
            if len(found):
                matches.append(found)
            report(count, len(matches), (document.offset - task.start) / (task.stop - task.start))
    exchange.write(run.pass_work(number, "matches", task.part), np.concatenate([np.empty(0, MATCH), *matches]))
    exchange.write(path, _counts(*word_ngrams.documents_of(matches)))
    return len(matches)


def write_ignored(_: int, *, run: Run, number: int) -> int:
    """Writes down the n-grams that stand in too many documents to count."""
    path = run.pass_work(number, "ignored", "00000")
    if storage.exists(path):
        return 0
    step, documents = _step(run, number), np.zeros(len(_index(run, number).keys), np.int64)
    for found in _each(run, number, "counts", _COUNT):
        documents[found["of"]] += found["documents"]
    is_ignored = documents > step.max_documents if step.rule == "gpt3" else np.zeros(len(documents), bool)
    exchange.write(path, np.flatnonzero(is_ignored).astype(_PLACE))
    return int(is_ignored.sum())


def write_overlaps(task: Task, *, run: Run, number: int) -> int:
    """Writes the rows of a part, and how many of its documents hold each item."""
    path, counts = run.overlaps(task.number), run.pass_work(number, "held", task.part)
    assert path
    if parts.fingerprint_of(path) == run.fingerprint and storage.exists(counts):
        return 0
    step, index, names, held = _step(run, number), _index(run, number), _names(run, number), list[np.ndarray]()
    with parts.writing(path, overlaps.OVERLAPS, fingerprint=run.fingerprint, ledger=Ledger()) as rows:
        judge, ids = _judge(task, run, number), run.ids
        for document in parts.documents(run.pass_input(number, task.number)):
            if it := judge(document.text, ids.number(task.number, document.offset)):
                held.append(it.items)
                for row in overlaps.rows(step, index, names, document, it):
                    rows.add(row)
        items, times = np.unique(np.concatenate([np.empty(0, np.int64), *held]), return_counts=True)
        exchange.write(counts, _counts(items, times))
    return len(held)


def write_report(_: int, *, run: Run, number: int) -> int:
    """Writes `contamination.json`."""
    index, ignored = _index(run, number), _ignored(run, number)
    with storage.open_read(run.pass_work(number, "evaluation", "sets.json")) as file:
        sets = [EvaluationFile(*each) for each in json.load(file)]
    tally = contamination_report.Tally(sets, index.items)
    for found in _each(run, number, "counts", _COUNT):
        tally.add_overlapping(index.owners(np.setdiff1d(found["of"], ignored))[1])
    for found in _each(run, number, "held", _COUNT):
        tally.add_held(found["of"], found["documents"])
    rows = (row for task in run.tasks for row in parts.overlaps(run.overlaps(task.number) or ""))
    for _, group in itertools.groupby(rows, operator.attrgetter("id")):
        tally.add_document(list(group))
    read = sum(parts.num_rows(run.pass_input(number, task.number)) for task in run.tasks)
    report = tally.report(_step(run, number), read, len(ignored))
    with storage.publish(_report(run)) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    return len(sets)


def is_reported(run: Run) -> bool:
    """Whether `contamination.json` is there."""
    return storage.exists(_report(run))


def rounds(run: Run, number: int) -> list[Round]:
    """From evaluation items to what is found of them; each round passes over what it finds made."""
    known = functools.partial(functools.partial, run=run, number=number)
    return [
        Round("evaluation sets", [0], known(write_index)),
        Round("matches", run.tasks, known(write_matches)),
        Round("common n-grams", [0], known(write_ignored)),
        Round("overlaps", run.tasks, known(write_overlaps)),
        Round("contamination", [0], known(write_report)),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document: kept with the number of its matches, cut, or dropped."""
    step, index, names = _step(run, number), _index(run, number), _names(run, number)
    judge = _judge(task, run, number)

    def decide(document: Document, name: int) -> Edited:
        return Edited(*overlaps.outcome(step, index, names, document, judge(document.text, name)))

    return decide


def _judge(task: Task, run: Run, number: int) -> Callable[[str, int], Judged | None]:
    """What the rule makes of each document of a part, by its text and its number."""
    step, index = _step(run, number), _index(run, number)
    matches = exchange.receive([run.pass_work(number, "matches", task.part)], 0, MATCH)
    matches = word_ngrams.but_for(matches, _ignored(run, number))

    def judge(text: str, name: int) -> Judged | None:
        first, last = np.searchsorted(matches["document"], [name, name + 1])
        return overlaps.judged(step, index, text, matches[first:last])

    return judge


def _report(run: Run) -> str:
    return storage.join(run.output, contamination_report.NAME)


def _step(run: Run, number: int) -> Contamination:
    (step,) = run.recipe.passes[number].looks
    assert isinstance(step, Contamination)
    return step


def _counts(of: np.ndarray, documents: np.ndarray) -> np.ndarray:
    found = np.empty(len(of), _COUNT)
    found["of"], found["documents"] = of, documents
    return found


def _each(run: Run, number: int, kind: str, dtype: np.dtype) -> Iterator[np.ndarray]:
    return exchange.receive_each([run.pass_work(number, kind, task.part) for task in run.tasks], 0, dtype)


def _ignored(run: Run, number: int) -> np.ndarray:
    return exchange.receive([run.pass_work(number, "ignored", "00000")], 0, _PLACE)


def _names(run: Run, number: int) -> list[str]:
    with storage.open_read(run.pass_work(number, "evaluation", "sets.json")) as file:
        return [storage.base_name(path) for path, _ in json.load(file)]


def _index(run: Run, number: int) -> NgramIndex:
    return _loaded(run.pass_work(number, "evaluation"), _step(run, number).n)


@functools.lru_cache(1)
def _loaded(folder: str, n: int) -> NgramIndex:
    """The index that a worker's tasks share."""
    found = exchange.receive([storage.join(folder, "ngrams")], 0, NGRAM)
    return NgramIndex.of(found, exchange.receive([storage.join(folder, "items")], 0, ITEM), n)
