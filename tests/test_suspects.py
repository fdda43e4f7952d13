import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from curation import urls
from tests.tiny_corpus import END_OF_TEXT, VOCAB_SIZE, write_corpus
from trainers import identity, ledger, pages, reading, scores, suspects
from trainers.admit import admit
from trainers.batches import Rows
from trainers.ledger import SCHEMA, Ledger
from trainers.objectives.causal import Causal
from trainers.options import resolve
from trainers.stream import Stream

GENERATOR = np.random.default_rng(1)
NUM_TEXTS = 120
COPIED = "".join(GENERATOR.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 150))
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
WORDS = ["".join(GENERATOR.choice(LETTERS, length)) for length in GENERATOR.integers(2, 9, 200)]
GARBAGE = "".join(map(chr, GENERATOR.integers(33, 127, 150)))
COPIES = range(1, NUM_TEXTS, 8)  # the numbers of the documents that are one text
THE_GARBAGE = 60
DOCUMENTS = [" ".join(GENERATOR.choice(WORDS, length)) for length in GENERATOR.integers(10, 30, NUM_TEXTS)]
DOCUMENTS = [COPIED if number in COPIES else text for number, text in enumerate(DOCUMENTS)]
DOCUMENTS[THE_GARBAGE] = GARBAGE


class Trigrams(nn.Module):
    """Predicts a token from the two before it, by a table: what a model remembers, without a model."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(VOCAB_SIZE**2, VOCAB_SIZE, sparse=True)
        nn.init.zeros_(self.table.weight)

    def forward(self, inputs, segments, positions):
        before = torch.cat([torch.full_like(inputs[:, :1], END_OF_TEXT), inputs[:, :-1]], 1)
        return self.table(before * VOCAB_SIZE + inputs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs over random sentences, a text that stands there many times, and one of garbage."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("suspects")
    corpus = admit(write_corpus(folder / "corpus", [DOCUMENTS[:50], DOCUMENTS[50:]]))
    chosen = resolve({"steps": 80, "sequence_length": 64, "batch_rows": 8, "seed": 0})
    data = reading.data_of([corpus], chosen)
    (folder / "run").mkdir()
    identity.of(data, chosen).write(str(folder / "run"))

    rows = Rows(data.stream, data.plan.num_tokens, 64, END_OF_TEXT, VOCAB_SIZE)
    objective, model, book = Causal(64, END_OF_TEXT), Trigrams(), Ledger(f"{folder}/run", step=0)
    optimizer, sums = torch.optim.SGD(model.parameters(), lr=300), {}
    for step in range(1, 81):
        read = [rows.row(int(row), epoch=int(epoch)) for epoch, row in zip(*data.plan.rows(step), strict=True)]
        batch = objective.batch(read)
        optimizer.zero_grad()
        losses = objective.losses(model, batch)
        (losses["loss"].sum() / batch.num_targets["loss"]).backward()
        optimizer.step()
        book.add(step, ledger.by_document(read, batch, losses))
        sums[step] = float(losses["loss"].detach().double().sum()), batch.num_targets["loss"]
        if step % 20 == 0:
            book.close_file()
    return folder, data, sums


def listed(capsys, folder, *argv):
    assert suspects.main(["--run", f"{folder}/run", *argv, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_losses_of_the_documents_of_a_step_are_its_own(run):
    folder, _, sums = run
    found = ledger.read(f"{folder}/run").group_by("step").aggregate([("loss", "sum"), ("targets", "sum")])
    assert len(sums) == found.num_rows == 80
    for row in found.to_pylist():
        nats, targets = sums[row["step"]]
        assert (row["loss_sum"], row["targets_sum"]) == (pytest.approx(nats, rel=1e-12), targets)


def test_copies_are_the_lowest_and_garbage_the_highest(run, capsys):
    folder, data, _ = run
    path = folder / "suspects.jsonl"
    found = listed(capsys, folder, "--lowest", str(len(COPIES)), "--highest", "3", "--output", str(path))
    copies = {data.stream.document(number)["id"] for number in COPIES}
    lowest = [line for line in found if line["kind"] == "lowest"]
    highest = [line for line in found if line["kind"] == "highest"]
    assert {line["id"] for line in lowest} == copies
    assert highest[0]["id"] == data.stream.document(THE_GARBAGE)["id"]
    assert highest[0]["z"] > 2 * highest[1]["z"] > 0 > lowest[-1]["z"] >= lowest[0]["z"]
    for line in found:
        document = data.stream.document(int(data.stream.find(line["id"])[0]))
        assert {name: line[name] for name in ("url", "warc", "offset")}.items() <= document.items()
        assert line.keys() >= {"loss", "z", "kind", "signals"}
    assert [json.loads(line) for line in path.read_text().splitlines()] == found

    assert suspects.main(["--run", f"{folder}/run", "--lowest", "2", "--highest", "2"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["kind", "z", "loss", "targets", "sights", "id", "url", "warc", "offset", "signals"]
    assert [row.split()[0] for row in rows] == ["lowest", "lowest", "highest", "highest"]


def test_sources_and_signals_hold_all_documents(run, capsys):
    folder, *_ = run
    rows = ledger.read(f"{folder}/run")
    targets, nats = sum(rows["targets"].to_pylist()), sum(rows["loss"].to_pylist())
    (language,) = listed(capsys, folder, "--by", "language", "--highest", "0")
    assert (language["language"], language["documents"], language["targets"]) == ("en", NUM_TEXTS, targets)
    assert language["loss"] == pytest.approx(nats / targets)
    assert abs(language["excess"]) < 1e-9
    (host,) = listed(capsys, folder, "--by", "host", "--lowest", "0")
    assert (host["host"], host["kind"], host["documents"]) == ("example.org", "highest", NUM_TEXTS)
    (corpus,) = listed(capsys, folder, "--by", "corpus", "--lowest", "0")
    assert (corpus["corpus"], corpus["documents"]) == (f"{folder}/corpus", NUM_TEXTS)

    bins = listed(capsys, folder, "--signal", "quality")
    assert [line["quality"] for line in bins] == ["0 to 0", "0.25 to 0.25", "0.5 to 0.5", "0.75 to 0.75", "1 to 1"]
    assert sum(line["documents"] for line in bins) == NUM_TEXTS
    assert sum(line["loss"] * line["targets"] for line in bins) == pytest.approx(nats)


def test_bins_have_equally_many_documents_and_equal_values_together():
    values = np.array([*range(90), *[90] * 10, *[np.nan] * 3], float)
    columns = [np.arange(103), *[np.ones(103, np.int64)] * 3, values, values, values]
    found = scores.binned(scores.Scores(*columns), values, bins=10)
    assert found.documents.tolist() == [10] * 10 + [3]
    assert found.names[[0, 1, -2, -1]].tolist() == ["0 to 9", "10 to 19", "90 to 90", "missing"]
    assert found.loss[:2].tolist() == [4.5, 14.5]


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--signal", "beauty"], "no document has the signal 'beauty', expected one of quality"),
        (["--min-tokens", "100000"], "no document in the ledger of {run} has 100000 scored tokens; lower --min-tokens"),
        (["--term", "x"], "the ledger has no term 'x' of the loss, expected one of loss"),
    ],
)
def test_what_is_not_there_is_one_sentence(run, capsys, argv, message):
    folder, *_ = run
    assert suspects.main(["--run", f"{folder}/run", *argv]) == 1
    assert capsys.readouterr().err == f"trainers.suspects: {message.format(run=f'{folder}/run')}\n"


def test_too_few_documents_are_shared_out():
    found = scores.Scores(*[np.arange(5)] * 7)
    chosen = suspects.lowest_and_highest(found, lowest=20, highest=20)
    assert chosen == [("lowest", 0), ("lowest", 1), ("lowest", 2), ("highest", 4), ("highest", 3)]
    assert suspects.lowest_and_highest(found, lowest=1, highest=0) == [("lowest", 0)]
    assert len(suspects.lowest_and_highest(found, lowest=0, highest=9)) == 5


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9), st.floats(0, 12)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_a_loop(sights):
    """Few sights are one window, so the mean is that of all targets, and the deviation too."""
    sights = sorted((step, i % 7, targets, loss) for i, (step, targets, loss) in enumerate(sights))
    columns = zip(
        *[(step, number, "loss", targets, loss * targets) for step, number, targets, loss in sights], strict=True
    )
    table = pa.table([list(column) for column in columns], names=SCHEMA.names).cast(SCHEMA)
    every = [(number, loss) for _, number, targets, loss in sights for _ in range(targets)]
    mean, deviation = np.mean([loss for _, loss in every]), np.std([loss for _, loss in every])

    found = scores.of_documents(scores.of_term(table, None), stream_of(7))
    for number, loss, excess, z in zip(found.names, found.loss, found.excess, found.z, strict=True):
        own = np.mean([loss for other, loss in every if other == number])
        assert (loss, excess) == (pytest.approx(own), pytest.approx(own - mean, abs=1e-9))
        if deviation > 1e-6:
            assert z == pytest.approx((own - mean) / deviation, abs=1e-6)
    if deviation > 1e-6:
        assert scores.against(table, np.array([mean + deviation])) == pytest.approx([1])


def test_a_falling_loss_does_not_make_early_documents_suspects():
    """The loss falls from 10 to 2 over 200 steps; each has 50 documents, one of them 0.5 below the others."""
    steps, numbers = np.repeat(np.arange(1, 201), 50), np.arange(10_000)
    generator = np.random.default_rng(0)
    level = 2 + 8 * np.exp(-steps / 20)
    losses = level + generator.normal(0, 0.1, 10_000) - 0.5 * (numbers % 50 == 7)
    columns = [steps, numbers, pa.array(["loss"] * 10_000), np.full(10_000, 100), 100 * losses]
    table = pa.table(columns, names=SCHEMA.names).cast(SCHEMA)
    found = scores.of_documents(table, stream_of(10_000))
    lowest = np.argsort(found.z)[:200]
    assert np.mean(lowest % 50 == 7) > 0.95
    assert abs(np.mean(found.z[:2500]) - np.mean(found.z[-2500:])) < 0.1


def stream_of(num_documents):
    """A stream of documents of one token, of no shards."""
    split = type("Split", (), {"num_documents": num_documents})()
    return Stream((split,), np.zeros(num_documents, np.uint8), np.arange(num_documents), np.arange(num_documents + 1))


ADDRESSES = [
    "http://Example.ORG/a?b#c",
    "https://www.example.org:8080/",
    "https://user:p@ss@sub.example.org./x",
    "https://[2001:DB8::1]:80/",
    "http://evil.example/@example.org",
    "http://evil.example?u=http://example.org/",
    "https://bücher.example/",
    "//example.org/x",
    "dns:example.org",
    "no url at all",
    "",
]


def test_hosts_are_those_of_the_curation():
    assert pages.hosts(pa.chunked_array([ADDRESSES])).to_pylist() == [urls.host(url) for url in ADDRESSES[:7]] + [
        *ADDRESSES[7:]
    ]
    assert pages.hosts(pa.chunked_array([ADDRESSES]))[:4].to_pylist() == [
        *["example.org"] * 2,
        "sub.example.org",
        "2001:db8::1",
    ]


def test_columns_of_many_documents_are_those_of_each(run, tmp_path):
    """Of two corpora, in any order and some several times."""
    _, data, _ = run
    other = admit(write_corpus(tmp_path / "corpus", [["a", "b"], ["c"]])).train
    generator = np.random.default_rng(0)
    sources = generator.integers(0, 2, 60)
    documents = np.where(sources, generator.integers(0, 3, 60), generator.integers(0, NUM_TEXTS, 60))
    stream = Stream.of((*data.stream.splits, other), sources, documents)
    chosen = generator.integers(0, 60, 40)
    for number, page in zip(chosen.tolist(), pages.descriptions(stream, chosen), strict=True):
        document = stream.document(number)
        assert page == {name: document[name] for name in page}
    assert pages.descriptions(stream, np.empty(0, np.int64)) == []
    expected = [number for number in range(60) if stream.document(number)["url"] == "https://example.org/train1/0"]
    assert pages.of_url(stream, "https://example.org/train1/0").tolist() == expected
    assert len(pages.of_host(stream, "example.org")) == 60
    joined = scores.of_documents(table_of(range(60)), stream)
    assert len(joined.names) == len(set(zip(sources.tolist(), documents.tolist(), strict=True)))
    names = suspects.sources(stream, joined, "corpus", corpora=("first", "second"))
    assert names.names.tolist() == ["first", "second"] and names.sights.sum() == 60


def table_of(occurrences):
    """A step that read these, each with one target of one nat."""
    rows = [[1, number, "loss", 1, 1.0] for number in occurrences]
    return pa.table([list(column) for column in zip(*rows, strict=True)], names=SCHEMA.names).cast(SCHEMA)
