"""Runs that leave steps out and go back to a checkpoint, whole and interrupted."""

import json

import pytest
import torch

from tests.exported import TINY, made_corpus
from tests.test_pretrain import log
from trainers import checkpoints, ledger, pretrain, trace
from trainers.guard import Guard
from trainers.models import sizes
from trainers.trained import load

FLAGS = ["--steps", "14", "--sequence-length", "32", "--batch-rows", "4", "--threads", "1", "--validation-rows", "8"]
FLAGS += ["--checkpoint-every", "4", "--max-skips", "3"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return made_corpus(str(tmp_path_factory.mktemp("guarded") / "corpus"), "test")


@pytest.fixture
def run(corpus, tmp_path, monkeypatch):
    """Makes a run whose guard finds these steps bad, in as many parts as --stop-after says; returns its folder."""
    monkeypatch.setitem(sizes.SIZES, "1m", TINY)

    def make(name, *, bad, stops=(), flags=()):
        monkeypatch.setattr(
            Guard, "_fault", lambda self, step, loss, norm: f"step {step} is bad" if step in bad else ""
        )
        folder = f"{tmp_path}/{name}"
        first = ["--corpus", corpus, *FLAGS, *flags]
        for stop in (*stops, None):
            until = ["--stop-after", str(stop)] if stop else []
            assert pretrain.main([*first, "--output", folder, *until]) == 0
            first = ["--resume", "--checkpoint-every", "4"]
        return folder

    return make


def assert_equal_weights(run, other):
    left, right = load(run).model.state_dict(), load(other).model.state_dict()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def test_it_goes_back_behind_the_bad_steps(run, capsys):
    """At step 11 it takes the weights of step 4, as those of step 8 are as near to the bad ones as can be."""
    whole = run("whole", bad={9, 10, 11})
    out = capsys.readouterr().out
    assert "step 9 is left out: step 9 is bad" in out
    assert "back to the weights of step 4; the run goes on with step 12\n" in out
    assert list(checkpoints.saved(whole)) == [4, 12, 14]
    assert_equal_weights(whole, run("skipped", bad=set(range(5, 12)), flags=["--max-skips", "9"]))
    assert sorted(set(ledger.read(whole)["step"].to_pylist())) == [1, 2, 3, 4, 12, 13, 14]
    taken = [entry["step"] for entry in log(whole) if entry["kind"] == "step"]
    assert taken == list(range(1, 15))

    about = checkpoints.read_about(checkpoints.saved(whole)[14])
    assert about["guard"]["skipped"] == [[5, 11]]
    with open(f"{whole}/spikes/step-00000010.jsonl") as file:
        reason, *documents = map(json.loads, file)
    assert reason["reason"] == "step 10 is bad"
    assert documents and all(document["loss"] > 0 for document in documents)
    capsys.readouterr()
    assert trace.main(["--run", whole, "--document", documents[0]["id"], "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["step"] for line in lines if line.get("left_out")} <= set(range(5, 12))
    assert [line["checkpoint"] for line in lines if 5 <= line["step"] <= 11] == [None] * sum(
        5 <= line["step"] <= 11 for line in lines
    )


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(7,), (10,), (3, 9)])
def test_interrupted_it_goes_back_to_the_same(run, stops):
    """Neither the count of bad steps in a row is forgotten, nor does a checkpoint of a stop count."""
    whole, parts = run("whole", bad={9, 10, 11}), run("parts", bad={9, 10, 11}, stops=stops)
    assert_equal_weights(whole, parts)
    assert ledger.read(whole).to_pylist() == ledger.read(parts).to_pylist()
    assert log(whole) == log(parts)


def test_at_its_last_step_it_saves_what_it_went_back_to(run):
    folder = run("late", bad={12, 13, 14})
    assert list(checkpoints.saved(folder)) == [8, 14]
    assert_equal_weights(folder, run("skipped", bad=set(range(9, 15)), flags=["--max-skips", "9"]))
