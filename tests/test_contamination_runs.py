"""Whole runs against evaluation sets, over small WET archives: what each action leaves, and what is written down."""

import json

import pyarrow.parquet as pq
import pytest

from curation import manifest, parts
from pipelines import contamination, curate, launch, made_with, refilter, replay
from tests import plain_c4, plain_launch, prose

pytestmark = pytest.mark.slow

RECIPE = """\
from curation.dedup.contamination import Contamination
from curation.dedup.exact import ExactDuplicates
from curation.extraction.settings import ExtractText
from curation.recipe import Recipe

RECIPE = Recipe("against", "a test", (ExtractText(), ExactDuplicates(){step}))
"""
DROP = ["--contamination", "drop", "--workers", "1"]
QUESTION = "Which of the seven bridges of the old town was built by the ferryman and his brother in one winter?"
COMMON = "All rights reserved by the owners of this page and of all that is written on it, now and later."
ITEMS = [
    {"question": QUESTION, "choices": ["the iron one", "none"]},
    {"question": COMMON},
    {"question": "Too short."},
    {"question": "Nobody on the web has ever asked how many lanterns hung along the quay of Lindow that night."},
]


def page(number):
    """Prose of some 2000 characters; every fourth page of 36 asks the question, and more than ten have boilerplate."""
    lines = [f"{number} {sentence}" for sentence in prose._SENTENCES[:20]]
    if number % 4 == 0:
        lines.insert(10, f"<b> 5) {QUESTION.upper()}")
    if number % 3 == 0:
        lines.append(COMMON)
    if number == 35:
        lines = [QUESTION]
    return "\n".join(lines)


ON_BEAM = launch.run


@pytest.fixture(scope="module", autouse=True)
def in_this_process():
    """Beam's start-up would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run", plain_launch.run)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("against")
    for file in range(3):
        members = [plain_c4._member("warcinfo", "Software-Info: tests\n")]
        for number in range(file * 12, file * 12 + 12):
            url = f"http://{number}.example/"
            members.append(plain_c4._member("conversion", page(number), url, "2024-05-06T00:00:00Z"))
        (made / f"made-{file}.warc.wet.gz").write_bytes(b"".join(members))
    (made / "quiz.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ITEMS))
    (made / "sets").mkdir()
    (made / "sets/quiz.jsonl").write_bytes((made / "quiz.jsonl").read_bytes())
    (made / "plain.py").write_text(RECIPE.format(step=""))
    step = f", Contamination({str(made / 'sets')!r}, action='cut')"
    (made / "own.py").write_text(RECIPE.format(step=step))
    return made


def run(folder, name, *flags, recipe="plain.py"):
    out = folder / name
    known = ["--input", f"{folder}/*.wet.gz", "--recipe", str(folder / recipe), "--vocab-size", "400"]
    assert curate.main([*known, "--output", str(out), *flags]) == 0
    return out, manifest.load(str(out)), json.loads((out / "contamination.json").read_text())


def documents(out):
    return {row.id: row for path in sorted((out / "documents").iterdir()) for row in parts.documents(str(path))}


def rows(out):
    return [row for path in sorted((out / "contamination").iterdir()) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def reported(folder):
    return run(folder, "report", "--against", str(folder / "quiz.jsonl"), "--workers", "1")


def test_a_report_changes_no_document(folder, reported):
    out, held, told = reported
    assert len(documents(out)) == 36
    (one,) = told["sets"]
    assert one["file"] == "quiz.jsonl" and len(one["sha256"]) == 64
    numbers = {
        name: one[name] for name in ("items", "items_skipped", "items_with_overlap", "items_contaminated", "share")
    }
    expected = {"items": 4, "items_skipped": 1, "items_with_overlap": 1, "items_contaminated": 1, "share": 0.25}
    assert numbers == expected  # the boilerplate stands in 12 documents
    assert told["ignored_ngrams"] == 8 and told["action"] == "report"
    assert told["documents"] == {"read": 36, "dropped": 0, "cut": 0, "kept": 10} and one["documents"]["kept"] == 10
    (most,) = told["most_touched"]
    assert (most["file"], most["item"], most["documents"], len(most["spans"])) == ("quiz.jsonl", 1, 10, 3)
    signals = {id: dict(row.signals)["contaminated_ngrams"] for id, row in documents(out).items()}
    assert sorted(signals.values()) == [0.0] * 26 + [8.0] * 10
    found, texts = rows(out), documents(out)
    assert {row["id"] for row in found} == {id for id, count in signals.items() if count}
    for row in found:
        assert texts[row["id"]].text[row["start"] : row["stop"]].upper() == row["text"].upper() == QUESTION[:-1].upper()
        assert (row["set"], row["item"], row["action"]) == ("quiz.jsonl", 1, "kept")
    names = [file.path for file in held.outputs if "contamination" in file.path]
    assert names == [
        "contamination.json",
        *(f"contamination/{path.name}" for path in sorted((out / "contamination").iterdir())),
    ]
    assert not (out / "work").exists()


@pytest.fixture(scope="module")
def dropped(folder):
    return run(folder, "drop", *DROP, "--against", str(folder / "quiz.jsonl"))


def test_dropped_documents_are_rejected_with_what_they_hold(dropped):
    out, held, told = dropped
    assert held.ledger["rejected"] == {"Contamination": {"contaminated": 10}} and len(documents(out)) == 26
    assert told["sets"][0]["documents"] == {"dropped": 10, "cut": 0, "kept": 0}
    paths = sorted((out / "rejected").glob("*-duplicates.parquet"))
    found = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert {row["evidence"].upper() for row in found} == {f"quiz.jsonl#1 {QUESTION[:-1]}".upper()}
    assert {row["value"] for row in found} == {8.0}


def test_what_is_gone_is_made_again(folder, dropped):
    out, held, told = dropped
    for path in (sorted((out / "contamination").iterdir())[1], out / "contamination.json", out / "manifest.json"):
        path.unlink()
    _, again, same = run(folder, "drop", *DROP, "--against", str(folder / "quiz.jsonl"))
    assert (again.outputs, same) == (held.outputs, told)


@pytest.fixture(scope="module")
def cut(folder):
    return run(folder, "cut", "--workers", "1", recipe="own.py")


def test_cuts_are_written_down_and_the_same_by_the_shuffle_of_three_workers(folder, cut, monkeypatch):
    out, held, told = cut
    monkeypatch.setattr(launch, "run", ON_BEAM)
    other = run(folder, "cut3", "--workers", "3", "--exchange", "shuffle", recipe="own.py")
    assert other[1].outputs == held.outputs and other[2] == told
    assert told["documents"] == {"read": 36, "dropped": 1, "cut": 9, "kept": 0}
    assert held.ledger["rejected"] == {"Contamination": {"nothing_left": 1}}
    cuts = [row for path in sorted((out / "cuts").iterdir()) for row in pq.read_table(path).to_pylist()]
    assert len(cuts) == 9 and {row["evidence"] for row in cuts} == {"quiz.jsonl#1"}
    assert all(row["stop"] - row["start"] == len(QUESTION[:-1]) + 400 for row in cuts)
    assert not any("BRIDGES" in row.text for row in documents(out).values())
    before = {row.id: row for path in (out / "filtered").iterdir() for row in parts.documents(str(path))}
    for row in cuts:
        text = before[row["id"]].text
        left = [text[: row["start"]].strip(), text[row["stop"] :].strip()]
        assert documents(out)[row["id"]].text == "\n".join(left)


def survey(capsys, *flags):
    assert contamination.main(list(flags)) == 0
    return capsys.readouterr().out


def test_a_finished_corpus_is_surveyed_as_a_run_reports_it(folder, reported, capsys):
    out, _, told = reported
    flags = ["--corpus", str(out), "--against", str(folder / "quiz.jsonl")]
    found = json.loads(survey(capsys, *flags, "--json"))
    assert found.pop("corpus") == str(out) and found.pop("sets_sha256") == ""
    for each in found["most_touched"]:
        for span in each["spans"]:
            assert (span.pop("before") + span.pop("behind")).strip()
    assert found == {name: value for name, value in told.items() if name != "sets_sha256"}
    shown = survey(capsys, *flags)
    assert "rule gpt3: 10 of 36 documents hold an item\n8 n-grams stand in more than 10" in shown
    assert f"[[{QUESTION.upper()[:-1]}]]? " in shown and "25.00%" in shown
    # The choices, which no page has, make 24 words of 20: .73 of the 10-grams are found, and .76 of the 8-grams.
    assert "rule share10: 12 of 36" in survey(capsys, *flags, "--rule", "share10")
    assert "rule share8: 19 of 36" in survey(capsys, *flags, "--rule", "share8")
    assert "rule gpt3: 0 of 36" in survey(capsys, *flags, "--against-fields", "choices")


@pytest.mark.parametrize(
    "corpus, against, told",
    [("none", "quiz.jsonl", "is no finished corpus"), ("", "none.jsonl", "cannot be read: No such file or directory")],
)
def test_where_there_is_no_answer_the_status_is_2(folder, reported, capsys, corpus, against, told):
    assert contamination.main(["--corpus", str(reported[0]) + corpus, "--against", str(folder / against)]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_the_recipe_of_a_corpus_is_found_again_without_the_sets(folder, reported, cut):
    for (out, held, _), name in ((reported, "plain.py"), (cut, "own.py")):
        found = made_with.recipe_of_corpus(str(out), held, str(folder / name))
        assert found.sha256 == held.recipe["sha256"] and "sha256='" in repr(found)


def test_replay_and_refilter_know_the_sets(folder, reported, capsys):
    out, held, _ = reported
    id = rows(out)[0]["id"]
    recipe = ["--recipe", str(folder / "plain.py")]
    assert replay.main(["--corpus", str(out), "--id", id, *recipe]) == 0
    assert "Contamination" in capsys.readouterr().out
    again = str(folder / "again")
    assert refilter.main(["--corpus", str(out), *recipe, "--output", again, "--workers", "1"]) == 0
    assert manifest.load(again).outputs == held.outputs
    assert manifest.load(again).settings == held.settings


def test_sets_that_changed_are_another_run(folder, tmp_path, capsys):
    flags = ["--input", f"{folder}/*.wet.gz", "--recipe", str(folder / "plain.py"), "--vocab-size", "400"]
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(ITEMS[0]))
    flags += ["--workers", "1", "--output", str(tmp_path / "out"), "--against", str(path)]
    assert curate.main(flags) == 0
    (tmp_path / "out/manifest.json").unlink()  # as if it had been killed at the end
    path.write_text(json.dumps(ITEMS[3]))
    assert curate.main(flags) == 1
    assert "was made by another run" in capsys.readouterr().err
    path.write_text("{")
    assert curate.main(flags) == 1
    assert "quiz.jsonl, line 1: no JSON" in capsys.readouterr().err
    assert curate.main([*flags[:-2], "--contamination", "drop"]) == 1
    assert "name evaluation sets as --against FILE" in capsys.readouterr().err
