"""Permutation language modelling: what is predicted, in which order, and that it is learned."""

import collections

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.models import two_stream
from trainers.models.sizes import Size
from trainers.objectives.permuted import Permuted, order, word_starts
from trainers.row import IGNORED, NOBODY, Row
from trainers.specials import Specials

END, VOCABULARY = 0, 400
STARTS = np.arange(VOCABULARY) % 2 == 1  # odd tokens start a word


def permuted(sequence_length=64, *, seed=5, starts=STARTS, **options):
    return Permuted(seed, Specials(END, None, (), starts), sequence_length, **options)


def row_of(*pieces, epoch=0, number=0):
    edges = np.cumsum([0, *map(len, pieces)])
    tokens = np.concatenate([np.asarray(piece, np.uint16) for piece in pieces])
    return Row(epoch, number, END, tokens, edges, np.arange(len(pieces)))


def text(length, *, seed=0):
    return np.random.default_rng(seed).integers(1, VOCABULARY, length)


def plain_word_starts(starts):
    words = []
    for i, start in enumerate(starts):
        if i == 0 or start:
            words.append([])
        words[-1].append(i)
    return [i for word in words for i in (word if len(word) > 10 else word[:1])]


pieces = st.lists(
    st.tuples(st.lists(st.integers(1, VOCABULARY - 1), max_size=60), st.booleans())
    .map(lambda piece: piece[0] + [END] * piece[1])
    .filter(len),
    min_size=1,
    max_size=6,
)


@given(pieces, st.integers(0, 3), st.sampled_from([1 / 6, 0.15, 0.5]), st.sampled_from([4, 256]))
@settings(max_examples=80, deadline=None)
def test_what_is_predicted_is_a_share_of_each_piece_in_an_order_of_its_own(documents, number, rate, block):
    row = row_of(*documents, number=number)
    length = len(row.tokens)
    objective = permuted(length + 3, rate=rate, block=block)
    batch = objective.batch([row])
    inputs = {name: values[0].numpy() for name, values in batch.inputs.items()}
    targets, owners = batch.targets["loss"][0].numpy(), batch.owners["loss"][0].numpy()
    predicted, ranks = inputs["predicted"], inputs["ranks"]
    assert len(predicted) == len(targets) == len(owners) == objective.num_predict == np.ceil((length + 3) * rate)
    count = int((predicted != NOBODY).sum())
    assert (
        (predicted[count:] == NOBODY).all() and (owners[count:] == NOBODY).all() and (targets[count:] == IGNORED).all()
    )
    assert (np.diff(predicted[:count]) > 0).all()
    assert set(predicted[:count]) == set(np.flatnonzero(ranks >= 0))
    assert (targets[:count] == inputs["inputs"][predicted[:count]]).all() and END not in targets
    assert (owners[:count] == inputs["segments"][predicted[:count]]).all()
    assert (inputs["inputs"][:length] == row.tokens).all() and (inputs["inputs"][length:] == END).all()
    for piece, (start, stop) in enumerate(zip(row.edges[:-1], row.edges[1:], strict=True)):
        assert (inputs["segments"][start:stop] == piece).all()
        assert (inputs["positions"][start:stop] == np.arange(stop - start)).all()
        mine = ranks[start:stop]
        assert (mine == -1).any()  # there is always something to predict from
        places = np.flatnonzero(mine >= 0)
        content = stop - start - (row.tokens[stop - 1] == END)
        share = (stop - start) * rate
        assert min(np.floor(share), content, stop - start - 1) <= len(places) <= np.ceil(share)
        assert len(set(mine[places])) == len(places)
        assert (mine[places] // block == places // block).all()  # a block after the other
    assert (inputs["segments"][length:] == NOBODY).all() and (ranks[length:] == -1).all()


def test_a_row_is_the_same_alone_and_another_in_another_epoch():
    rows = [row_of(text(40, seed=1), text(20, seed=2), number=number) for number in range(3)]
    together = permuted().batch(rows)
    for i, row in enumerate(rows):
        again = permuted().batch([row])
        for name, values in again.inputs.items():
            assert torch.equal(values[0], together.inputs[name][i]), name
        assert torch.equal(again.targets["loss"][0], together.targets["loss"][i])
    for other in (rows[1], row_of(text(40, seed=1), text(20, seed=2), epoch=1)):
        assert not torch.equal(permuted().batch([other]).inputs["ranks"], together.inputs["ranks"][:1])
    assert not torch.equal(permuted(seed=6).batch(rows[:1]).inputs["ranks"], together.inputs["ranks"][:1])


@given(st.lists(st.booleans(), min_size=1, max_size=60))
@settings(deadline=None)
def test_words_are_those_of_the_plain_version(starts):
    assert word_starts(np.array(starts)).tolist() == plain_word_starts(starts)


def test_runs_that_are_predicted_are_whole_words():
    """But for the last one of a piece, which ends where its share does."""
    tokens = np.tile([1, 2, 4, 6], 128)  # words of four tokens
    cut = 0
    for number in range(50):
        ranks = permuted(512).batch([row_of(tokens, number=number)]).inputs["ranks"][0].numpy()
        words = (ranks >= 0).reshape(128, 4).sum(1)
        assert set(words) <= {0, 1, 2, 3, 4}
        assert ((words > 0) & (words < 4)).sum() <= 1
        assert words.sum() in (85, 86)
        cut += int(((words > 0) & (words < 4)).sum())
    assert cut > 10  # 85 is no multiple of 4


def test_spans_are_of_as_many_words_as_the_paper_says():
    """A context of sixfold length follows another, so spans of n words appear in proportion to 1 / n."""
    tokens = np.tile([1, 2], 1024)  # words of two tokens
    found = collections.Counter()
    for number in range(40):
        ranks = permuted(2048).batch([row_of(tokens, number=number)]).inputs["ranks"][0].numpy()
        edges = np.flatnonzero(np.diff(np.concatenate([[0], ranks >= 0, [0]])))
        found.update(((edges[1::2] - edges[::2]) / 2).tolist())
    total = sum(found.values())
    for words in range(1, 6):
        expected = 1 / words / sum(1 / n for n in range(1, 6))
        assert abs(found[words] / total - expected) < 0.05, (words, found)  # some spans touch, some fill up


def test_every_place_is_predicted_as_often_as_any_other():
    tokens = text(240, seed=3)
    times = sum((permuted(240).batch([row_of(tokens, number=i)]).inputs["ranks"][0] >= 0).long() for i in range(400))
    assert times.sum() == 400 * 40
    shares = times.view(12, 20).float().mean(1) / 400
    assert (shares - 1 / 6).abs().max() < 0.03, shares


def test_short_documents_get_their_share_over_the_epochs():
    documents = [text(3, seed=i) for i in range(20)]
    times = np.zeros(20)
    for epoch in range(200):
        owners = permuted(60).batch([row_of(*documents, epoch=epoch)]).owners["loss"][0].numpy()
        times += np.bincount(owners[owners != NOBODY], minlength=20)
    assert np.abs(times / 200 - 0.5).max() < 5 * (0.25 / 200) ** 0.5  # 3 tokens / 6; 5 sigma


def test_scripts_without_blanks_are_predicted_too():
    ranks = permuted(60, starts=np.zeros(VOCABULARY, bool)).batch([row_of(text(60), number=1)]).inputs["ranks"]
    assert (ranks >= 0).sum() == 10


def test_orders_are_permutations_of_blocks():
    found = order(10, 4, np.random.default_rng(0))
    assert [sorted(found[start : start + 4]) for start in (0, 4, 8)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    rng = np.random.default_rng(0)
    counts = collections.Counter(tuple(order(3, 256, rng).tolist()) for _ in range(3000))
    assert len(counts) == 6 and max(abs(count - 500) for count in counts.values()) < 5 * (3000 * 5 / 36) ** 0.5


def test_what_cannot_be_meant_is_said_when_the_objective_is_built():
    with pytest.raises(ValueError, match="--mask-rate of permuted is 0"):
        permuted(rate=0)


@pytest.mark.slow
def test_a_small_model_learns_to_count():
    """Documents count up by one from anywhere, so every token follows from any other and the distance to it."""
    rng = np.random.default_rng(1)
    objective = permuted(32)
    model = two_stream.build(Size(2, 32, 2, 2, 64, 1e-2), vocab_size=40, sequence_length=32, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    seen = []
    for step in range(60):
        starts = rng.integers(1, 20, (16, 2))
        rows = [
            row_of(*(range(start, start + 16) for start in pair), number=16 * step + i) for i, pair in enumerate(starts)
        ]
        batch = objective.batch(rows)
        loss = objective.losses(model, batch)["loss"].sum() / batch.num_targets["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert abs(seen[0] - np.log(40)) < 0.3
    assert np.mean(seen[-5:]) < 1.5, seen  # how often each token stands there is worth 3.3 nats
