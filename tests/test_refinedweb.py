"""RefinedWeb's corrections: each on both sides of its threshold."""

import dataclasses

import pytest

from curation import recipe
from curation.rules.refinedweb import RefinedWebLines, RefinedWebText
from curation.text import Text
from tests.cpu_limit import cpu_limit

PROSE = "The river rose in the night and carried the old bridge away before anyone had woken up there."  # 18 words


@pytest.mark.parametrize(
    "content, left",
    [
        ("a\n\nb", "a\n\nb"),
        ("a\n\n\nb", "a\n\nb"),
        ("a\n\n\n\n\n\nb\n\n\n", "a\n\nb\n\n"),
        ("see https://a.example/b?c=d#e for more", "see  for more"),
        ("see HTTP://A.EXAMPLE/, and more", "see , and more"),
        ("(ftp://a.example/x)", "()"),
        ("see www.a.example/path. Then", "see . Then"),
        ('<a href="http://a.example/">', '<a href="">'),
        ("a.example/path and example.com", "a.example/path and example.com"),  # DCLM takes these too
        ("https:// is a scheme, www. a label", "https:// is a scheme, www. a label"),
        ("xhttp://a.example/", "xhttp://a.example/"),
        ("one\nhttp://a.example/\ntwo", "one\n\ntwo"),
        ("one\n\nhttp://a.example/\n\ntwo", "one\n\n\n\ntwo"),  # line breaks are counted first
        ("", ""),
    ],
)
def test_urls_and_line_breaks(content, left):
    assert RefinedWebText().edit(Text(content)) == left


def test_more_line_breaks_where_the_recipe_says_so():
    assert RefinedWebText(max_breaks=3).edit(Text("a\n\n\n\n\nb")) == "a\n\n\nb"


@pytest.mark.parametrize(
    "line, fault, left",
    [
        ("ABCD efgh", None, None),  # 4 of 9 characters
        ("ABCDE fgh", "uppercase", ""),  # 5 of 9
        ("ABCDE fghi", None, None),  # 5 of 10: half is not more than half
        ("ПРИВЕТ вам", "uppercase", ""),
        ("   ABCDEF ghij   ", "uppercase", ""),
        ("12345", "digit", ""),
        ("１２３", "digit", ""),
        ("123 456", None, None),  # the blank is none
        ("1,234", "one_word", ""),
        ("3 likes", "counter", ""),
        ("1,234 Views", "counter", ""),
        ("12.5k followers", "counter", ""),
        ("[ 7 comments ]", "counter", ""),
        *((f"2 {counted}", "counter", "") for counted in ("shares", "comments", "retweets", "reposts", "quotes")),
        *((f"2 {counted}", "counter", "") for counted in ("bookmarks", "upvotes", "downvotes", "downloads")),
        ("3 wishes", None, None),
        ("3 likes and more", None, None),
        ("likes 3", None, None),
        ("1 like", None, None),  # only the plural is listed
        ("Home", "one_word", ""),
        ("two words", None, None),
        ("3 items in cart today", "shortened", "3  today"),
        ("Items In Cart", "shortened", ""),
        ("A short line, read more...", "shortened", "A short line,"),
        ("A short line, read more... now", None, None),
        ("A short line, read more", None, None),
        ("Sign-in to your account", "shortened", "to your account"),
        ("Please Sign-in here", None, None),
        (
            "Sign-in one two three four five six seven eight nine",
            "shortened",
            "one two three four five six seven eight nine",
        ),
        ("Sign-in one two three four five six seven eight nine ten", None, None),  # 11 words
    ],
)
def test_a_line(line, fault, left):
    text = Text(f"{PROSE}\n{line}\n{PROSE}")
    step = RefinedWebLines()
    signals = step.measure(text)
    gone = len(line.split()) - len((line if left is None else left).split())
    faults = {name: count for name, count in signals.items() if name.endswith("_lines") and count}
    assert faults == ({f"{fault}_lines": 1.0} if fault else {})
    assert signals["words_removed"] == gone / (36 + len(line.split()))
    kept = [line] if left is None else [left] if left else []
    assert step.edit(text) == "\n".join([PROSE, *kept, PROSE])
    assert step.evidence(text) == (line.strip() if fault else None)


def test_the_first_fault_counts():
    signals = RefinedWebLines().measure(Text("AB\n3 LIKES\n42\nABCDEF items in cart"))
    assert {name: count for name, count in signals.items() if count} == {
        "uppercase_lines": 2.0,  # a capital word; the counter, in capitals
        "digit_lines": 1.0,
        "shortened_lines": 1.0,
        "words_removed": 7 / 8,
    }


@pytest.mark.parametrize("num_lines, dropped", [(19, False), (20, False), (21, True)])
def test_too_many_words_removed(num_lines, dropped):
    """Of 400 words 20 may go, and 21 may not."""
    words = ["word"] * (400 - num_lines)
    text = Text("\n".join([" ".join(words), *["Home"] * num_lines]))
    signals = RefinedWebLines().measure(text)
    assert signals["words_removed"] == num_lines / 400
    verdict = ("too_many_words_removed", "words_removed")
    assert RefinedWebLines().reason(signals) == (verdict if dropped else None)
    assert RefinedWebLines(max_words_removed=0.06).reason(signals) is None
    assert RefinedWebLines().evidence(text) == "Home"


def test_the_edit_does_not_need_the_measurement():
    text = f"{PROSE}\nHome\n{PROSE}"
    assert RefinedWebLines().edit(Text(text)) == f"{PROSE}\n{PROSE}"
    assert RefinedWebLines().evidence(Text(text)) == "Home"


def test_a_text_without_faults_stays_as_it_is():
    content = f"  {PROSE}\r\n\r\n\n\n{PROSE}  "
    assert RefinedWebLines().edit(Text(content)) == content


def test_blank_lines_are_kept_and_cut_where_a_line_went():
    assert RefinedWebLines().edit(Text(f"{PROSE}\n\nHome\n\n{PROSE}\n\nMenu")) == f"{PROSE}\n\n{PROSE}"


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n "])
def test_a_text_without_words(content):
    step, text = RefinedWebLines(), Text(content)
    signals = step.measure(text)
    assert set(signals.values()) == {0.0}
    assert (step.reason(signals), step.edit(text), step.evidence(text)) == (None, content, None)


@pytest.mark.parametrize("field", ["max_uppercase", "max_digits", "short_line", "max_breaks", "min_words"])
def test_what_measures_is_no_threshold(field):
    assert field not in RefinedWebLines.THRESHOLDS
    assert {field.name for field in dataclasses.fields(RefinedWebLines)} >= {field, *RefinedWebLines.THRESHOLDS}


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: RefinedWebLines(max_uppercase=1.5),
            "RefinedWebLines(max_uppercase=1.5): expected a share from 0 to 1",
        ),
        (
            lambda: RefinedWebLines(max_words_removed=-1),
            "RefinedWebLines(max_words_removed=-1): expected a share from 0",
        ),
        (lambda: RefinedWebLines(min_words=-1), "RefinedWebLines(min_words=-1): expected at least 0"),
        (lambda: RefinedWebText(max_breaks=0), "RefinedWebText(max_breaks=0): expected at least 1"),
    ],
)
def test_thresholds_that_cannot_be(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "a ",
        "A\n",
        "\n",
        "www.",
        "www.! ",
        "http://",
        "http://(",
        "1,",
        "1 likes\n",
        "1.",
        "\u0301",
        "Sign-in items in cart\n",
    ],
)
def test_long_texts_take_linear_time(unit):
    content = (unit * 500_000)[:500_000]
    with cpu_limit():
        text = Text(RefinedWebText().edit(Text(content)))
        RefinedWebLines().measure(text)
        RefinedWebLines().edit(text)


def steps_of(name):
    return recipe.of_source(*recipe.read_source(name)).steps


def test_the_recipes_differ_in_what_they_say():
    refinedweb, pool, baseline = map(steps_of, ("refinedweb", "dclm_refinedweb", "dclm_baseline"))
    assert baseline[:-1] == pool
    assert [recipe.step_name(step) for step in refinedweb if step not in pool] == [
        "NotHosts",
        "ExtractText",
        "NearDuplicates",
        "ExactSubstrings",
        "FirstOfUrl",
    ]
    assert refinedweb[0].judge("https://en.wikipedia.org/wiki/Bridge") == ("left_out_host", None, "wikipedia.org")


def test_without_its_model_the_baseline_does_not_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe.of_source(*recipe.read_source("dclm_refinedweb")).check()
    with pytest.raises(ValueError) as caught:
        recipe.of_source(*recipe.read_source("dclm_baseline")).check()
    assert str(caught.value) == (
        "QualityClassifier('models/openhermes_reddit_eli5_vs_rw_v2_200k_train.bin') cannot be read: No such file or "
        "directory; check the path"
    )
