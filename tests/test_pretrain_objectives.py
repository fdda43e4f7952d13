"""Runs of every objective from the command line's own entry, and runs over several corpora and ranks."""

import json
import os
import subprocess
import sys

import pytest
import torch

from tests.exported import TINY, made_corpus
from tests.test_pretrain import log
from tests.tiny_corpus import texts, write_corpus
from trainers import checkpoints, ledger, pretrain, trace
from trainers import run as runs
from trainers.catalog import OBJECTIVES
from trainers.models import sizes
from trainers.trained import load

FLAGS = ["--steps", "6", "--sequence-length", "32", "--batch-rows", "4", "--micro-rows", "2", "--threads", "1"]
FLAGS += ["--validate-every", "3", "--validation-rows", "8", "--checkpoint-every", "4"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return made_corpus(str(tmp_path_factory.mktemp("objectives") / "corpus"), "test")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(sizes.SIZES, "1m", TINY)


def state(run):
    return load(run).model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_resumed_run_of_any_objective_equals_an_uninterrupted_one(objective, corpus, tmp_path):
    whole, halves = f"{tmp_path}/whole", f"{tmp_path}/halves"
    start = ["--corpus", corpus, "--objective", objective, *FLAGS]
    assert pretrain.main([*start, "--output", whole]) == 0
    assert pretrain.main([*start, "--output", halves, "--stop-after", "3"]) == 0
    assert pretrain.main(["--output", halves, "--resume"]) == 0
    assert log(whole) == log(halves)
    weights, others = state(whole), state(halves)
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert ledger.read(whole).to_pylist() == ledger.read(halves).to_pylist()

    steps = [entry for entry in log(whole) if entry["kind"] == "step"]
    assert list(steps[0]["terms"]) == (["generator", "discriminator"] if objective == "replaced" else ["loss"])
    table = ledger.read(whole).to_pydict()
    for entry in steps:
        main = next(iter(entry["terms"]))
        here = [i for i, step in enumerate(table["step"]) if step == entry["step"] and table["term"][i] == main]
        assert sum(table["targets"][i] for i in here) == entry["targets"]
        assert sum(table["loss"][i] for i in here) == pytest.approx(entry["terms"][main] * entry["targets"], rel=1e-5)
    scores = [entry for entry in log(whole) if entry["kind"] == "validation"]
    assert [entry["step"] for entry in scores] == [0, 3, 6]
    assert all((entry["bits_per_byte"] is not None) == (objective == "causal") for entry in scores)


@pytest.mark.parametrize(
    "objective, flag", [("masked", "--mask-token"), ("replaced", "--mask-token"), ("spans", "--sentinels 100")]
)
def test_an_objective_without_its_special_tokens_is_refused(objective, flag, tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus", [texts(40)], [texts(10)])
    assert pretrain.main(["--corpus", corpus, "--objective", objective, "--output", f"{tmp_path}/run", *FLAGS]) == 1
    error = capsys.readouterr().err
    assert flag in error and error.count("\n") == 1
    assert not os.path.exists(f"{tmp_path}/run")


def test_a_mixture_is_planned_shown_and_traced(corpus, tmp_path, capsys):
    other, run = made_corpus(f"{tmp_path}/other", "second"), f"{tmp_path}/run"
    flags = ["--corpus", corpus, "--corpus", other, "--weights", "3", "1", "--repeat-by", "copies", "--output", run]
    assert pretrain.main([*flags, *FLAGS, "--stop-after", "4"]) == 0
    assert capsys.readouterr().out.count("of the tokens (asked ") == 2
    sources = runs.load(run).sources
    assert [source.recipe for source in sources] == ["test", "second"]
    assert [round(source.requested, 2) for source in sources] == [0.75, 0.25]
    assert sum(source.achieved for source in sources) == pytest.approx(1)
    assert sources[0].achieved == pytest.approx(0.75, abs=0.15)  # whole documents
    assert pretrain.main(["--output", run, "--resume"]) == 0
    capsys.readouterr()
    assert trace.main(["--run", run, "--step", "5", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(line["tokens"] for line in lines) <= 4 * 32
    assert all(line["loss"] is not None for line in lines)


@pytest.mark.slow
def test_two_ranks_read_the_same_rows_and_agree_in_loss(corpus, tmp_path):
    alone, ranks = f"{tmp_path}/alone", f"{tmp_path}/ranks"
    start = ["--corpus", corpus, *FLAGS]
    assert pretrain.main([*start, "--output", alone]) == 0
    script = """
import sys
from tests.exported import TINY
from trainers import pretrain
from trainers.models import sizes
sizes.SIZES["1m"] = TINY
sys.exit(pretrain.main(sys.argv[1:]))
"""
    program = f"{tmp_path}/ranked.py"
    with open(program, "w") as file:
        file.write(script)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", program]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    for flags in ([*start, "--stop-after", "4"], ["--resume", "--parallel", "fsdp"]):
        found = subprocess.run(
            [*torchrun, *flags, "--output", ranks], env=environment, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stderr
    assert "2 ranks of cpu" in found.stdout
    for one, two in zip(log(alone), log(ranks), strict=True):
        assert (one["kind"], one["step"], one.get("tokens")) == (two["kind"], two["step"], two.get("tokens"))
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
    together = ledger.read(ranks).group_by(["step", "occurrence"]).aggregate([("targets", "sum"), ("loss", "sum")])
    expected = {(row["step"], row["occurrence"]): row for row in ledger.read(alone).to_pylist()}
    assert together.num_rows == len(expected)
    for row in together.to_pylist():
        assert row["targets_sum"] == expected[row["step"], row["occurrence"]]["targets"]
        assert row["loss_sum"] == pytest.approx(expected[row["step"], row["occurrence"]]["loss"], rel=1e-4)
    assert max(checkpoints.saved(ranks)) == 6
