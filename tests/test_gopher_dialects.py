"""Four programs mean four things by "Gopher": each decides its own vectors, and no other decides all of them."""

import collections
import dataclasses
import functools
import itertools
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import recipe
from curation.rules import plain_words, repetition
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition
from curation.rules.gopher_curator import CuratorGopherQuality, CuratorGopherRepetition
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition
from curation.rules.gopher_dolma import DolmaGopher
from curation.text import Text
from tests.cpu_limit import cpu_limit

DIALECTS = {
    "datatrove": (GopherQuality(), GopherRepetition()),
    "dclm": (DclmGopherQuality(), DclmGopherRepetition()),
    "dolma": (DolmaGopher(),),
    "curator": (CuratorGopherQuality(), CuratorGopherRepetition()),
}
RULES = list(itertools.chain(*DIALECTS.values()))
LETTERS = "bcdfghjklmnpqrstvwxz"


def new(count, length=6, start=0):
    """Distinct words of one length: none is a stop word, and no two have a letter between them but consonants."""
    numbers = range(start, start + count)
    return [
        "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(length))
        for number in numbers
    ]


def text(*words):
    """A line that starts with two stop words."""
    return " ".join(["the", "and", *words])


def without_breaks(content):
    return len(content.replace("\n", ""))


def without_space(content):
    return len("".join(content.split()))


def without_blank_lines(content):
    return len(content.replace("\n\n", ""))


def filled(start, total, measure=len):
    """The start and new words of three letters, the last one longer, so that there are so many characters in all."""
    count = (total - measure(start)) // measure(" bcd")
    line = start + "".join(f" {word}" for word in new(count, 3, 2000))
    return line + "q" * (total - measure(line))


def sized(size, *words):
    """The line of these words and new ones that has exactly this many characters."""
    return filled(text(*words), size)


def weighed(size, *words):
    """The line of these words and new ones whose words have exactly this many characters."""
    return filled(text(*words), size, without_space)


def apart(words, marks, step=4):
    """The words with one mark after each `step` of them, from the second on."""
    marks = iter(marks)
    mixed = [[word, next(marks, None)] if at % step == 1 else [word] for at, word in enumerate(words)]
    assert next(marks, None) is None, "too few words"
    return text(*filter(None, itertools.chain(*mixed)))


def spread(ngram, count):
    """An n-gram as often as this, a new word behind each."""
    return itertools.chain(*([*ngram, word] for word in new(count, 6, 500)))


def lines_of(num_plain, copies, separator="\n", lines=1):
    """New segments of some lines of ten words, and one of one short word that stands as often as this, in turns."""
    plain = [
        "\n".join("the and " + " ".join(new(8, 6, 8 * (at * lines + line))) for line in range(lines))
        for at in range(num_plain)
    ]
    turns = itertools.chain(*itertools.zip_longest(plain, ["zzz"] * copies))
    return separator.join(filter(None, turns))


def ten_lines(start="", end="", count=10, plain_end=""):
    """Ten lines of ten words, of which some have a start and an end of their own."""
    rows = [" ".join(["the", "and", *new(8, 6, 8 * at)]) for at in range(10)]
    return "\n".join(start + row + end if at < count else row + plain_end for at, row in enumerate(rows))


def long_word_twice(length, total, separator="\n", measure=len):
    """Two segments of one long word each among others of new words, with this many characters in all."""
    word = "z" * length
    others = [" ".join(new(5, 3, 5 * at)) for at in range(6)]
    return filled(separator.join([*others[:2], word, *others[2:], word, text(*new(5, 3, 200))]), total, measure)


def paragraph_twice(total):
    """A paragraph of two lines of 45 marks, twice among others of one line, with so many characters in paragraphs.

    The line break in it counts for the paragraph and not for the lines; marks are no words to DCLM.
    """
    twice = "=" * 45 + "\n" + "=" * 44 + "-"
    others = [" ".join(new(5, 3, 5 * at)) for at in range(11)]
    return filled("\n\n".join([*others[:5], twice, *others[5:], twice, text()]), total, without_blank_lines)


def block(n, characters):
    """n words of so many characters, as equal as can be."""
    short, rest = divmod(characters, n)
    return [word + "q" * (short + (at < rest) - 3) for at, word in enumerate(new(n, 3, 900))]


def block_with_a_long_end(n, characters):
    """n words of so many characters, all but the last of three: the first n-gram of any size is short."""
    return [*new(n - 1, 3, 900), "q" * (characters - 3 * (n - 1))]


def twice(make, words, size):
    """A text with two copies of a block."""
    return make(size, *new(5, 3, 1000), *words, *new(5, 3, 1100), *words)


def dolma_block(n, length):
    """A long word in the middle of a block that stands twice is in n of n-grams up to size n, and in fewer of longer.

    Among 1000 words of three letters, the length at which it is too much is not the same for any two sizes.
    """
    words = new(2 * n - 2, 3, 100)
    words.insert(n - 1, "q" * length)
    others = new(1000, 3, 2000)
    return text(*others[:100], *words, *others[100:200], *words, *others[200:])


NUMBERS = [str(number) for number in range(10_000, 10_100)]
MEAN_10 = [*new(84, 10), *new(13, 11)]
GIANT = "z" * 40
NGRAMS = [(2, 20, 10), (3, 18, 9), (4, 16, 4)]  # words, percent, and a count at which all is a whole number
REPEATED = [(5, 15), (6, 14), (7, 13), (8, 12), (9, 11), (10, 10)]  # words, percent
LENGTHS = {5: 254, 6: 230, 7: 207, 8: 185, 9: 163, 10: 141}  # of the long word in `dolma_block`, characters

# What all dialects agree on.
COMMON = [
    ("", "too_few_words"),
    (text(*new(98)), None),
    (text(*new(48)), None),
    (text(*new(47)), "too_few_words"),
    (text(*new(99_998)), None),
    (text(*new(99_999)), "too_many_words"),
    (text(*new(78), *NUMBERS[:20]), None),
    (text(*new(77), *NUMBERS[:21]), "too_few_alphabetic_words"),
    (" ".join(["the", *new(99)]), "too_few_stop_words"),
    (" ".join(["x", *new(99)]), "too_few_stop_words"),
]
MEAN = [
    (text(*new(98, 3)), None),
    (text(*new(97, 3), "qz"), "words_too_short"),
    (text(*MEAN_10, "z" * 11), None),
    (text(*MEAN_10, "z" * 12), "words_too_long"),
]
OCCURRENCES = [
    (" ".join(["the", "the", *new(98)]), None),
    (" ".join(["the", *new(50), "the", *new(48, 6, 50)]), None),
    (" ".join(["The", *new(50), "the", *new(48, 6, 50)]), "too_few_stop_words"),
]
MARKS_AS_WORDS = [
    (text(*new(47)) + " .", None),
    (text(*new(46)) + " qrs-tvw", "too_few_words"),
    (text(*new(45), "don't") + " ,", "too_few_words"),
]
EVERY_COPY_OF_LINES = [
    (lines_of(7, 3), None),
    (lines_of(6, 4), "too_many_repeated_lines"),
]
LATER_COPIES_OF_LINES = [
    (lines_of(6, 4), None),
    (lines_of(5, 5), "too_many_repeated_lines"),
]
FIRST_TOP_NGRAM = [
    (text(*spread(("bcd", "dfg"), 3), *spread(("z" * 20, "x" * 20), 3), *new(60)), None),
    (" ".join([GIANT, GIANT + "x", *new(46, 3), "the", "and"]), "top_2gram_too_frequent"),
]


def ngram_edges(make, characters, width):
    """A top n-gram with exactly the share of its limit, and with a character less around it."""
    for n, percent, count in NGRAMS:
        words = list(spread(new(n, 6, 300), count))
        size = characters(n, width) * count * 100 // percent
        yield make(size, *words), None
        yield make(size - 1, *words), f"top_{n}gram_too_frequent"


VECTORS = {
    "datatrove": [
        *COMMON,
        *MEAN,
        # tokens that are punctuation count only where a share is taken
        (text(*new(48)) + " .", None),
        (text(*new(47)) + " .", "too_few_words"),
        (text(*new(46)) + " qrs-tvw", None),
        (text(*new(46), "don't"), None),
        # hashes and ellipses apart
        (apart(new(88), ["#"] * 10), None),
        (apart(new(87), ["#"] * 11), "too_many_hashes"),
        (apart(new(88), ["...", "…"] * 5), None),
        (apart(new(87), ["...", "…"] * 5 + ["…"]), "too_many_ellipses"),
        (apart(new(86), ["#", "…"] * 6), None),
        (apart(new(98), ["####"] * 3), "too_many_hashes"),
        # bullets and ends of lines
        (ten_lines("- ", count=9), None),
        *((ten_lines(start), "too_many_bullet_lines") for start in ("- ", "• ", "  - ")),
        *((ten_lines(start), None) for start in ("* ", "● ", "‣ ")),
        (ten_lines(end="…", count=3), None),
        *((ten_lines(end=end, count=4), "too_many_ellipsis_lines") for end in ("…", "...", "... ")),
        *((ten_lines(end=end, count=4), None) for end in (" . . .", " read more", "(…)")),
        # distinct stop words, case-sensitive
        (" ".join(["the", "the", *new(98)]), "too_few_stop_words"),
        (" ".join(["The", "AND", *new(98)]), "too_few_stop_words"),
        # second and later copies; characters of the whole text
        *LATER_COPIES_OF_LINES,
        (lines_of(6, 4, "\n\n"), None),
        (lines_of(5, 5, "\n\n"), "too_many_repeated_paragraphs"),
        (long_word_twice(100, 500), None),
        (long_word_twice(100, 499), "too_many_repeated_line_characters"),
        (long_word_twice(100, 500, "\n\n"), None),
        (long_word_twice(100, 499, "\n\n"), "too_many_repeated_paragraph_characters"),
        *FIRST_TOP_NGRAM,
        *ngram_edges(sized, lambda n, width: n * width + n - 1, 6),
        *itertools.chain(
            *(
                [
                    (twice(sized, block_with_a_long_end(n, 3 * percent), 300), None),
                    (twice(sized, block_with_a_long_end(n, 3 * percent), 299), f"too_many_repeated_{n}grams"),
                ]
                for n, percent in REPEATED
            )
        ),
    ],
    "dclm": [
        *COMMON,
        *MEAN,
        # Unicode's words without punctuation
        (text(*new(48)) + " .", None),
        (text(*new(47)) + " .", "too_few_words"),
        (text(*new(46)) + " qrs-tvw", None),
        (text(*new(46), "don't"), "too_few_words"),
        # all symbols added
        (apart(new(88), ["#", "...", "…"] * 3 + ["#"]), None),
        (apart(new(87), ["#", "...", "…"] * 3 + ["#", "#"]), "too_many_symbols"),
        (apart(new(86), ["#", "…"] * 6), "too_many_symbols"),
        (apart(new(78), [". . .", "#"] * 5), None),
        (apart(new(86), [". . .", "#"] * 5 + ["#"]), "too_many_symbols"),
        (apart(new(98), ["####"] * 3), "too_many_symbols"),
        # bullets and ends of lines
        (ten_lines("- ", count=9), None),
        *((ten_lines(start), "too_many_bullet_lines") for start in ("- ", "• ", "* ", "● ")),
        (ten_lines("‣ "), None),
        (ten_lines(end="…", count=3), None),
        *((ten_lines(end=end, count=4), "too_many_ellipsis_lines") for end in ("…", "...", " . . .")),
        (ten_lines(end=" read more", count=4), None),
        # occurrences of stop words, capitals too
        (" ".join(["the", "the", *new(98)]), None),
        (" ".join(["The", "AND", *new(98)]), None),
        (" ".join(["The", *new(98)]), "too_few_stop_words"),
        # every copy; empty segments are none; characters of the segments
        *EVERY_COPY_OF_LINES,
        (lines_of(10, 0, "\n\n"), None),
        (lines_of(10, 0, "\n \n"), None),
        (lines_of(7, 3, "\n\n", lines=3), None),
        (lines_of(6, 4, "\n\n", lines=3), "too_many_repeated_paragraphs"),
        (long_word_twice(100, 1000, measure=without_breaks), None),
        (long_word_twice(100, 999, measure=without_breaks), "too_many_repeated_line_characters"),
        (paragraph_twice(910), None),
        (paragraph_twice(909), "too_many_repeated_paragraph_characters"),
        # the most frequent n-gram: the longest among ties, and never one that stands once
        (text(*spread(("bcd", "dfg"), 3), *spread(("z" * 20, "x" * 20), 3), *new(60)), "top_2gram_too_frequent"),
        (" ".join([GIANT, GIANT + "x", *new(46, 3), "the", "and"]), None),
        *ngram_edges(weighed, lambda n, width: n * width, 6),
        # all words of repeated n-grams, in the first copy too
        *itertools.chain(
            *(
                [
                    (twice(weighed, block(n, 3 * percent), 600), None),
                    (twice(weighed, block(n, 3 * percent), 599), f"too_many_repeated_{n}grams"),
                ]
                for n, percent in REPEATED
            )
        ),
    ],
    "dolma": [
        *COMMON,
        *OCCURRENCES,
        *MARKS_AS_WORDS,
        # the median: of 100 words that of the 50th and the 51st
        (text(*new(97, 3), "qz"), None),
        (text(*new(49, 3), *new(49, 2)), None),
        (text(*new(48, 3), *new(50, 2)), "words_too_short"),
        (text(*MEAN_10, "z" * 12), None),
        (text(*new(48, 10), *new(50, 11)), "words_too_long"),
        (text(*new(49, 10), *new(49, 11)), None),
        # words that hold a hash or the ellipsis of one character
        (apart(new(88), ["####", "q…"] * 5), None),
        (apart(new(87), ["####", "q…"] * 5 + ["#"]), "too_many_symbols"),
        (apart(new(86), ["..."] * 12), None),
        # bullets and ends of lines, as they stand
        (ten_lines("- ", count=9), None),
        *((ten_lines(start), "too_many_bullet_lines") for start in ("- ", "* ")),
        *((ten_lines(start), None) for start in ("• ", "● ", "  - ")),
        (ten_lines(end="…", count=3), None),
        (ten_lines(end="…", count=4), "too_many_ellipsis_lines"),
        *((ten_lines(end=end, count=4), None) for end in ("...", "… ", " . . .", " read more")),
        (" ".join(["The", "AND", *new(98)]), "too_few_stop_words"),
        # every copy of lines, blank ones too, and paragraphs not at all; characters of the words
        *EVERY_COPY_OF_LINES,
        (ten_lines().replace("\n", "\n\n", 2), None),
        (ten_lines().replace("\n", "\n\n", 5), "too_many_repeated_lines"),
        (long_word_twice(150, 1000, measure=without_space), None),
        (long_word_twice(150, 999, measure=without_space), "too_many_repeated_line_characters"),
        *FIRST_TOP_NGRAM,
        *ngram_edges(weighed, lambda n, width: n * width, 6),
        # overlapping n-grams, all copies, of all n-grams
        *itertools.chain(
            *(
                [
                    (dolma_block(n, length), None),
                    (dolma_block(n, length + 1), f"too_many_repeated_{n}grams"),
                ]
                for n, length in LENGTHS.items()
            )
        ),
    ],
    "curator": [
        *COMMON,
        *MEAN,
        *OCCURRENCES,
        *MARKS_AS_WORDS,
        # words that are an ellipsis, or hashes
        (apart(new(88), ["#", "[...]"] * 5), None),
        (apart(new(87), ["#", "[...]"] * 5 + ["-»"]), "too_many_symbols"),
        (apart(new(87), ["..."] * 11), "too_many_symbols"),
        (apart(new(87), ["q…"] * 11), None),
        (apart(new(87), ["#q#"] * 11), "too_many_symbols"),
        (apart(new(87), ["##"] * 11), None),  # one of two characters: a run of hashes counts once
        (text(*new(77), *(f"Ⅷ{number}" for number in range(21))), None),  # a numeral that is alphabetic, and no letter
        # bullets and ends of lines
        (ten_lines("• ", count=9), None),
        *((ten_lines(start), "too_many_bullet_lines") for start in ("• ", "● ", "‣ ", "  ⦿ ")),
        *((ten_lines(start), None) for start in ("- ", "* ")),
        (ten_lines(end="…", count=3), None),
        *(
            (ten_lines(end=end, count=4), "too_many_ellipsis_lines")
            for end in ("…", "... ", "[…]", "(...)", " -»", " Read More", " read more..")
        ),
        (ten_lines(end=" . . .", count=4), None),
        (" ".join(["The", "AND", *new(98)]), "too_few_stop_words"),
        # what is left without later copies
        *LATER_COPIES_OF_LINES,
        (lines_of(6, 4, "\n\n", lines=3), None),
        (lines_of(5, 5, "\n\n", lines=3), "too_many_repeated_paragraphs"),
        (lines_of(10, 0, "\n\n"), None),
        (lines_of(10, 0, "\n\n\n\n\n\n"), "too_many_repeated_paragraphs"),  # empty ones between
        (long_word_twice(100, 500, measure=without_breaks), None),
        (long_word_twice(100, 499, measure=without_breaks), "too_many_repeated_line_characters"),
        (paragraph_twice(455), None),
        (paragraph_twice(454), "too_many_repeated_paragraph_characters"),
        # the most frequent n-gram, deleted as characters
        *FIRST_TOP_NGRAM,
        (
            text(
                *spread(("bcd", "dfg"), 4),
                *(f"{a}bcd dfg{b}" for a, b in zip(new(12, 2), new(12, 2, 50), strict=True)),
                *new(30),
            ),
            "top_2gram_too_frequent",
        ),
        ("the and\n" + "\n".join(f"bcdfgh {a} {b} zxwvts" for a, b in itertools.pairwise(new(20))), None),
        *ngram_edges(sized, lambda n, width: n * width + n - 1, 6),
        # later copies of n-grams, each word once, with the blanks inside
        *itertools.chain(
            *(
                [
                    (twice(sized, block_with_a_long_end(n, 4 * percent - n + 1), 400), None),
                    (twice(sized, block_with_a_long_end(n, 4 * percent - n + 1), 399), f"too_many_repeated_{n}grams"),
                ]
                for n, percent in REPEATED
            )
        ),
    ],
}


@functools.cache
def verdict(dialect, content):
    """The reason of a dialect's first rule that drops a text, or None."""
    read = Text(content)
    return next((found[0] for rule in DIALECTS[dialect] if (found := rule.reason(rule.measure(read)))), None)


@pytest.mark.parametrize("dialect, number", [(name, at) for name in VECTORS for at in range(len(VECTORS[name]))])
def test_each_dialect_decides_its_own_vectors(dialect, number):
    content, expected = VECTORS[dialect][number]
    assert verdict(dialect, content) == expected


@pytest.mark.parametrize("one, other", list(itertools.permutations(DIALECTS, 2)))
def test_no_dialect_decides_the_vectors_of_another(one, other):
    """Reasons apart, which have names of their own here and there: what one keeps the other drops."""
    differ = [content for content, reason in VECTORS[one] if (reason is None) != (verdict(other, content) is None)]
    assert len(differ) >= 5


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_is_a_vector_for_every_reason(dialect):
    reasons = set()
    for rule in DIALECTS[dialect]:
        good = rule.measure(Text(text(*new(98))))
        found = {rule.reason(good | {name: value}) for name in good for value in (-1, 1e9)}
        reasons |= {verdict[0] for verdict in found if verdict}
    assert reasons == {reason for _, reason in VECTORS[dialect] if reason}


def ngrams(words, n):
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]


def characters(words):
    return sum(map(len, words))


def of_copies(segments, least):
    """How many segments are copies from the `least`-th on of those that stand more than once, and their characters."""
    found = [
        one for at, one in enumerate(segments) if segments.count(one) > 1 and segments[: at + 1].count(one) >= least
    ]
    return len(found), characters(found)


def slow_dclm(content):
    signals = {}
    for name, separator in (("line", "\n"), ("paragraph", "\n\n")):
        segments = [segment for segment in content.split(separator) if segment.strip()]
        count, size = of_copies(segments, 1)
        signals[f"repeated_{name}s"] = count / max(len(segments), 1)
        signals[f"repeated_{name}_characters"] = size / max(characters(segments), 1)
    words = [word for word in plain_words._BOUNDARY.split(content) if any(map(str.isalnum, word))]
    size = max(characters(words), 1)
    for n in (2, 3, 4):
        found = ngrams(words, n)
        most = max(map(found.count, found), default=0)
        top = max((characters(ngram) for ngram in found if found.count(ngram) == most), default=0)
        signals[f"top_{n}gram"] = top * most / size if most > 1 else 0
    for n in range(5, 11):
        found = ngrams(words, n)
        covered = {at + ahead for at, ngram in enumerate(found) if found.count(ngram) > 1 for ahead in range(n)}
        signals[f"repeated_{n}grams"] = sum(len(words[at]) for at in covered) / size
    return signals


def slow_dolma(content):
    words, lines = content.split(), content.split("\n")
    size = max(characters(words), 1)
    count, copied = of_copies(lines, 1)
    signals = {
        "num_words": len(words),
        "median_word_length": statistics.median(map(len, words)) if words else 0,
        "repeated_lines": count / len(lines),
        "repeated_line_characters": copied / size,
    }
    for n in (2, 3, 4):
        counts = collections.Counter(ngrams(words, n)).most_common(1)
        signals[f"top_{n}gram"] = sum(characters(ngram) * count for ngram, count in counts) / size
    for n in range(5, 11):
        found = ngrams(words, n)
        again = [ngram for ngram in found if found.count(ngram) > 1]
        signals[f"repeated_{n}grams"] = sum(map(characters, again)) / max(sum(map(characters, found)), 1)
    return {name: round(value, 5) for name, value in signals.items()}


def slow_curator(content):
    signals = {}
    lines = [line for line in content.split("\n") if line.strip()]
    for name, segments in (("line", lines), ("paragraph", content.split("\n\n"))):
        signals[f"unique_{name}s"] = len(set(segments)) / max(len(segments), 1)
        signals[f"unique_{name}_characters"] = characters(set(segments)) / max(characters(segments), 1)
    words = content.split()
    for n in range(2, 11):
        name = f"top_{n}gram" if n < 5 else f"repeated_{n}grams"
        found = ngrams(words, n)
        if not found:
            signals[name] = 1
        elif n < 5:
            top = max(found, key=found.count)
            signals[name] = (len(content) - len(content.replace(" ".join(top), ""))) / len(content)
        else:
            size = covered = 0  # how many of the next words are counted already
            for at, ngram in enumerate(found):
                if ngram in found[:at]:
                    size += characters(ngram[covered:]) + min(n - covered, n - 1)
                    covered = n
                covered = max(covered - 1, 0)
            signals[name] = size / len(content)
    return signals


SLOW = {DclmGopherRepetition: slow_dclm, DolmaGopher: slow_dolma, CuratorGopherRepetition: slow_curator}
ATOMS = st.sampled_from(
    ["a", "b", "cc", "a b", "don't", "a.b", ".", "...", " ", "\n", "\n\n", "\n \n", "é", "日本", "🇩🇪"]
)
PHRASES = st.lists(st.sampled_from("abc"), min_size=4, max_size=12).map(" ".join)
TEXTS = st.one_of(
    st.lists(ATOMS, max_size=40).map(" ".join),
    st.lists(st.one_of(PHRASES, ATOMS), max_size=8).map(" ".join).map(lambda line: f"{line} x {line}"),
    st.text(alphabet="ab \n.", max_size=60),
    st.text(max_size=30),
)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rule for rule in RULES if type(rule) in SLOW], ids=recipe.step_name)
@given(content=TEXTS)
@settings(max_examples=150, deadline=None)
def test_repetition_is_what_a_plain_reading_gives(rule, content):
    found, expected = rule.measure(Text(content)), SLOW[type(rule)](content)
    assert {name: found[name] for name in expected} == expected
    assert isinstance(rule, DolmaGopher) or list(found) == list(expected)


@given(content=TEXTS)
@settings(max_examples=100, deadline=None)
def test_any_text_has_finite_signals_and_a_verdict(content):
    for rule in RULES:
        signals = rule.measure(Text(content))
        assert all(0 <= value < 1e9 for value in signals.values())
        rule.reason(signals)


@pytest.mark.parametrize(
    "content, words",
    [
        ("It’s 3.14, don't! well-known", ["It’s", "3.14", "don't", "well", "known"]),
        ("U.S.A. (e.g.) foo_bar _ __x", ["U.S.A", "e.g", "foo_bar", "__x"]),
        ("日本語 カタカナ ไทย", ["日", "本", "語", "カタカナ", "ไ", "ท", "ย"]),
        ("a\u0301b 🇩🇪🇫🇷 👍 © 𝒳", ["a\u0301b", "𝒳"]),
        ("🇩x🇩🇪 y", ["x", "y"]),
        ("", []),
    ],
)
def test_words_of_unicode(content, words):
    assert plain_words.unicode_words(Text(content)) == words


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern", ["🇩", "a\u0301", "a'", "the ", "a b ", "[", "…", "#", "\n", "a\n\n", "…\n", "a b c d "]
)
def test_a_long_run_takes_no_more_than_seconds(pattern):
    content = (pattern * 200_000)[:200_000]
    with cpu_limit():
        for rule in RULES[2:]:  # datatrove's words are spaCy's: tests/test_rule_traps.py
            rule.measure(Text(content))


@pytest.mark.parametrize("rule", [*RULES, FineWebQuality(), C4Lines()], ids=recipe.step_name)
def test_a_threshold_changes_no_signal(rule):
    fields = {field.name for field in dataclasses.fields(rule)}
    assert fields >= set(rule.THRESHOLDS)
    contents = [text(*new(98)), lines_of(5, 5, "\n\n"), "The cat sat. " * 20]
    for name in rule.THRESHOLDS:
        other = () if "ngram" in name else 0 if name.startswith("min_") else type(getattr(rule, name))(1_000_000)
        other = 1.0 if other and getattr(rule, name) < 1 else other
        changed = dataclasses.replace(rule, **{name: other})
        for content in contents:
            assert changed.measure(Text(content)) == rule.measure(Text(content))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GopherQuality(min_words=-1), r"GopherQuality\(min_words=-1\)"),
        (lambda: GopherQuality(min_words=9, max_words=3), r"GopherQuality\(min_words=9\)"),
        (lambda: GopherQuality(max_bullet_lines=1.5), r"GopherQuality\(max_bullet_lines=1.5\)"),
        (lambda: GopherRepetition(max_repeated_lines=-0.1), r"GopherRepetition\(max_repeated_lines=-0.1\)"),
        (lambda: GopherRepetition(max_top_ngram=((5, 0.2),)), r"GopherRepetition\(max_top_ngram=.*2 to 4"),
        (lambda: GopherRepetition(max_repeated_ngrams=((11, 0.2),)), r"max_repeated_ngrams=.*5 to 10"),
        (lambda: GopherRepetition(max_repeated_ngrams=((5, -0.2),)), "limit of at least 0"),
        (lambda: FineWebQuality(min_terminal_lines=12), r"FineWebQuality\(min_terminal_lines=12\)"),
        (lambda: FineWebQuality(max_breaks=-1), r"FineWebQuality\(max_breaks=-1\)"),
        (lambda: C4Lines(min_sentences=-1), r"C4Lines\(min_sentences=-1\)"),
        (lambda: DclmGopherQuality(min_mean_word_length=12), r"DclmGopherQuality\(min_mean_word_length=12\)"),
        (lambda: DclmGopherRepetition(max_repeated_paragraphs=2), r"DclmGopherRepetition\(max_repeated_paragraphs=2\)"),
        (lambda: DolmaGopher(min_alphabetic_words=80), r"DolmaGopher\(min_alphabetic_words=80\)"),
        (lambda: CuratorGopherQuality(max_words=1), r"CuratorGopherQuality\(min_words=50\)"),
        (lambda: CuratorGopherRepetition(min_unique_lines=7), r"CuratorGopherRepetition\(min_unique_lines=7\)"),
    ],
    ids=range(15),
)
def test_thresholds_that_cannot_be_meant(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_limits_that_are_left_out_do_not_apply():
    content = " ".join([GIANT, GIANT + "x", *new(46, 3), "the", "and"])
    assert verdict("dolma", content) == "top_2gram_too_frequent"
    assert (rule := DolmaGopher(max_top_ngram=())).reason(rule.measure(Text(content))) is None
    assert tuple(n for n, _ in repetition.TOP_LIMITS) == repetition.TOP
    assert tuple(n for n, _ in repetition.REPEATED_LIMITS) == repetition.REPEATED


@pytest.mark.parametrize("dialect", DIALECTS)
def test_signals_have_names_of_their_own_beside_those_of_other_rules(dialect):
    rules = (*DIALECTS[dialect], C4Lines(), FineWebQuality())
    names = [name for rule in rules for name in rule.measure(Text(text(*new(98))))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_recipe_of_each_dialect_has_its_rules_as_published(dialect):
    name = "gopher" if dialect == "datatrove" else f"gopher_{dialect}"
    steps = recipe.of_source(*recipe.read_source(name)).steps
    rules = DIALECTS[dialect]
    assert [step for step in steps if type(step) in set(map(type, RULES))] == list(rules)
    names = [recipe.step_name(step) for step in steps]
    before = ["SeenPayload", "FirstLook", "ExtractText", "KeepLanguage"]
    assert names == [*before, *map(recipe.step_name, rules), "ExactDuplicates", "NearDuplicates"]
    assert (steps[-1].shingle, steps[-1].min_similarity) == (13, 0.8)
