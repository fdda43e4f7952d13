"""The step QualityClassifier, the best share of scores, and how well scores tell classes apart."""

import hashlib
import math
import random

import numpy as np
import pytest

from curation import classify, fasttext_model, separation, top_share, train_fasttext
from curation.classify import QualityClassifier
from curation.text import Text
from curation.top_share import TopShare
from curation.train_fasttext import Settings

GOOD = "The cell takes in water through its wall, and so it grows until it divides."
POOR = "Click here to win! Best price, free shipping, sign up now!!!"
TINY = Settings(epochs=20, dim=8, buckets=1000)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that tells two sentences apart, and its digest."""
    folder = tmp_path_factory.mktemp("model")
    lines = folder / "lines.txt"
    lines.write_text(f"{classify.HIGH} {GOOD}\n{classify.LOW} {POOR}\n" * 30)
    path = folder / "model.bin"
    train_fasttext.saved(train_fasttext.train(str(lines), TINY), str(path))
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_score_is_the_probability_of_the_label(model, capfd):
    step = QualityClassifier(*model, min_score=0.5)
    good, poor = step.measure(Text(GOOD)), step.measure(Text(POOR))
    assert good["quality_score"] > 0.9 > 0.1 > poor["quality_score"]
    assert (step.reason(good), step.reason(poor)) == (None, ("low_quality", "quality_score"))
    assert capfd.readouterr() == ("", "")


def test_the_other_label_has_the_rest(model):
    other = QualityClassifier(*model, label=classify.LOW)
    for text in (GOOD, POOR):
        both = [step.measure(Text(text))["quality_score"] for step in (QualityClassifier(*model), other)]
        assert sum(both) == pytest.approx(1, abs=1e-6)


def test_the_less_probable_of_two_labels_has_one_less_the_others_as_dclm_counts(model):
    classifier = fasttext_model.read(model[0])
    (top, name), _ = classifier.f.predict(POOR + "\n", -1, 0.0, "strict")
    assert (name, classify.score(classifier, POOR)) == (classify.LOW, 1.0 - top)


def test_the_least_score_is_kept():
    step = QualityClassifier("no file", "0", min_score=0.018112)
    assert step.reason({"quality_score": 0.018112}) is None
    assert step.reason({"quality_score": 0.018111}) == ("low_quality", "quality_score")


def test_by_default_nothing_is_rejected():
    assert QualityClassifier("no file", "0").reason({"quality_score": -1e-5}) is None


@pytest.mark.parametrize("text", ["", " ", "\n\t\x0c\u2028"])
def test_a_text_without_words_scores_nothing(model, text):
    assert QualityClassifier(*model).measure(Text(text)) == {"quality_score": 0.0}


@pytest.mark.parametrize(
    "text", ["\0", "</s>", classify.HIGH, "x" * 1_000_000, "a " * 500_000, "\x85a\x1cb", "日本" * 9]
)
def test_any_text_has_a_finite_score(model, text):
    assert 0 < QualityClassifier(*model).measure(Text(text))["quality_score"] < 1


def test_line_breaks_are_blanks_and_everything_else_stays():
    assert classify.normalised(" \nOne,  Two\r\nTHREE\n\n4\n") == "One,  Two THREE  4"


def test_a_page_cannot_label_itself_nor_end_its_line(model):
    step = QualityClassifier(*model)
    for marker in (classify.HIGH, "</s>"):
        assert marker not in classify.normalised(f"{marker} {POOR}").split()
    hidden = step.measure(Text(f"</s> {POOR}"))["quality_score"]
    assert hidden < 0.2  # fastText itself would not read on
    assert step.measure(Text("</s>"))["quality_score"] > hidden


def test_check_says_what_is_wrong(model, tmp_path):
    path, sha256 = model
    QualityClassifier(path, sha256).check()
    with pytest.raises(ValueError, match=r"has sha256 .*, expected 0000; take the model"):
        QualityClassifier(path, "0000").check()
    with pytest.raises(ValueError, match="cannot be read: No such file or directory; check the path"):
        QualityClassifier(str(tmp_path / "none.bin"), sha256).check()
    with pytest.raises(ValueError, match="knows __label__hq, __label__cc; give one of these"):
        QualityClassifier(path, sha256, label="__label__good").check()
    other = tmp_path / "text.bin"
    other.write_text("no model")
    with pytest.raises(ValueError, match="wrong file format"):
        QualityClassifier(str(other), hashlib.sha256(b"no model").hexdigest()).check()


def test_a_changed_model_is_refused(model, tmp_path):
    path, sha256 = model
    with open(path, "rb") as file:
        content = bytearray(file.read())
    content[-1] ^= 1
    changed = tmp_path / "changed.bin"
    changed.write_bytes(content)
    with pytest.raises(ValueError, match="has sha256"):
        QualityClassifier(str(changed), sha256).measure(Text(GOOD))


@pytest.mark.parametrize("min_score", [-0.1, 1.1, math.nan])
def test_scores_that_cannot_be_meant(min_score):
    with pytest.raises(ValueError, match=r"QualityClassifier\(min_score="):
        QualityClassifier("path", "0", min_score=min_score)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [Settings(dim=10, buckets=10_000), Settings(seed=7, dim=3, buckets=700), Settings(word_ngrams=1)]
)
def test_the_same_lines_and_settings_give_the_same_bytes_whatever_memory_held_before(tmp_path, settings):
    """fastText 0.9.3 alone trains from what it finds in memory, and mostly ends with "Encountered NaN"."""
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{classify.HIGH} {GOOD}\n{classify.LOW} {POOR}\n" * 30)
    found = set()
    for number in range(4):
        for fill in (float("nan"), 1.5):
            rubbish = [np.full(size * 997, fill) for size in range(1, 120)]
            del rubbish
        path = tmp_path / f"{number}.bin"
        train_fasttext.saved(train_fasttext.train(str(lines), settings), str(path))
        found.add(path.read_bytes())
    assert len(found) == 1


def test_other_seeds_give_other_models(tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{classify.HIGH} {GOOD}\n{classify.LOW} {POOR}\n")
    models = [train_fasttext.train(str(lines), Settings(seed=seed, dim=4, buckets=100)) for seed in (1, 2)]
    first, second = (np.array(model.f.getInputMatrix()) for model in models)
    assert not np.array_equal(first, second)


def test_settings_that_diverge_are_an_error(tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{classify.HIGH} {GOOD}\n{classify.LOW} {POOR}\n" * 30)
    with pytest.raises(ValueError, match="lower --learning-rate"):
        train_fasttext.train(str(lines), Settings(dim=4, buckets=100, learning_rate=1e30))


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"dim": 0}, {"buckets": -1}, {"seed": -1}, {"seed": 2**31}, {"learning_rate": 0.0}]
)
def test_settings_that_cannot_be_meant(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


@pytest.mark.parametrize(
    "share, kept", [(0.1, 3), (0.3, 9), (1.0, 30), (0.11, 4), (1 / 3, 10), (0.0001, 1), (0.999, 30)]
)
def test_a_share_is_exact(share, kept):
    scores = np.random.default_rng(5).permutation(30) / 7
    least = top_share.threshold(scores, share)
    assert (scores >= least).sum() == kept
    assert least in scores


def test_ties_are_kept_and_order_does_not_count():
    scores = [0.2, 0.9, 0.5, 0.5, 0.5, 0.1]
    for _ in range(10):
        random.shuffle(scores)
        assert top_share.threshold(np.array(scores), 0.4) == 0.5  # three of six, of which the last has two equals


def test_nothing_to_share():
    assert top_share.threshold(np.array([]), 0.1) == -math.inf


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, math.nan])
def test_shares_that_cannot_be_meant(share):
    with pytest.raises(ValueError, match="share"):
        top_share.threshold(np.ones(3), share)
    with pytest.raises(ValueError, match=r"TopShare\(share="):
        TopShare("quality_score", share)


def test_scores_that_are_no_numbers():
    with pytest.raises(ValueError, match="1 NaN"):
        top_share.threshold(np.array([0.5, math.nan]), 0.1)
    with pytest.raises(ValueError, match="signal"):
        TopShare("", 0.1)


def test_auc_is_how_often_a_positive_is_above_a_negative():
    generator = np.random.default_rng(3)
    scores, is_positive = generator.integers(0, 9, 60) / 9, generator.random(60) < 0.3
    pairs = [(a > b) + (a == b) / 2 for a in scores[is_positive] for b in scores[~is_positive]]
    assert separation.auc(scores, is_positive) == pytest.approx(np.mean(pairs))
    assert separation.auc(np.arange(4), np.array([False, False, True, True])) == 1.0


def test_cuts_keep_most_positives_for_the_negatives_they_let_through():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    is_positive = np.array([True, True, False, True, False, False])
    found = separation.cuts(scores, is_positive, (0.0, 0.01, 0.34, 1.0))
    assert [(cut.threshold, cut.recall, cut.false_positive_rate) for cut in found] == [
        (0.8, 2 / 3, 0.0),
        (0.6, 1.0, 1 / 3),
        (0.4, 1.0, 1.0),
    ]
    assert (found[1].precision, found[1].share_kept) == (3 / 4, 4 / 6)
