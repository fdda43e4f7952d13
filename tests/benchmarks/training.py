"""How fast a decoder is trained on a CPU, beside transformers' Trainer and litgpt on the same rows.

    python -m tests.benchmarks.training --corpus DIR --size 1m --steps 30 --rounds 3 --peers

Each program trains a Llama of the same shape, in a process of its own, in turn, on the same rows of the corpus in the
same order, with AdamW, float32, the same passes and threads, as its own users start it: `trainers.pretrain`;
transformers' Trainer with LlamaForCausalLM; the model and the loop of `litgpt pretrain`, which compiles unless told
not to. A step's seconds are from the end of the step before to its own, so they hold whatever a program does beside
it, such as logs; the first steps are left out. Seconds of the CPU are there for a machine that does other things,
too, on which only those of one thread mean something. Ours attends inside documents, the others across the row.

The peers are installed into environments of their own under build/benchmarks/, as their requirements exclude each
other; --transformers-python and --litgpt-python take environments that are there already, made with

    pip install torch==VERSION transformers==5.23.0 accelerate==1.15.0 numpy
    pip install torch==VERSION litgpt==0.5.13 numpy

nanoGPT is not on PyPI; litgpt's model says that it is based on it.
"""

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import peer
from trainers import options, reading
from trainers.admit import Corpus, admit
from trainers.batches import Rows
from trainers.models import decoder
from trainers.models.sizes import SIZES
from trainers.settings import Settings

TORCH = f"torch=={importlib.metadata.version('torch').partition('+')[0]}"
TRANSFORMERS = [TORCH, "transformers==5.23.0", "accelerate==1.15.0", "numpy"]
LITGPT = [TORCH, "litgpt==0.5.13", "numpy"]
_STEP = re.compile(r"step (\d+)/\d+  loss (\S+)  ")


Steps = list[tuple[float, float, float]]  # seconds of a clock and of the CPU at the end of each step, and its loss


@dataclasses.dataclass(frozen=True)
class Timed:
    """What a program did."""

    tokens_per_second: float  # of the median step
    tokens_per_cpu_second: float  # of all steps, and of all threads together
    loss: float  # of the last step, in nats


def main(argv: Sequence[str] | None = None) -> None:
    """Trains in turn and prints a table of Markdown."""
    args = _parser().parse_args(argv)
    corpus = admit(args.corpus)
    chosen = ("size", "steps", "batch_rows", "micro_rows", "sequence_length", "threads")
    given = {name: getattr(args, name) for name in chosen if getattr(args, name) is not None}
    settings = options.resolve({**given, "device": "cpu", "precision": "float32"})
    print(f"`python -m tests.benchmarks.training {shlex.join(sys.argv[1:] if argv is None else argv)}`, ", end="")
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.machine()}, {TORCH}; {settings.size}, ", end="")
    print(f"{settings.batch_rows} rows of {settings.sequence_length} in passes of {settings.micro_rows}, ", end="")
    print(f"a vocabulary of {corpus.vocab_size:,}, {settings.threads} threads, {settings.steps} steps\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        programs = programs_of(args, settings, corpus, Path(folder))
        found: dict[str, list[Timed]] = {name: [] for name in programs}
        for number in range(args.rounds):
            for name, run in programs.items():
                work = Path(folder, f"{number}-{name}")
                work.mkdir()
                timed = of_steps(run(work), settings, skip=args.skip)
                print(f"{name}: {timed.tokens_per_second:,.0f} tokens/s, loss {timed.loss:.3f}", file=sys.stderr)
                found[name].append(timed)
    print(*table(found), sep="\n")


def programs_of(
    args: argparse.Namespace, settings: Settings, corpus: Corpus, folder: Path
) -> dict[str, Callable[[Path], Steps]]:
    """Each program by name: it trains in a folder, and returns when each step ended and the step's loss."""
    programs: dict[str, Callable[[Path], Steps]] = {"trainers.pretrain": lambda work: ours(args.corpus, settings, work)}
    if args.compile:
        programs["trainers.pretrain --compile"] = lambda work: ours(args.corpus, settings, work, "--compile")
    if not args.peers:
        return programs
    np.save(folder / "rows.npy", rows_of(settings, corpus))
    spec = specification(settings, corpus)

    def add(name: str, program: str, python: str, **environment: str) -> None:
        programs[name] = lambda work: peer_run(program, python, spec, folder / "rows.npy", work, environment)

    built = Path("build/benchmarks")
    hugging_face = args.transformers_python or peer.environment(built / "transformers-5.23.0", [TRANSFORMERS])
    litgpt = args.litgpt_python or peer.environment(built / "litgpt-0.5.13", [LITGPT])
    add("transformers' Trainer", "transformers", hugging_face)
    add("litgpt, not compiled", "litgpt", litgpt, TORCH_COMPILE_DISABLE="1")
    if args.compile:
        add("litgpt", "litgpt", litgpt)
    return programs


def ours(corpus: str, settings: Settings, folder: Path, *more: str) -> Steps:
    """Runs `trainers.pretrain` and notes when it prints that a step has ended."""
    flags = {"size", "steps", "batch_rows", "micro_rows", "sequence_length", "threads", "device", "precision"}
    given = [f"--{name.replace('_', '-')}={getattr(settings, name)}" for name in sorted(flags)]
    rarely = [f"--{name}={settings.steps}" for name in ("validate-every", "checkpoint-every")]
    command = [sys.executable, "-m", "trainers.pretrain", "--corpus", corpus, "--output", str(folder / "run")]
    steps: Steps = []
    with subprocess.Popen(
        [*command, *given, *rarely, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := _STEP.match(line):
                steps.append((time.perf_counter(), cpu_seconds(process.pid), float(found[2])))
    if process.returncode:
        sys.exit(f"{shlex.join(process.args)} failed:\n{''.join(lines[-20:])}")
    return steps


def peer_run(
    program: str, python: str, spec: Mapping[str, Any], rows: Path, folder: Path, environment: Mapping[str, str]
) -> Steps:
    """Runs `training_peers.py` in a peer's environment."""
    (folder / "spec.json").write_text(json.dumps({**spec, "folder": str(folder / "output")}))
    script = Path(__file__).with_name("training_peers.py")
    variables = [f"{name}={value}" for name, value in environment.items()]
    files = [str(path) for path in (folder / "spec.json", rows, folder / "steps.json")]
    peer.checked(["env", *variables, python, str(script), program, *files])
    return [(end, used, loss) for end, used, loss in json.loads((folder / "steps.json").read_text())]


def cpu_seconds(process: int) -> float:
    """What a process that runs has used so far; nan where the system does not say it as Linux does."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)


def rows_of(settings: Settings, corpus: Corpus) -> np.ndarray:
    """What all steps of a run read: int64 (steps * batch rows, T + 1), what precedes a row and its tokens."""
    data = reading.data_of([corpus], settings)
    rows = Rows(
        data.stream,
        num_tokens=data.plan.num_tokens,
        sequence_length=settings.sequence_length,
        end_of_text_id=corpus.end_of_text_id,
        vocab_size=corpus.vocab_size,
    )
    shape = (settings.steps * settings.batch_rows, settings.sequence_length + 1)
    made = np.full(shape, corpus.end_of_text_id, np.int64)
    numbers = [pair for step in range(settings.steps) for pair in zip(*data.plan.rows(step + 1), strict=True)]
    for place, (epoch, number) in zip(made, numbers, strict=True):
        row = rows.row(int(number), epoch=int(epoch))
        place[0], place[1 : 1 + len(row.tokens)] = row.before, row.tokens
    return made


def specification(settings: Settings, corpus: Corpus) -> dict[str, Any]:
    """What the peers are told: the settings, and the shape as each of them writes it."""
    size, length = SIZES[settings.size], settings.sequence_length
    names = ("steps", "batch_rows", "micro_rows", "threads", "seed", "learning_rate", "warmup_steps")
    llama = decoder.config(
        size, vocab_size=corpus.vocab_size, sequence_length=length, end_of_text_id=corpus.end_of_text_id
    )
    litgpt = {
        "block_size": length,
        "n_layer": size.layers,
        "n_embd": size.width,
        "n_head": size.heads,
        "n_query_groups": size.key_value_heads,
        "intermediate_size": size.hidden,
        "vocab_size": corpus.vocab_size,
        "padded_vocab_size": corpus.vocab_size,
        "norm_class_name": "RMSNorm",
        "norm_eps": decoder.NORM_EPSILON,
        "mlp_class_name": "LLaMAMLP",
        "rotary_percentage": 1.0,
        "parallel_residual": False,
        "bias": False,
    }
    return {name: getattr(settings, name) for name in names} | {"llama": llama, "litgpt": litgpt}


def of_steps(steps: Steps, settings: Settings, *, skip: int) -> Timed:
    """The speed of the median step after the first `skip`, from the clock at the end of each."""
    assert len(steps) == settings.steps, (len(steps), settings.steps)
    step = settings.batch_rows * settings.sequence_length
    seconds = np.diff([end for end, _, _ in steps])[skip - 1 :]
    used = steps[-1][1] - steps[skip - 1][1]
    return Timed(step / float(np.median(seconds)), step * len(seconds) / used, steps[-1][2])


def table(found: Mapping[str, Sequence[Timed]]) -> list[str]:
    """A line for each program; a ratio is the median of those of the rounds, so that a busy machine is in both."""
    lines = ["| Program | Tokens/s | Ours to it | Tokens/s of CPU | Ours to it | Last loss |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    first = next(iter(found.values()))
    for name, runs in found.items():
        cells = []
        for kind in ("tokens_per_second", "tokens_per_cpu_second"):
            rates = [getattr(timed, kind) for timed in runs]
            ratios = [getattr(mine, kind) / its for mine, its in zip(first, rates, strict=True)]
            spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
            cells += [f"{statistics.median(rates):,.0f}", f"{statistics.median(ratios):.2f}{spread}"]
        cells.append(f"{statistics.median(timed.loss for timed in runs):.3f}")
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--corpus", required=True, metavar="DIR", help="of pipelines.curate")
    add("--size", choices=list(SIZES), default="1m")
    add("--steps", type=int, default=30, metavar="N")
    add("--skip", type=int, default=5, metavar="N", help="first steps that are not timed (default: 5)")
    add("--rounds", type=int, default=3, metavar="N", help="in turn; the median counts (default: 3)")
    add("--batch-rows", type=int, metavar="N", help="rows in a step (default: trainers.pretrain's)")
    add("--micro-rows", type=int, metavar="N", help="rows in a pass (default: trainers.pretrain's)")
    add("--sequence-length", type=int, metavar="T", help="tokens in a row (default: trainers.pretrain's)")
    add("--threads", type=int, metavar="N", help="(default: what torch finds)")
    add("--compile", action="store_true", help="also with torch.compile, where a program offers it")
    add("--peers", action="store_true", help="transformers' Trainer and litgpt too")
    add("--transformers-python", metavar="PYTHON", help="of an environment with transformers and accelerate")
    add("--litgpt-python", metavar="PYTHON", help="of an environment with litgpt")
    return parser


if __name__ == "__main__":
    main()
