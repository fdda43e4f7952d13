"""Steps that look at all documents: pure decisions, and whole runs over small WET archives."""

import dataclasses
import datetime
import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import manifest
from curation.dedup import lines, pages
from curation.dedup.lines import RepeatedLines, RepeatedParagraphs, SentenceSpans
from curation.dedup.pages import FirstOfUrl, NewestPage, SamePayload
from curation.walk import bare_document
from pipelines import curate
from tests import plain_c4

DAY = datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)


def dropped_pages(step, rows):
    """The numbers of what is dropped, with what stays instead, of (url, days, number)."""
    keys = [
        next(
            pages.keys(
                step, bare_document("", url=url, date=None if days is None else DAY + datetime.timedelta(days)), number
            )
        )
        for url, days, number in rows
    ]
    return dict(pages.drops(np.array(keys, pages.PAGE)).tolist())


def test_the_newest_page_of_a_url_stays():
    rows = [("http://a.example/x", 1, 7), ("https://www.a.example/x/", 3, 8), ("http://a.example/x?utm_source=b", 2, 9)]
    assert dropped_pages(NewestPage(), rows) == {7: 8, 9: 8}
    assert dropped_pages(FirstOfUrl(), rows) == {}


def test_of_one_date_the_smallest_id_stays_and_no_date_loses():
    rows = [("http://a.example/", 1, 9), ("http://a.example/", 1, 4), ("http://a.example/", None, 1)]
    assert dropped_pages(NewestPage(), rows) == {9: 4, 1: 4}
    assert dropped_pages(FirstOfUrl(), rows) == {4: 1, 9: 1}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 3)), max_size=12),
    st.sampled_from([NewestPage(), FirstOfUrl()]),
)
def test_dropped_pages_are_those_of_a_naive_reading(rows, step):
    numbered = [(f"http://{name}.example/", days, number) for number, (name, days) in enumerate(rows)]
    expected = {}
    for url, _, number in numbered:
        same = [row for row in numbered if row[0] == url]
        newest = max(-1 if row[1] is None else row[1] for row in same)
        if isinstance(step, NewestPage):
            same = [row for row in same if (-1 if row[1] is None else row[1]) == newest]
        if number != same[0][2]:
            expected[number] = same[0][2]
    assert dropped_pages(step, numbered) == expected
    assert dropped_pages(step, numbered[::-1]) == expected


def test_the_first_of_a_url_as_it_stands_or_normalised():
    rows = [("http://a.example/x", 1, 7), ("https://www.a.example/x/", 3, 4), ("http://a.example/x", 2, 9)]
    assert dropped_pages(FirstOfUrl(), rows) == {9: 7}
    assert dropped_pages(FirstOfUrl(normalized=True), rows) == {7: 4, 9: 4}


def test_of_one_payload_in_one_charset_the_smallest_id_stays():
    found = [("sha1:A", "utf-8"), ("sha1:B", "utf-8"), ("sha1:A", "utf-8"), ("sha1:A", "big5"), ("", ""), ("", "")]
    documents = [dataclasses.replace(bare_document(""), digest=digest, charset=charset) for digest, charset in found]
    rows = [row for number, each in enumerate(documents) for row in pages.keys(SamePayload(), each, number)]
    assert pages.drops(np.array(rows[::-1], pages.PAGE)).tolist() == [(2, 0)]
    assert sorted(pages.members(np.array(rows, pages.PAGE)).tolist()) == [(0, 0, 2), (2, 0, 2)]


def texts_without(step, documents):
    """The texts of (url, text) after a step."""
    keys = [
        row
        for number, (url, text) in enumerate(documents)
        for row in lines.keys(step, bare_document(text, url=url), number)
    ]
    gone = lines.drops(np.array(keys, lines.LINE)).tolist()
    return [
        lines.without(step, text, {line for name, line, _ in gone if name == number})
        for number, (_, text) in enumerate(documents)
    ]


def test_a_line_stays_on_the_page_whose_url_has_the_smallest_md5():
    urls = sorted(("http://a.example/", "http://b.example/"), key=lambda url: hashlib.md5(url.encode()).hexdigest())
    documents = [(urls[1], "Shared line.\nmine\nmine"), (urls[0], "other\n  SHARED LINE. \n\n")]
    assert texts_without(RepeatedLines(), documents) == ["mine", "other\n  SHARED LINE. \n\n"]


def test_a_paragraph_stays_where_it_stands_first():
    documents = [("b", "It was 1999 then\nnew"), ("a", "it was «2024» then\nIt is new"), ("c", "【New】\n")]
    assert texts_without(RepeatedParagraphs(), documents) == ["It was 1999 then\nnew", "It is new", ""]


ONE, TWO, THREE, FOUR = "One goes.", "Two stays.", "Three waits.", "Four ends."


def test_sentences_in_a_row_stay_where_they_stand_first():
    documents = [
        ("a", f"{ONE} {TWO}\n{THREE}  {FOUR}"),
        ("b", f"{TWO} {THREE}\n{FOUR}  Five is new. {ONE}"),
        ("c", f"{ONE} {TWO}"),
    ]
    expected = [documents[0][1], f"Five is new. {ONE}", f"{ONE} {TWO}"]
    assert texts_without(SentenceSpans(), documents) == expected
    assert texts_without(SentenceSpans(1), documents) == [documents[0][1], "Five is new.", ""]


@given(st.lists(st.lists(st.sampled_from(["a", "B", " b", "c", ""]), max_size=6), max_size=5))
def test_lines_that_stay_are_those_of_a_naive_reading(documents):
    named = [(f"http://{number}.example/", "\n".join(found)) for number, found in enumerate(documents)]
    order = sorted(range(len(named)), key=lambda number: hashlib.md5(named[number][0].encode()).hexdigest())
    seen, expected = set(), {}
    for number in order:
        kept = []
        for line in named[number][1].split("\n"):
            key = line.strip().lower()
            if not key or key not in seen:
                kept.append(line)
            seen.add(key)
        expected[number] = "\n".join(kept)
    assert texts_without(RepeatedLines(), named) == [expected[number] for number in range(len(named))]


def test_impossible_spans_are_refused():
    with pytest.raises(ValueError) as caught:
        dataclasses.replace(SentenceSpans(), length=0)
    assert str(caught.value) == "SentenceSpans(length=0): expected at least 1"


RECIPE = """\
import dataclasses
from curation.dedup.lines import RepeatedParagraphs
from curation.dedup.pages import FirstOfUrl
from curation.extract import ExtractText
from curation.recipe import Recipe
from curation.top_share import TopShare


@dataclasses.dataclass(frozen=True)
class Size:
    least: int = 40

    def measure(self, text):
        return {"size": len(text.content)}

    def reason(self, signals):
        return ("too_small", "size") if signals["size"] < self.least else None


RECIPE = Recipe("passes", "a test", (ExtractText(), FirstOfUrl(), RepeatedParagraphs(), Size(), TopShare("size", 0.5)))
"""


@pytest.mark.slow
def test_pass_after_pass_the_books_close_at_any_number_of_workers(tmp_path):
    (tmp_path / "passes.py").write_text(RECIPE)
    for name, content in plain_c4.wet_files(5, files=2, pages=40).items():
        (tmp_path / name).write_bytes(content)
    flags = ["--input", f"{tmp_path}/*.wet.gz", "--recipe", str(tmp_path / "passes.py"), "--vocab-size", "512"]
    held = []
    for workers in ("1", "2"):
        assert curate.main([*flags, "--output", str(tmp_path / workers), "--workers", workers]) == 0
        held.append(manifest.load(str(tmp_path / workers)))
    assert held[0].outputs == held[1].outputs
    rejected = held[0].ledger["rejected"]
    assert {step: list(reasons) for step, reasons in rejected.items()} == {
        "FirstOfUrl": ["same_url"],
        "RepeatedParagraphs": ["no_line_left"],
        "Size": ["too_small"],
        "TopShare": ["below_top_share"],
        "response": ["empty"],
    }
    rows = [row for path in (tmp_path / "1/documents").iterdir() for row in pq.read_table(path).to_pylist()]
    before = len(rows) + rejected["TopShare"]["below_top_share"]
    assert len(rows) == -(-before // 2)
    texts = [row for path in (tmp_path / "1/rejected_texts").iterdir() for row in pq.read_table(path).to_pylist()]
    assert len(texts) == rejected["Size"]["too_small"]
    kept = [dict(row["signals"]) for row in rows]
    assert sum(found["global_duplicate_paragraphs"] for found in kept) > 0
    assert min(found["size"] for found in kept) >= max(dict(row["signals"])["size"] for row in texts)
