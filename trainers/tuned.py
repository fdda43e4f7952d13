"""What a fine-tuning leaves: its weights, what it was, what it said of each example; and the model again."""

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from trainers import catalog, classification, lora, specials
from trainers import run as runs
from trainers.models.sizes import SIZES
from trainers.table import plain
from trainers.trained import Trained

FORMAT_VERSION = 1
NAME = "finetune.json"
WEIGHTS = "model.safetensors"
ADAPTERS = "adapters.safetensors"
PREDICTIONS = "predictions.jsonl"
BASE = "base"  # holds the run.json and the tokenizer.json of the run
_HEAD = "classifier."  # the prefix of a head's weights; those of the model have their own names


@dataclasses.dataclass(frozen=True)
class Tuned:
    """A fine-tuned model, with all that is needed to use it."""

    trained: Trained  # the model as its family computes it
    classifier: classification.Classifier | None  # the same model under its head; of prompts there is none
    labels: Sequence[str]  # by the number of their logit


def write(
    folder: str, about: Mapping[str, Any], *, base: Trained, model: nn.Module, predictions: Sequence[Mapping[str, Any]]
) -> None:
    """Writes a new folder, whole or not at all; merges the adapters of the model. ValueError where it exists."""
    with _new(folder) as temporary:
        if adapters := lora.tensors(model):
            _save(adapters, os.path.join(temporary, ADAPTERS))
            lora.merge(model)
        _save(model.state_dict(), os.path.join(temporary, WEIGHTS))
        with open(os.path.join(temporary, PREDICTIONS), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(plain(prediction)) + "\n" for prediction in predictions)
        os.mkdir(os.path.join(temporary, BASE))
        base.run.write(os.path.join(temporary, BASE))
        with open(os.path.join(temporary, BASE, runs.TOKENIZER), "wb") as tokenizer:
            tokenizer.write(base.tokenizer)
        with open(os.path.join(temporary, NAME), "w", encoding="utf-8") as file:
            json.dump(plain({"format_version": FORMAT_VERSION, **about}), file, indent=1)
            file.write("\n")


def load(folder: str) -> Tuned:
    """The model of a folder, on the CPU and in eval mode; ValueError where there is none."""
    path = os.path.join(folder, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            about = json.load(file)
        weights = load_file(os.path.join(folder, WEIGHTS))
        with open(os.path.join(folder, BASE, runs.TOKENIZER), "rb") as tokenizer_file:
            tokenizer = tokenizer_file.read()
    except OSError as error:
        raise ValueError(f"{folder} holds no fine-tuned model ({error}); give the --output of a fine-tuning") from None
    if (found := about.get("format_version")) != FORMAT_VERSION:
        raise ValueError(f"{path} has format_version {found}, expected {FORMAT_VERSION}; use the version that wrote it")
    run = runs.load(os.path.join(folder, BASE))
    body = catalog.model_of(run.settings, run.vocab_size)
    classifier = None
    if labels := about["labels"]:
        classifier = classification.Classifier(body, width=SIZES[run.settings.size].width, labels=len(labels))
        classifier.head.load_state_dict({name: weights.pop(_HEAD + name) for name in ("weight", "bias")})
        classifier.eval()
    body.load_state_dict(weights)
    known = specials.read(tokenizer, end_of_text_id=run.end_of_text_id, vocab_size=run.vocab_size)
    return Tuned(Trained(body.eval(), run, about["base"]["step"], tokenizer, known), classifier, labels)


def _save(tensors: Mapping[str, torch.Tensor], path: str) -> None:
    """Writes a classifier's tensors under the names that `load` finds them by; others as they are."""
    found = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        inside = {"body": rest, "head": _HEAD + rest}
        found[inside.get(first, name)] = tensor.detach().cpu().contiguous()
    try:
        save_file(found, path, {"format": "pt"})
    except SafetensorError as error:  # what a full disk raises as well
        raise OSError(f"cannot write {path}: {error}; make room or choose another --output") from error
    os.chmod(path, 0o644)  # safetensors' is for its owner alone


@contextlib.contextmanager
def _new(folder: str) -> Iterator[str]:
    """A folder beside, which gets its name when the block ends well."""
    above = os.path.dirname(os.path.abspath(folder))
    os.makedirs(above, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=".writing-", dir=above)
    try:
        yield temporary
        os.chmod(temporary, 0o755)  # mkdtemp's is for its owner alone
        if os.path.lexists(folder):
            raise ValueError(f"{folder} was made by another process meanwhile; choose another --output")
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
