"""Other thresholds asked of a corpus: what is gained and lost is what a run with the new recipe would decide."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from curation import (
    manifest,
    parts,
    recipe,
    recipe_diff,
    refilter,
    rule_name,
    stored_pages,
    stored_recipe,
    tokens,
    urls,
)
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.stored_pages import StoredPage
from curation.tally import MEASURED, Tally
from curation.whatif import Outcome, question
from pipelines import curate, launch, whatif
from pipelines.refilter import parts_of
from tests import plain_launch
from tests.conftest import SAMPLE
from tests.test_walk import document

ROOT = Path(__file__).parent.parent
FINEWEB = recipe.of_source(*recipe.read_source("fineweb"))
SOURCE = (ROOT / "curation/recipes/fineweb.py").read_text()
LATE = """
from curation.dedup.exact import ExactDuplicates
from curation.extraction.settings import ExtractText
from curation.language import KeepLanguage
from curation.pii import ReplacePii
from curation.recipe import Recipe
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality
RECIPE = Recipe("late", "a test", (ExtractText(), KeepLanguage("en"), ExactDuplicates(), ReplacePii(),
                                   FineWebQuality(), GopherQuality(min_words=200), C4Lines(end_mark=False)))
"""


def run(capsys, *argv):
    status = whatif.main([*map(str, argv)])
    found = capsys.readouterr()
    return status, found.out, found.err


def asked(capsys, corpus, *rules, more=()):
    """The answer as numbers, with every document as a sample."""
    flags = [flag for rule in rules for flag in ("--rule", rule)]
    status, out, err = run(capsys, "--corpus", corpus, *flags, "--samples", 10**6, "--json", *more)
    assert (status, err) == (0, "")
    return json.loads(out)


def in_full(corpus, old, *rules):
    """By the slow way, documents gained and lost with their texts, and the moves: every text is decided anew."""
    held = manifest.load(str(corpus))
    new, _ = rule_name.changed(old, rules)
    plan = refilter.plan(stored_recipe.of_manifest(held, str(corpus)), new)
    gained, lost, moves = {}, {}, {}
    for path in sorted((corpus / "filtered").iterdir()):
        for row, by in parts_of(str(corpus), parts.task_of(str(path))):
            if isinstance(row, Rejection):
                continue
            outcome = refilter.decide(row, by, plan).outcome
            now = outcome.step if isinstance(outcome, Rejection) else ""
            if (by or "") != now:
                moves[by or "", now] = moves.get((by or "", now), 0) + 1
            if by and isinstance(outcome, Document):
                gained[row.id] = outcome.text
            elif not by and now:
                lost[row.id] = row.text
    return gained, lost, moves


def rows(folder):
    """Every document of a folder of parts by its id."""
    return {row.id: row for path in sorted(folder.iterdir()) for row in parts.documents(str(path))}


def moves_of(answer):
    return {(move["from"], move["to"]): move["pages"] for move in answer["moves"]}


@pytest.fixture
def copy(sample_corpus, tmp_path):
    """The corpus, to be changed."""
    shutil.copytree(sample_corpus, tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A corpus whose rules stand behind the steps on all documents."""
    folder = tmp_path_factory.mktemp("late")
    (folder / "late.py").write_text(LATE)
    flags = ["--recipe", f"{folder}/late.py", "--output", f"{folder}/corpus", "--workers", "1", "--vocab-size", "300"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run", plain_launch.run)
        assert curate.main(["--input", f"{SAMPLE}/sample-00001*.gz", *flags]) == 0
    return folder


RULES = [
    ["gopher.min_words=10"],
    ["gopher.min_words=240"],
    ["language.min_score=0.95"],
    ["keep.min_score=0.1", "GopherQuality.min_words=200"],
    ["c4.min_sentences=12"],
    ["c4.min_sentences=1", "fineweb.min_terminal_lines=0"],
    ["gopherrep.max_repeated_lines=0.01", "gopherq.max_ellipsis_lines=1"],
    ["gopher.max_repeated_line_characters=0.9", "gopher.max_top_ngram=((2, 0.9), (3, 0.9), (4, 0.9))"],
    ["fineweb.short_line=300"],  # which must be measured again, on stored texts
]


@pytest.mark.slow
@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_the_answer_is_what_every_text_decided_anew_gives(capsys, sample_corpus, rules):
    gained, lost, moves = in_full(sample_corpus, FINEWEB, *rules)
    found = asked(capsys, sample_corpus, *rules)
    assert moves_of(found) == moves and moves
    assert {it["id"] for it in found["samples"]["gained"]} == gained.keys()
    encoder = tokens.load((sample_corpus / "tokenizer.json").read_bytes(), "")
    for name, texts in (("gained", gained), ("lost", lost)):
        assert (found[name]["documents"], found[name]["is_estimate"]) == (len(texts), False)
        assert found[name]["characters"] == sum(map(len, texts.values()))
        assert found[name]["tokens"] == sum(map(len, encoder.encode(list(texts.values()))))
    final = rows(sample_corpus / "documents")
    assert {it["id"] for it in found["samples"]["lost"]} == lost.keys() & final.keys()
    assert found["lost_from_corpus"]["documents"] == len(lost.keys() & final.keys())
    first = found["steps"][0]
    assert found["pages"] == manifest.load(str(sample_corpus)).ledger["read"]
    later = list(map(recipe.step_name, FINEWEB.before))
    later = later[later.index(first) :]
    rejected = [
        row.step
        for path in (sample_corpus / "rejected").glob("*-of-00004.parquet")
        for row in parts.rejections(str(path))
    ]
    num_rejected = sum(step in later for step in rejected)
    assert found["seen"] == len(rows(sample_corpus / "filtered")) + num_rejected


@pytest.mark.parametrize("rules", [["fineweb.short_line=30"], ["gopher.min_words=50"]], ids=" ".join)
def test_a_value_that_it_has_already_is_refused(capsys, sample_corpus, rules):
    status, out, err = run(capsys, "--corpus", sample_corpus, "--rule", rules[0])
    assert (status, out) == (2, "")
    assert err.endswith("recipe fineweb has this value already; give another\n")


def test_what_is_printed(capsys, sample_corpus):
    status, out, err = run(capsys, "--corpus", sample_corpus, "--rule", "gopher.min_words=30", "--samples", 1)
    gained, _, _ = in_full(sample_corpus, FINEWEB, "gopher.min_words=30")
    (text,) = gained.values()
    encoder = tokens.load((sample_corpus / "tokenizer.json").read_bytes(), "")
    (ids,) = encoder.encode([text])
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if not line.startswith(("sample-", "|"))] == [
        f"{sample_corpus}: recipe fineweb, 243 pages",
        "GopherQuality.min_words: 30 in place of 50",
        "191 pages come to GopherQuality; 2 of them take later steps on their texts",
        "",
        f"{'':<24}{'documents':>12}{'characters':>16}{'tokens':>16}",
        f"{'documents gained':<24}{1:>12}{len(text):>16}{len(ids):>16}",
        f"{'documents lost':<24}{0:>12}{0:>16}{0:>16}",
        "before the steps on all documents, which are not taken anew",
        "",
        "2 pages are not stopped by GopherQuality any more; of them",
        f"  {'is kept':<40}        1",
        f"  {'is stopped by C4Lines':<40}        1",
        "",
        f"{'host':<48}    gained      lost",
        f"{'blog.slowbread.example':<48}         1         0",
        "",
        "gained: was stopped by GopherQuality: too_few_words 32",
    ]
    shown = [line[2:] for line in out.splitlines() if line.startswith("|")]
    assert "\n".join(shown) == text[:200].rstrip()


def test_samples_are_the_same_every_time_and_grow_in_their_order(capsys, sample_corpus):
    def ids(count):
        flags = ["--rule", "gopher.min_words=240", "--json", "--samples", count]
        return [it["id"] for it in json.loads(run(capsys, "--corpus", sample_corpus, *flags)[1])["samples"]["lost"]]

    everything = ids(10**6)
    assert len(everything) > 10
    assert everything != sorted(everything)  # the first are not those of the first archive
    assert [ids(0), ids(1), ids(7)] == [[], everything[:1], everything[:7]]


def test_hosts_are_those_of_what_changes(capsys, sample_corpus):
    _, lost, _ = in_full(sample_corpus, FINEWEB, "gopher.min_words=260")
    found = asked(capsys, sample_corpus, "gopher.min_words=260")
    pages = [urls.host(row.url) for id, row in rows(sample_corpus / "filtered").items() if id in lost]
    assert len(found["hosts"]) == 10
    for it in found["hosts"]:
        assert it["pages"] == [0, pages.count(it["host"])]
    least = min(it["pages"][1] for it in found["hosts"])
    assert {host for host in pages if pages.count(host) > least} <= {it["host"] for it in found["hosts"]}


def test_nothing_raw_is_printed(capsys, copy):
    path = next(path for path in sorted((copy / "rejected_texts").glob("part*-of-00004.parquet")) if rows_of(path))
    found = rows_of(path)
    ledger, fingerprint = parts.ledger_of(str(path)), parts.fingerprint_of(str(path))
    with parts.writing(str(path), DOCUMENTS, fingerprint=fingerprint, ledger=ledger) as part:
        for row in found:
            part.add(dataclasses.replace(row, url="http://\x1b[2J.example/", text=f"\x1b]0;\u202e{row.text}"))
    out = run(
        capsys, "--corpus", copy, "--rule", "gopher.min_words=0", "--rule", "c4.min_sentences=0", "--samples", 99
    )[1]
    assert out and all(line.isprintable() for line in out.splitlines())


def rows_of(path):
    return list(parts.documents(str(path)))


# Rules behind the steps on all documents.


@pytest.mark.slow
@pytest.mark.parametrize("rules", [["gopher.min_words=240", "fineweb.max_short_lines=0.9"]])
def test_rules_behind_the_duplicates(capsys, late, rules):
    corpus, old = late / "corpus", recipe.of_source("late.py", LATE)
    found = asked(capsys, corpus, *rules, more=["--recipe", f"{late}/late.py"])
    assert found["place"] == "behind the steps on all documents"
    (late / "new.py").write_text(LATE.replace("min_words=200", rules[0].partition(".")[2]))
    if len(rules) > 1:
        text = (late / "new.py").read_text()
        (late / "new.py").write_text(text.replace("FineWebQuality()", "FineWebQuality(max_short_lines=0.9)"))
    new, _ = rule_name.changed(old, rules)
    assert recipe.of_source("new.py", (late / "new.py").read_text()).steps == new.steps
    output = late / f"new-{len(rules)}"
    flags = ["--recipe", f"{late}/new.py", "--output", str(output), "--workers", "1", "--vocab-size", "300"]
    assert curate.main(["--input", f"{SAMPLE}/sample-00001*.gz", *flags]) == 0
    capsys.readouterr()
    before, now = rows(corpus / "documents"), rows(output / "documents")
    assert {it["id"] for it in found["samples"]["gained"]} == now.keys() - before.keys()
    assert {it["id"] for it in found["samples"]["lost"]} == before.keys() - now.keys()
    assert found["gained"]["characters"] == sum(len(now[id].text) for id in now.keys() - before.keys())
    assert now.keys() != before.keys()

    told = json.loads(run(capsys, "--diff", corpus, output, "--samples", 10**6, "--json")[1])
    assert told["is_final"]
    assert {it["id"] for it in told["samples"]["only_b"]} == now.keys() - before.keys()
    assert moves_of(told) == moves_of(found)
    assert (told["both"], told["other_texts"]) == (len(now.keys() & before.keys()), 0)


def test_what_stored_texts_behind_the_duplicates_do_not_tell(capsys, late):
    def error(*rules, more=("--recipe", f"{late}/late.py")):
        flags = [flag for rule in rules for flag in ("--rule", rule)]
        status, out, err = run(capsys, "--corpus", late / "corpus", *flags, *more)
        assert (status, out) == (2, "")
        return err

    assert "ask for one after the other" in error("gopher.min_words=3", "language.min_score=0.1")
    assert error("pii.emails=('a@b.example',)").startswith(
        "error: ReplacePii, FineWebQuality, GopherQuality, C4Lines must run again, on texts as they were before "
        "ReplacePii, C4Lines wrote them anew"
    )
    assert "late, which is none of this version's; give its file as --recipe FILE" in error(
        "gopher.min_words=3", more=()
    )


def test_rules_between_looks_at_all_documents(sample_corpus):
    source = LATE.replace("ReplacePii(),", "ReplacePii(), NearDuplicates(),").replace(
        "RECIPE =", "from curation.dedup.minhash import NearDuplicates\nRECIPE ="
    )
    old = recipe.of_source("late.py", source)
    new, changes = rule_name.changed(old, ["gopher.min_words=3"])
    held = manifest.load(str(sample_corpus))
    with pytest.raises(ValueError, match="GopherQuality stands among several looks at all documents, between which no"):
        question("corpus", held, old=old, new=new, changes=changes)


# Two recipes.


def test_two_recipes_on_one_corpus(capsys, sample_corpus, tmp_path):
    rules = ["gopher.min_words=240"]
    mine = tmp_path / "mine.py"
    mine.write_text(SOURCE.replace("GopherQuality()", "GopherQuality(min_words=240)"))
    for a, b in (("fineweb", mine), (sample_corpus, mine)):
        flags = ["--corpus", sample_corpus, "--diff", a, b, "--samples", 10**6, "--json"]
        status, out, err = run(capsys, *flags)
        found = json.loads(out)
        _, lost, moves = in_full(sample_corpus, FINEWEB, *rules)
        assert (status, err, found["is_final"]) == (0, "", False)
        assert moves_of(found) == moves
        assert {it["id"] for it in found["samples"]["only_a"]} == lost.keys()
        assert {it["step"] for it in found["samples"]["only_a"]} == {"GopherQuality"}
        assert found["only_b"]["documents"] == 0
        kept = len(rows(sample_corpus / "filtered"))
        assert (found["both"], found["other_texts"], found["neither"]) == (kept - len(lost), 0, 243 - kept)
    other_way = json.loads(run(capsys, "--corpus", sample_corpus, "--diff", mine, sample_corpus, "--json")[1])
    assert other_way["only_b"]["documents"] == len(lost)
    assert moves_of(other_way) == {(b, a): count for (a, b), count in moves.items()}


def test_two_corpora(capsys, sample_corpus, copy):
    """The second is the first, but for one document that is gone, and one with another text."""
    path = copy / "documents/part-00002-of-00004.parquet"
    documents = rows_of(path)
    gone, edited = documents[3], documents[5]
    later = copy / "rejected/part-00002-of-00004-duplicates.parquet"
    duplicates = list(parts.rejections(str(later)))
    write = {"fingerprint": "", "ledger": Ledger()}
    with parts.writing(str(path), DOCUMENTS, **write) as part:
        for row in documents:
            if row is not gone:
                part.add(row if row is not edited else dataclasses.replace(row, text="Another text."))
    with parts.writing(str(later), REJECTED, **write) as part:
        rejection = Rejection.of(gone, step="NearDuplicates", reason="similar_text", value=0.9, evidence="x")
        for row in sorted([*duplicates, rejection], key=lambda row: row.offset):
            part.add(row)
    status, out, err = run(capsys, "--diff", sample_corpus, copy)
    assert (status, err) == (0, "")
    assert out.splitlines()[:5] == [
        f"A  {sample_corpus}: recipe fineweb",
        f"B  {copy}: recipe fineweb",
        "243 pages, as the corpora have them",
        "",
        "documents of both 163, 1 of them with other texts",
    ]
    assert f"\n{'(kept)':<24}{'NearDuplicates':<24}{1:>8}\n" in out
    assert f"\nA alone: B stops by NearDuplicates: similar_text 0.9\n{gone.id}  {gone.url}\n| " in out
    assert run(capsys, "--diff", copy, copy)[1].count("documents of both 163, 0 of them with other texts") == 1


def test_corpora_of_other_archives_do_not_compare(capsys, sample_corpus, late, copy):
    status, out, err = run(capsys, "--diff", sample_corpus, late / "corpus")
    assert (status, out) == (2, "")
    assert err == (
        f"error: {sample_corpus} and {late}/corpus were made from other archives: 3 are of one of them alone, such as "
        f"sample-00000-of-00004.warc.gz of {sample_corpus}; give two corpora of the same archives\n"
    )
    held = json.loads((copy / "manifest.json").read_text())
    size = held["inputs"][2]["size"]
    held["inputs"][2]["size"] = 7
    (copy / "manifest.json").write_text(json.dumps(held))
    assert (
        f"sample-00002-of-00004.warc.gz had {size:,} bytes and 7 bytes" in run(capsys, "--diff", sample_corpus, copy)[2]
    )


def test_pages_side_by_side():
    def side(**steps):
        for id, step in steps.items():
            page = StoredPage(id.replace("_", "@"), "http://a.example/", 0)
            yield page, Outcome(step, "why" if step else "", 1.0, lambda: "some text")

    encoder = tokens.load(tokens.train(["some text"], 300), "")
    first = side(a_1="", a_20="One", b_3="", b_4="", c_1="One")
    second = side(a_1="", a_3="", a_20="Two", b_4="Two", c_1="One", d_1="One")
    found = recipe_diff.difference(first, second, encoder=encoder, samples=9)
    assert (found.pages, found.both, found.other_texts, found.neither) == (7, 1, 0, 3)
    assert found.moves == {
        ("One", "Two"): 1,
        ("", "Two"): 1,
        ("", "(not read)"): 1,
        ("(not read)", ""): 1,
        ("(not read)", "One"): 1,
    }
    assert [{sample.id: sample.step for sample in tally.samples} for tally in found.only] == [
        {"b@3": "(not read)", "b@4": "Two"},
        {"a@3": "(not read)"},
    ]
    with pytest.raises(ValueError, match="a@1 stands behind a@2"):
        recipe_diff.difference(side(a_2="", a_1=""), side(), encoder=encoder, samples=0)


# Names, errors, and parts.


def test_names_of_rules():
    for rule in ("gopher.min_words=30", "GopherQuality.min_words=30", "gopherq.min_words = 30", "GOPHER.min_words=30"):
        new, changes = rule_name.changed(FINEWEB, [rule])
        assert [vars(change) for change in changes] == [
            {"step": "GopherQuality", "field": "min_words", "old": 50, "new": 30}
        ]
        assert [step for step in new.steps if step not in FINEWEB.steps] == [changed_step(new, "GopherQuality")]
        assert changed_step(new, "GopherQuality").min_words == 30
        assert new.text_sha256 == FINEWEB.text_sha256
    new, _ = rule_name.changed(FINEWEB, ["language.language=de", "language.min_score=1", "c4.end_mark=True"])
    language = changed_step(new, "KeepLanguage")
    assert (language.language, language.min_score, type(language.min_score)) == ("de", 1.0, float)
    new, _ = rule_name.changed(FINEWEB, ["gopher.min_words=200000", "gopher.max_words=300000"])  # only together
    assert changed_step(new, "GopherQuality").max_words == 300_000


def changed_step(of, name):
    (step,) = (step for step in of.steps if recipe.step_name(step) == name)
    return step


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("gopher.min_words", "--rule gopher.min_words: expected NAME.FIELD=VALUE, such as gopher.min_words=30"),
        ("gopher=3", "expected NAME.FIELD=VALUE"),
        ("nope.x=1", "--rule nope.x=1: recipe fineweb has no step nope; its steps are SeenPayload, FirstLook, "),
        ("c4.min_word=3", "no field min_word; C4Lines has "),
        (
            "e.min_words=3",
            "no field min_words; ExtractText has extractor, .+; ExactDuplicates has normalized, keep, scope",
        ),
        ("gopher.min_words=x", "x is no value for GopherQuality.min_words, which is 50: expected int"),
        ("gopher.min_words=1e3", "1e3 is no value for GopherQuality.min_words"),
        ("gopher.min_words=True", "True is no value for GopherQuality.min_words"),
        ("gopher.min_words=None", "None is no value for GopherQuality.min_words"),
        ("gopher.min_words=__import__('os')", "is no value for GopherQuality.min_words"),
        ("gopher.min_words=" + "(" * 10_000, "is no value for GopherQuality.min_words"),
        ("gopher.min_words=-1", r"GopherQuality\(min_words=-1\): expected at least 0"),
        ("gopher.min_words=200000", r"min_words=200000\): expected at most max_words, which is 100000"),
        ("gopher.max_top_ngram=(1,)", r"GopherRepetition\(max_top_ngram=\(1,\)\): expected a tuple"),
    ],
)
def test_rules_that_cannot_be(rule, message):
    with pytest.raises(ValueError, match=message):
        rule_name.changed(FINEWEB, [rule])


def test_a_name_of_two_steps_and_one_that_comes_twice():
    with pytest.raises(ValueError, match=r"k fits Keeper.min_score and KeepLanguage.min_score; give the whole name"):
        two = recipe.of_source(
            "x.py", LATE.replace("ExtractText(), ", "ExtractText(), Keeper(), ").replace("RECIPE =", OWN)
        )
        rule_name.changed(two, ["k.min_score=1"])
    with pytest.raises(ValueError, match=r"GopherQuality\.min_words is given more than once"):
        rule_name.changed(FINEWEB, ["gopher.min_words=1", "GopherQuality.min_words=2"])


OWN = """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Keeper:
    min_score: float = 0.5
    def measure(self, text): return {"x": 1.0}
    def reason(self, signals): return None
RECIPE ="""


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "near.bands=3",
            "NearDuplicates looks at all documents: pipelines.refilter makes the corpus with another value",
        ),
        ("first.min_score=0.5", "FirstLook must run again, on pages, which are not stored"),
        (
            "c4.min_words=4",
            "C4Lines, FineWebQuality must run again, on texts as they were before C4Lines wrote them anew",
        ),
        ("language.language=qq", r"KeepLanguage\('qq'\): Lid176 has no such label"),
    ],
)
def test_what_the_corpus_does_not_tell(capsys, sample_corpus, rule, message):
    status, out, err = run(capsys, "--corpus", sample_corpus, "--rule", rule)
    assert (status, out) == (2, "")
    assert re.match(f"error: {message}.*\n$", err)


def test_corpora_that_are_none_or_refiltered(capsys, sample_corpus, copy, tmp_path):
    assert run(capsys, "--corpus", tmp_path, "--rule", "gopher.min_words=3")[2] == (
        f"error: {tmp_path}/manifest.json does not exist: {tmp_path} is no finished corpus; run "
        "pipelines.curate on it\n"
    )
    assert run(capsys, "--diff", sample_corpus, "fineweb")[2] == (
        "error: --diff fineweb: no corpus lies there (it has no manifest.json); where it is a recipe, give --corpus "
        "DIR, the corpus whose pages it decides\n"
    )
    assert run(capsys, "--corpus", sample_corpus, "--diff", sample_corpus, copy)[2] == (
        f"error: --corpus {sample_corpus} is for recipes: {sample_corpus} and {copy} are corpora; leave it out\n"
    )
    assert run(capsys, "--corpus", sample_corpus, "--diff", sample_corpus, "nope")[2].startswith(
        "error: --recipe nope: no such recipe; choose one of "
    )
    assert run(capsys, "--corpus", sample_corpus, "--diff", "fineweb", "refinedweb")[2].startswith(
        "error: --diff refinedweb: "
    )
    held = json.loads((copy / "manifest.json").read_text())
    held["run"]["refiltered_from"] = "elsewhere"
    (copy / "manifest.json").write_text(json.dumps(held))
    assert "was itself made by refilter" in run(capsys, "--corpus", copy, "--rule", "gopher.min_words=3")[2]
    assert "was itself made by refilter" in run(capsys, "--corpus", copy, "--diff", copy, "fineweb")[2]
    held["run"].pop("refiltered_from")
    held["versions"]["lxml"] = "0.1"
    (copy / "manifest.json").write_text(json.dumps(held))
    out = run(capsys, "--corpus", copy, "--rule", "gopher.min_words=3")[1]
    assert out.startswith("made with lxml 0.1, asked with ")
    part = next((copy / "rejected_texts").glob("*2-of-00004.parquet"))
    part.unlink()
    assert run(capsys, "--corpus", copy, "--rule", "gopher.min_words=3")[2] == (
        f"error: {part} does not exist; copy the whole corpus, or make it again\n"
    )


@pytest.mark.parametrize(
    "argv",
    [[], ["--rule", "a.b=1"], ["--corpus", "x", "--rule", "a.b=1", "--diff", "a", "b"], ["--diff", "a"]],
    ids=" ".join,
)
def test_flags_that_do_not_go_together(argv):
    with pytest.raises(SystemExit) as stopped:
        whatif.main(argv)
    assert stopped.value.code == 2


def test_signals_are_read_without_texts_and_are_the_documents(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_ROWS", 3)
    made = [
        document(
            f"text {n}", id=f"a@{n}", offset=n, signals={"odd" if n % 2 else "even": n / 2, **({"all": n} if n else {})}
        )
        for n in range(8)
    ]
    for folder in ("filtered", "rejected_texts", "rejected"):
        schema = REJECTED if folder == "rejected" else DOCUMENTS
        (tmp_path / folder).mkdir()
        with parts.writing(f"{tmp_path}/{folder}/p.parquet", schema, fingerprint="", ledger=Ledger()) as part:
            for number, row in enumerate(made):
                if folder == "rejected" and number % 3 == 0:
                    part.add(Rejection.of(row, step="Rule", reason="why", value=number))
                elif folder != "rejected" and (number % 3 == 0) == (folder == "rejected_texts"):
                    part.add(row)
    found = list(stored_pages.before_duplicates(str(tmp_path), "p"))
    assert [page.id for page in found] == [row.id for row in made]
    assert [page.step for page in found] == ["Rule" if number % 3 == 0 else "" for number in range(8)]
    for page, row in zip(found, made, strict=True):
        assert dict(page.signals) == row.signals
        assert (len(page.signals), "none" in page.signals, page.signals.get("even", -1)) == (
            len(row.signals),
            False,
            row.signals.get("even", -1),
        )
        assert "texts" not in vars(page.group) and "rows" not in vars(page.group)
    for page, row in zip(stored_pages.before_duplicates(str(tmp_path), "p"), made, strict=True):
        assert (page.text(), page.document()) == (row.text, row)


def test_tokens_of_many_documents_are_told_by_some():
    class Words:
        def __init__(self):
            self.count = 0

        def encode(self, texts):
            self.count += len(texts)
            return [np.zeros(len(text.split()) + 1) for text in texts]

    numbers = np.random.default_rng(0).integers(1, 200, 20_000)
    pages = [(StoredPage(f"a@{n}", "http://a.example/", n), "word " * size) for n, size in enumerate(numbers)]
    exact = sum(size + 1 for size in numbers)
    told = []
    for order in (pages, pages[::-1]):
        encoder = Words()
        tally = Tally(encoder, 2)
        for page, text in order:
            tally.add(page, Outcome("Rule", "why", 1.0, str), text)
        assert (tally.documents, tally.characters, tally.is_estimate) == (20_000, 5 * sum(numbers), True)
        assert encoder.count < 4 * MEASURED  # of 20,000
        told.append((tally.tokens, tally.samples))
    assert told[0] == told[1]
    assert abs(told[0][0] / exact - 1) < 0.002
    few = Tally(Words(), 2)
    for page, text in pages[:MEASURED]:
        few.add(page, Outcome("Rule", "why", 1.0, str), text)
    assert (few.tokens, few.is_estimate) == (sum(size + 1 for size in numbers[:MEASURED]), False)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [RULES[5]], ids=" ".join)
def test_the_answer_is_what_a_run_with_the_new_recipe_gives(capsys, sample_corpus, sample_flags, tmp_path, rules):
    new, changes = rule_name.changed(FINEWEB, rules)
    source = SOURCE
    for name in {change.step for change in changes}:
        source = re.sub(rf"{name}\(.*\),\n", f"{changed_step(new, name)!r},\n", source)
    (tmp_path / "mine.py").write_text(source.replace("RECIPE =", "from curation.identifiers import Lid176\nRECIPE ="))
    output = tmp_path / "corpus"
    flags = ["--recipe", f"{tmp_path}/mine.py", "--output", str(output), "--workers", "2"]
    assert curate.main([*sample_flags, *flags]) == 0
    capsys.readouterr()
    found = asked(capsys, sample_corpus, *rules)
    before, now = rows(sample_corpus / "filtered"), rows(output / "filtered")
    final = rows(sample_corpus / "documents")
    assert {it["id"] for it in found["samples"]["gained"]} == now.keys() - before.keys()
    assert {it["id"] for it in found["samples"]["lost"]} == (before.keys() - now.keys()) & final.keys()
    assert found["lost"]["documents"] == len(before.keys() - now.keys())
    assert found["gained"]["characters"] == sum(len(now[id].text) for id in now.keys() - before.keys())

    told = json.loads(run(capsys, "--diff", sample_corpus, output, "--samples", 10**6, "--json")[1])
    last = rows(output / "documents")
    assert {it["id"] for it in told["samples"]["only_a"]} == final.keys() - last.keys()
    assert {it["id"] for it in told["samples"]["only_b"]} == last.keys() - final.keys()
    assert told["other_texts"] == sum(final[id].text != last[id].text for id in final.keys() & last.keys())
    assert (
        told["pages"]
        == 243
        == told["both"] + told["neither"] + told["only_a"]["documents"] + told["only_b"]["documents"]
    )
