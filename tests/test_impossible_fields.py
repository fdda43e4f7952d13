"""Fields that cannot be meant are errors of one line when a recipe is read, for every step that there is."""

import dataclasses
import importlib
import math
import pkgutil
import typing

import pytest

import curation
from curation import recipe
from curation.extraction.settings import ExtractText
from curation.language import KeepLanguage
from curation.recipe import _LETTERS, Recipe
from curation.url_words import WordList

FILE = WordList("words.txt", "0" * 64)
NEEDED = {
    "FineWebUrlWords": {"hard": FILE},
    "RefinedWebUrlWords": {"hard": FILE},
    "NotHosts": {"hosts": ("a.example",)},
}
HELD = {"Trafilatura", "Resiliparse", "Lid176", "FastTextModel", "Langdetect", "WordList", "ListFile", "UrlCategory"}
RATIOS = {  # that may be above 1
    *("max_hashes", "max_ellipses", "max_symbols", "max_breaks"),
    "DolmaGopher.max_repeated_line_characters",
}
BY_KIND = {str: "a", float: 0.5, int: 3}
IMPORTS = """import dataclasses
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.dedup.pages import FirstOfUrl
from curation.extraction.settings import ExtractText, Trafilatura
from curation.language import KeepLanguage, Lid176
from curation.recipe import Recipe
from curation.rules.gopher import GopherQuality
from curation.rules.repeated_tokens import RepeatedTokens
from curation.rules.c4 import C4Lines
Mine = dataclasses.make_dataclass("Mine", [("most", int)], frozen=True, namespace={"edit": lambda self, text: ""})"""


def classes():
    """Every frozen dataclass of curation that is a step, or that a step holds."""
    for module in pkgutil.walk_packages(curation.__path__, "curation."):
        found = vars(importlib.import_module(module.name)) if ".recipes" not in module.name else {}
        for name, each in found.items():
            if isinstance(each, type) and each.__module__ == module.name and dataclasses.is_dataclass(each):
                yield name, each


def specimen(of):
    """One of it, with what it must be given."""
    hints, given = typing.get_type_hints(of), NEEDED.get(of.__name__, {})
    needed = {
        field.name: BY_KIND.get(hints[field.name]) or specimen(hints[field.name])
        for field in dataclasses.fields(of)
        if field.default is dataclasses.MISSING and field.name not in given
    }
    return of(**{**needed, **given})


def specimens():
    for name, of in classes():
        is_step = issubclass(of, (*_LETTERS, KeepLanguage)) or (
            hasattr(of, "edit") or (hasattr(of, "measure") and hasattr(of, "reason")) or hasattr(of, "judge")
        )
        if is_step or name in HELD:
            yield specimen(of)


def wrong(value, hint):
    """Values that a field of this kind cannot have, whatever it is for."""
    kinds = {hint, *typing.get_args(hint)}
    yield from ([value], {"a": 1}, object(), math.nan, str)
    if type(None) not in kinds:
        yield None
    if str not in kinds and typing.get_origin(hint) is not typing.Literal:
        yield from ("50", "")
    if int in kinds or float in kinds:
        yield from (-1, -0.5, -math.inf, True, (1,))
    if int in kinds:
        yield from (1.5, math.inf)
    if bool in kinds or str in kinds:
        yield from (3, 0.5)
    if typing.get_origin(hint) is tuple:
        yield from ("en", [*value], (math.nan,), (object(),), ((),), {*()})


@pytest.mark.parametrize("each", list(specimens()), ids=lambda each: type(each).__name__)
def test_a_field_of_another_kind_is_refused(each):
    hints = typing.get_type_hints(type(each))
    for name in names(each):
        for value in wrong(getattr(each, name), hints[name]):
            with pytest.raises(ValueError) as caught:
                dataclasses.replace(each, **{name: value})
            told = str(caught.value)
            assert type(each).__name__ in told and name in told and "expected" in told and "\n" not in told, told


def names(each):
    return [field.name for field in dataclasses.fields(each)]


@pytest.mark.parametrize("each", list(specimens()), ids=lambda each: type(each).__name__)
def test_shares_end_at_one_and_least_is_not_above_most(each):
    for field in dataclasses.fields(each):
        value = getattr(each, field.name)
        if type(value) is float and 0 <= value < 1 and not RATIOS & {field.name, f"{type(each).__name__}.{field.name}"}:
            with pytest.raises(ValueError, match=field.name):
                dataclasses.replace(each, **{field.name: 1.5})
        most = field.name.replace("min_", "max_")
        if most != field.name and most in names(each):
            with pytest.raises(ValueError, match=f"{field.name}=.*expected at most {most}"):
                dataclasses.replace(each, **{field.name: getattr(each, most) + 1})


def read(steps):
    return recipe.of_source("mine.py", f"{IMPORTS}\nRECIPE = Recipe('mine', 'a test', {steps})")


@pytest.mark.parametrize(
    "steps, told",
    [
        ("(ExtractText(), GopherQualty())", "mine.py, line 12: NameError: name 'GopherQualty' is not defined"),
        ("(ExtractText, GopherQuality())", "recipe mine: step 1, ExtractText, is a class: expected ExtractText(...)"),
        ("(ExtractText(), GopherQuality)", "recipe mine: step 2, GopherQuality, is a class: expected GopherQuality("),
        ("(ExtractText(), Trafilatura())", "recipe mine: step 2, Trafilatura("),
        ("(ExtractText(), None)", "recipe mine: step 2, None, is none of: "),
        ("[ExtractText()]", "Recipe(steps=["),
        ("(ExtractText())", "Recipe(steps=ExtractText("),
        ("(GopherQuality(), ExtractText())", "recipe mine: the first step must be ExtractText(...)"),
        ("(ExtractText(), Mine('50'))", "recipe mine: step 2, Mine(most='50'): expected a whole number"),
        ("(ExtractText(extractor=Trafilatura),)", "ExtractText(extractor=<class 'curation"),
        ("(ExtractText(), GopherQuality(min_words='50'))", "GopherQuality(min_words='50'): expected a whole number"),
        ("(ExtractText(), GopherQuality(stop_words=['a']))", "GopherQuality(stop_words=['a']): expected a tuple"),
        ("(ExtractText(), KeepLanguage('en', 65))", "KeepLanguage(min_score=65): expected a share from 0 to 1"),
        ("(ExtractText(), KeepLanguage(identifier=Lid176))", "KeepLanguage(identifier=<class"),
        ("(ExtractText(), NearDuplicates(bands=10**6))", "NearDuplicates(bands=1000000, rows=8): expected at most"),
        (
            "(ExtractText(), NearDuplicates(words='latin'))",
            "NearDuplicates(words='latin'): expected one of plain, fineweb",
        ),
        (
            "(ExtractText(), NearDuplicates(keep='signal:'))",
            "NearDuplicates(keep='signal:'): expected first, longest, ",
        ),
        ("(ExtractText(), ExactDuplicates(scope='a\\nb'))", "ExactDuplicates(scope='a\\nb'): expected one of corpus, "),
        ("(ExtractText(), ExactDuplicates(normalized=1))", "ExactDuplicates(normalized=1): expected True or False"),
        ("(ExtractText(), FirstOfUrl(normalized='yes'))", "FirstOfUrl(normalized='yes'): expected True or False"),
        (
            "(ExtractText(), ExactDuplicates(), NearDuplicates(keep='newest'))",
            "ExactDuplicates(keep='first') stands beside NearDuplicates(keep='newest'): they make clusters together",
        ),
        ("(ExtractText(), RepeatedTokens(max_period=10**9))", "RepeatedTokens(max_period=1000000000): expected"),
        ("(ExtractText(cpu_seconds=1e9),)", "ExtractText(cpu_seconds=1000000000.0): expected at most"),
        ("(ExtractText(),), validation='none'", "recipe mine: validation='none', expected one of host, c4"),
        ("exit()", "mine.py, line 12: SystemExit"),
        ("exec('import nowhere')", "mine.py, line 12: ModuleNotFoundError"),
        ("(lambda again: again(again))(lambda again: again(again))", "mine.py, line 12: RecursionError"),
        ("(ExtractText(), 'x' * 10**6)", "recipe mine: step 2, 'xxx"),
        ("(ExtractText(), 'a\\nb\\x1b[2J')", "recipe mine: step 2, 'a"),
    ],
    ids=range(29),
)
def test_a_recipe_that_cannot_be_meant_is_an_error_of_one_line(steps, told):
    with pytest.raises(ValueError) as caught:
        read(steps)
    message = str(caught.value)
    assert message.startswith("--recipe mine.py") and told in message
    assert "\n" not in message and "\x1b" not in message and len(message) < 5000


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".", "..", "a b", "a\n", "x" * 200])
def test_a_recipe_has_a_name_that_a_folder_may_have(name):
    with pytest.raises(ValueError, match=r"Recipe\(name="):
        Recipe(name, "a test", (ExtractText(),))
