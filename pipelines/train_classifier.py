"""Trains a fastText classifier that tells good texts from others, for the step QualityClassifier.

Writes into --output the model, card.json and card.md: what it was trained on, file by file with sha256, and how well it
does on hosts that it has not seen, beside the length of a text alone. The same texts and flags give the same bytes,
whatever the order of files and rows. Files are JSON lines, plain, .gz or .zst, or Parquet, as a corpus's documents are.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from curation import classify, sources, storage, train_fasttext
from curation.remote import access
from curation.train_fasttext import Settings
from curation.training_split import Example, Examples
from curation.training_texts import Fields
from pipelines import classifier_card, terminal
from pipelines.classifier_card import Trained

_MODEL, _QUANTIZED = "model.bin", "model.ftz"
_CARD, _MARKDOWN = "card.json", "card.md"  # the card is written last: where it is, all is


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 where there is nothing to train on, or no room for the model."""
    args = _arguments(argv)
    return terminal.serve(lambda: _run(args), failed=1)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.train_classifier", description=__doc__, allow_abbrev=False
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add, usual = parser.add_argument, Settings()
    add("--positive", nargs="+", required=True, metavar="FILE", help="good texts: a file or a glob, local or remote")
    add("--negative", nargs="+", required=True, metavar="FILE", help="other texts")
    add("--output", required=True, metavar="DIR", help="where the model and its card go")
    add("--text-field", default=Fields.text, metavar="NAME", help="the field of a row's text (default: text)")
    add("--url-field", default=Fields.url, metavar="NAME", help="that of its URL, or of what else is held out whole")
    add("--held-out", type=float, default=0.1, metavar="X", help="the share of hosts to test on (default: 0.1)")
    add(
        "--seed", type=int, default=usual.seed, help="decides the order of the texts and the first weights (default: 0)"
    )
    add("--epochs", type=int, default=usual.epochs, metavar="N", help=f"(default: {usual.epochs})")
    rate = f"(default: {usual.learning_rate})"
    add("--learning-rate", type=float, default=usual.learning_rate, metavar="X", help=rate)
    add("--dim", type=int, default=usual.dim, metavar="N", help=f"numbers of a word (default: {usual.dim})")
    add("--word-ngrams", type=int, default=usual.word_ngrams, metavar="N", help="longest run of words (default: 2)")
    add("--min-count", type=int, default=usual.min_count, metavar="N", help="leave out rarer words (default: 1)")
    add("--buckets", type=int, default=usual.buckets, metavar="N", help=f"for n-grams (default: {usual.buckets:,})")
    add("--quantize", action="store_true", help=f"write {_QUANTIZED}, a fraction of the size")
    add("--anonymous", action="store_true", help="read s3:// and gs:// files without credentials")
    add("--overwrite", action="store_true", help="replace the model that is in --output")
    args = parser.parse_args(argv)
    if not 0 < args.held_out < 1:
        parser.error(f"--held-out {args.held_out:g}: expected a share above 0 and below 1, such as 0.1")
    for name in ("positive", "negative"):
        setattr(args, name, [os.path.expanduser(path) for path in getattr(args, name)])
    args.output = os.path.expanduser(args.output)
    return args


def _run(args: argparse.Namespace) -> int:
    settings = Settings(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Settings)})
    paths = {name: getattr(args, name) for name in ("positive", "negative")}
    if args.anonymous:
        storage.use(storage.Access(anonymous=True, input_buckets=access.buckets([*args.positive, *args.negative])))
    _check_output(args.output, overwrite=args.overwrite)
    matching = {name: sorted(entry.path for entry in sources.matching(found)) for name, found in paths.items()}
    with tempfile.TemporaryDirectory(prefix="classifier-") as folder:
        trained = _trained(args, matching, settings, folder)
        card = classifier_card.card(trained)
        _publish(args.output, os.path.join(folder, trained.model_name), card)
    terminal.show(_told(args.output, card))
    return 0


def _trained(args: argparse.Namespace, paths: dict[str, list[str]], settings: Settings, folder: str) -> Trained:
    """Reads, trains and tests; the model lies in the folder then."""
    fields = Fields(args.text_field, args.url_field)
    with open(os.path.join(folder, "spool"), "w+b") as spool:
        examples = Examples(spool, args.held_out, fields)
        files = {
            name: [examples.add(path, is_positive=name == "positive") for path in found]
            for name, found in paths.items()
        }
        chosen = examples.each_once(settings.seed)
        training = [example for example in chosen if not example.is_held_out]
        testing = [example for example in chosen if example.is_held_out]
        name = _QUANTIZED if args.quantize else _MODEL
        path = os.path.join(folder, name)
        classifier = _train(examples, training, settings, path)
        scores = [classify.score(classifier, text) for text in examples.texts(testing)]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Trained(
        files=files,
        fields=fields,
        counts=examples.counts,
        settings=settings,
        held_out=args.held_out,
        training=training,
        testing=testing,
        scores=scores,
        model_name=name,
        model_bytes=os.path.getsize(path),
        model_sha256=digest,
    )


def _train(examples: Examples, training: Sequence[Example], settings: Settings, path: str) -> Any:
    """The model as it was written: what is tested is what the step will have."""
    lines = f"{path}.txt"
    examples.write(lines, training)
    model = train_fasttext.train(lines, settings)
    os.remove(lines)
    if path.endswith(_QUANTIZED):
        model.quantize(thread=1)
    return train_fasttext.saved(model, path)


def _check_output(output: str, *, overwrite: bool) -> None:
    if storage.is_file(output):
        raise ValueError(f"--output {output} is a file; choose a folder")
    names = storage.listing(output)
    there = sorted({_MODEL, _QUANTIZED, _CARD, _MARKDOWN} & set(names))
    if there and not overwrite:
        raise ValueError(f"--output {output} already holds {there[0]}; choose another folder, or pass --overwrite")
    if names and not there:
        raise ValueError(f"--output {output} holds {names[0]}, which is no classifier; choose an empty or new folder")


def _publish(output: str, model: str, card: dict[str, Any]) -> None:
    """Puts the model and its card into the folder; nothing of them where that fails."""
    for name in (_CARD, _MARKDOWN, _MODEL, _QUANTIZED):
        storage.remove(storage.join(output, name))
    try:
        with storage.publish(storage.join(output, card["model"]["name"])) as temporary:
            shutil.copyfile(model, temporary)  # it may lie on another disk
        for name, content in (
            (_MARKDOWN, "\n".join(classifier_card.markdown(card)) + "\n"),
            (_CARD, json.dumps(card, indent=2) + "\n"),
        ):
            with storage.publish(storage.join(output, name)) as temporary, open(temporary, "w") as file:
                file.write(content)
    except BaseException:
        for name in (_CARD, _MARKDOWN, card["model"]["name"]):
            with contextlib.suppress(OSError):
                storage.remove(storage.join(output, name))
        raise


def _told(output: str, card: dict[str, Any]) -> list[str]:
    model, held, rows = card["model"], card["held_out"], card["rows"]
    path = storage.join(output, model["name"])
    dropped = ", ".join(
        f"{name.replace('_', ' ')} {rows[name]:,}" for name in ("without_text", "repeated", "on_both_sides")
    )
    return [
        f"{rows['rows']:,} rows; dropped: {dropped}; without URL {rows['without_url']:,}",
        *(line.removeprefix("- ") for line in classifier_card.lines(card)),
        f"AUC on held-out hosts: {held['auc']:.4f}; of length alone: {held['auc_of_length_alone']:.4f}",
        *(
            f"from {cut['threshold']:.6f} on: precision {cut['precision']:.1%}, recall {cut['recall']:.1%}, "
            f"kept {cut['share_kept']:.1%}, negatives let through {cut['false_positive_rate']:.1%}"
            for cut in held["thresholds"]
        ),
        f"{path}: {model['bytes']:,} bytes; in a recipe:",
        f'QualityClassifier("{path}", "{model["sha256"]}", min_score=…)',
    ]


if __name__ == "__main__":
    sys.exit(main())
