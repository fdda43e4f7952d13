"""What models made of collections of documents: a line for each collection or a part of it, a column for each model."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainers import pages, text_scores
from trainers.objectives.causal import TERM
from trainers.stream import Stream
from trainers.table import escaped, table
from trainers.text_scores import Scores

GROUPS = ("corpus", "language", "host")
_OTHERS = "others"


@dataclasses.dataclass(frozen=True)
class Collection:
    """Documents that are scored together: a split of a corpus, or a text file."""

    name: str
    stream: Stream  # of one split

    @property
    def bytes(self) -> np.ndarray:
        """Of the text of each document, UTF-8, int64[documents]."""
        sizes: np.ndarray = self.stream.splits[0].document_bytes[self.stream.documents]
        return sizes


@dataclasses.dataclass(frozen=True)
class Column:
    """What one model made of the collections."""

    run: str
    step: int
    objective: str
    weights: Mapping[str, float]  # of the terms of its loss
    collections: Sequence[Collection]
    scores: Sequence[Mapping[str, Scores]]  # of each collection, by term

    @property
    def is_causal(self) -> bool:
        """Whether its loss is the code length of a text."""
        return self.objective == "causal"

    def line(self, number: int, documents: np.ndarray) -> dict[str, Any]:
        """What documents int64[n] of a collection cost."""
        scores = {term: _select(found, documents) for term, found in self.scores[number].items()}
        sizes = self.collections[number].bytes[documents]
        line: dict[str, Any] = {"run": self.run, "step": self.step, "objective": self.objective}
        line |= {"documents": len(documents), "targets": int(next(iter(scores.values())).targets.sum())}
        line |= {"bytes": int(sizes.sum())}
        loss, loss_error = text_scores.weighted(self.weights, scores)
        if not self.is_causal:
            terms = {term: text_scores.weighted({term: 1.0}, scores)[0] for term in scores}
            return {**line, "loss": loss, "error": loss_error, "terms": terms}
        bits, error = text_scores.ratio([(1.0, _bits(scores), sizes.astype(float))])
        return {**line, "loss": loss, "bits_per_byte": bits, "error": error}

    def difference(self, other: "Column", number: int, documents: np.ndarray) -> tuple[float | None, float | None]:
        """Bits per byte less those of another model, and the standard error, document by document."""
        more, less = (_bits(column.scores[number])[documents] for column in (self, other))
        sizes = self.collections[number].bytes[documents].astype(float)
        return text_scores.ratio([(1.0, more - less, sizes)])


def groups(collection: Collection, by: str, *, min_bytes: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Documents int64[n] by language or host, the one with the most text first; all as one, by corpus.

    Hosts with fewer than `min_bytes` of text are joined, as the last group.
    """
    everything = np.arange(collection.stream.num_documents)
    if by == "corpus":
        yield "", everything
        return
    if by == "language":
        names = pages.documents(collection.stream, everything, ["language"])["language"]
    else:
        assert by == "host", by
        names = pages.hosts(pages.documents(collection.stream, everything, ["url"])["url"])
    encoded = pc.fill_null(names, "-").cast(pa.string()).combine_chunks().dictionary_encode()
    numbers, found = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    sizes = np.bincount(numbers, weights=collection.bytes, minlength=len(found))
    rare = sizes < min_bytes if by == "host" else np.zeros(len(found), bool)
    order = sorted(np.flatnonzero(~rare), key=lambda group: (-sizes[group], found[group]))
    by_group = np.argsort(numbers, kind="stable")
    edges = np.searchsorted(numbers[by_group], np.arange(len(found) + 1))
    for group in order:
        yield found[group], by_group[edges[group] : edges[group + 1]]
    if rare.any():
        yield _OTHERS, np.flatnonzero(rare[numbers])


def lines_of(columns: Sequence[Column], *, by: str, min_bytes: int) -> list[list[dict[str, Any]]]:
    """For each group of each collection the lines of all columns, ready for JSON."""
    found = []
    for number, collection in enumerate(columns[0].collections):
        for name, documents in groups(collection, by, min_bytes=min_bytes):
            about = {"text": collection.name, **({} if by == "corpus" else {by: name})}
            lines = [{**about, **column.line(number, documents)} for column in columns]
            for column, line in zip(columns[1:], lines[1:], strict=True):
                value, error = column.difference(columns[0], number, documents)
                line |= {"difference": value, "difference_error": error}
            found.append(lines)
    return found


def document_lines(column: Column) -> Iterator[dict[str, Any]]:
    """What each document cost, with where it is from, in the order in which it is read."""
    for collection, scores in zip(column.collections, column.scores, strict=True):
        numbers, bits = np.arange(collection.stream.num_documents), _bits(scores)
        about = pages.documents(collection.stream, numbers, ["id", "url", "language"]).to_pylist()
        for i, (page, size) in enumerate(zip(about, collection.bytes.tolist(), strict=True)):
            line = {"run": column.run, "step": column.step, "text": collection.name, **page, "bytes": size}
            line["targets"] = {term: int(found.targets[i]) for term, found in scores.items()}
            line["nats"] = {term: float(found.nats[i]) for term, found in scores.items()}
            if column.is_causal:
                line |= {"targets": line["targets"][TERM], "nats": line["nats"][TERM]}
                line["bits_per_byte"] = float(bits[i] / size) if size else None
            yield line


def heading(columns: Sequence[Column], *, stride: int) -> list[str]:
    """What the numbers are, and of which models."""
    runs = [f"{escaped(column.run)}, step {column.step}" for column in columns]
    if not columns[0].is_causal:
        return [
            f"{runs[0]}: loss of the objective {columns[0].objective} in nats a target, with the choices of epoch 0, "
            "and its standard error over documents",
            "not bits per byte, and not comparable with the loss of another objective or tokenizer",
        ]
    context = f"; each window after the first scores {stride} tokens" if stride else ""
    what = f"bits per byte and their standard error over documents{context}"
    if len(runs) == 1:
        return [f"{runs[0]}: {what}"]
    return [what, *(f"{number}: {run}" for number, run in enumerate(runs, 1))]


def shown(lines: Sequence[Sequence[dict[str, Any]]], *, by: str) -> str:
    """A line for each group; of several models a column each, then how far each is from the first one."""
    names, rows = ["text", *([] if by == "corpus" else [by]), "documents"], []
    for group in lines:
        cells = {name: group[0][name] for name in [*names, "bytes"]}
        if len(group) == 1:
            known = ("bits_per_byte", "error") if "bits_per_byte" in group[0] else ("error",)
            cells |= {"targets": group[0]["targets"], "loss": _number(group[0]["loss"])}
            cells |= {name: _number(group[0][name]) for name in known}
            cells |= {name: _number(value) for name, value in group[0].get("terms", {}).items()}
        for number, line in enumerate(group, 1) if len(group) > 1 else ():
            cells[str(number)] = _with_error(line["bits_per_byte"], line["error"])
            if number > 1:
                cells[f"{number} - 1"] = _with_error(line["difference"], line["difference_error"], sign="+")
        rows.append(cells)
    return table(rows, [*names, *(name for name in rows[0] if name not in names)])


def _bits(scores: Mapping[str, Scores]) -> np.ndarray:
    return next(iter(scores.values())).nats / math.log(2)


def _select(scores: Scores, documents: np.ndarray) -> Scores:
    return Scores(scores.nats[documents], scores.targets[documents])


def _number(value: float | None, *, sign: str = "") -> str | None:
    return None if value is None else f"{value:{sign}.4f}"


def _with_error(value: float | None, error: float | None, *, sign: str = "") -> str | None:
    known = [_number(value, sign=sign), _number(error)]
    return " ± ".join(each for each in known if each) or None
