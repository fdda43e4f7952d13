"""What every recipe keeps of some archives, step by step, as a table for the README.

    python -m tests.benchmarks.recipes --input 'FOLDER/*.warc.gz'

Tokens are those of one tokenizer for all, trained on what the first recipe kept, so that they can be compared. A recipe
whose lists or models are not there is named and passed over: start it where `lists/` and `models/` lie.
"""

import argparse
import collections
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from curation import manifest, recipe, tokens
from tests.benchmarks import arguments


def main() -> None:
    """Curates once a recipe, and prints a table of each."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--recipes", nargs="+", metavar="RECIPE", help="names or files (default: all that come along)")
    parser.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.json to count with")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    archives = arguments.archives(args)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = args.tokenizer
        for number, name in enumerate(args.recipes or ["fineweb", *sorted({*recipe.names()} - {"fineweb"})]):
            corpus = Path(folder) / f"{number}"
            if problem := curate(archives, name, corpus, tokenizer, args):
                print(f"{name}: {problem}", flush=True)
                continue
            tokenizer = tokenizer or str(corpus / "tokenizer.json")
            print(*table(corpus, name, tokens.load(Path(tokenizer).read_bytes(), tokenizer)), "", sep="\n", flush=True)


def curate(archives: list[str], name: str, corpus: Path, tokenizer: str | None, args: argparse.Namespace) -> str:
    """Makes a corpus; why there is none, or nothing."""
    command = [sys.executable, "-m", "pipelines.curate", "--output", str(corpus), "--workers", str(args.workers)]
    command += ["--recipe", name, *(["--tokenizer", tokenizer] if tokenizer else []), "--input", *archives]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stderr.strip().splitlines()[-1] if run.returncode else ""


def table(corpus: Path, name: str, encoder: tokens.Encoder) -> Iterator[str]:
    """Of each step that rejects: what is left after it, in documents and thousands of tokens."""
    held = manifest.load(str(corpus))
    found = recipe.of_source(*recipe.read_source(name))
    rejected, with_text = sizes_of_rejected(corpus, encoder)
    left = held.num_tokens + sum(rejected.values())
    documents = held.ledger["read"]
    yield f"{name}: {documents} pages"
    for step in ("read", "response", *map(recipe.step_name, found.steps)):
        counts = held.ledger["rejected"].get(step, {})
        documents -= sum(counts.values())
        left -= rejected[step]
        if counts:
            known = f"{left / 1000:>9,.0f}k tokens" if with_text[step] or step in rejected else ""
            yield f"  {step:<24} {documents:>6} documents {known}"
    yield f"  kept: {held.num_documents} documents, {held.num_tokens:,} tokens, {found.name}"


def sizes_of_rejected(
    corpus: Path, encoder: tokens.Encoder
) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Tokens and documents that each step took away: texts that it rejected."""
    texts = {
        row["id"]: row["text"]
        for folder in ("filtered", "rejected_texts")
        for row in rows(corpus / folder, ["id", "text"])
    }
    size, count = collections.Counter[str](), collections.Counter[str]()
    for row in rows(corpus / "rejected", ["id", "step"]):
        if row["id"] in texts:
            (ids,) = encoder.encode([texts[row["id"]]])
            size[row["step"]] += len(ids)
            count[row["step"]] += 1
    return size, count


def rows(folder: Path, columns: list[str]) -> Iterator[dict[str, str]]:
    """The rows of a folder of parts."""
    for path in sorted(folder.iterdir()):
        yield from pq.read_table(path, columns=columns).to_pylist()


if __name__ == "__main__":
    main()
