"""Marks documents that no later run may read, and says which steps and checkpoints of earlier runs have read them.

`python -m trainers.forget --corpus DIR --host example.com --run RUN`. The corpus gets a tombstone for each document;
its shards stay as they are. A run that has begun keeps its plan, or its steps could not be answered for any more.
"""

import argparse
import dataclasses
import datetime
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trainers import checkpoints, lookup, reading, sights, tombstones
from trainers import run as runs
from trainers.admit import Corpus, admit
from trainers.command import carried_out, show
from trainers.corpus import Split
from trainers.plan import Plan
from trainers.stream import Stream
from trainers.tombstones import Tombstone

_SHOWN = 10  # steps in a line


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be forgotten: documents that one of these names."""

    ids: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()  # and all hosts below them

    def documents(self, split: Split) -> np.ndarray:
        """Their numbers in a split, int64[k], ascending."""
        found = [np.zeros(0, np.int64)]
        found += [lookup.by_ids(split, self.ids)] if self.ids else []
        found += [lookup.by_urls(split, self.urls)] if self.urls else []
        found += [lookup.by_hosts(split, self.hosts)] if self.hosts else []
        return np.unique(np.concatenate(found))


@dataclasses.dataclass(frozen=True)
class Affected:
    """What of a run has read documents that are to be forgotten."""

    run: str
    documents: int  # that the run reads in any of its steps
    tokens: int  # of them, over all its steps
    steps: tuple[int, ...]  # all that read one, those to come included, ascending
    last_clean_checkpoint: str | None  # None: only the untrained weights have read none
    affected_checkpoints: tuple[str, ...]


def affected(folder: str, stream: Stream, plan: Plan, *, wanted: Wanted, num_steps: int) -> Affected:
    """The steps of a run of `num_steps` that read what is wanted, and its checkpoints before and after the first."""
    occurrences = [np.zeros(0, np.int64)]
    for source, split in enumerate(stream.splits):
        occurrences.append(stream.occurrences(source, wanted.documents(split)))
    found = sights.of_occurrences(stream, plan, np.sort(np.concatenate(occurrences)), num_steps=num_steps)
    read = np.unique(found.occurrences)
    steps = np.unique(found.steps)
    saved = checkpoints.saved(folder)
    clean = [path for step, path in saved.items() if not len(steps) or step < steps[0]]
    return Affected(
        run=folder,
        documents=len(np.unique(np.stack([stream.sources[read].astype(np.int64), stream.documents[read]]), axis=1).T),
        tokens=int(found.tokens.sum()),
        steps=tuple(steps.tolist()),
        last_clean_checkpoint=clean[-1] if clean else None,
        affected_checkpoints=tuple(path for path in saved.values() if path not in clean),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    return carried_out("forget", args, lambda: _told(args), memory="forget in several commands")


def _told(args: argparse.Namespace) -> int:
    for line in forget(args):
        show(json.dumps(line) if args.json else _sentence(line))
    return 0


def forget(args: argparse.Namespace) -> Iterable[dict[str, Any]]:
    """Writes the tombstones, then says what each corpus and each run has of the documents."""
    wanted = _wanted(args)
    day = _day(args.date)
    read = {folder: runs.load(folder) for folder in args.run}
    corpora = [admit(path, contents=False) for path in args.corpus]
    chosen = [_ids(corpus, wanted) for corpus in corpora]
    if not any(chosen):
        raise ValueError(
            f"no document of {', '.join(args.corpus)} is one of those to forget, so nothing was written; "
            "compare them with what trainers.trace prints"
        )
    for corpus, ids in zip(corpora, chosen, strict=True):
        added = tombstones.add(corpus.path, [Tombstone(name, args.reason, day) for name in ids])
        yield {"corpus": corpus.path, "documents": len(ids), "new_tombstones": added}
    for folder, run in read.items():
        data = reading.data_of_run(run, folder, _paths(run, corpora))
        yield dataclasses.asdict(
            affected(folder, data.stream, data.plan, wanted=wanted, num_steps=run.settings.steps),
        )


def _ids(corpus: Corpus, wanted: Wanted) -> list[str]:
    """The ids of the wanted documents of both splits."""
    return [
        split.document(int(number))["id"]
        for split in (corpus.train, corpus.validation)
        for number in wanted.documents(split)
    ]


def _paths(run: runs.Run, corpora: Sequence[Corpus]) -> list[str]:
    """Where the corpora of a run are: where it found them, or else among those given here."""
    given = {corpus.sha256: corpus.path for corpus in corpora}
    return [
        source.path if os.path.isdir(source.path) else given.get(source.sha256, source.path) for source in run.sources
    ]


def _wanted(args: argparse.Namespace) -> Wanted:
    named: dict[str, set[str]] = {"id": set(args.document), "url": set(args.url), "host": set(args.host)}
    for path in args.from_file:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if not line.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in line):
                    raise ValueError(f"{path}: line {number} is not text in UTF-8; write it so, or remove it")
                if line.strip() and not line.startswith("#"):
                    kind, value = _named(line.strip(), f"{path}: line {number}")
                    named[kind].add(value)
    if not any(named.values()):
        raise ValueError("nothing is named to forget; give --host, --url, --document or --from")
    for host in named["host"]:
        if lookup.host_name(host) is None:
            raise ValueError(f"{host!r} is no host; give a name such as example.com, and a URL with --url")
    return Wanted(ids=frozenset(named["id"]), urls=frozenset(named["url"]), hosts=frozenset(named["host"]))


def _named(line: str, where: str) -> tuple[str, str]:
    """What a line of a file names: an object with an id, URL or host, or one of these as it is."""
    if line.startswith("{"):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where} is not JSON ({error}); mend or remove it") from None
        for kind in ("id", "url", "host"):
            if isinstance(found.get(kind), str):
                return kind, found[kind]
        raise ValueError(f"{where} names nothing; expected an id, url or host, as trainers.suspects writes them")
    if "://" in line:
        return "url", line
    if "@" in line:
        return "id", line
    if lookup.host_name(line) is None:
        raise ValueError(f"{where} is {line!r}; expected an id such as archive.warc.gz@123, a URL, or a host")
    return "host", line


def _day(date: str | None) -> str:
    try:
        return (datetime.date.fromisoformat(date) if date else datetime.date.today()).isoformat()
    except ValueError:
        raise ValueError(f"--date is {date!r}, expected a day such as 2026-03-31") from None


def _sentence(line: dict[str, Any]) -> str:
    if "corpus" in line:
        return f"{line['corpus']}: {line['documents']:,} documents, {line['new_tombstones']:,} of them newly forgotten"
    if not line["steps"]:
        return f"{line['run']}: no step reads them"
    numbers, paths = line["steps"], line["affected_checkpoints"]
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
    return "\n  ".join(
        [
            f"{line['run']}: {line['documents']:,} documents, {line['tokens']:,} tokens",
            f"in {len(numbers):,} steps: {shown}",
            f"last clean checkpoint: {line['last_clean_checkpoint'] or 'none; only the untrained weights are clean'}",
            f"affected checkpoints: {len(paths):,}",
            *(f"  {path}" for path in paths),
            "resumed, the run goes on with the plan that it began with; start another one to leave the documents out",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.forget",
        description="Marks documents that no later run may read, and lists the steps and checkpoints that read them.",
        allow_abbrev=False,
    )

    def several(flag: str, metavar: str, text: str, **options: Any) -> None:
        parser.add_argument(flag, metavar=metavar, action="append", default=[], help=f"{text}; repeatable", **options)

    parser.add_argument(
        "--corpus", metavar="DIR", action="append", required=True, help="gets the tombstones; repeatable"
    )
    several("--host", "HOST", "all documents of a host and those below it")
    several("--url", "URL", "the documents with exactly this URL")
    several("--document", "ID", "a document")
    several("--from", "FILE", "one id, URL or host a line, or JSON with one of these", dest="from_file")
    several("--run", "RUN", "the --output of trainers.pretrain: its steps and checkpoints are listed")
    parser.add_argument(
        "--reason", metavar="TEXT", default="opt-out", help="kept with each tombstone (default: opt-out)"
    )
    parser.add_argument("--date", metavar="DAY", help="kept with each one (default: today)")
    parser.add_argument("--json", action="store_true", help="one object a line, with all steps")
    return parser


if __name__ == "__main__":
    sys.exit(main())
