"""What archives hold, and with --record what becomes of one record.

Prints a table a file, or with --json an object a line whose keys are the fields of `curation.inspection.Inspection`, or
of `curation.trace.RecordTrace`. Nothing that a crawl holds reaches the terminal raw.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence

from curation import archives, finding, inspection, recipe, sources, storage, trace
from curation.inspection import Inspection
from curation.recipe import Recipe
from curation.remote import access
from curation.trace import RecordTrace
from pipelines import record, terminal
from pipelines.run import recipe_of
from pipelines.terminal import CELL, as_json, block, cell, show

_DAMAGE = 20  # places that are shown


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 where a file cannot be read, and 0 where it is damaged."""
    args = _arguments(argv)
    return terminal.serve(lambda: _run(args), failed=1)


def _run(args: argparse.Namespace) -> int:
    if args.anonymous:
        storage.use(storage.Access(anonymous=True, input_buckets=access.buckets(args.files)))
    paths = [entry.path for entry in sources.matching(args.files)]
    return _inspect(paths, args) if args.record is None else _trace(paths, args)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.inspect", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="an archive or a glob: local, gs://, s3://, https://")
    add("--json", action="store_true", help="one object a line in place of tables")
    add("--format", choices=("warc", "wet"), help="wet: text that is extracted already (default: as files are named)")
    add("--anonymous", action="store_true", help="read s3:// and gs:// archives without credentials")
    add("--sample", type=int, metavar="N", help="pages of each file whose language is looked at (default: 200)")
    add("--record", type=int, metavar="OFFSET", help="show the record that starts there, through a recipe")
    add("--recipe", help="for --record: a recipe's name, or the path of a Python file (default: fineweb)")
    add("--language", metavar="CODE", help="for --record: keep this language, such as de (default: the recipe's)")
    add("--full", action="store_true", help="for --record: the whole text, and up to 64 KiB of headers")
    args = parser.parse_args(argv)
    if args.record is None and (args.recipe or args.language or args.full):
        parser.error("--recipe, --language and --full are for one record: give its --record OFFSET")
    if args.record is not None and args.sample is not None:
        parser.error("--sample is for whole files: leave it out, or --record")
    for name in ("sample", "record"):
        if (getattr(args, name) or 0) < 0:
            parser.error(f"--{name} {getattr(args, name)}: expected at least 0")
    args.files = [os.path.expanduser(path) for path in args.files]
    args.sample = 200 if args.sample is None else args.sample
    return args


def _inspect(paths: Sequence[str], args: argparse.Namespace) -> int:
    """Shows one file after another, also after one that cannot be read."""
    status, total, num_read = 0, None, 0
    with trace.looker() as looker:
        for path in paths:
            try:
                with archives.opened(path) as file:
                    found = inspection.inspect(file, path, looker, sample=args.sample, format=args.format)
            except archives.Unreadable as error:
                terminal.say_error(error)
                status = 1
                continue
            show([as_json({**vars(found), "payload": found.payload.summary()})] if args.json else _table(found))
            total, num_read = inspection.merged(total, found) if total else found, num_read + 1
    if total and len(paths) > 1 and not args.json:
        show(_table(dataclasses.replace(total, path=f"total of {num_read} files")))
    return status


def _trace(paths: Sequence[str], args: argparse.Namespace) -> int:
    if len(paths) > 1:
        raise ValueError(f"--record {args.record}: expected one FILE, found {len(paths)}; name the one that holds it")
    steps = _recipe(args)
    try:
        with archives.opened(paths[0]) as file:
            found = trace.trace(file, paths[0], args.record, steps, format=args.format)
    except finding.NoRecord as error:
        raise ValueError(f"--record {args.record}: {error}: give one of these") from None
    is_full = args.full
    show([as_json(record.record_as_json(found, is_full=is_full))] if args.json else _record(found, is_full=is_full))
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    source = recipe.read_source(os.path.expanduser(args.recipe or "fineweb"))
    if args.language:
        recipe_of(*source, None).check_language(args.language)
    return recipe_of(*source, args.language)


def _table(found: Inspection) -> Iterator[str]:
    yield f"{found.path}: {found.container}, {found.bytes:,} bytes"
    shared = f" ({found.shared_members:,} in shared members)" if found.shared_members else ""
    pages = f"pages {found.pages:,}, of these HTML or text {found.html:,}, of these with language {found.sampled:,}"
    yield f"records {found.records:,}{shared}, {pages}"
    rows = {"format": found.formats, "type": found.types, "status": found.statuses, "media type": found.media_types}
    rows |= {"charset": found.charsets, "language": found.languages, "truncated": found.truncated}
    rows |= {"rejected": found.rejected}
    width = max([13, *(len(cell(name)) for names in rows.values() for name in names)])
    for section, names in rows.items():
        for name, count in names.items():
            yield f"{section:<10}  {cell(name):<{width}}  {count:>15,}  {count / sum(names.values()):>6.1%}"
    summary = found.payload.summary().items()
    sizes = [("payload", name if name == "count" else f"{name}, bytes", value) for name, value in summary]
    for section, name, value in (*sizes, ("damage", "places", found.damaged), ("damage", "bytes", found.damaged_bytes)):
        yield f"{section:<10}  {name:<{width}}  {value:>15,}"
    if found.damage:
        yield f"{'offset':>15}  {'length':>15}  {'reason':<16}  evidence"
    for place in found.damage[:_DAMAGE]:
        yield f"{place.offset:>15}  {place.length:>15}  {place.reason:<16}  {cell(place.evidence, 2 * CELL)}"
    if len(found.damage) > _DAMAGE:
        yield f"… and {found.damaged - _DAMAGE:,} more; --json lists the first {len(found.damage):,}"
    yield ""


def _record(found: RecordTrace, *, is_full: bool) -> Iterator[str]:
    yield from (*record.head(found, is_full=is_full), "")
    for step in found.steps:
        yield f"{step.step:<18}  {step.verdict:<9}  {', '.join(record.details(step))}".rstrip()
        if step.step == "ExtractText" and step.verdict == "kept" and found.extracted:
            yield from block(found.extracted, record.FIRST)
    yield from ("", record.ending(found))
    if found.text is not None:
        yield from block(found.text, None if is_full else record.TEXT)


if __name__ == "__main__":
    sys.exit(main())
