import json

import pytest
import safetensors.torch
import torch

from trainers.models import encoder, replaced
from trainers.models.sizes import SIZES, Size

LENGTHS = [5, 1, 9, 4]  # of four documents in one row, which has two positions of padding
ROW = 21
VOCABULARY = 50
TINY = Size(layers=2, width=32, heads=8, key_value_heads=8, hidden=48, learning_rate=1e-3)
SHAPE = {"vocab_size": VOCABULARY, "sequence_length": ROW}
CONFIG = {**SHAPE, "end_of_text_id": 0}


def packed():
    padding = ROW - sum(LENGTHS)
    segments = torch.tensor([i for i, length in enumerate(LENGTHS) for _ in range(length)] + [-1] * padding)[None]
    positions = torch.tensor([p for length in LENGTHS for p in range(length)] + [0] * padding)[None]
    inputs = torch.randint(VOCABULARY, (1, ROW), generator=torch.Generator().manual_seed(1))
    return inputs, segments, positions


def disturbed(model):
    """No bias stays 0 and no norm 1, so that each of them counts."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            deviation = 0.2 if parameter.ndim == 1 else parameter.shape[1] ** -0.5
            parameter.add_(deviation * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def theirs(folder, weights, config):
    """What transformers makes of the weights and the configuration, written as they are."""
    transformers = pytest.importorskip("transformers")
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    kind = getattr(transformers, config["architectures"][0])
    loaded, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert not report["error_msgs"]
    return loaded.eval()


def made(name):
    """A model, its weights as HuggingFace calls them, and its configuration."""
    if name == "bert":
        model = disturbed(encoder.build(TINY, seed=3, **SHAPE))
        return model, model.state_dict(), encoder.config(TINY, **CONFIG)
    both = disturbed(replaced.build(TINY, seed=3, **SHAPE))
    part = "generator" if name == "generator" else "discriminator"
    weights = replaced.weights_of(part, both.state_dict())
    return getattr(both, part), weights, replaced.config(TINY, generator=part == "generator", **CONFIG)


@pytest.mark.slow  # importing transformers takes seconds
@torch.no_grad()
@pytest.mark.parametrize("name", ["bert", "generator", "discriminator", "wide discriminator"])
def test_logits_are_those_of_transformers_for_each_document_alone_and_packed(name, tmp_path, monkeypatch):
    if name == "wide discriminator":  # its embeddings are as wide as its states, so nothing projects them
        monkeypatch.setattr(replaced, "NARROW_BELOW", TINY.width)
    ours, weights, config = made(name)
    oracle = theirs(tmp_path, weights, config)
    inputs, segments, positions = packed()
    parts = ours(inputs, segments, positions)[0, : sum(LENGTHS)].split(LENGTHS)
    for document, found in zip(inputs[0, : sum(LENGTHS)].split(LENGTHS), parts, strict=True):
        torch.testing.assert_close(found, oracle(document[None]).logits[0], rtol=0, atol=1e-5)
    whole = ours(inputs, torch.zeros_like(inputs), torch.arange(ROW)[None])
    torch.testing.assert_close(whole, oracle(inputs).logits, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_token_is_seen_by_its_whole_document_and_by_no_other():
    inputs, segments, positions = packed()
    model = disturbed(encoder.build(TINY, seed=3, **SHAPE))
    before = model(inputs, segments, positions)[0]
    for changed in range(sum(LENGTHS)):
        other = inputs.clone()
        other[0, changed] = (other[0, changed] + 1) % VOCABULARY
        differs = (model(other, segments, positions)[0] != before).any(-1)
        assert torch.equal(differs, segments[0] == segments[0, changed])


@torch.no_grad()
def test_logits_of_some_positions_are_those_of_all():
    inputs, segments, positions = packed()
    predicted = torch.tensor([[3, 0, 17, -1]])
    for name in ("bert", "generator"):
        model, *_ = made(name)
        logits = model(inputs, segments, positions)
        some = model(inputs, segments, positions, predicted)
        torch.testing.assert_close(some[0, :3], logits[0, predicted[0, :3]], rtol=0, atol=1e-6)


def test_weights_come_from_the_seed_alone_and_are_drawn_as_in_bert():
    state = torch.get_rng_state()
    for build in (encoder.build, replaced.build):
        first, again, other = (build(TINY, seed=seed, **SHAPE) for seed in (3, 3, 4))
        torch.rand(1)
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
        matrices = torch.cat([p.detach().flatten() for p in first.parameters() if p.ndim > 1])
        assert matrices.abs().max() <= 0.04
        assert abs(float(matrices.std()) - 0.0176) < 2e-4  # a normal of deviation 0.02 cut off at 2 deviations: 0.01759
        for name, vector in first.named_parameters():
            if vector.ndim == 1:
                assert bool((vector == (1 if name.endswith("LayerNorm.weight") else 0)).all()), name
    torch.set_rng_state(state)


def test_gradients_reach_every_weight():
    inputs, segments, positions = packed()
    model = disturbed(encoder.build(TINY, seed=3, **SHAPE))
    model(inputs, segments, positions).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_every_size_has_a_generator_whose_heads_divide_its_width():
    for size in SIZES.values():
        width, heads = replaced.generator_shape(size)
        assert width == size.width // 4 and width % heads == 0 and heads >= max(1, size.heads // 8)
