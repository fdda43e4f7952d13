"""The flags that all stages share, and Beam's beside them."""

import argparse
import dataclasses
import itertools
import os
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from curation.common_crawl import FORMATS
from curation.remote.access import Access, buckets
from curation.remote.fetch import Patience

_SELECTIONS = {
    "hosts": "only pages of these hosts and their subdomains, found by the crawl's index",
    "url-languages": "only pages whose first language is one of these, such as eng, by the crawl's index",
    "mime": "only pages of these detected media types, by the crawl's index",
}
_S3 = ("s3_endpoint_url", "s3_region_name", "s3_access_key_id", "s3_secret_access_key", "s3_session_token")
EXCHANGES = ("files", "shuffle")
EXCHANGE = (
    "how keys go from part to part: as files beside --output, or through the runner's shuffle, where a run that was "
    "stopped sends them again (default: files on this machine, shuffle with another --runner)"
)
MAX_LINKS = (
    "pairs of duplicates that one task makes clusters of, at 200 bytes each; more take rounds over all workers "
    "(default: 10000000)"
)
_MASK_TOKEN = "of --vocab-size, one is <mask>: for masked and replaced tokens and permutations"
_SENTINELS = "of --vocab-size, the last N are <extra_id_0> to <extra_id_N-1>: for span corruption (default: 0; T5: 100)"
_LOCAL_RUNNERS = {None, "DirectRunner", "FnApiRunner", "SwitchingDirectRunner"}


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The flags of this project; Beam's are taken too (`parse`)."""
    result = argparse.ArgumentParser(
        prog=f"python -m pipelines.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Every flag of Apache Beam is taken too: --runner, --project, --region, --temp_location, ...",
        allow_abbrev=False,
    )
    add = result.add_argument
    _add_input(result)
    _add_against(result)
    add("--output", required=True, metavar="DIR", help="the corpus folder; a run that was stopped goes on in it")
    add("--recipe", default="fineweb", help="a recipe's name, or the path of a Python file (default: fineweb)")
    add("--language", metavar="CODE", help="keep this language, such as de (default: the recipe's)")
    tokenizer = result.add_mutually_exclusive_group()
    tokenizer.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.json to encode with")
    tokenizer.add_argument(
        "--vocab-size",
        type=int,
        default=32_768,
        metavar="N",
        help="train a byte-level BPE of N tokens (default: 32768)",
    )
    add("--mask-token", action="store_true", help=_MASK_TOKEN)
    add("--sentinels", type=int, default=0, metavar="N", help=_SENTINELS)
    add("--validation-share", type=float, default=0.01, metavar="X", help="share of hosts held out (default: 0.01)")
    add("--workers", type=int, default=None, metavar="N", help="tasks at once (default: all cores)")
    add("--task-mib", type=int, metavar="N", help="MiB of archive in a task (default: by the input's size, 1 to 64)")
    add("--index", metavar="DIR", help="of earlier corpora, made by pipelines.index: what duplicates them is rejected")
    add("--exchange", choices=EXCHANGES, help=EXCHANGE)
    add("--max-links", type=int, default=10_000_000, metavar="N", help=MAX_LINKS)
    add("--allow-truncated", action="store_true", help="curate what is whole of archives that end in mid-record")
    add("--overwrite", action="store_true", help="remove the corpus that is in --output first")
    add("--dry-run", action="store_true", help="say files, bytes, tasks, time and cost, and stop")
    add("--core-hour-price", type=float, default=0.07, metavar="USD", help="for --dry-run (default: 0.07)")
    return result


def _add_input(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where the archives come from")
    source = group.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--input",
        nargs="+",
        action="extend",
        metavar="GLOB",
        help="WARC, ARC or WET files: local, gs://, s3://, https://",
    )
    source.add_argument("--crawl", metavar="NAME", help="a crawl of Common Crawl, such as CC-MAIN-2024-51")
    add = group.add_argument
    add("--crawl-base", default="https://data.commoncrawl.org", metavar="URL", help="s3://commoncrawl, or a mirror")
    add("--files", metavar="A:B", help="archives of the crawl by number, such as 0:10")
    add("--segment", metavar="ID", help="archives of one segment of the crawl")
    add("--format", choices=FORMATS, help="warc, or wet: text that is extracted already (default: as files are named)")
    for name, what in (("hosts", "HOST"), ("url-languages", "CODE"), ("mime", "TYPE")):
        add(f"--{name}", nargs="+", action="extend", default=[], metavar=what, help=_SELECTIONS[name])
    add("--anonymous", action="store_true", help="read s3:// and gs:// archives without credentials")
    add(
        "--connections",
        type=int,
        default=4,
        metavar="N",
        help="requests over http at once, of all workers (default: 4)",
    )
    add("--attempts", type=int, default=8, metavar="N", help="tries of a request that fails (default: 8)")
    add("--retry-wait", type=float, default=1.0, metavar="S", help="seconds before the second try, doubled each time")


def _add_against(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("evaluation sets that documents are compared with")
    add = group.add_argument
    add(
        "--against",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="JSON lines (.jsonl, .gz, .zst) or .parquet, beside those of the recipe's Contamination step",
    )
    add(
        "--against-fields",
        nargs="+",
        default=[],
        metavar="NAME",
        help="fields of a row whose strings are the text of an item (default: all)",
    )
    add(
        "--contamination",
        choices=("drop", "cut", "report"),
        help="what is done about documents that hold items (default: the recipe's, or report)",
    )


def split(flags: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, PipelineOptions]:
    """Splits the command line between this program and Beam; a flag that neither knows is an error."""
    args, beam_flags = flags.parse_known_args(argv)
    options = PipelineOptions(beam_flags)
    known = options.get_all_options().keys()
    unknown = options.get_all_options(retain_unknown_options=True).keys() - known
    unknown |= {flag.lstrip("-") for flag in beam_flags if not flag.startswith("--")} - _values(beam_flags)
    if unknown:
        flags.error(f"neither this program nor Beam knows {', '.join(f'--{flag}' for flag in sorted(unknown))}")
    if args.workers is None:
        args.workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if args.workers < 1:
        flags.error(f"--workers {args.workers}: expected at least 1")
    return args, options


def parse(flags: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, PipelineOptions]:
    """The flags of a run that reads archives, checked as far as they can be alone, and Beam's."""
    args, options = split(flags, argv)
    args.input = args.input and [os.path.expanduser(pattern) for pattern in args.input]
    args.against = [os.path.expanduser(path) for path in args.against]
    _check_input(flags, args)
    for name in (
        "output",
        "recipe",
        "tokenizer",
        "crawl_base",
        "index",
    ):  # which a shell leaves alone in --output=~/corpus
        setattr(args, name, getattr(args, name) and os.path.expanduser(getattr(args, name)))
    least_of = {"task_mib": 1, "connections": 1, "attempts": 1, "retry_wait": 0, "max_links": 0, "sentinels": 0}
    for name, least in least_of.items():
        if getattr(args, name) is not None and getattr(args, name) < least:
            flags.error(f"--{name.replace('_', '-')} {getattr(args, name)}: expected at least {least}")
    for name in ("mask_token", "sentinels"):
        if args.tokenizer and getattr(args, name):
            flags.error(
                f"--{name.replace('_', '-')} is for a tokenizer that is trained here: leave it out, and give a "
                "--tokenizer whose file has such tokens, or give --vocab-size instead of --tokenizer"
            )
    if not 0 <= args.validation_share < 1:
        flags.error(f"--validation-share {args.validation_share}: expected a share from 0 up to 1")
    return args, options


def _check_input(flags: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuses flags that would have no effect, and splits lists that are written with commas."""
    for name in _SELECTIONS:
        key = name.replace("-", "_")
        setattr(args, key, [part for value in getattr(args, key) for part in value.split(",") if part])
    if args.crawl is None:
        given = [name for name in ("files", "segment", *_SELECTIONS) if getattr(args, name.replace("-", "_"))]
        if given:
            flags.error(f"--{given[0]} selects from a crawl: give --crawl NAME instead of --input")


def access(args: argparse.Namespace, options: PipelineOptions) -> Access:
    """How this run comes by its storage: our flags, and Beam's for S3."""
    inputs = [args.crawl_base] if args.crawl else args.input
    return dataclasses.replace(
        access_of_beam(options),
        anonymous=args.anonymous,
        input_buckets=buckets(inputs),
        patience=Patience(connections=args.connections, attempts=args.attempts, first_wait=args.retry_wait),
    )


def access_of_beam(options: PipelineOptions) -> Access:
    """How a run that reads no archives comes by its storage: Beam's flags for S3."""
    beam = options.get_all_options()
    given: dict[str, Any] = {name: beam.get(name) or "" for name in _S3}
    return Access(**given)


def is_local(options: PipelineOptions) -> bool:
    """Whether the run stays on this machine, in our own choice of Beam's local runner."""
    return options.get_all_options()["runner"] in _LOCAL_RUNNERS


def shuffles(args: argparse.Namespace, options: PipelineOptions) -> bool:
    """Whether the exchange goes through the runner's shuffle and not by file; it decides nothing about what is made."""
    chosen = args.exchange or ("files" if is_local(options) else "shuffle")
    return bool(chosen == "shuffle")


def _values(flags: Sequence[str]) -> set[str]:
    """Words that are the value of the Beam flag before them."""
    return {
        word
        for flag, word in itertools.pairwise(flags)
        if flag.startswith("--") and "=" not in flag and not word.startswith("-")
    }
