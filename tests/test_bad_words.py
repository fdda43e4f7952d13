import dataclasses
import hashlib
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import urls
from curation.rules.bad_words import ALLOWED, LDNOOBW_EN, BadWords
from curation.text import Text
from tests.cpu_limit import cpu_limit

LISTED = Path(__file__).parents[2] / "shared" / "data" / "lists" / "ldnoobw"
WORDS = ["flurbish", "grackle nob", "snark-weasel", "2 grackles 1 nob", "🖖", "b.o.g", "Capital", "ägg", ":-p", "a"]


def made(folder, words, **known):
    path = folder / "bad.txt"
    path.write_text("\n".join([*words, "", "  ", words[0]]) + "\r\n", "utf-8")
    return BadWords(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), **known)


@pytest.fixture(scope="module")
def rule(tmp_path_factory):
    return made(tmp_path_factory.mktemp("lists"), WORDS)


def verdict(rule, text, url=""):
    found = rule.reason(rule.measure(Text(text, url=url)))
    return found and found[0]


def plain(text, words):
    """The regular expression of c4_utils.py."""
    return re.search(rf"(?:\W|^)(?:{'|'.join(map(re.escape, words))})(?:\W|$)", text.lower()) is not None


@pytest.mark.parametrize(
    "text, word",
    [
        ("", None),
        ("The heron slept.", None),
        ("flurbish", "flurbish"),
        ("The FLURBISH slept.", "flurbish"),
        ("The flurbishes slept.", None),
        ("The unflurbish slept.", None),
        ("The x_flurbish slept.", None),
        ("The 1flurbish slept.", None),
        ("The éflurbish slept.", None),
        ("The x-flurbish! slept.", "flurbish"),
        ("The\nflurbish\nslept.", "flurbish"),
        ("The grackle nob slept.", "grackle nob"),
        ("The grackle\nnob slept.", None),
        ("The grackle  nob slept.", None),
        ("The grackle nobs slept, the nob of the grackle did not.", None),
        ("The grackle nobs slept, and so did the grackle nob.", "grackle nob"),
        ("The snark-weasel slept.", "snark-weasel"),
        ("The snark weasel slept.", None),
        ("2 grackles 1 nob", "2 grackles 1 nob"),
        ("12 grackles 1 nob", None),
        ("It waved 🖖.", "🖖"),
        ("It waved🖖.", None),  # a word's character stands before it
        ("It waved 🖖🖖🖖", "🖖"),
        ("The b.o.g was wet.", "b.o.g"),
        ("The bxoxg was wet.", None),
        ("The Capital was wet, the capital too.", None),
        ("Ett ÄGG.", "ägg"),
        ("He grinned :-p", ":-p"),
        ("He grinned:-p", None),
        ("He grinned :-people", None),
        ("Such a heron, and the flurbish.", "a"),
    ],
    ids=range(31),
)
def test_a_word_stands_between_what_is_no_word(rule, text, word):
    assert rule.evidence(Text(text)) == word
    assert verdict(rule, text) == (word and "bad_words")
    assert plain(text, WORDS) == (word is not None)


@given(
    st.lists(
        st.sampled_from([*WORDS, "grackle", "nob", "x"]) | st.sampled_from([" ", "-", "\n", "_", "é", "1", "🖖", ""])
    )
)
def test_it_finds_what_the_regular_expression_finds(rule, pieces):
    text = "".join(pieces)
    assert (verdict(rule, text) is not None) == plain(text, WORDS)


def test_without_boundaries_a_word_may_stand_inside_another(rule):
    inside = dataclasses.replace(rule, boundaries=False)
    assert (verdict(rule, "unflurbished"), verdict(inside, "unflurbished")) == (None, "bad_words")
    assert verdict(inside, "flurb ish") is None


def test_whole_tokens_are_what_stands_between_white_space(rule):
    tokens = dataclasses.replace(rule, whole_tokens=True)
    assert [verdict(tokens, text) for text in ("the Flurbish slept", "the flurbish, slept", "grackle nob")] == [
        "bad_words",
        None,
        None,
    ]
    with pytest.raises(ValueError, match="at most one of the two"):
        dataclasses.replace(tokens, boundaries=False)


def test_allowed_words_pass(rule):
    allowed = dataclasses.replace(rule, allowed=("flurbish", "not listed"))
    assert verdict(allowed, "flurbish") is None
    assert allowed.evidence(Text("flurbish :-p")) == ":-p"


def test_other_languages(tmp_path, rule):
    words = ["性", "グロ", "ばか"]
    path = tmp_path / "ja.txt"
    path.write_text("\n".join(words), "utf-8")
    japanese = rule.in_language("ja", str(path), hashlib.sha256(path.read_bytes()).hexdigest())
    assert (japanese.boundaries, japanese.allowed) == (False, ALLOWED["ja"])
    assert [verdict(japanese, text) for text in ("このばかめ", "グロいもの", "性的")] == [
        "bad_words",
        None,
        "bad_words",
    ]
    chinese = rule.in_language("zh", str(path), japanese.sha256)
    assert [verdict(chinese, text) for text in ("个性", "グロ")] == [None, "bad_words"]
    assert rule.in_language("de", str(path), japanese.sha256).boundaries


def test_a_share_is_kept_by_the_url_alone(rule):
    """Binomial over 20,000 URLs; 5 sigma."""
    some = dataclasses.replace(rule, keep_share=0.01)
    found = [number for number in range(20_000) if verdict(some, "flurbish", f"http://example.org/{number}") is None]
    assert abs(len(found) - 200) < 5 * (200 * 0.99) ** 0.5
    kept = f"http://example.org/{found[0]}"
    assert int(hashlib.md5(urls.normalized(kept).encode()).hexdigest(), 16) < 0.01 * 2**128
    assert verdict(some, "another :-p", f"https://www.example.org/{found[0]}/?ref=x") is None
    assert verdict(some, "flurbish", f"http://example.org/{found[0]}a") == "bad_words"
    assert verdict(dataclasses.replace(rule, keep_share=1.0), "flurbish", kept) is None


def test_only_the_verdict_reads_the_share(rule):
    some = dataclasses.replace(rule, keep_share=0.5)
    text = Text("flurbish :-p", url="http://example.org/")
    assert rule.measure(text) == some.measure(text)
    assert rule.measure(text)["bad_words"] == 2


def test_the_draw_is_the_same_number_where_it_is_stored_as_float32(rule):
    import numpy as np

    for number in range(200):
        draw = rule.measure(Text("", url=f"http://example.org/{number}"))["url_draw"]
        assert float(np.float32(draw)) == draw < 1


def test_another_list_is_an_error(tmp_path, rule):
    with pytest.raises(
        ValueError, match=r"BadWords.*no_such.txt.*cannot be read.*github.com/LDNOOBW.*25e679f0.*put the file"
    ):
        BadWords(str(tmp_path / "no_such.txt"), "0" * 64).check()
    with pytest.raises(ValueError, match=r"BadWords.*has sha256 .*expected 0000.*github.com/LDNOOBW"):
        dataclasses.replace(rule, sha256="0" * 64).check()
    with pytest.raises(ValueError, match=r"BadWords\(keep_share=1.5\)"):
        dataclasses.replace(rule, keep_share=1.5)
    rule.check()


@pytest.mark.parametrize("piece", ["grackle nob ", "a a ", "🖖", "grackle ", "2 grackles 1 ", ":-", "snark-", "x"])
def test_time_is_linear_in_hostile_text(rule, piece):
    text = Text("grackle nobs 2 1 snark weasel b o g p " + piece * (1_000_000 // len(piece)) + "x")
    with cpu_limit():
        rule.measure(text)


@pytest.mark.slow
@pytest.mark.skipif(not LISTED.is_dir(), reason="there is no folder of word lists beside this checkout")
def test_the_list_of_c4_finds_what_its_regular_expression_finds():
    rule = BadWords(str(LISTED / "en.txt"), LDNOOBW_EN)
    rule.check()
    words = [line for line in (LISTED / "en.txt").read_text("utf-8").splitlines() if line]
    choice, decided = random.Random(0).choice, set()
    for _ in range(1500):
        text = "".join(choice([*words, "river", "the", "2"]) + choice([" ", "", ", ", "-", "_", "é"]) for _ in range(2))
        assert (verdict(rule, text) is not None) == plain(text, words)
        decided.add(plain(text, words))
    assert decided == {True, False}
