"""RedPajama-V2's signals: by hand, and as a slow version has them that shares nothing with the rule."""

import collections
import gzip
import hashlib
import math
import re
import string
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.rules import stop_word_lists
from curation.rules.redpajama import ListFile, RedPajamaSignals, UrlCategory
from curation.text import Text
from tests import prose
from tests.cpu_limit import cpu_limit

RULE = RedPajamaSignals()
PREFIX = "rps_doc_"


def signal(text, name, rule=RULE, **known):
    return rule.measure(Text(text, **known))[name]


def listed(path, *lines):
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return ListFile(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("word_count", "One, two -- three.\nfour", 4),  # dashes are punctuation
        ("word_count", "don't U.S.A. “no”", 3),
        ("mean_word_length", "One, three.", 4),
        ("mean_word_length", "Ünü", 5),  # decomposed: u and its mark, n, u and its mark
        ("unigram_entropy", "a b c d", math.log(4)),
        ("unigram_entropy", "a A a. a!", 0.0),
        ("unigram_entropy", "a a b b", math.log(2)),
        ("frac_unique_words", "a A b b", 0.5),
        ("stop_word_fraction", "The boat and the heron", 0.6),
        ("symbol_to_word_ratio", "# one ... two… #", 4 / 5),
        ("frac_all_caps_words", "ONE Two THREE! 4", 2 / 4),
        ("frac_no_alph_words", "one 2 3x -- реки", 3 / 5),  # letters are those of ASCII
        ("lorem_ipsum", "Lorem, ipsum", 1 / 11),
        ("curly_bracket", "{a}b", 0.5),
        ("num_sentences", "One. Two! Three? Four", 4),
        ("num_sentences", "e.g. this", 3),
        ("num_sentences", "...", 0),
        ("frac_lines_end_with_ellipsis", "one...\ntwo… \n\nthree.", 0.5),
        ("frac_chars_top_2gram", "one two three one two", (3 + 3) * 2 / 17),
        ("frac_chars_top_2gram", "one two three", 0.0),  # each once
        ("frac_chars_top_2gram", "a bb a bb ccc dddd ccc dddd", 3 * 2 / 20),  # the first among ties
        ("frac_chars_top_3gram", "a b c a b c a b c", 1.0),
        ("frac_chars_top_4gram", "a b c d x a b c d", 8 / 9),
        ("frac_chars_dupe_5grams", "a b c d e X a b c d e", 5 / 11),  # the second copy alone
        ("frac_chars_dupe_5grams", "a b c d X a b c d", 0.0),
        ("frac_chars_dupe_5grams", "a a a a a a a", 6 / 7),  # overlapping ones count once
        ("frac_chars_dupe_6grams", "a b c d e X a b c d e", 0.0),
        ("frac_chars_dupe_10grams", "a b c d e f g h i j " * 2, 0.5),
    ],
)
def test_signals_of_documents(name, text, expected):
    assert signal(text, PREFIX + name) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("ending_with_terminal_punctution_mark", "one.\ntwo!\nthree?\n“four”\nfive,\n", 4 / 5),
        ("ending_with_terminal_punctution_mark", 'six."\nseven. ', 1 / 2),
        ("javascript_counts", "Enable JavaScript, javascript!\nno javascripts\njavascript", 3),
        ("num_words", "one two\n\nthree, four -", 4 / 3),
        ("numerical_chars_fraction", "a1\nbb\n", 0.25),
        ("numerical_chars_fraction", "12.5", 1.0),  # without the point
        ("start_with_bulletpoint", "• one\n – two\n- three\n▶four", 3 / 4),
        ("uppercase_letter_fraction", "AB\nab\nÄb", 0.5),
    ],
)
def test_signals_of_lines(name, text, expected):
    assert signal(text, f"rps_lines_{name}") == pytest.approx(expected, rel=1e-12)


def test_length_and_lines_are_those_of_ccnet():
    found = RULE.measure(Text("one\n\ntwo\n"))
    assert (found["ccnet_length"], found["ccnet_nlines"]) == (9, 3)


def test_there_are_29_and_31_with_lists_and_nothing_is_dropped(tmp_path):
    bad = listed(tmp_path / "bad.txt", "heron")
    with_lists = RedPajamaSignals(ldnoobw=bad, ut1=(UrlCategory("adult", bad),))
    for text in ("", " \n ", "\n", "one", prose.text(1), "{" * 100):
        found, more = RULE.measure(Text(text)), with_lists.measure(Text(text))
        assert (len(found), len(more)) == (29, 31)
        assert found.keys() < more.keys()
        assert all(math.isfinite(value) for value in more.values())
        assert with_lists.reason(more) is None
    assert set(RULE.measure(Text("")).values()) == {0}


def test_listed_words_and_phrases(tmp_path):
    """Case and punctuation do not matter; a phrase counts where its words stand side by side, and so does one in it."""
    rule = RedPajamaSignals(ldnoobw=listed(tmp_path / "bad.txt", "Heron", "grey heron", "old grey mill", "", "¡"))
    texts = {"A GREY-heron": 0, "A grey, heron.": 2, "herons": 0, "old grey": 0, "the old grey mill; heron": 2, "": 0}
    assert {text: signal(text, "rps_doc_ldnoobw_words", rule) for text in texts} == texts


def test_the_category_of_a_page_is_the_first_that_lists_its_host_or_a_domain_above(tmp_path):
    rule = RedPajamaSignals(
        ut1=(
            UrlCategory("chat", listed(tmp_path / "chat.gz", "talk.example", "both.example")),
            UrlCategory("dating", listed(tmp_path / "dating", "# a comment", "both.example", "198.51.100.7")),
        )
    )
    rule.check()
    urls = {
        "https://talk.example/": 1,
        "http://www.rooms.talk.example/a": 1,
        "https://both.example": 1,
        "http://198.51.100.7/x": 2,
        "https://smalltalk.example/": 0,
        "": 0,
    }
    assert {url: signal("a", "rps_doc_ut1_blacklist", rule, url=url) for url in urls} == urls


def test_stop_words_are_those_of_the_language_or_of_a_list(tmp_path):
    name = "rps_doc_stop_word_fraction"
    assert signal("der Reiher und die Mühle", name, language="de") == 0.6
    assert signal("the heron and the mill", name, language="xx") == 0
    assert stop_word_lists.of_language("../en") == frozenset()
    own = RedPajamaSignals(stop_words=listed(tmp_path / "stop.txt", "Heron", "don't"))
    assert signal("The heron dont", name, own) == pytest.approx(2 / 3)


def test_check_names_a_list_that_is_another(tmp_path):
    path = str(tmp_path / "bad.txt")
    listed(tmp_path / "bad.txt", "heron")
    for rule in (
        RedPajamaSignals(ldnoobw=ListFile(path, "0" * 64)),
        RedPajamaSignals(stop_words=ListFile(path, "0" * 64)),
        RedPajamaSignals(ut1=(UrlCategory("chat", ListFile(path, "0" * 64)),)),
    ):
        with pytest.raises(ValueError, match=rf"RedPajamaSignals\('.*bad.txt'\) has sha256 .*, expected {'0' * 64}"):
            rule.check()


def plain(text):
    """The signals as their descriptions say, one after the other."""
    lower = unicodedata.normalize("NFD", "".join(c for c in text if c not in string.punctuation).lower())
    words, raw = lower.split(), text.split()
    lines = re.findall(r"[^\n]*\n|[^\n]+$", text)
    plain_lines = re.findall(r"[^\n]*\n|[^\n]+$", lower)
    total = max(sum(map(len, words)), 1)
    result = {
        "rps_doc_word_count": len(words),
        "rps_doc_unigram_entropy": sum(
            -n / len(words) * math.log(n / len(words)) for n in collections.Counter(words).values()
        ),
        "rps_doc_frac_unique_words": len(set(words)) / max(len(words), 1),
        "rps_doc_frac_no_alph_words": sum(not re.search("[a-zA-Z]", word) for word in raw) / max(len(raw), 1),
        "rps_doc_num_sentences": len(re.findall(r"\b[^.!?]+[.!?]*", text)),
        "rps_lines_num_words": sum(len(line.split()) for line in plain_lines) / max(len(lines), 1),
        "rps_lines_uppercase_letter_fraction": sum(
            sum(map(str.isupper, line)) / max(len(line.rstrip("\n")), 1) for line in lines
        )
        / max(len(lines), 1),
        "ccnet_nlines": len(lines),
    }
    for n in range(2, 11):
        ngrams = list(zip(*(words[at:] for at in range(n)), strict=False))
        if n < 5:
            ngram, count = collections.Counter(ngrams).most_common(1)[0] if ngrams else ((), 0)
            result[f"rps_doc_frac_chars_top_{n}gram"] = sum(map(len, ngram)) * count / total if count > 1 else 0
        else:
            seen, covered = set(), set()
            for place, ngram in enumerate(ngrams):
                if ngram in seen:
                    covered.update(range(place, place + n))
                seen.add(ngram)
            result[f"rps_doc_frac_chars_dupe_{n}grams"] = sum(len(words[at]) for at in covered) / total
    return result


@given(
    st.lists(st.sampled_from(["a", "B", "é", "river ", "Boat. ", " ", "\n", "{", "...", "1", "-", "٣"]), max_size=120)
)
@example(["a", " "] * 40)
@example([*"abcdefghijk", " "] * 4)
def test_the_rule_is_what_a_slow_version_says(parts):
    text = " ".join(parts[:60]) + "".join(parts[60:])
    found = RULE.measure(Text(text))
    for name, expected in plain(text).items():
        assert found[name] == pytest.approx(expected, rel=1e-9, abs=1e-9), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["a " * 500_000, "[" * 1_000_000, "\n" * 1_000_000, "a\n" * 500_000, "a.b" * 333_333, "\u0301\u0323" * 500_000],
)
def test_time_is_linear_in_the_text(text):
    with cpu_limit():
        RULE.measure(Text(text))
