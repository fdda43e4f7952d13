"""The command line of `trainers.pretrain`, and the settings it means."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from trainers.catalog import OBJECTIVES
from trainers.command import number, positive, share, whole
from trainers.mixture import default_max_repeats
from trainers.models.attention import IMPLEMENTATIONS
from trainers.models.sizes import SIZES
from trainers.parallel import PRECISIONS, STRATEGIES
from trainers.plan import ORDERS
from trainers.schedule import SCHEDULES
from trainers.settings import Settings

# Minutes on two cores; --size, --batch-rows and --steps are what a real run raises.
_DEFAULTS: dict[str, Any] = {
    "objective": "causal",
    "size": "1m",
    "sequence_length": 512,
    "whole_words": False,
    "weights": (),
    "repeat_by": "",
    "order": "row",
    "seed": 0,
    "steps": 200,
    "batch_rows": 8,
    "optimizer": "adamw",
    "schedule": "cosine",
    "weight_decay": 0.1,
    "max_skips": 3,
    "spike_sigmas": 6.0,
    "attention": "auto",
    "compile": False,
    "validate_every": 50,
    "validation_rows": 64,
}
_ONLY_WITH = {
    "attention": ("causal", "masked", "replaced"),  # the others have relative positions in it, or none
    "mask_rate": ("masked", "replaced", "spans", "permuted"),
    "whole_words": ("masked", "replaced"),
}
_MICRO_ROWS = 4
_WARMUP_FRACTION = 20  # one step in so many


def parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments of the run, and the settings among them that were given; exits with 2 where they cannot be meant.

    Settings have no default here, so that --resume can tell one that is given from one that is taken from the run.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    names = {field.name for field in dataclasses.fields(Settings)}
    given = {name: value for name, value in vars(args).items() if name in names}
    if "weights" in given:
        given["weights"] = tuple(given["weights"])
    if not args.resume:
        if not args.corpus:
            parser.error("--corpus is required, unless --resume continues a run")
        settings = {**_DEFAULTS, **given}
        if len(settings["weights"]) not in ({0, 1} if len(args.corpus) == 1 else {0, len(args.corpus)}):
            parser.error(f"--weights has {len(settings['weights'])} numbers for {len(args.corpus)} of --corpus")
        if given.get("micro_rows", 1) > settings["batch_rows"]:
            parser.error(f"--micro-rows {given['micro_rows']} is more than --batch-rows {settings['batch_rows']}")
        if given.get("warmup_steps", 0) > settings["steps"]:
            parser.error(f"--warmup-steps {given['warmup_steps']} is more than --steps {settings['steps']}")
        if given.get("device") == "cuda" and not torch.cuda.is_available():
            parser.error("--device cuda: torch finds no GPU here; leave the flag out to train on the CPU")
        for name, why in idle(given, settings):
            parser.error(f"--{name.replace('_', '-')} means nothing {why}; leave it out")
        device = settings.get("device", "cuda" if torch.cuda.is_available() else "cpu")
        if settings["attention"] in ("flex", "varlen") and device == "cpu":
            parser.error(f"--attention {settings['attention']} trains on a GPU alone; leave the flag out")
    return args, given


def idle(given: Iterable[str], settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names among those given of settings that do nothing beside the others, and why."""
    objective = settings["objective"]
    for name, objectives in _ONLY_WITH.items():
        if name in given and objective not in objectives:
            yield name, f"with --objective {objective}"
    if "weight_decay" in given and settings["optimizer"] == "sgd":
        yield "weight_decay", "with --optimizer sgd"


def resolve(given: Mapping[str, Any], *, corpora: int = 1) -> Settings:
    """The settings of a new run over so many corpora, every default in its place."""
    settings = {**_DEFAULTS, **given}
    if corpora > 1:
        settings["weights"] = settings["weights"] or (1.0,) * corpora
    entry = OBJECTIVES[settings["objective"]]
    device = settings.get("device", "cuda" if torch.cuda.is_available() else "cpu")
    return Settings(
        **{
            "max_repeats": default_max_repeats(corpora, settings["repeat_by"]),
            "mask_rate": entry.mask_rate,
            "micro_rows": min(_MICRO_ROWS, settings["batch_rows"]),
            "learning_rate": entry.learning_rate or SIZES[settings["size"]].learning_rate,
            "warmup_steps": settings["steps"] // _WARMUP_FRACTION,
            "device": device,
            "precision": "bfloat16" if device == "cuda" else "float32",
            "threads": torch.get_num_threads(),
            **settings,
        }
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.pretrain",
        description="Pre-trains a model on corpora of pipelines.curate; under torchrun, on many GPUs.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--corpus",
        metavar="DIR",
        action="append",
        help="folder with manifest.json; several: a mixture; with --resume: the run's",
    )
    parser.add_argument("--output", metavar="RUN", required=True, help="new folder: run.json, log.jsonl, checkpoints/")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --output from its newest checkpoint; other settings than its own are refused",
    )
    _add_settings(parser.add_argument_group("settings, fixed for the life of a run"))
    _add_changeable(parser.add_argument_group("may change when a run is resumed"))
    return parser


def _add_settings(group: argparse._ArgumentGroup) -> None:
    def add(flag: str, kind: Callable[[str], Any], metavar: str, text: str, **options: Any) -> None:
        group.add_argument(flag, type=kind, metavar=metavar, default=argparse.SUPPRESS, help=text, **options)

    def choose(flag: str, choices: Sequence[str], text: str) -> None:
        group.add_argument(flag, choices=choices, default=argparse.SUPPRESS, help=text)

    choose("--objective", sorted(OBJECTIVES), f"what is learned (default: {_DEFAULTS['objective']})")
    choose("--size", list(SIZES), f"parameters (default: {_DEFAULTS['size']})")
    add("--sequence-length", whole(2), "T", f"tokens in a row (default: {_DEFAULTS['sequence_length']})")
    add("--mask-rate", share, "X", "of the tokens to hide and predict (default: by objective)")
    group.add_argument("--whole-words", action="store_true", default=argparse.SUPPRESS, help="mask no part of a word")
    add("--weights", positive, "X", "shares of the tokens of each --corpus (default: equal)", nargs="+")
    add(
        "--max-repeats",
        number,
        "X",
        "times a document is read, 0: no limit (default: 0; of a mixture or by a signal 4)",
    )
    add("--repeat-by", str, "NAME", "read a document as often as this column or signal says, such as copies")
    choose("--order", ORDERS, "rows, or documents as any tokenizer has them (default: row)")
    add("--seed", whole(0), "N", f"of weights, order and masks (default: {_DEFAULTS['seed']})")
    add("--steps", whole(1), "N", f"optimizer steps (default: {_DEFAULTS['steps']})")
    add("--batch-rows", whole(1), "N", f"rows in a step (default: {_DEFAULTS['batch_rows']})")
    add("--micro-rows", whole(1), "N", f"rows in one pass of one GPU; fewer need less memory (default: {_MICRO_ROWS})")
    choose("--optimizer", ["adamw", "muon", "sgd"], f"(default: {_DEFAULTS['optimizer']})")
    add("--learning-rate", positive, "X", "at its peak (default: by size)")
    add("--warmup-steps", whole(0), "N", f"to reach the peak (default: --steps / {_WARMUP_FRACTION})")
    choose("--schedule", SCHEDULES, f"after the warm-up (default: {_DEFAULTS['schedule']})")
    add("--weight-decay", number, "X", f"of matrices (default: {_DEFAULTS['weight_decay']})")
    add("--spike-sigmas", number, "X", "a loss so far above the recent ones is not learned from (default: 6; 0: off)")
    add("--max-skips", whole(0), "N", "such steps in a row before it goes back to a checkpoint (default: 3)")
    choose("--device", ["cpu", "cuda"], "(default: cuda where there is one)")
    choose("--precision", PRECISIONS, "of products (default: bfloat16 on a GPU)")
    choose("--attention", IMPLEMENTATIONS, "its implementation (default: auto, by device)")
    group.add_argument("--compile", action="store_true", default=argparse.SUPPRESS, help="with torch.compile")
    add("--threads", whole(1, 4096), "N", "of the CPU (default: what torch finds)")
    add("--validate-every", whole(1), "N", f"steps (default: {_DEFAULTS['validate_every']}); also first and last")
    add("--validation-rows", whole(0), "N", f"at most, 0 for all (default: {_DEFAULTS['validation_rows']})")


def _add_changeable(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--checkpoint-every",
        type=whole(1),
        metavar="N",
        default=50,
        help="steps (default: 50); also where it may go back to",
    )
    group.add_argument("--keep-checkpoints", type=whole(1), metavar="N", default=2, help="the newest (default: 2)")
    group.add_argument("--keep-every", type=whole(0), metavar="N", default=0, help="and those of every N-th step")
    group.add_argument("--stop-after", type=whole(1), metavar="STEP", help="stop there with a checkpoint, to resume")
    group.add_argument("--parallel", choices=STRATEGIES, help="of the ranks of torchrun (default: ddp)")
    group.add_argument("--checkpoint-activations", action="store_true", help="compute blocks twice: less memory")
    group.add_argument("--grid-intensity", type=positive, metavar="G", help="gCO2e per kWh of the power that is used")
    group.add_argument("--tensorboard", metavar="DIR", help="write its events there as well")
