"""Validation in bits per byte, which two tokenizers and two vocabularies have in common."""

import dataclasses
import math

import numpy as np
import torch

from trainers.admit import Corpus
from trainers.batches import Rows
from trainers.model import Decoder, sum_of_nats


@dataclasses.dataclass(frozen=True)
class Validation:
    """The documents of the validation split that are scored, the same ones every time."""

    rows: Rows
    num_documents: int
    num_bytes: int  # UTF-8, of their text

    @property
    def num_rows(self) -> int:
        """Rows, the last of which may be short."""
        return -(-self.rows.num_tokens // self.rows.sequence_length)


@dataclasses.dataclass(frozen=True)
class Score:
    """How well a decoder predicts the validation documents."""

    bits_per_byte: float
    nats_per_token: float
    tokens: int
    bytes: int


def choose(corpus: Corpus, *, sequence_length: int, max_rows: int) -> Validation | None:
    """The first whole documents that fit into `max_rows` rows, all where it is 0; None where the split is empty.

    Only whole documents, because the bytes of a part of one are not known.
    """
    split = corpus.validation
    num_documents = split.num_documents
    if max_rows:
        num_documents = int(np.searchsorted(split.doc_starts, max_rows * sequence_length, "right")) - 1
        if split.num_documents and not num_documents:
            needed = -(-int(split.doc_starts[1]) // sequence_length)
            raise ValueError(
                f"--validation-rows {max_rows} holds no whole document: the first of the validation split takes "
                f"{needed} rows of {sequence_length}; give {needed} or more, or 0 for the whole split"
            )
    num_bytes = split.num_bytes(num_documents)
    if not num_bytes:
        return None
    rows = Rows(
        split,
        num_tokens=int(split.doc_starts[num_documents]),
        sequence_length=sequence_length,
        end_of_text_id=corpus.end_of_text_id,
        vocab_size=corpus.vocab_size,
    )
    return Validation(rows=rows, num_documents=num_documents, num_bytes=num_bytes)


@torch.no_grad()
def evaluate(decoder: Decoder, validation: Validation, *, micro_rows: int) -> Score:
    """The nats of every target, end-of-text included, over ln 2 and the bytes of the text; end-of-text has no byte."""
    device = next(decoder.parameters()).device.type
    training = decoder.training
    decoder.eval()
    nats = 0.0
    for start in range(0, validation.num_rows, micro_rows):
        batch = validation.rows.batch(range(start, min(start + micro_rows, validation.num_rows)))
        nats += float(sum_of_nats(decoder, batch.to(device)))
    decoder.train(training)
    tokens = validation.rows.num_tokens
    return Score(
        bits_per_byte=nats / math.log(2) / validation.num_bytes,
        nats_per_token=nats / tokens,
        tokens=tokens,
        bytes=validation.num_bytes,
    )
