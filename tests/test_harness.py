import fnmatch
import json
import math
import types

import pytest
import torch
from torch.nn import functional

from tests import tiny_corpus
from tests.test_evaluate import byte_tokenizer
from tests.tiny_corpus import END_OF_TEXT, encode, texts, write_corpus
from trainers import harness, pretrain
from trainers.answers import Speaker
from trainers.decoding import Decoding
from trainers.likelihoods import Reader
from trainers.trained import load

LENGTH = 32  # tokens in a row
QUESTIONS = [
    {"context": "the crawl reads a", "choices": ["page", "rain", "water falls on"], "answer": 0},
    {"context": "it becomes ", "choices": ["text", "the the the", "on"], "answer": 1},
    {"context": "while rain falls on the crawl and it becomes text", "choices": ["a", "on water", "x"], "answer": 2},
]
TASK = """
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}, cache_dir: {cache}}}
test_split: test
metadata: {{version: 3.0}}
"""
CHOICE = """
task: local_choice
output_type: multiple_choice
doc_to_text: "{{context}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}]
"""
ROLLING = """
task: local_rolling
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{context}}"
metric_list: [{metric: bits_per_byte}]
"""
ANSWER = """
task: local_answer
output_type: generate_until
doc_to_text: "{{context}}"
doc_to_target: "{{choices[answer]}}"
generation_kwargs: {until: [" "], max_gen_toks: 5, do_sample: false}
metric_list: [{metric: exact_match}]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a few steps on tokens that are the bytes of the text."""
    folder = tmp_path_factory.mktemp("harness")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_corpus, "TOKENIZER", byte_tokenizer())
        corpus = write_corpus(folder / "corpus", [texts(60)])
    flags = ["--corpus", corpus, "--steps", "5", "--sequence-length", str(LENGTH), "--batch-rows", "16"]
    assert pretrain.main([*flags, "--threads", "1", "--output", f"{folder}/run"]) == 0
    return f"{folder}/run"


@pytest.fixture(scope="module")
def reader(run):
    return Reader(Speaker.of(load(run)), rows=2)


@torch.no_grad()
def plain_logits(reader, tokens):
    """The logits of what follows tokens, of which the last fit into a row."""
    seen = torch.tensor([tokens[-LENGTH:]])
    return reader.speaker.trained.model(seen, torch.zeros_like(seen), torch.arange(seen.shape[1])[None])[0, -1]


def plain_likelihood(reader, context, continuation):
    """Token by token, each from all that precede it as far as they are in the row of the last one."""
    tokens = [END_OF_TEXT, *context.encode(), *continuation.encode()]
    first, total, greedy = len(tokens) - len(continuation.encode()), 0.0, True
    for place in range(first, len(tokens)):
        part_end = min(first + ((place - first) // LENGTH + 1) * LENGTH, len(tokens))
        logits = plain_logits(reader, tokens[max(part_end - LENGTH - 1, 0) : place])
        total -= float(functional.cross_entropy(logits, torch.tensor(tokens[place])))
        greedy &= int(logits.argmax()) == tokens[place]
    return total, greedy


def plain_answer(reader, context, length):
    tokens = [END_OF_TEXT, *context.encode()]
    for _ in range(length):
        tokens.append(int(plain_logits(reader, tokens).argmax()))
    return bytes(tokens[1 + len(context.encode()) :])


def test_likelihoods_are_those_of_a_plain_loop(reader):
    pairs = [("", "text"), ("the crawl", " reads"), ("rain" * 20, " falls on"), ("", "a page " * 12), ("a", "")]
    pairs.append(("the", plain_answer(reader, "the", 3).decode()))
    found = reader.likelihoods([reader.pair(*pair) for pair in pairs])
    expected = [plain_likelihood(reader, *pair) for pair in pairs]
    assert [nats for nats, _ in found] == pytest.approx([nats for nats, _ in expected], rel=1e-5)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected] == [False] * 4 + [True] * 2
    assert reader.rolling(["a page " * 12]) == pytest.approx([expected[3][0]], rel=1e-5)


def test_blanks_that_end_a_context_begin_the_continuation(reader):
    assert reader.pair("it becomes ", "text") == (encode("it becomes")[:-1], encode(" text")[:-1])
    assert reader.pair(" \n", "text") == ([], encode(" \ntext")[:-1])


def test_answers_are_greedy_and_end_where_asked(reader):
    contexts = ["", "the crawl reads", "rain " * 10]
    whole = [plain_answer(reader, context, 12) for context in contexts]
    found = reader.generated(contexts, until=[], decoding=Decoding(temperature=0, max_tokens=12))
    assert [text.encode() for text in found] == [text.split(bytes([0]))[0] for text in whole]
    stop = found[1][4:6]
    cut = reader.generated(contexts, until=[stop], decoding=Decoding(temperature=0, max_tokens=12))
    assert cut == [text.split(stop)[0] for text in found]
    drawn = [reader.generated(contexts, until=[], decoding=Decoding(max_tokens=12)) for _ in range(2)]
    assert drawn[0] == drawn[1] != found


def test_generation_options():
    assert harness.decoding_of({}) == ([], Decoding(temperature=0, max_tokens=256))
    asked = {"until": "\n", "max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "do_sample": True}
    assert harness.decoding_of(asked) == (["\n"], Decoding(temperature=0.5, top_p=0.9, max_tokens=9))
    assert harness.decoding_of({"do_sample": False, "temperature": 0.5})[1].temperature == 0
    assert harness.decoding_of({"do_sample": True})[1].temperature == 1


@pytest.mark.slow
def test_local_tasks(run, reader, tmp_path, monkeypatch, capsys):
    pytest.importorskip("lm_eval")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (tmp_path / "tasks").mkdir()
    shared = TASK.format(data=f"{tmp_path}/data.jsonl", cache=f"{tmp_path}/cache")
    for number, task in enumerate((CHOICE, ROLLING, ANSWER)):
        (tmp_path / "tasks" / f"{number}.yaml").write_text(task + shared)
    flags = ["--run", run, "--include-path", f"{tmp_path}/tasks", "--batch-size", "2"]
    output = f"{tmp_path}/results.json"
    names = [f"local_{name}" for name in ("choice", "rolling", "answer")]
    assert harness.main([*flags, "--tasks", *names, "--output", output]) == 0
    assert "local_rolling" in capsys.readouterr().out
    with open(output) as file:
        found = json.load(file)

    def chosen(question):
        likelihoods = [plain_likelihood(reader, question["context"], " " + choice) for choice in question["choices"]]
        return max(range(3), key=lambda i: likelihoods[i][0])

    correct = [chosen({**question, "context": question["context"].rstrip()}) for question in QUESTIONS]
    accuracy = sum(c == question["answer"] for c, question in zip(correct, QUESTIONS, strict=True)) / 3
    nats = sum(plain_likelihood(reader, "", question["context"])[0] for question in QUESTIONS)
    sizes = sum(len(question["context"]) for question in QUESTIONS)
    results = found["results"]
    assert results["local_choice"]["acc,none"] == pytest.approx(accuracy)
    assert results["local_rolling"]["bits_per_byte,none"] == pytest.approx(-nats / math.log(2) / sizes, rel=1e-5)
    assert results["local_answer"]["exact_match,none"] == 0
    assert found["task_versions"] == dict.fromkeys(names, 3.0)
    assert {len(digest) for digest in found["task_hashes"].values()} == {64}
    assert (found["run"], found["step"]) == (run, 5)


def test_names_of_tasks():
    known = ["a_1", "a_2"]
    manager = types.SimpleNamespace(match_tasks=lambda asked: [n for a in asked for n in fnmatch.filter(known, a)])
    assert harness.names_of(["a_*"], manager) == ["a_1", "a_2"]
    with pytest.raises(ValueError, match="--tasks b: lm-evaluation-harness has no such task"):
        harness.names_of(["a_1", "b"], manager)


def test_bad_flags(run, tmp_path, capsys, monkeypatch):
    def error(*flags):
        assert harness.main(["--tasks", "any", *flags]) == 1
        return capsys.readouterr().err

    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'lm_eval>=0.4.9,<0.5'" in error("--run", run)
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: name)
    assert "is not a folder; give one with YAML" in error("--run", run, "--include-path", f"{tmp_path}/none")
    assert "holds no run" in error("--run", str(tmp_path))
