"""Pre-trains a model on corpora: `python -m trainers.pretrain --corpus DIR --output RUN`.

Read down: the corpora are admitted, the plan says what each step reads, the objective makes batches of it, and
`follow.py` takes the steps of `loop.py`, and prints, logs, evaluates and saves. A run that was interrupted anywhere
continues with --resume and ends with the same weights, to the last bit, as one that was not.
"""

import argparse
import contextlib
import dataclasses
import functools
import math
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainers import (
    catalog,
    checkpoint,
    checkpoints,
    follow,
    identity,
    meter,
    optimizer,
    options,
    parallel,
    plot,
    reading,
    report,
    tensorboard,
    tombstones,
    validation,
)
from trainers import run as runs
from trainers.admit import admit
from trainers.batches import Loader, Rows, counted
from trainers.command import carried_out
from trainers.guard import Guard
from trainers.loop import Trainee
from trainers.objectives.objective import Objective
from trainers.reading import Data


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args, given = options.parse(argv)

    def work() -> int:
        try:
            return pretrain(args, given)
        except follow.DivergedError as error:
            trace = f"python -m trainers.trace --run {shlex.quote(args.output)} --step {error.step}"
            remedy = f"see what it read with `{trace}`, then start another run with a lower --learning-rate"
            raise ValueError(f"{error}; {remedy}") from error

    memory = (
        "start another run with fewer --micro-rows: its losses differ by rounding; or continue this one with "
        "--checkpoint-activations, or on more GPUs with --parallel fsdp"
    )
    return carried_out("pretrain", work, memory=memory, interrupted="what was saved before is whole")


def pretrain(args: argparse.Namespace, given: Mapping[str, Any]) -> int:
    """Starts or continues the run in `args.output`, as one of its ranks; returns the exit code."""
    folder = args.output
    recorded = runs.load(folder) if args.resume else None
    if recorded:
        identity.keep(recorded.settings, given, folder=folder)
        settings = recorded.settings
    else:
        if os.path.exists(folder) and (not os.path.isdir(folder) or not runs.is_unused(folder)):
            raise ValueError(
                f"{folder} exists already; add --resume to continue the run in it, or choose another --output"
            )
        settings = options.resolve(given, corpora=len(args.corpus))
    world = parallel.start("cuda" if settings.device == "cuda" else "cpu")
    args.parallel = args.parallel or ("ddp" if world.size > 1 else "none")
    parallel.check(world, strategy=args.parallel, precision=settings.precision)
    if settings.batch_rows % world.size:
        raise ValueError(f"--batch-rows {settings.batch_rows} cannot be shared out to {world.size} ranks evenly")

    # One rank reads every byte of the shards, which is enough to trust them.
    leads = world.rank == 0
    if recorded:
        data = reading.data_of_run(recorded, folder, args.corpus or (), contents=leads)
    else:
        data = reading.data_of([admit(path, contents=leads) for path in args.corpus], settings)
    run = identity.of(data, settings)
    work = prepare(run, data)
    with runs.exclusive(folder) if leads else contextlib.nullcontext():
        if leads:
            begin(folder, run, recorded, data)
        parallel.total({"ready": 1}, world)  # the folder is as every rank expects it
        code = follow_run(folder, work, world, args=args)
    parallel.stop(world)
    return code


def begin(folder: str, run: runs.Run, recorded: runs.Run | None, data: Data) -> None:
    """Writes what a new run is, or removes what a killed one left."""
    if recorded:
        identity.warn_of_changes(run, recorded)
        checkpoint.remove_unfinished(folder)
        return
    if not runs.is_unused(folder):
        raise ValueError(f"another process has just started a run in {folder}; choose another --output")
    shutil.copyfile(os.path.join(data.corpora[0].path, runs.TOKENIZER), os.path.join(folder, runs.TOKENIZER))
    files = []
    for corpus in data.corpora:  # only what was admitted: one that was added since is of the next run
        entries = tombstones.load(os.path.join(corpus.path, tombstones.NAME))
        files.append(tuple(entry for entry in entries if entry.id in corpus.tombstones))
    tombstones.write(os.path.join(folder, runs.TOMBSTONES), tombstones.joined(files))
    run.write(folder)


@dataclasses.dataclass(frozen=True)
class Work:
    """What a run is to do, before anything is spent on it."""

    run: runs.Run
    data: Data
    rows: Rows
    objective: Objective
    held_out: validation.Validation | None


def prepare(run: runs.Run, data: Data) -> Work:
    """Rows, objective and held-out documents; ValueError where the corpora are not fit for the settings."""
    settings = run.settings
    rows = Rows(
        data.stream,
        num_tokens=run.plan.num_tokens,
        sequence_length=run.plan.sequence_length,
        end_of_text_id=run.end_of_text_id,
        vocab_size=run.vocab_size,
    )
    counts = functools.partial(counted, data.stream, run.vocab_size)
    vocabulary = catalog.Vocabulary(run.vocab_size, data.corpora[0].specials, counts)
    held_out = validation.choose(
        data.corpora, sequence_length=settings.sequence_length, max_rows=settings.validation_rows
    )
    return Work(run, data, rows, catalog.objective_of(settings, vocabulary), held_out)


def follow_run(folder: str, work: Work, world: parallel.World, *, args: argparse.Namespace) -> int:
    """Makes the model or restores it, and takes the steps that are left; returns the exit code."""
    run, settings = work.run, work.run.settings
    make_deterministic(settings.threads)
    model = catalog.model_of(settings, run.vocab_size)
    measure = meter.Meter.of(model, settings, world, grid_intensity=args.grid_intensity)
    if world.rank == 0:
        print(report.introduction(run, work.data, work.held_out, model, ranks=world.size), flush=True)
    wrapped = parallel.wrap(
        model,
        world,
        strategy=args.parallel,
        precision=settings.precision,
        checkpoint_activations=args.checkpoint_activations,
        compile=settings.compile,
    )
    optimizers = optimizer.build(
        wrapped, name=settings.optimizer, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
    )
    guard = Guard(sigmas=settings.spike_sigmas or math.inf, max_skips=settings.max_skips)
    done = restore(folder, wrapped, optimizers, guard, run=run, world=world) if args.resume else 0
    if args.stop_after and args.stop_after <= done:
        raise ValueError(f"--stop-after {args.stop_after}: the run in {folder} has taken {done} steps already")
    if args.resume and world.rank == 0:
        print(f"resume      after step {done} of {settings.steps}", flush=True)
    if done >= settings.steps:
        print(f"finished: nothing is left to do in {folder}")
        return 0

    with tensorboard.events(args.tensorboard if world.rank == 0 else None, step=done) as events:
        follower = follow.Follower(
            run=run,
            data=work.data,
            trainee=Trainee(wrapped, optimizers, work.objective, guard, world, settings.precision),
            held_out=work.held_out,
            loader=Loader(work.rows, run.plan, work.objective, rank=world.rank, world_size=world.size),
            saver=checkpoint.Saver(
                folder, wrapped, optimizers, world=world, keep=args.keep_checkpoints, keep_every=args.keep_every
            ),
            meter=measure,
            habits=follow.Habits(folder, args.checkpoint_every, args.stop_after, events),
        )
        code = follower.take(done)
    if world.rank == 0:
        plot.write(folder)
    return code


def restore(
    folder: str,
    model: torch.nn.Module,
    optimizers: optimizer.Optimizers,
    guard: Guard,
    *,
    run: runs.Run,
    world: parallel.World,
) -> int:
    """Loads the newest checkpoint and returns its step; 0 and the first weights where none was saved yet."""
    saved = checkpoints.saved(folder)
    if not saved:
        return 0
    step, path = max(saved.items())
    about = checkpoint.read_about(path)
    if (found := about.get("plan_sha256")) != run.plan.sha256:
        raise ValueError(
            f"{path} is a checkpoint of another run: its plan is {found}, expected {run.plan.sha256}; remove it"
        )
    if (recorded := about.get("settings")) != runs.as_json(run.settings):
        raise ValueError(
            f"{runs.NAME} in {folder} has other settings than {path}: found {runs.as_json(run.settings)}, expected "
            f"{recorded}; put them back, or start another run"
        )
    checkpoint.load(path, model, optimizers, world=world)
    guard.set_state(about["guard"])
    return step


def make_deterministic(threads: int) -> None:
    """Asks torch for the same bits every time; an operation that cannot give them raises."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True)
    # Filling memory that nothing reads costs time; torch has the switch without a type.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.set_num_threads(threads)


if __name__ == "__main__":
    sys.exit(main())
