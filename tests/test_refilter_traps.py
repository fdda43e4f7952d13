"""What pipelines.refilter and pipelines.whatif refuse: folders one in the other, and corpora that are not whole."""

import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

from pipelines import refilter, whatif

pytestmark = pytest.mark.slow

RAN = "ran"


@pytest.fixture
def corpus(sample_corpus, tmp_path):
    return shutil.copytree(sample_corpus, tmp_path / "corpus")


def refused(capsys, corpus, *flags):
    assert refilter.main(["--corpus", str(corpus), "--recipe", "fineweb", "--workers", "1", *flags]) == 1
    told = capsys.readouterr().err
    assert "Traceback" not in told or "sha256" in told
    return told


@pytest.mark.parametrize("place", ["", "/", "/../corpus", "/tokens/inside", "/..", "-link"])
def test_a_corpus_is_not_written_over_itself(place, corpus, tmp_path, capsys):
    os.symlink(corpus, f"{corpus}-link")
    before = sorted(corpus.rglob("*"))
    for output in (f"{corpus}{place}", f"file://{corpus}{place}"):
        assert "lie one in the other" in refused(capsys, corpus, "--output", output, "--overwrite")
    assert sorted(corpus.rglob("*")) == before


def edited(corpus, change):
    manifest = json.loads((corpus / "manifest.json").read_text())
    change(manifest)
    (corpus / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(settings={}),
        lambda held: held.update(versions=[]),
        lambda held: held.update(run=[]),
        lambda held: held.update(inputs=["x"]),
        lambda held: held.update(inputs=[{}]),
        lambda held: held.update(outputs=[]),
        lambda held: [it.update(path="filtered/../../x") for it in held["outputs"]],
        lambda held: held["recipe"].update(repr="(" * 100_000),
        lambda held: held["recipe"].update(repr=7),
    ],
    ids=range(9),
)
def test_a_manifest_of_other_things_is_an_error_of_one_line(change, corpus, tmp_path, capsys):
    edited(corpus, change)
    told = refused(capsys, corpus, "--output", f"{tmp_path}/new")
    assert told.startswith("error: ") and told.count("\n") == 1 and len(told) < 1000
    assert not (tmp_path / "new").exists()


def test_code_in_a_manifest_is_never_run(corpus, tmp_path, capsys):
    code = f"__import__('os').system('touch {tmp_path}/{RAN}')"
    edited(corpus, lambda held: held["recipe"].update(repr=held["recipe"]["repr"].replace("min_words=50", code)))
    refused(capsys, corpus, "--output", f"{tmp_path}/new")
    assert whatif.main(["--corpus", str(corpus), "--rule", f"gopher.min_words={code}"]) == 2
    assert not (tmp_path / RAN).exists()


@pytest.mark.parametrize("folder", ["filtered", "rejected", "rejected_texts"])
def test_a_part_that_is_missing_or_another_is_refused(folder, corpus, tmp_path, capsys):
    path = min(it for it in (corpus / folder).iterdir() if "duplicates" not in it.name)
    table = pq.read_table(path)
    pq.write_table(table.slice(1).replace_schema_metadata(table.schema.metadata), path)
    told = refused(capsys, corpus, "--output", f"{tmp_path}/new")
    assert "has sha256" in told or "does not say which task made it" in told
    path.unlink()
    assert f"{path} does not exist" in refused(capsys, corpus, "--output", f"{tmp_path}/other")
    assert not (tmp_path / "other").exists()
