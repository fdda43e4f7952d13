"""What is kept, what is made anew and what is refused when a command is started again."""

import dataclasses
import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation import manifest
from curation.recipe import read_source
from pipelines import curate, deduplicate, extract, refilter, tokenize
from tests import killing, made_corpus, prose, warc_builder
from tests.conftest import SAMPLE

pytestmark = pytest.mark.slow

OWN_RULE = """
import dataclasses

@dataclasses.dataclass(frozen=True)
class NoFerry:
    def measure(self, text):
        return {"ferries": text.content.count(WORD)}

    def reason(self, signals):
        return ("ferry", "ferries") if signals["ferries"] else None

"""


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    """Eight pages in one archive, the last two with the text of the first two, but not their bytes."""
    pages = [prose.page(prose.text(number % 6)) + b"<!-- %d -->" % number for number in range(8)]
    records = [warc_builder.response(page, url=f"http://site{n}.example/") for n, page in enumerate(pages)]
    (tmp_path / "crawl.warc.gz").write_bytes(warc_builder.archive(records))
    flags = ["--input", f"{tmp_path}/crawl.warc.gz", "--output", f"{tmp_path}/out", "--workers", "1"]
    return [*flags, "--vocab-size", "300"]


def own_recipe(path: Path, word: str) -> str:
    """FineWeb with a rule of its own, which drops texts that hold the word."""
    _, text = read_source("fineweb")
    text = text.replace("RECIPE = ", f"WORD = {word!r}\n{OWN_RULE}RECIPE = ")
    path.write_text(text.replace("ExactDuplicates(),", "NoFerry(), ExactDuplicates(),"))
    return str(path)


def reasons(folder: Path) -> list[str]:
    """The reasons of all rejections, in order."""
    return [row["reason"] for row in pq.read_table(folder / "rejected").to_pylist()]


def test_a_rule_that_changed_is_applied_anew(flags, tmp_path, capsys):
    """Only the body of a rule of the recipe's own differs: parts made with the old one are not used."""
    recipe = own_recipe(tmp_path / "mine.py", "walnut")
    assert extract.main([*flags, "--recipe", recipe]) == 0
    own_recipe(tmp_path / "mine.py", " the ")
    assert curate.main([*flags, "--recipe", recipe]) == 1
    assert "was made by another run" in capsys.readouterr().err
    assert curate.main([*flags, "--recipe", recipe, "--overwrite"]) == 1
    assert reasons(tmp_path / "out").count("ferry") == 8


def test_a_rule_of_the_recipes_own_reaches_the_workers(flags, tmp_path):
    recipe = own_recipe(tmp_path / "mine.py", "walnut")
    assert curate.main([*flags, "--recipe", recipe, "--workers", "2"]) == 0
    kept = pq.read_table(tmp_path / "out/documents").column("text").to_pylist()
    assert [text for text in kept if "walnut" in text] == []
    assert reasons(tmp_path / "out").count("ferry") > 0


def test_near_duplicates_alone_find_equal_texts(flags, tmp_path):
    _, text = read_source("fineweb")
    (tmp_path / "near.py").write_text(text.replace("        ExactDuplicates(),\n", ""))
    assert curate.main([*flags, "--recipe", str(tmp_path / "near.py")]) == 0
    rows = [row for row in pq.read_table(tmp_path / "out/rejected").to_pylist() if row["step"] == "NearDuplicates"]
    assert [(row["url"], row["value"]) for row in rows] == [("http://site6.example/", 1), ("http://site7.example/", 1)]


def test_another_vocabulary_between_does_not_leave_its_tokenizer(flags, tmp_path, monkeypatch):
    """Vocabulary 300, 400 and 300 again, the first two stopped before their shards."""
    assert extract.main(flags) == deduplicate.main(flags) == 0
    with monkeypatch.context() as patch:
        patch.setattr(tokenize, "write_shards", lambda task, *, run: 1 / 0)
        for size in ("300", "400"):
            assert tokenize.main([*flags[:-1], size]) == 1
    assert tokenize.main(flags) == 0
    assert manifest.load(f"{tmp_path}/out").tokenizer["vocab_size"] == 300


def test_special_tokens_are_part_of_what_a_run_is(tmp_path):
    """As the size of the vocabulary they decide the shards and nothing before; without them a run is as it was."""
    plain = made_corpus.run_of(tmp_path, {"a.wet.gz": []}, "")
    assert {"mask_token", "sentinels"}.isdisjoint(plain.settings)
    others = [dataclasses.replace(plain, mask_token=True), *(dataclasses.replace(plain, sentinels=n) for n in (1, 2))]
    assert [run.settings.get("mask_token") for run in others] == [True, None, None]
    assert [run.settings.get("sentinels") for run in others] == [None, 1, 2]
    assert len({run.tokens_fingerprint for run in (plain, *others)}) == 4
    assert len({run.fingerprint for run in (plain, *others)}) == 1


def test_a_corpus_with_special_tokens(flags, tmp_path, capsys):
    """They are written into the manifest, kept by refilter, and noticed at a restart."""
    assert extract.main(flags) == deduplicate.main(flags) == 0
    special = [*flags, "--mask-token", "--sentinels", "5"]
    assert tokenize.main(special) == 0
    held = manifest.load(f"{tmp_path}/out")
    size = held.tokenizer["vocab_size"]
    assert size == 300
    ends = {f"<extra_id_{number}>": size - 1 - number for number in range(5)}
    assert held.tokenizer["special_ids"] == {"<|endoftext|>": 0, "<mask>": 1, **ends}
    assert refilter.main(["--corpus", f"{tmp_path}/out", "--recipe", "fineweb", "--workers", "1"]) == 0
    again = manifest.load(f"{tmp_path}/out-fineweb")
    assert (again.tokenizer, again.settings) == (held.tokenizer, held.settings)
    made = [{it.path: it.sha256 for it in corpus.outputs if it.path.startswith("tokens")} for corpus in (held, again)]
    assert made[0] == made[1]
    (tmp_path / "out/manifest.json").unlink()
    for other in (flags, [*flags, "--mask-token"], [*flags, "--sentinels", "5"], [*special[:-1], "6"]):
        assert tokenize.main(other) == 1
        assert "was made by another run" in capsys.readouterr().err


def test_overwrite_removes_nothing_that_is_not_ours(flags, tmp_path, capsys):
    assert curate.main(flags) == 0
    for name in ("thesis.txt", "documents/thesis.txt", "tokens/notes"):
        (tmp_path / "out" / name).write_text("chapter one")
        before = sorted((tmp_path / "out").rglob("*"))
        assert curate.main([*flags, "--overwrite"]) == 1
        assert f"holds {name}, which is no part of a corpus" in capsys.readouterr().err
        assert sorted((tmp_path / "out").rglob("*")) == before
        (tmp_path / "out" / name).unlink()


def test_two_runs_do_not_share_a_folder(flags, tmp_path, capsys):
    (tmp_path / "out/work").mkdir(parents=True)
    with open(tmp_path / "out/work/lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert curate.main(flags) == 1
    assert "another run is at work in" in capsys.readouterr().err
    assert curate.main(flags) == 0


def test_a_row_that_vanished_is_noticed(flags, tmp_path, capsys):
    """The ledger in the part's metadata says more documents than the part holds."""
    assert extract.main(flags) == deduplicate.main(flags) == 0
    (path,) = (tmp_path / "out/documents").iterdir()
    table = pq.read_table(path)
    pq.write_table(table.slice(1).replace_schema_metadata(pq.read_metadata(path).metadata), path)
    assert tokenize.main(flags) == 1
    assert "the books do not close: the ledger says 6, documents holds 5 rows" in capsys.readouterr().err
    assert not (tmp_path / "out/manifest.json").exists()


def test_the_local_runner_does_not_run_dry(flags, tmp_path, capsys):
    assert curate.main([*flags, "--dry_run=True"]) == 1
    assert "the local runner cannot translate without running" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_german_pages_of_the_sample_are_kept_when_german_is_asked_for(tmp_path):
    flags = ["--input", f"{SAMPLE}/*.warc.gz", "--output", f"{tmp_path}/out", "--workers", "1", "--vocab-size", "300"]
    assert curate.main([*flags, "--language", "de"]) == 0
    hosts = {url.split("/")[2] for url in pq.read_table(tmp_path / "out/documents").column("url").to_pylist()}
    assert hosts == {"www.flusstal-bote.example"}


def test_a_language_without_stop_words_is_refused(flags, capsys):
    assert curate.main([*flags, "--language", "gom"]) == 1
    assert "GopherQuality has stop words for af, " in capsys.readouterr().err


def test_killed_with_two_workers_in_every_stage(sample_corpus, sample_flags, tmp_path):
    """SIGKILL as soon as the first stage's files appear, and again the last one's; between them: test_killed_passes."""
    killing.killed_and_finished(["filtered/*", "tokens/*"], sample_flags, tmp_path / "out", sample_corpus)


def test_ctrl_c_says_how_to_go_on(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pipelines.curate",
        "--input",
        f"{SAMPLE}/*.warc.gz",
        "--output",
        f"{tmp_path}/out",
    ]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out/filtered").exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert (run.returncode, said.splitlines()[-1]) == (130, "stopped; start the same command again to go on")
