import hashlib
import os
import random

import langdetect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langdetect.detector_factory import DetectorFactory

from curation import identifiers, language, train_fasttext
from curation.identifiers import FastTextModel, Langdetect, Lid176
from curation.language import KeepLanguage

ENGLISH = "The river rose in the night and carried the old bridge away before anyone in the village had woken."
GERMAN = "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war."
MIXED = "Die river the Brücke and und bridge Fluss " * 3  # no text of any language: chance decides
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A fastText model of two languages, with labels as GlotLID has them."""
    folder = tmp_path_factory.mktemp("model")
    lines = [f"__label__eng_Latn {ENGLISH}", f"__label__deu_Latn {GERMAN}"] * 20
    (folder / "train.txt").write_text("\n".join(lines) + "\n", "utf-8")
    trained = train_fasttext.train(str(folder / "train.txt"), train_fasttext.Settings(buckets=1000))
    train_fasttext.saved(trained, str(folder / "lid.bin"))
    return str(folder / "lid.bin")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("text", ["", "\n", ENGLISH, GERMAN, MIXED, "a\nb\r\nc"])
def test_lid176_is_the_model_that_was_always_asked(text):
    assert Lid176().identify(text) == language.identify(text)
    assert Lid176(lower=True).identify(text) == language.identify(text.lower())


def test_lid176_in_capitals():
    assert Lid176(lower=True).identify(GERMAN.upper()) == Lid176(lower=True).identify(GERMAN)
    assert Lid176().identify(GERMAN.upper()) != Lid176().identify(GERMAN)


def test_labels_and_check_of_what_needs_no_path():
    assert (len(Lid176().labels()), len(Langdetect().labels())) == (176, 55)
    assert {"en", "de", "zh-cn", "zh-tw"} <= Langdetect().labels()
    Lid176().check()
    Langdetect().check()


def test_a_model_by_path(model):
    asked = FastTextModel(model, sha256(model))
    asked.check()
    assert asked.labels() == {"eng_Latn", "deu_Latn"}
    assert [asked.identify(text)[0] for text in (ENGLISH, GERMAN)] == ["eng_Latn", "deu_Latn"]
    assert asked.identify(ENGLISH.replace(" ", "\n")) == asked.identify(ENGLISH)
    assert asked.identify(" \n") == ("", 0.0)
    assert FastTextModel(f"file://{model}", sha256(model)).identify(GERMAN) == asked.identify(GERMAN)


def test_what_glotlid_sees(model):
    plain, glotlid = (FastTextModel(model, sha256(model), normalize) for normalize in ("plain", "glotlid"))
    assert glotlid.identify(f"12: {ENGLISH} # 3 | • {{ 45\n\n67") == plain.identify(ENGLISH)
    assert plain.identify(f"12: {ENGLISH} # 3 | • {{ 45") != plain.identify(ENGLISH)
    assert glotlid.identify("12:34 |") == ("", 0.0)
    with pytest.raises(ValueError) as caught:
        FastTextModel(model, "", "GlotLID")
    assert str(caught.value) == "FastTextModel(normalize='GlotLID'): expected one of 'plain', 'glotlid'"


def test_a_model_that_is_not_there_is_said_when_it_is_checked(tmp_path):
    step = KeepLanguage("deu_Latn", identifier=FastTextModel("models/glotlid.bin", "0" * 64))  # a recipe can be read
    with pytest.raises(ValueError) as caught:
        step.check()
    assert str(caught.value) == (
        "FastTextModel('models/glotlid.bin') cannot be read: No such file or directory; check the path"
    )


def test_another_model_or_none_is_said(model, tmp_path):
    with pytest.raises(ValueError) as caught:
        FastTextModel(model, "0" * 64).check()
    assert str(caught.value) == (
        f"FastTextModel({model!r}) has sha256 {sha256(model)}, expected {'0' * 64}; take the model that the recipe was "
        "made with, or put the new digest into the recipe"
    )
    other = tmp_path / "list.txt"
    other.write_text("no model")
    with pytest.raises(ValueError, match=r"^FastTextModel\('.*list.txt'\) is no fastText model: .*wrong file format"):
        FastTextModel(str(other), sha256(other)).check()


def test_a_label_that_the_model_does_not_have_is_said(model):
    asked = FastTextModel(model, sha256(model))
    KeepLanguage("deu_Latn", identifier=asked, min_scores=(("eng_Latn", 0.5),)).check()
    KeepLanguage("*", identifier=asked).check()
    with pytest.raises(ValueError) as caught:
        KeepLanguage("de", identifier=asked).check()
    assert str(caught.value) == "KeepLanguage('de'): FastTextModel has no such label; of its 2 start alike: deu_Latn"


@pytest.mark.slow
def test_langdetect_does_not_depend_on_what_was_asked_before(monkeypatch):
    first = Langdetect().identify(MIXED)
    monkeypatch.setattr(DetectorFactory, "seed", 7)
    random.seed(3)
    Langdetect(seed=5).identify(GERMAN)
    Langdetect().identify(ENGLISH)
    assert Langdetect().identify(MIXED) == first
    assert len({Langdetect(seed).identify(MIXED) for seed in range(4)}) > 1  # so chance it is


def test_langdetect_does_not_depend_on_how_a_disk_lists_files(monkeypatch):
    first, listed = Langdetect().identify(MIXED), os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listed(path), reverse=True))
    assert identifiers._langdetect.__wrapped__(0).get_lang_list() == sorted(Langdetect().labels())
    assert Langdetect().identify(MIXED) == first


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, ENGLISH * 3 + GERMAN, f"{GERMAN} http://a.example/b {ENGLISH}"])
def test_langdetect_is_the_package_with_its_seed(text, monkeypatch):
    monkeypatch.setattr(DetectorFactory, "seed", 0)
    (best, *_), found = langdetect.detect_langs(text), Langdetect().identify(text)
    assert (found[0], found[1]) == (best.lang, pytest.approx(best.prob, abs=1e-6))


@pytest.mark.parametrize("text", ["", " \n", "12345", "http://a.example/b", "[[[["])
def test_langdetect_of_a_text_without_letters(text):
    assert Langdetect().identify(text) == ("", 0.0)


@given(text=ANY_TEXT)
@settings(max_examples=60, deadline=None)
def test_no_identifier_raises(text, model):
    for identifier in (Lid176(), Lid176(lower=True), Langdetect(), FastTextModel(model, sha256(model), "glotlid")):
        label, score = identifier.identify(text)
        assert (label in identifier.labels() or (label, score) == ("", 0.0)) and 0 <= score < 1.001


@pytest.mark.parametrize("run", ["a", "a@", "a ", "http://a ", "a\u0301", "我", "["])
def test_langdetect_takes_bounded_time(run):
    """It looks at the text's first 10,000 characters, after patterns that are asked for 200,000."""
    text = (run * 1_000_000)[:1_000_000]
    assert Langdetect().identify(text) == Langdetect().identify(text[:200_000])


def test_c4_keeps_what_is_certain_enough():
    step = KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True)
    assert step.reason(*step.identify(ENGLISH)) is None
    assert step.reason(*step.identify(GERMAN)) == "other_language"
    assert step.reason("en", 0.99) is None
    assert step.reason("en", 0.9899) == "uncertain_language"
    step.check()
