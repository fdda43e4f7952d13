"""The rules give what their plain versions give: every signal, every verdict and every edited text."""

import collections
import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text

from curation import sources, warc, words
from curation.document import Page
from curation.rules import ngrams
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition
from curation.text import Text
from tests import plain_rules, prose

WEB = sorted((Path(__file__).parents[2] / "shared" / "data" / "web").glob("*.warc.gz"))
RULES = (
    GopherRepetition(),
    GopherQuality(),
    C4Lines(end_mark=False, min_words=3, min_sentences=5),
    C4Lines(min_words=0, max_word_length=20),
    FineWebQuality(),
)
SIZES = (1, 2, 9, 40)  # words, other than Gopher's too


def check(content):
    """Compares the rules on a text, all on one `Text`, and on what the edits leave of it."""
    text, edited = Text(content), []
    for rule in RULES:
        found, expected = rule.measure(text), plain_rules.MEASURES[type(rule)](rule, content)
        assert list(found.items()) == list(expected.items())
        assert rule.reason(found) == rule.reason(expected)
        if isinstance(rule, C4Lines):
            edited.append(rule.edit(text))
            assert edited[-1] == plain_rules.c4_edit(rule, content)
    found, tokens = ngrams.Ngrams(text), plain_rules.words(text.content)
    assert [found.top_characters(n) for n in SIZES] == [plain_rules.top_characters(tokens, n) for n in SIZES]
    assert [found.repeated_characters(n) for n in SIZES] == [plain_rules.repeated_characters(tokens, n) for n in SIZES]
    for content in edited:
        assert FineWebQuality().measure(Text(content)) == plain_rules.fineweb_quality(FineWebQuality(), content)


TINY = st.text(alphabet="ab .\n", max_size=80)
SPACES = st.text(alphabet=" \n\r\t\v\f\x1c\x1d\x1e\x85\xa0\u2003\u2028\u2029\u3000", max_size=10)
MARKS = st.text(alphabet="aB1.,:;!?()[]{}\"'“”’-–—…/@#$%&*+=<>|~^_`\\•° \n", max_size=40)
ATOMS = """
    a b ab c. One Two. three? don't don’t Anna's U.S. e.g. mbar 5kmh 3.5 1990s X.509 well-known (see Note.) :) ( -:)
    Lorem ipsum javascript { } [1] [edit] [citation [2]. cookie policy uses cookies # ... … • - "What." end.Start
    日本語の文。 中文，句子！ Straße İSTANBUL ΟΔΟΣ e\u0301a \U0001f600 http://www.example.com/a?b mail@example.org
    COLD. McCoy, ''tis' wouldnt shouldn't Gotta, O'clock 10am. ABCdef, xxxxx, Xxxxx. XXXXX! 2019/20 $5bn a_b_c
"""
GAPS = st.sampled_from([" ", " ", " ", "  ", "\n", "\n\n", "\n\n\n", "\r\n", "\t", "\xa0", " \n ", "\u2028", ""])
WORD = st.sampled_from(ATOMS.split())
MIXED = st.lists(st.one_of(WORD, GAPS), max_size=40).map("".join)
SENTENCES = st.lists(st.tuples(WORD, GAPS).map("".join), min_size=20, max_size=80).map("".join)


@pytest.mark.slow
@given(text=st.one_of(TINY, SPACES, MARKS, MIXED, SENTENCES, st.text(max_size=40)))
@settings(max_examples=250, deadline=None)
def test_any_text(text):
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "word",
        "a" * 5000,
        "a " + "b" * 1000 + " c.",
        "[" * 700 + " (a) " + "." * 700,
        "a b c d e f g h i j k " * 40,
        "a " * 500,
        "ab c a bc " * 30,  # n-grams of other words with the same characters
        "第一。第二！" * 100,
        "One.\r\nTwo two two.\r\n\r\nThree.\r\n" * 20,
        "one two\u2028three four five.\u2029six\x85seven eight nine.\x1cten",
        "One.  ) two\xa0three.\tFour. [1] Five.[2] ) six \n" * 3,
        *map(prose.text, range(20)),
        "\n".join(map(prose.text, range(20))),
    ],
    ids=itertools.count(),
)
def test_odd_texts(text):
    check(text)


@pytest.mark.slow
def test_more_distinct_words_than_four_of_them_fit_into_64_bits():
    content = " ".join(f"w{number * number % 66_000}" for number in range(70_000))
    content += " " + " ".join(f"w{number}" for number in range(66_000))
    text, rule = Text(content), GopherRepetition()
    assert len(text.vocabulary) > 1 << 16
    assert rule.measure(text) == plain_rules.gopher_repetition(rule, content)


def test_hashes_that_are_all_the_same_change_nothing(monkeypatch):
    """They say only where to look."""
    same = property(lambda self: (np.zeros(len(self._starts), np.uint64), np.ones(len(self._starts), np.uint64)))
    monkeypatch.setattr(ngrams.Ngrams, "_hashes", same)
    for content in ("a b c d e f g h i j k " * 5, "ab c a bc " * 9, prose.text(1)):
        assert RULES[0].measure(Text(content)) == plain_rules.gopher_repetition(RULES[0], content)


def test_spacy_cuts_at_no_letter_and_no_digit():
    """So a piece of nothing else is one word, unless spaCy knows it by name."""
    tokenizer = plain_rules.pipeline().tokenizer
    characters = [
        character for character in map(chr, range(sys.maxunicode)) if character.isalpha() or character.isdecimal()
    ]
    assert not [one for one in characters if tokenizer.prefix_search(one) or tokenizer.suffix_search(one)]
    for kind in (str.isalpha, str.isdecimal):
        assert not list(tokenizer.infix_finditer("".join(filter(kind, characters))))


def test_letters_are_no_punctuation():
    assert not [mark for mark in plain_rules.ALL_PUNCTUATION if mark.isalpha()]


def test_stand_ins_are_plain_words_and_numbers_that_spacy_does_not_know_by_name():
    known = {run for rule in plain_rules.pipeline().tokenizer.rules for run in re.findall("[A-Za-z]+|[0-9]+", rule)}
    for stand_in in [*words._STAND_INS, *(words._DIGIT * size for size in range(2, 9))]:
        assert words._memory()._plain.fullmatch(stand_in) and stand_in not in known


def test_patterns_of_spacy_name_no_digit_but_in_addresses():
    """A digit that they named would have to be kept out of forms too."""
    tokenizer = plain_rules.pipeline().tokenizer
    _, address, names = tokenizer.url_match.__self__.pattern.partition("(?!(?:10|127)")
    _, of_names, names = names.partition("|(?:(?:[A-Za-z0-9")
    assert address and of_names
    searches = (tokenizer.prefix_search, tokenizer.suffix_search, tokenizer.infix_finditer)
    for pattern in [names, *(search.__self__.pattern for search in searches)]:
        pattern = re.sub(r"\\u\w{4}|\\U\w{8}|0-9|\{[0-9,]*}", "", pattern)  # no code points, classes, counts
        assert re.findall("[0-9]+", pattern) == []


def test_units_that_spacy_knows_stand_behind_a_digit():
    """What other letters its patterns name would have to be kept out of forms too."""
    tokenizer = plain_rules.pipeline().tokenizer
    for search in (tokenizer.prefix_search, tokenizer.suffix_search, tokenizer.infix_finditer):
        pattern = re.sub(r"\\u\w{4}|\\U\w{8}|\[[^]]*]", "", search.__self__.pattern)  # no code points, no classes
        pattern = re.sub(r"\(\?<=\)\(\?:[^()]*\)\$?", "", pattern)  # what follows a class, such as a digit
        assert set(re.findall("[A-Za-z]{3,}", pattern)) == set()


LETTERS = st.text(alphabet="abcXYZ", min_size=1, max_size=8)
EDGES = st.sampled_from(
    [*".,:;!?()[]\"'-–—…/@#$%&*+=<>_~°0123456789", "'s", "’s", "n't", "://", "...", "5", "é", "ß", "Ж", "²", "£"]
)


@pytest.mark.slow
@given(
    pieces=st.lists(st.lists(st.one_of(LETTERS, EDGES), min_size=1, max_size=8).map("".join), min_size=1, max_size=5)
)
@settings(max_examples=400, deadline=None)
def test_pieces_are_split_as_spacy_splits_each_alone(pieces):
    memory = words._Memory.__new__(words._Memory)
    memory.__dict__ |= {**vars(words._memory()), "known": {}}  # one that has seen nothing, without the time it takes
    memory.learn(set(pieces))
    for piece in pieces:
        assert list(memory.recall(piece)[0]) == plain_rules.tokens(piece)


@pytest.mark.slow
@pytest.mark.skipif(not WEB, reason="there is no folder of archives beside this checkout")
@pytest.mark.parametrize("main_content", [True, False])
def test_texts_of_real_pages(main_content):
    """Every third of an archive."""
    num_pages = 0
    for task in sources.tasks(sources.archives([str(WEB[0])]), task_bytes=1 << 40):
        for page in warc.pages(task, collections.Counter()):
            if isinstance(page, Page) and page.media_type == "text/html":
                num_pages += 1
                if num_pages % 3 == 0:
                    check(extract_plain_text(page.payload.decode("utf-8", "replace"), main_content=main_content))
    assert num_pages > 300
