import pytest
import torch
from safetensors.torch import save_file

from tests.tiny_run import LENGTH, TINY
from trainers import classification, lora
from trainers.models import decoder, encoder, encoder_decoder, replaced, two_stream, word_vectors

MODELS = [decoder, encoder, replaced, encoder_decoder, two_stream]


def build(module):
    return module.build(TINY, vocab_size=100, sequence_length=LENGTH, seed=0)


def states(model):
    rows = torch.arange(12).view(2, 6) + 5
    return classification.states(model, rows, torch.zeros_like(rows), torch.arange(6).expand(2, 6))


def adapted(module, projections="qv", **settings):
    model = build(module).requires_grad_(False)
    names = lora.targets(model, parts=classification.PARTS[type(model)], projections=projections)
    lora.insert(model, names, **{"rank": 4, "alpha": 6.0, "seed": 1, **settings})
    return model, names


@pytest.mark.parametrize("module", MODELS)
@pytest.mark.parametrize("projections", ["qv", "qkvo"])
def test_only_the_attention_of_the_used_part_is_adapted(module, projections):
    model, names = adapted(module, projections)
    assert len(names) == TINY.layers * len(projections)
    weights = {name.partition(".parametrizations.")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert len(weights) == (TINY.layers if module is two_stream else len(names))  # of two streams they are one module
    found = lora.tensors(model)
    assert sorted(found) == sorted(f"{name}.lora_{side}" for name in names for side in "AB")
    for name in names:
        weight = build(module).get_parameter(name).flatten(1)
        assert found[f"{name}.lora_A"].shape == (4, weight.shape[1])
        assert found[f"{name}.lora_B"].shape == (weight.shape[0], 4)
        assert found[f"{name}.lora_A"].abs().max() > 0
        assert not found[f"{name}.lora_B"].any()


@pytest.mark.parametrize("module", MODELS)
def test_merging_changes_nothing_but_the_names(module, tmp_path):
    plain, (model, names) = build(module), adapted(module)
    with torch.no_grad():
        assert torch.equal(states(model), states(plain))  # B is zero
    chance = torch.Generator().manual_seed(2)
    found = states(model)
    (found * torch.randn(found.shape, generator=chance)).sum().backward()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert [parameter for parameter in model.parameters() if parameter.grad is not None] == learning
    for parameter in learning:
        torch.nn.init.normal_(parameter, generator=chance)
    parts = {name: tensor.clone() for name, tensor in lora.tensors(model).items()}
    with torch.no_grad():
        before = states(model)
        lora.merge(model)
        torch.testing.assert_close(states(model), before, rtol=0, atol=1e-5)
        assert not torch.allclose(before, states(plain), atol=1e-3)
    merged, weights = model.state_dict(), plain.state_dict()
    assert merged.keys() == weights.keys()
    for name, weight in weights.items():
        if name in names:
            added = 6.0 / 4 * parts[f"{name}.lora_B"] @ parts[f"{name}.lora_A"]
            torch.testing.assert_close(merged[name], weight + added.view_as(weight))
        else:
            assert torch.equal(merged[name], weight)
    assert lora.tensors(model) == {}
    save_file(merged, tmp_path / "model.safetensors")


def test_adapters_come_from_the_seed():
    first, again, other = (lora.tensors(adapted(decoder, seed=seed)[0]) for seed in (1, 1, 2))
    name = "model.layers.0.self_attn.q_proj.weight.lora_A"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_what_cannot_be_adapted_is_refused():
    with pytest.raises(ValueError, match="word vectors have none; give --method frozen or full"):
        adapted(word_vectors)
    with pytest.raises(ValueError, match="--rank 17 is more than the 16 that"):
        adapted(decoder, rank=17)  # two key-value heads of eight channels
