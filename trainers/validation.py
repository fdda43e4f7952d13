"""Validation: the loss of documents that are not trained on; for causal models in bits per byte.

Bits per byte are what two tokenizers and two vocabularies have in common. The losses of other objectives are not the
code length of a text, so they are given in nats alone.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from trainers import parallel
from trainers.admit import Corpus
from trainers.batches import Rows
from trainers.objectives.causal import Causal
from trainers.objectives.objective import Objective
from trainers.settings import Precision
from trainers.stream import Stream


@dataclasses.dataclass(frozen=True)
class Validation:
    """The documents of the validation splits that are scored, the same ones every time."""

    rows: Rows
    num_documents: int
    num_bytes: int  # UTF-8, of their text


@dataclasses.dataclass(frozen=True)
class Score:
    """How well a model predicts the validation documents."""

    loss: float  # over the objective's terms, the sum of weight * mean over the targets, in nats
    terms: Mapping[str, float]  # the mean of each term
    targets: int  # of the first term
    tokens: int
    bytes: int
    bits_per_byte: float | None  # None where the loss is not the code length of a text


def choose(corpora: Sequence[Corpus], *, sequence_length: int, max_rows: int) -> Validation | None:
    """The first whole documents that fit into `max_rows` rows, all where it is 0; None where every split is empty.

    Of several corpora each has the same number of rows. Only whole documents, because the bytes of a part of one are
    not known.
    """
    limit = max(max_rows // len(corpora), 1) * sequence_length if max_rows else None
    chosen = [_first(corpus, limit, sequence_length=sequence_length, max_rows=max_rows) for corpus in corpora]
    stream = Stream.of(
        tuple(corpus.validation for corpus in corpora),
        np.repeat(np.arange(len(corpora)), [len(documents) for documents in chosen]),
        np.concatenate(chosen),
    )
    if not stream.num_bytes:
        return None
    rows = Rows(
        stream,
        num_tokens=stream.num_tokens,
        sequence_length=sequence_length,
        end_of_text_id=corpora[0].end_of_text_id,
        vocab_size=corpora[0].vocab_size,
    )
    return Validation(rows=rows, num_documents=stream.num_documents, num_bytes=stream.num_bytes)


def _first(corpus: Corpus, limit: int | None, *, sequence_length: int, max_rows: int) -> np.ndarray:
    """The numbers of the first documents of a validation split that have at most `limit` tokens, int64[n]."""
    stream = Stream.of_split(corpus.validation, without=corpus.tombstones)
    if limit is None or not stream.num_documents:
        return stream.documents
    count = int(np.searchsorted(stream.starts, limit, "right")) - 1
    if not count:
        raise ValueError(
            f"--validation-rows {max_rows} holds no whole document: the first of the validation split of {corpus.path} "
            f"takes {-(-int(stream.starts[1]) // sequence_length)} rows of {sequence_length}; give so many or more for "
            "each corpus, or 0 for the whole split"
        )
    return stream.documents[:count]


@torch.no_grad()
def evaluate(
    model: nn.Module,
    objective: Objective,
    validation: Validation,
    *,
    world: parallel.World,
    precision: Precision,
    micro_rows: int,
) -> Score:
    """Scores every row once, each rank its part; a causal score is over ln 2 and the bytes of the text.

    End-of-text is predicted too and has no byte. What an objective chooses by chance is that of epoch 0, every time.
    """
    training = model.training
    model.eval()
    sums = dict.fromkeys(objective.weights, 0.0)
    counts = dict.fromkeys(objective.weights, 0)
    # Ranks take as many passes each, because parameters that lie in parts are gathered by all ranks together.
    for start in range(0, validation.rows.num_rows, micro_rows * world.size):
        numbers = range(start + world.rank, validation.rows.num_rows, world.size)[:micro_rows]
        scored = bool(numbers)
        batch = objective.batch([validation.rows.row(number) for number in numbers or [0]]).to(world.device)
        with parallel.precision_context(world, precision):
            losses = objective.losses(model, batch)
        for term in objective.weights if scored else ():
            sums[term] += float(losses[term].sum(dtype=torch.float64))
            counts[term] += batch.num_targets[term]
    model.train(training)
    sums, scored_targets = parallel.total(sums, world), parallel.total(counts, world)
    terms = {term: sums[term] / max(scored_targets[term], 1) for term in sums}
    bits = sum(sums.values()) / math.log(2) / validation.num_bytes if isinstance(objective, Causal) else None
    return Score(
        loss=sum(weight * terms[term] for term, weight in objective.weights.items()),
        terms=terms,
        targets=int(next(iter(scored_targets.values()))),
        tokens=validation.rows.num_tokens,
        bytes=validation.num_bytes,
        bits_per_byte=bits,
    )
