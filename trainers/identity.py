"""What makes a run that run: made when it starts, held against what is found when it resumes or is asked about."""

import dataclasses
import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from trainers.admit import Corpus
from trainers.catalog import OBJECTIVES
from trainers.mixture import Share
from trainers.models.sizes import SIZES
from trainers.reading import Data
from trainers.run import Run, Source
from trainers.settings import Settings
from trainers.stream import Stream


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
