"""Says which documents a step was trained on, and which steps a document, a page or a host was in.

`python -m trainers.trace --run RUN --step N`, or `--document ID`, `--url URL`, `--host HOST`. The plan is arithmetic,
so the answer holds for every step of the run, taken or not; losses are those of the run's ledger, as far as it goes.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainers import checkpoints, command, ledger, pages, reading, scores, sights
from trainers import run as runs
from trainers.dossier import dossier
from trainers.ledger import DocumentLosses
from trainers.plan import Plan
from trainers.stream import Stream
from trainers.table import table

_SIGHTS = 1000  # rows of the ledger around a step that its documents are compared with
_MOST_STEPS = 1000  # the same, steps


@dataclasses.dataclass(frozen=True)
class Reading:
    """A run and what it reads."""

    folder: str
    stream: Stream
    plan: Plan
    num_steps: int
    corpora: tuple[str, ...]  # where they are, one for each split of the stream

    @property
    def left_out(self) -> list[tuple[int, int]]:
        """First and last step of each stretch that left no trace in the weights, by the newest checkpoint."""
        saved = checkpoints.saved(self.folder)
        about = checkpoints.read_about(saved[max(saved)]) if saved else {}
        return [(first, last) for first, last in about.get("guard", {}).get("skipped", [])]

    @property
    def checkpoints(self) -> np.ndarray:
        """The steps of the checkpoints that are there, int64[n], ascending."""
        return np.array(list(checkpoints.saved(self.folder)), np.int64)


def reading_of(folder: str, corpora: Sequence[str] = ()) -> Reading:
    """The run in a folder; `corpora` are where its corpora are, if not where it found them. ValueError, see `run`."""
    run = runs.load(folder)
    data = reading.data_of_run(run, folder, corpora)
    paths = tuple(corpus.path for corpus in data.corpora)
    return Reading(folder=folder, stream=data.stream, plan=data.plan, num_steps=run.settings.steps, corpora=paths)


def documents_of_step(reading: Reading, step: int, *, term: str | None = None) -> list[dict[str, Any]]:
    """The documents of a step with what its ledger says of them; ValueError where the run has no such step."""
    if not 1 <= step <= reading.num_steps:
        raise ValueError(f"the run in {reading.folder} has the steps 1 to {reading.num_steps}, found --step {step}")
    losses, others = recorded(reading.folder, step, term=term)
    return dossier(reading.stream, reading.plan, step, losses=losses, others=others)


def steps_of_occurrences(
    reading: Reading, occurrences: np.ndarray, *, spans: bool = False, term: str | None = None
) -> list[dict[str, Any]]:
    """The steps that read any of occurrences int64[n]: tokens, loss, and the first checkpoint that has learned it.

    With `spans` also the tokens' places in the document, else the ids of the documents.
    """
    found = sights.of_occurrences(reading.stream, reading.plan, occurrences, num_steps=reading.num_steps)
    if not len(found.steps):
        return []
    steps, firsts = np.unique(found.steps, return_index=True)
    losses = _losses(reading.folder, steps, occurrences, term=term)
    saved = reading.checkpoints
    later = np.searchsorted(saved, steps)
    left_out = reading.left_out
    ids = pages.documents(reading.stream, found.occurrences, ["id"])["id"].to_pylist()
    lines = []
    for number, (step, begin, end) in enumerate(zip(steps, firsts, [*firsts[1:], len(found.steps)], strict=True)):
        line: dict[str, Any] = {
            "step": int(step),
            "documents": len(set(ids[begin:end])),
            "tokens": int(found.tokens[begin:end].sum()),
            "loss": losses.get(int(step)),
            "checkpoint": int(saved[later[number]]) if later[number] < len(saved) else None,
        }
        if any(first <= step <= last for first, last in left_out):
            line |= {"checkpoint": None, "left_out": True}
        if spans:
            line["spans"] = np.stack([found.starts[begin:end], found.stops[begin:end]], 1).tolist()
        else:
            line["ids"] = sorted(set(ids[begin:end]))
        lines.append(line)
    return lines


def recorded(run: str, step: int, *, term: str | None = None) -> tuple[DocumentLosses | None, pa.Table | None]:
    """What the documents of a step cost by the run's ledger, and the rows of about as many steps on both sides of it.

    None twice where the ledger does not have the step.
    """
    if not ledger.exists(run):
        return None, None
    own = scores.of_term(ledger.read(run, first=step, last=step), term)
    if not own.num_rows:
        return None, None
    around = min(-(-_SIGHTS // own.num_rows), _MOST_STEPS) // 2
    others = scores.of_term(ledger.read(run, first=step - around, last=step + around), term)
    return ledger.merged(
        [DocumentLosses(*(own[name].to_numpy() for name in ("occurrence", "targets", "loss")))]
    ), others


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    return command.carried_out("trace", args, lambda: _traced(args), memory="ask about fewer documents")


def _traced(args: argparse.Namespace) -> int:
    lines, names = _answer(reading_of(args.run, args.corpus), args)
    text = table(lines, names) if lines else "no step of the run reads it"
    return command.show("\n".join(map(json.dumps, lines)) if args.json else text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.trace",
        description="Prints the documents of a step of a run, or the steps of a document, a page or a host.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", metavar="RUN", required=True, help="the --output of trainers.pretrain")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--step", type=int, metavar="N", help="counted from 1, as printed")
    asked.add_argument("--document", metavar="ID", help="the id of a document, as --step prints it")
    asked.add_argument("--url", metavar="URL", help="the address of a page, as --step prints it")
    asked.add_argument("--host", metavar="HOST", help="a host, such as example.org, and all that end in .example.org")
    parser.add_argument("--term", metavar="NAME", help="of the loss, where it has several (default: the first)")
    parser.add_argument(
        "--corpus", metavar="DIR", action="append", default=[], help="where a corpus of the run is now; in their order"
    )
    parser.add_argument("--json", action="store_true", help="one object a line")
    return parser


def _answer(reading: Reading, args: argparse.Namespace) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The lines, and which values of them a table shows."""
    if args.step is not None:
        names = ("id", "url", "warc", "offset", "tokens", "loss", "z", "signals")
        return documents_of_step(reading, args.step, term=args.term), names
    if args.document is not None:
        occurrences = reading.stream.find(args.document)
        what = f"document with the id {args.document}"
    elif args.url is not None:
        occurrences, what = pages.of_url(reading.stream, args.url), f"document with the URL {args.url}"
    else:
        occurrences, what = pages.of_host(reading.stream, args.host), f"document of the host {args.host}"
    if not len(occurrences):
        raise ValueError(f"the run in {args.run} reads no {what}; they look like those that --step prints")
    is_one = args.document is not None
    lines = steps_of_occurrences(reading, occurrences, spans=is_one, term=args.term)
    return lines, ("step", *(() if is_one else ("documents",)), "tokens", "loss", "checkpoint")


def _losses(run: str, steps: np.ndarray, occurrences: np.ndarray, *, term: str | None) -> dict[int, float]:
    """The mean loss of the targets of these documents in each step, nats, as far as the ledger has them."""
    if not ledger.exists(run):
        return {}
    rows = ledger.read(run, first=int(steps[0]), last=int(steps[-1]))
    rows = scores.of_term(rows.filter(pc.is_in(rows["occurrence"], value_set=pa.array(occurrences))), term)
    sums = rows.group_by("step").aggregate([("targets", "sum"), ("loss", "sum")])
    return {row["step"]: row["loss_sum"] / row["targets_sum"] for row in sums.to_pylist()}


if __name__ == "__main__":
    sys.exit(main())
