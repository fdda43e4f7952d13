"""The flags that all stages share, and Beam's beside them."""

import argparse
import itertools
import os
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

_LOCAL_RUNNERS = {None, "DirectRunner", "FnApiRunner", "SwitchingDirectRunner"}


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The flags of this project; Beam's are taken too (`parse`)."""
    result = argparse.ArgumentParser(
        prog=f"python -m pipelines.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Every flag of Apache Beam is taken too: --runner, --project, --region, --temp_location, ...",
        allow_abbrev=False,
    )
    add = result.add_argument
    add(
        "--input",
        nargs="+",
        action="extend",
        required=True,
        metavar="GLOB",
        help="WARC files: local, gs://, s3://, https://",
    )
    add("--output", required=True, metavar="DIR", help="the corpus folder; a run that was stopped goes on in it")
    add("--recipe", default="fineweb", help="a recipe's name, or the path of a Python file (default: fineweb)")
    add("--language", metavar="CODE", help="keep this language, such as de (default: the recipe's)")
    tokenizer = result.add_mutually_exclusive_group()
    tokenizer.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.json to encode with")
    tokenizer.add_argument(
        "--vocab-size",
        type=int,
        default=32_768,
        metavar="N",
        help="train a byte-level BPE of N tokens (default: 32768)",
    )
    add("--validation-share", type=float, default=0.01, metavar="X", help="share of hosts held out (default: 0.01)")
    add("--workers", type=int, default=None, metavar="N", help="local processes (default: all cores)")
    add("--task-mib", type=int, metavar="N", help="MiB of archive in a task (default: by the input's size, 1 to 64)")
    add("--allow-truncated", action="store_true", help="curate what is whole of archives that end in mid-record")
    add("--overwrite", action="store_true", help="remove the corpus that is in --output first")
    return result


def parse(flags: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, PipelineOptions]:
    """Splits the command line between this program and Beam; a flag that neither knows is an error."""
    args, beam_flags = flags.parse_known_args(argv)
    options = PipelineOptions(beam_flags)
    known = options.get_all_options().keys()
    unknown = options.get_all_options(retain_unknown_options=True).keys() - known
    unknown |= {flag.lstrip("-") for flag in beam_flags if not flag.startswith("--")} - _values(beam_flags)
    if unknown:
        flags.error(f"neither this program nor Beam knows {', '.join(f'--{flag}' for flag in sorted(unknown))}")
    args.input = [os.path.expanduser(pattern) for pattern in args.input]
    for name in ("output", "recipe", "tokenizer"):  # which a shell leaves alone in --output=~/corpus
        setattr(args, name, getattr(args, name) and os.path.expanduser(getattr(args, name)))
    if args.workers is None:
        args.workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name, least in (("workers", 1), ("task_mib", 1)):
        if getattr(args, name) is not None and getattr(args, name) < least:
            flags.error(f"--{name.replace('_', '-')} {getattr(args, name)}: expected at least {least}")
    if not 0 <= args.validation_share < 1:
        flags.error(f"--validation-share {args.validation_share}: expected a share from 0 up to 1")
    return args, options


def is_local(options: PipelineOptions) -> bool:
    """Whether the run stays on this machine, in our own choice of Beam's local runner."""
    return options.get_all_options()["runner"] in _LOCAL_RUNNERS


def _values(flags: Sequence[str]) -> set[str]:
    """Words that are the value of the Beam flag before them."""
    return {
        word
        for flag, word in itertools.pairwise(flags)
        if flag.startswith("--") and "=" not in flag and not word.startswith("-")
    }
