"""Pre-trains a decoder on a corpus: `python -m trainers.pretrain --corpus DIR --output RUN`.

Read down: the corpus is admitted, the plan says what each step reads, the loop takes the steps, and this file prints,
logs, evaluates and saves. A run that was interrupted anywhere continues with --resume and ends with the same weights,
to the last bit, as one that was not.
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from trainers import batches, checkpoint, identity, loop, model, optimizer, options, report, validation
from trainers import run as runs
from trainers.admit import Corpus, admit
from trainers.log import Log
from trainers.plan import Plan
from trainers.sizes import SIZES


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args, given = options.parse(argv)
    try:
        return pretrain(args, given)
    except loop.NotFiniteError as error:
        trace = f"python -m trainers.trace --run {shlex.quote(args.output)} --step {error.step}"
        reason = f"{error}; see what it read with `{trace}`, then start another run with a lower --learning-rate"
    except KeyboardInterrupt:
        print("trainers.pretrain: interrupted between steps; what was saved before is whole", file=sys.stderr)
        return 128 + signal.SIGINT
    except torch.OutOfMemoryError:
        reason = "the GPU's memory is full; start another run with fewer --micro-rows: its losses differ by rounding"
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    except ValueError as error:
        reason = str(error)
    print(f"trainers.pretrain: {reason}", file=sys.stderr)
    return 1


def pretrain(args: argparse.Namespace, given: Mapping[str, Any]) -> int:
    """Starts or continues the run in `args.output`; returns the exit code."""
    folder = args.output
    if args.resume:
        recorded = runs.load(folder)
        settings = recorded.settings
        identity.keep(settings, given, folder=folder)
    else:
        if os.path.exists(folder) and (not os.path.isdir(folder) or not runs.is_unused(folder)):
            raise ValueError(
                f"{folder} exists already; add --resume to continue the run in it, or choose another --output"
            )
        settings = options.resolve(given)

    corpus = admit(args.corpus or recorded.corpus)
    held_out = validation.choose(corpus, sequence_length=settings.sequence_length, max_rows=settings.validation_rows)
    run = identity.of(corpus, settings)
    with runs.exclusive(folder):
        if args.resume:
            identity.agree(run, recorded, folder=folder)
        elif not runs.is_unused(folder):
            raise ValueError(f"another process has just started a run in {folder}; choose another --output")
        else:
            run.write(folder)
        return follow(folder, run, corpus, held_out, args=args)


def follow(
    folder: str,
    run: runs.Run,
    corpus: Corpus,
    held_out: validation.Validation | None,
    *,
    args: argparse.Namespace,
) -> int:
    """Makes the model or restores it, and takes the steps that are left; returns the exit code."""
    settings, plan = run.settings, run.plan
    make_deterministic(settings.threads)
    decoder = model.build(SIZES[settings.size], vocab_size=corpus.vocab_size, seed=settings.seed).to(settings.device)
    adamw = optimizer.adamw(decoder, learning_rate=settings.learning_rate)
    done = restore(folder, decoder, adamw, plan=plan, settings=dataclasses.asdict(settings)) if args.resume else 0
    if args.stop_after and args.stop_after <= done:
        raise ValueError(f"--stop-after {args.stop_after}: the run in {folder} has taken {done} steps already")
    print(report.introduction(run, corpus, held_out), flush=True)
    if args.resume:
        print(f"resume      after step {done} of {settings.steps}", flush=True)
    if done >= settings.steps:
        print(f"finished: nothing is left to do in {folder}")
        return 0

    rows = batches.Rows(
        corpus.train,
        num_tokens=plan.num_tokens,
        sequence_length=plan.sequence_length,
        end_of_text_id=corpus.end_of_text_id,
        vocab_size=corpus.vocab_size,
    )
    steps = loop.train(
        decoder,
        adamw,
        batches=batches.prefetched(lambda step: rows.batch(plan.rows(step)), range(done + 1, settings.steps + 1)),
        first_step=done + 1,
        micro_rows=settings.micro_rows,
        learning_rate=lambda step: optimizer.learning_rate(
            step, peak=settings.learning_rate, warmup_steps=settings.warmup_steps, steps=settings.steps
        ),
    )
    about = {
        "settings": dataclasses.asdict(settings),
        "plan_sha256": plan.sha256,
        "manifest_sha256": run.manifest_sha256,
    }
    validate = functools.partial(score, decoder, held_out, micro_rows=settings.micro_rows)
    save = functools.partial(checkpoint.save, folder, decoder, adamw, about=about, keep=args.keep_checkpoints)
    with contextlib.closing(steps), Log(folder, step=done) as log, interruption() as interrupted:
        return take(steps, log, interrupted, settings=settings, done=done, args=args, validate=validate, save=save)


def take(
    steps: Iterator[loop.Step],
    log: Log,
    interrupted: Sequence[int],
    *,
    settings: runs.Settings,
    done: int,
    args: argparse.Namespace,
    validate: Callable[..., None],
    save: Callable[..., str],
) -> int:
    """Takes steps until the last one, --stop-after or a signal; returns the exit code."""
    seconds = 0.0
    if not done:
        validate(log, step=0)
    for step in steps:
        seconds += step.seconds
        log.write("step", **fields(step))
        eta = seconds / (step.step - done) * (settings.steps - step.step)
        print(report.progress(step, settings.steps, eta=eta), flush=True)
        last = step.step == settings.steps
        stop = step.step == args.stop_after or bool(interrupted)
        if last or step.step % settings.validate_every == 0:
            validate(log, step=step.step)
        if last or stop or step.step % args.checkpoint_every == 0:
            path = save(step=step.step)
        if last:
            print(f"finished: {settings.steps} steps; the weights are in {path}")
        elif stop:
            print(f"stopped after step {step.step}: continue with --output {shlex.quote(args.output)} --resume")
            return 128 + interrupted[0] if interrupted else 0
    return 0


def score(
    decoder: model.Decoder, held_out: validation.Validation | None, log: Log, *, step: int, micro_rows: int
) -> None:
    """Measures, logs and prints bits per byte, where there is something to measure them on."""
    if held_out:
        found = validation.evaluate(decoder, held_out, micro_rows=micro_rows)
        log.write("validation", step=step, **dataclasses.asdict(found))
        print(f"validation at step {step}: {found.bits_per_byte:.4f} bits per byte", flush=True)


def fields(step: loop.Step) -> dict[str, Any]:
    """A step as a line of the log."""
    return {
        **dataclasses.asdict(step),
        "tokens_per_second": step.tokens / step.seconds,
        "data_wait_percent": 100 * step.data_wait / step.seconds,
    }


def restore(
    folder: str, decoder: model.Decoder, adamw: torch.optim.Optimizer, *, plan: Plan, settings: Mapping[str, Any]
) -> int:
    """Loads the newest checkpoint and returns its step; 0 and the first weights where none was saved yet."""
    checkpoint.remove_unfinished(folder)
    saved = checkpoint.saved(folder)
    if not saved:
        return 0
    step, path = max(saved.items())
    about = checkpoint.read_about(path)
    if (found := about.get("plan_sha256")) != plan.sha256:
        raise ValueError(
            f"{path} is a checkpoint of another run: its plan is {found}, expected {plan.sha256}; remove it"
        )
    if about.get("settings") != settings:
        raise ValueError(
            f"{runs.NAME} in {folder} has other settings than {path}: found {settings}, expected "
            f"{about.get('settings')}; put them back, or start another run"
        )
    checkpoint.load(path, decoder, adamw)
    return step


def make_deterministic(threads: int) -> None:
    """Asks torch for the same bits every time; an operation that cannot give them raises."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)


@contextlib.contextmanager
def interruption() -> Iterator[list[int]]:
    """Yields a list that receives SIGINT or SIGTERM, so that the step at hand ends and is saved; a second one kills."""
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
