"""What a run reads of one or several corpora: how much of each, which documents how often, and in which order.

One corpus is read whole, epoch after epoch. Several, or one that is sampled by a signal, give a stream that is the
whole run: whole passes over each corpus, then a sampled rest, until its share of the tokens is reached, and never
beyond a number of repetitions (Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", arXiv 2305.16264:
up to 4 epochs, repeated tokens are worth almost as much as new ones).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from trainers import sampling
from trainers.admit import Corpus
from trainers.sampling import Reading, Source
from trainers.stream import Stream

MAX_REPEATS = 4.0


@dataclasses.dataclass(frozen=True)
class Share:
    """What a stream takes from one corpus."""

    corpus: str  # its path
    requested: float  # fraction of the tokens
    achieved: float
    documents: int  # repetitions counted
    tokens: int  # the same
    repeats: float  # tokens over those of the whole corpus without its forgotten documents


def default_max_repeats(num_corpora: int, repeat_by: str) -> float:
    """How often a document may be read where nothing is said: 0, without end, where one corpus is read whole."""
    return MAX_REPEATS if num_corpora > 1 or repeat_by else 0.0


def mix(
    corpora: Sequence[Corpus],
    *,
    wanted_tokens: int,
    weights: Sequence[float] = (),
    max_repeats: float = 0.0,
    repeat_by: str = "",
    order: str = "row",
    seed: int = 0,
    tombstones: frozenset[str] | None = None,
) -> tuple[Stream, tuple[Share, ...]]:
    """The stream of a run of `wanted_tokens`, and what it takes from each corpus.

    `weights` are in tokens, one a corpus, none for a single one. A document occurs at most `max_repeats` times, rounded
    up; 0 is without end. In a pass it occurs as often as its number `repeat_by` says, a column or a signal of the
    shards: the whole part, and once more with the probability of the rest; once where it has no such number. With the
    order "document" the occurrences are sorted by a key of (seed, id). The ids in `tombstones`, by default those of
    the corpora, are left out. ValueError where the corpora cannot give that.
    """
    _check(corpora, weights, max_repeats)
    weights = [weight / max(weights) for weight in weights]  # or the sum of huge ones is infinite
    if repeat_by:
        _check_signal(corpora, repeat_by)
    forgotten = frozenset[str]().union(*(corpus.tombstones for corpus in corpora)) if tombstones is None else tombstones
    limit, whole = max_repeats or math.inf, len(corpora) == 1 and not repeat_by
    hashed = not whole or order == "document"
    sources = [_source(corpus, forgotten, repeat_by, limit, seed=seed, hashed=hashed) for corpus in corpora]
    if whole:
        _check_repeats(sources[0], wanted_tokens, limit)
        readings = [Reading.once(sources[0])]
    else:
        amounts = _amounts(sources, weights or (1.0,), wanted_tokens, limit)
        readings = [
            sampling.passes(source, wanted_tokens=amount, max_repeats=limit)
            for source, amount in zip(sources, amounts, strict=True)
        ]
    return _stream(sources, readings, order=order), _shares(sources, readings, weights or (1.0,))


def _check(corpora: Sequence[Corpus], weights: Sequence[float], max_repeats: float) -> None:
    if len(weights) != len(corpora) and (weights or len(corpora) > 1):
        raise ValueError(
            f"--weights has {len(weights)} numbers for {len(corpora)} corpora; give one for each --corpus, in their "
            "order, such as 1 for each for equal parts"
        )
    for weight in weights:
        if not 0 < weight < math.inf:
            raise ValueError(f"--weights holds {weight:g}, expected positive numbers; leave out a corpus that has none")
    if not 0 <= max_repeats < math.inf:
        raise ValueError(f"--max-repeats is {max_repeats:g}, expected a positive number, or 0 for without end")
    first = corpora[0]
    for corpus in corpora[1:]:
        if (found := corpus.manifest.tokenizer["sha256"]) != (expected := first.manifest.tokenizer["sha256"]):
            raise ValueError(
                f"{corpus.path} and {first.path} have different tokenizers: their sha256 are {found} and {expected}; "
                "make one of them again with the --tokenizer of the other"
            )


def _check_signal(corpora: Sequence[Corpus], name: str) -> None:
    splits = [corpus.train for corpus in corpora]
    if all(np.isnan(split.numbers(name)).all() for split in splits):
        known = sorted({signal for split in splits for shard in split.shards for signal in shard.signals})
        raise ValueError(
            f"--repeat-by {name}: no document of {', '.join(corpus.path for corpus in corpora)} has it; choose copies "
            f"or a signal of the shards, of which they have {', '.join(known) or 'none'}"
        )


def _check_repeats(source: Source, wanted_tokens: int, limit: float) -> None:
    if wanted_tokens > limit * source.num_tokens:
        raise ValueError(
            f"the run reads {wanted_tokens:,} tokens and {source.path} has {source.num_tokens:,}, which is "
            f"{wanted_tokens / source.num_tokens:.2f} times, --max-repeats is {limit:g}; lower --steps, raise "
            "--max-repeats, or add another --corpus"
        )


def _source(
    corpus: Corpus, forgotten: frozenset[str], repeat_by: str, limit: float, *, seed: int, hashed: bool
) -> Source:
    split = corpus.train
    documents = np.flatnonzero(~split.have_ids(forgotten)) if forgotten else np.arange(split.num_documents)
    if not len(documents):
        raise ValueError(f"{corpus.path} has only documents that are to be forgotten; give another --corpus")
    hashes = sampling.hashes(split, seed=seed)[documents] if hashed else np.zeros(0, np.uint64)
    copies = np.ones(len(documents), np.int64)
    if repeat_by:
        try:
            copies = sampling.copies(split.numbers(repeat_by)[documents], hashes, max_repeats=limit)
        except ValueError as error:
            raise ValueError(f"--repeat-by {repeat_by}: in {corpus.path} {error}") from None
    return Source(path=corpus.path, split=split, documents=documents, copies=copies, hashes=hashes)


def _amounts(sources: Sequence[Source], weights: Sequence[float], wanted: int, limit: float) -> list[int]:
    """The tokens of each source: its part by weight, capped; what capped ones lack goes to the others by weight."""
    room = [source.room(limit) for source in sources]
    if sum(room) < wanted:
        have = ", ".join(f"{source.path} {amount:,.0f}" for source, amount in zip(sources, room, strict=True))
        raise ValueError(
            f"the run reads {wanted:,} tokens, and with --max-repeats {limit:g} the corpora have no more than: {have}; "
            "lower --steps, raise --max-repeats, or add another --corpus"
        )
    capped: set[int] = set()
    while True:
        weight = sum(weight for i, weight in enumerate(weights) if i not in capped)
        left = wanted - sum(room[i] for i in capped)
        amounts = [room[i] if i in capped else left * weights[i] / weight for i in range(len(sources))]
        over = {i for i, amount in enumerate(amounts) if amount > room[i]}
        if not over:
            return [math.ceil(amount) for amount in amounts]
        capped |= over


def _stream(sources: Sequence[Source], readings: Sequence[Reading], *, order: str) -> Stream:
    splits = tuple(source.split for source in sources)
    numbers = np.concatenate([np.full(len(reading.indices), i, np.uint16) for i, reading in enumerate(readings)])
    pairs = list(zip(sources, readings, strict=True))
    documents = np.concatenate([source.documents[reading.indices] for source, reading in pairs])
    if order == "document":
        keys = np.concatenate([source.keys(reading.indices, reading.times) for source, reading in pairs])
        sorting = np.argsort(keys, kind="stable")
        numbers, documents = numbers[sorting], documents[sorting]
    return Stream.of(splits, numbers, documents)


def _shares(sources: Sequence[Source], readings: Sequence[Reading], weights: Sequence[float]) -> tuple[Share, ...]:
    tokens = [int(source.lengths[reading.indices].sum()) for source, reading in zip(sources, readings, strict=True)]
    return tuple(
        Share(
            corpus=source.path,
            requested=weight / sum(weights),
            achieved=found / sum(tokens),
            documents=len(reading.indices),
            tokens=found,
            repeats=found / source.num_tokens,
        )
        for source, reading, weight, found in zip(sources, readings, weights, tokens, strict=True)
    )
