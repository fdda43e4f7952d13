"""A recipe's steps for another language than it was written for."""

import dataclasses
from typing import Any

from curation.first_look import FirstLook
from curation.identifiers import Lid176
from curation.language import KeepLanguage
from curation.rules.bad_words import BadWords
from curation.rules.stop_words import STOP_WORDS


def check(step: Any, language: str) -> None:
    """ValueError where a step identifies languages, and knows none of this code."""
    if isinstance(step, KeepLanguage) and language not in (known := step.identifier.labels()):
        names = "codes lid.176 knows, such as en, de or zh"
        if not isinstance(step.identifier, Lid176):
            names = f"{len(known)} labels of {type(step.identifier).__name__}, such as {min(known, default='')}"
        raise ValueError(f"--language {language}: not one of the {names}")


def of_step(step: Any, language: str) -> Any:
    """The step for documents of another language; ValueError where it cannot be had in it."""
    if isinstance(step, (FirstLook, KeepLanguage)):
        return dataclasses.replace(step, language=language)
    if isinstance(step, BadWords) and step.language != language:
        raise ValueError(
            f"--language {language}: BadWords({step.path!r}) is a list for {step.language}; copy the recipe, and give "
            f"it the list of {language}"
        )
    if hasattr(step, "stop_words") and getattr(step, "min_stop_words", False):
        name = type(step).__name__
        if language not in STOP_WORDS:
            raise ValueError(
                f"--language {language}: {name} has stop words for {', '.join(sorted(STOP_WORDS))} only; copy "
                f"the recipe, and give it {name}(min_stop_words=0) and its own KeepLanguage"
            )
        return dataclasses.replace(step, stop_words=STOP_WORDS[language])
    return step
