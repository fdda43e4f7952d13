import json

import pytest

from tests.tiny_corpus import encode, texts, write_corpus
from trainers import trace
from trainers.admit import admit
from trainers.identity import of
from trainers.options import resolve

DOCUMENTS = texts(30)
SETTINGS = {"steps": 12, "sequence_length": 32, "batch_rows": 8, "seed": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has taken no step: the plan alone says what each will read."""
    folder = tmp_path_factory.mktemp("trace")
    corpus = admit(write_corpus(folder / "corpus", [DOCUMENTS[:20], DOCUMENTS[20:]]))
    (folder / "run").mkdir()
    of(corpus, resolve(SETTINGS)).write(str(folder / "run"))
    return folder


def lines(capsys, *argv):
    assert trace.main([*argv, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


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
    assert head.split() == ["id", "url", "warc", "offset", "tokens"]
    assert [row.split() for row in rows] == [
        [line["id"], line["url"], line["warc"], str(line["offset"]), str(line["tokens"])] for line in found
    ]
    assert len({len(row) for row in [head, *rows]}) == 1


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--step", "0"], "the run in {run}/run has the steps 1 to 12, found --step 0"),
        (["--step", "13"], "the run in {run}/run has the steps 1 to 12, found --step 13"),
        (
            ["--document", "x"],
            "no document of the training split of {run}/corpus has the id x; ids look like those that --step prints",
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
    assert error.startswith(f"trainers.trace: {other} is not the corpus of the run in {run}/run: its shards have the ")


@pytest.mark.parametrize("argv", [[], ["--run", "r"], ["--run", "r", "--step", "1", "--document", "x"], ["--ste", "1"]])
def test_usage_errors_exit_with_2(argv):
    with pytest.raises(SystemExit) as caught:
        trace.main(argv)
    assert caught.value.code == 2
