"""The duplicates that a finished corpus has dropped: how many, from where, how similar, and how many were missed.

Prints the clusters by size and by host, the similarities of near-duplicates with an estimate of how many pairs were not
found, and pairs side by side with their differences marked: as tables, with --json as one object, and with --html also
as a page. Nothing is written to the corpus, and texts are read of the pairs that are shown. The exit status is 2 where
there is no answer.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from curation import duplicate_examples, duplicates, manifest, pair_recall, storage, stored_recipe
from pipelines import duplicates_html, duplicates_text, terminal
from pipelines.terminal import as_json, show

_MAX_EXAMPLES = 1000  # whose texts are in memory at once


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.duplicates", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--corpus", required=True, metavar="DIR", help="the --output of pipelines.curate")
    add("--json", action="store_true", help="one object in place of tables")
    add("--html", metavar="FILE", help="also write a page that shows all this, in one file without scripts")
    add(
        "--examples", type=int, default=5, metavar="N", help="pairs that are shown, with the least similar (default: 5)"
    )
    add("--top", type=int, default=10, metavar="N", help="clusters, hosts and pairs of hosts shown (default: 10)")
    add("--seed", type=int, default=0, metavar="N", help="chooses the examples (default: 0)")
    args = parser.parse_args(argv)
    for name, most in (("examples", _MAX_EXAMPLES), ("top", sys.maxsize), ("seed", sys.maxsize)):
        if not 0 <= getattr(args, name) <= most:
            limit = "0 or more" if most == sys.maxsize else f"0 to {most}"
            parser.error(f"--{name} {getattr(args, name)}: expected {limit}")
    args.corpus, args.html = os.path.expanduser(args.corpus), args.html and os.path.expanduser(args.html)
    return terminal.serve(lambda: _run(args), failed=2)


def _run(args: argparse.Namespace) -> int:
    if args.html:
        _check_html(args.html, args.corpus)
    told = tell(args.corpus, top=args.top, num_examples=args.examples, seed=args.seed)
    if args.html:
        with storage.publish(args.html) as path, open(path, "w", encoding="utf-8") as file:
            file.writelines(duplicates_html.page(told))
    show([as_json(told)] if args.json else duplicates_text.lines(told))
    return 0


def tell(corpus: str, *, top: int, num_examples: int, seed: int) -> dict[str, Any]:
    """All that is shown; ValueError where the corpus has no duplicates to look for, or a file of it is damaged."""
    held = manifest.load(corpus)
    recipe = stored_recipe.of_manifest(held, corpus)
    duplicates.check(recipe, corpus)
    rows, found = duplicates.read(corpus, held)
    settings = pair_recall.settings_of(recipe)
    similarities = duplicate_examples.similarities(rows)
    is_shown, table = found.is_shown[found.of_row], rows.table
    return {
        "corpus": corpus,
        "recipe": recipe.name,
        "documents": found.num_documents,
        "clusters": int(found.is_shown.sum()),
        "dropped": int(is_shown.sum()),
        "through_another": int((is_shown & (table["other"] != table["kept"])).sum()),
        "steps": duplicates.by_step(rows),
        "roots": duplicates.by_fate(found),
        "sizes": duplicates.by_size(found),
        "largest": duplicates.largest(corpus, rows, found, count=top),
        "hosts": duplicates.by_host(rows, found, count=top),
        "host_pairs": duplicates.by_host_pair(rows, found, count=top),
        "similarity": pair_recall.estimate(similarities, settings) if settings else None,
        "examples": duplicate_examples.examples(corpus, rows, found, count=num_examples, seed=seed),
    }


def _check_html(path: str, corpus: str) -> None:
    """Refuses a page that cannot be written, before hours of reading, and one that would be taken for a part of it."""
    if storage.is_local(path):
        path, corpus = (os.path.realpath(name.removeprefix("file://")) for name in (path, corpus))
        if os.path.isdir(path):
            raise ValueError(f"--html {path} is a folder; name a file, such as {path}/duplicates.html")
        if not os.path.isdir(os.path.dirname(path)):
            raise ValueError(f"--html {path}: {os.path.dirname(path)} does not exist; make the folder, or name another")
    if path.startswith(f"{corpus.rstrip('/')}/"):
        raise ValueError(
            f"--html {path} lies in the corpus, which holds nothing but its own files; name another folder"
        )


if __name__ == "__main__":
    sys.exit(main())
