"""Span corruption against a plain version that goes token by token, and what can be read back from it."""

import collections

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.models import encoder_decoder
from trainers.models.sizes import Size
from trainers.objectives.randomness import generator
from trainers.objectives.spans import Spans, amounts, raw_length, segmentation
from trainers.row import IGNORED, NOBODY, Row
from trainers.specials import Specials

END, SENTINELS, VOCABULARY = 0, tuple(range(99, 69, -1)), 100


def specials(sentinels=SENTINELS):
    return Specials(END, None, sentinels, np.ones(VOCABULARY, bool))


def spans(sequence_length=64, *, seed=5, sentinels=SENTINELS, **options):
    return Spans(seed, specials(sentinels), sequence_length, **options)


def row_of(*pieces, epoch=0, number=0):
    edges = np.cumsum([0, *map(len, pieces)])
    tokens = np.concatenate([np.asarray(piece, np.uint16) for piece in pieces])
    return Row(epoch, number, END, tokens, edges, np.arange(len(pieces)))


def sides(batch, row=0):
    """What the encoder reads and what is to be predicted, by piece, as lists."""
    found = collections.defaultdict(lambda: ([], []))
    for side, values, owners in (
        (0, batch.inputs["inputs"], batch.inputs["segments"]),
        (1, batch.targets["loss"], batch.owners["loss"]),
    ):
        for value, owner in zip(values[row].tolist(), owners[row].tolist(), strict=True):
            if owner != NOBODY:
                found[owner][side].append(value)
    return dict(found)


def put_together(source, answer):
    """The document that was corrupted, without its end-of-text."""
    held, sentinel = {}, None
    for token in answer[:-1]:
        if token in SENTINELS:
            sentinel = token
            held[sentinel] = []
        else:
            held[sentinel].append(token)
    assert source[-1] == answer[-1] == END
    assert [token for token in source if token in SENTINELS] == list(held)
    return [word for token in source[:-1] for word in held.get(token, [token])]


def plain(row, *, seed, sentinels=SENTINELS, density=0.15, mean_length=3.0):
    """Inputs and targets of each piece, written token by token."""
    rng = generator(seed=seed, epoch=row.epoch, row=row.number, purpose="spans")
    found = {}
    for number in range(len(row.documents)):
        tokens = row.tokens[row.edges[number] : row.edges[number + 1]].tolist()
        if tokens[-1] == END:
            tokens.pop()
        if len(tokens) < 2:
            continue
        noise = min(max(round(len(tokens) * density), 1), len(tokens) - 1)
        count = min(max(1, round(noise / mean_length)), len(tokens) - noise, len(sentinels))
        kept_lengths = segmentation(len(tokens) - noise, count, rng)
        noise_lengths = segmentation(noise, count, rng)
        source, answer = [], []
        for i in range(count):
            for _ in range(kept_lengths[i]):
                source.append(tokens.pop(0))
            source.append(sentinels[i])
            answer.append(sentinels[i])
            for _ in range(noise_lengths[i]):
                answer.append(tokens.pop(0))
        assert not tokens
        found[number] = ([*source, END], [*answer, END])
    return found


pieces = st.lists(
    st.tuples(st.lists(st.integers(1, 69), max_size=40), st.booleans())
    .map(lambda piece: piece[0] + [END] * piece[1])
    .filter(len),
    min_size=1,
    max_size=6,
)


@given(pieces, st.integers(0, 3), st.integers(0, 3), st.floats(0.05, 0.9), st.sampled_from([1.0, 3.0, 8.0]))
@settings(max_examples=60, deadline=None)
def test_batches_are_those_of_the_plain_version_and_hold_every_token(documents, epoch, number, density, mean_length):
    row = row_of(*documents, epoch=epoch, number=number)
    objective = spans(len(row.tokens), density=density, mean_length=mean_length)
    batch = objective.batch([row])
    found = sides(batch)
    assert found == plain(row, seed=5, density=density, mean_length=mean_length)
    for i, document in enumerate(documents):
        content = [token for token in document if token != END]
        assert (i in found) == (len(content) >= 2)
        if i in found:
            assert put_together(*found[i]) == content
    inputs, owners, targets = batch.inputs, batch.owners["loss"], batch.targets["loss"]
    assert torch.equal(inputs["decoder_segments"], owners)
    assert torch.equal(targets == IGNORED, owners == NOBODY)
    starts = torch.cat([torch.full((1, 1), NOBODY), owners[:, :-1]], dim=1) != owners
    expected = torch.where(starts, END, torch.cat([targets[:, :1], targets[:, :-1]], dim=1))
    assert torch.equal(inputs["decoder_inputs"][owners != NOBODY], expected[owners != NOBODY])
    assert (inputs["inputs"][inputs["segments"] == NOBODY] == END).all()
    longest = max(int((inputs["segments"] != NOBODY).sum()), int((owners != NOBODY).sum()))
    assert longest <= len(row.tokens) * 3 // 2 + 1


def test_types_and_shapes():
    batch = spans(64).batch([row_of(range(1, 61)), row_of([5, 6, END], number=1)])
    assert {name: (values.dtype, tuple(values.shape)) for name, values in batch.inputs.items()} == {
        "inputs": (torch.int64, (2, 56)),  # 60 - 9 + 3 + 1 = 55, in eights
        "segments": (torch.int32, (2, 56)),
        "decoder_inputs": (torch.int64, (2, 16)),  # 9 + 3 + 1 = 13
        "decoder_segments": (torch.int32, (2, 16)),
    }
    assert batch.targets["loss"].dtype == torch.int64 and batch.owners["loss"].dtype == torch.int32
    assert batch.num_targets == {"loss": 13 + 3}


def test_a_row_is_the_same_alone_and_another_in_another_epoch():
    rows = [row_of(range(1, 60), range(3, 40), number=number) for number in range(3)]
    together = spans().batch(rows)
    for i, row in enumerate(rows):
        assert sides(spans().batch([row])) == sides(together, i)
    assert sides(together, 0) != sides(together, 1)
    assert sides(spans(seed=6).batch(rows[:1])) != sides(together, 0)
    assert sides(spans().batch([row_of(range(1, 60), range(3, 40), epoch=1)])) != sides(together, 0)


def test_rows_without_a_target_are_batches_too():
    batch = spans().batch([row_of([7], [8, END], [END])])
    assert batch.num_targets == {"loss": 0}
    model = encoder_decoder.build(Size(1, 8, 2, 2, 8, 1e-3), vocab_size=VOCABULARY, sequence_length=64, seed=0)
    assert not spans().losses(model, batch)["loss"].any()


def test_few_sentinels_mean_longer_spans():
    source, answer = sides(spans(sentinels=SENTINELS[:2]).batch([row_of(range(1, 65))]))[0]
    assert sum(token in SENTINELS for token in source) == 2
    assert len(answer) == 10 + 2 + 1  # as much noise as with more of them
    assert put_together(source, answer) == list(range(1, 65))


def test_lengths_are_those_of_t5():
    assert raw_length(512) == (568, 114)  # T5's own figures
    for length in (3, 10, 128, 2048):
        raw, targets = raw_length(length)
        inputs = len(sides(spans(raw).batch([row_of(np.full(raw, 7))])).get(0)[0]) if raw < 500 else length
        assert inputs <= length
        assert targets == sum(amounts(raw, density=0.15, mean_length=3.0)) + 1
    with pytest.raises(ValueError, match="an input of 2 tokens cannot hold"):
        raw_length(2)


def test_every_segmentation_is_as_likely_as_any_other():
    rng = np.random.default_rng(0)
    found = collections.Counter(tuple(segmentation(6, 3, rng).tolist()) for _ in range(5000))
    assert len(found) == 10 and all(sum(parts) == 6 and min(parts) > 0 for parts in found)
    assert max(abs(count - 500) for count in found.values()) < 5 * (5000 * 0.1 * 0.9) ** 0.5  # 5 sigma


def test_noise_is_everywhere_and_as_much_as_asked_for():
    times = np.zeros(200)
    for number in range(300):
        _, answer = sides(spans(200).batch([row_of(range(100, 300), number=number)]))[0]
        times[[token - 100 for token in answer if token >= 100]] += 1
    assert times.sum() == 300 * 30
    assert times[0] == 0  # a document starts un-noised, and ends with noise
    assert times[-1] == 300
    assert np.abs(times[10:-10] / 300 - 0.15).max() < 0.11  # 5 sigma


def test_what_cannot_be_meant_is_said_when_the_objective_is_built():
    with pytest.raises(ValueError, match=r"--objective spans needs 100 sentinels.*--sentinels 100"):
        spans(sentinels=())
    with pytest.raises(ValueError, match=r"--mask-rate of spans is 1\.5"):
        spans(density=1.5)
    with pytest.raises(ValueError, match="mean length of spans is 0"):
        spans(mean_length=0)


@pytest.mark.slow
def test_a_small_model_learns_what_is_missing_from_a_count():
    """Documents count up by one from anywhere, so all but the lengths of spans can be known."""
    rng = np.random.default_rng(1)
    objective = spans(32)
    model = encoder_decoder.build(Size(1, 32, 2, 2, 64, 1e-2), vocab_size=VOCABULARY, sequence_length=32, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    seen = []
    for step in range(60):
        starts = rng.integers(1, 40, (16, 2))
        rows = [
            row_of(*(range(start, start + 16) for start in pair), number=16 * step + i) for i, pair in enumerate(starts)
        ]
        batch = objective.batch(rows)
        loss = objective.losses(model, batch)["loss"].sum() / batch.num_targets["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert seen[0] > 4
    assert np.mean(seen[-5:]) < 1.5, seen
