import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import words
from curation.rules.c4 import C4Lines
from curation.text import Text

PAPER = C4Lines()
FINEWEB = C4Lines(end_mark=False)
LINE = "The river rose again."


def edit(text, rule=FINEWEB):
    return rule.edit(Text(text))


def verdict(text, rule=FINEWEB):
    return rule.reason(rule.measure(Text(text)))


@pytest.mark.parametrize(
    "line, kept",
    [
        (LINE, LINE),
        ("The river rose again", "The river rose again"),
        ("  The river rose again \t", "The river rose again"),
        ("", None),
        ("two words.", None),
        ("three words now.", "three words now."),
        ("a b " + "x" * 1000, "a b " + "x" * 1000),
        ("a b " + "x" * 1001, None),
        ("Please enable JavaScript to read on.", None),
        ("Read our Privacy Policy before you go.", None),
        ("The terms of use have changed today.", None),
        ("Our cookie policy has changed today.", None),
        ("This site uses cookies for everything.", None),
        ("The use of cookies is explained below.", None),
        ("We use cookies on this very site.", None),
        ("A cookie is a small cake.", "A cookie is a small cake."),
        ("It was old.[1] It fell[23][] down.", "It was old. It fell down."),
        ("The bridge[citation needed] was old.[edit]", "The bridge was old."),
        ("It[a] was [1 2] old.", "It[a] was [1 2] old."),
        ("one two [3]", "one two "),  # three words before citations go
    ],
    ids=range(20),
)
def test_a_line_is_kept_or_dropped(line, kept):
    assert edit(f"{LINE}\n{line}\n{LINE}").split("\n") == [LINE, *([] if kept is None else [kept]), LINE]


@pytest.mark.parametrize(
    "line, is_kept",
    [
        ("The river rose again.", True),
        ("The river rose again?", True),
        ("The river rose again!", True),
        ('"The river rose again"', True),
        ("'The river rose again'", True),
        ("The river rose again", False),
        ("The river rose again...", False),
        ("The river rose again…", False),
        ("The river rose again:", False),
        ("The river rose again。", False),
        ("The river rose again.[1]", True),  # the mark is looked for behind no citation
    ],
)
def test_the_end_mark(line, is_kept):
    assert edit(line, PAPER) == (line.removesuffix("[1]") if is_kept else "")
    assert edit(line, FINEWEB) == line.removesuffix("[1]")


@pytest.mark.parametrize(
    "text, expected",
    [
        (f"{LINE}\n" * 5, None),
        (f"{LINE}\n" * 4, ("too_few_sentences", "num_sentences")),
        ("One is here. Two is here. Three is here. Four is here. Five is here.", None),
        ("", ("too_few_sentences", "num_sentences")),
        (f"{LINE}\n" * 4 + "two words.", ("too_few_sentences", "num_sentences")),  # dropped lines do not count
        (f"{LINE}\n" * 5 + "Here is Lorem Ipsum dolor.", ("lorem_ipsum", "lorem_ipsum_lines")),
        ("Here is lorem ipsum dolor.", ("lorem_ipsum", "lorem_ipsum_lines")),
        (f"{LINE}\n" * 5 + "lorem ipsum", None),  # two words: the line goes first
        (f"{LINE}\n" * 5 + "if (x) { return 1; }", ("curly_bracket", "curly_bracket_lines")),
        (f"{LINE}\n" * 5 + "if (x) } return 1;", None),
        (f"{LINE}\n" * 5 + "var x = javascript { here }", None),  # the line with the word goes first
        (f"{LINE}\n" * 5 + "our privacy policy { here }", ("curly_bracket", "curly_bracket_lines")),
        ("a b { c\nHere is lorem ipsum dolor.", ("curly_bracket", "curly_bracket_lines")),
        ("Here is lorem ipsum dolor.\na b { c", ("lorem_ipsum", "lorem_ipsum_lines")),
        ("lorem ipsum in javascript { here }", ("lorem_ipsum", "lorem_ipsum_lines")),
    ],
    ids=range(15),
)
def test_verdict(text, expected):
    assert verdict(text) == expected


def test_the_reading_ends_at_a_fault():
    signals = FINEWEB.measure(Text(f"{LINE}\nHere is lorem ipsum dolor.\n{LINE}\na b {{ c"))
    assert signals == {"num_sentences": 1.0, "lorem_ipsum_lines": 1.0, "curly_bracket_lines": 0.0}


@pytest.mark.parametrize(
    "changes, line, is_kept",
    [
        ({"min_words": 4}, "three words now.", False),
        ({"min_words": 4}, "now four words here.", True),
        ({"max_word_length": 5}, "a short riverbank.", False),
        ({"max_word_length": 10}, "a short riverbank.", True),
    ],
)
def test_thresholds(changes, line, is_kept):
    assert edit(line, dataclasses.replace(FINEWEB, **changes)) == (line if is_kept else "")


@given(
    lines=st.lists(
        st.sampled_from(
            [LINE, "two words.", "no end mark here", "A citation [1] here.", "Javascript is needed here.", ""]
        )
    ),
    end_mark=st.booleans(),
)
@settings(deadline=None)
def test_the_verdict_is_on_the_edited_text(lines, end_mark):
    """The sentences that are counted are those of the text that is kept."""
    rule = C4Lines(end_mark=end_mark)
    text = Text("\n".join(lines))
    kept = rule.edit(text)
    assert rule.measure(text)["num_sentences"] == sum(map(words.num_sentences, kept.split("\n")))
    assert rule.edit(Text(kept)) == kept
