"""A recipe: the ordered steps of a corpus, loaded from a file that a newcomer can read."""

import dataclasses
import hashlib
import importlib.resources
import os
import re
import sys
import types
from typing import Any

from curation.cascade import SeenPayload, UrlBlocklist
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.rules.gopher import GopherQuality
from curation.rules.rule import Edit, Rule
from curation.rules.stop_words import STOP_WORDS

_GLOBAL = (ExactDuplicates, NearDuplicates)
_EARLY = (UrlBlocklist, SeenPayload, FirstLook)  # before extraction, in this order
_KINDS = {**dict.fromkeys(_GLOBAL, "g"), UrlBlocklist: "u", SeenPayload: "s", FirstLook: "l", ExtractText: "e"}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Steps in their order; per-document steps may stand before and after one group of global steps."""

    name: str
    source: str  # where the recipe is published
    steps: tuple[Any, ...]
    text_sha256: str = ""  # of the file, set when it is loaded: a rule of its own is more than its repr

    def __post_init__(self) -> None:
        kinds = "".join(_KINDS.get(type(step), "d") for step in self.steps)
        if not re.fullmatch("u?s?l?e[dg]*", kinds):
            raise ValueError(
                f"recipe {self.name}: the first step must be ExtractText(...), or UrlBlocklist(...), SeenPayload() and "
                "FirstLook(...) before it, in this order and each at most once"
            )
        if not re.fullmatch(".*ed*g*d*", kinds):
            raise ValueError(f"recipe {self.name}: the steps that look at all documents must stand side by side")
        for number, step in enumerate(self.steps, 1):
            is_kind = isinstance(step, (*_EARLY, ExtractText, *_GLOBAL, KeepLanguage, Rule, Edit))
            if isinstance(step, type) or not is_kind:
                raise ValueError(
                    f"recipe {self.name}: step {number}, {step!r}, is none of: a language step, a rule (measure "
                    "and reason), an edit (edit), a duplicates step"
                )
            parameters = getattr(type(step), "__dataclass_params__", None)
            if parameters is None or not parameters.frozen:
                raise ValueError(
                    f"recipe {self.name}: {step_name(step)} is no frozen dataclass, so its repr says nothing"
                )
        names = [step_name(step) for step in self.steps]
        if doubles := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"recipe {self.name}: {', '.join(sorted(doubles))} stands more than once")

    @property
    def extraction(self) -> tuple[ExtractText, FirstLook | None]:
        """How a page becomes text, and what is looked at right before."""
        (extract,) = (step for step in self.steps if isinstance(step, ExtractText))
        return extract, next((step for step in self.steps if isinstance(step, FirstLook)), None)

    @property
    def before(self) -> tuple[Any, ...]:
        """The per-document steps up to the first global one."""
        return self.steps[: len(self.steps) - len(self.after) - len(self.duplicates)]

    @property
    def duplicates(self) -> tuple[Any, ...]:
        """The global steps."""
        return tuple(step for step in self.steps if isinstance(step, _GLOBAL))

    @property
    def after(self) -> tuple[Any, ...]:
        """The per-document steps after the last global one."""
        last = max((number for number, step in enumerate(self.steps) if isinstance(step, _GLOBAL)), default=None)
        return () if last is None else self.steps[last + 1 :]

    @property
    def sha256(self) -> str:
        """The digest of the recipe's repr, which is the record of the run."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def with_language(self, language: str) -> "Recipe":
        """The recipe for documents of another language; ValueError where it cannot be had in it."""
        if not any(isinstance(step, KeepLanguage) for step in self.steps):
            raise ValueError(f"--language {language}: recipe {self.name} has no KeepLanguage step to set")
        return dataclasses.replace(self, steps=tuple(_in_language(step, language) for step in self.steps))


def _in_language(step: Any, language: str) -> Any:
    if isinstance(step, (FirstLook, KeepLanguage)):
        return dataclasses.replace(step, language=language)
    if isinstance(step, GopherQuality) and step.min_stop_words:
        if language not in STOP_WORDS:
            raise ValueError(
                f"--language {language}: GopherQuality has stop words for {', '.join(sorted(STOP_WORDS))} only; copy "
                "the recipe, and give it GopherQuality(min_stop_words=0) and its own KeepLanguage"
            )
        return dataclasses.replace(step, stop_words=STOP_WORDS[language])
    return step


def step_name(step: object) -> str:
    """How a step is named in rejections and in the ledger: as in the recipe's file."""
    return type(step).__name__


def read_source(recipe: str) -> tuple[str, str]:
    """The file name and text of a recipe given by name or by path; ValueError where there is none."""
    names = sorted(
        entry.name.removesuffix(".py")
        for entry in importlib.resources.files("curation.recipes").iterdir()
        if entry.name.endswith(".py") and not entry.name.startswith("_")
    )
    if recipe in names:
        return f"{recipe}.py", (importlib.resources.files("curation.recipes") / f"{recipe}.py").read_text("utf-8")
    if not recipe.endswith(".py"):
        raise ValueError(
            f"--recipe {recipe}: no such recipe; choose one of {', '.join(names)}, or give the path of a .py file"
        )
    try:
        with open(recipe, encoding="utf-8") as file:
            return os.path.basename(recipe), file.read()
    except OSError as error:
        raise ValueError(f"--recipe {recipe} cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise ValueError(f"--recipe {recipe} is no text in UTF-8; give the path of a Python file") from None


def of_source(file_name: str, text: str) -> Recipe:
    """Runs a recipe's file and returns its RECIPE; ValueError names the line where it does not run.

    The text travels to the workers, not the object, so that a recipe may define rules of its own.
    """
    module = types.ModuleType(f"recipe_{os.path.splitext(file_name)[0]}")
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        exec(compile(text, file_name, "exec"), module.__dict__)  # a recipe is a program that the user chose to run
    except SyntaxError as error:
        raise ValueError(
            f"--recipe {file_name}, line {error.lineno}: {error.msg}; mend the line and start again"
        ) from None
    except ValueError as error:
        raise ValueError(f"--recipe {file_name}: {error}") from None
    except Exception as error:
        line = _last_line(error, file_name)
        raise ValueError(f"--recipe {file_name}{line}: {type(error).__name__}: {error}") from None
    recipe = module.__dict__.get("RECIPE")
    if not isinstance(recipe, Recipe):
        raise ValueError(f"--recipe {file_name} defines no RECIPE = Recipe(...); see curation/recipes/fineweb.py")
    return dataclasses.replace(recipe, text_sha256=hashlib.sha256(text.encode()).hexdigest())


def of_run(file_name: str, text: str, language: str | None) -> Recipe:
    """The recipe that a run was started with."""
    recipe = of_source(file_name, text)
    return recipe.with_language(language) if language else recipe


def _last_line(error: Exception, file_name: str) -> str:
    lines, trace = [], error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == file_name:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
