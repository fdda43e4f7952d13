import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import words
from curation.text import Text


@pytest.mark.parametrize(
    "content, lines, nonempty_lines, paragraphs",
    [
        ("", [], [""], [""]),
        ("a", ["a"], ["a"], ["a"]),
        ("a\nb", ["a", "b"], ["a", "b"], ["a\nb"]),
        ("a\n\nb\nc", ["a", "", "b", "c"], ["a", "b", "c"], ["a", "b\nc"]),
        ("a\n\n\n\nb", ["a", "", "", "", "b"], ["a", "b"], ["a", "b"]),
        ("\na\n", ["", "a"], ["", "a", ""], ["a"]),
        (" \n\na\n \nb ", [" ", "", "a", " ", "b "], [" ", "a", " ", "b "], ["a\n \nb"]),
        ("a\r\nb\u2028c", ["a", "b", "c"], ["a\r", "b\u2028c"], ["a\r\nb\u2028c"]),
    ],
    ids=range(8),
)
def test_parts(content, lines, nonempty_lines, paragraphs):
    text = Text(content)
    assert (text.lines, text.nonempty_lines, text.paragraphs) == (lines, nonempty_lines, paragraphs)


@given(content=st.text(alphabet="a \n\r\u2028", max_size=30))
@settings(max_examples=300, deadline=None)
def test_parts_are_those_of_plain_patterns(content):
    text = Text(content)
    assert text.nonempty_lines == re.split(r"\n+", content)
    assert text.paragraphs == re.split(r"\n{2,}", content.strip())
    assert [piece for line in text.pieces for piece in line] == content.split()


def test_words_are_split_once(monkeypatch):
    calls = []
    split = words.split
    monkeypatch.setattr(words, "split", lambda pieces: calls.append(pieces) or split(pieces))
    text = Text("one,\ntwo two")
    assert text.words == text.words == ["one", ",", "two", "two"]
    assert text.split_pieces == [split(["one,"]), split(["two", "two"])]
    assert (text.vocabulary, text.word_numbers.tolist(), text.num_words) == (["one", ",", "two"], [0, 1, 2, 2], 4)
    assert calls == [["one,", "two", "two"]]


def test_words_can_be_counted_without_a_list_of_them():
    text = Text("one,\ntwo")
    assert (text.num_words, "words" in vars(text)) == (3, False)
