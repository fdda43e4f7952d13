"""What the commands share: flags to a run, the stages one after another, the funnel and the manifest at the end."""

import argparse
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

from curation import language, recipe, sources, storage, tokens
from pipelines import funnel, launch, made, options, progress
from pipelines.run import Run, sizes
from pipelines.tasks import Round


@dataclasses.dataclass(frozen=True)
class Stage:
    """A restart point: its rounds, what is missing of its output, and the stage whose output it reads."""

    name: str
    rounds: Callable[[Run], list[Round]]
    missing: Callable[[Run], list[Any]]
    needs: "Stage | None" = None
    finish: Callable[[Run, Mapping[str, Any]], None] | None = None  # with times, machine and workers


def main(description: str, stages: Sequence[Stage], argv: Sequence[str] | None = None) -> int:
    """Runs the stages in order; the exit status is 0 only where everything was made and the books close."""
    args, beam_options = options.parse(options.parser(description), argv)
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(args, beam_options, stages)
    except (ValueError, storage.StorageError, PermissionError, FileNotFoundError) as error:
        print(f"error: {error.args[-1] if isinstance(error, storage.StorageError) else error}", file=sys.stderr)
    except RuntimeError as error:
        if "Traceback" in str(error):
            traceback.print_exc()
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
    return 1


def plan(args: argparse.Namespace) -> Run:
    """Everything that can be checked before work starts; ValueError says what is wrong."""
    recipe_file, recipe_text = recipe.read_source(args.recipe)
    steps = recipe.of_source(recipe_file, recipe_text)
    if args.language:
        if args.language not in language.labels():
            raise ValueError(f"--language {args.language}: not one of the codes lid.176 knows, such as en, de or zh")
        steps.with_language(args.language)
    content = None
    if args.tokenizer:
        content = _read(args.tokenizer)
        tokens.load(content, args.tokenizer)
    else:
        tokens.check_vocab_size(args.vocab_size)
    archives = sources.archives(args.input)
    sources.check(archives, allow_truncated=args.allow_truncated)
    return Run(
        output=args.output.rstrip("/") or "/",
        tasks=tuple(sources.tasks(archives, task_bytes=args.task_mib << 20)),
        inputs=sizes({archive.path: archive.size for archive in archives}),
        recipe_file=recipe_file,
        recipe_text=recipe_text,
        language=args.language,
        tokenizer=content,
        tokenizer_name=args.tokenizer or "",
        vocab_size=args.vocab_size,
        validation_share=args.validation_share,
    )


def _run(args: argparse.Namespace, beam_options: PipelineOptions, stages: Sequence[Stage]) -> int:
    start = time.time()
    run = plan(args)
    dry = launch.is_dry_run(beam_options)
    if args.overwrite and not dry:
        made.clear(run)
    made.check_output(run)
    if not dry:
        _check_writable(run)
        made.remove_unfinished(run)
    size = sum(size for _, size in run.inputs)
    print(
        f"{len(run.inputs)} archives, {size / 1e6:.1f} MB, {len(run.tasks)} tasks, recipe {run.recipe.name}", flush=True
    )

    with tempfile.TemporaryDirectory(prefix="curate-progress-") as folder:
        run = dataclasses.replace(run, progress=folder if options.is_local(beam_options) else None)
        for stage in stages:
            if stage.needs and stage.needs not in stages and not dry and (missing := stage.needs.missing(run)):
                raise ValueError(
                    f"{run.output} lacks {len(missing)} parts of the stage before; "
                    f"run pipelines.{stage.needs.name} with the same flags first"
                )
            rounds = stage.rounds(run)
            with launch.worker_log() as terminal, progress.showing(stage.name, rounds, run, terminal):
                launch.run(rounds, args, beam_options)
            if dry:
                print(f"{stage.name}: translated, not run", flush=True)
                continue
            if left := stage.missing(run):
                raise RuntimeError(
                    f"{stage.name}: the runner reports success, but {len(left)} outputs are missing; start the same "
                    "command again, and mistrust this runner"
                )
            if stage.finish:
                stage.finish(run, _circumstances(start, args.workers))
    if not dry:
        is_last = stages[-1].needs is not None  # what follows the first stage has seen the duplicates
        print(*funnel.table(run, funnel.books(run, deduplicated=is_last)), sep="\n", flush=True)
    return 0


def _circumstances(start: float, workers: int) -> dict[str, Any]:
    """What may differ between two runs of the same corpus."""
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - start, 1),
        "machine": platform.node(),
        "workers": workers,
    }


def _check_writable(run: Run) -> None:
    """Fails now rather than after hours where the output cannot be written."""
    with storage.publish(storage.join(run.output, "work", "writable")) as path, open(path, "wb"):
        pass
    storage.remove(storage.join(run.output, "work", "writable"))


def _read(path: str) -> bytes:
    try:
        with storage.open_read(path) as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"--tokenizer {path} cannot be read: {error.strerror or error}; check the path") from None


def _stop(number: int, _: object) -> None:
    """Ends at once: Beam's local runner does not answer Ctrl-C, and its workers end when this process does."""
    print("\nstopped; start the same command again to go on", file=sys.stderr, flush=True)
    os._exit(128 + number)
