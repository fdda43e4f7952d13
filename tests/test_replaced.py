import copy
import dataclasses

import numpy as np
import pytest
import torch

from tests.test_masked import LENGTH, MASK, SPECIALS, VOCABULARY, made_rows, repeated, row
from trainers.models import replaced as models
from trainers.models.categorical import BITS, draw
from trainers.models.sizes import Size
from trainers.objectives.replaced import Replaced
from trainers.row import IGNORED, NOBODY

REPLACED = Replaced(seed=5, specials=SPECIALS, vocab_size=VOCABULARY, sequence_length=LENGTH)
TINY = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)


def model(seed=1):
    return models.build(TINY, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=seed)


def test_of_the_chosen_85_in_100_are_masked_and_the_others_are_left():
    rows = made_rows(1500)
    batch = REPLACED.batch(rows)
    originals = torch.tensor(np.stack([one.tokens for one in rows]).astype(np.int64))
    assert torch.equal(batch.inputs["originals"], originals)
    predicted = batch.inputs["predicted"]
    chosen = predicted >= 0
    seen = batch.inputs["inputs"].gather(1, predicted.clamp(min=0))[chosen]
    kept = batch.targets["generator"][chosen]
    assert ((seen == MASK) | (seen == kept)).all()
    share = float((seen == MASK).float().mean())
    assert abs(share - 0.85) < 5 * (0.85 * 0.15 / len(seen)) ** 0.5
    differs = batch.inputs["inputs"] != originals
    assert int(differs.sum()) == int((seen == MASK).sum())


def test_every_real_token_is_a_target_of_the_discriminator_and_belongs_to_its_piece():
    batch = REPLACED.batch([*made_rows(1), row([[5, 6], [7, 0]], number=9)])
    assert batch.targets["discriminator"][1].tolist() == [5, 6, 7, 0] + [IGNORED] * (LENGTH - 4)
    assert batch.owners["discriminator"][1].tolist() == [0, 0, 1, 1] + [NOBODY] * (LENGTH - 4)
    assert batch.num_targets == {"generator": 4, "discriminator": LENGTH + 4}
    assert REPLACED.weights == {"generator": 1.0, "discriminator": 50.0}


def test_a_row_alone_is_as_in_a_batch_and_another_epoch_is_another_one():
    rows = made_rows(5)
    together = REPLACED.batch(rows)
    for i, one in enumerate(rows):
        alone = REPLACED.batch([one])
        for group in ("inputs", "targets", "owners"):
            for name, values in getattr(alone, group).items():
                assert torch.equal(values[0], getattr(together, group)[name][i])
    later = REPLACED.batch([dataclasses.replace(one, epoch=1) for one in rows])
    assert not (later.inputs["numbers"] == together.inputs["numbers"]).any()
    assert not torch.equal(later.inputs["predicted"], together.inputs["predicted"])


def test_losses_are_those_of_plain_loops():
    both = model()
    batch = REPLACED.batch([*made_rows(4), row([[5, 6, 7]], number=9)])
    losses = REPLACED.losses(both, batch)
    given = batch.inputs
    with torch.no_grad():
        logits = both.generator(given["inputs"], given["segments"], given["positions"])
        predicted = [[p for p in places if p >= 0] for places in given["predicted"].tolist()]
        filled = given["originals"].clone()
        for i, places in enumerate(predicted):
            for j, place in enumerate(places):
                goal, token = float(given["numbers"][i, j]) / 2**BITS, 0
                shares = logits[i, place].double().softmax(0).tolist()
                while (goal := goal - shares[token]) >= 0:
                    token += 1
                filled[i, place] = token
        says = both.discriminator(filled, given["segments"], given["positions"]).double()
    assert 0 < int((filled != given["originals"]).sum()) <= sum(map(len, predicted))
    expected = {name: torch.zeros(values.shape) for name, values in losses.items()}
    for i, places in enumerate(predicted):
        for j, place in enumerate(places):
            original = given["originals"][i, place]
            expected["generator"][i, j] = -logits[i, place].double().log_softmax(0)[original]
        for place in range(LENGTH):
            if given["segments"][i, place] != NOBODY:
                sign = 1 if filled[i, place] != given["originals"][i, place] else -1
                expected["discriminator"][i, place] = torch.log1p(torch.exp(-sign * says[i, place]))
    for name, values in losses.items():
        assert values.dtype == torch.float32 and values.shape == batch.targets[name].shape
        torch.testing.assert_close(values, expected[name], rtol=0, atol=1e-5)
        assert (values[batch.targets[name] == IGNORED] == 0).all()


def test_a_sample_that_is_the_original_counts_as_original():
    both = model()
    batch = REPLACED.batch(repeated(3, seed=1))
    with torch.no_grad():  # a generator that is sure of one token
        both.generator.generator_lm_head.bias[7] = 1e4
    outputs = both(**batch.inputs)
    chosen = torch.zeros(3, LENGTH + 1, dtype=torch.bool)
    chosen.scatter_(1, torch.where(batch.inputs["predicted"] < 0, LENGTH, batch.inputs["predicted"]), True)
    assert torch.equal(outputs.replaced, chosen[:, :LENGTH] & (batch.inputs["originals"] != 7))
    same = dataclasses.replace(batch, inputs={**batch.inputs, "originals": torch.full((3, LENGTH), 7)})
    assert not both(**same.inputs).replaced.any()


def test_no_gradient_flows_through_the_samples_and_every_weight_has_one():
    both = model()
    losses = REPLACED.losses(both, REPLACED.batch(made_rows(4)))
    losses["discriminator"].sum().backward(retain_graph=True)
    shared = {id(p) for p in both.discriminator.parameters()}
    own = [p for p in both.generator.parameters() if id(p) not in shared]
    assert own and all(p.grad is None for p in own)
    losses["generator"].sum().backward()
    for name, parameter in both.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_embeddings_are_saved_once_and_the_generator_is_a_quarter_as_wide():
    both = model()
    weights = both.state_dict()
    assert len({tensor.data_ptr() for tensor in weights.values()}) == len(weights)
    assert set(weights) == {name for name, _ in both.named_parameters()}
    words = both.discriminator.electra.embeddings.word_embeddings.weight
    assert both.generator.electra.words is words and words.shape == (VOCABULARY, 16)
    assert both.generator.electra.embeddings_project.weight.shape == (8, 16)
    assert both.discriminator.electra.embeddings_project.weight.shape == (32, 16)
    assert len(both.generator.electra.encoder.layer) == TINY.layers
    again = copy.deepcopy(both)
    assert again.generator.electra.words is again.discriminator.electra.embeddings.word_embeddings.weight is not words


def test_samples_follow_the_distribution():
    chance = np.random.default_rng(3)
    probabilities = chance.dirichlet(np.full(12, 0.5))
    logits = torch.tensor(np.log(probabilities), dtype=torch.float32).expand(400, 100, 12)
    drawn = draw(logits, torch.from_numpy(chance.integers(2**BITS, size=(400, 100)))).numpy()
    expected = probabilities * drawn.size
    counts = np.bincount(drawn.ravel(), minlength=12)
    assert ((counts - expected) ** 2 / expected).sum() < 37  # chi-squared of 11 degrees: 1 in 10,000 is above


def test_the_ends_of_the_distribution_are_drawn_and_what_has_no_share_is_not():
    logits = torch.log(torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])).expand(1, 4, 6)
    numbers = torch.tensor([[0, 2**BITS // 4 - 1, 2**BITS // 4, 2**BITS - 1]])
    assert draw(logits, numbers).tolist() == [[1, 1, 3, 4]]
    large = torch.randn(1, 50, 30_000, generator=torch.Generator().manual_seed(1))
    top = draw(large, torch.full((1, 50), 2**BITS - 1))
    assert (top == 29_999).all() and (draw(large, torch.zeros(1, 50, dtype=torch.int64)) == 0).all()


def test_a_sample_depends_on_its_logits_and_number_alone():
    logits = torch.randn(5, 7, 30, generator=torch.Generator().manual_seed(1))
    numbers = torch.from_numpy(np.random.default_rng(1).integers(2**BITS, size=(5, 7)))
    together = draw(logits, numbers)
    for i in range(5):
        for j in range(7):
            assert draw(logits[i : i + 1, j : j + 1], numbers[i : i + 1, j : j + 1]).item() == together[i, j]


def test_logits_that_are_not_numbers_reach_the_loss():
    both = model()
    with torch.no_grad():
        both.generator.generator_lm_head.bias.fill_(float("nan"))
    losses = REPLACED.losses(both, REPLACED.batch(made_rows(2)))
    assert losses["generator"].isnan().any()


def test_everything_runs_in_deterministic_mode():
    torch.use_deterministic_algorithms(True)
    try:
        losses = REPLACED.losses(model(), REPLACED.batch(made_rows(2)))
        sum(values.sum() for values in losses.values()).backward()
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_tokenizer_without_mask_is_refused():
    with pytest.raises(ValueError, match="--objective replaced needs a mask"):
        dataclasses.replace(REPLACED, specials=dataclasses.replace(SPECIALS, mask_id=None))


def means(both, batch):
    """The mean of each term."""
    return {term: values.sum() / batch.num_targets[term] for term, values in REPLACED.losses(both, batch).items()}


@pytest.mark.slow
def test_tiny_models_learn():
    both = model()
    held_out = REPLACED.batch(repeated(100, seed=1000))
    with torch.no_grad():
        before = means(both, held_out)
    assert abs(before["generator"] - np.log(VOCABULARY)) < 0.1 and abs(before["discriminator"] - np.log(2)) < 0.01
    optimizer = torch.optim.AdamW(both.parameters(), lr=3e-3)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=9)
    for step in range(60):
        found = means(both, REPLACED.batch(repeated(16, seed=step)))
        optimizer.zero_grad()
        sum(REPLACED.weights[term] * mean for term, mean in found.items()).backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        warm_up.step()
    with torch.no_grad():
        after = means(both, held_out)
        share = both(**held_out.inputs).replaced.double().mean()
    assert after["generator"] < np.log(VOCABULARY) - 1  # np.log(8) = 2.08 would be that there are eight tokens
    assert 0.05 < share < 0.95
    knowing_the_share = -(share * share.log() + (1 - share) * (1 - share).log())
    assert after["discriminator"] < 0.8 * knowing_the_share
