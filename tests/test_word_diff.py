"""Differences between texts: the words marked are right, and no text takes long."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import word_diff
from curation.word_diff import ADDED, REMOVED, SAME, SKIPPED, Span, difference
from tests.cpu_limit import cpu_limit

WORDS = st.lists(st.sampled_from("abcd"), max_size=30)


def common(left, right):
    """The length of the longest common subsequence, from its definition."""
    row = [0] * (len(right) + 1)
    for word in left:
        before = row
        row = [0]
        for place, other in enumerate(right):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[-1]))
    return row[-1]


@given(WORDS, WORDS)
def test_as_few_words_as_can_be_are_marked(left, right):
    runs = list(word_diff._runs(left, right))
    assert [word for kind, i, j in runs if kind in (SAME, REMOVED) for word in left[i:j]] == left
    rebuilt, kept = [], iter(left)
    for kind, start, stop in runs:
        taken = [] if kind == ADDED else [next(kept) for _ in range(start, stop)]
        rebuilt += right[start:stop] if kind == ADDED else taken if kind == SAME else []
    assert rebuilt == right
    assert sum(stop - start for kind, start, stop in runs if kind == SAME) == common(left, right)


def test_words_by_hand():
    found = difference("The old cat  sat\non the mat.", "The cat sat on a mat.")
    assert found.spans == (
        Span(SAME, "The", 1),
        Span(REMOVED, "old", 1),
        Span(SAME, "cat sat\non", 3),
        Span(REMOVED, "the", 1),
        Span(ADDED, "a", 1),
        Span(SAME, "mat.", 1),
    )
    assert (found.same, found.removed, found.added, found.is_cut) == (5, 2, 1, False)


def test_only_the_surroundings_of_a_difference_are_shown():
    words = [f"w{number}" for number in range(100)]
    found = difference(" ".join(words), " ".join([*words[:50], "new", *words[50:]]))
    assert [(it.kind, it.words) for it in found.spans] == [
        (SKIPPED, 38),
        (SAME, 12),
        (ADDED, 1),
        (SAME, 12),
        (SKIPPED, 38),
    ]
    assert found.spans[1].text == " ".join(words[38:50]) and found.spans[3].text == " ".join(words[50:62])


@pytest.mark.parametrize("text", ["", " \n\t ", "one", "one two"])
def test_texts_without_a_difference(text):
    found = difference(text, text)
    assert (found.removed, found.added, found.same) == (0, 0, len(text.split()))
    assert difference("", text).removed == 0 and difference("", text).added == len(text.split())


@given(st.text(), st.text())
def test_any_texts(left, right):
    found = difference(left, right)
    assert found.same + found.removed == len(left.split())
    assert found.same + found.added == len(right.split())


BIG = 1 << 20
HOSTILE = {
    "one word": ("a" * BIG, "b" * BIG),
    "one letter": ("a " * BIG, "a " * (BIG - 1)),
    "brackets": ("[ " * BIG, "] [ " * BIG),
    "white space": (" \n" * BIG, "\t" * BIG),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_cut_and_take_no_time(name):
    with cpu_limit():
        found = difference(*HOSTILE[name])
    assert found.is_cut
    assert sum(len(it.text) for it in found.spans) <= 2 * word_diff._MAX_CHARACTERS


def test_unlike_texts_show_a_bounded_part():
    generator = random.Random(1)
    left, right = (" ".join(str(generator.randrange(300)) for _ in range(20_000)) for _ in range(2))
    with cpu_limit():
        found = difference(left, right)
    assert found.is_cut and len(found.spans) == word_diff._MAX_SPANS + 1 and found.spans[-1].kind == SKIPPED
    assert found.same > 500 and found.same + found.removed == found.same + found.added == word_diff._MAX_WORDS
