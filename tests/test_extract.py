import dataclasses

import pyarrow.parquet as pq
import pytest

from curation import first_look, language, walk
from curation.cascade import Seen
from curation.document import Page
from curation.extract import Extracted, Extractor, ExtractText, Failed, Resiliparse, Trafilatura
from curation.first_look import FirstLook
from curation.opt_outs import OptOuts
from pipelines import curate
from tests.warc_builder import archive, response, warcinfo

MAIN = (
    "The river rose in the night and carried the old bridge away before anyone in the village had woken. "
    "By the morning only the two stone pillars were left, and the ferryman was asked to bring people across."
)
MORE = (
    "He had not worked for eleven years, and his boat leaked, but there was nobody else who knew the water. "
    "The council promised him a new one before the winter, and kept its word three years later."
)
OTHER = (
    "A second story that has nothing to do with the first one, and that stands on a page of its own for that reason."
)


def html(*paragraphs, title="The bridge"):
    text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title><script>var tracker = 1;</script></head><body>"
        "<nav><ul><li><a href='/'>Home</a></li><li><a href='/about'>About us</a></li></ul></nav>"
        f"<article>{text}</article>"
        "<footer><p>Copyright 2024 Example Ltd. All rights reserved.</p></footer></body></html>"
    )


def page(payload, *, http_charset="utf-8"):
    return Page(
        id="a.warc.gz@0",
        url="http://example.org/",
        date=None,
        warc="a.warc.gz",
        offset=0,
        length=1,
        status=200,
        media_type="text/html",
        http_charset=http_charset,
        payload=payload if isinstance(payload, bytes) else payload.encode(),
        digest="",
    )


@dataclasses.dataclass
class Given:
    """Gives every page what another extractor has found."""

    outcome: Extracted | Failed

    def extract(self, _):
        return self.outcome


@pytest.fixture(scope="module")
def extractor():
    with Extractor(ExtractText()) as made:
        yield made


def test_keeps_the_main_text_and_drops_the_rest(extractor):
    found = extractor.extract(page(html(MAIN, MORE)))
    assert found == Extracted(text=f"{MAIN}\n{MORE}", charset="utf-8", retried=False)


def test_comments_are_dropped(extractor):
    comments = "<div id='comments' class='comments'><div class='comment'><p>Great story, thanks.</p></div></div>"
    found = extractor.extract(page(html(MAIN, MORE).replace("</article>", "</article>" + comments)))
    assert found.text == f"{MAIN}\n{MORE}"


def test_a_page_is_decoded_by_its_charset(extractor):
    sentence = "Straßen, Brücken und Flüsse: die Geschichte einer kleinen Stadt, die im Frühjahr überflutet wurde."
    content = html(sentence, sentence + " Noch einmal anders.")
    found = extractor.extract(page(content.encode("iso-8859-15"), http_charset="iso-8859-15"))
    assert found == Extracted(f"{sentence}\n{sentence} Noch einmal anders.", "iso-8859-15", False)


@pytest.mark.parametrize("deduplicate, copies", [(True, 3), (False, 6)])
def test_what_repeats_within_a_page_is_dropped(deduplicate, copies):
    """trafilatura lets a text pass three times."""
    between = (f"Paragraph {number} says what none of the others says, so that it is kept." for number in range(6))
    content = page(html(MAIN, *(part for paragraph in between for part in (paragraph, OTHER)), MORE))
    with Extractor(ExtractText(Trafilatura(deduplicate=deduplicate))) as extractor:
        assert extractor.extract(content).text.count(OTHER) == copies


def test_the_text_does_not_depend_on_the_pages_before(extractor):
    first = extractor.extract(page(html(MAIN, MORE)))
    for _ in range(5):
        assert extractor.extract(page(html(MAIN, OTHER))).text == f"{MAIN}\n{OTHER}"
    assert extractor.extract(page(html(MAIN, MORE))) == first
    with Extractor(ExtractText()) as fresh:
        assert fresh.extract(page(html(MAIN, MORE))) == first


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" \n ",
        b"<html><body></body></html>",
        b"\0" * 5000,
    ],
    ids=["empty", "blank", "no text", "zeros"],
)
def test_pages_without_text(extractor, payload):
    found = extractor.extract(page(payload, http_charset=""))
    assert isinstance(found, Failed)
    assert (found.reason in ("no_text", "failed"), found.retried) == (True, False)
    assert extractor.extract(page(html(MAIN, MORE))).text == f"{MAIN}\n{MORE}"


def test_a_page_without_text_has_the_reason_no_text(extractor):
    assert extractor.extract(page("<html><body></body></html>")) == Failed("ExtractText", "no_text", 0.0, None, False)


@pytest.mark.slow
def test_a_deeply_nested_page_is_text_or_a_rejection(extractor):
    found = extractor.extract(page("<div>" * 20_000 + f"<p>{MAIN}</p>" + "</div>" * 20_000))
    assert (isinstance(found, Failed) and found.reason != "") or MAIN in found.text
    assert extractor.extract(page(html(MAIN, MORE))).text == f"{MAIN}\n{MORE}"


@pytest.mark.slow
def test_fifteen_megabytes_of_text_end_at_the_limit():
    paragraphs = [f"{MAIN} This is paragraph number {number}." for number in range(65_000)]
    payload = html(*paragraphs).encode()
    assert len(payload) > 15_000_000
    with Extractor(ExtractText(second=None, cpu_seconds=0.5, retry_cpu_seconds=1.0)) as extractor:
        assert extractor.extract(page(payload)) == Failed(
            "ExtractText", "timeout", 1.0, "no text after 1 s of CPU", True
        )
        assert extractor.extract(page(html(MAIN, MORE))).text == f"{MAIN}\n{MORE}"


def test_too_much_text_says_how_much():
    text = f"{MAIN}\n{MORE}"
    with Extractor(ExtractText(max_text=len(text) - 1)) as small:
        assert small.extract(page(html(MAIN, MORE))) == Failed("ExtractText", "too_much_text", len(text), None, False)
    with Extractor(ExtractText(max_text=len(text))) as enough:
        assert enough.extract(page(html(MAIN, MORE))).text == text


def test_a_page_over_its_time_is_tried_again_and_rejected():
    settings = ExtractText(second=None, cpu_seconds=0.05, retry_cpu_seconds=0.1)
    slow = page(html(*(f"{MAIN} {number}" for number in range(5000))))
    with Extractor(settings) as extractor:
        assert extractor.extract(slow) == Failed("ExtractText", "timeout", 0.1, "no text after 0.1 s of CPU", True)
        generous = dataclasses.replace(settings, cpu_seconds=5.0)
    with Extractor(generous) as extractor:
        assert extractor.extract(page(html(MAIN, MORE))).retried is False


def test_a_page_that_the_second_try_finishes_is_kept_and_counted():
    slow = page(html(*(f"{MAIN} {number}" for number in range(400))))
    with Extractor(ExtractText(second=None, cpu_seconds=0.01, retry_cpu_seconds=60.0)) as extractor:
        found = extractor.extract(slow)
    assert (type(found), found.retried, found.text.count(MAIN)) == (Extracted, True, 400)


def test_lone_surrogates_do_not_reach_the_text(extractor):
    found = extractor.extract(page(html(MAIN + " &#xD800; end.", MORE)))
    assert found.text.encode("utf-8").decode() == found.text
    assert MORE in found.text


GERMAN = "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war."


def test_a_first_look_rejects_what_is_surely_another_language():
    with Extractor(ExtractText(), FirstLook("en")) as extractor:
        found = extractor.extract(page(html(GERMAN, GERMAN).replace("Home", "Start").replace("About us", "Über uns")))
        assert (found.step, found.reason, found.evidence) == ("FirstLook", "other_language", "de")
        assert (0 <= found.value < 0.1, found.retried) == (True, False)  # the probability of English, which decided
        assert extractor.extract(page(html(MAIN, MORE))).text == f"{MAIN}\n{MORE}"
    with Extractor(ExtractText(), FirstLook("de")) as extractor:
        assert extractor.extract(page(html(GERMAN, GERMAN + " Noch einmal."))).text.startswith(GERMAN)


def test_the_first_look_sees_a_language_that_many_others_outscore():
    """On a page in five languages English may come sixth, and still be above the limit."""
    text = (
        "Der Fluss stieg in der Nacht und riss die Brücke fort. "
        "La rivière est montée pendant la nuit et a emporté le pont. "
        "Река поднялась ночью и унесла мост. "
        "The river rose in the night. The river rose in the night."
    )
    score = language.scores(text, count=176)["en"]
    assert first_look.look(text, FirstLook("en", score - 1e-6)) is None
    assert first_look.look(text, FirstLook("en", score + 1e-6))[:2] == ("other_language", score)


SLOW = page(html(*(f"{MAIN} {number}" for number in range(5000))))


def test_the_second_extractor_takes_a_page_that_the_first_cannot_finish():
    with Extractor(ExtractText(cpu_seconds=0.1, retry_cpu_seconds=0.2)) as extractor:
        found = extractor.extract(SLOW)
    assert (type(found), found.by_second, found.retried, found.text.count(MAIN)) == (Extracted, True, True, 5000)
    document = walk.outcome_in_child(SLOW, (ExtractText(),), Given(found), Seen())[0]
    assert (document.signals, document.text) == ({"second_extractor": 1.0}, found.text)


def test_the_second_extractor_is_under_limits_too():
    """The first time is what is said: the second extractor is tried with the shorter limit."""
    slow = page(html(*(f"{MAIN} {number}" for number in range(65_000))))
    with Extractor(ExtractText(cpu_seconds=0.02, retry_cpu_seconds=0.1)) as extractor:
        assert extractor.extract(slow) == Failed("ExtractText", "timeout", 0.1, "no text after 0.1 s of CPU", True)
        assert isinstance(extractor.extract(page(html(MAIN, MORE))), Extracted | Failed)


def test_the_second_extractor_takes_a_page_in_which_the_first_finds_nothing():
    with Extractor(ExtractText(Trafilatura("precision"))) as extractor:
        found = extractor.extract(page(bytes(range(256)) * 40))
        assert (type(found), found.by_second, found.retried) == (Extracted, True, False)
        assert extractor.extract(page(html(MAIN, MORE))).by_second is False
    with Extractor(ExtractText(Trafilatura("precision"), second=None)) as extractor:
        assert extractor.extract(page(bytes(range(256)) * 40)) == Failed("ExtractText", "no_text", 0.0, None, False)


def test_any_extractor_may_be_the_first():
    with Extractor(ExtractText(Resiliparse(), second=None)) as extractor:
        found = extractor.extract(page(html(MAIN, MORE)))
    assert (found.text.split("\n\n"), found.by_second) == ([MAIN, MORE], False)


@pytest.mark.parametrize("focus", ["agreed", "balanced", "precision", "recall"])
def test_every_focus_finds_the_main_text(focus):
    with Extractor(ExtractText(Trafilatura(focus))) as extractor:
        assert extractor.extract(page(html(MAIN, MORE))).text == f"{MAIN}\n{MORE}"


def test_an_unknown_focus_is_refused():
    with pytest.raises(ValueError) as caught:
        Trafilatura("precise")
    assert str(caught.value) == "Trafilatura(focus='precise'): expected one of agreed, balanced, precision, recall"


RECIPE = """
import dataclasses
import numpy as np
from curation.extract import ExtractText
from curation.recipe import Recipe

@dataclasses.dataclass(frozen=True)
class Quiet:
    def measure(self, text):
        return {"size": np.float32(len(text.content)), "is_long": np.bool_(len(text.content) > 9)}

    def reason(self, signals):
        return ("too_short", "size") if signals["size"] < 5 else None

@dataclasses.dataclass(frozen=True)
class Trap:
    def measure(self, text):
        while "endless" in text.content:
            pass
        if "greedy" in text.content:
            hoard = [bytearray(1 << 26)] + [bytes(1 << 26) for _ in range(100)]
        if "broken" in text.content:
            raise KeyError("broken")
        return {"SIGNAL": 1.0}

    def reason(self, signals):
        return None

@dataclasses.dataclass(frozen=True)
class Inflate:
    def edit(self, text):
        return text.content * 1000 if "inflate" in text.content else text.content

RECIPE = Recipe("trapped", "a test", (ExtractText(), Quiet(), Trap(), Inflate()))
"""
STEPS = ("Quiet", "Trap", "Inflate")


def trapped(text=RECIPE, **limits):
    settings = ExtractText(cpu_seconds=0.2, retry_cpu_seconds=0.4, max_memory=640 << 20, **limits)
    return Extractor(settings, steps=STEPS, recipe=("trapped.py", text.replace("SIGNAL", "trap"), None))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text, step, reason, value, evidence, retried",
    [
        ("endless", "Trap", "timeout", 0.4, "no text after 0.4 s of CPU", True),
        ("broken", "Trap", "failed", None, "KeyError('broken')", False),
        ("inflate" * 100, "Inflate", "too_much_text", 700_000, None, False),
        ("no", "Quiet", "too_short", 2.0, "size", False),
        ("\u00a0", "ExtractText", "no_text", 0.0, None, False),
        ("too much" * 1000, "ExtractText", "too_much_text", 8000, None, False),
    ],
)
@pytest.mark.parametrize("is_text", [True, False])
def test_a_step_that_fails_on_a_page_is_named(text, step, reason, value, evidence, retried, is_text):
    with trapped(max_text=5000, extractor=Resiliparse()) as extractor:
        if len(text.strip()) < 3 and not is_text:
            pytest.skip("resiliparse finds no such text")
        content = text if is_text else f"<html><body><article><p>{text}</p></article>"
        given = dataclasses.replace(page(content), is_text=is_text)
        found = extractor.extract(given)
        measured = Extracted(text, "utf-8", False, signals={"size": 2.0, "is_long": 0.0}) if step == "Quiet" else None
        assert dataclasses.replace(found, rejected=None) == Failed(step, reason, value, evidence, retried)
        assert found.rejected is None or dataclasses.replace(found.rejected, charset="utf-8") == measured
        assert (found.rejected is None) == (measured is None)
        good = dataclasses.replace(page("A good page."), is_text=True)
        expected = Extracted("A good page.", "utf-8", False, signals={"size": 12.0, "is_long": 1.0, "trap": 1.0})
        assert extractor.extract(good) == expected


def test_a_step_that_eats_memory_is_named_with_what_it_had():
    with trapped() as extractor:
        found = extractor.extract(dataclasses.replace(page("greedy"), is_text=True))
    assert (found.step, found.reason, found.retried) == ("Trap", "out_of_memory", True)
    assert 500 << 20 < found.value <= 640 << 20


def test_rules_that_measure_the_same_stop_the_run():
    with trapped(RECIPE.replace("SIGNAL", "size")) as extractor, pytest.raises(ValueError) as caught:
        extractor.extract(dataclasses.replace(page("A good page."), is_text=True))
    assert str(caught.value) == "Trap measures size as an earlier step does"


def test_an_extractor_without_steps_only_extracts():
    with Extractor(ExtractText()) as extractor:
        assert extractor.extract(dataclasses.replace(page("endless"), is_text=True)).signals == {}


def test_what_a_page_says_of_its_use_is_noted_and_may_reject_it():
    licence = "<a rel='license' href='https://creativecommons.org/licenses/by-sa/4.0/'>free</a>"
    free = html(MAIN, licence)
    closed = free.replace("<head>", "<head><meta name='robots' content='noindex, noai'>")
    reserved = dataclasses.replace(page(free), headers=(("tdm-reservation", "1"),))
    with Extractor(ExtractText(), None, OptOuts(reject=("tdm_reserved",))) as extractor:
        found = extractor.extract(page(free))
        assert (found.licence, found.signals) == ("cc-by-sa-4.0", {})
        assert extractor.extract(page(closed)).signals == {"noindex": 1.0, "noai": 1.0}
        expected = Failed("OptOuts", "opted_out_tdm_reserved", 1.0, "tdm_reserved")
        assert extractor.extract(reserved) == expected
    with Extractor(ExtractText()) as extractor:
        found = extractor.extract(reserved)
        assert (found.licence, found.signals) == ("", {})


@pytest.mark.slow
def test_opt_outs_reach_the_corpus(tmp_path):
    licence = "<a rel='license' href='https://creativecommons.org/publicdomain/zero/1.0/'>free</a>"
    pages = [
        response(html(MAIN, licence).encode(), url="http://a.example/"),
        response(html(MORE).encode(), url="http://b.example/", http_headers=[("X-Robots-Tag", "noai")]),
        response(html(OTHER).encode(), url="http://c.example/", http_headers=[("TDM-Reservation", "1")]),
    ]
    (tmp_path / "a.warc.gz").write_bytes(archive([warcinfo(), *pages]))
    (tmp_path / "mine.py").write_text(
        "from curation.extract import ExtractText\nfrom curation.opt_outs import OptOuts\n"
        "from curation.recipe import Recipe\n"
        "RECIPE = Recipe('mine', 'a test', (OptOuts(reject=('tdm_reserved',)), ExtractText()))\n"
    )
    flags = ["--input", str(tmp_path / "a.warc.gz"), "--recipe", str(tmp_path / "mine.py"), "--vocab-size", "300"]
    assert curate.main([*flags, "--output", str(tmp_path / "out"), "--workers", "1"]) == 0
    rows = [row for path in (tmp_path / "out/documents").iterdir() for row in pq.read_table(path).to_pylist()]
    assert [(row["url"], row["licence"], dict(row["signals"])) for row in rows] == [
        ("http://a.example/", "cc0-1.0", {}),
        ("http://b.example/", "", {"noai": 1.0}),
    ]
    (gone,) = [row for path in (tmp_path / "out/rejected").iterdir() for row in pq.read_table(path).to_pylist()]
    assert (gone["url"], gone["step"], gone["reason"]) == ("http://c.example/", "OptOuts", "opted_out_tdm_reserved")
