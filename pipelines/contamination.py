"""Which items of evaluation sets stand in the documents of a corpus, and where; nothing is written.

An item is a row of a file: all its strings, or those of --against-fields. Words are compared in lower case and without
punctuation. Rules: gpt3, one n-gram of 13 words that stands in no more than 10 documents; share8 and share10, .7 of
an item's n-grams of 8 words or .8 of those of 10, in one document. It is one process, which reads documents with any
such n-gram twice; pipelines.curate --against does the same while a corpus is made, on all workers. The exit status is
2 where there is no answer.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from curation import contamination, manifest
from curation.dedup.contamination import RULES, Contamination
from pipelines import terminal
from pipelines.terminal import as_json, cell, show

_WIDTH = 28  # characters of a file's name in the table


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.contamination", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--corpus", required=True, metavar="DIR", help="the --output of pipelines.curate")
    add("--against", required=True, nargs="+", metavar="FILE", help="JSON lines (.jsonl, .gz, .zst) or .parquet")
    add("--against-fields", nargs="+", default=[], metavar="NAME", help="fields that are an item's text (default: all)")
    add("--rule", choices=RULES, default="gpt3", help="when a document holds an item (default: gpt3)")
    add("--json", action="store_true", help="one object in place of text")
    args = parser.parse_args(argv)
    args.corpus, args.against = os.path.expanduser(args.corpus), [os.path.expanduser(path) for path in args.against]
    return terminal.serve(lambda: _run(args), failed=2)


def _run(args: argparse.Namespace) -> int:
    held = manifest.load(args.corpus)
    step = Contamination("", files=tuple(args.against), fields=tuple(args.against_fields), **RULES[args.rule])
    told = {"corpus": args.corpus, **contamination.survey(args.corpus, held, step)}
    show([as_json(told)] if args.json else _lines(told, args.rule))
    return 0


def _lines(told: dict[str, Any], rule: str) -> Iterator[str]:
    documents = told["documents"]
    yield f"rule {rule}: {documents['kept']:,} of {documents['read']:,} documents hold an item"
    if told["ignored_ngrams"]:
        yield f"{told['ignored_ngrams']:,} n-grams stand in more than {told['rule']['max_documents']} and do not count"
    yield ""
    names = ("items", "too short", "overlap", "held", "share", "documents")
    yield f"{'set':<{_WIDTH}}" + "".join(f" {name:>10}" for name in names)
    for each in told["sets"]:
        counts = (each[name] for name in ("items", "items_skipped", "items_with_overlap", "items_contaminated"))
        row = "".join(f" {count:>10,}" for count in counts)
        yield f"{cell(each['file'], _WIDTH):<{_WIDTH}}{row} {each['share']:>10.2%} {each['documents']['kept']:>10,}"
    for each in told["most_touched"]:
        yield from ("", f"{cell(each['file'])}#{each['item']}, in {each['documents']:,} documents")
        for span in each["spans"]:
            yield f"{cell(span['document'])} from character {span['start']:,}, {cell(span['url'])}"
            yield f"| {_flat(span['before'])}[[{_flat(span['text'])}]]{_flat(span['behind'])}"


def _flat(text: str) -> str:
    """A text in one line; what is white space at its ends is one blank."""
    return " ".join(f"x{text}x".split())[1:-1]


if __name__ == "__main__":
    sys.exit(main())
