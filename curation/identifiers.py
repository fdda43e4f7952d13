"""What names the language of a text: a frozen dataclass that a recipe's KeepLanguage step holds.

gcld3, which mC4 used on pages of 100 to 10,000 bytes, is not among them: it has no wheel, and does not build here.
"""

import dataclasses
import functools
import os
from typing import Any, Literal, Protocol, runtime_checkable

from curation import fasttext_model, lid176
from curation.rules import limits

# Digits and marks that every language has say nothing of any: blanks, as GlotLID's demonstration has it.
_IN_EVERY_LANGUAGE = str.maketrans(dict.fromkeys("0123456789:•#{|", " "))
# langdetect looks at 10,000 characters of what is left without URLs and addresses; C4's longest pages have 190,000.
_MAX_LANGDETECT = 200_000  # characters


@runtime_checkable
class Identifier(Protocol):
    """A frozen dataclass, so that its repr is the record of a run."""

    def identify(self, text: str) -> tuple[str, float]:
        """The most probable label and its score; an empty label and 0.0 where a text has none. Never raises."""
        ...

    def labels(self) -> frozenset[str]:
        """The labels that it may give."""
        ...

    def check(self) -> None:
        """ValueError where a file that it needs cannot be had, or is another one; asked before a run starts."""
        ...


@dataclasses.dataclass(frozen=True)
class Lid176:
    """fastText's lid.176.ftz, as CCNet, FineWeb and DCLM use it; labels are those of Wikipedias, such as "en".

    They give it the text as it stands. `lower` is not theirs: small letters only, which is right on .8945 for .8933 of
    10,350 labelled sentences, and on .9478 for .9449 of 690 short documents (tests/benchmarks/language.py).
    """

    lower: bool = False

    def __post_init__(self) -> None:
        limits.typed(self)

    def identify(self, text: str) -> tuple[str, float]:
        """The most probable label and its probability."""
        return lid176.identify(text.lower() if self.lower else text)

    def labels(self) -> frozenset[str]:
        """The 176 languages."""
        return lid176.labels()

    def check(self) -> None:
        """ValueError where the package that carries the model is missing, or carries another file."""
        lid176.model_path()


@dataclasses.dataclass(frozen=True)
class FastTextModel:
    """Any fastText classifier of languages by path, such as GlotLID (https://huggingface.co/cis-lmu/glotlid).

    Labels are the model's, without `__label__`: GlotLID's are "eng_Latn", a language of ISO 639-3 and its script.
    `normalize` is "plain" for line breaks as blanks, which is all that FineWeb-2 (datatrove) does before it asks
    GlotLID, or "glotlid" for digits and the marks `: • # { |` as blanks too, and runs of white space as one. `path` may
    be remote; `sha256` is the file's, so that the recipe says which model it was.
    """

    path: str
    sha256: str
    normalize: Literal["plain", "glotlid"] = "plain"

    def __post_init__(self) -> None:
        limits.typed(self)

    def identify(self, text: str) -> tuple[str, float]:
        """The most probable label and its probability."""
        if self.normalize == "glotlid":
            text = " ".join(text.translate(_IN_EVERY_LANGUAGE).split())
        return fasttext_model.top(_model(self.path, self.sha256), text)

    def labels(self) -> frozenset[str]:
        """The languages that the model knows."""
        return fasttext_model.labels(_model(self.path, self.sha256))

    def check(self) -> None:
        """ValueError where the file cannot be read, has another sha256, or is no model."""
        _model(self.path, self.sha256)


@dataclasses.dataclass(frozen=True)
class Langdetect:
    """langdetect 1.0.9 with C4's seed (TFDS, c4_utils.py); 55 labels, such as "en" and "zh-cn".

    It draws n-grams of the text's first 10,000 characters by chance. Every text is drawn from with the same seed, so
    what was asked before does not matter; nor does the order in which a file system lists its profiles, which the
    package itself follows.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "seed")

    def identify(self, text: str) -> tuple[str, float]:
        """The most probable label and its probability; an empty label where nothing speaks for any."""
        from langdetect.lang_detect_exception import LangDetectException

        detector = _langdetect(self.seed).create()
        try:
            detector.append(text[:_MAX_LANGDETECT])
            found = detector.get_probabilities()
        except LangDetectException:  # no letters in the text
            return "", 0.0
        return (found[0].lang, float(found[0].prob)) if found else ("", 0.0)

    def labels(self) -> frozenset[str]:
        """The languages that it has profiles of."""
        return frozenset(_langdetect(self.seed).get_lang_list())

    def check(self) -> None:
        """Its profiles come with the package."""


@functools.lru_cache(4)
def _langdetect(seed: int) -> Any:
    import langdetect  # here, since only recipes that name it read its profiles, for half a second
    from langdetect.detector_factory import DetectorFactory

    folder = os.path.join(os.path.dirname(langdetect.__file__), "profiles")
    profiles = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            profiles.append(file.read())
    factory = DetectorFactory()  # our own: the seed of the package's is any module's to set
    factory.load_json_profile(profiles)
    factory.set_seed(seed)
    return factory


@functools.lru_cache(2)
def _model(path: str, sha256: str) -> Any:
    return fasttext_model.load(FastTextModel.__name__, path, sha256)
