import dataclasses
import datetime
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import parts
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger

DATE = datetime.datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=datetime.UTC)
FULL = Document(
    id="a.warc.gz@5",
    url="http://example.org/grüße",
    date=DATE,
    text="Zeile\nzwei \u2028 \0 \U0001f600",
    language="de",
    language_score=0.75,
    warc="crawl/a.warc.gz",
    offset=5,
    length=1 << 40,
    digest="sha1:X",
    charset="windows-1252",
    signals={"b": 0.5, "a": 2.0},
    copies=3,
)
BARE = dataclasses.replace(
    FULL, id="a.warc.gz@9", date=None, text="", language="", language_score=0.0, offset=9, signals={}, copies=1
)
DROPPED = Rejection("a.warc.gz@7", "", "crawl/a.warc.gz", 7, 12, "read", "damaged_record")
LEDGER = Ledger(read=3, kept=2)
LEDGER.reject(DROPPED)


def write(path, rows, *, schema=DOCUMENTS, fingerprint="f", ledger=LEDGER):
    with parts.writing(str(path), schema, fingerprint=fingerprint, ledger=ledger) as part:
        for row in rows:
            part.add(row)
    return str(path)


def numbered(count, text="text"):
    return [dataclasses.replace(FULL, offset=number, text=f"{text}{number}") for number in range(count)]


def test_documents_come_back_as_they_were(tmp_path):
    path = write(tmp_path / "part.parquet", [FULL, BARE])
    found = list(parts.documents(path))
    assert found == [FULL, BARE]
    assert [list(document.signals) for document in found] == [["b", "a"], []]
    assert found[0].date.utcoffset() == datetime.timedelta(0)


def test_rejections_come_back_as_they_were(tmp_path):
    valued = dataclasses.replace(DROPPED, value=0.1, evidence="num_words")
    path = write(tmp_path / "part.parquet", [DROPPED, valued], schema=REJECTED)
    assert [Rejection(**row) for row in pq.read_table(path).to_pylist()] == [DROPPED, valued]


@pytest.mark.parametrize("status", [0, 404, 2**53 + 1, 10**30])
def test_a_large_number_can_be_the_value_of_a_rejection(tmp_path, status):
    path = write(tmp_path / "part.parquet", [dataclasses.replace(DROPPED, value=status)], schema=REJECTED)
    assert pq.read_table(path).column("value").to_pylist() == [float(status)]


def test_a_part_without_rows_is_a_part(tmp_path):
    path = write(tmp_path / "part.parquet", [])
    assert list(parts.documents(path)) == []
    assert parts.fingerprint_of(path) == "f"


@pytest.mark.parametrize(
    "rows, size, groups",
    [
        (10, 1 << 20, [4, 4, 2]),
        (8, 1 << 20, [4, 4]),
        (6, 15, [3, 3]),  # texts of 5 characters: 15 are reached with the third
        (3, 5, [1, 1, 1]),
        (0, 1 << 20, []),
    ],
)
def test_row_groups_are_bounded_by_rows_and_by_text(tmp_path, monkeypatch, rows, size, groups):
    monkeypatch.setattr(parts, "_ROWS", 4)
    monkeypatch.setattr(parts, "_TEXT", size)
    path = write(tmp_path / "part.parquet", numbered(rows))
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == groups
    assert list(parts.documents(path)) == numbered(rows)


def test_the_writer_counts_its_rows(tmp_path):
    with parts.writing(str(tmp_path / "p"), DOCUMENTS, fingerprint="f", ledger=LEDGER) as part:
        assert part.num_rows == 0
        part.add(FULL)
        part.flush()
        part.add(BARE)
        assert part.num_rows == 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stands_under_the_name_when_the_block_raises(tmp_path, error):
    path = str(tmp_path / "part.parquet")
    with (
        pytest.raises(error),
        parts.writing(path, DOCUMENTS, fingerprint="f", ledger=LEDGER) as part,
    ):
        part.add(FULL)
        part.flush()
        raise error
    assert os.listdir(tmp_path) == []
    assert parts.fingerprint_of(path) is None


def test_the_part_appears_only_at_the_end(tmp_path):
    path = str(tmp_path / "part.parquet")
    with parts.writing(path, DOCUMENTS, fingerprint="f", ledger=LEDGER) as part:
        part.add(FULL)
        part.flush()
        assert not os.path.exists(path)
    assert os.listdir(tmp_path) == ["part.parquet"]


def test_fingerprint_and_ledger_come_back_as_they_stood_at_the_end(tmp_path):
    path, ledger = str(tmp_path / "part.parquet"), Ledger()
    with parts.writing(path, DOCUMENTS, fingerprint="0123abc", ledger=ledger):
        ledger.read = 2
        ledger.kept = 1
        ledger.skipped["request"] += 5
        ledger.reject(DROPPED)
    assert parts.fingerprint_of(path) == "0123abc"
    assert parts.ledger_of(path) == ledger
    assert parts.ledger_of(path).rejected == {("read", "damaged_record"): 1}


def test_what_is_no_part_has_no_fingerprint(tmp_path):
    assert parts.fingerprint_of(str(tmp_path / "nothing")) is None
    for name, content in [("empty", b""), ("text", b"no parquet"), ("half", b"PAR1" + b"x" * 100 + b"PAR1")]:
        (tmp_path / name).write_bytes(content)
        assert parts.fingerprint_of(str(tmp_path / name)) is None
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other")
    assert parts.fingerprint_of(str(tmp_path / "other")) is None
    whole = write(tmp_path / "whole", numbered(5))
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(content[:-1])
    assert (parts.fingerprint_of(whole), parts.fingerprint_of(str(tmp_path / "cut"))) == ("f", None)


def test_a_part_of_other_columns_is_refused(tmp_path):
    path = write(tmp_path / "part.parquet", [DROPPED], schema=REJECTED)
    with pytest.raises(ValueError) as caught:
        list(parts.documents(path))
    assert str(caught.value).startswith(f"{path} is no part of documents: expected the columns\nid: string\n")
    assert "\nfound\nid: string\n" in str(caught.value)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, [FULL, BARE]) for name in "ab")
    with open(first, "rb") as one, open(second, "rb") as other:
        assert one.read() == other.read()


@pytest.mark.parametrize("wanted", [set(), {0}, {3, 4, 9}, set(range(10)), {99}])
def test_texts_at_offsets(tmp_path, monkeypatch, wanted):
    monkeypatch.setattr(parts, "_ROWS", 4)
    path = write(tmp_path / "part.parquet", numbered(10))
    assert list(parts.texts(path, wanted)) == [
        (number, (f"text{number}", "de")) for number in sorted(wanted & set(range(10)))
    ]


def test_memory_storage(tmp_path):
    path = f"memory://{tmp_path.name}/part.parquet"
    write(path, [FULL])
    assert (list(parts.documents(path)), parts.fingerprint_of(path)) == ([FULL], "f")
