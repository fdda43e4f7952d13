"""Pre-trains a model on corpora: `python -m trainers.pretrain --corpus DIR --output RUN`.

Read down: the corpora are admitted, the plan says what each step reads, the objective makes batches of it, and
`follow.py` takes the steps of `loop.py`, and prints, logs, evaluates and saves. A run that was interrupted anywhere
continues with --resume and ends with the same weights, to the last bit, as one that was not.
"""

import argparse
import contextlib
import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainers import (
    allocation,
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
    report,
    tensorboard,
    tombstones,
)
from trainers import run as runs
from trainers.batches import Loader
from trainers.command import carried_out, tell
from trainers.guard import Guard
from trainers.loop import Trainee
from trainers.work import Work, begin, prepare


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
        except RuntimeError as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f"--compile failed ({first}); install a C++ compiler, or start another run without it"
            ) from error

    memory = (
        "start another run with fewer --micro-rows: its losses differ by rounding; or continue this one with "
        "--checkpoint-activations, or on more GPUs with --parallel fsdp"
    )
    return carried_out("pretrain", args, work, memory=memory, interrupted="what was saved before is whole")


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

    asked = parallel.gather_all({**vars(args), "settings": settings}, world)
    if differing := sorted({name for other in asked for name, value in other.items() if value != asked[0][name]}):
        raise ValueError(f"the ranks were started with other arguments: {', '.join(differing)}; give them all the same")
    work = parallel.agreed(lambda: prepare(args, settings, recorded, world), world)
    plans = parallel.gather_all(work.run.plan.sha256, world)
    if len(set(plans)) > 1:
        raise ValueError(
            f"the ranks read other data: their plans are {', '.join(plans)}; copy the same corpora, with their "
            f"{tombstones.NAME}, to every machine"
        )
    with contextlib.ExitStack() as held:

        def hold() -> None:
            if world.rank == 0:
                held.enter_context(runs.exclusive(folder))
                begin(folder, work.run, recorded, work.data)

        parallel.agreed(hold, world)
        try:
            code = follow_run(folder, work, world, args=args)
        except Exception:
            if world.rank == 0 and not recorded:
                runs.undo(folder)
            raise
    parallel.stop(world)
    return code


def follow_run(folder: str, work: Work, world: parallel.World, *, args: argparse.Namespace) -> int:
    """Makes the model or restores it, and takes the steps that are left; returns the exit code."""
    run, settings = work.run, work.run.settings
    make_deterministic(settings.threads)
    if settings.device == "cpu":
        allocation.keep_freed()
    model = catalog.model_of(settings, run.vocab_size)
    measure = meter.Meter.of(model, settings, world, grid_intensity=args.grid_intensity)
    if world.rank == 0:
        tell(report.introduction(run, work.data, work.held_out, model, ranks=world.size))
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
        tell(f"resume      after step {done} of {settings.steps}")
    if done >= settings.steps:
        if world.rank == 0:
            tell(f"finished: nothing is left to do in {folder}")
        return 0

    with tensorboard.events(args.tensorboard if world.rank == 0 else None, step=done) as events:
        follower = follow.Follower(
            run=run,
            data=work.data,
            trainee=Trainee(wrapped, optimizers, work.objective, guard, world, settings.precision),
            held_out=work.held_out,
            loader=Loader(work.rows, run.plan, work.objective, rank=world.rank, world_size=world.size),
            saver=checkpoint.Saver(
                folder,
                wrapped,
                optimizers,
                world=world,
                keep=args.keep_checkpoints,
                keep_every=args.keep_every,
                every=args.checkpoint_every,
            ),
            meter=measure,
            habits=follow.Habits(folder, args.checkpoint_every, args.stop_after, events),
        )
        code = follower.take(done)
    if world.rank == 0 and plot.has_losses(folder):
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
    about = checkpoints.read_about(path)
    if (plan_found := about.get("plan_sha256")) != run.plan.sha256:
        raise ValueError(
            f"{path} is a checkpoint of another run: its plan is {plan_found}, expected {run.plan.sha256}; remove it"
        )
    found, expected = runs.as_json(run.settings), about.get("settings")
    if differing := [name for name in found if not isinstance(expected, dict) or found[name] != expected.get(name)]:
        raise ValueError(
            f"{runs.NAME} in {folder} has other settings than {path}: {', '.join(differing)}; put them back, or start "
            "another run"
        )
    checkpoint.load(path, model, optimizers, world=world)
    try:
        guard.set_state(about["guard"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} has no state of the guard that is one; {checkpoints.without(path)}") from None
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
