"""fastText models by path and sha256, read without the warning that `fasttext.load_model` prints."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from curation import storage

LABEL = "__label__"  # what fastText takes a word for a label by
_CHUNK = 1 << 20  # bytes


def load(step: str, path: str, sha256: str) -> Any:
    """The model at `path`, local or remote; ValueError where it cannot be had, or is another than the digest says.

    `step` is what names the file in the recipe.
    """
    try:
        with _on_disk(path) as local:
            with open(local, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise ValueError(
                    f"{step}({path!r}) has sha256 {found}, expected {sha256 or 'one'}; take the model that the recipe "
                    "was made with, or put the new digest into the recipe"
                )
            return _loaded(step, path, local)
    except OSError as error:
        raise ValueError(f"{step}({path!r}) cannot be read: {error.strerror or error}; check the path") from None


def read(path: str) -> Any:
    """A model on this machine's disk; ValueError where the file is none."""
    from fasttext.FastText import _FastText

    return _FastText(path)


def top(model: Any, text: str) -> tuple[str, float]:
    """A model's most probable label and its probability; an empty label for a text without words."""
    if not text.strip():
        return "", 0.0  # the model has an opinion on nothing too
    return next(iter(scores(model, text, count=1).items()), ("", 0.0))


def scores(model: Any, text: str, *, count: int) -> dict[str, float]:
    """A model's `count` most probable labels with their probabilities, the most probable first."""
    # Not `model.predict`: in fasttext 0.9.3 it fails on numpy 2. The line break is what it would add.
    found = model.f.predict(text.replace("\n", " ") + "\n", count, 0.0, "strict")
    return {label.removeprefix(LABEL): float(score) for score, label in found}


def labels(model: Any) -> frozenset[str]:
    """The labels that a model knows."""
    return frozenset(label.removeprefix(LABEL) for label in model.f.getLabels("strict")[0])


def _loaded(step: str, path: str, local: str) -> Any:
    try:
        return read(local)
    except ValueError as error:
        raise ValueError(f"{step}({path!r}) is no fastText model: {error}") from None
    except MemoryError:
        raise ValueError(
            f"{step}({path!r}) does not fit into memory; give the recipe's extractor a larger max_memory, or quantize "
            "the model"
        ) from None


@contextlib.contextmanager
def _on_disk(path: str) -> Iterator[str]:
    """A file on this machine's disk, which is where fastText reads from."""
    if storage.is_local(path):
        yield path.removeprefix("file://")
        return
    with tempfile.TemporaryDirectory(prefix="fasttext-") as folder:
        local = os.path.join(folder, storage.base_name(path))
        with storage.open_read(path) as source, open(local, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
        yield local
