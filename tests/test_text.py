import pytest

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


def test_words_are_split_once(monkeypatch):
    calls = []
    monkeypatch.setattr(words, "words", lambda content: calls.append(content) or content.split())
    text = Text("one two")
    assert (text.words, text.words, calls) == (["one", "two"], ["one", "two"], ["one two"])
