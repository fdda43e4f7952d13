"""The command that trains a classifier: what it reads, what it holds out, what it writes, and what it refuses."""

import gzip
import hashlib
import json
import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curation import classify, fasttext_model, storage, urls
from curation.classify import QualityClassifier
from curation.text import Text
from pipelines import train_classifier

REFERENCE = Path(__file__).parents[2] / "shared" / "data" / "quality" / "reference_vs_web.jsonl.gz"
GOOD = [
    "cell",
    "wall",
    "water",
    "energy",
    "light",
    "plant",
    "root",
    "theory",
    "number",
    "square",
    "river",
    "stone",
    "history",
    "measure",
    "growth",
]
POOR = [
    "buy",
    "cheap",
    "click",
    "offer",
    "shipping",
    "login",
    "cart",
    "price",
    "deal",
    "winner",
    "casino",
    "coupon",
    "subscribe",
    "hot",
    "now",
]
SMALL = ["--dim", "4", "--buckets", "2000", "--epochs", "5", "--held-out", "0.3"]


def row(number, words, *, kind):
    chooser = random.Random(f"{kind} {number}")
    text = " ".join(chooser.choices(words + ["the", "and", "of", "in"] * 4, k=40))
    return {"text": f"{text}.\nAs {kind}.", "url": f"https://www.{kind}{number // 3}.example/{number}"}


@pytest.fixture
def rows():
    return {
        "positive": [row(number, GOOD, kind="good") for number in range(60)],
        "negative": [row(number, POOR, kind="poor") for number in range(90)],
    }


def write(folder, rows):
    """The two files, and the flags that give them."""
    flags = []
    for name, found in rows.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in found))
        flags += [f"--{name}", str(path)]
    return flags


def train(folder, *flags, output="out"):
    """The exit status, and the card where there is one."""
    status = train_classifier.main([*map(str, flags), *SMALL, "--output", str(folder / output)])
    card = folder / output / "card.json"
    return status, json.loads(card.read_text()) if card.exists() else None


def test_the_model_tells_hosts_apart_that_it_has_not_seen(tmp_path, rows, capfd):
    status, card = train(tmp_path, *write(tmp_path, rows), output="model")
    out, err = capfd.readouterr()
    assert (status, err) == (0, "")
    assert card["held_out"]["auc"] > 0.99
    assert 0 < card["held_out"]["auc_of_length_alone"] < 1
    path, sha256 = str(tmp_path / "model/model.bin"), card["model"]["sha256"]
    assert f'QualityClassifier("{path}", "{sha256}", min_score=…)' in out
    step = QualityClassifier(path, sha256)
    step.check()
    scores = [step.measure(Text(row(1000, words, kind="new")["text"]))["quality_score"] for words in (GOOD, POOR)]
    assert scores[0] > scores[1]


def test_the_card_says_what_the_model_was_trained_on(tmp_path, rows):
    _, card = train(tmp_path, *write(tmp_path, rows))
    for name, found in rows.items():
        path = tmp_path / f"{name}.jsonl"
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        assert card["trained_on"][name] == [
            {"path": str(path), "rows": len(found), "bytes": len(content), "sha256": sha256}
        ]
        held = [each for each in found if urls.is_validation(each["url"], 0.3)]
        hosts = {urls.host(each["url"]) for each in held}
        assert card["examples"]["held_out"][name] == {"texts": len(held), "hosts": len(hosts)}
        assert card["examples"]["training"][name]["texts"] == len(found) - len(held)
    assert card["settings"]["seed"] == 0
    assert card["settings"]["held_out"] == 0.3
    assert card["versions"]["fasttext"] == "0.9.3"
    model = (tmp_path / "out/model.bin").read_bytes()
    assert card["model"] == {"name": "model.bin", "bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}
    text = (tmp_path / "out/card.md").read_text()
    assert card["model"]["sha256"] in text
    assert f"AUC {card['held_out']['auc']:.4f}; of length alone" in text
    assert sorted(os.listdir(tmp_path / "out")) == ["card.json", "card.md", "model.bin"]


def test_one_result_whatever_the_order_of_rows_and_files(tmp_path, rows):
    train(tmp_path, *write(tmp_path, rows), "--seed", "3")
    (tmp_path / "again").mkdir()
    flags = []
    for name, found in rows.items():
        random.Random(1).shuffle(found)
        for part, first in enumerate((0, 20)):
            some = found[:20] if part == 0 else found[first:]
            write(tmp_path / "again", {f"{name}-{part}": some})
        flags += [f"--{name}", tmp_path / f"again/{name}-1.jsonl", tmp_path / f"again/{name}-0.jsonl"]
    train(tmp_path, *flags, "--seed", "3", output="shuffled")
    assert (tmp_path / "out/model.bin").read_bytes() == (tmp_path / "shuffled/model.bin").read_bytes()


def test_the_same_command_writes_the_same_bytes_and_another_seed_others(tmp_path, rows):
    flags = write(tmp_path, rows)
    digests = {}
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        train(tmp_path, *flags, "--seed", seed, output=name)
        digests[name] = [(tmp_path / name / file).read_bytes() for file in ("model.bin", "card.json", "card.md")]
    assert digests["one"] == digests["again"]
    assert digests["one"][0] != digests["other"][0]


def test_quantized_models_are_one_result_too(tmp_path, rows):
    flags = write(tmp_path, rows)
    for name in ("one", "again"):
        status, card = train(tmp_path, *flags, "--quantize", output=name)
        assert (status, card["model"]["name"]) == (0, "model.ftz")
    one = (tmp_path / "one/model.ftz").read_bytes()
    assert one == (tmp_path / "again/model.ftz").read_bytes()
    assert card["held_out"]["auc"] > 0.9


def test_files_may_be_compressed_or_parquet_and_are_known_by_their_content(tmp_path, rows):
    train(tmp_path, *write(tmp_path, rows))
    lines = {name: "".join(json.dumps(each) + "\n" for each in found).encode() for name, found in rows.items()}
    half = lines["positive"].index(b"\n", len(lines["positive"]) // 2) + 1
    compressor = zstandard.ZstdCompressor()
    frames = compressor.compress(lines["positive"][:half]) + compressor.compress(lines["positive"][half:])
    (tmp_path / "positive.zst").write_bytes(frames)
    (tmp_path / "negative-gz").write_bytes(gzip.compress(lines["negative"]))
    train(tmp_path, "--positive", tmp_path / "positive.zst", "--negative", tmp_path / "negative-*", output="packed")
    pq.write_table(pa.Table.from_pylist(rows["positive"]), tmp_path / "positive.parquet", row_group_size=7)
    pq.write_table(pa.Table.from_pylist(rows["negative"]), tmp_path / "negative.parquet")
    parquet = ["--positive", tmp_path / "positive.parquet", "--negative", tmp_path / "negative.parquet"]
    train(tmp_path, *parquet, output="tables")
    models = {(tmp_path / name / "model.bin").read_bytes() for name in ("out", "packed", "tables")}
    assert len(models) == 1


@pytest.mark.slow
def test_a_corpus_may_be_trained_on(tmp_path, sample_corpus, rows):
    flags = write(tmp_path, rows)
    flags[1] = f"{sample_corpus}/documents/*.parquet"
    status, card = train(tmp_path, *flags)
    assert status == 0
    assert sum(file["rows"] for file in card["trained_on"]["positive"]) == 164
    assert len(card["trained_on"]["positive"]) == 4


def test_other_fields_may_hold_text_and_group(tmp_path, rows):
    renamed = {
        name: [{"body": each["text"], "book": number % 20} for number, each in enumerate(found)]
        for name, found in rows.items()
    }
    status, card = train(tmp_path, *write(tmp_path, renamed), "--text-field", "body", "--url-field", "book")
    assert status == 0
    training, held = card["examples"]["training"]["positive"], card["examples"]["held_out"]["positive"]
    assert training["hosts"] + held["hosts"] == 20
    assert (card["rows"]["without_url"], card["fields"]) == (0, {"text": "body", "url": "book"})


def test_rows_that_count_once_or_not_at_all_are_counted(tmp_path, rows, capsys):
    rows["positive"] += [rows["positive"][0], {**rows["positive"][1], "url": "https://other.example/"}]
    rows["positive"] += [{"text": " \n "}, {"text": None, "url": None}, rows["negative"][0]]
    rows["negative"] += [rows["negative"][0], {"text": "A text without a URL."}]
    status, card = train(tmp_path, *write(tmp_path, rows))
    assert status == 0
    assert card["rows"] == {"rows": 157, "without_text": 2, "repeated": 2, "on_both_sides": 3, "without_url": 1}
    sizes = [sizes for part in card["examples"].values() for sizes in part.values()]
    assert sum(each["texts"] for each in sizes) == 157 - 2 - 2 - 3
    told = capsys.readouterr().out
    assert "157 rows; dropped: without text 2, repeated 2, on both sides 3; without URL 1" in told


def test_a_text_cannot_name_its_class(tmp_path, rows):
    rows["negative"] = [{**each, "text": f"{classify.HIGH} {each['text']}"} for each in rows["negative"]]
    _, card = train(tmp_path, *write(tmp_path, rows))
    classifier = fasttext_model.read(str(tmp_path / "out/model.bin"))
    assert sorted(classify.labels(classifier)) == sorted([classify.HIGH, classify.LOW])
    assert card["held_out"]["auc"] > 0.99


def refused(folder, capsys, *flags):
    """The one line of an error; nothing may be left in --output."""
    status, card = train(folder, *flags)
    err = capsys.readouterr().err
    assert (status, card) == (1, None)
    assert err.startswith("error: ") and err.count("\n") == 1
    assert not (folder / "out").exists()
    return err


def _gzip_cut():
    return gzip.compress(b'{"text": "a"}\n' * 10_000)[:-20]


@pytest.mark.parametrize(
    "content, error",
    [
        (b"no json\n", "positive.jsonl, line 1: expected an object of JSON, found 'no json'"),
        (b'{"text": "a"}\n\n[1]\n', "positive.jsonl, line 3: expected an object of JSON, found '[1]'"),
        (b'{"text": ' + b"[" * 100_000 + b"\n", "line 1: expected an object of JSON"),
        (b'{"n": ' + b"1" * 5000 + b"}\n", "line 1: expected an object of JSON"),
        (b'{"body": "a", "url": ""}\n', "line 1: expected the field 'text', found body, url; name the one with --text"),
        (b'{"text": 7}\n', "line 1: expected a text in 'text', found 7; give another --text-field"),
        (b'{"text": "\xff"}\n', "cannot be read: 'utf-8' codec can't decode byte 0xff"),
        (_gzip_cut(), "cannot be read: "),
        (b"\x28\xb5\x2f\xfdxxxx", "cannot be read: "),
        (b"PAR1xxxxPAR1", "cannot be read: "),
        (b"", "--positive: no text is left to train on (rows 90)"),
    ],
)
def test_files_that_are_no_texts(tmp_path, rows, capsys, content, error):
    flags = write(tmp_path, rows)
    (tmp_path / "positive.jsonl").write_bytes(content)
    assert error in refused(tmp_path, capsys, *flags)


def test_a_table_without_the_field(tmp_path, rows, capsys):
    flags = write(tmp_path, rows)
    pq.write_table(pa.table({"content": ["a"]}), tmp_path / "positive.jsonl")
    assert "expected the field 'text', found content" in refused(tmp_path, capsys, *flags)


def test_a_path_without_files(tmp_path, rows, capsys):
    flags = write(tmp_path, rows)
    flags[3] = str(tmp_path / "none-*.jsonl")
    assert "none-*.jsonl: no file matches" in refused(tmp_path, capsys, *flags)


def test_the_same_file_on_both_sides(tmp_path, rows, capsys):
    flags = write(tmp_path, rows)
    flags[3] = flags[1]
    assert "no text is left to train on (rows 120, on_both_sides 120)" in refused(tmp_path, capsys, *flags)


def test_too_few_hosts_to_hold_any_out(tmp_path, rows, capsys):
    rows["positive"] = [{**each, "url": "https://one.example/"} for each in rows["positive"]]
    error = refused(tmp_path, capsys, *write(tmp_path, rows))
    assert "of 60 texts of --positive, which lie on 1 hosts that stay together; give texts of more hosts" in error


@pytest.mark.parametrize(
    "flags, error",
    [
        (["--epochs", "0"], "epochs=0"),
        (["--seed", "-1"], "seed=-1"),
        (["--learning-rate", "nan"], "learning_rate=nan"),
        (["--learning-rate", "1e30"], "give a lower --learning-rate"),
    ],
)
def test_settings_that_make_no_model(tmp_path, rows, capsys, flags, error):
    arguments = [*write(tmp_path, rows), *SMALL, *flags, "--output", str(tmp_path / "out")]
    assert train_classifier.main(arguments) == 1
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [["--held-out", "0"], ["--held-out", "1"], ["--epoch", "3"], ["--positive"]])
def test_flags_that_are_none(tmp_path, rows, flags):
    with pytest.raises(SystemExit):
        train_classifier.main([*write(tmp_path, rows), "--output", str(tmp_path / "out"), *flags])


def test_a_model_that_is_there_stays_unless_told(tmp_path, rows, capsys):
    flags = write(tmp_path, rows)
    train(tmp_path, *flags)
    before = (tmp_path / "out/model.bin").read_bytes()
    assert train(tmp_path, *flags, "--seed", "9")[0] == 1
    assert "already holds card.json; choose another folder, or pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "out/model.bin").read_bytes() == before
    assert train(tmp_path, *flags, "--seed", "9", "--overwrite", "--quantize")[0] == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["card.json", "card.md", "model.ftz"]


def test_nothing_is_written_into_a_folder_of_other_things(tmp_path, rows, capsys):
    flags = write(tmp_path, rows)
    assert train_classifier.main([*flags, *SMALL, "--output", str(tmp_path), "--overwrite"]) == 1
    assert "holds negative.jsonl, which is no classifier" in capsys.readouterr().err
    assert train_classifier.main([*flags, *SMALL, "--output", str(tmp_path / "positive.jsonl")]) == 1
    assert "is a file; choose a folder" in capsys.readouterr().err


def test_where_writing_fails_nothing_is_left(tmp_path, rows, capsys, monkeypatch):
    publish = storage.publish

    def full(path):
        if path.endswith("card.json"):
            raise OSError(28, "No space left on device")
        return publish(path)

    monkeypatch.setattr(storage, "publish", full)
    status, _ = train(tmp_path, *write(tmp_path, rows))
    assert (status, "No space left" in capsys.readouterr().err) == (1, True)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.slow
@pytest.mark.skipif(not REFERENCE.is_file(), reason=f"there is no {REFERENCE}")
@pytest.mark.parametrize("group", ["source"])
def test_books_are_told_from_web_pages(tmp_path, group):
    with gzip.open(REFERENCE, "rt", encoding="utf-8") as file:
        labelled = [json.loads(line) for line in file]
    sides = {"positive": 1, "negative": 0}
    flags = write(
        tmp_path, {name: [each for each in labelled if each["label"] == is_it] for name, is_it in sides.items()}
    )
    output = str(tmp_path / "out")
    assert train_classifier.main([*flags, "--output", output, "--held-out", "0.2", "--url-field", group]) == 0
    held = json.loads((tmp_path / "out/card.json").read_text())["held_out"]
    assert held["auc"] > 0.97
    assert held["auc_of_length_alone"] < 0.65
