"""What is shown of a page's steps is what a run does with it."""

import dataclasses
import io
from pathlib import Path

import pytest

from curation import finding, recipe, trace, walk
from curation.cascade import Seen
from curation.document import Document, Page, Rejection
from curation.extract import Extracted, Extractor, ExtractText, Failed
from curation.first_look import FirstLook
from curation.recipe import Recipe
from curation.trace import StepTrace
from curation.walk import Taken
from tests.conftest import SAMPLE
from tests.test_walk import PAGE, CutAndCount, FakeExtractor, NumA, NumB, Replace, document, rejection
from tests.warc_builder import archive, member, metadata, record, response, starts, warcinfo

FINEWEB = recipe.of_source(*recipe.read_source("fineweb"))


def pages(path: Path) -> list[Page]:
    with path.open("rb") as file:
        outcome_of = trace.reader(file, str(path), None)
        found = [outcome_of(item) for item in trace.items(file, 0, path.stat().st_size)]
    return [each for each in found if isinstance(each, Page)]


def traced(*steps, outcome=None, look=None, page=PAGE):
    """The steps of a page whose extraction and first look have these outcomes."""
    made = Recipe("made", "nowhere", steps)
    outcome = outcome or Extracted("banana", "utf-8", False)
    return trace.steps_of_page(page, made, FakeExtractor(outcome), FakeExtractor(look))


FIRST, *OTHERS = sorted(SAMPLE.glob("*.warc.gz"))


@pytest.mark.parametrize(
    "path", [FIRST, *(pytest.param(path, marks=pytest.mark.slow) for path in OTHERS)], ids=lambda path: path.name
)
def test_the_trace_of_every_page_of_the_sample_crawl_ends_as_a_run_does(path):
    settings, first_look = FINEWEB.extraction
    names = tuple(recipe.step_name(step) for step in walk.after_extraction(FINEWEB.before))
    source = (*recipe.read_source("fineweb"), None)
    ends = set()
    with (
        Extractor(settings, first_look) as extractor,
        Extractor(settings, first_look, steps=names, recipe=source) as extractor_of_run,
        trace.looker(first_look.language) as looks,
    ):
        for page in pages(path):
            steps, outcomes = trace.steps_of_page(page, FINEWEB, extractor, looks)
            expected = walk.outcome_in_child(page, FINEWEB.before, extractor_of_run, Seen()).outcome
            if isinstance(expected, Document):
                expected = walk.later_steps(expected, FINEWEB.after).outcome
                names = ["read", "response", *(recipe.step_name(step) for step in FINEWEB.steps)]
                assert [step.step for step in steps] == names
            else:
                last = (expected.step, expected.reason, expected.value, expected.evidence)
                assert (steps[-1].step, steps[-1].reason, steps[-1].value, steps[-1].evidence) == last
            assert outcomes[-1] == expected
            ends.add(steps[-1].step)
    assert {"response", "FirstLook", "ReplacePii"} <= ends


def test_each_step_of_a_document_gives_its_signals_and_what_it_left():
    before = document("banana", signals={"old": 1.0})
    first = {"num_a": 3.0, "size": 6.0}
    edited = dataclasses.replace(before, text="bbnbnb", signals={"old": 1.0, **first})
    assert list(walk.steps_of_document(before, [NumA(), Replace("a", "b"), NumB()])) == [
        Taken("NumA", dataclasses.replace(before, signals={"old": 1.0, **first}), first),
        Taken("Replace", edited, {}),
        Taken("NumB", dataclasses.replace(edited, signals={"old": 1.0, **first, "num_b": 4.0}), {"num_b": 4.0}),
    ]


def test_no_step_follows_one_that_rejects():
    measured = {"num_a": 3.0, "size": 6.0}
    as_it_stood = document("banana", signals=measured)
    assert list(walk.steps_of_document(document("banana"), [NumA(most=2), NumB()])) == [
        Taken("NumA", rejection("NumA", "too_many_a", 3.0, "num_a"), measured, rejected=as_it_stood)
    ]
    failed = Failed("ExtractText", "timeout", 20.0, "no text after 20 s of CPU", True)
    assert list(walk.steps_of_page(PAGE, (ExtractText(), NumA()), FakeExtractor(failed))) == [
        Taken("ExtractText", rejection("ExtractText", "timeout", 20.0, "no text after 20 s of CPU"), retried=True)
    ]


def test_two_steps_that_measure_the_same_are_refused():
    with pytest.raises(ValueError) as error:
        list(walk.steps_of_document(document("banana"), [NumA(), CutAndCount()]))
    assert str(error.value) == "CutAndCount measures num_a, size as an earlier step does"


def test_a_step_that_changes_nothing_hands_on_the_same_document():
    before = document("banana")
    (taken,) = walk.steps_of_document(before, [Replace("x", "y")])
    assert taken.outcome is before


def test_every_verdict_of_a_page():
    steps, outcomes = traced(
        FirstLook("en"),
        ExtractText(),
        NumA(),
        Replace("a", ""),
        *FINEWEB.duplicates,
        NumB(),
        look=Failed("FirstLook", "other_language", 0.75, "de"),
    )
    measured = {"num_a": 3.0, "size": 6.0}
    assert steps == [
        StepTrace("read", "kept"),
        StepTrace("response", "kept"),
        StepTrace("FirstLook", "kept", value=0.75, evidence="de"),
        StepTrace("ExtractText", "kept", characters=(0, 6)),
        StepTrace("NumA", "kept", characters=(6, 6), signals=measured),
        StepTrace("Replace", "edited", characters=(6, 3)),
        StepTrace("ExactDuplicates", "not run"),
        StepTrace("NearDuplicates", "not run"),
        StepTrace("NumB", "kept", characters=(3, 3), signals={"num_b": 1.0}),
    ]
    assert outcomes[-1] == document("bnn", signals={**measured, "num_b": 1.0})


def test_a_rejection_shows_what_was_measured_and_ends_the_steps():
    steps, outcomes = traced(ExtractText(), NumB(), NumA(most=2), *FINEWEB.duplicates)
    assert steps[3:] == [
        StepTrace("NumB", "kept", characters=(6, 6), signals={"num_b": 1.0}),
        StepTrace("NumA", "rejected", "too_many_a", 3.0, "num_a", signals={"num_a": 3.0, "size": 6.0}),
    ]
    assert [type(outcome) for outcome in outcomes] == [Document, Document, Rejection]


@pytest.mark.parametrize("look", [Failed("ExtractText", "crashed", -11, "…"), Extracted("text", "utf-8", False)])
def test_a_first_look_that_cannot_be_repeated_is_shown_without_a_score(look):
    steps, _ = traced(FirstLook("en"), ExtractText(), look=look)
    assert steps[2] == StepTrace("FirstLook", "kept")


def test_a_rejection_by_the_first_look_has_its_score():
    failed = Failed("FirstLook", "other_language", 0.001, "de")
    steps, outcomes = traced(FirstLook("en"), ExtractText(), NumA(), outcome=failed)
    assert steps[2:] == [StepTrace("FirstLook", "rejected", "other_language", 0.001, "de")]
    assert outcomes == [rejection("FirstLook", "other_language", 0.001, "de")]


def test_a_response_that_is_no_page_stops_there():
    steps, _ = traced(FirstLook("en"), ExtractText(), page=dataclasses.replace(PAGE, status=404))
    assert steps == [StepTrace("read", "kept"), StepTrace("response", "rejected", "status", 404)]


def test_text_of_an_archive_is_neither_looked_at_nor_extracted():
    page = dataclasses.replace(PAGE, payload=b"bab", is_text=True)
    steps, _ = traced(FirstLook("en"), ExtractText(), NumB(), page=page)
    assert steps[1:] == [
        StepTrace("response", "kept", characters=(0, 3)),
        StepTrace("NumB", "kept", characters=(3, 3), signals={"num_b": 2.0}),
    ]


def test_a_look_at_a_page_says_the_language_and_how_sure_the_wanted_one_is():
    english = b"<html><p>The council promised him a new boat before the winter, and it kept its word."
    german = b"<html><p>Der Rat versprach ihm ein neues Boot vor dem Winter, und er hielt sein Wort."
    with trace.looker("en") as looks:
        (sure, label), (other, second) = (
            trace.look(dataclasses.replace(PAGE, payload=it), looks) for it in (english, german)
        )
        nothing = trace.look(dataclasses.replace(PAGE, payload=b"<html><body> \n </body>"), looks)
    assert (label, second, sure > 0.9, other < 0.02) == ("en", "de", True, True)
    assert nothing is not None and nothing[1] == ""


RECORDS = [warcinfo(), response(b"<html>one"), metadata(), response(b"<html>two"), record("request", b"GET /")]
MADE = {
    "members": (archive(RECORDS), starts(RECORDS)[:-1]),
    "plain": (archive(RECORDS, gzipped=False), starts(RECORDS, gzipped=False)[:-1]),
    "one member": (member(b"".join(RECORDS)), [0, 1, 2, 3, 4]),
}


@pytest.mark.parametrize("kind", MADE)
def test_a_record_is_found_by_its_offset(kind):
    content, offsets = MADE[kind]
    made = Recipe("made", "nowhere", (ExtractText(),))
    found = [trace.trace(io.BytesIO(content), "a.warc", offset, made) for offset in offsets if offset != offsets[1]]
    types = [(each.offset, each.type) for each in found]
    assert types == list(zip([offsets[0], *offsets[2:]], ["warcinfo", "metadata", "response", "request"], strict=True))
    assert [each.page and each.page.payload for each in found] == [None, None, b"<html>two", None]


def test_a_record_is_found_however_far_before_its_offset_its_member_starts(monkeypatch):
    monkeypatch.setattr(finding, "_LOOK_BACK", 4)
    content = archive([warcinfo()]) + member(b"".join(RECORDS * 4))
    made, last = Recipe("made", "nowhere", (ExtractText(),)), len(archive([warcinfo()])) + 19
    found = [trace.trace(io.BytesIO(content), "a", offset, made) for offset in (last, last - 2)]
    assert [(each.type, each.length) for each in found] == [("request", 0), ("metadata", 0)]


def test_damage_is_found_by_its_offset():
    first, broken, third = (member(each) for each in RECORDS[:3])
    content = first + broken[:-8] + bytes(8) + b"garbage between members" + third
    made = Recipe("made", "nowhere", (ExtractText(),))
    found = trace.trace(io.BytesIO(content), "a", len(first), made)
    assert (found.type, found.length, found.outcome.reason) == ("damage", len(broken) + 23, "damaged_record")
    assert found.steps == (
        StepTrace(
            "read", "rejected", "damaged_record", None, "Error -3 while decompressing data: incorrect data check"
        ),
    )
    content = first + b"garbage between members" + third
    found = trace.trace(io.BytesIO(content), "a", len(first), made)
    assert (found.type, found.length, found.outcome.reason) == ("damage", 23, "not_a_record")


@pytest.mark.parametrize(
    "offset, nearest",
    [(1, "at {0} before it and at {1} after it"), (9999, "at {2} before it")],
)
def test_an_offset_where_no_record_starts_names_its_neighbours(offset, nearest):
    records = RECORDS[:1] * 3
    bounds = starts(records)
    with pytest.raises(finding.NoRecord) as error:
        trace.trace(io.BytesIO(archive(records)), "a.gz", offset, Recipe("made", "nowhere", (ExtractText(),)))
    assert str(error.value) == (
        f"no record starts there in a.gz, which has {bounds[3]} bytes; the nearest start {nearest.format(*bounds)}"
    )
