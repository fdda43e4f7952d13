"""Documents decided anew by what a corpus stores are those that a run with the new recipe gives."""

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from curation import recipe, refilter, stored_recipe
from curation.extract import ExtractText
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality
from curation.walk import steps_of_document
from pipelines import curate
from pipelines import refilter as command_line
from tests import prose
from tests.test_walk import document

KEEP, QUALITY, LINES, FINEWEB = KeepLanguage("en"), GopherQuality(), C4Lines(end_mark=False), FineWebQuality()
OLD = Recipe("old", "a test", (FirstLook(), ExtractText(), KEEP, QUALITY, LINES, FINEWEB))


def plan(*steps, old=OLD):
    return refilter.plan(stored_recipe.of_recipe(old), Recipe("new", "a test", steps))


def test_thresholds_alone_need_no_text():
    lower = dataclasses.replace(QUALITY, min_words=3)
    found = plan(*OLD.steps[:3], lower, LINES, FINEWEB)
    assert (found.decided, found.changed, found.run) == ((KEEP, lower, LINES, FINEWEB), ("GopherQuality",), ())


def test_steps_behind_the_last_edit_run_on_stored_texts():
    other = dataclasses.replace(FINEWEB, short_line=20)  # which is measured with
    assert (found := plan(*OLD.steps[:-1], other)).run == (other,) and found.decided == (KEEP, QUALITY, LINES)
    assert plan(*OLD.steps[:-1]).run == ()


@pytest.mark.parametrize(
    "steps, again",
    [
        ((FirstLook(min_words=50), *OLD.steps[1:]), "FirstLook must run again, on pages"),
        (OLD.steps[1:], "FirstLook must run again, on pages"),
        ((OLD.steps[0], ExtractText(cpu_seconds=9), *OLD.steps[2:]), "ExtractText must run again, on pages"),
        ((*OLD.steps[:4], C4Lines(), FINEWEB), "C4Lines, FineWebQuality must run again, on texts as they were before"),
        ((*OLD.steps[:4], FINEWEB), "FineWebQuality must run again, on texts as they were before C4Lines wrote"),
        (OLD.steps[:4], "C4Lines must run again, on texts as they were before C4Lines wrote"),
        ((*OLD.steps[:2], KEEP, LINES, FINEWEB), "C4Lines, FineWebQuality must run again, on texts"),
    ],
    ids=range(7),
)
def test_what_must_run_again_is_named(steps, again):
    with pytest.raises(ValueError, match=re.escape(again)) as caught:
        plan(*steps)
    assert "run pipelines.curate with the new recipe" in str(caught.value)


def test_a_rule_whose_code_may_be_another_is_run_again():
    text = (
        "import dataclasses\nfrom curation.extract import ExtractText\nfrom curation.recipe import Recipe\n"
        "@dataclasses.dataclass(frozen=True)\nclass Mine:\n    most: int = 3\n    THRESHOLDS = ('most',)\n"
        "    def measure(self, text):\n        return {'size': len(text.content)}\n"
        "    def reason(self, signals):\n        return ('long', 'size') if signals['size'] > self.most else None\n"
        "RECIPE = Recipe('own', 'a test', (ExtractText(), Mine()))\n"
    )
    old = recipe.of_source("own.py", text)
    same = refilter.plan(stored_recipe.of_recipe(old), recipe.of_source("own.py", text))
    assert ([type(step).__name__ for step in same.decided], same.run) == (["Mine"], ())
    other = refilter.plan(stored_recipe.of_recipe(old), recipe.of_source("own.py", text.replace("> self", ">= self")))
    assert (other.decided, [type(step).__name__ for step in other.run]) == ((), ["Mine"])


TEXTS = {
    "prose": prose.text(1).replace(". ", ".\n"),
    "short": "The river and the boat have a bell.",
    "german": "Der Fluss und das Boot haben eine Glocke, und niemand weiß, wer sie zuletzt geläutet hat.",
    "policy": "Here is our privacy policy.\nAnd the river, and the boat that we have.\nNobody rings the bell.",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("min_words", [1, 5, 10, 50])
@pytest.mark.parametrize("min_sentences", [1, 2, 5])
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_document_is_decided_as_if_it_were_new(name, min_words, min_sentences, language):
    quality, lines = GopherQuality(min_words=min_words), dataclasses.replace(LINES, min_sentences=min_sentences)
    steps = (KeepLanguage(language), quality, lines, dataclasses.replace(FINEWEB, min_terminal_lines=0.9))
    fresh, stored = document(TEXTS[name], signals={"warc_truncated": 1.0}), None
    *_, stored = steps_of_document(fresh, OLD.steps[2:])
    *_, expected = steps_of_document(fresh, steps)
    by = stored.step if stored.rejected else None
    found = refilter.decide(stored.rejected or stored.outcome, by, plan(*OLD.steps[:2], *steps))
    assert found.outcome == expected.outcome
    if expected.rejected:
        assert dataclasses.replace(found.rejected, text="") == dataclasses.replace(expected.rejected, text="")


def digests(corpus: Path) -> dict[str, str]:
    files = (path for path in sorted(corpus.rglob("*")) if path.is_file() and path.name != "manifest.json")
    found = {str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {name: digest for name, digest in found.items() if not name.startswith("rejected_texts/")}


@pytest.mark.slow
def test_a_corpus_decided_anew_is_the_one_that_a_run_makes(sample_corpus, sample_flags, tmp_path, capsys):
    _, text = recipe.read_source("fineweb")
    text = text.replace('KeepLanguage("en", min_score=0.65)', 'KeepLanguage("en", min_score=0.4)')
    text = text.replace("GopherQuality()", "GopherQuality(min_words=30, min_mean_word_length=3.9)")
    text = text.replace("min_sentences=5", "min_sentences=3").replace("min_similarity=0.8", "min_similarity=0.9")
    (tmp_path / "mine.py").write_text(text)
    flags = ["--recipe", str(tmp_path / "mine.py")]
    anew, again = tmp_path / "anew", tmp_path / "again"
    assert command_line.main(["--corpus", str(sample_corpus), *flags, "--output", str(anew), "--workers", "1"]) == 0
    assert "with other thresholds: KeepLanguage, GopherQuality, C4Lines\n" in capsys.readouterr().out
    assert curate.main([*sample_flags, *flags, "--output", str(again), "--workers", "2"]) == 0
    assert digests(anew) == digests(again) != digests(sample_corpus)

    assert command_line.main(["--corpus", str(anew), "--recipe", "fineweb", "--output", str(tmp_path / "more")]) == 1
    assert f"give --corpus {sample_corpus}, which it was made from" in capsys.readouterr().err
    assert command_line.main(["--corpus", str(sample_corpus), "--recipe", "c4"]) == 1
    assert "must run again, on pages, which are not stored" in capsys.readouterr().err
    assert not Path(f"{sample_corpus}-c4").exists()
