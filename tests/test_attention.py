import dataclasses

import pytest
import torch

from trainers import model
from trainers.attention import attend, document_mask
from trainers.batches import Batch
from trainers.sizes import SIZES, Size

LENGTHS = [5, 1, 9, 4]  # of four documents in one row
TINY = Size(layers=2, width=32, heads=4, key_value_heads=2, hidden=48, learning_rate=1e-3)


def packed():
    segments = torch.repeat_interleave(torch.arange(4), torch.tensor(LENGTHS))[None]
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    inputs = torch.randint(50, (1, sum(LENGTHS)), generator=torch.Generator().manual_seed(1))
    return inputs, segments, positions


def decoder(size=TINY):
    return model.build(size, vocab_size=50, seed=3)


@torch.no_grad()
def test_packed_documents_are_as_each_alone():
    inputs, segments, positions = packed()
    for size in (TINY, dataclasses.replace(TINY, key_value_heads=4, tied=False)):
        logits = decoder(size)(inputs, segments, positions)[0].split(LENGTHS)
        for document, found in zip(inputs[0].split(LENGTHS), logits, strict=True):
            alone = torch.zeros(1, len(document), dtype=torch.int64)
            expected = decoder(size)(document[None], alone, torch.arange(len(document))[None])[0]
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)


@torch.no_grad()
def test_nothing_leaks_from_other_documents_or_from_later_tokens():
    inputs, segments, positions = packed()
    before = decoder()(inputs, segments, positions)[0]
    for changed in range(inputs.shape[1]):
        other = inputs.clone()
        other[0, changed] = (other[0, changed] + 1) % 50
        differs = (decoder()(other, segments, positions)[0] != before).any(-1)
        may_see = (segments[0] == segments[0, changed]) & (torch.arange(inputs.shape[1]) >= changed)
        assert torch.equal(differs, may_see)


@torch.no_grad()
def test_positions_are_relative():
    """Rotary attention depends on distances alone, so a shift of all positions of a document changes nothing."""
    inputs, segments, positions = packed()
    torch.testing.assert_close(
        decoder()(inputs, segments, positions), decoder()(inputs, segments, positions + 7), rtol=0, atol=2e-6
    )
    stretched = decoder()(inputs, segments, positions * 2)
    assert not torch.allclose(decoder()(inputs, segments, positions), stretched, atol=1e-4)


def test_attend_is_softmax_of_scaled_products():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, 4, 6, 8, generator=generator)
    k, v = torch.randn(2, 2, 2, 6, 8, generator=generator)
    segments = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, -1]])
    found = attend(q, k, v, document_mask(segments))
    for b in range(2):
        for head in range(4):
            for i in range(6):
                seen = [j for j in range(i + 1) if segments[b, i] == segments[b, j]]
                weights = torch.softmax(k[b, head // 2, seen] @ q[b, head, i] / 8**0.5, 0)
                torch.testing.assert_close(found[b, head, i], weights @ v[b, head // 2, seen])


def test_the_loss_is_summed_over_targets_alone():
    inputs, segments, positions = packed()
    targets = inputs.roll(-1)
    targets[0, -3:] = -100
    batch = Batch(inputs, targets, segments.int(), positions, num_targets=16)
    logits = decoder()(inputs, segments, positions)[0]
    expected = -sum(torch.log_softmax(logits[i], 0)[targets[0, i]] for i in range(16))
    torch.testing.assert_close(model.sum_of_nats(decoder(), batch), expected)


def test_parameters_are_named_as_in_llama():
    layer = "model.layers.1."
    names = [name for name in decoder().state_dict() if name.startswith(layer) or "layers" not in name]
    assert names == [
        "model.embed_tokens.weight",
        f"{layer}input_layernorm.weight",
        f"{layer}self_attn.q_proj.weight",
        f"{layer}self_attn.k_proj.weight",
        f"{layer}self_attn.v_proj.weight",
        f"{layer}self_attn.o_proj.weight",
        f"{layer}post_attention_layernorm.weight",
        f"{layer}mlp.gate_proj.weight",
        f"{layer}mlp.up_proj.weight",
        f"{layer}mlp.down_proj.weight",
        "model.norm.weight",
    ]
    assert "lm_head.weight" in decoder(dataclasses.replace(TINY, tied=False)).state_dict()


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("1m", 1_003_520),
        ("5m", 4_816_896),
        ("20m", 19_267_584),
        ("60m", 59_473_920),
        ("150m", 151_781_376),
        ("400m", 399_441_920),
        ("1b", 968_884_224),
    ],
)
def test_sizes_are_what_they_are_called(name, parameters):
    with torch.device("meta"):
        layers = model.Decoder(SIZES[name], vocab_size=1).model.layers
    assert SIZES[name].num_parameters == parameters
    assert sum(weight.numel() for weight in layers.parameters() if weight.ndim == 2) == parameters


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    first = decoder().state_dict()
    torch.manual_seed(6)
    second = decoder().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = model.build(TINY, vocab_size=50, seed=4).state_dict()
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
