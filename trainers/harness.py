"""Runs tasks of lm-evaluation-harness on a causal run: `python -m trainers.harness --run RUN --tasks NAME ...`.

The model is used as it is, without an export. A context begins with an end of text, as every document did in training.
Tasks that the harness brings load their data from the network; those of --include-path may lie on disk.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import storage
from trainers.answers import Speaker
from trainers.command import carried_out, check_device, show, whole
from trainers.decoding import Decoding
from trainers.likelihoods import Reader
from trainers.table import plain, table
from trainers.trained import load

_MAX_NEW_TOKENS = 256  # of a generated answer whose task does not say; HFLM's own default


def language_model(reader: Reader) -> Any:
    """The reader as a model of lm-evaluation-harness, an `lm_eval.api.model.LM`."""
    from lm_eval.api.model import LM

    class RunLM(LM):  # type: ignore[misc]
        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            return reader.likelihoods([reader.pair(*request.args) for request in requests])

        def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
            return reader.rolling([request.args[0] for request in requests])

        def generate_until(self, requests: list[Any]) -> list[str]:
            found = [""] * len(requests)
            by_options: dict[str, list[int]] = {}
            for number, request in enumerate(requests):
                by_options.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(number)
            for asked, numbers in by_options.items():
                until, decoding = decoding_of(json.loads(asked))
                texts = reader.generated([requests[n].args[0] for n in numbers], until=until, decoding=decoding)
                for number, text in zip(numbers, texts, strict=True):
                    found[number] = text
            return found

    return RunLM()


def decoding_of(options: Mapping[str, Any]) -> tuple[list[str], Decoding]:
    """What ends an answer, and how it is drawn, from a task's `generation_kwargs`; greedy unless they say otherwise."""
    until = options.get("until") or []
    names = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
    limits = [int(options[name]) for name in names if options.get(name) is not None]
    temperature = float(options.get("temperature") or 0)
    sampled = options.get("do_sample")
    if sampled and not temperature:
        temperature = 1.0
    decoding = Decoding(
        temperature=0 if sampled is False else temperature,
        top_k=int(options.get("top_k") or 0),
        top_p=float(options.get("top_p") or 1),
        max_tokens=[*limits, _MAX_NEW_TOKENS][0],
    )
    return [stop for stop in ([until] if isinstance(until, str) else until) if stop], decoding


def names_of(tasks: Sequence[str], manager: Any) -> list[str]:
    """The tasks that names and patterns mean to an `lm_eval.tasks.TaskManager`; ValueError where one means none."""
    if unknown := [task for task in tasks if not manager.match_tasks([task])]:
        raise ValueError(
            f"--tasks {' '.join(unknown)}: lm-evaluation-harness has no such task; `lm_eval ls tasks` lists them, and "
            "--include-path adds a folder of others"
        )
    return list(manager.match_tasks(list(tasks)))


def evaluated(reader: Reader, tasks: Sequence[str], *, include_path: str | None, limit: int | None) -> dict[str, Any]:
    """The tasks' results with their versions, the digests of their prompts and the versions of the programs."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=include_path, include_defaults=False) if include_path else None
    if manager is None or not set(tasks) <= set(manager.all_subtasks):
        manager = TaskManager(include_path=include_path)  # reads the thousands that the harness brings: some 10 seconds
    names = names_of(tasks, manager)
    found = simple_evaluate(language_model(reader), tasks=names, task_manager=manager, limit=limit)
    trained = reader.speaker.trained
    return {
        "step": trained.step,
        "plan_sha256": trained.run.plan.sha256,
        "tokenizer_sha256": hashlib.sha256(trained.tokenizer).hexdigest(),
        "versions": {name: importlib.metadata.version(name) for name in ("lm_eval", "torch")},
        "limit": limit,
        "results": found["results"],
        "task_versions": found["versions"],
        "task_hashes": {task: _digest(samples) for task, samples in found["samples"].items()},
        "num_fewshot": found["n-shot"],
        "num_samples": found["n-samples"],
    }


def _digest(samples: Sequence[Mapping[str, str]]) -> str:
    """What tells two versions of a task's data or prompts apart; as lm_eval's EvaluationTracker has it."""
    parts = "".join(sample["doc_hash"] + sample["prompt_hash"] + sample["target_hash"] for sample in samples)
    return hashlib.sha256(parts.encode()).hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    return carried_out("harness", args, lambda: _measured(args), memory="lower --batch-size")


def _measured(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("lm_eval") is None:
        raise ValueError(
            "lm-evaluation-harness is not installed; pip install 'lm_eval>=0.4.9,<0.5' 'transformers>=5.20,<6'"
        )
    if args.include_path and not os.path.isdir(args.include_path):
        raise ValueError(f"--include-path {args.include_path} is not a folder; give one with YAML files of tasks")
    check_device(args.device)
    trained = load(args.run, step=args.step, device=args.device)
    if (objective := trained.run.settings.objective) != "causal":
        raise ValueError(f"{args.run} was trained by {objective}; tasks need a causal model, which goes on with texts")
    reader = Reader(Speaker.of(trained), rows=args.batch_size)
    found = {"run": args.run, **evaluated(reader, args.tasks, include_path=args.include_path, limit=args.limit)}
    if args.output:
        with storage.publish(args.output) as path, open(path, "w", encoding="utf-8") as file:
            json.dump(plain(found), file, indent=1, default=str)
            file.write("\n")
    return show(table(list(_lines(found)), ["task", "version", "metric", "filter", "value", "error"]))


def _lines(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each metric of each task."""
    for task, metrics in found["results"].items():
        for key, value in metrics.items():
            metric, _, chosen = key.partition(",")
            if isinstance(value, float | int) and chosen and not metric.endswith("_stderr"):
                error = metrics.get(f"{metric}_stderr,{chosen}")
                shown = {"metric": metric, "filter": chosen, "value": float(value)}
                version = found["task_versions"].get(task)
                yield {"task": task, "version": version, **shown, "error": error if isinstance(error, float) else None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.harness",
        description="Evaluates a causal run on tasks of lm-evaluation-harness.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", metavar="RUN", required=True, help="the --output of trainers.pretrain")
    parser.add_argument("--step", type=int, metavar="N", help="of a checkpoint; default: the newest")
    parser.add_argument("--tasks", metavar="NAME", nargs="+", required=True, help="names or patterns, such as arc_*")
    parser.add_argument("--include-path", metavar="DIR", help="a folder with YAML files of other tasks")
    parser.add_argument("--limit", type=whole(1), metavar="N", help="documents of each task; default: all")
    parser.add_argument("--batch-size", type=whole(1), metavar="N", default=8, help="rows in a pass; default: 8")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--output", metavar="FILE", help="results with versions and digests of the tasks, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
