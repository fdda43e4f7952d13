import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_splits import END_OF_TEXT, documents, of_lengths, split_of
from trainers.stream import Stream

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=8)
SHARDS = st.lists(st.lists(st.integers(1, 12), max_size=6), min_size=1, max_size=3).filter(lambda shards: any(shards))


def tokens_of(split, document):
    return split.tokens(int(split.doc_starts[document]), int(split.doc_starts[document + 1])).tolist()


@st.composite
def streams(draw):
    """Occurrences of documents of one or two splits, and the same as a list of (source, document, tokens)."""
    splits = tuple(split_of(*map(of_lengths, draw(SHARDS))) for _ in range(draw(st.integers(1, 2))))
    pairs = st.integers(0, len(splits) - 1).flatmap(
        lambda source: st.tuples(st.just(source), st.integers(0, splits[source].num_documents - 1))
    )
    runs = [
        (source, list(range(first, splits[source].num_documents)))
        for source, first in draw(st.lists(pairs, min_size=1, max_size=5))
    ]
    chosen = [(source, document) for source, run in runs for document in run[: draw(st.integers(1, 4))]]
    sources, numbers = (np.array(column) for column in zip(*chosen, strict=True))
    return Stream.of(splits, sources, numbers), [(s, d, tokens_of(splits[s], d)) for s, d in chosen]


@given(streams(), st.data())
@settings(max_examples=80, deadline=None)
def test_a_stream_is_its_documents_one_after_another(made, data):
    """Against plain lists: tokens, spans, what precedes a position, and rows."""
    stream, plain = made
    flat = [token for _, _, tokens in plain for token in tokens]
    owners = [(i, offset) for i, (_, _, tokens) in enumerate(plain) for offset in range(len(tokens))]
    assert (stream.num_tokens, stream.num_documents) == (len(flat), len(plain))
    start = data.draw(st.integers(0, len(flat) - 1))
    stop = data.draw(st.integers(start + 1, len(flat)))
    assert stream.tokens(start, stop).tolist() == flat[start:stop]

    occurrences, edges = stream.spans(start, stop)
    found = [int(i) for i, width in zip(occurrences, np.diff(edges), strict=True) for _ in range(width)]
    assert found == [i for i, _ in owners[start:stop]]
    assert (edges[0], edges[-1]) == (start, stop)
    assert (np.diff(edges) > 0).all()

    expected = None if owners[start][1] == 0 else flat[start - 1]
    assert stream.before(start) == expected
    row = stream.row(epoch=2, number=5, start=start, stop=stop, end_of_text_id=END_OF_TEXT)
    assert (row.epoch, row.number, row.before) == (2, 5, END_OF_TEXT if expected is None else expected)
    assert row.tokens.tolist() == flat[start:stop]
    assert (row.edges + start).tolist() == edges.tolist()
    assert row.documents.tolist() == occurrences.tolist()


@given(streams())
@settings(max_examples=40, deadline=None)
def test_occurrences_are_found_again(made):
    stream, plain = made
    for source, document in {(source, document) for source, document, _ in plain}:
        expected = [i for i, found in enumerate(plain) if found[:2] == (source, document)]
        assert stream.occurrences(source, document).tolist() == expected
    for source in range(len(stream.splits)):
        numbers = np.arange(0, stream.splits[source].num_documents, 2)
        expected = [i for i, (s, d, _) in enumerate(plain) if s == source and d % 2 == 0]
        assert stream.occurrences(source, numbers).tolist() == expected
    assert stream.num_bytes == sum(len(tokens) for _, _, tokens in plain)  # made so: a byte a token


@given(SHARDS)
@settings(max_examples=25, deadline=None)
def test_a_whole_split_is_its_own_stream(lengths):
    split = split_of(*map(of_lengths, lengths))
    stream = Stream.of_split(split)
    assert stream.starts is split.doc_starts
    assert stream.tokens(0, stream.num_tokens).tolist() == split.tokens(0, split.num_tokens).tolist()
    same = Stream.of((split,), np.zeros(split.num_documents, int), np.arange(split.num_documents))
    assert same.sha256 == stream.sha256


def test_documents_in_one_record_batch_are_not_copied():
    split = split_of(documents(6), batch=4)
    stream = Stream.of((split,), np.zeros(5, int), np.array([4, 5, 0, 1, 2]))
    assert np.shares_memory(stream.tokens(1, 6), split.shards[0].chunks[1])
    assert np.shares_memory(stream.tokens(6, 15), split.shards[0].chunks[0])
    assert not np.shares_memory(stream.tokens(0, 15), split.shards[0].chunks[0])


def test_ids_are_found_in_every_split():
    first, second = split_of(documents(3), [], documents(2, id=["x", "y"])), split_of(documents(4))
    stream = Stream.of((first, second), np.array([1, 0, 0, 1, 1]), np.array([1, 1, 4, 1, 2]))
    assert stream.find("made.warc.gz@1").tolist() == [0, 1, 3]
    assert stream.find("y").tolist() == [2]
    assert stream.find("x").tolist() == []  # in a split, and not read
    assert stream.find("nothing").tolist() == []
    assert (stream.document(2)["id"], stream.document(2)["corpus"]) == ("y", 0)
    assert (stream.document(4)["id"], stream.document(4)["corpus"]) == ("made.warc.gz@2", 1)


def test_forgotten_documents_are_left_out():
    split = split_of(documents(4), documents(2, id=["x", "y"]))
    stream = Stream.of_split(split, without=frozenset({"x", "made.warc.gz@0", "elsewhere"}))
    assert stream.documents.tolist() == [1, 2, 3, 5]
    assert stream.tokens(0, stream.num_tokens).tolist() == [2, 2, 0, 3, 3, 0, 4, 4, 0, 2, 2, 0]
    assert Stream.of_split(split, without=frozenset({"elsewhere"})).sha256 == Stream.of_split(split).sha256


def test_the_digest_is_of_what_is_read():
    split = split_of(documents(5))
    streams = [
        Stream.of_split(split),
        Stream.of_split(split_of(documents(5), sha256="another")),
        Stream.of((split,), np.zeros(5, int), np.array([1, 0, 2, 3, 4])),
        Stream.of((split, split), np.array([0, 0, 1, 0, 0]), np.arange(5)),
        Stream.of_split(split_of(documents(4))),
    ]
    assert len({stream.sha256 for stream in streams}) == 5
    assert Stream.of_split(split_of(documents(5))).sha256 == streams[0].sha256


@pytest.mark.parametrize("shards", [[], [[]]])
def test_an_empty_split_is_an_empty_stream(shards):
    stream = Stream.of_split(split_of(*shards))
    assert (stream.num_tokens, stream.num_documents, stream.num_bytes) == (0, 0, 0)
    assert stream.tokens(0, 0).tolist() == []
    assert stream.find("x").tolist() == []
