import collections
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_corpus import encode, texts, write_corpus
from trainers import dossier, identity, reading, sights, table, trace
from trainers.admit import admit
from trainers.ledger import DocumentLosses, Ledger
from trainers.options import resolve
from trainers.plan import Plan
from trainers.stream import Stream

DOCUMENTS = texts(30)
SETTINGS = {"steps": 12, "sequence_length": 32, "batch_rows": 8, "seed": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has taken no step: the plan alone says what each will read."""
    folder = tmp_path_factory.mktemp("trace")
    make_run(folder, write_corpus(folder / "corpus", [DOCUMENTS[:20], DOCUMENTS[20:]]))
    return folder


def make_run(folder, *corpora, **changes):
    chosen = resolve({**SETTINGS, **changes})
    data = reading.data_of([admit(corpus) for corpus in corpora], chosen)
    (folder / "run").mkdir()
    identity.of(data, chosen).write(str(folder / "run"))
    return data


def lines(capsys, *argv):
    assert trace.main([*argv, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The documents of a corpus, some of them several times."""
    split = admit(write_corpus(tmp_path_factory.mktemp("stream") / "corpus", [DOCUMENTS[:9], DOCUMENTS[9:]])).train
    documents = np.random.default_rng(0).integers(0, 30, 50)
    return Stream.of((split,), np.zeros(50, np.int64), documents)


@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 12), st.sampled_from(["row", "document"]))
@settings(max_examples=25, deadline=None)
def test_sights_are_those_of_every_token(stream, sequence_length, batch_rows, num_steps, order):
    """Against a list of the owner of every token."""
    plan = Plan(stream.num_tokens, sequence_length, batch_rows, seed=1, order=order, stream_sha256="")
    owners = [(number, i) for number, n in enumerate(np.diff(stream.starts).tolist()) for i in range(n)]
    by_step, by_occurrence = collections.defaultdict(list), collections.defaultdict(list)
    for step in range(1, num_steps + 1):
        for row in plan.rows(step)[1]:
            start, stop = plan.tokens(int(row))
            for number, i in owners[start:stop]:
                by_step[step].append((step, number, i))
                by_occurrence[number].append((step, number, i))

    for step in range(1, num_steps + 1):
        assert tokens_of(sights.of_step(stream, plan, step=step)) == by_step[step]
    chosen = np.arange(0, 50, 3)
    found = tokens_of(sights.of_occurrences(stream, plan, chosen, num_steps=num_steps))
    assert sorted(found) == sorted(token for number in chosen.tolist() for token in by_occurrence[number])
    assert [step for step, *_ in found] == sorted(step for step, *_ in found)


def tokens_of(found):
    each = zip(found.steps.tolist(), found.occurrences.tolist(), found.starts, found.stops, strict=True)
    return [(step, number, i) for step, number, start, stop in each for i in range(start, stop)]


def test_documents_and_steps_find_each_other(run, capsys):
    """Every token of every document, step by step, and the same again document by document."""
    by_step, addresses = {}, {}
    for step in range(1, SETTINGS["steps"] + 1):
        for line in lines(capsys, "--run", f"{run}/run", "--step", str(step)):
            by_step[line["id"], step] = (line["tokens"], sorted(line["spans"]))
            addresses[line["id"]] = (line["url"], line["warc"], line["offset"])
    by_document = {}
    for number in range(len(DOCUMENTS)):
        shard, row = divmod(number, 20)
        name = f"train{shard}.warc.gz@{row}"
        for line in lines(capsys, "--run", f"{run}/run", "--document", name):
            by_document[name, line["step"]] = (line["tokens"], line["spans"])
        if name in addresses:
            expected = (f"https://example.org/train{shard}/{row}", f"crawl/train{shard}.warc.gz", 1000 * row)
            assert addresses[name] == expected
    assert by_step == by_document
    assert sum(tokens for tokens, _ in by_step.values()) == pytest.approx(12 * 8 * 32, abs=2 * 31)  # short last rows
    num_tokens = sum(len(encode(text)) for text in DOCUMENTS)
    assert num_tokens < 12 * 8 * 32  # so every document was read in the first epoch
    assert len(addresses) == len(DOCUMENTS)


def test_the_table_has_a_line_a_document(run, capsys):
    found = lines(capsys, "--run", f"{run}/run", "--step", "3")
    assert trace.main(["--run", f"{run}/run", "--step", "3"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "url", "warc", "offset", "tokens", "signals"]
    assert [row.split() for row in rows] == [
        [line["id"], line["url"], line["warc"], str(line["offset"]), str(line["tokens"]), quality(line)]
        for line in found
    ]
    assert len({row.index(quality(line)) for row, line in zip(rows, found, strict=True)}) == 1


def quality(line):
    return f"quality={line['signals']['quality']:.4g}"


def test_a_host_and_a_url_have_the_steps_of_their_documents(run, capsys):
    """One host has all documents, so every step reads it."""
    argv = ["--run", f"{run}/run"]
    for host in ("example.org", "ORG."):
        found = lines(capsys, *argv, "--host", host)
        assert [line["step"] for line in found] == list(range(1, 13))
        for line in found:
            documents = lines(capsys, *argv, "--step", str(line["step"])) if line["step"] in (1, 7) else None
            if documents is not None:
                assert line["ids"] == sorted({document["id"] for document in documents})
                assert line["documents"] == len(line["ids"])
                assert line["tokens"] == sum(document["tokens"] for document in documents)
    by_id = lines(capsys, *argv, "--document", "train1.warc.gz@4")
    by_url = lines(capsys, *argv, "--url", "https://example.org/train1/4")
    assert [(line["step"], line["tokens"]) for line in by_url] == [(line["step"], line["tokens"]) for line in by_id]
    assert {tuple(line["ids"]) for line in by_url} == {("train1.warc.gz@4",)}


def test_losses_and_checkpoints_are_told(tmp_path, capsys):
    """A ledger of the first eight steps, and checkpoints after steps 4 and 8."""
    data = make_run(tmp_path, write_corpus(tmp_path / "corpus", [DOCUMENTS]))
    book = Ledger(f"{tmp_path}/run", step=0)
    for step in range(1, 9):
        found = sights.of_step(data.stream, data.plan, step=step)
        targets = np.bincount(found.occurrences, weights=found.tokens)
        numbers = np.flatnonzero(targets)
        book.add(step, {"loss": DocumentLosses(numbers, targets[numbers], targets[numbers] * (numbers + 10 / step))})
    book.close_file()
    for step in (4, 8):
        (tmp_path / f"run/checkpoints/step-{step:08d}").mkdir(parents=True)
        (tmp_path / f"run/checkpoints/step-{step:08d}/about.json").write_text(
            json.dumps({"step": step, "files": {"a": "0"}, "guard": {"skipped": []}})
        )

    argv = ["--run", f"{tmp_path}/run"]
    third = lines(capsys, *argv, "--step", "3")
    assert [line["loss"] for line in third] == pytest.approx([line["occurrence"] + 10 / 3 for line in third])
    assert [line["targets"] for line in third] == [line["tokens"] for line in third]
    assert [line["z"] for line in sorted(third, key=lambda line: line["loss"])] == sorted(line["z"] for line in third)
    assert {(line["loss"], line["z"]) for line in lines(capsys, *argv, "--step", "9")} == {(None, None)}
    by_document = lines(capsys, *argv, "--document", "train0.warc.gz@13")
    assert len(by_document) > 2
    for line in by_document:
        expected = 13 + 10 / line["step"] if line["step"] <= 8 else None
        assert line["loss"] == (expected and pytest.approx(expected))
        assert line["checkpoint"] == (4 if line["step"] <= 4 else 8 if line["step"] <= 8 else None)
    assert trace.main([*argv, "--document", "train0.warc.gz@13"]) == 0
    assert capsys.readouterr().out.split()[:4] == ["step", "tokens", "loss", "checkpoint"]
    assert trace.main([*argv, "--step", "3", "--term", "other"]) == 1
    assert "the ledger has no term 'other' of the loss, expected one of loss" in capsys.readouterr().err


def test_the_documents_of_a_bad_step_are_written_the_worst_first(tmp_path):
    data = make_run(tmp_path, write_corpus(tmp_path / "corpus", [DOCUMENTS]))
    numbers = np.unique(sights.of_step(data.stream, data.plan, step=5).occurrences)
    costs = np.ones(len(numbers))
    costs[2], costs[4] = 9, np.nan
    losses = DocumentLosses(numbers, np.full(len(numbers), 10), 10 * costs)
    book = Ledger(f"{tmp_path}/run", step=0)
    book.add(4, {"loss": DocumentLosses(np.arange(4), np.full(4, 5), np.array([5.0, 10, 15, 20]))})
    documents = dossier.dossier(data.stream, data.plan, 5, losses=losses, others=book.rows(1, 4))
    assert len(documents) == len(numbers)
    path = dossier.write(f"{tmp_path}/run", 5, "the loss of step 5 is nan", documents)
    assert path == f"{tmp_path}/run/spikes/step-00000005.jsonl"
    with open(path) as file:
        head, *found = map(json.loads, file)
    assert head["reason"] == "the loss of step 5 is nan" and head["caution"].startswith("a correlation: ")
    assert [line["occurrence"] for line in found[:2]] == [numbers[4], numbers[2]]
    deviation = np.std([1, 2, 3, 4])
    assert [line["z"] for line in found[:3]] == pytest.approx([None, 6.5 / deviation, -1.5 / deviation])
    assert {"url", "warc", "offset", "signals"} <= found[0].keys()


def test_control_characters_do_not_reach_the_terminal():
    text = table.table(
        [{"url": "https://a/\x1b[2J\u202e" + "x" * 200, "loss": 0.5}, {"url": "b"}], ["url", "loss", "z"]
    )
    head, first, second = text.splitlines()
    assert text.isascii() is False and "\x1b" not in text and "\u202e" not in text  # the mark of what was cut
    assert first.startswith(r"https://a/\x1b[2J\u202exxx") and first.endswith("x…  0.500")
    assert (head.split(), second.split()) == (["url", "loss"], ["b", "-"])


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--step", "0"], "the run in {run}/run has the steps 1 to 12, found --step 0"),
        (["--step", "13"], "the run in {run}/run has the steps 1 to 12, found --step 13"),
        (
            ["--document", "x"],
            "the run in {run}/run reads no document with the id x; they look like those that --step prints",
        ),
        (
            ["--host", "example.com"],
            "the run in {run}/run reads no document of the host example.com; they look like those that --step prints",
        ),
        (
            ["--host", "a b"],
            "'a b' is no host: expected a name such as example.com, which stands for those below it too",
        ),
    ],
)
def test_what_is_not_there_is_one_sentence(run, capsys, argv, message):
    assert trace.main(["--run", f"{run}/run", *argv]) == 1
    assert capsys.readouterr().err == f"trainers.trace: {message.format(run=run)}\n"


def test_no_run_is_one_sentence(tmp_path, capsys):
    assert trace.main(["--run", str(tmp_path), "--step", "1"]) == 1
    expected = f"{tmp_path} holds no run: {tmp_path}/run.json does not exist; give the --output of a run"
    assert capsys.readouterr().err == f"trainers.trace: {expected}\n"


def test_another_corpus_is_refused(run, tmp_path, capsys):
    other = write_corpus(tmp_path / "corpus", [texts(30, seed=1)])
    assert trace.main(["--run", f"{run}/run", "--step", "1", "--corpus", other]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"trainers.trace: the run in {run}/run was made on another corpus: the shards of {other} have"
    )


@pytest.mark.parametrize("argv", [[], ["--run", "r"], ["--run", "r", "--step", "1", "--document", "x"], ["--ste", "1"]])
def test_usage_errors_exit_with_2(argv):
    with pytest.raises(SystemExit) as caught:
        trace.main(argv)
    assert caught.value.code == 2
