"""The whole road over the sample crawl: books, evidence, and the same bytes however it is run."""

import collections
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation import manifest, shards, urls
from pipelines import curate, deduplicate, extract, tokenize
from tests.conftest import SAMPLE

pytestmark = pytest.mark.slow

EXPECTED = [json.loads(line) for line in (SAMPLE / "expected.jsonl").read_text(encoding="utf-8").splitlines()]


def digests(corpus: Path) -> dict[str, str]:
    """sha256 of every file that must not depend on how the corpus was made."""
    return {
        str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(corpus.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def rows(corpus: Path, folder: str) -> list[dict]:
    """All rows of one folder of Parquet files."""
    return [row for path in sorted((corpus / folder).iterdir()) for row in pq.read_table(path).to_pylist()]


def test_the_layout_is_the_documented_one(sample_corpus):
    assert sorted(path.name for path in sample_corpus.iterdir()) == [
        "documents",
        "filtered",
        "manifest.json",
        "rejected",
        "rejected_texts",
        "tokenizer.json",
        "tokens",
    ]
    assert len(list((sample_corpus / "documents").iterdir())) == len(list(SAMPLE.glob("*.warc.gz")))


def test_the_books_close(sample_corpus):
    """Every page read is one row of documents or of rejected, by step and reason as the ledger says."""
    ledger = manifest.load(str(sample_corpus)).ledger
    documents, rejected = rows(sample_corpus, "documents"), rows(sample_corpus, "rejected")
    assert ledger["read"] == len(documents) + len(rejected)
    assert ledger["kept"] == len(documents)
    counts = collections.Counter((row["step"], row["reason"]) for row in rejected)
    assert counts == {
        (step, reason): n for step, reasons in ledger["rejected"].items() for reason, n in reasons.items()
    }
    ids = [row["id"] for row in documents + rejected]
    assert len(set(ids)) == len(ids)


def test_every_page_ends_as_the_answer_key_says(sample_corpus):
    documents = {row["url"] for row in rows(sample_corpus, "documents")}
    kept = {row["url"] for row in EXPECTED if row["outcome"] == "kept"}
    assert documents == kept
    assert len(kept) > 90


def test_duplicates_name_the_page_they_duplicate(sample_corpus):
    urls_by_id = {row["id"]: row["url"] for row in rows(sample_corpus, "documents")}
    found = {
        row["url"]: (urls_by_id[row["evidence"].split(" ")[0]], row["value"])
        for row in rows(sample_corpus, "rejected")
        if row["step"] in ("ExactDuplicates", "NearDuplicates")
    }
    planted = {row["url"]: row["duplicate_of"] for row in EXPECTED if row["duplicate_of"]}
    assert {url: kept for url, (kept, _) in found.items()} == planted
    assert all(0.8 <= similarity <= 1 for _, similarity in found.values())


def test_kept_documents_count_their_copies(sample_corpus):
    clusters = collections.Counter(row["duplicate_of"] for row in EXPECTED if row["duplicate_of"])
    copies = {row["url"]: row["copies"] for row in rows(sample_corpus, "documents")}
    assert copies == {url: 1 + clusters[url] for url in copies}


def test_addresses_are_replaced(sample_corpus):
    texts = {row["url"]: row["text"] for row in rows(sample_corpus, "documents")}
    (page,) = (row["url"] for row in EXPECTED if row["kind"] == "contact_details")
    assert "email@example.com" in texts[page]
    left = re.findall(r"[\w.]+@[\w.]+\w", "\n".join(texts.values()))
    assert set(left) <= {"email@example.com", "firstname.lastname@example.org"}


def test_no_host_is_on_both_sides_and_tokens_are_the_texts(sample_corpus):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(sample_corpus / "tokenizer.json"))
    texts = {row["id"]: row["text"] for row in rows(sample_corpus, "documents")}
    hosts: dict[str, set[str]] = {"train": set(), "validation": set()}
    for path in sorted((sample_corpus / "tokens").iterdir()):
        shard = shards.open_shard(str(path))
        for row in range(shard.table.num_rows):
            document = shard.document(row)
            *tokens, last = shard.tokens(int(shard.doc_starts[row]), int(shard.doc_starts[row + 1])).tolist()
            assert last == shard.info.end_of_text_id
            assert tokenizer.decode(tokens, skip_special_tokens=False) == texts.pop(document["id"])
            hosts[shard.info.split].add(urls.host(document["url"]))
    assert texts == {}
    assert hosts["train"] and hosts["validation"]
    assert hosts["train"].isdisjoint(hosts["validation"])


def test_shards_hold_the_signals_of_their_documents(sample_corpus):
    signals = {row["id"]: dict(row["signals"]) for row in rows(sample_corpus, "documents")}
    for path in sorted((sample_corpus / "tokens").iterdir()):
        shard = shards.open_shard(str(path))
        ids = shard.table.column("id").to_pylist()
        assert ids == [] or {"num_words", "top_2gram"} < set(shard.signals)
        for name in shard.signals:
            assert shard.numbers(name).tolist() == [float(np.float32(signals[id][name])) for id in ids]
        for row, id in enumerate(ids):
            assert list(shard.document(row)["signals"]) == sorted(signals[id])


def test_the_manifest_says_what_the_files_hold(sample_corpus):
    found = manifest.load(str(sample_corpus))
    assert {file.path: file.sha256 for file in found.outputs} == digests(sample_corpus)
    assert {file.path: file.bytes for file in found.outputs} == {
        path: (sample_corpus / path).stat().st_size for path in digests(sample_corpus)
    }
    assert found.num_documents == sum(file.rows for file in found.outputs if file.path.startswith("documents/"))
    assert found.largest_token_id < found.tokenizer["vocab_size"] <= 1024


def test_one_worker_gives_the_same_bytes(sample_corpus, sample_flags, tmp_path):
    assert curate.main([*sample_flags, "--output", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert digests(tmp_path / "out") == digests(sample_corpus)
    mine, theirs = (json.loads((folder / "manifest.json").read_text()) for folder in (tmp_path / "out", sample_corpus))
    assert mine.pop("run") != theirs.pop("run")
    assert mine == theirs


def test_stages_alone_and_inputs_in_another_order_give_the_same_bytes(sample_corpus, sample_flags, tmp_path):
    archives = sorted(map(str, SAMPLE.glob("*.warc.gz")), reverse=True)
    flags = ["--input", *archives, *sample_flags[2:], "--output", str(tmp_path / "out"), "--workers", "1"]
    for stage in (extract, deduplicate, tokenize):
        assert stage.main(flags) == 0
    assert digests(tmp_path / "out") == digests(sample_corpus)


def test_a_killed_run_goes_on_with_what_is_missing(sample_corpus, sample_flags, tmp_path, capfd):
    """SIGKILL after the first part; the second start makes the other parts only."""
    output = tmp_path / "out"
    command = [sys.executable, "-m", "pipelines.curate", *sample_flags, "--output", str(output), "--workers", "1"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    first = output / "rejected/part-00000-of-00004.parquet"
    while not first.exists():
        assert run.poll() is None
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    made = {path: path.stat().st_mtime_ns for path in output.glob("*/part-*.parquet")}
    assert 0 < len(list(output.glob("filtered/part-*"))) < 4

    assert curate.main([*sample_flags, "--output", str(output), "--workers", "1"]) == 0
    assert digests(output) == digests(sample_corpus)
    complete = {path: time_made for path, time_made in made.items() if (output / "rejected" / path.name).exists()}
    assert first in complete
    missing = 4 - len(list(filter(lambda path: path.parent.name == "rejected", complete)))
    assert f"extract: {missing}/{missing} tasks" in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in complete if path.parent.name == "rejected"} == {
        path: made[path] for path in complete if path.parent.name == "rejected"
    }


def test_a_shard_that_was_lost_is_made_again(sample_corpus, sample_flags, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(sample_corpus, output)
    (output / "manifest.json").unlink()
    (output / "tokens/train-00001-of-00004.arrow").unlink()
    assert tokenize.main([*sample_flags, "--output", str(output), "--workers", "1"]) == 0
    assert digests(output) == digests(sample_corpus)
