import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainers import optimizer
from trainers.models import decoder
from trainers.models.sizes import Size
from trainers.schedule import learning_rate

TINY = Size(layers=2, width=8, heads=2, key_value_heads=1, hidden=16, learning_rate=1e-3, tied=False)


def tiny(seed=0):
    return decoder.build(TINY, vocab_size=11, seed=seed)


def give_gradients(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def names(model, group):
    found = {id(parameter): name for name, parameter in model.named_parameters()}
    return {found[id(parameter)] for parameter in group["params"]}


def test_only_matrices_decay():
    model = tiny()
    adamw = optimizer.build(model, name="adamw", learning_rate=0.5)
    decayed, kept = adamw.param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0)
    assert names(model, kept) == {name for name, _ in model.named_parameters() if "norm" in name or "embed" in name}
    assert names(model, decayed) | names(model, kept) == {name for name, _ in model.named_parameters()}
    assert "lm_head.weight" in names(model, decayed)


def test_muon_takes_the_linear_layers_of_blocks():
    model = tiny()
    muon = optimizer.build(model, name="muon", learning_rate=0.5)
    first, *others = muon.param_groups
    assert names(model, first) == {name for name, _ in model.named_parameters() if "_proj" in name}
    assert set().union(*(names(model, group) for group in others)) == {
        name for name, _ in model.named_parameters() if "_proj" not in name
    }
    with pytest.raises(ValueError, match="muon works on the linear layers of blocks and this model has none"):
        optimizer.build(nn.Linear(2, 2), name="muon", learning_rate=0.5)


@pytest.mark.parametrize("name", optimizer.NAMES)
def test_they_step_with_the_rate_that_is_set_and_repeat_to_the_bit(name):
    found = []
    for _ in range(2):
        model = tiny()
        steps = optimizer.build(model, name=name, learning_rate=1.0)
        for step in range(3):
            give_gradients(model, seed=step)
            steps.set_learning_rate(0.0 if step == 2 else 1e-2)
            before = [parameter.detach().clone() for parameter in model.parameters()]
            steps.step()
            moved = [not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True)]
            assert set(moved) == {step != 2}
        steps.zero_grad()
        assert all(parameter.grad is None for parameter in model.parameters())
        found.append(model.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_an_update_of_muon_is_as_large_as_one_of_adamw():
    """A fifth of the rate, root mean square (Liu et al. 2025), within what five Newton-Schulz iterations leave."""
    model = tiny()
    muon = optimizer.build(model, name="muon", learning_rate=1e-2, weight_decay=0.0)
    weight = model.model.layers[0].mlp.up_proj.weight  # (16, 8)
    before = weight.detach().clone()
    give_gradients(model)
    muon.step()
    size = float((weight - before).detach().square().mean().sqrt())
    assert 0.7 * 0.2e-2 < size < 1.2 * 0.2e-2


def test_adamw_is_that_of_the_paper():
    """Against Loshchilov and Hutter 2019, algorithm 2, written out in float64."""
    model = tiny()
    weight = model.model.layers[0].mlp.up_proj.weight
    expected, first, second = weight.detach().double(), 0.0, 0.0
    adamw = optimizer.build(model, name="adamw", learning_rate=1e-2)
    for step in range(1, 5):
        give_gradients(model, seed=step)
        gradient = weight.grad.double()
        first = 0.9 * first + 0.1 * gradient
        second = 0.95 * second + 0.05 * gradient**2
        update = (first / (1 - 0.9**step)) / ((second / (1 - 0.95**step)).sqrt() + 1e-8)
        expected = expected - 1e-2 * (update + 0.1 * expected)
        adamw.step()
    torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-5, atol=1e-7)


@given(
    st.sampled_from(["cosine", "wsd", "linear"]),
    st.integers(1, 20),
    st.integers(1, 200),
    st.floats(0.01, 1),
    st.floats(0, 1),
)
def test_rates_rise_to_the_peak_and_never_rise_again(schedule, warmup_steps, others, decay_share, final_share):
    steps = warmup_steps + others
    options = {"schedule": schedule, "peak": 2.0, "warmup_steps": warmup_steps, "steps": steps}
    rates = [
        learning_rate(step, decay_share=decay_share, final_share=final_share, **options) for step in range(1, steps + 1)
    ]
    assert rates[:warmup_steps] == [2.0 * step / warmup_steps for step in range(1, warmup_steps + 1)]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(rates[warmup_steps - 1 :]))
    assert rates[-1] == pytest.approx(2.0 * final_share)


def test_the_schedules_are_as_written():
    options = {"peak": 1.0, "warmup_steps": 10, "steps": 110}
    assert learning_rate(60, **options) == pytest.approx(0.55)  # half a cosine from 1 to 0.1
    assert learning_rate(35, **options) == pytest.approx(0.1 + 0.9 * (1 + 0.5**0.5) / 2)
    assert learning_rate(60, schedule="linear", final_share=0.0, **options) == pytest.approx(0.5)
    # 20% of 110 steps: from step 88 on.
    assert [learning_rate(step, schedule="wsd", **options) for step in (11, 60, 88)] == [1.0] * 3
    assert learning_rate(99, schedule="wsd", final_share=0.0, **options) == pytest.approx(1 - 0.5**0.5)
    assert learning_rate(89, schedule="wsd", final_share=0.0, **options) == pytest.approx(1 - (1 / 22) ** 0.5)
    # The whole rest is decay where that is less than the share.
    assert learning_rate(10, schedule="wsd", decay_share=1.0, **options) == 1.0
