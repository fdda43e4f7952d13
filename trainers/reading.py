"""What a run reads: its corpora, the stream they make, and the plan; made again whenever asked for."""

import dataclasses
import os
from collections.abc import Sequence

from trainers import tombstones
from trainers.admit import Corpus, admit
from trainers.mixture import Share, mix
from trainers.plan import Plan
from trainers.run import TOMBSTONES, Run
from trainers.settings import Settings
from trainers.stream import Stream


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run reads."""

    corpora: tuple[Corpus, ...]
    stream: Stream
    shares: tuple[Share, ...]
    plan: Plan


def data_of(corpora: Sequence[Corpus], settings: Settings) -> Data:
    """The stream and the plan of a run; ValueError where the corpora do not fill one step."""
    stream, shares = mix(
        tuple(corpora),
        weights=settings.weights,
        wanted_tokens=settings.steps * settings.batch_rows * settings.sequence_length,
        max_repeats=settings.max_repeats,
        repeat_by=settings.repeat_by,
        order=settings.order,
        seed=settings.seed,
    )
    plan = Plan(
        num_tokens=stream.num_tokens,
        sequence_length=settings.sequence_length,
        batch_rows=settings.batch_rows,
        seed=settings.seed,
        order=settings.order,
        stream_sha256=stream.sha256,
    )
    if plan.num_rows < plan.batch_rows or plan.num_tokens < plan.sequence_length:
        paths = ", ".join(corpus.path for corpus in corpora)
        raise ValueError(
            f"{paths} has too few tokens for one step: {plan.num_tokens:,} are {plan.num_rows} rows of "
            f"{plan.sequence_length}, --batch-rows is {plan.batch_rows}; lower it or --sequence-length, "
            "or curate more input"
        )
    return Data(tuple(corpora), stream, tuple(shares), plan)


def data_of_run(run: Run, folder: str, paths: Sequence[str] = (), *, contents: bool = False) -> Data:
    """What a run read, made again; ValueError where a corpus is another one than the run's.

    Without `contents` the bytes of the shards are the trainer's to check, as in `admit`.
    """
    if paths and len(paths) != len(run.sources):
        raise ValueError(f"the run in {folder} was made on {len(run.sources)} corpora, found {len(paths)} of --corpus")
    forgotten = tombstones.ids(tombstones.load(os.path.join(folder, TOMBSTONES)))
    corpora = []
    for source, path in zip(run.sources, paths or [source.path for source in run.sources], strict=True):
        if not os.path.isdir(path):
            raise ValueError(
                f"the run in {folder} was made on the corpus in {path}, which is gone; give it by --corpus"
            )
        corpus = admit(path, contents=contents)
        if corpus.sha256 != source.sha256:
            raise ValueError(
                f"the run in {folder} was made on another corpus: the shards of {path} have the digest "
                f"{corpus.sha256}, expected {source.sha256}; give the --corpus it was made on, "
                "or start another run with another --output"
            )
        corpora.append(dataclasses.replace(corpus, tombstones=forgotten))
    data = data_of(corpora, run.settings)
    if data.plan != run.plan:
        raise ValueError(
            f"the run in {folder} was planned otherwise: its plan is {run.plan.sha256}, and its settings and "
            f"{TOMBSTONES} give {data.plan.sha256}; put both back as they were, or start another run"
        )
    return data
