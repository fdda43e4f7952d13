import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_corpus import END_OF_TEXT, VOCAB_SIZE, encode, texts, write_corpus
from trainers.admit import admit
from trainers.batches import IGNORED, Rows, prefetched
from trainers.permutation import Permutation
from trainers.plan import Plan
from trainers.trace import pieces_of_document, pieces_of_step

DOCUMENTS = texts(23)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return admit(write_corpus(tmp_path_factory.mktemp("plan") / "corpus", [DOCUMENTS[:9], [], DOCUMENTS[9:]]))


def rows_of(corpus, sequence_length):
    return Rows(
        corpus.train,
        num_tokens=corpus.train.num_tokens,
        sequence_length=sequence_length,
        end_of_text_id=END_OF_TEXT,
        vocab_size=VOCAB_SIZE,
    )


def plan_of(corpus, *, sequence_length=16, batch_rows=5, seed=0):
    return Plan(corpus.train.num_tokens, sequence_length, batch_rows, seed, corpus.sha256)


@given(size=st.integers(1, 3000), key=st.text(max_size=5))
@settings(max_examples=60, deadline=None)
def test_permutation_is_a_bijection(size, key):
    order = Permutation(size, key)
    images = order(np.arange(size))
    assert sorted(images.tolist()) == list(range(size))
    assert order.inverse(images).tolist() == list(range(size))


@given(size=st.integers(1, 1 << 62), data=st.data())
@settings(max_examples=60, deadline=None)
def test_inverse_undoes_a_large_permutation(size, data):
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), np.int64)
    order = Permutation(size, "7/0")
    images = order(positions)
    assert ((images >= 0) & (images < size)).all()
    assert order.inverse(images).tolist() == positions.tolist()


def test_every_order_of_four_is_equally_likely():
    """1,200 keys, 24 orders: chi-square with 23 degrees of freedom has mean 23 and deviation sqrt(46); 5 sigma."""
    orders = collections.Counter(tuple(Permutation(4, str(key))(np.arange(4)).tolist()) for key in range(1200))
    chi_square = sum((count - 50) ** 2 / 50 for count in orders.values()) + (24 - len(orders)) * 50
    assert abs(chi_square - 23) < 5 * 46**0.5


def test_permutation_stays_the_same_between_versions():
    """A resumed run relies on these values: change them only together with the plan's description of its order."""
    assert Permutation(10, "0/0")(np.arange(10)).tolist() == [9, 4, 8, 1, 7, 3, 5, 0, 2, 6]


@pytest.mark.slow
@given(sequence_length=st.integers(2, 400), batch_rows=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_every_token_is_a_target_once_an_epoch(corpus, sequence_length, batch_rows, seed):
    plan = plan_of(corpus, sequence_length=sequence_length, batch_rows=batch_rows, seed=seed)
    stream = [token for text in DOCUMENTS for token in encode(text)]
    assert corpus.train.num_tokens == len(stream)

    num_steps = -(-2 * plan.num_rows // batch_rows)
    rows = np.concatenate([plan.rows(step) for step in range(1, num_steps + 1)])
    for epoch in range(2):
        read = rows[epoch * plan.num_rows : (epoch + 1) * plan.num_rows]
        assert sorted(read.tolist()) == list(range(plan.num_rows))
    batch = rows_of(corpus, sequence_length).batch(range(plan.num_rows))
    assert batch.targets[batch.targets != IGNORED].tolist() == stream
    assert batch.num_targets == len(stream)
    assert batch.inputs[batch.targets != IGNORED].tolist() == [END_OF_TEXT, *stream[:-1]]


def test_a_row_says_where_its_documents_begin(tmp_path):
    corpus = admit(write_corpus(tmp_path / "corpus", [["ab"], ["c", ""]]))
    a, b, c, end = *b"abc", END_OF_TEXT
    batch = rows_of(corpus, 4).batch([0, 1])
    assert batch.inputs.tolist() == [[end, a, b, end], [c, end, end, end]]
    assert batch.targets.tolist() == [[a, b, end, c], [end, end, IGNORED, IGNORED]]
    assert batch.segments.tolist() == [[0, 0, 0, 1], [0, 1, -1, -1]]
    assert batch.positions.tolist() == [[0, 1, 2, 0], [0, 0, 0, 0]]
    assert batch.num_targets == 6


@given(sequence_length=st.integers(2, 200), batch_rows=st.integers(1, 9), num_steps=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_steps_and_documents_find_each_other(corpus, sequence_length, batch_rows, num_steps):
    plan = plan_of(corpus, sequence_length=sequence_length, batch_rows=batch_rows)
    owners = [(number, i) for number, text in enumerate(DOCUMENTS) for i in range(len(encode(text)))]
    by_step, by_document = collections.defaultdict(list), collections.defaultdict(list)
    for step in range(1, num_steps + 1):
        for row in plan.rows(step):
            start, stop = plan.tokens(int(row))
            for number, i in owners[start:stop]:
                by_step[step].append((number, i))
                by_document[number].append((step, i))

    for step in range(1, num_steps + 1):
        pieces = pieces_of_step(corpus, plan, step=step)
        assert [(p.document, i) for p in pieces for i in range(p.start, p.stop)] == by_step[step]
    for number in range(len(DOCUMENTS)):
        pieces = pieces_of_document(corpus, plan, document=number, num_steps=num_steps)
        found = [(p.step, i) for p in pieces for i in range(p.start, p.stop)]
        assert sorted(found) == sorted(by_document[number])


def test_the_order_depends_on_seed_and_epoch_and_nothing_else(corpus):
    plan = plan_of(corpus, batch_rows=4)
    whole = np.concatenate([plan.rows(step) for step in range(1, 41)])
    other_batch = plan_of(corpus, batch_rows=8)
    assert np.concatenate([other_batch.rows(step) for step in range(1, 21)]).tolist() == whole.tolist()
    epochs = whole[: 2 * plan.num_rows].reshape(2, -1)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert plan.rows(1).tolist() != plan_of(corpus, batch_rows=4, seed=1).rows(1).tolist()
    assert len({plan.sha256, other_batch.sha256, plan_of(corpus, batch_rows=4, seed=1).sha256}) == 3


def test_documents_have_their_address(corpus):
    for number, (shard, row) in {0: (0, 0), 8: (0, 8), 9: (2, 0), 22: (2, 13)}.items():
        found = corpus.train.document(number)
        assert found["id"] == f"train{shard}.warc.gz@{row}"
        assert (found["warc"], found["offset"]) == (f"crawl/train{shard}.warc.gz", 1000 * row)
        assert corpus.train.find(found["id"]) == number
    assert corpus.train.find("nothing") is None
    assert corpus.train.num_bytes(23) == sum(map(len, DOCUMENTS))
    assert corpus.train.num_bytes(10) == sum(map(len, DOCUMENTS[:10]))


@pytest.mark.parametrize("steps", [range(1, 1), range(1, 2), range(5, 12)])
def test_prefetching_keeps_order(steps):
    assert list(prefetched(lambda step: step, steps)) == list(steps)


def test_prefetching_passes_errors_on():
    batches = prefetched(lambda step: 1 // (3 - step), range(1, 9))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(batches)


def test_a_token_outside_the_vocabulary_is_refused(corpus):
    rows = rows_of(corpus, 16)
    small = Rows(rows.split, rows.num_tokens, 16, end_of_text_id=END_OF_TEXT, vocab_size=100)
    with pytest.raises(ValueError, match=r"found token \d+ in a vocabulary of 100"):
        small.batch([1])
