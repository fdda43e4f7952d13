"""How well a classifier tells texts apart that it was not trained on, beside the length of a text alone.

    python -m tests.benchmarks.classifier --folder FOLDER

FOLDER holds `reference_vs_web.jsonl.gz` (textbooks and encyclopedias 1, random web pages 0) and
`human_labelled.jsonl.gz` (web pages that people found good, 1, or not, 0), rows with `text` and `label`, and of the
first also `source`, as a book and its module. Everything goes through `pipelines.train_classifier` with its defaults.
"""

import argparse
import contextlib
import gzip
import io
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation import classify, fasttext_model, separation, urls
from pipelines import train_classifier

_REFERENCE, _HUMAN = "reference_vs_web.jsonl.gz", "human_labelled.jsonl.gz"
_HELD_OUT = "0.2"
_FASTTEXT = ("--epochs", "5", "--learning-rate", "0.1", "--dim", "100", "--buckets", "2000000")
Row = dict[str, Any]


def main() -> None:
    """Prints a table of AUCs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--splits", type=int, default=3, metavar="N", help="ways to hold rows out (default: 3)")
    args = parser.parse_args()
    if not (args.folder / _REFERENCE).is_file() or not (args.folder / _HUMAN).is_file():
        sys.exit(f"--folder {args.folder}: expected {_REFERENCE} and {_HUMAN} there")
    reference, human = rows(args.folder / _REFERENCE), rows(args.folder / _HUMAN)
    splits = range(args.splits)
    print(f"{'AUC, lowest and highest':72}{'texts':>7}{'classifier':>17}{'length':>17}")
    for what, flags in (("rows", ()), ("rows, with fastText's own settings", _FASTTEXT)):
        cards = [trained(split(reference, number), field="split", flags=flags)[0] for number in splits]
        _of_cards(f"reference against web, held-out {what}", cards)
    card, model = trained(reference, field="source")
    _of_cards("reference against web, held-out modules of books, and pages", [card])
    for book in sorted({row["book"] for row in reference if row["label"] == 1}):
        _print(f"{book} and pages, by a model without them", *_without(reference, book))
    unanimous = [row for row in human if row["unanimous"]]
    for what, chosen in (("human labels", human), ("human labels, all of one mind", unanimous)):
        found = auc(chosen, lambda text: classify.score(model, text))
        _print(f"{what}, by the model of reference against web", len(chosen), [found], [auc(chosen, len)])
    cards = [trained(split(human, number), field="split", held_out="0.5")[0] for number in splits]
    _of_cards("human labels, by a model of half of them, on the other half", cards)


def _without(reference: Sequence[Row], book: str) -> tuple[int, list[float], list[float]]:
    pages = [row for row in reference if row["label"] == 0 and urls.is_validation(row["source"], float(_HELD_OUT))]
    tested = [*pages, *(row for row in reference if row["book"] == book)]
    left = {row["source"] for row in tested}
    _, model = trained(
        split([row for row in reference if row["source"] not in left], 0), field="split", held_out="0.05"
    )
    return len(tested), [auc(tested, lambda text: classify.score(model, text))], [auc(tested, len)]


def rows(path: Path) -> list[Row]:
    """The rows of a file, each with the book that it is from; a page is its own."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return [{**row, "book": row["source"].partition(":")[0]} for row in found]


def split(examples: Sequence[Row], number: int) -> list[Row]:
    """The rows with a field that holds others of them out for each number."""
    return [{**row, "split": f"{number} {place}"} for place, row in enumerate(examples)]


def trained(
    examples: Sequence[Row], *, field: str, held_out: str = _HELD_OUT, flags: Sequence[str] = ()
) -> tuple[Row, Any]:
    """The card and the model that the command makes of these rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, label in (("positive", 1), ("negative", 0)):
            lines = [json.dumps(row) + "\n" for row in examples if row["label"] == label]
            (folder / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
        files = ["--positive", f"{folder}/positive.jsonl", "--negative", f"{folder}/negative.jsonl"]
        command = [*files, "--output", f"{folder}/out", "--url-field", field, "--held-out", held_out]
        with contextlib.redirect_stdout(io.StringIO()):
            if train_classifier.main([*command, *flags]):
                sys.exit("the training failed")
        model = fasttext_model.read(f"{folder}/out/model.bin")
        return json.loads((folder / "out/card.json").read_text()), model


def auc(examples: Sequence[Row], score: Callable[[str], float]) -> float:
    """How often a good text scores more than another, of those that are labelled."""
    scores = np.array([score(row["text"]) for row in examples])
    return separation.auc(scores, np.array([row["label"] == 1 for row in examples]))


def _of_cards(what: str, cards: Sequence[Row]) -> None:
    num_texts = sum(sizes["texts"] for sizes in cards[0]["examples"]["held_out"].values())
    held = [card["held_out"] for card in cards]
    _print(what, num_texts, [each["auc"] for each in held], [each["auc_of_length_alone"] for each in held])


def _print(what: str, num_texts: int, *columns: Sequence[float]) -> None:
    shown = [" to ".join(f"{end:.3f}" for end in sorted({min(found), max(found)})) for found in columns]
    print(f"{what:72}{num_texts:>7}" + "".join(f"{each:>17}" for each in shown), flush=True)


if __name__ == "__main__":
    main()
