import datetime
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_corpus import encode, texts, write_corpus
from tests.tiny_splits import documents, split_of
from trainers import forget, identity, lookup, options, reading, tombstones
from trainers.admit import admit
from trainers.tombstones import Tombstone

DOCUMENTS = texts(30)
SETTINGS = {"steps": 9, "sequence_length": 32, "batch_rows": 3, "seed": 4, "objective": "causal"}
LABELS = st.sampled_from(["a", "b", "xa", "ab", "bücher"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)


@pytest.fixture
def run(tmp_path):
    """A run with checkpoints, as far as their names say."""
    corpus = admit(write_corpus(tmp_path / "corpus", [DOCUMENTS[:20], DOCUMENTS[20:]], [texts(3, seed=1)]))
    data = reading.data_of([corpus], settings_of())
    for step in (2, 4, 6):
        os.makedirs(tmp_path / f"run/checkpoints/step-{step:08d}")
    identity.of(data, settings_of()).write(f"{tmp_path}/run")
    return data


def settings_of():
    return options.resolve(SETTINGS)


def told(capsys, *argv):
    assert forget.main([*argv, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(capsys, *argv):
    assert forget.main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return err


def steps_reading(data, numbers):
    """The steps that read one of these documents of the training split, token by token."""
    owners = np.repeat(np.arange(data.stream.num_documents), np.diff(data.stream.starts))
    found = set()
    for step in range(1, SETTINGS["steps"] + 1):
        for row in data.plan.rows(step)[1]:
            start, stop = data.plan.tokens(int(row))
            if set(owners[start:stop].tolist()) & set(numbers):
                found.add(step)
    return sorted(found)


def test_a_host_is_forgotten(run, tmp_path, capsys):
    """All documents of the corpus are of one host; the next plan has nothing left, and other hosts match nothing."""
    corpus, wanted = f"{tmp_path}/corpus", "Example.ORG."
    (told_corpus,) = told(capsys, "--corpus", corpus, "--host", wanted, "--date", "2026-03-31", "--reason", "asked")
    assert told_corpus == {"corpus": corpus, "documents": 33, "new_tombstones": 33}
    entries = tombstones.load(f"{corpus}/tombstones.jsonl")
    assert len(entries) == 33
    assert entries[0] == Tombstone("train0.warc.gz@0", "asked", "2026-03-31")
    assert entries[-1].id == "validation0.warc.gz@2"
    with pytest.raises(ValueError, match="has only documents that are to be forgotten"):
        reading.data_of([admit(corpus)], settings_of())


def test_steps_and_checkpoints_that_read_a_document_are_listed(run, tmp_path, capsys):
    corpus, folder = f"{tmp_path}/corpus", f"{tmp_path}/run"
    clean, tainted = set(), set()
    for number in range(30):
        steps = steps_reading(run, [number])
        name = f"train{number // 20}.warc.gz@{number % 20}"
        _, line = told(capsys, "--corpus", corpus, "--document", name, "--run", folder)
        saved = {step: f"{folder}/checkpoints/step-{step:08d}" for step in (2, 4, 6)}
        before = [path for step, path in saved.items() if not steps or step < steps[0]]
        assert line == {
            "run": folder,
            "documents": int(bool(steps)),
            "tokens": line["tokens"],
            "steps": steps,
            "last_clean_checkpoint": before[-1] if before else None,
            "affected_checkpoints": [path for path in saved.values() if path not in before],
        }
        assert (line["tokens"] > 0) == bool(steps)
        clean.add(line["last_clean_checkpoint"])
        tainted.add(len(line["affected_checkpoints"]))
    assert len(clean) >= 3
    assert len(tainted) >= 3


def test_the_next_plan_leaves_them_out_and_the_run_keeps_its_own(run, tmp_path, capsys):
    corpus, folder = f"{tmp_path}/corpus", f"{tmp_path}/run"
    numbers = [3, 21]
    argv = ["--document", "train0.warc.gz@3", "--url", "https://example.org/train1/1", "--run", folder]
    first, line = told(capsys, "--corpus", corpus, *argv)
    assert (first["documents"], first["new_tombstones"]) == (2, 2)
    assert line["steps"] == steps_reading(run, numbers)

    after = reading.data_of([admit(corpus)], settings_of())
    assert after.stream.documents.tolist() == [i for i in range(30) if i not in numbers]
    assert after.plan.stream_sha256 != run.plan.stream_sha256
    assert after.stream.num_tokens == run.stream.num_tokens - sum(len(encode(DOCUMENTS[i])) for i in numbers)

    again, same = told(capsys, "--corpus", corpus, *argv)
    assert (again["documents"], again["new_tombstones"]) == (2, 0)
    assert same == line
    assert len(tombstones.load(f"{corpus}/tombstones.jsonl")) == 2


def test_a_file_names_many(run, tmp_path, capsys):
    """Ids, URLs and hosts as they are, or what trainers.suspects writes."""
    lines = [
        "# what was asked for in March",
        "train0.warc.gz@1",
        "",
        "https://example.org/train0/2",
        "other.example",
        json.dumps({"id": "train0.warc.gz@4", "url": "https://example.org/train0/5", "loss": 0.1}),
        json.dumps({"url": "https://example.org/train0/6"}),
        json.dumps({"host": "elsewhere.example"}),
    ]
    (tmp_path / "list").write_text("\n".join(lines) + "\n")
    (found,) = told(capsys, "--corpus", f"{tmp_path}/corpus", "--from", f"{tmp_path}/list")
    assert found["new_tombstones"] == 4
    entries = tombstones.load(f"{tmp_path}/corpus/tombstones.jsonl")
    assert [entry.id for entry in entries] == [f"train0.warc.gz@{i}" for i in (1, 2, 4, 6)]
    assert {(entry.reason, entry.date) for entry in entries} == {("opt-out", datetime.date.today().isoformat())}


def test_what_is_printed(run, tmp_path, capsys):
    corpus, folder = f"{tmp_path}/corpus", f"{tmp_path}/run"
    assert forget.main(["--corpus", corpus, "--host", "example.org", "--run", folder]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{corpus}: 33 documents, 33 of them newly forgotten"
    assert out[1] == f"{folder}: 24 documents, 864 tokens"  # all of 9 steps of 3 rows of 32
    assert out[2:] == [
        "  in 9 steps: 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "  last clean checkpoint: none; only the untrained weights are clean",
        "  affected checkpoints: 3",
        *(f"    {folder}/checkpoints/step-{step:08d}" for step in (2, 4, 6)),
        "  resumed, the run goes on with the plan that it began with; start another one to leave the documents out",
    ]


@pytest.mark.parametrize(
    "argv, problem",
    [
        ([], "nothing is named to forget; give --host, --url, --document or --from"),
        (["--host", "https://example.org/"], "'https://example.org/' is no host; give a name such as example.com"),
        (["--host", "nobody.example"], "is one of those to forget, so nothing was written; "),
        (["--document", "x\x1b[31m", "--date", "March"], "--date is 'March', expected a day such as 2026-03-31"),
        (["--host", "example.org", "--run", "nowhere"], "nowhere holds no run"),
        (["--from", "missing"], "missing"),
    ],
)
def test_what_cannot_be_forgotten_is_refused(run, tmp_path, capsys, argv, problem):
    assert problem in refused(capsys, "--corpus", f"{tmp_path}/corpus", *argv)
    assert not (tmp_path / "corpus/tombstones.jsonl").exists()


@pytest.mark.parametrize("line", ['{"id": 3}', "{", "[1]", "not a host"])
def test_a_line_that_names_nothing_is_refused(run, tmp_path, capsys, line):
    (tmp_path / "list").write_text(f"example.org\n{line}\n")
    error = refused(capsys, "--corpus", f"{tmp_path}/corpus", "--from", f"{tmp_path}/list")
    assert f"{tmp_path}/list: line 2" in error
    assert not (tmp_path / "corpus/tombstones.jsonl").exists()


def test_tombstones_are_added_once(tmp_path):
    entries = [Tombstone("a@1", "asked", "2026-01-01"), Tombstone("b@2", "asked", "2026-01-01")]
    path = f"{tmp_path}/{tombstones.NAME}"
    assert tombstones.load(path) == ()
    assert tombstones.add(tmp_path, entries[:1]) == 1
    assert tombstones.add(tmp_path, [Tombstone("a@1", "later", "2026-02-02"), *entries, *entries]) == 1
    assert tombstones.load(path) == tuple(entries)
    assert tombstones.ids(tombstones.load(path)) == {"a@1", "b@2"}
    assert tombstones.joined([tuple(entries[:1]), tuple(entries)]) == tuple(entries)
    assert os.listdir(tmp_path) == [tombstones.NAME]


def test_two_commands_at_once_lose_nothing(tmp_path):
    def add(name):
        for i in range(10):
            tombstones.add(tmp_path, [Tombstone(f"{name}@{i}", "asked", "2026-01-01")])

    threads = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tombstones.load(f"{tmp_path}/{tombstones.NAME}")) == 30


@pytest.mark.parametrize("line", ["x", "3", '{"id": "a"}', '{"id": 1, "reason": "", "date": ""}'])
def test_a_damaged_tombstone_is_refused(tmp_path, line):
    path = tmp_path / tombstones.NAME
    path.write_text('{"id": "a", "reason": "", "date": ""}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"line 2 is no tombstone .* expected an object with id, "):
        tombstones.load(path)


@given(st.lists(st.tuples(HOSTS, st.booleans(), st.booleans()), max_size=8), HOSTS)
@settings(max_examples=60, deadline=None)
def test_hosts_are_found_with_those_below_them(urls, wanted):
    """Whatever stands around the host in the URL, and whether it is written in letters or in punycode."""
    made = []
    for host, coded, upper in urls:
        written = host.encode("idna").decode() if coded else host
        made.append(f"https://user@{written.upper() if upper else written}:8080/{wanted}?{wanted}")
    split = split_of(documents(len(made), url=made))
    expected = [i for i, (host, _, _) in enumerate(urls) if host == wanted or host.endswith("." + wanted)]
    assert lookup.by_host(split, wanted).tolist() == expected
    assert lookup.by_host(split, wanted.encode("idna").decode().upper() + ".").tolist() == expected
    assert lookup.by_hosts(split, [wanted, *(f"{i}.none" for i in range(300))]).tolist() == expected


def test_odd_urls_have_no_host_or_theirs():
    urls = [
        "http://[::1/",
        "nothing",
        "",
        "http://user:pw@Shop.Example.com.:80/x",
        "https://example.com.evil.org/",
        None,
    ]
    split = split_of(documents(len(urls), url=urls))
    assert lookup.by_host(split, "example.com").tolist() == [3]
    assert lookup.by_urls(split, ["", "nothing", "else"]).tolist() == [1, 2]
    assert [lookup.host_name(name) for name in ("a b", "http://x", "", "x..y", "-")] == [None, None, None, None, "-"]
