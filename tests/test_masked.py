import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.models import encoder
from trainers.models.sizes import Size
from trainers.objectives.masked import Masked
from trainers.objectives.randomness import generator
from trainers.row import IGNORED, NOBODY, Row
from trainers.specials import Specials

VOCABULARY = 40
END, MASK, SENTINELS = 0, 39, (38, 37)
SPECIAL = {END, MASK, *SENTINELS}
STARTS = np.arange(VOCABULARY) % 3 != 1  # a third of the tokens go on with a word
SPECIALS = Specials(end_of_text_id=END, mask_id=MASK, sentinel_ids=SENTINELS, starts_word=STARTS)
LENGTH = 24
MASKED = Masked(seed=5, specials=SPECIALS, vocab_size=VOCABULARY, sequence_length=LENGTH)


def row(pieces, *, epoch=0, number=0):
    edges = np.cumsum([0, *map(len, pieces)])
    return Row(
        epoch=epoch,
        number=number,
        before=END,
        tokens=np.concatenate([np.array(piece, np.uint16) for piece in pieces]),
        edges=edges,
        documents=np.arange(len(pieces)),
    )


def made_rows(count, *, length=LENGTH, seed=0):
    """Rows of two pieces; the first one ends with end-of-text."""
    chance = np.random.default_rng(seed)
    tokens = chance.integers(1, 37, size=(count, length))
    return [
        row([[*map(int, one[: length // 3]), END], one[length // 3 + 1 :]], number=i) for i, one in enumerate(tokens)
    ]


pieces = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=8), min_size=1, max_size=5).filter(
    lambda found: sum(map(len, found)) <= LENGTH
)


def words_of(one):
    """The tokens of a row that are not special, as lists of positions, one a word."""
    words, edges = [], set(one.edges.tolist())
    for position, token in enumerate(one.tokens.tolist()):
        if token in SPECIAL:
            continue
        inside = position not in edges and not STARTS[token] and int(one.tokens[position - 1]) not in SPECIAL
        if inside:
            words[-1].append(position)
        else:
            words.append([position])
    return words


def plain(one, objective):
    """The same draws, one position after another: what is chosen, and what is seen."""
    chance = generator(seed=objective.seed, epoch=one.epoch, row=one.number, purpose="masked")
    words = words_of(one)
    candidates = [position for word in words for position in word]
    number = max(1, round(objective.rate * len(candidates))) if candidates else 0
    chosen = []
    if objective.whole_words:
        for word in chance.permutation(len(words)):
            if len(chosen) + len(words[word]) <= number:
                chosen += words[word]
    if not chosen:
        chosen = [candidates[i] for i in chance.permutation(len(candidates))[:number]]
    chosen.sort()
    ordinary = [token for token in range(objective.vocab_size) if token not in SPECIAL]
    actions = chance.random(len(chosen))
    others = chance.integers(len(ordinary), size=len(chosen))
    seen = one.tokens.tolist()
    for position, action, other in zip(chosen, actions, others, strict=True):
        if action < objective.mask_share:
            seen[position] = MASK
        elif action < objective.mask_share + objective.random_share:
            seen[position] = ordinary[other]
    return chosen, seen


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, min_size=1, max_size=3), st.booleans(), st.sampled_from([0.05, 0.15, 0.4]), st.integers(0, 9))
def test_a_batch_is_what_a_plain_loop_makes(found, whole_words, rate, epoch):
    objective = dataclasses.replace(MASKED, whole_words=whole_words, rate=rate)
    rows = [row(one, epoch=epoch, number=i) for i, one in enumerate(found)]
    batch = objective.batch(rows)
    for i, one in enumerate(rows):
        chosen, seen = plain(one, objective)
        number, length = len(chosen), len(seen)
        assert batch.inputs["inputs"][i].tolist() == seen + [END] * (LENGTH - length)
        assert batch.inputs["predicted"][i].tolist() == chosen + [-1] * (objective.num_targets - number)
        targets, owners = batch.targets["loss"][i].tolist(), batch.owners["loss"][i].tolist()
        assert targets == [int(one.tokens[p]) for p in chosen] + [IGNORED] * (objective.num_targets - number)
        piece = [sum(int(p) >= edge for edge in one.edges[1:]) for p in chosen]
        assert owners == piece + [NOBODY] * (objective.num_targets - number)
        segments = [j for j, tokens in enumerate(found[i]) for _ in tokens]
        positions = [p for tokens in found[i] for p in range(len(tokens))]
        assert batch.inputs["segments"][i].tolist() == segments + [NOBODY] * (LENGTH - length)
        assert batch.inputs["positions"][i].tolist() == positions + [0] * (LENGTH - length)


@settings(max_examples=60, deadline=None)
@given(pieces, st.integers(0, 99))
def test_words_are_chosen_whole_unless_none_fits(found, number):
    objective = dataclasses.replace(MASKED, whole_words=True, rate=0.3)
    one = row(found, number=number)
    predicted = objective.batch([one]).inputs["predicted"][0]
    chosen = set(predicted[predicted >= 0].tolist())
    words = words_of(one)
    budget = max(1, round(0.3 * sum(map(len, words)))) if words else 0
    assert len(chosen) <= budget
    if any(len(word) <= budget for word in words):
        assert chosen and all(chosen.isdisjoint(word) or chosen.issuperset(word) for word in words)
    else:
        assert len(chosen) == budget


def test_shares_are_80_10_10_and_specials_are_left_alone():
    rows = made_rows(2000)
    batch = MASKED.batch(rows)
    originals = torch.tensor(np.stack([one.tokens for one in rows]).astype(np.int64))
    predicted, targets = batch.inputs["predicted"], batch.targets["loss"]
    assert batch.num_targets == {"loss": 2000 * round(0.15 * (LENGTH - 1))}  # the end-of-text is not counted
    chosen = predicted >= 0
    assert torch.equal(originals.gather(1, predicted.clamp(min=0))[chosen], targets[chosen])
    assert not np.isin(targets[chosen], list(SPECIAL)).any()
    seen = batch.inputs["inputs"].gather(1, predicted.clamp(min=0))[chosen]
    total = len(seen)
    changed = seen[(seen != MASK) & (seen != targets[chosen])]
    num_ordinary = VOCABULARY - len(SPECIAL)
    for count, share in (
        (int((seen == MASK).sum()), 0.8),
        (len(changed), 0.1 * (1 - 1 / num_ordinary)),  # once in num_ordinary times it is the original
        (int((seen == targets[chosen]).sum()), 0.1 * (1 + 1 / num_ordinary)),
    ):
        assert abs(count / total - share) < 5 * (share * (1 - share) / total) ** 0.5  # 5 sigma
    assert not np.isin(changed, list(SPECIAL)).any() and len(changed.unique()) == num_ordinary
    touched = torch.zeros(len(rows), LENGTH + 1, dtype=torch.bool).scatter(1, predicted % (LENGTH + 1), True)[:, :-1]
    assert torch.equal(batch.inputs["inputs"][~touched], originals[~touched])
    hits = touched.sum(0)
    assert hits[LENGTH // 3] == 0  # the end-of-text
    places = torch.cat([hits[: LENGTH // 3], hits[LENGTH // 3 + 1 :]]) / len(rows)
    share = round(0.15 * (LENGTH - 1)) / (LENGTH - 1)
    assert (places - share).abs().max() < 5 * (share * (1 - share) / len(rows)) ** 0.5


def test_a_row_alone_is_as_in_a_batch_and_another_epoch_or_seed_is_another_mask():
    rows = made_rows(6)
    together = MASKED.batch(rows)
    for i, one in enumerate(rows):
        alone = MASKED.batch([one])
        for group in ("inputs", "targets", "owners"):
            for name, values in getattr(alone, group).items():
                assert torch.equal(values[0], getattr(together, group)[name][i])
    later = MASKED.batch([dataclasses.replace(one, epoch=1) for one in rows])
    other = dataclasses.replace(MASKED, seed=6).batch(rows)
    for batch in (later, other):
        assert not torch.equal(batch.inputs["predicted"], together.inputs["predicted"])


def test_a_row_of_end_of_text_alone_has_no_target():
    batch = MASKED.batch([row([[END]]), row([[4]])])
    assert (batch.targets["loss"][0] == IGNORED).all()
    assert batch.num_targets == {"loss": 1}


def test_a_tokenizer_without_mask_and_senseless_rates_are_refused():
    with pytest.raises(ValueError, match="mask"):
        dataclasses.replace(MASKED, specials=dataclasses.replace(SPECIALS, mask_id=None))
    for rate in (0, 1, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            dataclasses.replace(MASKED, rate=rate)


TINY = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)


def test_losses_are_the_cross_entropy_of_each_target():
    model = encoder.build(TINY, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=1)
    batch = MASKED.batch([*made_rows(3), row([[5, 6, 7]], number=9)])
    losses = MASKED.losses(model, batch)["loss"]
    assert losses.dtype == torch.float32 and losses.shape == batch.targets["loss"].shape
    with torch.no_grad():
        logits = model(batch.inputs["inputs"], batch.inputs["segments"], batch.inputs["positions"]).double()
    for i, (places, targets) in enumerate(
        zip(batch.inputs["predicted"].tolist(), batch.targets["loss"].tolist(), strict=True)
    ):
        for j, (place, target) in enumerate(zip(places, targets, strict=True)):
            expected = 0 if target == IGNORED else -float(logits[i, place].log_softmax(0)[target])
            assert abs(losses[i, j].item() - expected) < 1e-5
    losses.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def repeated(count, *, seed):
    """Rows of two documents, each of which says one of eight tokens again and again."""
    chance = np.random.default_rng(seed)
    said = chance.integers(1, 9, size=(count, 2))
    return [row([[int(a)] * (LENGTH // 2), [int(b)] * (LENGTH // 2)], number=i) for i, (a, b) in enumerate(said)]


@pytest.mark.slow
def test_a_tiny_model_learns():
    model = encoder.build(TINY, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    found = []
    for step in range(60):
        batch = MASKED.batch(repeated(16, seed=step))
        loss = MASKED.losses(model, batch)["loss"].sum() / batch.num_targets["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    assert abs(found[0] - np.log(VOCABULARY)) < 0.3
    assert np.mean(found[-5:]) < np.log(8) - 0.5  # what knowing the eight tokens alone would give
