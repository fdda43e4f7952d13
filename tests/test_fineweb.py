import dataclasses
import unicodedata

import pytest

from curation.rules import characters
from curation.rules.fineweb import FineWebQuality
from curation.text import Text

RULE = FineWebQuality()
LONG = "In the year {} the old bridge fell into the river."


def lines(*endings, template=LONG):
    return "\n".join(template.format(1900 + number)[:-1] + ending for number, ending in enumerate(endings))


def verdict(text, rule=RULE):
    return rule.reason(rule.measure(Text(text)))


def reason(text, rule=RULE):
    found = verdict(text, rule)
    return found and found[0]


@pytest.mark.parametrize(
    "text, expected",
    [
        (lines(*"......"), None),
        (lines("."), None),
        ("", "too_few_terminal_lines"),
        (" \n \n", "too_few_terminal_lines"),
        (lines(*("." * 3 + "," * 22)), None),  # 3 of 25: exactly .12
        (lines(*("." * 3 + "," * 23)), "too_few_terminal_lines"),
        (lines(*"。!?…،"), None),
        (
            lines(*"...") + "\nShort one.\nShort two.\nShort three.\nShort four.\nShort five.\nShort six.",
            None,
        ),  # 6 of 9
        (
            lines(*"...")
            + "\nShort one.\nShort two.\nShort three.\nShort four.\nShort five.\nShort six.\nShort seven.",
            "too_many_short_lines",
        ),
        (lines(*"...") + "\n" + LONG.format(1900), "too_many_repeated_lines"),
        (lines(*"...").replace("\n", "\n\n\n\n\n\n"), "too_many_line_breaks"),
        ("\n".join(f"Donaudampfschifffahrtsgesellschaft{number}." for number in range(9)), "too_many_line_breaks"),
    ],
    ids=range(12),
)
def test_quality(text, expected):
    assert reason(text) == expected


@pytest.mark.parametrize("length, is_short", [(30, True), (31, False)])
def test_a_short_line_has_up_to_thirty_characters(length, is_short):
    assert RULE.measure(Text("a" * length))["short_lines"] == float(is_short)


@pytest.mark.parametrize("size, expected", [(396, None), (395, "too_many_repeated_lines")])
def test_repeated_lines_up_to_one_hundredth(size, expected):
    """Four characters in a second copy, of 400 and of 399 without the breaks."""
    rule = dataclasses.replace(RULE, min_terminal_lines=0, max_short_lines=1, max_breaks=9)
    assert reason("\n".join(["abcd", "abcd", "x" * (size - 4)]), rule) == expected


@pytest.mark.parametrize("breaks, expected", [(3, None), (4, "too_many_line_breaks")])
def test_line_breaks_up_to_three_tenths_of_words(breaks, expected):
    rule = dataclasses.replace(RULE, min_terminal_lines=0, max_short_lines=1)
    assert reason("one two three four five six seven eight nine ten" + "\n" * breaks, rule) == expected


def test_signals():
    text = "One two three.\n\n  \nOne two three.\nA line of more than thirty characters, without an end\n"
    size = len(text.replace("\n", ""))
    assert RULE.measure(Text(text)) == {
        "terminal_lines": 2 / 3,
        "short_lines": 2 / 3,
        "repeated_line_share": 14 / size,
        "breaks_per_word": 5 / 19,
    }


GOOD = {"terminal_lines": 1.0, "short_lines": 0.0, "repeated_line_share": 0.0, "breaks_per_word": 0.0}


@pytest.mark.parametrize(
    "signal, limit, beyond, name",
    [
        ("terminal_lines", 0.12, 0.1199, "too_few_terminal_lines"),
        ("short_lines", 0.67, 0.6701, "too_many_short_lines"),
        ("repeated_line_share", 0.01, 0.0101, "too_many_repeated_lines"),
        ("breaks_per_word", 0.3, 0.3001, "too_many_line_breaks"),
    ],
)
def test_at_its_limits(signal, limit, beyond, name):
    assert RULE.reason(GOOD) is None
    assert RULE.reason({**GOOD, signal: limit}) is None
    assert RULE.reason({**GOOD, signal: beyond}) == (name, signal)


def test_the_first_fault_is_named_in_the_scripts_order():
    bad = dict.fromkeys(GOOD, 1.0) | {"terminal_lines": 0.0}
    order = []
    while found := RULE.reason(bad):
        order.append(found[1])
        bad[found[1]] = GOOD[found[1]]
    assert order == list(GOOD)


def test_sets_of_characters():
    assert {".", "!", "?", "。", "！", "？", "؟", "।", "…"} - characters.TERMINAL_PUNCTUATION == {"…"}
    assert {",", ";", ":", '"', "'", ")", "a", " "} & characters.TERMINAL_PUNCTUATION == set()
    categories = {unicodedata.category(mark) for mark in characters.TERMINAL_PUNCTUATION}
    assert categories - {"Cn"} == {"Po"}  # some are younger than this Python's tables
    assert set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") <= characters.PUNCTUATION
    assert {"\n", "\t", "a", "0", " "} & characters.PUNCTUATION == set()
    assert characters.ALL_PUNCTUATION == characters.PUNCTUATION | characters.TERMINAL_PUNCTUATION
