import dataclasses
import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from tests.tiny_corpus import END_OF_TEXT, VOCAB_SIZE, encode, texts, write_corpus
from trainers import batches, checkpoints, loop, optimizer, options, parallel, pretrain, report, validation
from trainers import run as runs
from trainers.admit import admit
from trainers.guard import Guard
from trainers.meter import Measured
from trainers.models import decoder
from trainers.models.sizes import Size
from trainers.objectives.causal import Causal
from trainers.stream import Stream

DOCUMENTS = texts(100)
FLAGS = [
    "--steps",
    "20",
    "--sequence-length",
    "64",
    "--batch-rows",
    "8",
    "--validate-every",
    "10",
    "--checkpoint-every",
    "6",
    "--threads",
    "1",
]
TINY = Size(layers=2, width=32, heads=4, key_value_heads=2, hidden=48, learning_rate=1e-3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain") / "corpus"
    return write_corpus(folder, [DOCUMENTS[:40], DOCUMENTS[40:80]], [DOCUMENTS[80:]])


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """A run that nothing interrupted."""
    folder = str(tmp_path_factory.mktemp("whole") / "run")
    assert pretrain.main(["--corpus", corpus, "--output", folder, *FLAGS]) == 0
    return folder


def log(run):
    """The log without what a clock measured."""
    with open(f"{run}/log.jsonl") as file:
        entries = [json.loads(line) for line in file]
    clocks = {"seconds", "data_wait", *(field.name for field in dataclasses.fields(Measured))}
    return [{name: value for name, value in entry.items() if name not in clocks} for entry in entries]


def tensors(run, step, folder):
    """Every tensor of a checkpoint by its path in the state."""
    dcp_to_torch_save(f"{run}/checkpoints/step-{step:08}", f"{folder}/tensors.pt")
    state = torch.load(f"{folder}/tensors.pt", weights_only=True)
    found = dict(state["model"])
    for name, values in state["optimizer"]["state"].items():
        found.update({f"{name}/{key}": value for key, value in values.items()})
    return found


def assert_equal_runs(run, other, folder):
    """Bit for bit: weights, optimizer and every number of the log."""
    left, right = tensors(run, 20, folder), tensors(other, 20, folder)
    assert left.keys() == right.keys()
    assert len(left) == 4 * (2 + 5 * 9)  # a weight, two moments and a step count each
    assert [name for name in left if not torch.equal(left[name], right[name])] == []
    assert log(run) == log(other)


def test_bits_per_byte_falls(whole):
    entries = log(whole)
    assert [entry["step"] for entry in entries if entry["kind"] == "step"] == list(range(1, 21))
    scores = {entry["step"]: entry["bits_per_byte"] for entry in entries if entry["kind"] == "validation"}
    assert list(scores) == [0, 10, 20]
    held_out = [len(text) for text in DOCUMENTS[80:]]
    uniform = math.log2(VOCAB_SIZE) * (sum(held_out) + len(held_out)) / sum(held_out)
    assert scores[0] == pytest.approx(uniform, rel=0.02)
    assert scores[20] < scores[10] < 0.6 * scores[0]
    assert entries[0]["tokens"] == sum(held_out) + len(held_out)
    assert entries[0]["bytes"] == sum(held_out)


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(corpus, whole, tmp_path, capsys):
    run = f"{tmp_path}/run"
    assert pretrain.main(["--corpus", corpus, "--output", run, *FLAGS, "--stop-after", "11"]) == 0
    assert sorted(os.listdir(f"{run}/checkpoints")) == ["step-00000006", "step-00000011"]
    assert f"stopped after step 11: continue with --output {run} --resume\n" in capsys.readouterr().out
    assert pretrain.main(["--output", run, "--resume"]) == 0  # the settings are the run's own
    assert "resume      after step 11 of 20\n" in capsys.readouterr().out
    assert_equal_runs(whole, run, tmp_path)

    assert pretrain.main(["--corpus", corpus, "--output", run, *FLAGS, "--resume"]) == 0
    assert capsys.readouterr().out.endswith(f"finished: nothing is left to do in {run}\n")


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same(corpus, whole, tmp_path):
    run = f"{tmp_path}/run"
    command = [sys.executable, "-m", "trainers.pretrain", "--corpus", corpus, "--output", run, *FLAGS]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{run}/checkpoints/step-00000006") and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    lost = max(checkpoints.saved(run)) + 1
    with open(f"{run}/log.jsonl", "a") as file:  # a step that will be taken again, and a line that the kill cut short
        file.write(f'{{"kind": "step", "step": {lost}}}\n{{"kind": "step", "st')
    assert pretrain.main(["--output", run, "--resume", "--checkpoint-every", "7"]) == 0
    assert_equal_runs(whole, run, tmp_path)


@pytest.mark.slow
def test_a_signal_ends_the_step_and_saves(corpus, whole, tmp_path, monkeypatch):
    run = f"{tmp_path}/run"
    progress = report.progress

    def interrupt(step, *args, **options):
        if step.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return progress(step, *args, **options)

    monkeypatch.setattr(report, "progress", interrupt)
    assert pretrain.main(["--corpus", corpus, "--output", run, *FLAGS]) == 128 + signal.SIGTERM
    assert os.listdir(f"{run}/checkpoints") == ["step-00000005"]
    assert pretrain.main(["--output", run, "--resume"]) == 0
    assert_equal_runs(whole, run, tmp_path)


@pytest.mark.slow
def test_a_run_without_checkpoint_resumes_from_the_start(corpus, whole, tmp_path):
    run = f"{tmp_path}/run"
    shutil.copytree(whole, run)
    shutil.rmtree(f"{run}/checkpoints")
    assert pretrain.main(["--output", run, "--resume"]) == 0
    assert_equal_runs(whole, run, tmp_path)


def rows_of(split, sequence_length, num_tokens=None):
    return batches.Rows(
        Stream.of_split(split), num_tokens or split.num_tokens, sequence_length, END_OF_TEXT, VOCAB_SIZE
    )


def test_accumulation_changes_only_rounding(corpus):
    admitted = admit(corpus)
    rows = rows_of(admitted.train, 64)
    objective = Causal(64, END_OF_TEXT)
    last = rows.num_rows - 1  # a short row: passes differ in their number of targets

    def steps(micro_rows):
        model = decoder.build(TINY, vocab_size=VOCAB_SIZE, seed=0)
        optimizers = optimizer.build(model, name="adamw", learning_rate=1e-2)
        read = [[rows.row(number) for number in (5 * step, 7, last, step, 20 + step)] for step in range(3)]
        made = ((step, some, objective.batch(some)) for step, some in enumerate(read, 1))
        trainee = loop.Trainee(model, optimizers, objective, Guard(), parallel.ALONE, "float32")
        taken = loop.train(trainee, batches=made, micro_rows=micro_rows, learning_rate=lambda _: 1e-2)
        return [(step.loss, step.gradient_norm) for step, _ in taken]

    assert steps(1) == [pytest.approx(step, rel=1e-5) for step in steps(5)]
    assert steps(2) == [pytest.approx(step, rel=1e-5) for step in steps(5)]


def evaluated(model, chosen, sequence_length):
    objective = Causal(sequence_length, END_OF_TEXT)
    return validation.evaluate(model, objective, chosen, world=parallel.ALONE, precision="float32", micro_rows=1)


def test_bits_per_byte_are_of_each_document_alone(corpus):
    """In rows that hold everything, the score is the sum over documents that each have a row of their own."""
    admitted = admit(corpus)
    model = decoder.build(TINY, vocab_size=VOCAB_SIZE, seed=0)
    chosen = validation.choose([admitted], sequence_length=4096, max_rows=0)
    nats = 0.0
    for text in DOCUMENTS[80:]:
        tokens = torch.tensor([encode(text)])
        inputs = torch.cat([torch.tensor([[END_OF_TEXT]]), tokens[:, :-1]], dim=1)
        logits = model(inputs, torch.zeros_like(tokens), torch.arange(tokens.shape[1])[None])
        nats += torch.nn.functional.cross_entropy(logits[0], tokens[0], reduction="sum").item()
    expected = nats / math.log(2) / sum(map(len, DOCUMENTS[80:]))
    assert evaluated(model, chosen, 4096).bits_per_byte == pytest.approx(expected, rel=1e-6)


def test_a_part_of_the_validation_split_is_whole_documents(corpus):
    admitted = admit(corpus)
    lengths = [len(encode(text)) for text in DOCUMENTS[80:]]
    for max_rows in (5, 9):
        chosen = validation.choose([admitted], sequence_length=64, max_rows=max_rows)
        fit = max(count for count in range(21) if sum(lengths[:count]) <= 64 * max_rows)
        assert 0 < fit < 20
        assert chosen.num_documents == fit
        assert chosen.rows.num_tokens == sum(lengths[:fit])
        assert chosen.num_bytes == sum(lengths[:fit]) - fit
    needed = -(-lengths[0] // 2)
    message = rf"--validation-rows 1 holds no whole document: .* takes {needed} rows of 2; "
    with pytest.raises(ValueError, match=message):
        validation.choose([admitted], sequence_length=2, max_rows=1)


def refused(capsys, argv, beginning, *, code=1):
    """The run ends with one line on stderr that begins so."""
    assert pretrain.main(argv) == code
    error = capsys.readouterr().err
    assert error.startswith(f"trainers.pretrain: {beginning}"), error
    assert error.count("\n") == 1


def test_a_flipped_byte_is_refused_before_anything_is_written(corpus, tmp_path, capsys):
    copy, run = f"{tmp_path}/corpus", f"{tmp_path}/run"
    shutil.copytree(corpus, copy)
    path = f"{copy}/tokens/train-00001-of-00002.arrow"
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    refused(capsys, ["--corpus", copy, "--output", run, *FLAGS], f"{path} has changed since the corpus was made: ")
    assert not os.path.exists(run)


def test_the_users_mistakes_are_one_sentence(corpus, whole, tmp_path, capsys):
    run, other = f"{tmp_path}/run", write_corpus(tmp_path / "other", [texts(100, seed=1)])
    start = ["--corpus", corpus, "--output", run]
    refused(
        capsys, ["--corpus", f"{tmp_path}/none", "--output", run], f"{tmp_path}/none is not a folder; --corpus takes"
    )
    refused(capsys, ["--corpus", str(tmp_path), "--output", run], f"{tmp_path}/manifest.json does not exist: ")
    refused(capsys, [*start, "--validation-rows", "1", "--sequence-length", "2"], "--validation-rows 1 holds no whole ")
    refused(capsys, [*start, "--batch-rows", "900"], f"{corpus} has too few tokens for one step: ")
    refused(capsys, ["--output", run, "--resume"], f"{run} holds no run: {run}/run.json does not exist; ")
    assert not os.path.exists(run)

    resume = ["--output", whole, "--resume"]
    refused(capsys, ["--corpus", corpus, "--output", whole], f"{whole} exists already; add --resume to continue ")
    refused(
        capsys,
        [*resume, "--steps", "30"],
        f"the run in {whole} was made with --steps 20: the learning rate ends there, found --steps 30; ",
    )
    refused(capsys, [*resume, "--seed", "1"], f"the run in {whole} was made with --seed 0, found --seed 1; ")
    refused(
        capsys, [*resume, "--corpus", other], f"the run in {whole} was made on another corpus: the shards of {other} "
    )
    with open(f"{tmp_path}/file", "w"):
        pass
    refused(capsys, ["--corpus", corpus, "--output", f"{tmp_path}/file"], f"{tmp_path}/file exists already; ")
    refused(
        capsys,
        ["--corpus", corpus, "--output", f"{tmp_path}/file/run", *FLAGS],
        f"cannot write to {tmp_path}/file/run: Not a directory; choose another --output",
    )


def test_a_folder_has_one_writer(corpus, tmp_path, capsys):
    run = f"{tmp_path}/run"
    with runs.exclusive(run):
        refused(capsys, ["--corpus", corpus, "--output", run, *FLAGS], f"{run} is being written by another process; ")


@pytest.mark.slow
def test_another_machine_is_a_warning_and_a_damaged_record_an_error(whole, tmp_path, capsys):
    run = f"{tmp_path}/run"
    shutil.copytree(whole, run)
    with open(f"{run}/run.json") as file:
        record = json.load(file)
    record["versions"]["torch"] = "1.0"
    with open(f"{run}/run.json", "w") as file:
        json.dump(record, file)
    assert pretrain.main(["--output", run, "--resume"]) == 0
    assert capsys.readouterr().err == (
        f"trainers.pretrain: the last bits may differ from here on: torch was 1.0 and is {torch.__version__}\n"
    )
    record["plan"]["seed"] = 1
    with open(f"{run}/run.json", "w") as file:
        json.dump(record, file)
    refused(capsys, ["--output", run, "--resume"], f"{run}/run.json is not a run of this version (its plan is not ")


def test_it_does_not_stop_in_the_past(whole, capsys):
    refused(
        capsys, ["--output", whole, "--resume", "--stop-after", "3"], f"--stop-after 3: the run in {whole} has taken "
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "the following arguments are required: --output"),
        (["--output", "r"], "--corpus is required, unless --resume continues a run"),
        (["--output", "r", "--corpus", "c", "--size", "2b"], "argument --size: invalid choice: '2b'"),
        (["--output", "r", "--corpus", "c", "--step", "2"], "unrecognized arguments: --step 2"),
        (["--output", "r", "--corpus", "c", "--steps", "0"], "expected a whole number of at least 1, found '0'"),
        (["--output", "r", "--corpus", "c", "--learning-rate", "nan"], "expected a number above 0, found 'nan'"),
        (["--output", "r", "--corpus", "c", "--batch-rows", "2", "--micro-rows", "3"], "--micro-rows 3 is more than"),
        (["--output", "r", "--corpus", "c", "--steps", "2", "--warmup-steps", "3"], "--warmup-steps 3 is more than"),
    ],
)
def test_usage_errors_exit_with_2(flags, message, capsys):
    with pytest.raises(SystemExit) as caught:
        options.parse(flags)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run(corpus, tmp_path, capsys):
    run = f"{tmp_path}/run"
    refused(
        capsys,
        ["--corpus", corpus, "--output", run, *FLAGS, "--learning-rate", "1e30"],
        "the gradient norm of step 4 is nan, bad step number 3 in a row, and no earlier checkpoint is there to go back "
        f"to; see what it read with `python -m trainers.trace --run {run} --step 4`, then start another run with a "
        "lower --learning-rate",
    )
    with open(f"{run}/spikes/step-00000002.jsonl") as file:
        assert json.loads(next(file))["reason"] == "the gradient norm of step 2 is nan"
    assert not os.path.exists(f"{run}/checkpoints")


def test_no_validation_document_is_said_once(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus", [DOCUMENTS[:40]], [[]])
    flags = ["--steps", "1", "--sequence-length", "64", "--batch-rows", "2", "--threads", "1"]
    assert pretrain.main(["--corpus", corpus, "--output", f"{tmp_path}/run", *flags]) == 0
    out = capsys.readouterr().out
    assert out.count("validation  none: the corpus has no validation document") == 1
    assert [entry["kind"] for entry in log(f"{tmp_path}/run")] == ["step"]


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_checkpoint(corpus, tmp_path):
    """A file may not grow beyond 1 MB, which a checkpoint does."""
    run = f"{tmp_path}/run"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    command = [sys.executable, "-m", "trainers.pretrain", "--corpus", corpus, "--output", run, *FLAGS]
    found = subprocess.run(command, check=False, preexec_fn=limit, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr == (
        f"trainers.pretrain: cannot write the checkpoint {run}/checkpoints/step-00000006: File too large; "
        "no checkpoint was saved before; make room or mend the permissions, then start again with --resume\n"
    )
    assert os.listdir(f"{run}/checkpoints") == []
    taken = [entry["step"] for entry in log(run) if entry["kind"] == "step"]
    assert taken == list(range(1, len(taken) + 1))
    assert 6 <= len(taken) <= 12  # it is written behind, and looked at before the next one


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"settings": {"objective": "nope"}}, "its objective is 'nope'"),
        ({"settings": {"size": "7t"}}, "its size is '7t'"),
        ({"settings": {"seed": True}}, "its seed is True"),
        ({"settings": {"threads": 0}}, "its threads is 0, expected at least 1"),
        ({"settings": {"sequence_length": 32}}, "its plan has another sequence_length than its settings"),
        ({"settings": {"weights": ["a"]}}, "weights that are none"),
        ({"sources": []}, "it has no sources"),
        ({"vocab_size": 10}, f"its end_of_text_id is {END_OF_TEXT} of a vocab_size of 10"),
        ({"machine": "x"}, "its model, versions or machine is no object"),
    ],
)
def test_a_record_that_cannot_be_is_refused(whole, tmp_path, capsys, changes, reason):
    with open(f"{whole}/run.json") as file:
        record = json.load(file)
    for name, value in changes.items():
        record[name] = record[name] | value if isinstance(value, dict) else value
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert pretrain.main(["--output", str(tmp_path), "--resume"]) == 1
    error = capsys.readouterr().err
    assert "run.json is not a run of this version (" in error and reason in error and error.count("\n") == 1


def test_a_start_that_fails_leaves_no_run(corpus, tmp_path, capsys):
    flags = ["--corpus", corpus, "--output", f"{tmp_path}/run", *FLAGS, "--stop-after", "1"]
    start = [*flags, "--objective", "cbow", "--optimizer", "muon"]
    refused(capsys, start, "--optimizer muon works on the linear layers of blocks and this model has none")
    assert runs.is_unused(f"{tmp_path}/run")
    assert pretrain.main(flags) == 0


@pytest.mark.slow
def test_settings_edited_behind_its_back_are_refused(corpus, tmp_path, capsys):
    run = tmp_path / "run"
    assert pretrain.main(["--corpus", corpus, "--output", str(run), *FLAGS, "--stop-after", "2"]) == 0
    before = (run / "run.json").read_text()
    (run / "run.json").write_text(re.sub(r'"learning_rate": [\d.e-]+', '"learning_rate": 9.0', before))
    refused(capsys, ["--output", str(run), "--resume"], f"run.json in {run} has other settings than {run}/checkpoints/")
    (run / "run.json").write_text(re.sub(r'"threads": \d+', '"threads": "x"', before))
    refused(
        capsys, ["--output", str(run), "--resume"], f"{run}/run.json is not a run of this version (its threads is 'x')"
    )
