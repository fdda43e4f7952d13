import dataclasses
import gzip
import json
import math
import os
import types

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import zstandard
from hypothesis import given
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn import functional

from tests import tiny_corpus
from tests.tiny_corpus import END_OF_TEXT, VOCAB_SIZE, encode, texts, write_corpus
from trainers import evaluate, options, pretrain, specials, text_scores
from trainers.models import decoder, encoder, replaced
from trainers.models.sizes import Size
from trainers.text_scores import Window, cuts, packed, ratio

TINY = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)
LENGTH = 32  # tokens in a row
TRAIN, HELD_OUT = texts(8, seed=1), texts(12, seed=2)


def byte_tokenizer():
    """A token for each byte, its own number, and the end of text, as `tiny_corpus.encode` has them; then a mask."""
    alphabet = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that GPT-2's encoder.py writes as they are
    others = [byte for byte in range(256) if byte not in alphabet]
    letters = {**{chr(byte): byte for byte in alphabet}, **{chr(256 + n): byte for n, byte in enumerate(others)}}
    made = Tokenizer(models.BPE(vocab=letters, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    return made.to_str().encode()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "corpus"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_corpus, "TOKENIZER", byte_tokenizer())
        return write_corpus(folder, [TRAIN], [HELD_OUT[:5], HELD_OUT[5:]])


@pytest.fixture
def trained(monkeypatch):
    """Makes runs with untrained models by name; gives what `trainers.trained.load` would of each."""
    found = {}

    def make(name, objective="causal", *, seed=1, tokenizer=None, mask_id=None, **changes):
        build = {"causal": decoder, "masked": encoder, "replaced": replaced}[objective].build
        model = build(TINY, vocab_size=VOCAB_SIZE, sequence_length=LENGTH, seed=seed)
        settings = options.resolve({"objective": objective, "sequence_length": LENGTH, "micro_rows": 3, **changes})
        tokenizer = tokenizer or byte_tokenizer()
        about = specials.read(tokenizer, end_of_text_id=END_OF_TEXT, vocab_size=VOCAB_SIZE)
        about = dataclasses.replace(about, mask_id=mask_id)
        run = types.SimpleNamespace(settings=settings, vocab_size=VOCAB_SIZE, end_of_text_id=END_OF_TEXT)
        found[name] = types.SimpleNamespace(model=model.eval(), run=run, step=7, tokenizer=tokenizer, specials=about)
        return found[name]

    monkeypatch.setattr(evaluate, "load", lambda folder, step, device: found[folder])
    return make


@pytest.fixture
def command(capsys):
    """Runs the command line; gives what it printed as JSON lines, or as text with `plain`."""

    def run(*flags, plain=False, fails=False):
        code = evaluate.main([*flags, *([] if plain or fails else ["--json"])])
        out, err = capsys.readouterr()
        assert code == int(fails), err
        if fails:
            return err
        return out if plain else [json.loads(line) for line in out.splitlines()]

    return run


def write_lines(path, rows):
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


@torch.no_grad()
def plain_nats(model, tokens, *, stride=LENGTH):
    """Token by token: each from as many of those before it as its window has."""
    tokens, total = [END_OF_TEXT, *tokens], 0.0
    for place in range(1, len(tokens)):
        behind = (place - 1 - LENGTH) // stride * stride - (LENGTH - stride) + LENGTH
        first = 0 if place <= LENGTH else behind
        seen = torch.tensor([tokens[first:place]])
        logits = model(seen, torch.zeros_like(seen), torch.arange(seen.shape[1])[None])[0, -1]
        total += float(functional.cross_entropy(logits, torch.tensor(tokens[place])))
    return total


@pytest.mark.parametrize("stride", [LENGTH, 12])
def test_bits_per_byte_are_those_of_a_plain_loop(stride, corpus, trained, command, tmp_path):
    model = trained("RUN").model
    output = f"{tmp_path}/documents.jsonl"
    flags = [] if stride == LENGTH else ["--stride", str(stride)]
    (line,) = command("--run", "RUN", "--corpus", corpus, "--output", output, *flags)
    nats = [plain_nats(model, encode(text), stride=stride) for text in HELD_OUT]
    sizes = [len(text) for text in HELD_OUT]
    assert line["bits_per_byte"] == pytest.approx(sum(nats) / math.log(2) / sum(sizes), rel=1e-5)
    assert line["loss"] == pytest.approx(sum(nats) / (sum(sizes) + 12), rel=1e-5)
    counts = [line[name] for name in ("documents", "bytes", "targets", "step")]
    assert counts == [12, sum(sizes), sum(sizes) + 12, 7]
    with open(output) as file:
        documents = [json.loads(each) for each in file]
    assert [each["nats"] for each in documents] == pytest.approx(nats, rel=1e-5)
    assert [each["bytes"] for each in documents] == sizes
    assert documents[0] == {
        "run": "RUN",
        "step": 7,
        "text": corpus,
        "id": "validation0.warc.gz@0",
        "url": "https://example.org/validation0/0",
        "language": "en",
        "bytes": 0,
        "targets": 1,
        "nats": pytest.approx(nats[0], rel=1e-5),
        "bits_per_byte": None,
    }


def test_text_is_scored_as_the_same_text_in_a_corpus(corpus, trained, command, tmp_path):
    trained("RUN")
    rows = [{"text": text, "lang": "en", "url": f"https://a.example/{n}"} for n, text in enumerate(HELD_OUT)]
    plain = write_lines(tmp_path / "a.jsonl", rows)
    with open(plain, "rb") as file:
        content = file.read()
    half = content.index(b"\n") + 1
    with gzip.open(f"{tmp_path}/b.jsonl.gz", "wb") as file:
        file.write(content)
    with open(f"{tmp_path}/c.jsonl.zst", "wb") as file:  # of two frames
        file.write(zstandard.compress(content[:half]) + zstandard.compress(content[half:]))
    for number, text in enumerate(HELD_OUT[1:3]):
        (tmp_path / f"{number}.txt").write_text(text)
    files = [plain, f"{tmp_path}/b.jsonl.gz", f"{tmp_path}/c.jsonl.zst", f"{tmp_path}/0.txt", f"{tmp_path}/1.txt"]
    lines = command("--run", "RUN", "--corpus", corpus, "--text", *files)
    assert [line["text"] for line in lines] == [corpus, *files]
    for line in lines[1:4]:
        assert {**line, "text": corpus} == lines[0]
    assert [line["bytes"] for line in lines[4:]] == [len(text) for text in HELD_OUT[1:3]]
    assert lines[4]["error"] is None  # nobody knows the spread of one document
    first = command("--run", "RUN", "--corpus", corpus, "--max-documents", "4", "--text", plain)
    assert first[0]["documents"] == first[1]["documents"] == 4
    assert first[0]["bits_per_byte"] == first[1]["bits_per_byte"] != lines[0]["bits_per_byte"]


def test_special_tokens_in_a_text_are_text(trained, command, tmp_path):
    trained("RUN")
    (line,) = command("--run", "RUN", "--text", write_lines(tmp_path / "a.jsonl", [{"text": "<|endoftext|>é"}]))
    assert (line["bytes"], line["targets"]) == (15, 16)


def test_several_runs_are_compared_document_by_document(corpus, trained, command, tmp_path):
    files = [write_lines(tmp_path / f"{n}.jsonl", [{"text": t} for t in texts(5, seed=n)]) for n in (3, 4)]
    models = [trained(name, seed=seed).model for name, seed in (("A", 1), ("B", 2))]
    lines = command("--run", "A", "--run", "B", "--corpus", corpus, "--text", *files)
    assert [(line["text"], line["run"]) for line in lines] == [(t, r) for t in (corpus, *files) for r in "AB"]
    a, b = lines[2:4]
    assert b["difference"] == pytest.approx(b["bits_per_byte"] - a["bits_per_byte"], abs=1e-9)
    chosen = texts(5, seed=3)
    nats = np.array([[plain_nats(model, encode(text)) for text in chosen] for model in models])
    sizes = np.array([len(text) for text in chosen])
    more = (nats[1] - nats[0]) / math.log(2)
    residuals = more - more.sum() / sizes.sum() * sizes
    expected = math.sqrt(5 / 4 * (residuals**2).sum()) / sizes.sum()
    assert b["difference_error"] == pytest.approx(expected, rel=1e-3)
    table = command("--run", "A", "--run", "B", "--corpus", corpus, "--text", *files, plain=True).splitlines()
    assert table[:3] == ["bits per byte and their standard error over documents", "1: A, step 7", "2: B, step 7"]
    assert table[4].split() == ["text", "documents", "bytes", "1", "2", "2", "-", "1"]
    assert f"{a['bits_per_byte']:.4f} ± {a['error']:.4f}" in table[6]
    assert f"{b['difference']:+.4f} ± {b['difference_error']:.4f}" in table[6]


def test_groups_of_languages_and_hosts(trained, command, tmp_path):
    model = trained("RUN").model
    about = [("en", "https://www.a.example/1"), ("en", "https://b.example/2"), ("de", "https://A.example/3")]
    about += [("de", "http://c.example/\x1b[2J"), (None, None)]
    chosen = [text for text in texts(9, seed=3) if text][: len(about)]
    rows = [{"text": text, "language": lang, "url": url} for text, (lang, url) in zip(chosen, about, strict=True)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    sizes = [len(text) for text in chosen]

    lines = command("--run", "RUN", "--text", path, "--by", "language")
    expected = {"en": [0, 1], "de": [2, 3], "-": [4]}
    assert {line["language"]: line["bytes"] for line in lines} == {
        name: sum(sizes[i] for i in numbers) for name, numbers in expected.items()
    }
    assert [line["bytes"] for line in lines] == sorted((line["bytes"] for line in lines), reverse=True)
    for line in lines:
        numbers = expected[line["language"]]
        nats = sum(plain_nats(model, encode(chosen[i])) for i in numbers)
        assert line["bits_per_byte"] == pytest.approx(nats / math.log(2) / line["bytes"], rel=1e-5)

    hosts = command("--run", "RUN", "--text", path, "--by", "host", "--min-bytes", str(sizes[0] + sizes[2]))
    assert [(line["host"], line["documents"]) for line in hosts] == [("a.example", 2), ("others", 3)]
    assert "a.example" in command("--run", "RUN", "--text", path, "--by", "host", "--min-bytes", "1", plain=True)


def test_other_objectives_have_their_own_loss(corpus, trained, command, tmp_path):
    """Of a replaced-token run the weighted sum of two terms; a second look finds the same masks."""
    trained("BERT", "masked", mask_id=0)
    trained("ELECTRA", "replaced", mask_id=0)
    (line,) = command("--run", "BERT", "--corpus", corpus)
    assert "bits_per_byte" not in line
    assert line["loss"] == line["terms"]["loss"] == pytest.approx(math.log(VOCAB_SIZE), rel=0.05)
    assert line["error"] > 0
    again = command("--run", "BERT", "--corpus", corpus, "--micro-rows", "1")[0]
    assert again["targets"] == line["targets"] and again["loss"] == pytest.approx(line["loss"], rel=1e-5)
    (line,) = command("--run", "ELECTRA", "--corpus", corpus, "--output", f"{tmp_path}/documents")
    weights = {"generator": 1.0, "discriminator": 50.0}
    assert line["terms"].keys() == weights.keys()
    assert line["loss"] == pytest.approx(sum(weights[term] * value for term, value in line["terms"].items()))
    text = command("--run", "ELECTRA", "--corpus", corpus, plain=True)
    assert "not bits per byte" in text and "discriminator" in text
    assert "only the losses of causal" in command("--run", "BERT", "--run", "ELECTRA", "--corpus", corpus, fails=True)
    assert "--stride is for causal" in command("--run", "BERT", "--corpus", corpus, "--stride", "4", fails=True)


@given(length=st.integers(1, 200), sequence_length=st.integers(1, 40), data=st.data())
def test_windows_score_each_token_once(length, sequence_length, data):
    stride = data.draw(st.integers(1, sequence_length))
    found = list(cuts(length, sequence_length=sequence_length, stride=stride))
    assert [token for _, start, stop in found for token in range(start, stop)] == list(range(length))
    for first, start, stop in found:
        assert 0 <= first <= start < stop <= first + sequence_length
        assert start == 0 or start - first == sequence_length - stride


@given(lengths=st.lists(st.integers(1, 20), max_size=60))
def test_rows_hold_every_window_once(lengths):
    windows = [Window(n, np.arange(length + 1), length) for n, length in enumerate(lengths)]
    rows = packed(windows, sequence_length=20)
    assert sorted(window.owner for row in rows for window in row) == list(range(len(lengths)))
    assert all(0 < sum(map(len, row)) <= 20 for row in rows)
    assert sum(sum(map(len, row)) <= 10 for row in rows) <= 1


def test_a_score_does_not_depend_on_what_else_is_scored(trained):
    model = trained("RUN").model
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, LENGTH + 1, 30)
    windows = [Window(n, rng.integers(0, 256, length + 1), length) for n, length in enumerate(lengths)]
    passes = text_scores.Passes(4, torch.device("cpu"), "float32")
    together = text_scores.of_windows(model, windows, 30, sequence_length=LENGTH, padding_id=256, passes=passes)
    for n in range(5):
        alone = text_scores.of_windows(
            model, windows[n : n + 1], n + 1, sequence_length=64, padding_id=0, passes=passes
        )
        assert alone.nats[n] == pytest.approx(together.nats[n], rel=1e-5)
        assert alone.correct[n] == together.correct[n]
    assert (together.targets == lengths).all()


def test_the_standard_error_is_that_of_repeated_samples():
    """The deviation of 2,000 estimates, each of 50 documents, lies within 5% of the mean of their errors."""
    rng = np.random.default_rng(0)
    sizes = rng.gamma(1.0, 1000.0, (2000, 50)) + 10
    bits = sizes * rng.normal(1.0, 0.2, sizes.shape)
    found = np.array([ratio([(2.0, y, x)]) for y, x in zip(bits, sizes, strict=True)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.05)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b"", "holds no text to score: found 0 documents"),
        ("a.txt", b"", "holds no text to score: found 1 documents"),
        ("a.jsonl", b'{"text": "a"}\n{"content": "b"}\n', "line 2 has no \"text\" that is a string: found 'content'"),
        ("a.jsonl", b'{"text": null}\n', 'line 1 has no "text" that is a string'),
        ("a.jsonl", b'["a"]\n', "found no object but list"),
        ("a.jsonl", b"text\n", "line 1 is not JSON"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "half a surrogate pair"),
        ("a.jsonl", b'{"text": "\xff"}\n', "is not UTF-8: found byte 0xff"),
        ("a.txt", b"\xff", "is not UTF-8: found byte 0xff"),
        ("a.jsonl.gz", b"no gzip", "is damaged after line 0"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n', mtime=0)[:-9], "is damaged after line"),
        ("a.jsonl.zst", b"no zstd", "is damaged after line 0"),
        ("a.csv", b"text", "expected a file that ends in one of .txt, .jsonl, .jsonl.gz, .jsonl.zst"),
    ],
)
def test_files_that_hold_no_texts(name, content, expected, trained, command, tmp_path):
    trained("RUN")
    (tmp_path / name).write_bytes(content)
    error = command("--run", "RUN", "--text", f"{tmp_path}/{name}", fails=True)
    assert error.startswith("trainers.evaluate: ") and expected in error


def test_bad_flags(corpus, trained, command, tmp_path):
    trained("RUN")
    trained("OTHER", tokenizer=byte_tokenizer() + b"\n")
    assert "give --corpus DIR or --text FILE" in command("--run", "RUN", fails=True)
    assert "expected 1 to 32" in command("--run", "RUN", "--corpus", corpus, "--stride", "33", fails=True)
    assert "holds tokens of another tokenizer" in command("--run", "OTHER", "--corpus", corpus, fails=True)
    steps = ["--step", "1", "--step", "2", "--step", "3"]
    assert "found --step 3 times" in command("--run", "RUN", "--run", "RUN", *steps, "--corpus", corpus, fails=True)
    assert "missing.jsonl" in command("--run", "RUN", "--text", f"{tmp_path}/missing.jsonl", fails=True)
    output = f"{corpus}/manifest.json/documents"
    assert "manifest.json" in command("--run", "RUN", "--corpus", corpus, "--output", output, fails=True)
    empty = write_corpus(tmp_path / "empty", [TRAIN], [[]])
    trained("EMPTY", tokenizer=tiny_corpus.TOKENIZER)
    assert "give --split train" in command("--run", "EMPTY", "--corpus", empty, fails=True)
    assert "cannot be read" in command("--run", "EMPTY", "--text", f"{tmp_path}/a.txt", fails=True)
    assert os.listdir(tmp_path) == ["empty"]


@pytest.mark.slow
def test_runs_of_pretrain(corpus, command, tmp_path):
    """A run's tokens need no corpus; the noise of a word vector's loss is drawn from what the run read."""
    flags = ["--corpus", corpus, "--steps", "1", "--sequence-length", "32", "--batch-rows", "4", "--threads", "1"]
    for objective in ("causal", "skipgram"):
        assert pretrain.main([*flags, "--objective", objective, "--output", f"{tmp_path}/{objective}"]) == 0
    text = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in HELD_OUT])
    command("--run", f"{tmp_path}/causal", "--corpus", corpus, plain=True)  # what pretrain printed
    (line,) = command("--run", f"{tmp_path}/causal", "--text", text)
    assert line["bits_per_byte"] == pytest.approx(8, rel=0.1) and line["step"] == 1
    (line,) = command("--run", f"{tmp_path}/skipgram", "--text", text)
    assert line["loss"] > 0
