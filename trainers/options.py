"""The command line of `trainers.pretrain`, and the settings it means."""

import argparse
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from trainers.run import Settings
from trainers.sizes import SIZES

# Minutes on two cores; --size, --batch-rows and --steps are what a real run raises.
_DEFAULTS = {
    "steps": 200,
    "size": "1m",
    "sequence_length": 512,
    "batch_rows": 8,
    "seed": 0,
    "validate_every": 50,
    "validation_rows": 64,
}
_MICRO_ROWS = 4
_WARMUP_FRACTION = 20  # one step in so many


def parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments of the run, and the settings among them that were given; exits with 2 where they cannot be meant.

    Settings have no default here, so that --resume can tell one that is given from one that is taken from the run.
    """
    parser = argparse.ArgumentParser(
        prog="python -m trainers.pretrain",
        description="Pre-trains a Llama-style decoder on a corpus of pipelines.curate.",
        allow_abbrev=False,
    )
    parser.add_argument("--corpus", metavar="DIR", help="folder with manifest.json; with --resume: the run's")
    parser.add_argument("--output", metavar="RUN", required=True, help="new folder: run.json, log.jsonl, checkpoints/")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --output from its newest checkpoint; other settings than its own are refused",
    )
    group = parser.add_argument_group("settings, fixed for the life of a run")
    add = _adder(group)
    add("--steps", _whole(1), "N", f"optimizer steps (default: {_DEFAULTS['steps']})")
    group.add_argument(
        "--size", choices=SIZES, default=argparse.SUPPRESS, help=f"parameters (default: {_DEFAULTS['size']})"
    )
    add("--sequence-length", _whole(2), "T", f"tokens in a row (default: {_DEFAULTS['sequence_length']})")
    add("--batch-rows", _whole(1), "N", f"rows in a step (default: {_DEFAULTS['batch_rows']})")
    add("--micro-rows", _whole(1), "N", f"rows in one pass; fewer need less memory (default: {_MICRO_ROWS})")
    add("--learning-rate", _positive, "X", "at its peak (default: by size)")
    add("--warmup-steps", _whole(0), "N", f"to reach the peak (default: --steps / {_WARMUP_FRACTION})")
    add("--seed", _whole(0), "N", f"of weights and order (default: {_DEFAULTS['seed']})")
    add("--validate-every", _whole(1), "N", f"steps (default: {_DEFAULTS['validate_every']}); also first and last")
    add("--validation-rows", _whole(0), "N", f"at most, 0 for all (default: {_DEFAULTS['validation_rows']})")
    group.add_argument(
        "--device", choices=["cpu", "cuda"], default=argparse.SUPPRESS, help="(default: cuda where there is one)"
    )
    add("--threads", _whole(1), "N", "of the CPU (default: what torch finds)")
    group = parser.add_argument_group("may change when a run is resumed")
    group.add_argument("--checkpoint-every", type=_whole(1), metavar="N", default=50, help="steps (default: 50)")
    group.add_argument("--keep-checkpoints", type=_whole(1), metavar="N", default=2, help="the newest (default: 2)")
    group.add_argument("--stop-after", type=_whole(1), metavar="STEP", help="stop there with a checkpoint, to resume")
    args = parser.parse_args(argv)

    names = {field.name for field in dataclasses.fields(Settings)}
    given = {name: value for name, value in vars(args).items() if name in names}
    if not args.resume:
        if args.corpus is None:
            parser.error("--corpus is required, unless --resume continues a run")
        settings = {**_DEFAULTS, **given}
        if given.get("micro_rows", 1) > settings["batch_rows"]:
            parser.error(f"--micro-rows {given['micro_rows']} is more than --batch-rows {settings['batch_rows']}")
        if given.get("warmup_steps", 0) > settings["steps"]:
            parser.error(f"--warmup-steps {given['warmup_steps']} is more than --steps {settings['steps']}")
        if given.get("device") == "cuda" and not torch.cuda.is_available():
            parser.error("--device cuda: torch finds no GPU here; leave the flag out to train on the CPU")
    return args, given


def resolve(given: Mapping[str, Any]) -> Settings:
    """The settings of a new run, every default in its place."""
    settings = {**_DEFAULTS, **given}
    return Settings(
        **{
            "micro_rows": min(_MICRO_ROWS, settings["batch_rows"]),
            "learning_rate": SIZES[settings["size"]].learning_rate,
            "warmup_steps": settings["steps"] // _WARMUP_FRACTION,
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads(),
            **settings,
        }
    )


def _adder(group: argparse._ArgumentGroup) -> Callable[[str, Callable[[str], Any], str, str], None]:
    def add(flag: str, kind: Callable[[str], Any], metavar: str, text: str) -> None:
        group.add_argument(flag, type=kind, metavar=metavar, default=argparse.SUPPRESS, help=text)

    return add


def _whole(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, found {text!r}")
        return int(text)

    return whole


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value
