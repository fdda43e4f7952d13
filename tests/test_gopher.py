import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import words
from curation.rules.gopher import GopherQuality, GopherRepetition, repeats
from curation.text import Text

FIVE = "the river and a boat "
PROSE = FIVE * 10
QUALITY, REPETITION = GopherQuality(), GopherRepetition()
LOOSE = GopherRepetition(
    max_repeated_paragraphs=1,
    max_repeated_paragraph_characters=1,
    max_repeated_lines=1,
    max_repeated_line_characters=1,
    max_top_ngram=(),
    max_repeated_ngrams=(),
)


def quality(text, rule=QUALITY):
    verdict = rule.reason(rule.measure(Text(text)))
    return verdict and verdict[0]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "too_few_words"),
        (PROSE, None),
        (PROSE + ". , ; ! ", None),
        (FIVE * 9 + "the river and a . , ; !", "too_few_words"),  # 49 and marks
        ("a b to of c " * 10, "words_too_short"),
        ("the and " * 5 + "internationalization " * 40, "words_too_long"),
        (FIVE * 11 + "# " * 6, None),  # 6 of 61
        (PROSE + "boats the # # # # # #", "too_many_hashes"),  # 6 of 58
        ("... " * 5 + PROSE, None),  # 5 of 55
        ("… " * 5 + PROSE, None),
        ("... " * 6 + PROSE, "too_many_ellipses"),  # 6 of 56
        ("… ... " * 3 + PROSE, "too_many_ellipses"),
        ("- the river and a boat\n" * 9 + "the river and a boat", None),
        ("- the river and a boat\n" * 10, "too_many_bullet_lines"),
        ("  • the rivers and a boats\n" * 10, "too_many_bullet_lines"),
        ("* the river and a boat\n" * 10, None),  # no bullet in this dialect
        ("the river and a boat...\n" * 3 + "the river and a boat\n" * 7, None),
        ("the river and a boat... \n" * 4 + "the river and a boat\n" * 6, "too_many_ellipsis_lines"),
        ("the river and a boat …\n" * 4 + "the river and a boat\n" * 6, "too_many_ellipsis_lines"),
        (FIVE * 8 + "12345 " * 10, None),
        (FIVE * 8 + "12345 " * 11, "too_few_alphabetic_words"),
        ("the river was a boat " * 10, "too_few_stop_words"),
        ("The river And that boat " * 10, "too_few_stop_words"),  # case matters, and occurrences do not
        ("that river with a boat " * 10, None),
    ],
    ids=range(24),
)
def test_quality(text, reason):
    assert quality(text) == reason


def test_too_many_words():
    rule = dataclasses.replace(QUALITY, max_words=50)
    assert quality(PROSE, rule) is None
    assert quality(PROSE + ". " * 3, rule) is None
    assert quality(PROSE + "more", rule) == "too_many_words"


def test_quality_signals():
    text = "# The river - and a boat...\n• It’s 12 o'clock …\n\nso be it, to be"
    tokens = words.words(text)
    assert " ".join(tokens) == "# The river - and a boat ... • It ’s 12 o'clock … so be it , to be"
    plain = ["The", "river", "and", "a", "boat", "•", "It", "’s", "12", "o'clock", "so", "be", "it", "to", "be"]
    assert QUALITY.measure(Text(text)) == {
        "num_words": 15,
        "mean_word_length": sum(map(len, plain)) / 15,
        "hashes_per_word": 1 / 20,
        "ellipses_per_word": 2 / 20,
        "bullet_lines": 1 / 4,
        "ellipsis_lines": 2 / 4,
        "alphabetic_words": 13 / 20,
        "stop_words": 3,  # and, be, to
    }


GOOD = {
    "num_words": 100,
    "mean_word_length": 5.0,
    "hashes_per_word": 0.0,
    "ellipses_per_word": 0.0,
    "bullet_lines": 0.0,
    "ellipsis_lines": 0.0,
    "alphabetic_words": 1.0,
    "stop_words": 8,
}


@pytest.mark.parametrize(
    "signal, limit, beyond, reason",
    [
        ("num_words", 50, 49, "too_few_words"),
        ("num_words", 100_000, 100_001, "too_many_words"),
        ("mean_word_length", 3.0, 2.999, "words_too_short"),
        ("mean_word_length", 10.0, 10.001, "words_too_long"),
        ("hashes_per_word", 0.1, 0.1001, "too_many_hashes"),
        ("ellipses_per_word", 0.1, 0.1001, "too_many_ellipses"),
        ("bullet_lines", 0.9, 0.9001, "too_many_bullet_lines"),
        ("ellipsis_lines", 0.3, 0.3001, "too_many_ellipsis_lines"),
        ("alphabetic_words", 0.8, 0.7999, "too_few_alphabetic_words"),
        ("stop_words", 2, 1, "too_few_stop_words"),
    ],
)
def test_quality_at_its_limits(signal, limit, beyond, reason):
    assert QUALITY.reason(GOOD) is None
    assert QUALITY.reason({**GOOD, signal: limit}) is None
    assert QUALITY.reason({**GOOD, signal: beyond}) == (reason, signal)


def test_quality_names_the_first_fault():
    bad = dict.fromkeys(GOOD, 100.0) | {"num_words": 10, "alphabetic_words": 0.0, "stop_words": 0}
    order = []
    while verdict := QUALITY.reason(bad):
        order.append(verdict[0])
        bad[verdict[1]] = GOOD[verdict[1]]
    assert order == [
        "too_few_words",
        "words_too_long",
        "too_many_hashes",
        "too_many_ellipses",
        "too_many_bullet_lines",
        "too_many_ellipsis_lines",
        "too_few_alphabetic_words",
        "too_few_stop_words",
    ]


def n_grams(tokens, n, glue):
    return [glue.join(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]


def slow_top(tokens, n):
    """Characters of the most frequent n-gram (the first among equals) times its count."""
    found = n_grams(tokens, n, " ")
    if not found:
        return 0
    most = max(map(found.count, found))
    return len(next(ngram for ngram in found if found.count(ngram) == most)) * most


def slow_repeated(tokens, n):
    """Read left to right: an n-gram that stood before counts, and the reading goes on behind it."""
    seen, characters, at = [], 0, 0
    while at < len(tokens) - n + 1:
        ngram = "".join(tokens[at : at + n])
        if ngram in seen:
            characters += len(ngram)
            at += n
        else:
            seen.append(ngram)
            at += 1
    return characters


def slow_repeats(elements):
    again = [element for at, element in enumerate(elements) if element in elements[:at]]
    return len(again), sum(map(len, again))


@given(
    text=st.one_of(
        st.lists(st.sampled_from(["a", "b", "cc", "a b", "don't", ".", " ", "\n", "\n\n", "é"]), max_size=40).map(
            " ".join
        ),
        st.text(alphabet="ab \n.", max_size=60),
    )
)
@settings(max_examples=200, deadline=None)
def test_repetition_is_what_a_naive_reading_gives(text):
    tokens, size = words.words(text), max(len(text), 1)
    expected = {f"top_{n}gram": slow_top(tokens, n) / size for n in (2, 3, 4)}
    expected |= {f"repeated_{n}grams": slow_repeated(tokens, n) / size for n in range(5, 11)}
    lines = [line for at, line in enumerate(text.split("\n")) if line or at in (0, text.count("\n"))]
    count, characters = slow_repeats(lines)
    expected |= {"repeated_lines": count / len(lines), "repeated_line_characters": characters / size}
    found = REPETITION.measure(Text(text))
    assert {name: found[name] for name in expected} == expected


@given(elements=st.lists(st.sampled_from(["", "a", "bb", "ccc"])))
def test_repeats(elements):
    assert repeats(elements) == slow_repeats(elements)


@pytest.mark.parametrize(
    "text, signal, value",
    [
        ("one\n\ntwo\n\none", "repeated_paragraphs", 1 / 3),
        ("one\n\ntwo\n\n\none", "repeated_paragraph_characters", 3 / 14),
        ("one\ntwo\n\none\none", "repeated_lines", 2 / 4),
        ("one\ntwo\n\none\none", "repeated_line_characters", 6 / 16),
        ("ab cd ab cd ef", "top_2gram", 5 * 2 / 14),
        ("ab cd ef", "top_2gram", 5 * 1 / 8),  # a count of one counts
        ("ab cd ef gh", "top_3gram", 8 * 1 / 11),
        ("ab", "top_2gram", 0.0),
        ("a b c d e a b c d e", "repeated_5grams", 5 / 19),
        ("a b c d e a b c d e", "repeated_6grams", 0.0),
        ("a a a a a a a a a a a", "repeated_5grams", 10 / 21),  # the reading goes on behind each found
        ("", "repeated_lines", 0.0),
    ],
)
def test_repetition_signals(text, signal, value):
    assert REPETITION.measure(Text(text))[signal] == value


DISTINCT = " ".join(f"w{number}" for number in range(200))


@pytest.mark.parametrize(
    "limits, text, reason",
    [
        ({"max_repeated_paragraphs": 0.3}, "a\n\nb\n\nc\n\nd\n\ne\n\nf\n\ng\n\na\n\na\n\na", None),
        ({"max_repeated_paragraphs": 0.3}, "a\n\nb\n\nc\n\nd\n\ne\n\nf\n\na\n\na\n\na", "too_many_repeated_paragraphs"),
        ({"max_repeated_paragraph_characters": 0.2}, "aa\n\naa\n\nbc", None),  # 2 of 10
        ({"max_repeated_paragraph_characters": 0.2}, "aa\n\naa\n\nb", "too_many_repeated_paragraph_characters"),
        ({"max_repeated_lines": 0.3}, "a\nb\nc\nd\ne\nf\ng\na\na\na", None),
        ({"max_repeated_lines": 0.3}, "a\nb\nc\nd\ne\nf\na\na\na", "too_many_repeated_lines"),
        ({"max_repeated_line_characters": 0.2}, "aa\naa\nbcde", None),  # 2 of 10
        ({"max_repeated_line_characters": 0.2}, "aa\naa\nbcd", "too_many_repeated_line_characters"),
        ({"max_top_ngram": ((2, 0.2),)}, "ab cd ab cd " + "x" * 38, None),  # 10 of 50
        ({"max_top_ngram": ((2, 0.2),)}, "ab cd ab cd " + "x" * 37, "top_2gram_too_frequent"),
        ({"max_repeated_ngrams": ((5, 0.1),)}, "a b c d e a b c d e " + "x" * 30, None),  # 5 of 50
        ({"max_repeated_ngrams": ((5, 0.1),)}, "a b c d e a b c d e " + "x" * 29, "too_many_repeated_5grams"),
    ],
    ids=range(12),
)
def test_each_limit_alone_is_passed_only_beyond_it(limits, text, reason):
    rule = dataclasses.replace(LOOSE, **limits)
    signals = rule.measure(Text(text))
    assert (verdict := rule.reason(signals)) == (reason and (reason, verdict[1]))
    assert quality_of(rule, DISTINCT) is None


def quality_of(rule, text):
    return rule.reason(rule.measure(Text(text)))


LIMITS = {
    "repeated_paragraphs": (0.30, "too_many_repeated_paragraphs"),
    "repeated_paragraph_characters": (0.20, "too_many_repeated_paragraph_characters"),
    "repeated_lines": (0.30, "too_many_repeated_lines"),
    "repeated_line_characters": (0.20, "too_many_repeated_line_characters"),
    "top_2gram": (0.20, "top_2gram_too_frequent"),
    "top_3gram": (0.18, "top_3gram_too_frequent"),
    "top_4gram": (0.16, "top_4gram_too_frequent"),
    "repeated_5grams": (0.15, "too_many_repeated_5grams"),
    "repeated_6grams": (0.14, "too_many_repeated_6grams"),
    "repeated_7grams": (0.13, "too_many_repeated_7grams"),
    "repeated_8grams": (0.12, "too_many_repeated_8grams"),
    "repeated_9grams": (0.11, "too_many_repeated_9grams"),
    "repeated_10grams": (0.10, "too_many_repeated_10grams"),
}


@pytest.mark.parametrize("signal", LIMITS)
def test_repetition_at_its_limits(signal):
    limit, reason = LIMITS[signal]
    at_limit = {name: value for name, (value, _) in LIMITS.items()}
    assert REPETITION.reason(at_limit) is None
    assert REPETITION.reason({**at_limit, signal: limit + 1e-9}) == (reason, signal)


def test_repetition_names_the_first_fault_in_datatroves_order():
    bad = dict.fromkeys(LIMITS, 1.0)
    order = []
    while verdict := REPETITION.reason(bad):
        order.append(verdict[1])
        bad[verdict[1]] = 0.0
    assert order == list(LIMITS)


def test_prose_passes():
    sentences = [f"In the year {1900 + n} the ferryman had to mend the boat with many nails." for n in range(12)]
    assert quality("\n".join(sentences)) is None
