"""A recipe: the ordered steps of a corpus, loaded from a file that a newcomer can read."""

import dataclasses
import hashlib
import importlib.resources
import itertools
import os
import re
import sys
import types
from typing import Any

from curation import step_language
from curation.cascade import SeenPayload
from curation.dedup import texts
from curation.dedup.bloom import BloomNgrams, BloomParagraphs
from curation.dedup.contamination import Against, Contamination
from curation.dedup.exact import ExactDuplicates
from curation.dedup.lines import RepeatedLines, RepeatedParagraphs, SentenceSpans
from curation.dedup.minhash import NearDuplicates
from curation.dedup.pages import FirstOfUrl, NewestPage, SamePayload
from curation.dedup.substrings import ExactSubstrings
from curation.extraction.settings import ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.opt_outs import OptOuts
from curation.rules import limits
from curation.rules.rule import Edit, Rule, UrlRule
from curation.top_share import TopShare

_TEXTS = (ExactDuplicates, NearDuplicates)  # side by side they are one pass: clusters of both
CUTTING = (ExactSubstrings, Contamination)  # those that write down what they cut
# After these a page alone cannot say what its text is.
GLOBAL_EDITS = (RepeatedLines, RepeatedParagraphs, SentenceSpans, *CUTTING, BloomParagraphs, BloomNgrams)
GLOBAL = (*_TEXTS, NewestPage, FirstOfUrl, SamePayload, *GLOBAL_EDITS, TopShare)
_LETTERS = {SeenPayload: "s", OptOuts: "o", FirstLook: "l", ExtractText: "e", **dict.fromkeys(GLOBAL, "g")}
_SPLITS = ("host", "c4")
_MAX_TOLD = 1000  # characters of what a recipe says when it fails
_NAME = re.compile(r"[\w-][\w.-]{0,99}")  # a part of paths


@dataclasses.dataclass(frozen=True)
class Pass:
    """One look at all documents at once, and the per-document steps that follow it."""

    looks: tuple[Any, ...]  # one global step, or ExactDuplicates and NearDuplicates
    steps: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Steps in their order: those on URLs and pages, extraction, then rules, edits and global steps in any order."""

    name: str
    source: str  # where the recipe is published
    steps: tuple[Any, ...]
    validation: str = "host"  # what is held out: a share of hosts, or as C4 does a thousandth of URLs
    text_sha256: str = ""  # of the file, set when it is loaded: a rule of its own is more than its repr

    def __post_init__(self) -> None:
        limits.typed(self)
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"Recipe(name={self.name!r}): expected letters, digits and . _ - alone, not to start with ."
            )
        for number, step in enumerate(self.steps, 1):
            self._check_step(number, step)
        kinds = "".join(map(_kind, self.steps))
        if not re.fullmatch("u*s?o?l?e[dg]*", kinds):
            raise ValueError(
                f"recipe {self.name}: the first step must be ExtractText(...), or before it steps on URLs, "
                "SeenPayload(), OptOuts(...) and FirstLook(...), in this order, all but those on URLs at most once"
            )
        if self.validation not in _SPLITS:
            raise ValueError(
                f"recipe {self.name}: validation={self.validation!r}, expected one of {', '.join(_SPLITS)}"
            )
        names = [step_name(step) for step in self.steps]
        if doubles := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"recipe {self.name}: {', '.join(sorted(doubles))} stands more than once")
        for each in self.passes:
            texts.looks_of(each.looks)  # that they keep the same copies

    def _check_step(self, number: int, step: Any) -> None:
        where = f"recipe {self.name}: step {number}, "
        if isinstance(step, type):
            raise ValueError(f"{where}{step.__name__}, is a class: expected {step.__name__}(...), with its fields")
        if not isinstance(step, (*_LETTERS, UrlRule, KeepLanguage, Rule, Edit)):
            raise ValueError(
                f"{where}{step!r}, is none of: a language step, a rule (measure and reason), an edit (edit), a step on "
                "all documents"
            )
        parameters = getattr(type(step), "__dataclass_params__", None)
        if parameters is None or not parameters.frozen:
            raise ValueError(f"recipe {self.name}: {step_name(step)} is no frozen dataclass, so its repr says nothing")
        try:
            limits.typed(step)
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None

    @property
    def extraction(self) -> tuple[ExtractText, FirstLook | None]:
        """How a page becomes text, and what is looked at right before."""
        (extract,) = (step for step in self.steps if isinstance(step, ExtractText))
        return extract, next((step for step in self.steps if isinstance(step, FirstLook)), None)

    @property
    def opt_outs(self) -> OptOuts | None:
        """What is read of a page's own wishes, if anything."""
        return next((step for step in self.steps if isinstance(step, OptOuts)), None)

    @property
    def before(self) -> tuple[Any, ...]:
        """The per-document steps up to the first global one."""
        return tuple(itertools.takewhile(lambda step: not isinstance(step, GLOBAL), self.steps))

    @property
    def duplicates(self) -> tuple[Any, ...]:
        """The global steps."""
        return tuple(step for step in self.steps if isinstance(step, GLOBAL))

    @property
    def cuts(self) -> bool:
        """Whether a step writes down what it cuts out of documents."""
        return any(isinstance(step, CUTTING) and getattr(step, "action", "cut") == "cut" for step in self.steps)

    @property
    def after(self) -> tuple[Any, ...]:
        """The per-document steps after the first global one."""
        return tuple(step for step in self.steps[len(self.before) :] if not isinstance(step, GLOBAL))

    @property
    def passes(self) -> tuple[Pass, ...]:
        """What follows the first per-document steps, one look at all documents after another."""
        found: list[Pass] = []
        for step in self.steps[len(self.before) :]:
            last = found[-1] if found else Pass((), ())
            if not isinstance(step, GLOBAL):
                found[-1] = dataclasses.replace(last, steps=(*last.steps, step))
            elif isinstance(step, _TEXTS) and last.looks and isinstance(last.looks[0], _TEXTS) and not last.steps:
                found[-1] = dataclasses.replace(last, looks=(*last.looks, step))
            else:
                found.append(Pass((step,), ()))
        return tuple(found)

    def check(self) -> None:
        """ValueError where a step cannot have a file that it names, so that a run stops before it starts."""
        for step in self.steps:
            if check := getattr(step, "check", None):
                check()

    @property
    def sha256(self) -> str:
        """The digest of the recipe's repr, which is the record of the run."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def check_language(self, language: str) -> None:
        """ValueError where what identifies languages knows none of this code."""
        for step in self.steps:
            step_language.check(step, language)

    def with_language(self, language: str) -> "Recipe":
        """The recipe for documents of another language; ValueError where it cannot be had in it."""
        if not any(isinstance(step, KeepLanguage) for step in self.steps):
            raise ValueError(f"--language {language}: recipe {self.name} has no KeepLanguage step to set")
        return dataclasses.replace(self, steps=tuple(step_language.of_step(step, language) for step in self.steps))


def _kind(step: object) -> str:
    if isinstance(step, UrlRule) and not isinstance(step, type):
        return "u"
    return _LETTERS.get(type(step), "d")


def step_name(step: object) -> str:
    """How a step is named in rejections and in the ledger: as in the recipe's file."""
    return type(step).__name__


def names() -> list[str]:
    """The recipes that come with this project."""
    return sorted(
        entry.name.removesuffix(".py")
        for entry in importlib.resources.files("curation.recipes").iterdir()
        if entry.name.endswith(".py") and not entry.name.startswith("_")
    )


def read_source(recipe: str) -> tuple[str, str]:
    """The file name and text of a recipe given by name or by path; ValueError where there is none."""
    if recipe in names():
        return f"{recipe}.py", (importlib.resources.files("curation.recipes") / f"{recipe}.py").read_text("utf-8")
    if not recipe.endswith(".py"):
        raise ValueError(
            f"--recipe {recipe}: no such recipe; choose one of {', '.join(names())}, or give the path of a .py file"
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
        raise ValueError(f"--recipe {file_name}: {_in_one_line(error)}") from None
    except (Exception, SystemExit) as error:
        line = _last_line(error, file_name)
        raise ValueError(f"--recipe {file_name}{line}: {type(error).__name__}: {_in_one_line(error)}") from None
    recipe = module.__dict__.get("RECIPE")
    if not isinstance(recipe, Recipe):
        raise ValueError(f"--recipe {file_name} defines no RECIPE = Recipe(...); see curation/recipes/fineweb.py")
    return dataclasses.replace(recipe, text_sha256=hashlib.sha256(text.encode()).hexdigest())


def of_run(file_name: str, text: str, language: str | None, against: Against | None = None) -> Recipe:
    """The recipe that a run was started with."""
    recipe = of_source(file_name, text)
    recipe = recipe.with_language(language) if language else recipe
    return dataclasses.replace(recipe, steps=against.steps(recipe.steps)) if against else recipe


def _in_one_line(error: BaseException) -> str:
    told = " ".join(str(error).split())
    told = told if len(told) <= _MAX_TOLD else f"{told[:_MAX_TOLD]} …"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in told)


def _last_line(error: BaseException, file_name: str) -> str:
    lines, trace = [], error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == file_name:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
