"""Every objective by name: what it learns from rows, and which model it trains."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import nn

from trainers.models import decoder, encoder, encoder_decoder, replaced, two_stream, word_vectors
from trainers.models.sizes import SIZES
from trainers.objectives.causal import Causal
from trainers.objectives.masked import Masked
from trainers.objectives.objective import Objective
from trainers.objectives.permuted import Permuted
from trainers.objectives.replaced import Replaced
from trainers.objectives.skipgram import ContinuousBagOfWords as BagOfWords
from trainers.objectives.skipgram import SkipGram, Windows
from trainers.objectives.spans import Spans
from trainers.settings import Settings
from trainers.specials import Specials


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """What an objective must know of the tokens."""

    size: int
    specials: Specials
    counts: Callable[[], np.ndarray]  # int64[size]: how often each token stands in what is read; one pass over it


@dataclasses.dataclass(frozen=True)
class Entry:
    """An objective and the model for it."""

    objective: Callable[[Settings, Vocabulary], Objective]
    build: Callable[..., nn.Module]
    config: Callable[..., dict[str, Any]] | None  # HuggingFace's config.json; None where it has no such model
    family: str  # what a reader calls the model
    mask_rate: float = 0.15  # share of the tokens to predict, where nothing else is asked
    learning_rate: float | None = None  # its peak, where nothing else is asked; None: by size


def _causal(settings: Settings, vocabulary: Vocabulary) -> Objective:
    return Causal(settings.sequence_length, vocabulary.specials.end_of_text_id)


def _hiding(kind: type[Masked] | type[Replaced], settings: Settings, vocabulary: Vocabulary) -> Objective:
    return kind(
        seed=settings.seed,
        specials=vocabulary.specials,
        vocab_size=vocabulary.size,
        sequence_length=settings.sequence_length,
        rate=settings.mask_rate,
        whole_words=settings.whole_words,
    )


def _spans(settings: Settings, vocabulary: Vocabulary) -> Objective:
    return Spans(settings.seed, vocabulary.specials, settings.sequence_length, density=settings.mask_rate)


def _permuted(settings: Settings, vocabulary: Vocabulary) -> Objective:
    return Permuted(settings.seed, vocabulary.specials, settings.sequence_length, rate=settings.mask_rate)


def _words(kind: type[SkipGram] | type[BagOfWords], settings: Settings, vocabulary: Vocabulary) -> Objective:
    counts, end_of_text_id = vocabulary.counts(), vocabulary.specials.end_of_text_id
    return kind(Windows(settings.seed, counts, settings.sequence_length, end_of_text_id))


OBJECTIVES: Mapping[str, Entry] = MappingProxyType(
    {
        "causal": Entry(_causal, decoder.build, decoder.config, "decoder"),
        "masked": Entry(partial(_hiding, Masked), encoder.build, encoder.config, "encoder"),
        "replaced": Entry(partial(_hiding, Replaced), replaced.build, replaced.config, "generator and discriminator"),
        "spans": Entry(_spans, encoder_decoder.build, encoder_decoder.config, "encoder-decoder"),
        "permuted": Entry(_permuted, two_stream.build, two_stream.config, "two-stream encoder", mask_rate=1 / 6),
        "skipgram": Entry(partial(_words, SkipGram), word_vectors.build, None, "word vectors", learning_rate=0.02),
        "cbow": Entry(partial(_words, BagOfWords), word_vectors.build, None, "word vectors", learning_rate=0.02),
    }
)


def objective_of(settings: Settings, vocabulary: Vocabulary) -> Objective:
    """The objective of a run; ValueError where the tokenizer has not the special tokens it needs."""
    return OBJECTIVES[settings.objective].objective(settings, vocabulary)


def model_of(settings: Settings, vocab_size: int) -> nn.Module:
    """The untrained model of a run, float32 on the CPU, from the seed alone."""
    chosen = {"attention": settings.attention} if settings.objective in ("causal", "masked", "replaced") else {}
    return OBJECTIVES[settings.objective].build(
        SIZES[settings.size],
        vocab_size=vocab_size,
        sequence_length=settings.sequence_length,
        seed=settings.seed,
        **chosen,
    )
