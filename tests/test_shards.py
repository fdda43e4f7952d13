import contextlib
import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import shards
from curation.shards import ShardInfo, ShardWriter, open_shard

INFO = ShardInfo("train", "t" * 64, 1000, 0, "r" * 64)
WIDE = dataclasses.replace(INFO, vocab_size=(1 << 16) + 1, split="validation")
NAMES = ["id", "url", "warc", "offset", "num_bytes", "language", "language_score", "copies", "signals"]
SIGNALS = [{}, {"quality": 0.5, "odd": 1.0}, {"even": 2.0}, {}, {"late": -1.5, "even": 4.0}, {"quality": 0.25}]
DOCUMENTS = [[5, 6, 7, 0], [0], [8, 0], [999, 1, 2, 3, 4, 0], [0], [3, 0]]


def columns(number):
    signals = SIGNALS[number % len(SIGNALS)]
    return (f"a@{number}", f"http://a/{number}", "crawl/a", number, 10 * number, "en", 0.5, 1 + number, signals)


def write(path, documents, info=INFO, *, dtype=np.uint16):
    with contextlib.closing(ShardWriter(str(path), info, fingerprint="f")) as writer:
        for number, tokens in enumerate(documents):
            writer.add(np.array(tokens, dtype), columns(number))
    return str(path)


def rewrite(path, table, metadata):
    with pa.ipc.new_file(str(path), table.schema.with_metadata(metadata)) as writer:
        writer.write_table(table.replace_schema_metadata(metadata))
    return str(path)


def refusal(path):
    with pytest.raises(ValueError) as caught:
        open_shard(str(path))
    return str(caught.value)


@pytest.mark.parametrize("batch_tokens, batches", [(1 << 24, 1), (1, 6), (5, 3), (8, 2)])
def test_round_trip(tmp_path, monkeypatch, batch_tokens, batches):
    monkeypatch.setattr(shards, "_BATCH_TOKENS", batch_tokens)
    path = write(tmp_path / "a.arrow", DOCUMENTS)
    shard = open_shard(path)
    assert (shard.path, shard.info, len(shard.chunks)) == (path, INFO, batches)
    assert shard.num_tokens == 16
    assert shard.doc_starts.tolist() == [0, 4, 5, 7, 13, 14, 16]
    assert [shard.tokens(*bounds).tolist() for bounds in zip(shard.doc_starts, shard.doc_starts[1:], strict=False)] == (
        DOCUMENTS
    )
    assert [shard.document(row) for row in range(6)] == [
        dict(zip(NAMES, columns(row), strict=True)) for row in range(6)
    ]
    assert shard.table.column("tokens").to_pylist() == DOCUMENTS


@pytest.mark.parametrize(
    "vocab_size, dtype", [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)], ids=["uint16", "uint32"]
)
def test_the_width_of_tokens_follows_the_vocabulary(tmp_path, vocab_size, dtype):
    info = dataclasses.replace(INFO, vocab_size=vocab_size)
    shard = open_shard(write(tmp_path / "a", [[vocab_size - 1, 0]], info, dtype=dtype))
    assert shard.tokens(0, 2).dtype == dtype
    assert shard.tokens(0, 2).tolist() == [vocab_size - 1, 0]
    assert shard.info == info


def test_a_shard_without_documents(tmp_path):
    shard = open_shard(write(tmp_path / "a.arrow", [], WIDE))
    assert (shard.info, shard.num_tokens, shard.chunks) == (WIDE, 0, ())
    assert (shard.doc_starts.tolist(), shard.chunk_starts.tolist()) == ([0], [0])
    assert shard.tokens(0, 0).tolist() == []
    assert shard.table.num_rows == 0
    assert (shard.signals, shard.numbers("quality").tolist(), shard.numbers("copies").tolist()) == ((), [], [])


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_tokens_across_batches_are_those_of_the_whole(tmp_path_factory, data):
    lengths = data.draw(st.lists(st.integers(1, 9), max_size=12))
    ids = iter(range(1, 1000))
    documents = [[*(next(ids) for _ in range(length - 1)), 0] for length in lengths]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_BATCH_TOKENS", data.draw(st.integers(1, 20)))
        shard = open_shard(write(tmp_path_factory.mktemp("shard") / "a", documents))
    whole = [token for document in documents for token in document]
    assert shard.num_tokens == len(whole)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert shard.tokens(start, stop).tolist() == whole[start:stop]
    assert shard.doc_starts.tolist() == np.cumsum([0, *lengths]).tolist()


@pytest.mark.parametrize("batch_tokens", [1 << 24, 1, 5, 8])
def test_numbers_of_documents(tmp_path, monkeypatch, batch_tokens):
    """A name that only a later record batch brings is found too."""
    monkeypatch.setattr(shards, "_BATCH_TOKENS", batch_tokens)
    shard = open_shard(write(tmp_path / "a", DOCUMENTS))
    assert shard.signals == ("even", "late", "odd", "quality")
    for name in (*shard.signals, "unknown"):
        expected = np.array([row.get(name, np.nan) for row in SIGNALS])
        np.testing.assert_array_equal(shard.numbers(name), expected)
        assert shard.numbers(name).dtype == np.float64
    assert shard.numbers("num_bytes").tolist() == [0, 10, 20, 30, 40, 50]
    assert shard.numbers("copies").tolist() == [1, 2, 3, 4, 5, 6]
    assert shard.numbers("language_score").tolist() == [0.5] * 6
    assert shard.numbers("copies").dtype == np.float64


def test_signals_of_the_same_name_as_a_column_stand_behind_it(tmp_path):
    path = tmp_path / "a"
    with contextlib.closing(ShardWriter(str(path), INFO, fingerprint="f")) as writer:
        writer.add(np.array([0], np.uint16), (*columns(0)[:-1], {"copies": 9.0}))
    assert open_shard(str(path)).numbers("copies").tolist() == [1]


@pytest.mark.parametrize("name", ["url", "tokens", "signals", "offset"])
def test_what_is_no_number_is_one_sentence(tmp_path, name):
    path = write(tmp_path / "a", DOCUMENTS)
    with pytest.raises(ValueError) as caught:
        open_shard(path).numbers(name)
    assert str(caught.value) == (
        f"{name} of {path} is no number; choose one of num_bytes, language_score, copies, or a signal"
    )


rows_of_signals = st.lists(
    st.dictionaries(st.text(min_size=1, max_size=3), st.floats(width=32, allow_nan=False), max_size=4), max_size=8
)


@given(signals=rows_of_signals, batch_tokens=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_signals_come_back_whatever_their_names(tmp_path_factory, signals, batch_tokens):
    path = str(tmp_path_factory.mktemp("shard") / "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_BATCH_TOKENS", batch_tokens)
        with contextlib.closing(ShardWriter(path, INFO, fingerprint="f")) as writer:
            for number, row in enumerate(signals):
                writer.add(np.array([0], np.uint16), (*columns(number)[:-1], row))
    shard = open_shard(path)
    assert [shard.document(row)["signals"] for row in range(len(signals))] == signals
    assert [list(shard.document(row)["signals"]) for row in range(len(signals))] == list(map(sorted, signals))


def test_tokens_in_one_batch_are_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_BATCH_TOKENS", 5)
    shard = open_shard(write(tmp_path / "a", DOCUMENTS))
    assert np.shares_memory(shard.tokens(1, 4), shard.chunks[0])
    assert not np.shares_memory(shard.tokens(4, 6), shard.chunks[0])


@pytest.mark.parametrize("start, stop", [(-1, 2), (3, 2), (0, 17)])
def test_tokens_outside_the_shard_are_a_defect_of_ours(tmp_path, start, stop):
    shard = open_shard(write(tmp_path / "a", DOCUMENTS))
    with pytest.raises(AssertionError):
        shard.tokens(start, stop)


def test_the_same_documents_give_the_same_bytes(tmp_path):
    one, other = (write(tmp_path / name, DOCUMENTS) for name in "ab")
    with open(one, "rb") as first, open(other, "rb") as second:
        assert first.read() == second.read()


def test_the_fingerprint_stands_in_the_metadata(tmp_path):
    path = write(tmp_path / "a", DOCUMENTS)
    assert pa.ipc.open_file(path).schema.metadata == {**INFO.metadata(), b"fingerprint": b"f"}


@pytest.mark.parametrize("content", [b"", b"no arrow", b"ARROW1" + bytes(100)], ids=["empty", "text", "zeros"])
def test_what_is_no_arrow_file_is_refused(tmp_path, content):
    path = tmp_path / "a.arrow"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path} is not a token shard: ")


def test_a_shard_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    content = (tmp_path / write(path, DOCUMENTS)).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert refusal(path).startswith(f"{path} is not a token shard: ")


def test_other_columns_are_refused_with_what_was_found(tmp_path):
    table = open_shard(write(tmp_path / "a", DOCUMENTS)).table.drop_columns(["copies"])
    path = rewrite(tmp_path / "b", table, INFO.metadata())
    message = refusal(path)
    assert message.startswith(f"{path} is not a token shard: expected the columns\n")
    assert [part.count("copies") for part in message.split("\nfound\n")] == [1, 0]


def test_tokens_of_the_wrong_width_are_refused(tmp_path):
    table = open_shard(write(tmp_path / "a", DOCUMENTS)).table
    path = rewrite(tmp_path / "b", table, WIDE.metadata())
    assert refusal(path).startswith(f"{path} is not a token shard: expected the columns\n")


@pytest.mark.parametrize(
    "missing, named",
    [
        ({b"split"}, "split"),
        ({b"vocab_size", b"end_of_text_id"}, "end_of_text_id, vocab_size"),
        (
            set(INFO.metadata()),
            "end_of_text_id, format_version, recipe_sha256, split, tokenizer_sha256, vocab_size",
        ),
    ],
    ids=["one", "two", "all"],
)
def test_missing_metadata_is_named(tmp_path, missing, named):
    metadata = {key: value for key, value in INFO.metadata().items() if key not in missing}
    path = rewrite(tmp_path / "b", open_shard(write(tmp_path / "a", DOCUMENTS)).table, metadata)
    assert refusal(path) == f"{path} is not a token shard: its Arrow metadata has no {named}"


def test_an_unknown_format_is_refused(tmp_path):
    metadata = {**INFO.metadata(), b"format_version": b"1"}
    path = rewrite(tmp_path / "b", open_shard(write(tmp_path / "a", DOCUMENTS)).table, metadata)
    assert refusal(path) == (
        f"{path} has shard format 1, this version reads 2; write the corpus again or use the version that wrote it"
    )


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_shard(str(tmp_path / "nothing"))
