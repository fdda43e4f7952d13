"""What is rejected before a page's text is extracted, and what is not."""

import dataclasses
import hashlib
import json
import os

import pyarrow.parquet as pq
import pytest

from curation import first_look, language, manifest, walk, words
from curation.cascade import Seen, SeenPayload, UrlBlocklist
from curation.document import Page, Rejection
from curation.extract import Extracted, Extractor, ExtractText, Failed
from curation.extraction.settings import Resiliparse, Trafilatura
from curation.first_look import FirstLook
from pipelines import curate
from tests import prose, warc_builder

LIST = b"""\xef\xbb\xbffirst.example
# a comment, and a blank line

  Blocked.Example  \r
www.travel.example
www.com
blog.host.example
192.0.2.7
dotted.example.
#hidden.example
co.example
"""


def written(folder, content=LIST):
    path = folder / "domains.txt"
    path.write_bytes(content)
    return UrlBlocklist(str(path), hashlib.sha256(content).hexdigest())


def page(payload=b"<html><p>text", *, number=0, url="http://a.example/", digest=None, http_charset="utf-8", **more):
    digest = digest or hashlib.sha1(payload).hexdigest()
    id = f"a.warc.gz@{number}"
    return Page(id, url, None, "a.warc.gz", number, 1, 200, "text/html", http_charset, payload, digest, **more)


@dataclasses.dataclass
class NeverAsked:
    """Fails where a page reaches it."""

    def extract(self, page):
        raise AssertionError(f"{page.id} was extracted")


@dataclasses.dataclass
class Fake:
    """Finds the same text in each page."""

    pages: list = dataclasses.field(default_factory=list)

    def extract(self, page):
        self.pages.append(page.id)
        return Extracted("text", "utf-8", False)


@pytest.mark.parametrize(
    "url, blocked",
    [
        ("http://blocked.example/", "blocked.example"),
        ("https://blocked.example/a?b=c#d", "blocked.example"),
        ("http://www.blocked.example/", "blocked.example"),
        ("http://deep.down.blocked.example/", "blocked.example"),
        ("http://WWW.BLOCKED.EXAMPLE/", "blocked.example"),
        ("http://blocked.example:8080/", "blocked.example"),
        ("http://user:secret@blocked.example/", "blocked.example"),
        ("http://blocked.example./", "blocked.example"),
        (" http://blocked.example/ ", "blocked.example"),
        ("http://first.example/", "first.example"),
        ("http://travel.example/", "travel.example"),
        ("http://www.travel.example/", "travel.example"),
        ("http://far.travel.example/", "travel.example"),
        ("http://blog.host.example/", "blog.host.example"),
        ("http://dotted.example/", "dotted.example"),
        ("http://shop.co.example/", "co.example"),
        ("http://192.0.2.7/", "192.0.2.7"),
        ("http://192.0.2.7:81/", "192.0.2.7"),
        ("http://notblocked.example/", None),
        ("http://blocked.example.org/", None),
        ("http://blocked-example/", None),
        ("http://example/", None),
        ("http://host.example/", None),
        ("http://a.host.example/", None),
        ("http://hidden.example/", None),
        ("http://other.com/", None),  # www.com is listed, and not all of com
        ("http://192.0.2.70/", None),
        ("http://1.192.0.2/", None),
        ("http://other.example/http://blocked.example/", None),
        ("http://blocked.example@other.example/", None),
        ("http://[::1]/", None),
        ("http://[broken/", None),
        ("", None),
        ("no url", None),
    ],
)
def test_a_domain_and_all_below_it_are_blocked(tmp_path, url, blocked):
    step = written(tmp_path)
    finding = ("blocked_domain", None, blocked)
    assert step.judge(url) == (finding if blocked else None)
    found = walk.outcome_in_child(page(url=url), (step, ExtractText()), NeverAsked() if blocked else Fake(), Seen())
    if blocked:
        rejection = Rejection("a.warc.gz@0", url, "a.warc.gz", 0, 1, "UrlBlocklist", "blocked_domain", None, blocked)
        assert found[:2] == (rejection, False)
    else:
        assert found[0].text == "text"


def test_an_empty_list_blocks_nothing(tmp_path):
    assert written(tmp_path, b"\n# nothing\n").judge("http://a.example/") is None


def test_another_list_than_the_recipes_is_refused(tmp_path):
    step = dataclasses.replace(written(tmp_path), sha256="0" * 64)
    for ask in (UrlBlocklist.check, lambda it: it.judge("http://a.example/")):
        with pytest.raises(ValueError) as caught:
            ask(step)
        assert str(caught.value) == (
            f"UrlBlocklist({step.path!r}) has sha256 {hashlib.sha256(LIST).hexdigest()}, expected {'0' * 64}; take the "
            "list that the recipe was made with, or put the new digest into the recipe"
        )


def test_a_list_that_is_not_there_is_refused(tmp_path):
    step = UrlBlocklist(f"{tmp_path}/none.txt", "0" * 64)
    with pytest.raises(ValueError) as caught:
        step.check()
    assert str(caught.value) == (
        f"UrlBlocklist('{tmp_path}/none.txt') cannot be read: No such file or directory; check the path"
    )


def repeats(*pages, extractor=None):
    """For each page of one task, the page that it repeats."""
    seen = Seen()
    found = [walk.outcome_in_child(it, (SeenPayload(), ExtractText()), extractor or Fake(), seen)[0] for it in pages]
    return [(it.reason, it.evidence) if isinstance(it, Rejection) else None for it in found]


def test_a_payload_that_was_seen_names_the_first_page_that_had_it():
    extractor = Fake()
    pages = [
        page(number=0),
        page(b"<html>b", number=5),
        *(page(number=it, url=f"http://{it}.example/") for it in (7, 9)),
    ]
    assert repeats(*pages, extractor=extractor) == [None, None, *[("repeated_payload", "a.warc.gz@0")] * 2]
    assert extractor.pages == ["a.warc.gz@0", "a.warc.gz@5"]
    rejection = walk.outcome_in_child(page(number=9), (SeenPayload(), ExtractText()), extractor, _having(page()))[0]
    assert (rejection.step, rejection.value) == ("SeenPayload", 1.0)


def _having(*pages):
    seen = Seen()
    for each in pages:
        seen.before(each)
    return seen


def test_the_same_bytes_in_another_charset_are_another_page():
    pages = [page(number=0), page(number=1, http_charset="windows-1252"), page(number=2, http_charset="windows-1252")]
    assert repeats(*pages) == [None, None, ("repeated_payload", "a.warc.gz@1")]


def test_empty_payloads_repeat_nothing():
    assert _having(page(b"")).before(page(b"", number=1)) is None
    assert repeats(page(b"", number=0), page(b"", number=1)) == [("empty", None)] * 2


def test_a_page_asked_for_twice_does_not_repeat_itself():
    assert _having(page()).before(page()) is None


def test_other_tasks_have_seen_nothing():
    assert repeats(page(number=0)) == repeats(page(number=1)) == [None]


def test_pages_that_are_no_pages_are_not_remembered():
    """The response is checked first: an error page does not stand for one with the same bytes that is none."""
    missing = dataclasses.replace(page(number=0), status=404)
    assert repeats(missing, page(number=1), page(number=2)) == [
        ("status", None),
        None,
        ("repeated_payload", "a.warc.gz@1"),
    ]


def test_a_blocked_page_is_not_remembered(tmp_path):
    steps, seen = (written(tmp_path), SeenPayload(), ExtractText()), Seen()
    pages = [page(number=0, url="http://blocked.example/"), page(number=1), page(number=2)]
    found = [walk.outcome_in_child(it, steps, Fake(), seen)[0] for it in pages]
    assert [getattr(it, "reason", None) for it in found] == ["blocked_domain", None, "repeated_payload"]


def test_without_the_steps_every_page_is_extracted():
    extractor, seen = Fake(), Seen()
    for number in range(3):
        walk.outcome_in_child(page(number=number, url="http://blocked.example/"), (ExtractText(),), extractor, seen)
    assert len(extractor.pages) == 3


ENGLISH = "the ferry leaves the quay before sunrise and comes back with the evening tide as it has for years"


def english(count):
    return " ".join((f"{ENGLISH} " * 20).split()[:count])


LOOK = FirstLook("en", min_words=50)


@pytest.mark.parametrize(
    "text, count",
    [
        (english(49), 49),
        (english(50), 50),
        (english(49) + ".", 50),
        ("", 0),
        (" \n ", 0),
        ("cannot " * 25, 50),
        ("gonna " * 24, 48),
        ("dont " * 25, 50),
        ("don't " * 20, 60),
        ("a-b " * 16, 48),
        ("_word_ " * 20, 60),
        ("12km " * 25, 50),
        ("3.5 " * 16, 48),
        ("... " * 16, 48),
        ("漢字" * 100, 1),
        ("漢字" * 500, 4),  # the rules, too, cut what is longer than 256 characters
        ("漢字。" * 24, 48),
        ("ไทย " * 24, 24),
        ("x" * 10_000, 40),
    ],
)
def test_pages_of_too_few_words_in_all_are_rejected(text, count):
    assert first_look.num_words(text, 50) == min(count, 50)
    verdict = first_look.look(text, dataclasses.replace(LOOK, min_score=0.0))
    assert verdict == (None if count >= 50 else ("too_few_words", count, "of the whole page"))


def test_no_text_has_more_words_by_the_rules_than_by_the_first_look():
    """spaCy's own exceptions are the hardest that there are."""
    for exception in sorted(words._memory()._exceptions):
        for text in (exception, f"({exception}).", f"_{exception}_", exception.upper()):
            assert first_look.num_words(text, 100) >= words.num_words(text), text


def test_either_half_of_the_first_look_can_be_switched_off():
    german = "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war. " * 4
    assert first_look.look(german, LOOK)[0] == "other_language"
    assert first_look.look(german, dataclasses.replace(LOOK, min_score=0.0)) is None
    assert first_look.look("too short", LOOK)[0] == "too_few_words"
    assert first_look.look("too short", FirstLook("en")) is None


def html(body, head=""):
    return f"<!DOCTYPE html><html><head><title>T</title>{head}</head><body>{body}</body></html>".encode()


def article(text):
    content = json.dumps({"@context": "https://schema.org", "@type": "NewsArticle", "articleBody": text})
    return f'<script type="application/ld+json">{content}</script>'


@pytest.fixture(scope="module")
def looks():
    with Extractor(ExtractText(Resiliparse()), LOOK) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("count, is_rejected", [(49, True), (50, False)])
def test_the_bound_is_on_all_words_that_a_reader_sees(looks, count, is_rejected):
    body = f"<nav>{english(20)}</nav><main><p>{english(count - 20)}</p></main>"
    found = looks.extract(page(html(body)))
    if is_rejected:
        assert found == Failed("FirstLook", "too_few_words", 49, "of the whole page")
    else:
        assert isinstance(found, Extracted)


def test_scripts_and_styles_are_no_words(looks):
    body = f"<script>{english(90)}</script><style>{english(90)}</style><!-- {english(90)} --><p>few words</p>"
    assert looks.extract(page(html(body))) == Failed("FirstLook", "too_few_words", 2, "of the whole page")


def test_a_page_whose_article_is_hidden_is_not_settled():
    """trafilatura takes schema.org's articleBody where the page itself says little."""
    german = "Bitte warten Sie, der Artikel wird gleich geladen."
    with Extractor(ExtractText(Trafilatura("balanced")), LOOK) as extractor:
        found = extractor.extract(page(html("", article(prose.text(1)))))
        assert found.text.split() == prose.text(1).split()
        found = extractor.extract(page(html(f"<p>{german}</p>", article(prose.text(1)))))
        assert found.text.split() == prose.text(1).split()
        assert extractor.extract(page(html(f"<p>{german}</p>"))).reason == "too_few_words"


def test_a_hidden_article_does_not_hide_the_language_of_a_page_with_many_words(looks):
    german = "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war. " * 4
    assert looks.extract(page(html(f"<p>{german}</p>", article(german)))).reason == "other_language"


def test_the_model_has_an_opinion_on_nothing():
    """Which is why a page without words is not rejected for its language where its article may be hidden."""
    assert language.scores("", count=50)


RECIPE = """
from curation.cascade import SeenPayload, UrlBlocklist
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extract import ExtractText, Resiliparse
from curation.first_look import FirstLook
from curation.recipe import Recipe

EARLY = (
    UrlBlocklist("PATH", "SHA256"),
    SeenPayload(),
    FirstLook("en", min_words=50),
)
STEPS = (ExtractText(Resiliparse()), ExactDuplicates(), NearDuplicates())
RECIPE = Recipe("cascade", "a test", (*EARLY, *STEPS))
"""
LINES = ["    UrlBlocklist(", "    SeenPayload(),", "    FirstLook("]
SHORT, GERMAN = (
    b"<html><p>Nothing but a menu.",
    prose.page("Der Fluss stieg in der Nacht und riss die Brücke fort. " * 9),
)
PAGES = [
    ("http://one.example/", prose.page(prose.text(1))),
    ("http://blocked.example/", prose.page(prose.text(2))),
    ("http://two.example/", prose.page(prose.text(1))),  # the same bytes
    ("http://short.example/", SHORT),
    ("http://three.example/", prose.page(prose.text(1)) + b"<!-- served in 3 ms -->"),  # the same text
    ("http://short.example/2", SHORT),
    ("http://german.example/", GERMAN),
    ("http://four.example/", prose.page(prose.text(1))),
    ("http://five.example/", prose.page(prose.text(5))),
    ("http://six.example/", prose.page(prose.text(1) + " One more sentence stands here.")),  # nearly the same text
    ("http://seven.example/", prose.page(prose.text(1) + " One more sentence stands here.")),
]


def curated(folder, *, without=(), recipe=RECIPE, status=0, more=()):
    """The folder of a corpus of PAGES, by a recipe without some of its lines."""
    folder.mkdir()
    lines = [line for line in recipe.splitlines() if not any(line.startswith(LINES[number]) for number in without)]
    step = written(folder)
    text = "\n".join(lines).replace("PATH", step.path).replace("SHA256", step.sha256)
    (folder / "mine.py").write_text(text)
    records = [warc_builder.response(payload, url=url) for url, payload in PAGES]
    (folder / "a.warc.gz").write_bytes(warc_builder.archive(records))
    flags = ["--input", f"{folder}/a.warc.gz", "--output", f"{folder}/out", "--recipe", f"{folder}/mine.py"]
    assert curate.main([*flags, "--workers", "1", "--vocab-size", "300", *more]) == status
    return folder / "out"


def kept(output):
    """The documents, but for the folder that they come from."""
    return [{**row, "warc": os.path.basename(row["warc"])} for row in pq.read_table(output / "documents").to_pylist()]


def rejected(output):
    return manifest.load(str(output)).ledger["rejected"]


@pytest.mark.slow
def test_each_step_is_in_the_ledger_and_can_be_left_out(tmp_path):
    whole, *others = (
        curated(tmp_path / str(number), without=without)
        for number, without in enumerate([(), (0,), (1,), (2,), (0, 1, 2)])
    )
    near = {"similar_signature": 1}
    assert rejected(whole) == {
        "UrlBlocklist": {"blocked_domain": 1},
        "SeenPayload": {"repeated_payload": 4},
        "FirstLook": {"other_language": 1, "too_few_words": 1},
        "ExactDuplicates": {"same_text": 1},
        "NearDuplicates": near,
    }
    without_list, without_seen, without_look, without_any = map(rejected, others)
    assert without_list == {step: reasons for step, reasons in rejected(whole).items() if step != "UrlBlocklist"}
    assert sum(sum(without_seen[step].values()) for step in ("ExactDuplicates", "NearDuplicates")) == 5
    assert without_seen["FirstLook"] == {"other_language": 1, "too_few_words": 2}
    assert without_look["SeenPayload"] == {"repeated_payload": 4}
    assert "FirstLook" not in without_look
    assert set(without_any) == {"ExactDuplicates", "NearDuplicates"}
    assert [len(kept(each)) for each in (whole, *others)] == [2, 3, 2, 4, 5]


@pytest.mark.slow
def test_repeated_payloads_count_as_copies_as_if_they_had_been_extracted(tmp_path):
    """Of near-duplicates as well, whichever of them is kept."""
    with_step, without = curated(tmp_path / "with"), curated(tmp_path / "without", without=[1])
    assert rejected(with_step)["SeenPayload"] == {"repeated_payload": 4}
    assert "SeenPayload" not in rejected(without)
    assert {row["url"]: row["copies"] for row in kept(with_step)} == {
        "http://one.example/": 6,
        "http://five.example/": 1,
    }
    assert kept(with_step) == kept(without)
    evidence = {row["url"]: row["evidence"] for row in pq.read_table(with_step / "rejected").to_pylist()}
    (first,) = (row["id"] for row in kept(with_step) if row["url"] == "http://one.example/")
    assert evidence["http://two.example/"] == evidence["http://four.example/"] == first


@pytest.mark.slow
def test_repeated_payloads_do_not_depend_on_the_number_of_workers(tmp_path):
    assert kept(curated(tmp_path / "one")) == kept(curated(tmp_path / "two", more=["--workers", "2"]))


@pytest.mark.parametrize(
    "change, message",
    [
        (("PATH", "PATH.none"), "cannot be read: No such file or directory; check the path"),
        (('"SHA256"', '"0"'), "expected 0; take the list that the recipe was made with"),
    ],
    ids=["missing", "another"],
)
def test_a_list_that_cannot_be_had_stops_a_run_before_it_starts(tmp_path, capsys, change, message):
    output = curated(tmp_path / "run", recipe=RECIPE.replace(*change), status=1)
    error = capsys.readouterr().err
    assert error.startswith("error: UrlBlocklist(") and message in error
    assert not os.path.exists(output)
