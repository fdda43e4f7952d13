"""What makes a run that run: made when it starts, held against what is found when it resumes."""

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
from trainers.plan import Plan
from trainers.run import Run, Settings
from trainers.sizes import SIZES


def plan_of(corpus: Corpus, settings: Settings) -> Plan:
    """The plan of a run; ValueError where the corpus does not fill one step."""
    plan = Plan(
        num_tokens=corpus.train.num_tokens,
        sequence_length=settings.sequence_length,
        batch_rows=settings.batch_rows,
        seed=settings.seed,
        corpus_sha256=corpus.sha256,
    )
    if plan.num_rows < plan.batch_rows:
        raise ValueError(
            f"{corpus.path} has too few tokens for one step: {plan.num_tokens:,} are {plan.num_rows} rows of "
            f"{plan.sequence_length}, --batch-rows is {plan.batch_rows}; lower it or --sequence-length, "
            "or curate more input"
        )
    return plan


def of(corpus: Corpus, settings: Settings) -> Run:
    """The record of a run that starts here and now."""
    size = SIZES[settings.size]
    return Run(
        settings=settings,
        corpus=os.path.abspath(corpus.path),
        manifest_sha256=corpus.manifest_sha256,
        plan=plan_of(corpus, settings),
        model={**dataclasses.asdict(size), "vocab_size": corpus.vocab_size},
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


def agree(now: Run, recorded: Run, *, folder: str) -> None:
    """ValueError where a resumed run would read other tokens; a warning where it may round otherwise."""
    if now.plan != recorded.plan:
        raise ValueError(
            f"the run in {folder} was made on another corpus: the shards of {now.corpus} have the digest "
            f"{now.plan.corpus_sha256}, expected {recorded.plan.corpus_sha256}; give the --corpus it was made on, "
            "or start another run with another --output"
        )
    changes = [
        f"{name} was {before[name]} and is {after.get(name)}"
        for before, after in ((recorded.versions, now.versions), (recorded.machine, now.machine))
        for name in before
        if before[name] != after.get(name)
    ]
    if changes:
        print(f"trainers.pretrain: the last bits may differ from here on: {'; '.join(changes)}", file=sys.stderr)
