"""What archives hold, and with --record what becomes of one record.

Prints a table a file, or with --json an object a line whose keys are the fields of `curation.inspection.Inspection`, or
of `curation.trace.RecordTrace`. Nothing that a crawl holds reaches the terminal raw.
"""

import argparse
import dataclasses
import datetime
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import archives, inspection, language, recipe, sources, storage, trace
from curation.document import Rejection
from curation.inspection import Inspection
from curation.recipe import Recipe
from curation.trace import RecordTrace, StepTrace

_CELL, _DAMAGE = 60, 20  # characters of a name, and places, that are shown
_TEXT, _HEADER, _FIRST = 2000, 8000, 300  # characters that are shown of a text, of a header, of what was extracted


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 where a file cannot be read, and 0 where it is damaged."""
    args = _arguments(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show every letter
    try:
        if args.anonymous:
            buckets = ("/".join(path.split("/")[:3]) for path in args.files)
            storage.use(storage.Access(anonymous=True, input_buckets=tuple(buckets)))
        paths = [entry.path for entry in sources.matching(args.files)]
        status = _inspect(paths, args) if args.record is None else _trace(paths, args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        return _fail(error)
    return status


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
                status = _fail(error)
                continue
            _print([_json({**vars(found), "payload": found.payload.summary()})] if args.json else _table(found))
            total, num_read = inspection.merged(total, found) if total else found, num_read + 1
    if total and len(paths) > 1 and not args.json:
        _print(_table(dataclasses.replace(total, path=f"total of {num_read} files")))
    return status


def _trace(paths: Sequence[str], args: argparse.Namespace) -> int:
    if len(paths) > 1:
        raise ValueError(f"--record {args.record}: expected one FILE, found {len(paths)}; name the one that holds it")
    steps = _recipe(args)
    with archives.opened(paths[0]) as file:
        found = trace.trace(file, paths[0], args.record, steps, format=args.format)
    _print([_json(_record_as_json(found, is_full=args.full))] if args.json else _record(found, is_full=args.full))
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    found = recipe.of_source(*recipe.read_source(os.path.expanduser(args.recipe or "fineweb")))
    if args.language and args.language not in language.labels():
        raise ValueError(f"--language {args.language}: not one of the codes lid.176 knows, such as en, de or zh")
    return found.with_language(args.language) if args.language else found


def _table(found: Inspection) -> Iterator[str]:
    yield f"{found.path}: {found.container}, {found.bytes:,} bytes"
    shared = f" ({found.shared_members:,} in shared members)" if found.shared_members else ""
    pages = f"pages {found.pages:,}, of these HTML or text {found.html:,}, of these with language {found.sampled:,}"
    yield f"records {found.records:,}{shared}, {pages}"
    rows = {"format": found.formats, "type": found.types, "status": found.statuses, "media type": found.media_types}
    rows |= {"charset": found.charsets, "language": found.languages, "truncated": found.truncated}
    rows |= {"rejected": found.rejected}
    width = max([13, *(len(_cell(name)) for names in rows.values() for name in names)])
    for section, names in rows.items():
        for name, count in names.items():
            yield f"{section:<10}  {_cell(name):<{width}}  {count:>15,}  {count / sum(names.values()):>6.1%}"
    summary = found.payload.summary().items()
    sizes = [("payload", name if name == "count" else f"{name}, bytes", value) for name, value in summary]
    for section, name, value in (*sizes, ("damage", "places", found.damaged), ("damage", "bytes", found.damaged_bytes)):
        yield f"{section:<10}  {name:<{width}}  {value:>15,}"
    if found.damage:
        yield f"{'offset':>15}  {'length':>15}  {'reason':<16}  evidence"
    for place in found.damage[:_DAMAGE]:
        yield f"{place.offset:>15}  {place.length:>15}  {place.reason:<16}  {_cell(place.evidence, 2 * _CELL)}"
    if len(found.damage) > _DAMAGE:
        yield f"… and {found.damaged - _DAMAGE:,} more; --json lists the first {len(found.damage):,}"
    yield ""


def _record(found: RecordTrace, *, is_full: bool) -> Iterator[str]:
    place = f"{found.length:,} bytes" if found.length else "in a shared member"
    yield f"{found.path}@{found.offset}: {_cell(found.type)}, {place}, {found.size:,} bytes inflated"
    for content in filter(None, (found.header, found.http_header)):
        yield from (*_block(content, None if is_full else _HEADER), "")
    if page := found.page:
        cut = f", cut by the crawler ({page.truncated})" if page.truncated else ""
        yield f"payload: {len(page.payload):,} bytes{cut}, {page.digest}"
        yield f"status {page.status}, media type {_cell(page.media_type) or 'none'}, charset {found.charset or 'none'}"
    else:
        yield from _block(found.block, None if is_full else _TEXT)
    yield ""
    for step in found.steps:
        yield f"{step.step:<18}  {step.verdict:<9}  {', '.join(_details(step))}".rstrip()
        if step.step == "ExtractText" and step.verdict == "kept" and found.extracted:
            yield from _block(found.extracted, _FIRST)
    yield from ("", _ending(found))
    if found.text is not None:
        yield from _block(found.text, None if is_full else _TEXT)


def _details(step: StepTrace) -> Iterator[str]:
    if step.reason:
        yield step.reason
    if step.evidence:
        yield _cell(step.evidence, 2 * _CELL)
    if step.value is not None:
        yield f"{step.value:g}"
    if step.characters and step.characters[0] != step.characters[1]:
        yield "{:,} to {:,} characters".format(*step.characters)
    yield from (f"{name} {value:.4g}" for name, value in step.signals.items())


def _ending(found: RecordTrace) -> str:
    if found.outcome is None:
        return f"no page: a record of type {_cell(found.type)}"
    if isinstance(found.outcome, Rejection):
        return f"rejected by {found.outcome.step}: {found.outcome.reason}"
    return "a document, if it duplicates no other" if {"not run"} & {it.verdict for it in found.steps} else "a document"


def _record_as_json(found: RecordTrace, *, is_full: bool) -> dict[str, Any]:
    page = found.page and {**vars(found.page), "payload": len(found.page.payload)}
    outcome = "rejected" if isinstance(found.outcome, Rejection) else "document" if found.outcome else "no page"
    result = {**vars(found), "page": page, "outcome": outcome, "characters": {}}
    limits = {"header": _HEADER, "http_header": _HEADER, "block": _TEXT, "extracted": _FIRST, "text": _TEXT}
    for name, limit in limits.items():
        if (text := result[name]) is not None:
            result["characters"][name] = len(text)
            result[name] = text if is_full else text[:limit]
    return result


def _json(value: Mapping[str, Any]) -> str:
    """One line of ASCII, valid for every parser."""
    return json.dumps(_parsable(value), default=float)


def _parsable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half a surrogate pair, which few parsers take
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        return {_parsable(str(name)): _parsable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_parsable(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def _block(text: str, limit: int | None) -> Iterator[str]:
    """What the crawl holds, line by line behind a bar, which tells it from what is said about it."""
    text = text.rstrip("\r\n")
    for line in text[:limit].split("\n") if text else ():
        yield "| " + line.removesuffix("\r")
    if limit is not None and len(text) > limit:
        yield f"… {len(text) - limit:,} more characters; --full shows all"


def _cell(text: str, width: int = _CELL) -> str:
    text = _escaped(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _escaped(text: str) -> str:
    """A text without anything that a terminal would act upon: control and formatting characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _print(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        print(_escaped(line))


def _fail(error: Exception) -> int:
    message = error.args[-1] if isinstance(error, storage.StorageError) else error
    print(f"error: {_escaped(str(message))}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
