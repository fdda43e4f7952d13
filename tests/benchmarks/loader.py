"""How many tokens a second the loader makes ready for each objective, beside what a model on this machine consumes.

    python -m tests.benchmarks.loader --corpus DIR --size 1m

The loader is what a run has, stream, rows and batches of the objective, without the thread that runs it ahead; the
model takes forward and backward passes and a step of AdamW on batches that are made before. Both on one thread, in
turn, in seconds of CPU time, which other programs on the machine change little; the median of the rounds counts.
"""

import argparse
import datetime
import functools
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch

from trainers import batches, catalog, loop, optimizer, options, parallel, reading
from trainers.admit import Corpus, admit
from trainers.batches import Loader, Rows
from trainers.guard import Guard
from trainers.settings import Settings


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a line of Markdown for each objective."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    corpus = admit(args.corpus)
    print(f"`python -m tests.benchmarks.loader {shlex.join(sys.argv[1:] if argv is None else argv)}`, ", end="")
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}\n")
    print("| Objective | Loader, tokens/s | Model, tokens/s | Ratio |\n| --- | ---: | ---: | ---: |", flush=True)
    for objective in args.objectives:
        given = {"objective": objective, "size": args.size, "threads": 1, "device": "cpu", "precision": "float32"}
        settings = options.resolve({**given, "steps": 1 + args.steps * args.rounds})
        loader, trainee = of_run(settings, corpus)
        made, consumed = [], []
        for number in range(args.rounds):
            steps = range(2 + number * args.steps, 2 + (number + 1) * args.steps)
            made.append(loader_speed(loader, steps))
            consumed.append(model_speed(trainee, loader, range(1, 1 + args.passes), settings.micro_rows))
        ours, its = statistics.median(made), statistics.median(consumed)
        print(f"| {objective} | {ours:,.0f} | {its:,.0f} | {ours / its:,.0f} |", flush=True)


def of_run(settings: Settings, corpus: Corpus) -> tuple[Loader, loop.Trainee]:
    """The loader and the model of a run with these settings, both used once."""
    data = reading.data_of([corpus], settings)
    rows = Rows(
        data.stream,
        num_tokens=data.plan.num_tokens,
        sequence_length=settings.sequence_length,
        end_of_text_id=corpus.end_of_text_id,
        vocab_size=corpus.vocab_size,
    )
    counts = functools.partial(batches.counted, data.stream, corpus.vocab_size)
    objective = catalog.objective_of(settings, catalog.Vocabulary(corpus.vocab_size, corpus.specials, counts))
    loader = Loader(rows, data.plan, objective)
    model = catalog.model_of(settings, corpus.vocab_size)
    optimizers = optimizer.build(model, name=settings.optimizer, learning_rate=settings.learning_rate)
    trainee = loop.Trainee(model, optimizers, objective, Guard(), parallel.ALONE, settings.precision)
    take(trainee, loader, range(1, 2), settings.micro_rows)
    return loader, trainee


def loader_speed(loader: Loader, steps: Sequence[int]) -> float:
    """Tokens of some steps for each second of CPU time."""
    return rate(lambda: sum(tokens_of(loader(step)[0]) for step in steps))


def model_speed(trainee: loop.Trainee, loader: Loader, steps: Sequence[int], micro_rows: int) -> float:
    """Tokens that a model learns from for each second of CPU time; the batches are made before."""
    made = {step: loader(step) for step in steps}
    return rate(lambda: take(trainee, made.__getitem__, steps, micro_rows))


def take(
    trainee: loop.Trainee, loader: Callable[[int], tuple[list, object]], steps: Sequence[int], micro_rows: int
) -> int:
    """Takes some steps of the loop; returns how many tokens were read."""
    ready = ((step, *loader(step)) for step in steps)
    learned = loop.train(trainee, batches=ready, micro_rows=micro_rows, learning_rate=lambda step: 1e-4)
    return sum(step.tokens for step, _ in learned)


def tokens_of(rows: Sequence) -> int:
    """Tokens of the rows of a step."""
    return sum(len(row.tokens) for row in rows)


def rate(work: Callable[[], int]) -> float:
    """What a piece of work returns for each second of CPU time that it takes."""
    started = time.process_time()
    count = work()
    return count / (time.process_time() - started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--corpus", required=True, metavar="DIR", help="of pipelines.curate, with a mask token and sentinels")
    add("--size", default="1m", help="of the model (default: 1m, which consumes the most)")
    add("--objectives", nargs="+", choices=list(catalog.OBJECTIVES), default=list(catalog.OBJECTIVES))
    add("--steps", type=int, default=50, metavar="N", help="of the loader in a round (default: 50)")
    add("--passes", type=int, default=2, metavar="N", help="steps of the model in a round (default: 2)")
    add("--rounds", type=int, default=3, metavar="N", help="in turn (default: 3)")
    return parser


if __name__ == "__main__":
    main()
