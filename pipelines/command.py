"""What the commands share: flags to a run, the stages one after another, the funnel and the manifest at the end."""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import datetime
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from curation import recipe, storage, tokens
from curation.dedup import index
from curation.dedup.contamination import Against
from pipelines import funnel, inputs, launch, made, options, progress
from pipelines.run import Run
from pipelines.tasks import Round

_SHOWN = 20  # of the tasks that failed


@dataclasses.dataclass(frozen=True)
class Stage:
    """A restart point: its tasks, which of them are done, and the rounds that do what is missing."""

    name: str
    tasks: Callable[[Run], Sequence[Any]]
    is_done: Callable[[Run, Any], bool]
    rounds: Callable[[Run, Sequence[Any]], list[Round]]
    needs: "Stage | None" = None  # the stage whose output it reads
    finish: Callable[[Run, Mapping[str, Any]], None] | None = None  # with times, machine and workers
    failures: Callable[[Run, Sequence[Any]], list[str]] | None = None  # why tasks are not done, as they noted it
    in_children: bool = False  # its tasks leave the work to children of their own, so that threads do for workers
    close: Callable[[], None] | None = None  # ends what tasks left running in this process
    is_unsettled: Callable[[Run], bool] | None = None  # whether its rounds are to be asked for again, and launched

    def missing(self, run: Run) -> list[Any]:
        """The tasks whose output is not there yet; ValueError where another run's is."""
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            tasks = self.tasks(run)
            return [
                task
                for task, done in zip(tasks, pool.map(lambda it: self.is_done(run, it), tasks), strict=True)
                if not done
            ]


def main(description: str, stages: Sequence[Stage], argv: Sequence[str] | None = None) -> int:
    """Runs the stages in order; the exit status is 0 only where everything was made and the books close."""
    args, beam_options = options.parse(
        options.parser(stages[0].name if len(stages) == 1 else "curate", description), argv
    )
    return guarded(lambda: _run(args, beam_options, stages))


def guarded(work: Callable[[], int]) -> int:
    """The exit status of a run, with what went wrong in one line; Ctrl-C ends it at once."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return work()
    except (ValueError, storage.StorageError, PermissionError, FileNotFoundError) as error:
        print(f"error: {error.args[-1] if isinstance(error, storage.StorageError) else error}", file=sys.stderr)
    except RuntimeError as error:
        if error.__cause__:
            traceback.print_exception(error.__cause__)
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 1


def plan(args: argparse.Namespace) -> Run:
    """Everything that can be checked before work starts; ValueError says what is wrong."""
    recipe_file, recipe_text = recipe.read_source(args.recipe)
    steps = recipe.of_source(recipe_file, recipe_text)
    if args.language:
        steps.check_language(args.language)
        steps = steps.with_language(args.language)
    flags = Against(tuple(args.against), tuple(args.against_fields), args.contamination)
    against = flags.pinned(steps.steps)
    dataclasses.replace(steps, steps=against.steps(steps.steps)).check()
    earlier = index.load(args.index) if args.index else None
    if earlier:
        earlier.check(steps.passes[0].looks if steps.passes else ())
    content = None
    if args.tokenizer:
        content = _read(args.tokenizer)
        tokens.load(content, args.tokenizer)
    else:
        tokens.check_vocab_size(args.vocab_size, mask=args.mask_token, sentinels=args.sentinels)
    found = inputs.checked(args)
    return Run(
        output=args.output.rstrip("/") or "/",
        tasks=found.tasks,
        inputs=found.archives,
        access=args.access,
        recipe_file=recipe_file,
        recipe_text=recipe_text,
        language=args.language,
        tokenizer=content,
        tokenizer_name=args.tokenizer or "tokenizer.json",
        vocab_size=args.vocab_size,
        validation_share=args.validation_share,
        against=against,
        index=earlier,
        mask_token=args.mask_token,
        sentinels=args.sentinels,
        max_links=args.max_links,
    )


def _run(args: argparse.Namespace, beam_options: PipelineOptions, stages: Sequence[Stage]) -> int:
    args.access = options.access(args, beam_options)
    storage.use(args.access)
    if args.dry_run:
        print(inputs.estimate(args), flush=True)
        return 0
    start, run = time.time(), plan(args)
    size = sum(archive.size for archive in run.inputs)
    print(
        f"{len(run.inputs)} archives, {size / 1e6:.1f} MB, {len(run.tasks)} tasks, recipe {run.recipe.name}", flush=True
    )
    if launch.is_dry_run(beam_options):
        if options.is_local(beam_options):
            raise ValueError("--dry_run: the local runner cannot translate without running; name another --runner")
        run = dataclasses.replace(run, is_dry=True)
        for stage in stages:
            launch.run(stage.rounds(run, stage.tasks(run)), args, beam_options)
            print(f"{stage.name}: translated, not run", flush=True)
        return 0

    if args.overwrite and stages[0].needs:
        raise ValueError(f"--overwrite: pipelines.{stages[0].name} needs what is there; pass it to the first stage")
    make(run, stages, args, beam_options, start)
    return 0


def make(
    run: Run,
    stages: Sequence[Stage],
    args: argparse.Namespace,
    beam_options: PipelineOptions,
    start: float,
    **about: str,
) -> None:
    """Makes what is missing of a corpus, stage by stage, and prints its books.

    `start` is when the run began; what else there is to say `about` it goes into the manifest beside it.
    """
    made.check_output(run, overwrite=args.overwrite)
    with made.locked(run), tempfile.TemporaryDirectory(prefix="curate-progress-") as folder:
        if args.overwrite:
            made.clear(run)
        made.remove_unfinished(run)
        run = dataclasses.replace(run, progress=folder if options.is_local(beam_options) else None)
        for stage in stages:
            _run_stage(stage, run, args, beam_options, is_first=stage is stages[0])
            if stage.finish:
                stage.finish(run, {**_circumstances(start, args.workers), **about})
    is_last = stages[-1].needs is not None  # what follows the first stage has seen the duplicates
    print(*funnel.table(run, funnel.books(run, deduplicated=is_last)), sep="\n", flush=True)


def _run_stage(
    stage: Stage, run: Run, args: argparse.Namespace, beam_options: PipelineOptions, *, is_first: bool
) -> None:
    if is_first and stage.needs and (lacking := stage.needs.missing(run)):
        raise ValueError(
            f"{run.output} lacks {len(lacking)} of {len(stage.needs.tasks(run))} parts of the stage before; "
            f"run pipelines.{stage.needs.name} with the same flags first"
        )
    rounds = stage.rounds(run, stage.missing(run))
    with contextlib.ExitStack() as stack:
        terminal = stack.enter_context(launch.worker_log())
        stack.enter_context(progress.showing(stage.name, rounds, run, terminal))
        if stage.close:
            stack.callback(stage.close)
        launch.run(rounds, args, beam_options, in_children=stage.in_children)
        while stage.is_unsettled and stage.is_unsettled(run):
            launch.run(stage.rounds(run, stage.missing(run)), args, beam_options, in_children=stage.in_children)
    if left := stage.missing(run):
        if stage.failures and (notes := stage.failures(run, left)):
            _give_up(stage, len(rounds[0].tasks), notes)
        raise RuntimeError(
            f"{stage.name}: the runner reports success, but {len(left)} outputs are missing; start the same "
            "command again, and mistrust this runner"
        )


def _give_up(stage: Stage, tasks: int, notes: Sequence[str]) -> None:
    for note in notes[:_SHOWN]:
        launch.say(f"failed: {note}")
    raise storage.StorageError(
        f"{stage.name}: {len(notes)} of {tasks} tasks could not read their archive, the first because of "
        f"{notes[0].rstrip('.')}; start the same command again to do the missing tasks only"
    )


def _circumstances(start: float, workers: int) -> dict[str, Any]:
    """What may differ between two runs of the same corpus."""
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - start, 1),
        "machine": platform.node(),
        "workers": workers,
    }


def _read(path: str) -> bytes:
    try:
        with storage.open_read(path) as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"--tokenizer {path} cannot be read: {error.strerror or error}; check the path") from None


def _stop(number: int, _: object) -> None:
    """Ends at once: Beam's local runner does not answer Ctrl-C, and its workers end when this process does."""
    launch.say("\nstopped; start the same command again to go on")
    os._exit(128 + number)
