import collections
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_corpus import END_OF_TEXT, texts, write_corpus
from tests.tiny_splits import of_lengths, split_of
from trainers.admit import admit
from trainers.batches import Loader, Rows, prefetched
from trainers.objectives.causal import Causal
from trainers.permutation import Permutation
from trainers.plan import Plan, of_rank
from trainers.row import IGNORED, NOBODY
from trainers.stream import Stream

DOCUMENTS = texts(23)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return admit(write_corpus(tmp_path_factory.mktemp("plan") / "corpus", [DOCUMENTS[:9], [], DOCUMENTS[9:]]))


def plan_of(num_tokens=1000, *, sequence_length=16, batch_rows=5, seed=0, order="row"):
    return Plan(num_tokens, sequence_length, batch_rows, seed, order, "sha256")


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
@given(
    shards=st.lists(st.lists(st.integers(1, 60), max_size=7), min_size=1, max_size=3).filter(any),
    sequence_length=st.integers(1, 50),
    batch_rows=st.integers(1, 9),
    world=st.integers(1, 5),
    seed=st.integers(0, 9),
    order=st.sampled_from(["row", "document"]),
)
@settings(max_examples=30, deadline=None)
def test_every_token_is_scored_once_an_epoch(shards, sequence_length, batch_rows, world, seed, order):
    """Over corpora, lengths of documents and rows, batches and ranks, in each of the first two epochs."""
    stream = Stream.of_split(split_of(*map(of_lengths, shards), batch=4))
    plan = plan_of(stream.num_tokens, sequence_length=sequence_length, batch_rows=batch_rows, seed=seed, order=order)
    rows = Rows(stream, stream.num_tokens, sequence_length, end_of_text_id=0, vocab_size=1 << 16)
    scored = collections.defaultdict(list)  # for each epoch: place in the stream, document, token
    for step in range(1, -(-2 * plan.num_rows // batch_rows) + 1):
        for rank in range(world):
            if len(of_rank(plan.rows(step)[1], rank=rank, world=world)):
                loader = Loader(rows, plan, Causal(sequence_length, 0), rank=rank, world_size=world)
                for row, targets, owners in parts(*loader(step)):
                    assert (targets == IGNORED).tolist() == (owners == NOBODY).tolist()
                    places = row.number * sequence_length + np.flatnonzero(owners != NOBODY)
                    owned = row.documents[owners[owners != NOBODY]]
                    found = targets[targets != IGNORED].tolist()
                    scored[row.epoch] += zip(places.tolist(), owned.tolist(), found, strict=True)
    owners = np.repeat(np.arange(stream.num_documents), np.diff(stream.starts)).tolist()
    tokens = stream.tokens(0, stream.num_tokens).tolist()
    for epoch in range(2):
        assert sorted(scored[epoch]) == list(zip(range(len(tokens)), owners, tokens, strict=True))


def parts(rows, batch):
    """Each row with its targets and their owners."""
    return zip(rows, batch.targets["loss"].numpy(), batch.owners["loss"].numpy(), strict=True)


@given(
    num_tokens=st.integers(1, 400),
    sequence_length=st.integers(1, 40),
    batch_rows=st.integers(1, 9),
    num_steps=st.integers(0, 12),
    order=st.sampled_from(["row", "document"]),
)
@settings(max_examples=60, deadline=None)
def test_rows_and_steps_find_each_other(num_tokens, sequence_length, batch_rows, num_steps, order):
    plan = plan_of(num_tokens, sequence_length=sequence_length, batch_rows=batch_rows, order=order)
    read = collections.defaultdict(int)
    for step in range(1, num_steps + 1):
        for epoch, row in zip(*map(np.ndarray.tolist, plan.rows(step)), strict=True):
            read[epoch, row] = step
    steps = plan.steps(np.arange(plan.num_rows), num_steps=num_steps)
    assert len(steps) == -(-num_steps * batch_rows // plan.num_rows)
    for epoch, found in enumerate(steps.tolist()):
        assert found == [read[epoch, row] for row in range(plan.num_rows)]
    assert plan.epochs(num_steps) == pytest.approx(num_steps * batch_rows / plan.num_rows)


def test_the_order_depends_on_seed_and_epoch_and_nothing_else():
    plan = plan_of(batch_rows=4)
    whole = np.concatenate([plan.rows(step)[1] for step in range(1, 41)])
    other_batch = plan_of(batch_rows=8)
    assert np.concatenate([other_batch.rows(step)[1] for step in range(1, 21)]).tolist() == whole.tolist()
    epochs = whole[: 2 * plan.num_rows].reshape(2, -1)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert plan.rows(1)[1].tolist() != plan_of(batch_rows=4, seed=1).rows(1)[1].tolist()


def test_the_rows_of_documents_in_order_are_read_as_they_lie():
    plan = plan_of(50, sequence_length=10, batch_rows=2, order="document")
    found = [np.stack(plan.rows(step)).T.tolist() for step in (1, 2, 3)]
    assert found == [[[0, 0], [0, 1]], [[0, 2], [0, 3]], [[0, 4], [1, 0]]]


def test_the_digest_is_of_every_field():
    plan = plan_of()
    others = [("num_tokens", 999), ("sequence_length", 8), ("batch_rows", 4), ("seed", 1), ("order", "document")]
    plans = [dataclasses.replace(plan, **{name: value}) for name, value in [*others, ("stream_sha256", "x")]]
    assert len({plan.sha256, *(other.sha256 for other in plans)}) == 7


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="the order of a plan is 'alphabet', expected one of row, document"):
        plan_of(order="alphabet")


def test_documents_have_their_address(corpus):
    for number, (shard, row) in {0: (0, 0), 8: (0, 8), 9: (2, 0), 22: (2, 13)}.items():
        found = corpus.train.document(number)
        assert found["id"] == f"train{shard}.warc.gz@{row}"
        assert (found["warc"], found["offset"]) == (f"crawl/train{shard}.warc.gz", 1000 * row)
        assert corpus.train.find(found["id"]) == number
    assert corpus.train.find("nothing") is None
    assert corpus.train.document_bytes.tolist() == [len(text) for text in DOCUMENTS]
    assert corpus.train.numbers("quality").tolist() == [i % 5 / 4 for i in [*range(9), *range(14)]]


@pytest.mark.parametrize("steps", [range(1, 1), range(1, 2), range(5, 12)])
def test_prefetching_keeps_order(steps):
    assert list(prefetched(lambda step: step, steps)) == list(steps)


def test_prefetching_passes_errors_on():
    batches = prefetched(lambda step: 1 // (3 - step), range(1, 9))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(batches)


def test_a_token_outside_the_vocabulary_is_refused(corpus):
    stream = Stream.of_split(corpus.train)
    rows = Rows(stream, stream.num_tokens, 16, end_of_text_id=END_OF_TEXT, vocab_size=100)
    with pytest.raises(ValueError, match=r"found token \d+ in a vocabulary of 100"):
        rows.row(1)
