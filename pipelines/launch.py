"""Runs rounds on Beam, and says in words what went wrong."""

import argparse
import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TextIO

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, TestOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms import environments

from curation import fork_server
from curation.storage import StorageError
from pipelines import options, tasks, workers

_OURS = re.compile(r"\b(?:StorageError|Unreadable|PermissionError): (.*?)(?: \[while running .*)?$", re.MULTILINE)
_ERRNO = re.compile(r"^\[Errno \d+\] ")


_MOST_THREADS = 8  # more would wait for each other: a worker's thread needs a tenth of the time of its child


def run(
    rounds: Sequence[tasks.Round],
    args: argparse.Namespace,
    beam_options: PipelineOptions,
    *,
    in_children: bool = False,
) -> None:
    """Runs the rounds to their end; ValueError, StorageError or RuntimeError where a task could not be done.

    `in_children`: the tasks leave most work to child processes, so that up to eight local workers need no process each.
    """
    if not any(step.tasks for step in rounds):
        return
    runner: beam.runners.PipelineRunner | None = None
    if options.is_local(beam_options):
        count = min(args.workers, max(len(step.tasks) for step in rounds))
        in_threads = in_children and count <= _MOST_THREADS
        if in_threads:
            fork_server.start()  # it loads its libraries while Beam gets ready
        runner = _local_runner(beam_options, count, in_threads=in_threads)
    try:
        with beam.Pipeline(runner=runner, options=beam_options) as pipeline:
            tasks.build(pipeline, rounds, args.access, shuffle=options.shuffles(args, beam_options))
    except Exception as error:
        raise _explained(error) from error


_terminal: TextIO | None = None  # the true standard error, while `worker_log` has it


def say(message: str) -> None:
    """Says something on the true standard error, whatever is being logged."""
    print(message, file=_terminal or sys.stderr, flush=True)


@contextlib.contextmanager
def worker_log() -> Iterator[TextIO]:
    """Sends what this process and its workers say on standard error to a file; yields the true standard error.

    Beam's workers greet and take their leave in thirty lines each. Where the block fails, the file is kept and named.
    """
    global _terminal
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace") as terminal:
        _terminal = terminal
        handle, path = tempfile.mkstemp(prefix="curate-workers-", suffix=".log")
        os.dup2(handle, 2)
        os.close(handle)
        failed = True
        try:
            yield terminal
            failed = False
        finally:
            _terminal = None
            sys.stderr.flush()
            os.dup2(terminal.fileno(), 2)
            if failed and os.path.getsize(path):
                print(f"what the workers said: {path}", file=terminal)
            else:
                os.remove(path)


def is_dry_run(beam_options: PipelineOptions) -> bool:
    """Whether the runner only translates the pipeline."""
    return bool(beam_options.view_as(TestOptions).dry_run)


def _local_runner(beam_options: PipelineOptions, count: int, *, in_threads: bool) -> fn_runner.FnApiRunner:
    """Beam's own local runner, pinned: its default first tries to download another one."""
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    direct = beam_options.view_as(DirectOptions)
    direct.direct_num_workers = count
    direct.direct_running_mode = "multi_threading" if in_threads and count > 1 else "in_memory"
    environment = None
    if count > 1 and not in_threads:  # Beam's "multi_processing", but for the command
        environment = environments.SubprocessSDKEnvironment.from_command_string(workers.start())
    # Without provision info the worker processes see none of the options (such as an S3 endpoint).
    encoded = JobServiceHandle.encode_pipeline_options(beam_options.get_all_options())
    info = fn_runner.ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
    return fn_runner.FnApiRunner(environment, provision_info=info)


def _explained(error: Exception) -> Exception:
    """The error that a task raised, found in what the runner made of it."""
    text = f"{type(error).__name__}: {error}"
    if found := _OURS.findall(text):
        return StorageError(_ERRNO.sub("", found[-1]))
    if "Channel closed prematurely" in text:
        return RuntimeError(
            "a worker process died, most likely killed for want of memory; start the same command again to go on where "
            "it was, with fewer --workers or a smaller --task-mib in a new --output"
        )
    # Anything else is a defect, or damage to files of the run: its traceback is what helps.
    last = text.strip().splitlines()[-1].partition(" [while running")[0]
    return RuntimeError(f"a task failed: {last.removeprefix('RuntimeError: ')}")
