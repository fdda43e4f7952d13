"""Says how well models predict texts: `python -m trainers.evaluate --run RUN --text FILE`, or `--corpus DIR`.

Of causal models in bits per byte: the code length of a text, which two tokenizers and two vocabularies have in common.
With several --run each has a column, on the same documents: two corpora are compared by what models of both make of
neutral text, not of the held-out part of either. The losses of other objectives are no code length of a text; they
are given in nats a target, for one run at a time.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from curation import storage
from curation.shards import SPLITS, ShardInfo
from trainers import batches, catalog, matrix, reading, text_scores, texts
from trainers.admit import Corpus, admit
from trainers.answers import Speaker
from trainers.batches import Rows
from trainers.command import carried_out, show, whole
from trainers.matrix import Collection, Column
from trainers.objectives.causal import TERM
from trainers.stream import Stream
from trainers.table import plain
from trainers.text_scores import Passes
from trainers.trained import Trained, load


@dataclasses.dataclass
class Sources:
    """The corpora and text files to score, each read once."""

    corpora: Sequence[Corpus]
    files: Sequence[str]
    split: str
    max_documents: int
    read: dict[str, list[Collection]] = dataclasses.field(default_factory=dict)  # texts, by the tokenizer's digest

    def collections(self, trained: Trained, *, folder: str) -> list[Collection]:
        """Everything in a run's tokens; ValueError where a corpus has those of another tokenizer."""
        digest = hashlib.sha256(trained.tokenizer).hexdigest()
        found = []
        for corpus in self.corpora:
            if (other := corpus.manifest.tokenizer["sha256"]) != digest:
                raise ValueError(
                    f"--corpus {corpus.path} holds tokens of another tokenizer than {folder} was trained with: its "
                    f"sha256 is {other}, expected {digest}; give the corpus's documents as --text"
                )
            split = corpus.train if self.split == "train" else corpus.validation
            stream = _first(Stream.of_split(split, without=corpus.tombstones), self.max_documents)
            if not stream.num_bytes:
                raise ValueError(
                    f"--corpus {corpus.path} has no text in its {self.split} split; "
                    f"give --split {'validation' if self.split == 'train' else 'train'}, or another corpus"
                )
            found.append(Collection(corpus.path, stream))
        if digest not in self.read:
            info = ShardInfo("validation", digest, trained.run.vocab_size, trained.run.end_of_text_id, recipe_sha256="")
            tokenizer = Speaker.of(trained).tokenizer if self.files else None
            self.read[digest] = [
                Collection(
                    path,
                    Stream.of_split(texts.read(path, tokenizer, info=info, max_documents=self.max_documents)),
                )
                for path in self.files
                if tokenizer is not None
            ]
        return found + self.read[digest]


def scored(trained: Trained, collections: Sequence[Collection], *, folder: str, stride: int, passes: Passes) -> Column:
    """What the model of a run makes of each collection; a `stride` of 0 is the length of its rows."""
    run = trained.run
    length, name = run.settings.sequence_length, run.settings.objective
    if not 0 <= stride <= length:
        raise ValueError(f"--stride {stride}: expected 1 to {length}, the tokens in a row of {folder}")
    if name == "causal":
        scores = [
            {
                TERM: text_scores.of_windows(
                    trained.model,
                    text_scores.windows_of(
                        collection.stream,
                        sequence_length=length,
                        stride=stride or length,
                        end_of_text_id=run.end_of_text_id,
                    ),
                    collection.stream.num_documents,
                    sequence_length=length,
                    padding_id=run.end_of_text_id,
                    passes=passes,
                )
            }
            for collection in collections
        ]
        return Column(folder, trained.step, name, {TERM: 1.0}, collections, scores)
    if stride:
        raise ValueError(f"--stride is for causal models, and {folder} was trained by {name}; leave it out")

    def counts() -> np.ndarray:  # of what the run read, from which it draws what is not there
        return batches.counted(reading.data_of_run(run, folder).stream, run.vocab_size)

    objective = catalog.objective_of(run.settings, catalog.Vocabulary(run.vocab_size, trained.specials, counts))
    found = []
    for collection in collections:
        rows = Rows(
            collection.stream,
            num_tokens=collection.stream.num_tokens,
            sequence_length=length,
            end_of_text_id=run.end_of_text_id,
            vocab_size=run.vocab_size,
        )
        found.append(text_scores.of_rows(trained.model, objective, rows, passes=passes))
    return Column(folder, trained.step, name, objective.weights, collections, found)


def _first(stream: Stream, max_documents: int) -> Stream:
    if not max_documents or stream.num_documents <= max_documents:
        return stream
    return Stream.of(stream.splits, stream.sources[:max_documents], stream.documents[:max_documents])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    return carried_out("evaluate", args, lambda: _evaluated(args), memory="give fewer --micro-rows")


def _evaluated(args: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        output = None
        if args.output:  # before anything is computed, as a folder may not be there
            path = stack.enter_context(storage.publish(args.output))
            output = stack.enter_context(open(path, "w", encoding="utf-8"))
        columns = _columns(args)
        if output:
            for column in columns:
                output.writelines(json.dumps(plain(line)) + "\n" for line in matrix.document_lines(column))
    lines = matrix.lines_of(columns, by=args.by, min_bytes=args.min_bytes)
    if args.json:
        return show("\n".join(json.dumps(plain(line)) for group in lines for line in group))
    return show("\n".join([*matrix.heading(columns, stride=args.stride), "", matrix.shown(lines, by=args.by)]))


def _columns(args: argparse.Namespace) -> list[Column]:
    if not args.corpus and not args.text:
        raise ValueError("nothing to score: give --corpus DIR or --text FILE")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no GPU here; leave the flag out to use the CPU")
    steps = args.step if len(args.step) > 1 else (args.step or [None]) * len(args.run)
    if len(steps) != len(args.run):
        raise ValueError(f"found --step {len(steps)} times and --run {len(args.run)} times: give it once, or for each")
    sources = Sources([admit(path) for path in args.corpus], args.text, args.split, args.max_documents)
    columns: list[Column] = []
    for folder, step in zip(args.run, steps, strict=True):
        trained = load(folder, step=step, device=args.device)
        settings = trained.run.settings
        if len(args.run) > 1 and settings.objective != "causal":
            raise ValueError(
                f"{folder} was trained by {settings.objective}: only the losses of causal models can be compared; "
                "give this --run alone"
            )
        passes = Passes(args.micro_rows or settings.micro_rows, torch.device(args.device), settings.precision)
        collections = sources.collections(trained, folder=folder)
        columns.append(scored(trained, collections, folder=folder, stride=args.stride, passes=passes))
    return columns


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.evaluate",
        description="Scores texts with the model of a run: bits per byte of a causal one, else its own loss. Documents "
        "longer than a row are cut into windows.",
        allow_abbrev=False,
    )

    def add(flag: str, metavar: str, text: str, **options: Any) -> None:
        parser.add_argument(flag, metavar=metavar, help=text, **options)

    add("--run", "RUN", "the --output of trainers.pretrain; several: a column each", action="append", required=True)
    add("--step", "N", "of a checkpoint, once or for each --run; default: the newest", action="append", type=whole(1))
    add("--corpus", "DIR", "with the run's tokenizer; several: a line each", nargs="+", action="extend")
    add(
        "--text",
        "FILE",
        "a document as .txt; or .jsonl, .jsonl.gz, .jsonl.zst with a text a line",
        nargs="+",
        action="extend",
    )
    parser.add_argument("--split", choices=sorted(SPLITS), default="validation", help="of --corpus")
    parser.add_argument("--by", choices=matrix.GROUPS, default="corpus", help="a line for each (default: corpus)")
    add("--min-bytes", "N", "join hosts with less text (default: 10000)", type=whole(1), default=10_000)
    add("--max-documents", "N", "the first ones of each corpus and file; default: all", type=whole(1), default=0)
    add("--stride", "N", "overlap windows, so that each after the first scores N tokens", type=whole(1), default=0)
    add("--micro-rows", "N", "rows in one pass; default: as in training", type=whole(1), default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--json", action="store_true", help="one object a line, for each line and column")
    add("--output", "FILE", "also writes what each document cost, as JSON lines")
    parser.set_defaults(corpus=[], text=[], step=[])
    return parser


if __name__ == "__main__":
    sys.exit(main())
