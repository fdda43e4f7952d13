"""What became of a page of a corpus, step by step: it is fetched again from its archive and taken through the recipe.

Prints each step with its verdict, its numbers, the milliseconds that it took, and the text where it made or edited it.
What steps decided that look at other pages too is taken from the corpus. The exit status is 0 where the page ends as
the corpus says, 1 where it does not, and 2 where it cannot be replayed.
"""

import argparse
import dataclasses
import difflib
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import manifest, replay, storage
from curation.document import Document, Rejection
from curation.remote import access
from curation.replay import Difference, Replay
from pipelines import made_with, record, terminal
from pipelines.terminal import CELL, as_json, block, cell, show

_DIFFED = 2000  # lines; the time of a diff is that of all pairs where lines repeat


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 where the replay differs from the corpus, 2 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.replay", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--corpus", required=True, metavar="DIR", help="the --output of pipelines.curate")
    add("--id", required=True, help="of a document or a rejected page: <file name of an archive>@<offset>")
    add("--archive", metavar="PATH", help="where the page's archive lies now (default: where the run read it)")
    add("--recipe", help="the name or the file that the corpus was made with (default: by the manifest's name)")
    add("--anonymous", action="store_true", help="read s3:// and gs:// archives without credentials")
    add("--full", action="store_true", help="whole texts, in place of 2000 characters, and up to 64 KiB of headers")
    add("--json", action="store_true", help="one object in place of text")
    args = parser.parse_args(argv)
    for name in ("corpus", "archive", "recipe"):
        setattr(args, name, getattr(args, name) and os.path.expanduser(getattr(args, name)))
    return terminal.serve(lambda: _run(args), failed=2)


def _run(args: argparse.Namespace) -> int:
    held = manifest.load(args.corpus)
    steps = made_with.recipe_of_corpus(args.corpus, held, args.recipe)
    if args.anonymous:
        paths = [args.archive] if args.archive else [entry["path"] for entry in held.inputs]
        storage.use(storage.Access(anonymous=True, input_buckets=access.buckets(paths)))
    found = replay.replay(args.corpus, held, id=args.id, recipe=steps, archive=args.archive)
    others = made_with.other_versions(held)
    show([as_json(_as_json(found, others, args.full))] if args.json else _lines(found, others, args.full))
    return 1 if found.differences else 0


def _lines(found: Replay, others: Mapping[str, tuple[str, str]], is_full: bool) -> Iterator[str]:
    limit = None if is_full else record.TEXT
    yield f"{found.id} in {found.part}: {_row(found.stored)}"
    for name, (before, here) in others.items():
        yield f"made with {name} {cell(str(before))}, replayed with {here}"
    yield from ("", *record.head(found.trace, is_full=is_full), "")
    text = ""
    for step in found.trace.steps:
        seconds = "" if step.seconds is None else f"{1000 * step.seconds:,.1f} ms"
        source = ["from the corpus"] if step.step in found.stored_steps else []
        details = [*record.details(step, is_close=True), *source]
        yield f"{step.step:<18}  {step.verdict:<9} {seconds:>12}  {', '.join(details)}".rstrip()
        if step.text is not None:
            yield from block("\n".join(_diff(text, step.text)) if step.verdict == "edited" else step.text, limit)
            text = step.text
    yield from ("", record.ending(found.trace))
    if not found.differences:
        yield "the same as in the corpus"
        return
    yield f"differs from the corpus: {', '.join(it.name for it in found.differences)}"
    for each in found.differences:
        yield from _difference(each, limit)


def _row(stored: Document | Rejection) -> str:
    if isinstance(stored, Rejection):
        return f"rejected by {stored.step}: {stored.reason}"
    return f"a document of {len(stored.text):,} characters, copies {stored.copies}"


def _difference(found: Difference, limit: int | None) -> Iterator[str]:
    if found.name != "text":
        stored, replayed = (cell(str(value), 2 * CELL) for value in (found.stored, found.replayed))
        yield f"{found.name}: the corpus has {stored}, the replay {replayed}"
        return
    pairs = zip(found.stored, found.replayed, strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    yield f"text: the same up to character {same:,}; from the corpus's to the replay's:"
    yield from block("\n".join(_diff(found.stored, found.replayed)), limit)


def _diff(before: str, after: str) -> Iterator[str]:
    """The lines that were taken out and put in, with one around them."""
    old, new = before.split("\n"), after.split("\n")
    if max(len(old), len(new)) > _DIFFED:
        yield from (*(f"-{line}" for line in old), *(f"+{line}" for line in new))
        return
    yield from itertools.islice(difflib.unified_diff(old, new, lineterm="", n=1), 2, None)


def _as_json(found: Replay, others: Mapping[str, tuple[str, str]], is_full: bool) -> dict[str, Any]:
    """The fields of the trace and of the replay; of each step also its seconds, and its text before and after."""
    limit = None if is_full else record.TEXT
    result, text = record.record_as_json(found.trace, is_full=is_full), ""
    for step, told in zip(found.trace.steps, result["steps"], strict=True):
        told |= {"seconds": step.seconds, "before": None, "after": None}
        if step.text is not None:
            told |= {"before": text[:limit], "after": step.text[:limit]}
            text = step.text
    stored = dict(vars(found.stored))
    if isinstance(found.stored, Document):
        result["characters"]["stored"] = len(found.stored.text)
        stored["text"] = found.stored.text[:limit]
    differences = [
        {key: value[:limit] if isinstance(value, str) else value for key, value in vars(each).items()}
        for each in found.differences
    ]
    more = {field.name: getattr(found, field.name) for field in dataclasses.fields(found) if field.name != "trace"}
    more |= {"stored": stored, "differences": differences, "versions": others, "same": not found.differences}
    return result | more


if __name__ == "__main__":
    sys.exit(main())
