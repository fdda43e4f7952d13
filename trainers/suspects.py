"""Lists the documents that a run found easiest and hardest to predict: `python -m trainers.suspects --run RUN`.

The lowest losses are those of text that was read before: copies that slipped through, templates, lists. The highest are
garbage, or another language or script than the rest. `trainers.scores` says how they are compared. With --output the
curation side has each with its archive and offset; whether it is a fault is for a reader to decide.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from curation import storage
from trainers import ledger, pages, scores, trace
from trainers.command import carried_out, show, whole
from trainers.scores import Scores
from trainers.stream import Stream
from trainers.table import plain, table

_GROUPS = ("document", "host", "language", "corpus")
_ABOUT = ("kind", "z", "loss", "targets", "sights")  # columns of every table, before what is listed
_SHOWN = ("id", "url", "warc", "offset", "signals")


def lowest_and_highest(found: Scores, *, lowest: int, highest: int) -> list[tuple[str, int]]:
    """The numbers in `found` of the lowest and of the highest z, the farthest first, each once; ties as they come."""
    order = np.argsort(found.z, kind="stable")
    low = order[: min(lowest, max(len(order) - highest, (len(order) + 1) // 2))]  # half each where they are too few
    high = order[::-1][: min(highest, len(order) - len(low))]
    return [("lowest", int(i)) for i in low] + [("highest", int(i)) for i in high]


def suspects(stream: Stream, found: Scores, *, lowest: int, highest: int) -> list[dict[str, Any]]:
    """The documents with the lowest and the highest z as lines: what they cost, and where they are from."""
    chosen = lowest_and_highest(found, lowest=lowest, highest=highest)
    numbers = np.array([number for _, number in chosen], np.int64)
    described = pages.descriptions(stream, found.names[numbers].astype(np.int64))
    return [
        {**_line(found, number, kind), **plain(page)} for (kind, number), page in zip(chosen, described, strict=True)
    ]


def sources(stream: Stream, found: Scores, by: str, *, corpora: Sequence[str]) -> Scores:
    """Scores of documents joined by host, language or corpus; `corpora` are the names of the stream's splits."""
    occurrences = found.names.astype(np.int64)
    if by == "corpus":
        return scores.grouped(found, pa.array(np.array(corpora, object)[stream.sources[occurrences]], pa.string()))
    if by == "language":
        return scores.grouped(found, pages.documents(stream, occurrences, ["language"])["language"].fill_null("-"))
    assert by == "host", by
    return scores.grouped(found, pages.hosts(pages.documents(stream, occurrences, ["url"])["url"]))


def by_signal(stream: Stream, found: Scores, name: str, *, bins: int = 10) -> Scores:
    """Scores of documents joined by bins of a signal or numeric column; ValueError where no document has it."""
    occurrences = found.names.astype(np.int64)
    values = np.full(len(occurrences), np.nan)
    for source, split in enumerate(stream.splits):
        chosen = stream.sources[occurrences] == source
        values[chosen] = split.numbers(name)[stream.documents[occurrences[chosen]]]
    if np.isnan(values).all():
        known = sorted({each for split in stream.splits for shard in split.shards for each in shard.signals})
        raise ValueError(f"no document has the signal {name!r}, expected one of {', '.join(known) or 'none'}")
    return scores.binned(found, values, bins=bins)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    return carried_out("suspects", args, lambda: _listed(args), memory="ask on a machine with more")


def _listed(args: argparse.Namespace) -> int:
    lines, names = _answer(args)
    if args.output:
        with storage.publish(args.output) as path, open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    return show("\n".join(map(json.dumps, lines)) if args.json else table(lines, names))


def _answer(args: argparse.Namespace) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The lines, and which values of them a table shows."""
    reading = trace.reading_of(args.run, args.corpus)
    stream, rows = reading.stream, scores.of_term(ledger.read(args.run), args.term)
    every = scores.of_documents(rows, stream)
    if args.signal:
        found = by_signal(stream, every, args.signal)
        lines = [{args.signal: found.names[i], **_line(found, i, "")} for i in range(len(found.z))]
        return [_without(line, "kind") for line in lines], (args.signal, "documents", "targets", "loss", "z")
    found = every if args.by == "document" else sources(stream, every, args.by, corpora=reading.corpora)
    found = found.select(found.targets >= args.min_tokens)
    if not len(found.z):
        raise ValueError(
            f"no {args.by} in the ledger of {args.run} has {args.min_tokens} scored tokens; lower --min-tokens"
        )
    if args.by == "document":
        return suspects(stream, found, lowest=args.lowest, highest=args.highest), (*_ABOUT, *_SHOWN)
    chosen = lowest_and_highest(found, lowest=args.lowest, highest=args.highest)
    lines = [{**_line(found, number, kind), args.by: found.names[number]} for kind, number in chosen]
    return lines, (*_ABOUT, "documents", args.by)


def _line(found: Scores, number: int, kind: str) -> dict[str, Any]:
    counts = {name: int(getattr(found, name)[number]) for name in ("documents", "targets", "sights")}
    return {"kind": kind, **counts, **{name: float(getattr(found, name)[number]) for name in ("loss", "excess", "z")}}


def _without(line: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != name}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.suspects",
        description="Lists the documents, hosts or languages that a run found easiest and hardest to predict.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", metavar="RUN", required=True, help="the --output of trainers.pretrain")
    parser.add_argument("--lowest", type=whole(0), metavar="N", default=20, help="of the lowest losses (default: 20)")
    parser.add_argument("--highest", type=whole(0), metavar="N", default=20, help="of the highest (default: 20)")
    parser.add_argument("--by", choices=_GROUPS, default="document", help="what is listed (default: document)")
    parser.add_argument("--signal", metavar="NAME", help="instead: the loss in ten bins of a signal, such as copies")
    parser.add_argument(
        "--min-tokens", type=whole(0), metavar="N", default=64, help="leave out what has fewer scored (default: 64)"
    )
    parser.add_argument("--term", metavar="NAME", help="of the loss, where it has several (default: the first)")
    parser.add_argument(
        "--corpus", metavar="DIR", action="append", default=[], help="where a corpus of the run is now; in their order"
    )
    parser.add_argument("--output", metavar="FILE", help="also writes the lines as JSON, for the curation side")
    parser.add_argument("--json", action="store_true", help="one object a line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
