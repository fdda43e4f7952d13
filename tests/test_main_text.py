import itertools

import pytest
from resiliparse.parse.html import HTMLTree

from curation.extraction import main_text as module
from curation.extraction.main_text import Html, main_text, whole_text
from curation.extraction.settings import FOCUSES, ExtractText, Resiliparse, Trafilatura

ONE = "The river rose in the night and carried the old bridge away, before anyone in the village had woken up."
TWO = "By the morning only the two stone pillars were left, and the ferryman was asked to bring people across."
PAGE = (
    "<!DOCTYPE html><html><head><title>The bridge</title><style>p {color: red}</style></head><body>"
    "<nav><ul><li><a href='/'>Home</a></li><li><a href='/a'>About us</a></li></ul></nav>"
    f"<article><p>{ONE}</p><p>{TWO}</p></article>"
    "<div class='comments' id='comments'><p>Great story, thanks to whoever wrote it down.</p></div>"
    "<script>var tracker = 1;</script><footer><p>Copyright 2024 Example Ltd.</p></footer></body></html>"
)
EVERY_SETTING = [
    Resiliparse(),
    *(
        Trafilatura(focus, deduplicate=deduplicate, fast=fast)
        for focus, deduplicate, fast in itertools.product(FOCUSES, (False, True), (False, True))
    ),
]


@pytest.mark.parametrize("extractor", EVERY_SETTING, ids=repr)
def test_every_setting_finds_the_main_text(extractor):
    found = main_text(Html(PAGE), extractor)
    assert f"{ONE}\n{TWO}" in found.replace("\n\n", "\n")
    assert "tracker" not in found and "color" not in found and "Home" not in found


@pytest.mark.parametrize("extractor", EVERY_SETTING, ids=repr)
@pytest.mark.parametrize("text", ["", " \n", "<html><body></body></html>", "\0", "<!-- -->", "<p"])
def test_no_setting_finds_text_where_there_is_none(extractor, text):
    assert main_text(Html(text), extractor).strip() == ""


@pytest.mark.parametrize("extractor", EVERY_SETTING, ids=repr)
def test_the_text_of_a_page_does_not_depend_on_what_was_asked_before(extractor):
    html = Html(PAGE)
    first = main_text(html, extractor)
    for other in (Resiliparse(), Trafilatura(), Trafilatura("precision")):
        main_text(html, other)
    assert main_text(html, extractor) == first == main_text(Html(PAGE), extractor)


def test_whole_text_has_the_menu_and_the_comments():
    found = whole_text(Html(PAGE)).split("\n")
    assert [line for line in found if line.strip()] == [
        "  • Home",
        "  • About us",
        ONE,
        TWO,
        "Great story, thanks to whoever wrote it down.",
        "Copyright 2024 Example Ltd.",
    ]


@pytest.fixture
def num_parsed(monkeypatch):
    """How often resiliparse parses, counted from now."""
    parsed = []

    class Counting:
        @staticmethod
        def parse(text):
            parsed.append(text)
            return HTMLTree.parse(text)

    monkeypatch.setattr("resiliparse.parse.html.HTMLTree", Counting)
    return lambda: len(parsed)


def test_a_page_is_parsed_once_by_resiliparse_whatever_is_asked(num_parsed):
    html = Html(PAGE)
    whole, main, agreed = whole_text(html), main_text(html, Resiliparse()), main_text(html, Trafilatura())
    assert num_parsed() == 1
    assert (whole_text(html), main_text(html, Resiliparse()), main_text(html, Trafilatura())) == (whole, main, agreed)
    assert num_parsed() == 1
    assert whole_text(Html(PAGE)) == whole
    assert main_text(Html(PAGE), Resiliparse()) == main
    assert main_text(Html(PAGE), Trafilatura()) == agreed
    assert num_parsed() == 4


@pytest.mark.parametrize("focus", ["balanced", "precision", "recall"])
def test_resiliparse_is_not_asked_without_need(num_parsed, focus):
    main_text(Html(PAGE), Trafilatura(focus))
    assert num_parsed() == 0


def _asked(monkeypatch, texts, settings=None):
    """What `agreed` makes of these texts of the focuses and of resiliparse, and which it asked for."""
    asked = []

    def trafilatura(_html, settings, focus):
        asked.append((focus, settings.fast, settings.deduplicate))
        return texts[focus]

    monkeypatch.setattr(module, "_trafilatura", trafilatura)
    monkeypatch.setattr(module, "_resiliparse", lambda _html: texts["resiliparse"])
    return main_text(Html(PAGE), settings or Trafilatura()), asked


def test_agreed_asks_for_the_precise_text_only_where_the_balanced_one_is_doubted(monkeypatch):
    both = f"{ONE}\n{TWO}"
    texts = {"balanced": both, "precision": ONE, "resiliparse": both}
    assert _asked(monkeypatch, texts) == (both, [("balanced", False, False)])
    texts = {
        "balanced": f"{both}\n{'Nothing of this is on the page that people saw. ' * 9}",
        **texts,
        "precision": both,
    }
    texts["balanced"] = f"{both}\n{'Nothing of this is on the page that people saw. ' * 9}"
    assert _asked(monkeypatch, texts) == (both, [("balanced", False, False), ("precision", False, False)])


def test_agreed_takes_its_other_settings_along(monkeypatch):
    texts = {"balanced": "", "precision": ONE, "resiliparse": ONE}
    settings = Trafilatura(fast=True, deduplicate=False)
    assert _asked(monkeypatch, texts, settings) == (ONE, [("balanced", True, False), ("precision", True, False)])


@pytest.mark.parametrize("focus", ["balanced", "precision", "recall"])
def test_each_focus_is_trafilaturas_own(monkeypatch, focus):
    def extract(text, options):
        assert text == PAGE
        return repr((options.fast, options.focus, options.comments, options.dedup))

    monkeypatch.setattr("trafilatura.extract", extract)
    assert main_text(Html(PAGE), Trafilatura(focus, fast=True)) == repr((True, focus, False, False))


def test_what_an_extractor_raises_is_the_callers_to_see(monkeypatch):
    def extract(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("trafilatura.extract", extract)
    with pytest.raises(ZeroDivisionError):
        main_text(Html(PAGE), Trafilatura())
    assert ONE in main_text(Html(PAGE), Resiliparse())


def test_a_focus_that_is_none_is_refused():
    with pytest.raises(ValueError) as error:
        Trafilatura(focus="precise")
    assert str(error.value) == "Trafilatura(focus='precise'): expected one of agreed, balanced, precision, recall"


def test_the_settings_say_what_they_are():
    assert repr(ExtractText()) == (
        "ExtractText(extractor=Trafilatura(focus='agreed', deduplicate=False, fast=False, checked=False), "
        "second=Resiliparse(main_content=True), cpu_seconds=5.0, retry_cpu_seconds=20.0, max_memory=2147483648, "
        "max_text=4194304)"
    )


@pytest.mark.parametrize("setting", ["cpu_seconds", "retry_cpu_seconds", "max_memory", "max_text"])
def test_a_limit_of_nothing_is_refused(setting):
    with pytest.raises(ValueError) as error:
        ExtractText(**{setting: 0})
    assert str(error.value) == f"ExtractText({setting}=0): expected more than 0"


def test_what_is_checked_loses_what_resiliparse_has_nowhere(monkeypatch):
    texts = {"recall": f"{ONE}\nShare this\n{TWO}", "resiliparse": f"{ONE}\n{TWO}"}
    unchecked, checked = (Trafilatura("recall", fast=True, checked=checked) for checked in (False, True))
    assert _asked(monkeypatch, texts, unchecked) == (texts["recall"], [("recall", True, False)])
    assert _asked(monkeypatch, texts, checked) == (f"{ONE}\n{TWO}", [("recall", True, False)])
