"""What each document costs a model, over all its tokens or targets.

For causal models a document is cut into windows by itself, so that its score does not depend on what else is scored.
Other objectives score rows as in training, with what they choose by chance in epoch 0.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from trainers import ledger, parallel
from trainers.batches import Rows
from trainers.objectives.causal import TERM, cross_entropy
from trainers.objectives.objective import Batch, Objective
from trainers.parallel import World
from trainers.row import IGNORED, NOBODY
from trainers.settings import Precision
from trainers.stream import Stream

_TOGETHER = 2048  # windows that are put into rows at once


@dataclasses.dataclass(frozen=True)
class Window:
    """Tokens that a model sees at once, of which the last `scored` are scored."""

    owner: int  # of what is scored, such as the number of a document
    tokens: np.ndarray  # integers [n + 1], the first one precedes all that can be scored
    scored: int  # 1 to n

    def __len__(self) -> int:
        """Positions that it takes."""
        return len(self.tokens) - 1


@dataclasses.dataclass(frozen=True)
class Passes:
    """How windows or rows are computed."""

    rows: int  # in one pass
    device: torch.device
    precision: Precision

    def context(self) -> torch.autocast:
        """Around a forward pass."""
        return parallel.precision_context(World(device=self.device), self.precision)


@dataclasses.dataclass(frozen=True)
class Scores:
    """What documents cost under one term of a loss; arrays [documents]."""

    nats: np.ndarray  # float64, the sum over the targets
    targets: np.ndarray  # int64
    correct: np.ndarray | None = None  # int64: targets that were the most probable token; None where nobody counted


def cuts(length: int, *, sequence_length: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """The windows of a document of so many tokens: first token, first scored one, end. Each token is scored once.

    The first window scores all it has; each one after it has `sequence_length - stride` tokens of context, and scores
    `stride` tokens.
    """
    stop = min(sequence_length, length)
    yield 0, 0, stop
    while stop < length:
        start, stop = stop, min(stop + stride, length)
        yield start - (sequence_length - stride), start, stop


def windows_of(stream: Stream, *, sequence_length: int, stride: int, end_of_text_id: int) -> Iterator[Window]:
    """All documents of a stream in windows, owned by their numbers; each begins behind an end of text."""
    for number in range(stream.num_documents):
        begin, end = int(stream.starts[number]), int(stream.starts[number + 1])
        for first, start, stop in cuts(end - begin, sequence_length=sequence_length, stride=stride):
            tokens = stream.tokens(begin + max(first - 1, 0), begin + stop)
            if first == 0:
                tokens = np.concatenate([np.array([end_of_text_id], tokens.dtype), tokens])
            yield Window(number, tokens, stop - start)


def packed(windows: Sequence[Window], *, sequence_length: int) -> list[list[Window]]:
    """The windows in rows: the longest first, each into the first row that has room for it."""
    rows: list[list[Window]] = []
    room = np.zeros(len(windows), np.int64)
    for window in sorted(windows, key=len, reverse=True):
        fits = np.flatnonzero(room[: len(rows)] >= len(window))[:1]
        if not fits.size:
            rows.append([])
            room[len(rows) - 1] = sequence_length
        row = int(fits[0]) if fits.size else len(rows) - 1
        rows[row].append(window)
        room[row] -= len(window)
    return rows


def batch_of(rows: Sequence[Sequence[Window]], *, sequence_length: int, padding_id: int) -> Batch:
    """Rows of windows as `Causal.batch` has them: inputs, segments and positions (B, T), targets and owners (B, T)."""
    shape = (len(rows), sequence_length)
    inputs = np.full(shape, padding_id, np.int64)
    targets = np.full(shape, IGNORED, np.int64)
    segments = np.full(shape, NOBODY, np.int32)
    positions = np.zeros(shape, np.int64)
    for i, row in enumerate(rows):
        stop = 0
        for segment, window in enumerate(row):
            start, stop = stop, stop + len(window)
            inputs[i, start:stop] = window.tokens[:-1]
            targets[i, stop - window.scored : stop] = window.tokens[len(window.tokens) - window.scored :]
            segments[i, start:stop] = segment
            positions[i, start:stop] = np.arange(len(window))
    owners = torch.from_numpy(segments)
    return Batch(
        inputs={"inputs": torch.from_numpy(inputs), "segments": owners, "positions": torch.from_numpy(positions)},
        targets={TERM: torch.from_numpy(targets)},
        owners={TERM: owners},
    )


@torch.inference_mode()
def of_windows(
    model: nn.Module, windows: Iterable[Window], owners: int, *, sequence_length: int, padding_id: int, passes: Passes
) -> Scores:
    """The scores of owners 0 to `owners - 1` under a causal model, over all their windows."""
    nats, targets, correct = np.zeros(owners), np.zeros(owners, np.int64), np.zeros(owners, np.int64)
    for row_group in _groups(windows, sequence_length=sequence_length, rows=passes.rows):
        batch = batch_of(row_group, sequence_length=sequence_length, padding_id=padding_id).to(passes.device)
        wanted = batch.targets[TERM]
        with passes.context():
            logits = model(**batch.inputs)  # (B, T, V)
        documents = [np.array([window.owner for window in row], np.int64) for row in row_group]
        found = ledger.document_losses(cross_entropy(logits, wanted), wanted, batch.owners[TERM], documents)
        hits = ledger.document_losses(logits.argmax(-1) == wanted, wanted, batch.owners[TERM], documents)
        nats[found.occurrences] += found.losses
        targets[found.occurrences] += found.targets
        correct[hits.occurrences] += hits.losses.astype(np.int64)
    return Scores(nats, targets, correct)


@torch.inference_mode()
def of_rows(model: nn.Module, objective: Objective, rows: Rows, *, passes: Passes) -> dict[str, Scores]:
    """The scores of the documents of a stream under each term of any objective."""
    documents = rows.stream.num_documents
    scores = {term: Scores(np.zeros(documents), np.zeros(documents, np.int64)) for term in objective.weights}
    for start in range(0, rows.num_rows, passes.rows):
        read = [rows.row(number) for number in range(start, min(start + passes.rows, rows.num_rows))]
        batch = objective.batch(read).to(passes.device)
        with passes.context():
            losses = objective.losses(model, batch)
        for term, found in ledger.by_document(read, batch, losses).items():
            scores[term].nats[found.occurrences] += found.losses
            scores[term].targets[found.occurrences] += found.targets
    return scores


def ratio(parts: Sequence[tuple[float, np.ndarray, np.ndarray]]) -> tuple[float | None, float | None]:
    """The sum of weight * sum(y) / sum(x) over parts (weight, y, x), float64[n] each, and its standard error.

    The n documents are a sample and the weighted ratio an estimate from it: the error is that of the linearized ratio
    (Cochran, Sampling Techniques, section 6.4). None where a sum(x) is 0, and for the error of one document.
    """
    if any(not x.sum() for _, _, x in parts):
        return None, None
    ratios = [y.sum() / x.sum() for _, y, x in parts]
    value = math.fsum(weight * r for (weight, _, _), r in zip(parts, ratios, strict=True))
    n = len(parts[0][1])
    if n < 2:
        return value, None
    residuals = sum(weight * (y - r * x) / x.sum() for (weight, y, x), r in zip(parts, ratios, strict=True))
    return value, math.sqrt(n / (n - 1) * float(np.square(residuals).sum()))


def weighted(weights: Mapping[str, float], scores: Mapping[str, Scores]) -> tuple[float | None, float | None]:
    """The loss of an objective over documents, in nats a target, and its standard error."""
    return ratio([(weight, scores[term].nats, scores[term].targets.astype(float)) for term, weight in weights.items()])


def _groups(windows: Iterable[Window], *, sequence_length: int, rows: int) -> Iterator[list[list[Window]]]:
    """Rows of windows, so many at once."""
    full: list[list[Window]] = []
    waiting: list[Window] = []
    for window in windows:
        waiting.append(window)
        if len(waiting) == _TOGETHER:
            full += packed(waiting, sequence_length=sequence_length)
            waiting = []
        while len(full) >= rows:
            yield full[:rows]
            full = full[rows:]
    full += packed(waiting, sequence_length=sequence_length)
    for start in range(0, len(full), rows):
        yield full[start : start + rows]
