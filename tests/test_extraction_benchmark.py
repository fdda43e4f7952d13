import gzip
import json
import math

import pytest

from tests import warc_builder
from tests.benchmarks import extraction, ground_truth
from tests.benchmarks import extraction_scores as scores
from tests.benchmarks.ground_truth import KnownPage, Truth


def truth(name, text, inside=(), outside=()):
    return Truth(name, "human", text, tuple(inside), tuple(outside))


def known(*truths):
    return KnownPage("a.warc.gz@0", "<p>", truths)


@pytest.mark.parametrize(
    "text, wanted, expected",
    [
        ("The boat, the ferry.", "the boat THE ferry", 1.0),
        ("boat", "ferry", 0.0),
        ("", "", 1.0),
        ("- _ -", "", 1.0),
        ("", "boat", 0.0),
        ("boat boat boat", "boat", 0.5),  # precision 1/3, recall 1
        ("one two three", "two three four five", 4 / 7),
        ("河水上涨", "上 涨", 2 / 3),
        ("ข้าว", "ข้าว", 1.0),
        ("snake_case", "snake case", 1.0),
    ],
)
def test_f1(text, wanted, expected):
    assert scores.f1(text, wanted) == pytest.approx(expected)


def test_sets_count_once_whatever_their_size():
    pages = [
        known(truth("aeb", "boat")),
        known(truth("aeb", "ferry")),
        known(truth("leogao", "boat"), truth("wcxb", "x")),
    ]
    found = scores.by_set(pages, ["boat", "boat", "boat"])
    assert found == {"aeb": 0.5, "leogao": 1.0, "wcxb": 0.0}
    assert scores.mean_of(found, scores.MARKED) == 0.75
    assert scores.mean_of(found, (*scores.MARKED, *scores.REVIEWED)) == 0.5
    assert math.isnan(scores.mean_of(found, ["dragnet"]))


def test_the_largest_loss_names_its_set_and_looks_at_human_ones_alone():
    reference = {"aeb": 0.9, "dragnet": 0.8, "wcxb": 0.7, "fundus": 1.0}
    found = {"aeb": 1.0, "dragnet": 0.7, "wcxb": 0.65, "fundus": 0.0}
    assert scores.largest_loss(found, reference) == (pytest.approx(-0.1), "dragnet")


def test_segments_are_found_across_line_breaks():
    pages = [
        known(truth("goose3", None, ["the boat", "a ferry"], ["Read more"])),
        known(truth("goose3", None, [], ["Home"])),
    ]
    assert scores.segments(pages, ["the\nboat", "Home"]) == (0.5, 0.5)
    assert all(map(math.isnan, scores.segments([known(truth("aeb", "boat"))], ["boat"])))


def test_percentiles():
    values = [float(number) for number in range(100, 0, -1)]
    assert [scores.percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 51.0, 100.0, 100.0]


def _rows(path, rows):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def web(tmp_path):
    """A folder with one archive of two pages, of which one is known."""
    main = "<p>" + "The river rose in the night, and carried the old bridge away with it. " * 9 + "</p>"
    records = [warc_builder.response(f"<html><body>{main}{name}</body></html>".encode()) for name in ("one", "two")]
    (tmp_path / "a.warc.gz").write_bytes(warc_builder.archive(records))
    offset = warc_builder.starts(records)[1]
    _rows(tmp_path / "pages.jsonl.gz", [{"record_id": "<urn:2>", "warc": "a.warc.gz", "offset": offset}])
    text = "URL: http://example.org/\n" + "The river rose in the night, and carried the old bridge away with it. " * 9
    one = {"record_id": "<urn:2>", "set": "cleaneval", "kind": "human", "text": text, "with": None, "without": None}
    other = {"record_id": "<urn:2>", "set": "goose3", "kind": "segments", "text": None, "with": ["The river"]}
    _rows(tmp_path / "ground_truth.jsonl.gz", [one, {**other, "without": ["Menu"]}, {**one, "record_id": "<urn:3>"}])
    return tmp_path


def test_pages_are_joined_with_what_is_known_of_them(web):
    (page,) = ground_truth.known_pages(web)
    assert "two</body>" in page.html
    assert [(it.set, it.inside, it.outside) for it in page.truths] == [
        ("cleaneval", (), ()),
        ("goose3", ("The river",), ("Menu",)),
    ]
    assert page.truths[0].text.startswith("The river rose")
    assert ground_truth.known_pages(web, limit=0) == []


def test_a_folder_without_archives_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no \*\.warc\.gz"):
        ground_truth.known_pages(tmp_path)


@pytest.mark.slow
def test_prints_a_row_for_each_setting(web, capsys):
    extraction.main(["--web", str(web), "--workers", "1", "--only", "agreed", "resiliparse"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 pages, 2 ground truths"
    rows = [line.split() for line in printed[4:7]]
    assert [row[0] for row in rows] == ["trafilatura", "agreed", "resiliparse"]
    assert all(float(row[1]) > 0.98 and row[6:8] == ["100.0%", "0.0%"] and row[-1] == "0" for row in rows)
    assert printed[8] == "Mean F1 of each set" and printed[10].split()[0] == "cleaneval"
