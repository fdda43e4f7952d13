"""FLOPs by hand against what torch counts while a tiny model computes."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trainers import flops
from trainers.models import decoder, encoder, encoder_decoder, replaced, two_stream
from trainers.models.sizes import SIZES, Size

VOCABULARY, LENGTH, PREDICTED = 50, 24, 5
SIZE = Size(layers=3, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)
GROUPED = Size(layers=2, width=32, heads=4, key_value_heads=2, hidden=48, learning_rate=1e-3, tied=False)


def counted(model, inputs, *, train=False):
    """What torch counts; with attention as plain products, since it does not know of the CPU's fused ones."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        outputs = model(**inputs)
        if train:
            outputs.sum().backward()
    return counter.get_total_flops()


def row(length=LENGTH, **others):
    zeros, positions = torch.zeros(1, length, dtype=torch.int64), torch.arange(length)[None]
    return {"inputs": zeros, "segments": zeros, "positions": positions, **others}


@pytest.mark.parametrize("size", [SIZE, GROUPED])
def test_decoder(size):
    model = decoder.build(size, vocab_size=VOCABULARY, seed=1, attention="dense")
    forward = flops.decoder(size, vocab_size=VOCABULARY, length=LENGTH)
    assert counted(model, row()) == forward
    trained = flops.per_token("causal", size, vocab_size=VOCABULARY, sequence_length=LENGTH)
    assert counted(model, row(), train=True) == 3 * forward == trained * LENGTH


def test_the_convention_is_palm_s():
    """6 N + 12 L H Q T a token, N being all parameters but the embedding: appendix B, with H * Q the width."""
    size = SIZES["7b"]
    parameters = size.num_parameters + 32_000 * size.width
    expected = 6 * parameters + 12 * size.layers * size.width * 2048
    assert flops.per_token("causal", "7b", vocab_size=32_000, sequence_length=2048) == expected


def test_encoder():
    model = encoder.build(SIZE, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=1, attention="dense")
    found = counted(model, row(predicted=torch.arange(PREDICTED)[None]))
    assert found == flops.encoder(SIZE, vocab_size=VOCABULARY, length=LENGTH, predicted=PREDICTED)


def test_replaced():
    model = replaced.build(SIZE, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=1, attention="dense")
    chosen = torch.arange(PREDICTED)[None]
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(**row(predicted=chosen, originals=row()["inputs"], numbers=chosen))
    found = counter.get_total_flops()
    assert found == flops.replaced(SIZE, vocab_size=VOCABULARY, length=LENGTH, predicted=PREDICTED)


def test_encoder_decoder():
    model = encoder_decoder.build(SIZE, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=1)
    zeros = torch.zeros(1, 7, dtype=torch.int64)
    source = row()
    del source["positions"]
    found = counted(model, source | {"decoder_inputs": zeros, "decoder_segments": zeros})
    assert found == flops.encoder_decoder(SIZE, vocab_size=VOCABULARY, source=LENGTH, target=7)


def test_two_stream():
    model = two_stream.build(SIZE, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=1)
    ranks = torch.full((1, LENGTH), -1)
    ranks[0, :PREDICTED] = torch.arange(PREDICTED)
    found = counted(model, row(ranks=ranks, predicted=torch.arange(PREDICTED)[None]))
    encodings = 2 * SIZE.layers * 2 * LENGTH * SIZE.width**2  # once a pass
    assert found - encodings == flops.two_stream(SIZE, vocab_size=VOCABULARY, length=LENGTH, predicted=PREDICTED)


def test_inside_documents():
    assert flops.pairs_seen([3, 1], causal=True) == 6 + 1
    assert flops.pairs_seen([3, 1], causal=False) == 9 + 1
    mask = torch.block_diag(torch.ones(20, 20), torch.ones(4, 4))
    assert flops.pairs_seen([20, 4], causal=True) == mask.tril().sum()
    whole = flops.decoder(SIZE, vocab_size=VOCABULARY, length=LENGTH)
    inside = flops.decoder(SIZE, vocab_size=VOCABULARY, length=LENGTH, pairs=flops.pairs_seen([20, 4], causal=True))
    assert whole - inside == 4 * SIZE.layers * SIZE.width * (24 * 24 - 210 - 10)


@pytest.mark.parametrize("objective", ["causal", "masked", "replaced", "permuted", "spans"])
def test_every_transformer_has_flops(objective):
    """Each is about 6 a parameter and token, more where two models or streams read the row."""
    found = flops.per_token(objective, "20m", vocab_size=1000, sequence_length=128)
    assert 0.5 < found / (6 * SIZES["20m"].num_parameters) < 2


def test_word_vectors_have_none():
    assert flops.per_token("skipgram", "1m", vocab_size=1000, sequence_length=128) is None
