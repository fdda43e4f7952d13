"""The encoder-decoder against transformers' T5ForConditionalGeneration, alone and in packed rows."""

import json

import pytest
import torch
from torch.nn import functional

from trainers.models import encoder_decoder
from trainers.models.sizes import Size
from trainers.row import NOBODY

VOCABULARY = 50
SIZE = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3, tied=False)


@pytest.fixture(scope="module")
def model():
    return encoder_decoder.build(SIZE, vocab_size=VOCABULARY, sequence_length=64, seed=3).eval()


@pytest.fixture(scope="module")
def reference(model, tmp_path_factory):
    """transformers' model, loaded from a folder as anybody would load it."""
    transformers = pytest.importorskip("transformers")
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path_factory.mktemp("t5")
    safetensors.save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    settings = encoder_decoder.config(SIZE, vocab_size=VOCABULARY, sequence_length=64, end_of_text_id=0)
    (folder / "config.json").write_text(json.dumps(settings))
    loaded, info = transformers.T5ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return loaded.eval()


def tokens(length, *, seed):
    return torch.randint(0, VOCABULARY, (1, length), generator=torch.Generator().manual_seed(seed))


def alone(model, inputs, decoder_inputs):
    return model(inputs, torch.zeros_like(inputs), decoder_inputs, torch.zeros_like(decoder_inputs))


def packed(pieces, padding):
    """The pieces in one row, and the number of each token's piece."""
    row = torch.cat([*pieces, torch.zeros(1, padding, dtype=torch.int64)], dim=1)
    numbers = [torch.full_like(piece, i) for i, piece in enumerate(pieces)]
    return row, torch.cat([*numbers, torch.full((1, padding), NOBODY)], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("lengths", [(7, 5), (1, 1), (200, 160)])  # the last beyond the farthest bucket
@torch.no_grad()
def test_equals_transformers(model, reference, lengths):
    inputs, decoder_inputs = tokens(lengths[0], seed=1), tokens(lengths[1], seed=2)
    expected = reference(input_ids=inputs, decoder_input_ids=decoder_inputs).logits
    found = alone(model, inputs, decoder_inputs)
    assert found.std() > 0.5  # not near nothing, of which all is equal
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_a_packed_row_equals_each_document_alone(model, reference):
    sources = [tokens(length, seed=length) for length in (9, 30, 2)]
    answers = [tokens(length, seed=length) for length in (4, 12, 3)]
    row, segments = packed(sources, padding=5)
    decoder_row, decoder_segments = packed(answers, padding=3)
    logits = model(row, segments, decoder_row, decoder_segments)
    assert logits.isfinite().all()  # padding as well
    start = 0
    for source, answer in zip(sources, answers, strict=True):
        found = logits[:, start : start + answer.shape[1]]
        expected = reference(input_ids=source, decoder_input_ids=answer).logits
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        start += answer.shape[1]


@torch.no_grad()
def test_nothing_leaks_from_another_document_or_from_later(model):
    row, segments = packed([tokens(6, seed=1), tokens(8, seed=2)], padding=2)
    decoder_row, decoder_segments = packed([tokens(4, seed=3), tokens(5, seed=4)], padding=1)
    before = model(row, segments, decoder_row, decoder_segments)
    other, decoder_other = row.clone(), decoder_row.clone()
    other[0, 6:] = (other[0, 6:] + 1) % VOCABULARY
    decoder_other[0, 4:] = (decoder_other[0, 4:] + 1) % VOCABULARY
    assert torch.equal(model(other, segments, decoder_other, decoder_segments)[:, :4], before[:, :4])
    later = decoder_row.clone()
    later[0, 7] = (later[0, 7] + 1) % VOCABULARY
    after = model(row, segments, later, decoder_segments)
    assert torch.equal(after[:, :7], before[:, :7])
    assert not torch.equal(after[:, 7], before[:, 7])
    unread = row.clone()
    unread[0, 3] = (unread[0, 3] + 1) % VOCABULARY
    assert not torch.equal(model(unread, segments, decoder_row, decoder_segments)[:, 0], before[:, 0])


def test_buckets_equal_those_of_transformers():
    modeling = pytest.importorskip("transformers.models.t5.modeling_t5")
    distances = torch.arange(-400, 401)
    for bidirectional in (True, False):
        expected = modeling.T5Attention._relative_position_bucket(distances, bidirectional=bidirectional)
        assert torch.equal(encoder_decoder.buckets(distances, bidirectional=bidirectional), expected)


def test_the_seed_decides_the_weights_and_the_first_loss_is_near_that_of_chance(model):
    again = encoder_decoder.build(SIZE, vocab_size=VOCABULARY, sequence_length=8, seed=3)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    other = encoder_decoder.build(SIZE, vocab_size=VOCABULARY, sequence_length=64, seed=4)
    assert not torch.equal(other.shared.weight, again.shared.weight)
    logits = alone(model, tokens(40, seed=1), tokens(40, seed=2))
    loss = functional.cross_entropy(logits[0], tokens(40, seed=9)[0])
    assert 3.0 < loss < 6.0  # chance is ln 50 = 3.9 nats


def test_a_step_reaches_every_parameter(model):
    fresh = encoder_decoder.build(SIZE, vocab_size=VOCABULARY, sequence_length=64, seed=3)
    alone(fresh, tokens(10, seed=1), tokens(8, seed=2)).square().mean().backward()
    for name, parameter in fresh.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
