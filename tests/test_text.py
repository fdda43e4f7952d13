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
    assert (list(text.vocabulary), text.word_numbers.tolist(), text.num_words) == (["one", ",", "two"], [0, 1, 2, 2], 4)
    assert calls == [["one,", "two", "two"]]


def test_words_can_be_counted_without_a_list_of_them():
    text = Text("one,\ntwo")
    assert (text.num_words, "words" in vars(text)) == (3, False)


@given(
    content=st.text(alphabet="ab. \n\r\u2028", max_size=40),
    kept=st.lists(st.booleans(), min_size=41, max_size=41),
    change=st.sampled_from(["", "b", "\n"]),
)
@settings(max_examples=300, deadline=None)
def test_the_words_of_an_edited_text_are_counted_by_its_lines(content, kept, change):
    """Whether lines are gone, as C4's rules have it, or others are there too."""
    before = Text(content)
    assert before.split_pieces is not None
    lines = [line.strip() for line, keep in zip(before.lines, kept, strict=False) if keep]
    edited = "\n".join(lines) + change
    assert Text(edited, before=before).num_words == len(words.words(edited))


def test_lines_that_an_edit_left_out():
    before = Text("one\n two \ntwo\n\nthree")
    assert before.lines_without(Text("two\nthree")) == [0, 2, 3]
    assert before.lines_without(Text("")) == [0, 1, 2, 3, 4]
    assert before.lines_without(Text("two\none")) is None
    assert before.lines_without(Text("three and more")) is None
