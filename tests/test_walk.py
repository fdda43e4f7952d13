import dataclasses
import datetime

import pytest

from curation import walk
from curation.document import Document, Page, Rejection
from curation.extracted import Extracted, Failed
from curation.extraction.settings import ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.pii import ReplacePii
from curation.text import Text

DATE = datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)
PAGE = Page("a.warc.gz@5", "http://a/", DATE, "crawl/a.warc.gz", 5, 99, 200, "text/html", "", b"<p>x", "sha1:x")
ENGLISH = "The council promised him a new boat before the winter, and it kept its word three years later."


@dataclasses.dataclass
class FakeExtractor:
    """Gives each page the same outcome."""

    outcome: Extracted | Failed
    pages: list = dataclasses.field(default_factory=list)

    def extract(self, page):
        self.pages.append(page)
        return self.outcome


@dataclasses.dataclass(frozen=True)
class NumA:
    """Drops texts with many a."""

    most: int = 3

    def measure(self, text):
        return {"num_a": float(text.content.count("a")), "size": float(len(text.content))}

    def reason(self, signals):
        return ("too_many_a", "num_a") if signals["num_a"] > self.most else None


@dataclasses.dataclass(frozen=True)
class NumB:
    """Measures the text that it sees."""

    def measure(self, text):
        return {"num_b": float(text.content.count("b"))}

    def reason(self, signals):
        return None


@dataclasses.dataclass(frozen=True)
class Replace:
    """An edit."""

    old: str
    new: str

    def edit(self, text):
        return text.content.replace(self.old, self.new)


class CutAndCount(NumA):
    """A rule that also edits: asked for its verdict first."""

    def edit(self, text):
        return text.content.replace("a", "")


def document(text, **changes):
    values = Document("a.warc.gz@5", "http://a/", DATE, text, "", 0.0, "crawl/a.warc.gz", 5, 99, "sha1:x", "utf-8", {})
    return dataclasses.replace(values, **changes)


def rejection(step, reason, value=None, evidence=None):
    return Rejection("a.warc.gz@5", "http://a/", "crawl/a.warc.gz", 5, 99, step, reason, value, evidence)


def walked(page, steps, extractor):
    """What a page ends as, and whether its extraction was tried twice."""
    taken = list(walk.steps_of_page(page, steps, extractor))
    return taken[-1].outcome, taken[0].retried


def first(outcome, *steps, page=PAGE):
    return walked(page, (ExtractText(), *steps), FakeExtractor(outcome))


def test_a_page_that_passes_is_a_document_with_its_signals():
    found = first(Extracted("banana", "utf-8", False), NumA(), NumB())
    assert found == (document("banana", signals={"num_a": 3.0, "size": 6.0, "num_b": 1.0}), False)


def test_a_rejection_names_step_reason_value_and_signal():
    assert first(Extracted("banana", "utf-8", False), NumB(), NumA(most=2)) == (
        rejection("NumA", "too_many_a", 3.0, "num_a"),
        False,
    )


def test_an_extraction_that_was_retried_is_counted_whatever_follows():
    assert first(Extracted("banana", "utf-8", True))[1] is True
    assert first(Extracted("banana", "utf-8", True), NumA(most=0))[1] is True
    assert first(Failed("ExtractText", "timeout", 20.0, "no text after 20 s of CPU", True)) == (
        rejection("ExtractText", "timeout", 20.0, "no text after 20 s of CPU"),
        True,
    )


def test_a_failed_extraction_is_a_rejection_of_its_step():
    assert first(Failed("ExtractText", "no_text", 0.0), NumA()) == (rejection("ExtractText", "no_text", 0.0), False)


def test_a_first_look_is_no_later_step():
    steps = (FirstLook("de"), ExtractText(), NumA())
    kept = walked(PAGE, steps, FakeExtractor(Extracted("banana", "utf-8", False)))
    assert kept == (document("banana", signals={"num_a": 3.0, "size": 6.0}), False)
    dropped = walked(PAGE, steps, FakeExtractor(Failed("FirstLook", "other_language", 0.75, "en")))
    assert dropped == (rejection("FirstLook", "other_language", 0.75, "en"), False)


def test_a_response_that_is_no_page_is_not_extracted():
    extractor = FakeExtractor(Failed("ExtractText", "no_text"))
    found = walked(dataclasses.replace(PAGE, status=404), (ExtractText(),), extractor)
    assert found == (rejection("response", "status", 404), False)
    assert extractor.pages == []


def test_the_charset_is_the_one_the_extractor_found():
    assert first(Extracted("text", "shift_jis", False))[0].charset == "shift_jis"


def test_edits_reach_the_steps_that_follow_and_no_earlier_one():
    steps = [NumA(), Replace("a", "b"), NumB()]
    assert walk.later_steps(document("banana"), steps).outcome == document(
        "bbnbnb", signals={"num_a": 3.0, "size": 6.0, "num_b": 4.0}
    )


def test_a_rule_that_edits_is_asked_first():
    assert walk.later_steps(document("banana"), [CutAndCount(most=2)]).outcome == rejection(
        "CutAndCount", "too_many_a", 3.0, "num_a"
    )
    kept = walk.later_steps(document("banana"), [CutAndCount(), NumB()]).outcome
    assert (kept.text, kept.signals) == ("bnn", {"num_a": 3.0, "size": 6.0, "num_b": 1.0})


def test_signals_and_language_of_an_earlier_stage_stay():
    before = document("banana", signals={"old": 7.0, "num_b": 9.0}, language="en", language_score=0.9, copies=3)
    found = walk.later_steps(before, [NumB()]).outcome
    assert found == dataclasses.replace(before, signals={"old": 7.0, "num_b": 1.0})
    assert before.signals == {"old": 7.0, "num_b": 9.0}


def test_no_steps_change_nothing():
    assert walk.later_steps(document("banana"), ()).outcome == document("banana")


@pytest.mark.parametrize(
    "step, reason",
    [
        (KeepLanguage("en"), None),
        (KeepLanguage("de"), "other_language"),
        (KeepLanguage("en", 1.0), "uncertain_language"),
    ],
)
def test_language(step, reason):
    found = walk.later_steps(document(ENGLISH), [step]).outcome
    if reason is None:
        assert (found.text, found.language, 0.65 < found.language_score <= 1.0001) == (ENGLISH, "en", True)
    else:
        assert (found.step, found.reason, found.evidence) == ("KeepLanguage", reason, "en")
        assert found.value == walk.later_steps(document(ENGLISH), [KeepLanguage("en")]).outcome.language_score


def test_later_steps_with_edits_of_the_recipe():
    text = "Write to anna@mail.example.net today."
    assert walk.later_steps(document(text), [ReplacePii()]).outcome.text == "Write to email@example.com today."


def test_the_fakes_are_steps():
    """The fakes of this module would not be skipped in silence."""
    assert NumA(1).reason(NumA(1).measure(Text("aa"))) == ("too_many_a", "num_a")
