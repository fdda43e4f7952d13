"""How often the language of labelled sentences and short documents is found, and how often stop words stand in them.

    python -m tests.benchmarks.language --input 'FOLDER/*.jsonl.gz' [--model lid.bin] [--langdetect]

A row is an object with `text`, `kind` (sentence or document), `lid176`, the label that lid.176 would use, and
`in_lid176`, whether it knows that language. Accuracy is the share of right labels among rows of known languages: for
lid.176 those that it knows, for any other those that have the same label. Documents for the stop words are the rows',
and eight sentences in a row of the same language.
"""

import argparse
import collections
import gzip
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from curation import splitting
from curation.identifiers import FastTextModel, Identifier, Langdetect, Lid176
from curation.pinned import unchecked
from curation.rules.stop_words import STOP_WORDS
from tests.benchmarks import arguments

KINDS = ("sentence", "document")
_SENTENCES = 8  # of a document
_ENOUGH = 0.95  # of documents with stop words; languages below are shown
_SIMPLER = {"zh-cn": "zh", "zh-tw": "zh"}  # langdetect's labels


def main() -> None:
    """Prints a line an identifier, and the languages in whose documents stop words are rare."""
    args = _arguments()
    labelled = list(rows(arguments.archives(args)))
    known = [row for row in labelled if row["in_lid176"]]
    if not known:
        sys.exit(f"--input {args.input}: no row of a language that lid.176 knows")
    asked: dict[str, Identifier] = {"lid.176": Lid176(), "lid.176, lower": Lid176(lower=True)}
    if args.model:
        asked[args.model] = FastTextModel(args.model, _sha256(args.model))
    if args.langdetect:
        asked["langdetect"] = Langdetect()
    print(f"{'right':24}{'sentences':>11}{'documents':>11}{'rows':>8}{'ms a row':>10}")
    for name, identifier in asked.items():
        labels = {_SIMPLER.get(label, label) for label in identifier.labels()}
        mine = [row for row in known if row["lid176"] in labels]
        start = time.process_time()
        shares = [accuracy(mine, kind, identifier.identify) for kind in KINDS]
        milliseconds = (time.process_time() - start) / max(len(mine), 1) * 1000
        print(f"{name:24}" + "".join(f"{share:11.4f}" for share in shares) + f"{len(mine):8}{milliseconds:10.3f}")
    found = with_stop_words(labelled)
    rare = {label: share for label, share in sorted(found.items()) if share < _ENOUGH}
    print(f"two stop words or more: in {sum(found.values()) / len(found):.3f} of documents, {len(found)} languages")
    print(f"below {_ENOUGH}: {', '.join(f'{label} {share:.2f}' for label, share in rare.items()) or 'none'}")


def accuracy(labelled: Iterable[Mapping[str, Any]], kind: str, identify: Callable[[str], tuple[str, float]]) -> float:
    """The share of rows of this kind whose label is found; 0 where there are none."""
    mine = [row for row in labelled if row["kind"] == kind]
    found = (identify(row["text"])[0] for row in mine)
    hits = sum(_SIMPLER.get(label, label) == row["lid176"] for label, row in zip(found, mine, strict=True))
    return hits / max(len(mine), 1)


def with_stop_words(labelled: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """For each language that has stop words, the share of documents in which two different ones stand."""
    texts: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for row in labelled:
        texts[row["lid176"], row["kind"]].append(row["text"])
    shares = {}
    for label in {label for label, _ in texts} & STOP_WORDS.keys():
        documents = texts[label, "document"] + _joined(texts[label, "sentence"])
        hits = sum(
            len(set(STOP_WORDS[label]).intersection(splitting.words(document, label))) >= 2 for document in documents
        )
        if documents:
            shares[label] = hits / len(documents)
    return shares


def rows(paths: Iterable[str]) -> Iterable[dict[str, Any]]:
    """The rows of all files."""
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


def _joined(sentences: Sequence[str]) -> list[str]:
    starts = range(0, len(sentences) - _SENTENCES + 1, _SENTENCES)
    return ["\n".join(sentences[start : start + _SENTENCES]) for start in starts]


def _sha256(path: str) -> str:
    return hashlib.sha256(unchecked("--model", path)).hexdigest()


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--model", metavar="FILE", help="a fastText model to ask too")
    parser.add_argument("--langdetect", action="store_true", help="ask langdetect too, which takes a minute")
    return parser.parse_args()


if __name__ == "__main__":
    main()
