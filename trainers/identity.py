"""What makes a run that run: made when it starts, held against what is found when it resumes or is asked about."""

import dataclasses
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from trainers import tombstones
from trainers.admit import Corpus, admit
from trainers.catalog import OBJECTIVES
from trainers.mixture import Share, mix
from trainers.models.sizes import SIZES
from trainers.plan import Plan
from trainers.run import TOMBSTONES, Run, Source
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
    if plan.num_rows < plan.batch_rows:
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


def of(data: Data, settings: Settings) -> Run:
    """The record of a run that starts here and now."""
    size, corpora = SIZES[settings.size], data.corpora
    return Run(
        settings=settings,
        sources=tuple(
            _source(corpus, share, number, data.stream)
            for number, (corpus, share) in enumerate(zip(corpora, data.shares, strict=True))
        ),
        plan=data.plan,
        vocab_size=corpora[0].vocab_size,
        end_of_text_id=corpora[0].end_of_text_id,
        model={"family": OBJECTIVES[settings.objective].family, **dataclasses.asdict(size)},
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pyarrow": pa.__version__,
        },
        machine={
            "architecture": platform.machine(),
            "processor": torch.backends.cpu.get_cpu_capability(),
            "gpu": torch.cuda.get_device_name() if settings.device == "cuda" else "",
        },
    )


def _source(corpus: Corpus, share: Share, number: int, stream: Stream) -> Source:
    return Source(
        path=os.path.abspath(corpus.path),
        sha256=corpus.sha256,
        manifest_sha256=corpus.manifest_sha256,
        recipe=str(corpus.manifest.recipe.get("name", "")),
        documents=int((stream.sources == number).sum()),
        tokens=share.tokens,
        requested=share.requested,
        achieved=share.achieved,
        repeats=share.repeats,
    )


def keep(settings: Settings, given: Mapping[str, Any], *, folder: str) -> None:
    """ValueError where a setting given with --resume is not the run's own."""
    for name, value in given.items():
        if (recorded := getattr(settings, name)) != value:
            flag = f"--{name.replace('_', '-')}"
            why = ": the learning rate ends there" if name == "steps" else ""
            raise ValueError(
                f"the run in {folder} was made with {flag} {recorded}{why}, found {flag} {value}; "
                f"leave {flag} out to continue it, or start another run with another --output"
            )
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"the run in {folder} was made on cuda and torch finds no GPU here; resume it where there is one"
        )


def warn_of_changes(now: Run, recorded: Run) -> None:
    """A warning where a resumed run may round otherwise."""
    changes = [
        f"{name} was {before[name]} and is {after.get(name)}"
        for before, after in ((recorded.versions, now.versions), (recorded.machine, now.machine))
        for name in before
        if before[name] != after.get(name)
    ]
    if changes:
        print(f"trainers.pretrain: the last bits may differ from here on: {'; '.join(changes)}", file=sys.stderr)
