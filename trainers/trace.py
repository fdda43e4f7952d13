"""Says which documents a step was trained on, and which steps a document was in.

`python -m trainers.trace --run RUN --step N`, or `--document ID`. Nothing was logged for it: the plan is arithmetic, so
the answer holds for every step of the run, taken or not.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainers import run as runs
from trainers.admit import Corpus, admit
from trainers.plan import Plan


@dataclasses.dataclass(frozen=True)
class Piece:
    """Tokens of one document that are targets in one step."""

    step: int
    document: int  # its number in the training split
    start: int  # in the document, in tokens
    stop: int


def pieces_of_step(corpus: Corpus, plan: Plan, *, step: int) -> list[Piece]:
    """What a step trains on, in reading order."""
    pieces = []
    for row in plan.rows(step):
        documents, edges = corpus.train.spans(*plan.tokens(int(row)))
        starts = corpus.train.doc_starts[documents]
        for document, start, stop in zip(documents, edges[:-1] - starts, edges[1:] - starts, strict=True):
            pieces.append(Piece(step=step, document=int(document), start=int(start), stop=int(stop)))
    return pieces


def pieces_of_document(corpus: Corpus, plan: Plan, *, document: int, num_steps: int) -> list[Piece]:
    """Where a run of `num_steps` reads a document, in reading order."""
    begin, end = (int(corpus.train.doc_starts[document + i]) for i in (0, 1))
    rows = np.arange(begin // plan.sequence_length, (end - 1) // plan.sequence_length + 1)
    pieces = []
    for steps in plan.steps(rows, num_steps=num_steps):
        for row, step in zip(rows, steps, strict=True):
            start, stop = plan.tokens(int(row))
            if step:
                first, last = max(start, begin) - begin, min(stop, end) - begin
                pieces.append(Piece(step=int(step), document=document, start=first, stop=last))
    return sorted(pieces, key=lambda piece: (piece.step, piece.start))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trainers.trace",
        description="Prints the documents of a step of a run, or the steps of a document.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", metavar="RUN", required=True, help="the --output of trainers.pretrain")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--step", type=int, metavar="N", help="counted from 1, as printed")
    asked.add_argument("--document", metavar="ID", help="the id of a document of the training split")
    parser.add_argument("--corpus", metavar="DIR", help="where the corpus is, if not where the run found it")
    parser.add_argument("--json", action="store_true", help="one object a line")
    args = parser.parse_args(argv)
    try:
        run = runs.load(args.run)
        corpus = _corpus(args.corpus or run.corpus, run, folder=args.run)
        if args.step is not None:
            lines = _step_lines(corpus, run, step=args.step, folder=args.run)
        else:
            lines = _document_lines(corpus, run, document_id=args.document)
    except (ValueError, OSError) as error:
        print(f"trainers.trace: {error}", file=sys.stderr)
        return 1
    try:
        print("\n".join(map(json.dumps, lines)) if args.json else _table(lines), flush=True)
    except BrokenPipeError:  # the reader has seen enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _corpus(path: str, run: runs.Run, *, folder: str) -> Corpus:
    """The run's corpus by its manifest and sizes; its bytes are the trainer's to check."""
    corpus = admit(path, contents=False)
    if corpus.sha256 != run.plan.corpus_sha256:
        raise ValueError(
            f"{path} is not the corpus of the run in {folder}: its shards have the digest {corpus.sha256}, "
            f"expected {run.plan.corpus_sha256}; give the right one with --corpus"
        )
    return corpus


def _step_lines(corpus: Corpus, run: runs.Run, *, step: int, folder: str) -> list[dict[str, Any]]:
    if not 1 <= step <= run.settings.steps:
        raise ValueError(f"the run in {folder} has the steps 1 to {run.settings.steps}, found --step {step}")
    spans: dict[int, list[list[int]]] = {}
    for piece in pieces_of_step(corpus, run.plan, step=step):
        spans.setdefault(piece.document, []).append([piece.start, piece.stop])
    lines = []
    for document, ranges in spans.items():
        found = corpus.train.document(document)
        address = {name: found[name] for name in ("id", "url", "warc", "offset")}
        lines.append({**address, "tokens": sum(stop - start for start, stop in ranges), "spans": ranges})
    return lines


def _document_lines(corpus: Corpus, run: runs.Run, *, document_id: str) -> list[dict[str, Any]]:
    document = corpus.train.find(document_id)
    if document is None:
        raise ValueError(
            f"no document of the training split of {corpus.path} has the id {document_id}; "
            "ids look like those that --step prints"
        )
    spans: dict[int, list[list[int]]] = {}
    for piece in pieces_of_document(corpus, run.plan, document=document, num_steps=run.settings.steps):
        spans.setdefault(piece.step, []).append([piece.start, piece.stop])
    return [
        {"step": step, "tokens": sum(stop - start for start, stop in ranges), "spans": ranges}
        for step, ranges in spans.items()
    ]


def _table(lines: list[dict[str, Any]]) -> str:
    """Columns as wide as their widest cell, numbers to the right; spans only in JSON."""
    if not lines:
        return "no step of the run reads it"
    names = [name for name in lines[0] if name != "spans"]
    cells = [names, *([str(line[name]) for name in names] for line in lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    numeric = [isinstance(lines[0][name], int) for name in names]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


if __name__ == "__main__":
    sys.exit(main())
