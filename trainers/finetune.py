"""Fine-tunes a pre-trained model on labelled examples: `python -m trainers.finetune --run RUN --data FILE …`.

It says what the pre-training gained over the same architecture from scratch, on the same examples in as many steps.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainers import arms, classification, examples, trained, tuned
from trainers.command import carried_out, check_device, positive, share, tell, whole
from trainers.gains import Gain
from trainers.lora import PROJECTIONS
from trainers.table import escaped, table
from trainers.tuning import METHODS, Prediction


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)

    def work() -> int:
        _check(args)
        finetune(args)
        return 0

    return carried_out("finetune", args, work, memory="give a smaller --batch-size", interrupted="nothing was written")


def finetune(args: argparse.Namespace) -> None:
    """Reads, learns with each arm, compares and writes; ValueError where something is not as it should be."""
    data = examples.load(args.data, args.validation, share=args.validation_share, task=args.task)
    labels = classification.labels_of(data.learned, data.held_out, path=args.data) if args.task == "classify" else []
    folder = args.run or args.scratch_like
    base = trained.load(folder, step=args.step)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(args.threads)
    work = arms.work_of(
        base, task=args.task, labels=labels, learned=data.learned, held_out=data.held_out, device=args.device
    )
    tell(_introduction(base, folder, data, work))
    found = _learned(args, base, work)
    first = next(iter(found.values()))
    gains = {}
    if len(found) == 2:
        gains = work.gains(first.scores, found["scratch"].scores)
    tell(_report(found, gains))
    about = {
        "task": args.task,
        "labels": labels,
        "data": data.described(),
        "cut": work.cut,
        "base": {
            "run": os.path.abspath(folder),
            "plan_sha256": base.run.plan.sha256,
            "step": base.step if args.run else 0,
        },
        "arms": {name: _result(arm) for name, arm in found.items()},
        "gains": {name: dataclasses.asdict(gain) for name, gain in gains.items()},
        "device": args.device,
        "threads": args.threads,
    }
    others = found["scratch"].scores.predictions if gains else []
    predictions = _lines(first.scores.predictions, others)
    tuned.write(args.output, about, base=base, model=first.learner.model, predictions=predictions)
    tell(f"written     {escaped(args.output)}")


def _learned(args: argparse.Namespace, base: trained.Trained, work: arms.Work) -> dict[str, arms.Arm]:
    """The arms that are asked for, the one to keep first."""
    steps = args.steps or args.epochs * -(-len(work.learned) // args.batch_size)
    common = {"steps": steps, "batch_size": args.batch_size, "seed": args.seed}
    found = {}
    if args.run:
        tuning = dataclasses.replace(
            arms.tuning_of(base, args.method, learning_rate=args.learning_rate, **common),
            rank=args.rank,
            alpha=args.alpha or 2.0 * args.rank,
            projections=tuple(args.projections),
        )
        found["transfer"] = arms.learn("transfer", base.model, tuning, work)
    if args.scratch_like or args.compare_scratch:
        rate = args.scratch_learning_rate or base.run.settings.learning_rate
        tuning = arms.tuning_of(base, "full", learning_rate=rate, **common)
        found["scratch"] = arms.learn("scratch", arms.from_scratch(base, args.seed), tuning, work)
    return found


def _introduction(base: trained.Trained, folder: str, data: examples.Data, work: arms.Work) -> str:
    settings = base.run.settings
    lines = [
        f"run         {escaped(folder)}: {settings.size}, {settings.objective}, step {base.step:,}",
        f"data        {len(data.learned):,} examples to learn from, {len(data.held_out):,} to validate with",
    ]
    if work.labels:
        most = max(sum(example.wanted == label for example in data.held_out) for label in work.labels)
        share = most / len(data.held_out)
        lines.append(f"labels      {len(work.labels)}; the most frequent one is right for {share:.1%} of the latter")
    if work.cut:
        lines.append(f"warning     {work.cut:,} examples were cut to the {settings.sequence_length} tokens of a row")
    if data.in_both:
        lines.append(f"warning     {data.in_both:,} texts to validate with are also learned from: scores are too good")
    return "\n".join(lines)


def _report(found: Mapping[str, arms.Arm], gains: Mapping[str, Gain]) -> str:
    """A line for each metric, a column for each arm; a gain above 0 is for the better."""
    lines = []
    for metric in next(iter(found.values())).scores.metrics:
        line: dict[str, Any] = {"metric": metric, **{name: arm.scores.metrics[metric] for name, arm in found.items()}}
        if gain := gains.get(metric):
            line |= {"gain": gain.difference, "from": gain.low, "to": gain.high}
        lines.append(line)
    shown = table(lines, ["metric", *found, "gain", "from", "to"])
    return f"{shown}\n(above 0 the transfer is better; from and to: 95% over the examples)" if gains else shown


def _result(arm: arms.Arm) -> dict[str, Any]:
    return {
        **dataclasses.asdict(arm.tuning),
        "weights_learned": arm.num_learning,
        "losses": list(arm.losses),
        "metrics": dict(arm.scores.metrics),
    }


def _lines(predictions: Sequence[Prediction], others: Sequence[Prediction]) -> list[dict[str, Any]]:
    """The predictions, with those of the arm from scratch beside them."""
    found = [dataclasses.asdict(prediction) for prediction in predictions]
    for line, other in zip(found, others, strict=False):
        line |= {"scratch_found": other.found, "scratch_right": other.right, "scratch_nats": other.nats}
    return found


def _check(args: argparse.Namespace) -> None:
    """ValueError where a flag cannot be meant."""
    if args.task == "prompts" and args.method == "frozen":
        raise ValueError("--method frozen trains a head alone and --task prompts has none; give --method lora or full")
    if args.scratch_like and (args.method != "full" or args.learning_rate):
        raise ValueError(
            "--scratch-like trains all weights at --scratch-learning-rate; leave --method and --learning-rate out, or "
            "give --run"
        )
    check_device(args.device)
    if os.path.lexists(args.output):
        raise ValueError(f"{args.output} exists already; choose another --output")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.finetune",
        description="Fine-tunes a model of trainers.pretrain on texts with labels or on prompts with answers, and "
        "compares it with the same architecture from scratch.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="RUN", help="the --output of trainers.pretrain")
    model.add_argument("--scratch-like", metavar="RUN", help="train the architecture of a run from scratch, alone")
    add("--step", type=int, metavar="N", help="of a checkpoint; default: the newest")
    add("--data", metavar="FILE", required=True, help="JSON lines, plain, .gz or .zst: text, label; or prompt, answer")
    add("--validation", metavar="FILE", help="the same; default: a share of --data, by a hash of the text")
    add("--validation-share", type=share, metavar="X", default=0.2, help="that is held out (default: 0.2)")
    add("--task", choices=list(examples.FIELDS), required=True, help="labels of texts, or answers to prompts")
    add("--method", choices=METHODS, default="full", help="what learns: the head, all, or adapters (default: full)")
    add("--output", metavar="DIR", required=True, help="new folder: finetune.json, weights, predictions.jsonl")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=whole(1), metavar="N", default=3, help="over the examples (default: 3)")
    length.add_argument("--steps", type=whole(1), metavar="N", help="instead of --epochs")
    add("--batch-size", type=whole(1), metavar="N", default=16, help="examples in a step (default: 16)")
    add(
        "--learning-rate",
        type=positive,
        metavar="X",
        help="at its peak (default: lora the run's own, full a tenth of it, frozen 1 / width)",
    )
    add("--rank", type=whole(1), metavar="R", default=8, help="of adapters (default: 8)")
    add("--alpha", type=positive, metavar="X", help="adapters are scaled by alpha / rank (default: twice the rank)")
    add(
        "--projections",
        choices=PROJECTIONS,
        nargs="+",
        default=["q", "v"],
        help="of attention that have adapters (default: q v)",
    )
    add("--seed", type=whole(0), metavar="S", default=0, help="of order, adapters and first weights (default: 0)")
    add(
        "--compare-scratch",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train the same architecture from scratch as well (default: yes)",
    )
    add("--scratch-learning-rate", type=positive, metavar="X", help="default: the one that the run was trained with")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    add(
        "--threads", type=whole(1, 4096), metavar="N", default=torch.get_num_threads(), help="default: what torch finds"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
