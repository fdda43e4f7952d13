import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import urls, warc
from curation.identifiers import Langdetect
from curation.language import KeepLanguage
from curation.rules.bad_words import BadWords
from curation.rules.c4 import C4Lines
from curation.rules.c4_page import C4Dolma, C4Page, MaxCharacters, MinSentences, MultilingualParagraphs
from curation.rules.wet_text import WetText
from curation.sources import Task
from curation.text import Text
from tests import plain_c4
from tests.cpu_limit import cpu_limit

LINE = "The river rose again today."
FILLER = "\n".join([LINE, "The bridge fell down today.", "Nobody was there to see."])


def verdict(rule, text, **known):
    found = rule.reason(rule.measure(Text(text, **known)))
    return found and found[0]


def outcome(rule, text):
    """What a page becomes: its text, or the reason that drops it, in brackets."""
    text = Text(text)
    found = rule.reason(rule.measure(text))
    return f"<{found[0]}>" if found else rule.edit(text)


@pytest.mark.parametrize(
    "line, kept, signal",
    [
        ("  The river rose again today. \t", LINE, None),
        ("", None, "lines_without_end_mark"),
        ("The river rose again today", None, "lines_without_end_mark"),
        ("The river rose again today!", "The river rose again today!", None),
        ("Has the river risen again?", "Has the river risen again?", None),
        ('She said "it rose again"', 'She said "it rose again"', None),
        ("She said 'it rose again'", None, "lines_without_end_mark"),
        ("The river rose again today...", None, "lines_without_end_mark"),
        ("The river rose again today…", None, "lines_without_end_mark"),
        ("The river rose again today..", "The river rose again today..", None),
        ("The river rose again.", None, "lines_with_too_few_words"),
        ("The river rose again .", "The river rose again .", None),
        ("The river rose again [1].", "The river rose again .", None),
        ("The river rose again[1].", None, "lines_with_too_few_words"),
        ("The river [1] rose again.", None, "lines_with_too_few_words"),
        ("The river rose again today.[1]", LINE, None),
        ("The river rose again today. [1]", None, "lines_without_end_mark"),
        ("The river[edit] rose[citation needed] again[] today[23].", LINE, None),
        ("[1] The river rose again today.", " The river rose again today.", None),
        ("The river[a] rose[1 2] again today.", "The river[a] rose[1 2] again today.", None),
        ("a b c d " + "x" * 999 + ".", "a b c d " + "x" * 999 + ".", None),
        ("a b c d " + "x" * 1000 + ".", None, "lines_with_too_long_word"),
        ("x" * 1001, None, "lines_with_too_long_word"),
        ("Please enable JavaScript to read on.", None, "lines_with_javascript"),
        ("Please enable JavaScript to read { on.", None, "lines_with_javascript"),
        ("Please enable Java Script to read on.", "Please enable Java Script to read on.", None),
        ("Read our Privacy Policy before you go.", None, "lines_with_policy"),
        ("The terms of use have changed today.", None, "lines_with_policy"),
        ("Our cookie policy has changed today.", None, "lines_with_policy"),
        ("This site uses cookies for everything.", None, "lines_with_policy"),
        ("The use of cookies is explained below.", None, "lines_with_policy"),
        ("We use cookies on this very site.", None, "lines_with_policy"),
        ("A cookie is a small cake.", "A cookie is a small cake.", None),
        ("lorem ipsum without an end mark {", None, "lines_without_end_mark"),
        ("Lorem ipsum { dolor.", None, "lines_with_too_few_words"),
        (
            "One half ends right here.\u2028The other half follows it.",
            "One half ends right here.\nThe other half follows it.",
            None,
        ),
    ],
    ids=range(36),
)
def test_a_line_is_kept_or_dropped(line, kept, signal):
    """The line stands between others, so that a page is never dropped for it."""
    text, rule = Text(f"{FILLER}\n{line}\n{LINE}"), C4Page()
    assert rule.edit(text) == "\n".join([FILLER, *([] if kept is None else [kept]), LINE])
    signals = rule.measure(text)
    assert rule.reason(signals) is None
    dropped = {name: value for name, value in signals.items() if value and name not in ("num_sentences", "lines_kept")}
    assert dropped == ({} if signal is None else {signal: 1})


@pytest.mark.parametrize(
    "text, reason, line",
    [
        (FILLER, None, None),
        (f"{LINE} It fell.\nTwo words.", "too_few_sentences", None),
        (f"{LINE} It fell. It rose.", None, None),
        ("It rose before Mr. Smith came. It fell before J. S. Bach left.", "too_few_sentences", None),
        (f"{FILLER}\nSome Lorem Ipsum was left here.", "lorem_ipsum", "Some Lorem Ipsum was left here."),
        (f"{FILLER}\nSome loremipsum was left here too.", None, None),
        (f"{FILLER}\nThe set {{ one, two }} is here.", "curly_bracket", "The set { one, two } is here."),
        (f"{FILLER}\nThe set }} one, two is here.", None, None),
        (f"{FILLER}\nlorem ipsum dolor sit amet {{ here.", "lorem_ipsum", "lorem ipsum dolor sit amet { here."),
        (
            f"{FILLER}\nThe {{ is first right here.\nlorem ipsum dolor sit amet.",
            "curly_bracket",
            "The { is first right here.",
        ),
        (f"Our lorem ipsum uses cookies, alas.\n{FILLER}", "lorem_ipsum", "Our lorem ipsum uses cookies, alas."),
        (f"Our {{ site uses cookies, alas.\n{FILLER}", "curly_bracket", "Our { site uses cookies, alas."),
        ("", "too_few_sentences", None),
    ],
    ids=range(13),
)
def test_a_page_is_kept_or_dropped(text, reason, line):
    assert verdict(C4Page(), text) == reason
    if reason:
        assert C4Page().evidence(Text(text)) == line


def test_only_the_verdict_reads_the_least_number_of_sentences():
    """So that stored signals decide where it alone differs."""
    text, strict = Text(FILLER), C4Page(min_sentences=4)
    assert strict.measure(text) == C4Page().measure(text)
    assert (C4Page().reason(strict.measure(text)), strict.reason(C4Page().measure(text))[0]) == (
        None,
        "too_few_sentences",
    )


THREE = "The river rose.\nThe bridge fell.\nNobody saw it.\nThe moon shone.\nThe owl called."
LONG = f"{FILLER}\nIt rained for many days.\nThe moon shone for hours."
DIALECTS = {
    "tfds": C4Page(),
    "t5_v1": C4Page(min_words=3, min_sentences=5),
    "datatrove": C4Lines(),
    "dolma": C4Dolma(),
    "dolma_end_mark": C4Dolma(end_mark=True),
}
VECTORS = {
    "three sentences on lines of five words": (
        FILLER,
        {"tfds": FILLER, "t5_v1": "<too_few_sentences>", "datatrove": "<too_few_sentences>"}
        | dict.fromkeys(("dolma", "dolma_end_mark"), FILLER),
    ),
    "five sentences on lines of three words": (
        THREE,
        {"tfds": "<too_few_sentences>"} | dict.fromkeys(("t5_v1", "datatrove", "dolma", "dolma_end_mark"), THREE),
    ),
    "a single quote at the end": (
        f"{LONG}\nHe called it 'the river'",
        dict.fromkeys(("tfds", "t5_v1", "dolma_end_mark"), LONG)
        | dict.fromkeys(("datatrove", "dolma"), f"{LONG}\nHe called it 'the river'"),
    ),
    "no end mark": (
        f"{LONG}\nThe river rose again",
        dict.fromkeys(("tfds", "t5_v1", "datatrove", "dolma_end_mark"), LONG)
        | {"dolma": f"{LONG}\nThe river rose again"},
    ),
    "three words before the citation goes": (
        f"{LONG}\n[1] It rained.\nThe end is near.",
        {"tfds": LONG, "t5_v1": f"{LONG}\nThe end is near.", "datatrove": f"{LONG}\n It rained.\nThe end is near."}
        | dict.fromkeys(("dolma", "dolma_end_mark"), f"{LONG}\n[1] It rained.\nThe end is near."),
    ),
    "javascript": (
        f"{LONG}\nPlease enable JavaScript right now.",
        dict.fromkeys(("tfds", "t5_v1", "datatrove"), LONG)
        | dict.fromkeys(("dolma", "dolma_end_mark"), "<javascript>"),
    ),
    "a bracket on a line that is dropped": (
        f"{LONG}\nno end {{",
        dict.fromkeys(("tfds", "t5_v1", "datatrove"), LONG)
        | dict.fromkeys(("dolma", "dolma_end_mark"), "<curly_bracket>"),
    ),
    "an abbreviation that ends no sentence for Punkt": (
        "The river rose near St. Gallen today.\nThe bridge fell down at last.\nNobody was there. Nobody saw.",
        {"tfds": "The river rose near St. Gallen today.\nThe bridge fell down at last.\nNobody was there. Nobody saw."}
        | dict.fromkeys(("t5_v1", "datatrove"), "<too_few_sentences>")
        | dict.fromkeys(
            ("dolma", "dolma_end_mark"),
            "The river rose near St. Gallen today.\nThe bridge fell down at last.\nNobody was there. Nobody saw.",
        ),
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_dialects(name):
    text, expected = VECTORS[name]
    assert {dialect: outcome(rule, text) for dialect, rule in DIALECTS.items()} == expected


@pytest.mark.parametrize("one, other", list(itertools.combinations(DIALECTS, 2)))
def test_no_dialect_passes_the_vectors_of_another(one, other):
    assert [name for name, (_, expected) in VECTORS.items() if expected[one] != expected[other]]


@pytest.mark.parametrize(
    "rule, text, reason",
    [
        (C4Dolma(), LINE, None),
        (C4Dolma(), f"{LINE} Lorem IPSUM", "lorem_ipsum"),
        (C4Dolma(), f"{LINE} Javascript", "javascript"),
        (C4Dolma(), f"{LINE} {{", "curly_bracket"),
        (MaxCharacters(), "x" * 190_000, None),
        (MaxCharacters(), "x" * 190_001, "too_many_characters"),
        (MinSentences(), FILLER, None),
        (MinSentences(), f"{LINE} It fell.", "too_few_sentences"),
        (MinSentences(), "", "empty"),
        (MinSentences(0), "x", None),
        (MinSentences(0), "", "empty"),
        (MinSentences(), "They met Mr.\nSmith at noon. They left.", "too_few_sentences"),  # across lines
        (MultilingualParagraphs(), "\n".join(["x" * 200] * 3), None),
        (MultilingualParagraphs(), "\n".join(["x" * 200, "", "x" * 199, "x" * 900]), "too_few_paragraphs"),
        (MultilingualParagraphs(), "\n".join(["x" * 900] * 2), "too_few_paragraphs"),
        (MultilingualParagraphs(), "\n".join(["y", "x" * 300, "", "x" * 200, "z", "x" * 201]), None),
        (MultilingualParagraphs(min_lines=2, min_length=0), "x", "too_few_paragraphs"),
        (MultilingualParagraphs(), "", "too_few_paragraphs"),
    ],
    ids=range(18),
)
def test_other_rules_of_a_page(rule, text, reason):
    assert verdict(rule, text) == reason


@pytest.mark.parametrize(
    "text, left",
    [
        (" a \n\n\t\nb", "a\nb"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\nWARC is gone\nContent-Type: x\nCONTENT-x\nb", "a\nb"),
        ("a\nContent is not\n warc neither\nThe WARC", "a\nContent is not\nwarc neither\nThe WARC"),
        ("a\n WARC/1.0 \nb", "a"),
        ("a\nWARC/1.1\nWARC/1.0 x\nb", "a\nb"),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_wet_text(text, left):
    assert WetText().edit(Text(text, url="http://example.org/")) == left


@pytest.mark.parametrize(
    "text, url, reason",
    [
        ("a", "http://example.org/", None),
        ("a", "", "no_url"),
        ("", "", "no_url"),
        ("", "http://example.org/", "no_text"),
        (" \n\r\t", "http://example.org/", "no_text"),
        ("WARC/1.0\na", "http://example.org/", "no_text"),
        ("Content-Type: text/plain", "http://example.org/", "no_text"),
    ],
)
def test_a_page_needs_url_and_text(text, url, reason):
    assert verdict(WetText(), text, url=url) == reason


@pytest.mark.parametrize(
    "url, expected",
    [
        ("http://example.org", "example.org"),
        ("https://www.example.org/a//", "example.org/a"),
        ("HTTP://example.org/", "HTTP://example.org"),
        ("http://www.www.example.org/", "www.example.org"),
        ("http://example.org/?utm_source=a&id=1", "example.org"),
        ("http://example.org/a?id=1&utm_source=a", "example.org/a?id=1&utm_source=a"),
        ("http://example.org/a?ref=b/", "example.org/a"),
        ("http://example.org/a?referrer", "example.org/a"),
        ("http://example.org/a?feed", "example.org/a"),
        ("http://example.org/a?fee", "example.org/a?fee"),
        ("http://archive.example/https://www.example.org/a", "archive.example/example.org/a"),
        ("http://example.org/a?id=http://example.com/?feed=rss", "example.org/a?id=example.com"),
        ("ftp://www.example.org/", "ftp://www.example.org"),
        ("", ""),
    ],
)
def test_normalized_url(url, expected):
    assert urls.normalized(url) == expected


@given(url=st.text(alphabet="htps:/w.a?ref_utm", max_size=40))
def test_normalized_and_split_as_the_plain_program_has_them(url):
    assert urls.normalized(url) == plain_c4.normalized(url)
    assert urls.is_c4_validation(url) == (plain_c4.split(url) == "validation")


def test_the_split_is_a_thousandth_of_urls_and_never_moves():
    held_out = [number for number in range(6000) if urls.is_c4_validation(f"http://example.org/{number}")]
    assert held_out == [
        number
        for number in range(6000)
        if int(hashlib.md5(f"example.org/{number}".encode()).hexdigest(), 16) % 1000 == 0
    ]
    assert urls.is_c4_validation(f"https://www.example.org/{held_out[0]}/?feed=rss")


COUNTED = ["no_url", "no_text", "too_long", "old_page", "line_too_long_word", "line_no_end_mark", "line_too_short"]
COUNTED += ["lorem_ipsum", "line_javascript", "curly_bracket", "line_policy", "too_few_sentences", "bad_words", "empty"]
COUNTED += ["line_global_duplicate", "line_local_duplicate", "too_few_sentences_left", "language"]


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    """Made archives, and the texts of their records as the reader here delivers them."""
    folder, found = tmp_path_factory.mktemp("wet"), {}
    files = plain_c4.wet_files(5)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        for page in warc.pages(Task(0, 1, str(folder / name), 0, len(content), "wet"), plain_c4.collections.Counter()):
            found[page.id] = Text(page.payload.decode("utf-8-sig", "replace"), url=page.url)
    return files, found


@pytest.mark.slow
def test_every_step_does_what_the_plain_program_does(crawl, tmp_path):
    files, records = crawl
    listed = tmp_path / "bad.txt"
    listed.write_text("\n".join(plain_c4.BAD_WORDS), "utf-8")
    bad_words = BadWords(str(listed), hashlib.sha256(listed.read_bytes()).hexdigest())
    english = KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True)
    counts = plain_c4.collections.Counter()
    pages = [page for name in sorted(files) for page in plain_c4.read(name, files[name], counts)]

    ours = [text for text in records.values() if verdict(WetText(), text.content, url=text.url) is None]
    assert [(text.url, WetText().edit(text)) for text in ours] == [(page.url, page.text) for page in pages]
    assert [verdict(MaxCharacters(), page.text) is None for page in pages] == [
        len(page.text) <= 190_000 for page in pages
    ]
    assert {len(page.text) for page in pages} >= {190_000, 190_001}
    pages = plain_c4.newest([page for page in pages if len(page.text) <= 190_000], counts)
    cleaned = [(page, plain_c4.clean(page.text, counts)) for page in pages]
    for page, text in cleaned:
        found = outcome(C4Page(), page.text)
        assert found.startswith("<") if text is None else found == text
    pages = [page._replace(text=text) for page, text in cleaned if text is not None]
    for page in plain_c4.without_repeated_lines(pages, counts):
        assert (verdict(MinSentences(), page.text) is None) == plain_c4.is_left(page.text, counts)
        assert (english.reason(*english.identify(page.text)) is None) == plain_c4.is_english(page.text), page
        assert (verdict(bad_words, page.text) is None) == (not plain_c4.is_bad(page.text, plain_c4.BAD_WORDS))


@pytest.mark.slow
def test_the_made_archives_have_every_rule_on_both_sides(crawl):
    counts = plain_c4.collections.Counter()
    corpus = plain_c4.c4(crawl[0], plain_c4.BAD_WORDS, counts)
    assert {part for _, _, part in corpus} == {"train", "validation"}
    assert set(COUNTED) == counts.keys()
    assert len(corpus) > 30
    assert corpus == plain_c4.c4(plain_c4.wet_files(5), plain_c4.BAD_WORDS)


RULES = [C4Page(), C4Dolma(end_mark=True), MaxCharacters(), MinSentences(), MultilingualParagraphs(), WetText()]


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(text=st.text(alphabet="aB.?!\"' \n\r\u2028[]1{}", max_size=60) | st.text(max_size=60))
def test_any_text_has_signals(rule, text):
    assert all(isinstance(value, (int, float)) for value in rule.measure(Text(text)).values())
    outcome(rule, text) if hasattr(rule, "edit") else verdict(rule, text)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize(
    "piece", ["[", "[1", "a ", "a b c d e.\n", "\n", "{", "[edit", "a. ", "WARC\n", "[citation needed"]
)
def test_time_is_linear_in_hostile_text(rule, piece):
    text = piece * (300_000 // len(piece))
    with cpu_limit():
        outcome(rule, text) if hasattr(rule, "edit") else verdict(rule, text)


@pytest.mark.parametrize(
    "made, found",
    [
        (lambda: C4Page(min_words=-1), r"C4Page\(min_words=-1\)"),
        (lambda: MaxCharacters(-1), r"MaxCharacters\(max_characters=-1\)"),
        (lambda: MinSentences(-1), r"MinSentences\(min_sentences=-1\)"),
        (lambda: MultilingualParagraphs(min_lines=0), r"MultilingualParagraphs\(min_lines=0\)"),
        (lambda: C4Dolma(min_words=-2), r"C4Dolma\(min_words=-2\)"),
    ],
)
def test_impossible_thresholds(made, found):
    with pytest.raises(ValueError, match=found):
        made()
