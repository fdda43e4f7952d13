import gzip
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import minhash
from curation.dedup.minhash import NearDuplicates
from tests.benchmarks import dedup, dedup_labelled, dedup_runs, dedup_texts
from tests.benchmarks import dedup_scores as scores
from tests.benchmarks.dedup_runs import Found
from tests.benchmarks.dedup_scores import Score
from tests.benchmarks.dedup_texts import Synthetic

TRUTH = {("a", "b"): 0.9, ("a", "c"): 0.82, ("b", "c"): 0.7, ("d", "e"): 0.85, ("f", "g"): 0.3}


def test_pairs_are_counted_once_whichever_way_round():
    assert scores.of_pairs([("b", "a"), ("a", "b"), ("b", "c"), ("f", "x")], TRUTH, 0.8) == Score(3, 1, 3, 1)
    assert scores.of_pairs([("d", "e")], TRUTH, 0.8, 0.05) == Score(1, 1, 2, 1)  # .85 is .8 and .05


def test_all_pairs_within_a_cluster_are_claimed():
    found = scores.of_clusters({"a": 1, "b": 1, "c": 1, "f": 2, "g": 2, "d": 3}, TRUTH, 0.8)
    assert found == Score(4, 2, 3, 2)
    assert (found.precision, found.recall) == (0.5, 2 / 3)


def test_nothing_claimed_is_precise_and_nothing_wanted_is_found():
    assert (Score(0, 0, 2, 0).precision, Score(0, 0, 2, 0).recall) == (1.0, 0.0)
    assert Score(2, 0, 0, 0).recall == 1.0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))))
def test_components_are_those_that_the_slow_way_finds(pairs):
    sets = {name: {name} for each in pairs for name in each}
    for one, other in pairs * len(sets):
        sets[one] |= sets[other]
        sets[other] |= sets[one]
    assert scores.components(pairs) == {name: min(found) for name, found in sets.items()}


@pytest.mark.parametrize("similarity", [1.0, 0.99, 0.9, 0.8, 0.65, 0.5])
@pytest.mark.parametrize("num_words", [100, 101, 320, 500])
def test_the_similarity_is_as_promised(num_words, similarity):
    words = list(range(num_words))
    places = dedup_texts.edits(num_words, similarity, np.random.default_rng(3))
    assert places == sorted(places) and all(later - place >= 5 for place, later in itertools.pairwise(places))
    changed = [-place if place in places else place for place in words]
    found = dedup_texts.similarity(words, changed)
    assert found == dedup_texts.promised(num_words, len(places))
    assert found == pytest.approx(similarity, abs=0.06 if num_words < 200 else 0.02)


@pytest.mark.parametrize("num_documents", [1, 19, 20, 101, 2000])
def test_groups_lie_apart_and_hold_every_document_once(num_documents):
    corpus = Synthetic(num_documents)
    numbers = [corpus.number(member) for member in range(num_documents)]
    assert sorted(numbers) == list(range(num_documents))
    assert [corpus.member(number) for number in numbers] == list(range(num_documents))
    groups = [dedup_texts.group(member, num_documents) for member in range(num_documents)]
    assert sum(first != member for member, (first, _) in enumerate(groups)) == num_documents // 20 * 4
    assert all(first <= member < first + size for member, (first, size) in enumerate(groups))


def test_the_known_similarity_is_that_of_the_texts():
    corpus = Synthetic(200)
    truth = dedup_texts.truth(corpus, workers=1)
    assert len(truth) == 10 * 7
    texts = {str(number): dedup_texts.text(corpus, number) for number in range(200)}
    assert all(100 <= len(text.split()) <= 500 for text in texts.values())
    shingles = {name: minhash.shingles(text, 5) for name, text in texts.items()}
    for (one, other), similarity in truth.items():
        assert minhash.jaccard(shingles[one], shingles[other]) == pytest.approx(similarity, abs=1e-9)
    strangers = list(itertools.islice(itertools.combinations(texts, 2), 0, None, 29))
    assert max(minhash.jaccard(shingles[a], shingles[b]) for a, b in strangers if (a, b) not in truth) < 0.05


def test_a_text_depends_on_its_seed_and_number_alone():
    assert dedup_texts.text(Synthetic(400), 17) == dedup_texts.text(Synthetic(400), 17)
    assert dedup_texts.text(Synthetic(400), 17) != dedup_texts.text(Synthetic(400, seed=2), 17)


def test_archives_and_json_lines_hold_the_same_texts(tmp_path):
    corpus = Synthetic(40)
    dedup_texts.write(corpus, tmp_path / "wet", 1)
    dedup_texts.write(corpus, tmp_path / "json", 1, as_json=True)
    parts = sorted((tmp_path / "json").glob("*.jsonl"))
    rows = [json.loads(line) for path in parts for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == [str(number) for number in range(40)]
    wet = b"".join(gzip.decompress(path.read_bytes()) for path in sorted((tmp_path / "wet").glob("*.wet.gz")))
    for row in rows:
        record = wet.partition(f"http://texts.example/{row['id']}\r\n".encode())[2].partition(b"WARC/1.0")[0]
        assert record.partition(b"\r\n\r\n")[2].strip().decode() == row["text"]


def labelled_folder(folder):
    """Two texts with one text and a third that is unlike, as the sets have them."""
    words = " ".join(f"word{number}" for number in range(60))
    texts = {"a": words, "b": words + " more", "c": words, "d": "nothing like the others at all in any way"}
    pairs = [("a", "b", 56 / 57), ("a", "c", 1.0), ("b", "c", 56 / 57)]
    for name, rows in {
        "made_docs": [{"id": name, "text": text} for name, text in texts.items()],
        "web_pair_docs": [{"page_id": name, "text": text} for name, text in texts.items()],
        "made_all_pairs_j5_ge_0.2": [{"a": a, "b": b, "j5": j5} for a, b, j5 in pairs],
        "web_all_pairs_j5_ge_0.2": [{"a": b, "b": a, "j5": j5} for a, b, j5 in pairs],
        "made_pairs": [{"a": "d", "b": "a", "kind": "shared_template", "j5": 0.1}],
    }.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def test_what_is_found_of_one_text_is_so_of_its_copies(tmp_path):
    labelled_folder(tmp_path)
    made, web = dedup_labelled.read(tmp_path)
    assert (made.texts, made.truth) == (web.texts, web.truth)
    assert (made.negatives, web.negatives) == ((("a", "d"),), ())
    assert dedup_labelled.judged(made.texts, NearDuplicates()) == pytest.approx(made.truth)
    assert list(dedup_labelled.curve(made))[-1] == "| 0.95 | 3 |" + " 1.0000 |" * 3 + " 3 |" + " 1.0000 |" * 3


def test_a_row_of_the_table():
    found = Found(2.0, 3_000_000, {"a": 1, "b": 1, "c": 1}, (("b", "a"), ("c", "b")))
    expected = "| x | y | 2.0 | 2 | 3 | 0.5000 | 0.6667 | 0.6667 | 0.5000 |"
    assert found.row("x", "y", 4, TRUTH) == expected
    assert dedup_runs.HEADINGS[0].count("|") == expected.count("|")


@pytest.mark.slow
def test_the_whole_benchmark(tmp_path, capsys, monkeypatch):
    labelled_folder(tmp_path)
    monkeypatch.delitem(dedup_labelled._SETS, "web")
    dedup.main(
        ["--labelled", str(tmp_path), "--synthetic", "200", "--folder", str(tmp_path / "kept"), "--workers", "1"]
    )
    printed = capsys.readouterr().out.splitlines()
    (row,) = (line.split(" | ") for line in printed if line.startswith("| 200 |"))
    assert row[1] == "this project" and row[5] == "1.0000" and float(row[8].removesuffix(" |")) >= 0.9
    assert "1 pairs of one template below .8: 0 merged, 0 in one cluster" in printed
    assert (tmp_path / "kept/synthetic-200-1/written").exists()
