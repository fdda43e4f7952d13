"""A sample of a page settles what is sure; its whole text is asked for only where the sample leaves doubt."""

import pytest

from curation import first_look
from curation.first_look import FirstLook
from tests import prose

GERMAN = "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war. "
LOOK = FirstLook("en", min_score=0.1, min_words=50)


class Whole:
    """A page's whole text, and how often it was asked for."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

    def __call__(self) -> str:
        self.asked += 1
        return self.text


def page(*paragraphs: str, script: str = "") -> str:
    return f"<html><body><script>{script}</script>" + "".join(f"<p>{it}</p>" for it in paragraphs) + "</body></html>"


@pytest.mark.parametrize("text, reason", [(GERMAN, "other_language"), (prose.text(1), None)], ids=["German", "English"])
def test_a_sample_settles_what_is_sure(text, reason):
    whole = Whole("")
    found = first_look.settle(page(*[text] * 40), whole, LOOK)
    assert (found and found[0], whole.asked) == (reason, 0)


def test_the_whole_text_settles_what_a_sample_leaves_in_doubt(monkeypatch):
    for score, asked in ((0.009, 0), (0.011, 1), (0.299, 1), (0.301, 0)):
        scores = iter([{"de": 0.9, "en": score}, {"de": 0.9, "en": 0.099}])
        monkeypatch.setattr(first_look.language, "scores", lambda text, count, scores=scores: next(scores))
        whole = Whole(GERMAN * 40)
        found = first_look.settle(page(*[GERMAN] * 40), whole, LOOK)
        expected = None if score > 0.3 else ("other_language", 0.099 if asked else score, "de")
        assert (found, whole.asked) == (expected, asked)


def test_a_page_of_little_text_is_looked_at_whole():
    whole = Whole("Nothing much is on this page.")
    assert first_look.settle(page("Nothing much is on this page."), whole, LOOK)[:2] == ("too_few_words", 7)
    assert whole.asked == 1


def test_words_that_no_sample_surely_has_are_counted_in_the_whole_text():
    whole = Whole(prose.text(1))
    found = first_look.settle(page(*[prose.text(1)] * 40), whole, FirstLook("en", min_words=100_000))
    assert (found[0], whole.asked) == ("too_few_words", 1)


def test_text_that_readers_do_not_see_may_be_more_than_what_they_do():
    html = page("Wait.", script='{"@type": "NewsArticle", "articleBody": "Much more than that."}')
    assert first_look.settle(html, Whole("Wait."), LOOK) is None


def test_a_sample_is_of_text_and_of_no_script():
    script = "if (a > b) { this is no text at all, it is a program }  <" * 200
    html = page(*[f"Paragraph {number} of the page &amp; its text." for number in range(400)], script=script)
    found = first_look.sample(html)
    assert "program" not in found
    assert "of the page & its text." in found
    assert 700 < len(found) <= 902


@pytest.mark.parametrize("html", ["", "<", "<script", "<script>" * 1000, ">" * 100_000, "<p>" * 100_000, "\0" * 1000])
def test_a_page_without_text_gives_no_sample(html):
    assert first_look.sample(html).strip() == ""


def test_a_sample_is_what_stands_between_tags_wherever_windows_end(monkeypatch):
    paragraphs = "".join(
        f"<p>Paragraph {number} of the page, as it is.</p><STYLE>p > a {{}}</STYLE>" for number in range(60)
    )
    html = f"<body>{paragraphs}<script>if (a < b) {{ it is no text at all, but a program > }}</script></body>"
    expected = first_look.sample(html)
    assert "Paragraph" in expected and "{" not in expected
    for size in range(1, 90):
        monkeypatch.setattr(first_look, "_WINDOW", size)
        assert first_look.sample(html) == expected
