"""Documents that hold texts of evaluation sets: which n-grams of words count, and what is done about them."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from curation.dedup import word_ngrams
from curation.dedup.contamination import Contamination
from curation.dedup.word_ngrams import NgramIndex
from curation.document import Cut, Document, Rejection

SIGNAL = "contaminated_ngrams"
_SHOWN = 200  # characters of what was matched
_MAX_ROWS = 100  # matches of one document with one set that are written down


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Words in a row of a document that stand in an evaluation item too."""

    id: str  # of the document
    url: str
    set: str  # name of the file
    item: int  # row of the file, from 1
    start: int  # characters, in the text as it reached the step
    stop: int
    text: str  # the first 200 characters
    action: str  # dropped, cut or kept


OVERLAPS = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("set", pa.string()),
        ("item", pa.int64()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("text", pa.string()),
        ("action", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """What is found in a document that holds at least one item."""

    num_ngrams: int  # places of the document with n-grams that count
    items: np.ndarray  # int64[k], those that the document holds by the rule
    spans: np.ndarray  # int64[s, 4]: set, item, start and stop in characters; of one set at most 100
    pieces: tuple[tuple[int, int], ...]  # of the text that stay where it is cut
    reason: str  # why the document is rejected; empty where it is not
    value: float  # the number that decided


def judged(step: Contamination, index: NgramIndex, text: str, found: np.ndarray) -> Judged | None:
    """What the rule makes of a document by its MATCH[n], n-grams that do not count left out; None where it is clean."""
    if not len(found):
        return None
    ngrams, place = np.unique(found["ngram"], return_inverse=True)
    which, owners = index.owners(ngrams)
    items, item, counts = np.unique(owners, return_inverse=True, return_counts=True)
    is_held = np.ones(len(items), bool)
    if step.rule == "share":
        is_held = counts / index.items["ngrams"][items] >= step.min_share
    if not is_held.any():
        return None
    here = is_held[item]
    which, owners, score = which[here], owners[here], counts[item][here]
    is_counted = np.isin(place, which)
    spans = _places(found, text)
    pairs = _best(which, index.items["set"][owners], score, owners)
    chosen = [row for number in np.unique(pairs[:, 1]).tolist() for row in _spans(number, pairs, place, found, spans)]
    pieces = tuple(_pieces(step, text, spans[is_counted]))
    kept = tuple((start, stop) for start, stop in pieces if stop - start >= step.min_piece)
    num_ngrams = len(np.unique(found["at"][is_counted]))
    reason, value = "", float(num_ngrams)
    if step.action == "drop":
        reason = "contaminated"
        value = float((counts / index.items["ngrams"][items]).max()) if step.rule == "share" else value
    elif step.action == "cut" and len(pieces) > step.max_pieces:
        reason, value = "too_many_pieces", float(len(pieces))
    elif step.action == "cut" and not any(text[start:stop].strip() for start, stop in kept):
        reason = "nothing_left"
    return Judged(num_ngrams, items[is_held], np.array(chosen, np.int64).reshape(-1, 4), kept, reason, value)


def _places(found: np.ndarray, text: str) -> np.ndarray:
    """Where each MATCH of a text starts and stops, int64[n, 2], characters."""
    places = word_ngrams.places(text)
    at = found["at"].astype(np.int64)
    return np.stack([places[at, 0], places[at + found["length"] - 1, 1]], axis=1)


def rows(step: Contamination, index: NgramIndex, names: Sequence[str], document: Document, it: Judged) -> list[Overlap]:
    """What is written down of a document, by set and place; `names` are those of the sets."""
    action = "dropped" if it.reason else {"report": "kept", "cut": "cut"}[step.action]
    about = [(names[which], item, start, stop) for which, item, start, stop in _named(index, it)]
    return [
        Overlap(document.id, document.url, name, item, start, stop, _shown(document.text, start, stop), action)
        for name, item, start, stop in about
    ]


def outcome(
    step: Contamination, index: NgramIndex, names: Sequence[str], document: Document, it: Judged | None
) -> tuple[Document | Rejection, tuple[Cut, ...]]:
    """What becomes of a document, and what is cut out of it."""
    signals = {**document.signals, SIGNAL: float(it.num_ngrams if it else 0)}
    kept = dataclasses.replace(document, signals=signals)
    if it is None or (step.action == "report" and not it.reason):
        return kept, ()
    name, spans = type(step).__name__, list(_named(index, it))
    if it.reason:
        which, item, start, stop = spans[0]
        evidence = f"{names[which]}#{item} {_shown(document.text, start, stop)}"
        return Rejection.of(document, step=name, reason=it.reason, value=it.value, evidence=evidence), ()
    cuts = []
    for first, last in _between(document.text, it.pieces):
        which, item, _, _ = next((span for span in spans if span[2] < last and span[3] > first), spans[-1])
        cuts.append(Cut.of(document, step=name, start=first, stop=last, evidence=f"{names[which]}#{item}"))
    pieces = (document.text[start:stop].strip() for start, stop in it.pieces)
    return dataclasses.replace(kept, text="\n".join(filter(None, pieces))), tuple(cuts)


def _named(index: NgramIndex, it: Judged) -> Iterator[tuple[int, int, int, int]]:
    """Set, row of the set's file, start and stop."""
    numbers = index.items["number"]
    return ((which, int(numbers[item]), start, stop) for which, item, start, stop in it.spans.tolist())


def _between(text: str, pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is cut out of a text: all but the pieces."""
    bounds = [0, *(bound for piece in pieces for bound in piece), len(text)]
    return [(start, stop) for start, stop in zip(bounds[::2], bounds[1::2], strict=True) if start < stop]


def _shown(text: str, start: int, stop: int) -> str:
    return text[start : min(stop, start + _SHOWN)]


def _best(which: np.ndarray, sets: np.ndarray, score: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """For each n-gram and set the item of which most n-grams are found, int64[k, 3]: n-gram, set, item."""
    order = np.lexsort((owners, -score, sets, which))
    rows = np.stack([which, sets, owners], axis=1)[order].astype(np.int64)
    return rows[np.r_[True, (rows[1:, :2] != rows[:-1, :2]).any(axis=1)]]


def _spans(
    number: int, pairs: np.ndarray, place: np.ndarray, found: np.ndarray, spans: np.ndarray
) -> list[tuple[int, int, int, int]]:
    """The first stretches of a text that items of one set cover: overlapping n-grams of one item are one."""
    item_of = np.full(int(place.max()) + 1, -1, np.int64)
    of_set = pairs[pairs[:, 1] == number]
    item_of[of_set[:, 0]] = of_set[:, 2]
    rows = np.flatnonzero(item_of[place] >= 0)
    items, first = item_of[place][rows], found["at"][rows].astype(np.int64)
    last = np.maximum.accumulate(first + found["length"][rows])
    starts = np.flatnonzero(np.r_[True, (items[1:] != items[:-1]) | (first[1:] > last[:-1])])
    stops = np.maximum.reduceat(spans[rows, 1], starts)
    chosen = zip(items[starts].tolist(), spans[rows[starts], 0].tolist(), stops.tolist(), strict=True)
    return [(number, item, start, stop) for item, start, stop in chosen][:_MAX_ROWS]


def _pieces(step: Contamination, text: str, spans: np.ndarray) -> Iterator[tuple[int, int]]:
    """What lies between the n-grams and their windows, in order."""
    starts = np.maximum(spans[:, 0] - step.window, 0)
    stops = np.maximum.accumulate(np.minimum(spans[:, 1] + step.window, len(text)))
    before = np.r_[0, stops]
    after = np.r_[starts, len(text)]
    for place in np.flatnonzero(before < after).tolist():
        yield int(before[place]), int(after[place])
