"""The C4 recipe over WET archives gives what a slow, plain version in one process gives, however it is run."""

import collections
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import manifest, recipe, replay
from curation.rules.bad_words import LDNOOBW_EN
from pipelines import curate
from tests import plain_c4

pytestmark = pytest.mark.slow


def made(folder: Path, files: dict[str, bytes], *, workers: int, name: str = "c4") -> Path:
    """The corpus of these archives by one of C4's recipes, with the made-up bad words in place of the list."""
    bad_words = "\n".join(plain_c4.BAD_WORDS).encode()
    (folder / "words.txt").write_bytes(bad_words)
    _, text = recipe.read_source(name)
    digest = hashlib.sha256(bad_words).hexdigest()
    text = text.replace("LDNOOBW_EN)", f'"{digest}")').replace("lists/ldnoobw/en.txt", str(folder / "words.txt"))
    assert LDNOOBW_EN not in text
    (folder / "recipe.py").write_text(text)
    for archive, content in files.items():
        (folder / archive).write_bytes(content)
    flags = ["--input", f"{folder}/*.wet.gz", "--recipe", str(folder / "recipe.py"), "--vocab-size", "512"]
    output = folder / f"corpus-{workers}"
    assert curate.main([*flags, "--output", str(output), "--workers", str(workers)]) == 0
    return output


def lines(rows) -> bytes:
    """Documents as JSON lines."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def documents(corpus: Path) -> list[list[str]]:
    """(url, text, split) of a corpus, in its order."""
    held_out = set()
    for path in (corpus / "tokens").glob("validation-*.arrow"):
        held_out |= set(pa.ipc.open_file(path).read_all()["id"].to_pylist())
    return [
        [row["url"], row["text"], "validation" if row["id"] in held_out else "train"]
        for path in sorted((corpus / "documents").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def test_c4_is_what_a_plain_version_makes_at_any_number_of_workers(tmp_path):
    files = plain_c4.wet_files(0, files=3, pages=60)
    counts: collections.Counter[str] = collections.Counter()
    expected = [list(row) for row in plain_c4.c4(files, plain_c4.BAD_WORDS, counts)]
    assert len(expected) > 40 and {row[2] for row in expected} == {"train", "validation"}

    corpora = [made(tmp_path, files, workers=workers) for workers in (1, 9)]
    for corpus in corpora:
        assert lines(documents(corpus)) == lines(expected)
    held = manifest.load(str(corpora[0]))
    assert all(manifest.load(str(corpus)).outputs == held.outputs for corpus in corpora)

    signals = [dict(row) for row in pq.read_table(corpora[0] / "documents")["signals"].to_pylist()]
    assert all({"global_duplicate_lines", "local_duplicate_lines", "num_sentences"} <= each.keys() for each in signals)
    assert sum(each["global_duplicate_lines"] for each in signals) > 0
    rejected = {step: sum(reasons.values()) for step, reasons in held.ledger["rejected"].items()}
    assert rejected == {
        "BadWords": counts["bad_words"],
        "C4Page": counts["lorem_ipsum"] + counts["curly_bracket"] + counts["too_few_sentences"],
        "KeepLanguage": counts["language"],
        "MaxCharacters": counts["too_long"],
        "MinSentences": counts["too_few_sentences_left"],
        "NewestPage": counts["old_page"],
        "RepeatedLines": counts["empty"],
        # What follows a line `WARC/1.0` inside a page is a page without a URL there, and nothing here.
        "WetText": rejected["WetText"],
        "response": counts["no_text"],
    }


def test_every_page_is_replayed_as_far_as_it_alone_can_say(tmp_path):
    """What is left of a page's text after its repeated lines went only the corpus knows."""
    corpus = made(tmp_path, plain_c4.wet_files(4, files=1, pages=40), workers=1)
    held, steps = manifest.load(str(corpus)), recipe.of_source(*recipe.read_source(str(tmp_path / "recipe.py")))
    ends = collections.Counter()
    for folder in ("documents", "rejected"):
        for row in (row for path in (corpus / folder).iterdir() for row in pq.read_table(path).to_pylist()):
            found = replay.replay(str(corpus), held, id=row["id"], recipe=steps)
            assert found.differences == (), row["id"]
            assert found.trace.steps[-1].step == row.get("step", "BadWords")
            ends[row.get("step")] += 1
    assert ends.total() == 40 and {None, "NewestPage", "C4Page", "MinSentences"} <= ends.keys()
