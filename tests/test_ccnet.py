"""CCNet's dialect: what makes two paragraphs one, and perplexities computed by hand."""

import hashlib
import io

import pytest

from curation.dedup.paragraph_key import paragraph_key
from curation.rules import ccnet_text
from curation.rules.ccnet import MinCharacters, PerplexityBuckets
from curation.text import Text
from tests.cpu_limit import cpu_limit


@pytest.mark.parametrize(
    "line, normalized",
    [
        ("  The Boat left at 7:45. ", "the boat left at 0:00."),
        ("Straße", "straße"),
        ("Café", "café"),  # accents stay here
        ("“Wait…” – he said。", "wait  he said"),
        ("one, two. three!", "one, two. three!"),  # marks of ASCII stay
        ("１２ ٣ ४", "00 0 0"),  # digits of any script; the full-width one is a digit first
        ("a\x07b\x7fc\x9fd\te", "abcde"),
        ("a\u00a0b", "a\u00a0b"),
        ("–—…", ""),
        ("", ""),
    ],
)
def test_a_paragraph_is_normalised(line, normalized):
    assert ccnet_text.for_paragraphs(line) == normalized
    assert paragraph_key(line) == hashlib.sha1(normalized.encode()).digest()[:8]


@pytest.mark.parametrize(
    "other", [" ALL RIGHTS RESERVED, 1999 ", "all rights reserved, 2024", "All rights reserved, 0000…"]
)
def test_paragraphs_that_are_one(other):
    assert paragraph_key("All rights reserved, 2011") == paragraph_key(other)


@pytest.mark.parametrize(
    "other", ["All rights reserved 2011", "All rights reserved, 201", "All rights reserved, 2011."]
)
def test_paragraphs_that_are_not(other):
    assert paragraph_key("All rights reserved, 2011") != paragraph_key(other)


@pytest.mark.parametrize(
    "text, normalized",
    [
        (" Crème Brûlée, 1984 ", "creme brulee, 0000"),
        ("“Wait…” — he said。", '"wait..."  -  he said.'),
        ("one.\ntwo", "one.two"),  # a line break is what does not print
        ("１", "0"),
        ("Ａ．Ｂ", "ａ. ｂ"),
        ("e\u0301\u0323a", "ea"),
        ("", ""),
    ],
)
def test_a_text_is_normalised_for_the_model(text, normalized):
    assert ccnet_text.for_model(text) == normalized


@pytest.mark.parametrize(
    "text", ["\u0301\u0323" * 500_000, "\U0001d165\u302e" * 500_000, "…" * 1_000_000, "１" * 1_000_000]
)
def test_normalising_takes_linear_time(text):
    with cpu_limit():
        ccnet_text.for_model(text)
        ccnet_text.for_paragraphs(text)


@pytest.mark.parametrize(
    "text, reason", [("é" * 299, "too_few_characters"), ("é" * 300, None), ("", "too_few_characters")]
)
def test_min_characters(text, reason):
    rule = MinCharacters()
    signals = rule.measure(Text(text))
    found = rule.reason(signals)
    assert (signals, found and found[0]) == ({"num_characters": len(text)}, reason)


# log10 probabilities and back-offs; <s> and </s> are the ends of a sentence.
ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-2.0\t<unk>
0\t<s>\t-0.5
-1.0\t</s>
-0.7\t▁river\t-0.25
-0.9\t▁boat\t-0.125

\\2-grams:
-0.3\t<s> ▁river
-0.4\t▁river ▁boat
-0.2\t▁boat </s>

\\end\\
"""


class Words:
    """In place of SentencePiece: a piece for each word."""

    def encode(self, text, out_type):
        return [f"▁{word}" for word in text.split()]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("kenlm")
    path = tmp_path / "tiny.arpa"
    path.write_text(ARPA)
    return path


@pytest.fixture
def rule(model, monkeypatch):
    monkeypatch.setattr("curation.rules.ccnet._sentence_pieces", lambda path, sha256: Words())
    return PerplexityBuckets(str(model), digest(model), "unused.model", "")


@pytest.mark.parametrize(
    "text, log_score, length",
    [
        ("River boat", -0.3 - 0.4 - 0.2, 3),
        ("river\nBoat river boat", (-0.5 - 2.0) - 0.7 - 0.4 - 0.2, 4),  # an unknown "riverboat", and two more words
        ("boat", (-0.5 - 0.9) - 0.2, 2),
        ("river", -0.3 + (-0.25 - 1.0), 2),
        ("heron", (-0.5 - 2.0) - 1.0, 2),
    ],
)
def test_perplexity_by_hand(rule, text, log_score, length):
    """The probability of each piece after the one before; where the pair is unknown, back-off and the piece alone."""
    assert rule.measure(Text(text)) == {"perplexity": round(10 ** (-log_score / length), 1)}


def test_a_text_without_pieces_or_of_another_language_has_no_perplexity_and_passes(rule):
    for text in (Text(""), Text(" \n "), Text("\x07"), Text("river boat", language="de")):
        assert rule.measure(text) == {"perplexity": -1.0}
    assert rule.reason({"perplexity": -1.0}) is None
    assert rule.bucket(-1.0) == "all"


@pytest.mark.parametrize(
    "perplexity, bucket", [(0.0, "head"), (339.9, "head"), (340.0, "middle"), (519.9, "middle"), (520.0, "tail")]
)
def test_buckets(perplexity, bucket):
    for keep in [("head",), ("middle",), ("tail",), ("head", "middle")]:
        rule = PerplexityBuckets("m", "", "t", "", keep=keep)
        expected = None if bucket in keep else (f"perplexity_{bucket}", "perplexity")
        assert rule.reason({"perplexity": perplexity}) == expected
        assert rule.bucket(perplexity) == bucket


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"head": -1.0}, "PerplexityBuckets(head=-1.0): expected at least 0"),
        ({"head": 9.0, "middle": 3.0}, "PerplexityBuckets(head=9.0): expected at most middle, which is 3.0"),
        ({"keep": ("best",)}, "PerplexityBuckets(keep=('best',)): expected some of head, middle, tail"),
        ({"keep": ()}, "PerplexityBuckets(keep=()): expected some of head, middle, tail"),
    ],
)
def test_impossible_thresholds(fields, message):
    with pytest.raises(ValueError) as caught:
        PerplexityBuckets("m", "", "t", "", **fields)
    assert str(caught.value) == message


def test_a_length_below_zero_is_impossible():
    with pytest.raises(ValueError, match=r"MinCharacters\(min_characters=-1\): expected at least 0"):
        MinCharacters(-1)


def test_with_a_tokenizer_of_sentencepiece(model, tmp_path):
    """The pieces are those of the tokenizer, and the score is that of the pieces."""
    sentencepiece = pytest.importorskip("sentencepiece")
    trained = io.BytesIO()
    lines = ["river boat", "boat river", "river river boat", "boat"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=trained, vocab_size=16, hard_vocab_limit=False, minloglevel=2
    )
    tokenizer = tmp_path / "tiny.model"
    tokenizer.write_bytes(trained.getvalue())
    rule = PerplexityBuckets(str(model), digest(model), str(tokenizer), digest(tokenizer))
    rule.check()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue()).encode("river boat", out_type=str)
    score = {("▁river", "▁boat"): -0.3 - 0.4 - 0.2}[tuple(pieces)]
    assert rule.measure(Text("River  BOAT")) == {"perplexity": round(10 ** (-score / 3), 1)}
    with pytest.raises(ValueError, match="is no model of SentencePiece"):
        PerplexityBuckets(str(model), digest(model), str(model), digest(model)).check()


def test_check_names_what_is_wrong_with_a_model(model, tmp_path):
    sha256 = digest(model)
    other = tmp_path / "other.bin"
    other.write_bytes(b"no model")
    cases = [
        (str(tmp_path / "none.arpa"), sha256, r"none\.arpa'\) cannot be read: No such file or directory"),
        (str(model), "0" * 64, rf"has sha256 {sha256}, expected {'0' * 64}; take the model"),
        ("gs://bucket/en.arpa.bin", sha256, "expected a path on the disk of each machine"),
        (str(other), digest(other), "is no model of KenLM"),
    ]
    for path, expected, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            PerplexityBuckets(path, expected, "unused.model", "").check()
        assert "\n" not in str(caught.value)


def test_check_names_a_missing_package(model, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "kenlm" else found(name))
    with pytest.raises(ValueError, match=r"kenlm missing; pip install '\.\[perplexity\]'"):
        PerplexityBuckets(str(model), digest(model), "unused.model", "").check()
