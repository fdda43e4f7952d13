"""The two-stream model against transformers' XLNetLMHeadModel, and what a prediction may know."""

import json

import pytest
import torch

from trainers.models import two_stream
from trainers.models.sizes import Size
from trainers.row import NOBODY

VOCABULARY = 50
SIZE = Size(layers=3, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)


@pytest.fixture(scope="module")
def model():
    """Weights ten times as large as at the start, so that what is looked at makes a difference."""
    built = two_stream.build(SIZE, vocab_size=VOCABULARY, sequence_length=64, seed=3)
    generator = torch.Generator().manual_seed(4)
    for parameter in built.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return built.eval()


@pytest.fixture(scope="module")
def reference(model, tmp_path_factory):
    """transformers' model, loaded from a folder as anybody would load it."""
    transformers = pytest.importorskip("transformers")
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path_factory.mktemp("xlnet")
    safetensors.save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    settings = two_stream.config(SIZE, vocab_size=VOCABULARY, sequence_length=64, end_of_text_id=0)
    (folder / "config.json").write_text(json.dumps(settings))
    loaded, info = transformers.XLNetLMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return loaded.eval()


def tokens(length, *, seed):
    return torch.randint(0, VOCABULARY, (1, length), generator=torch.Generator().manual_seed(seed))


def ranks_of(length, predicted):
    """Ranks in the order in which the positions are given."""
    ranks = torch.full((1, length), -1)
    for rank, position in enumerate(predicted):
        ranks[0, position] = 3 * rank  # gaps are allowed
    return ranks


def alone(model, inputs, ranks, predicted):
    return model(inputs, torch.zeros_like(inputs), torch.arange(inputs.shape[1])[None], ranks, predicted)


def expected_logits(reference, inputs, ranks, predicted):
    """transformers' logits, with the masks written out position by position."""
    length = inputs.shape[1]
    hidden = torch.zeros(1, length, length)
    for i in range(length):
        for j in range(length):
            hidden[0, i, j] = float(ranks[0, j] >= 0 and max(ranks[0, i], 0) <= ranks[0, j])
    mapping = torch.zeros(1, predicted.shape[1], length)
    for n, position in enumerate(predicted[0].tolist()):
        mapping[0, n, position] = 1.0
    return reference(input_ids=inputs, perm_mask=hidden, target_mapping=mapping).logits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "order"), [(12, [7, 2, 3, 11]), (2, [1]), (2, [0]), (40, [5, 39, 0, 12, 13, 14, 22, 21])]
)
@torch.no_grad()
def test_equals_transformers(model, reference, length, order):
    inputs, ranks = tokens(length, seed=length), ranks_of(length, order)
    predicted = torch.tensor([sorted(order)])
    found = alone(model, inputs, ranks, predicted)
    assert found.std() > 0.5
    torch.testing.assert_close(found, expected_logits(reference, inputs, ranks, predicted), rtol=0, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_the_content_stream_equals_transformers(model, reference):
    inputs = tokens(20, seed=5)
    found = model.transformer(inputs, torch.zeros_like(inputs), torch.arange(20)[None])
    expected = reference.transformer(input_ids=inputs).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_a_packed_row_equals_each_document_alone(model, reference):
    lengths, orders = (9, 30, 2), ([4, 1], [20, 3, 7, 8, 29], [0])
    inputs = [tokens(length, seed=length) for length in lengths]
    ranks = [ranks_of(length, order) for length, order in zip(lengths, orders, strict=True)]
    padding = torch.full((1, 5), NOBODY)
    starts = [0, 9, 39]
    row = (
        torch.cat([*inputs, torch.zeros(1, 5, dtype=torch.int64)], dim=1),
        torch.cat([*(torch.full((1, length), i) for i, length in enumerate(lengths)), padding], dim=1),
        torch.cat([*(torch.arange(length) for length in lengths), torch.zeros(5, dtype=torch.int64)])[None],
        torch.cat([*ranks, padding], dim=1),
    )
    predicted = [torch.tensor([sorted(order)]) for order in orders]
    places = torch.cat([where + start for where, start in zip(predicted, starts, strict=True)], dim=1)
    logits = model(*row, torch.cat([places, torch.full((1, 3), NOBODY)], dim=1))
    assert logits.isfinite().all()  # where nothing is predicted as well
    expected = [expected_logits(reference, *piece) for piece in zip(inputs, ranks, predicted, strict=True)]
    torch.testing.assert_close(logits[:, :8], torch.cat(expected, dim=1), rtol=0, atol=1e-5)
    for other in (0, 2):  # nothing of another document is seen
        changed = row[0].clone()
        changed[0, starts[other]] = (changed[0, starts[other]] + 1) % VOCABULARY
        assert torch.equal(model(changed, *row[1:], places)[:, 2:7], model(*row, places)[:, 2:7])


@torch.no_grad()
def test_a_prediction_knows_what_comes_before_it_in_the_order_and_nothing_else(model):
    order = [7, 2, 3, 11, 4]
    inputs, ranks, predicted = tokens(12, seed=1), ranks_of(12, order), torch.tensor([order])
    before = alone(model, inputs, ranks, predicted)[0]
    for position in range(12):
        changed = inputs.clone()
        changed[0, position] = (changed[0, position] + 1) % VOCABULARY
        after = alone(model, changed, ranks, predicted)[0]
        first_to_know = order.index(position) + 1 if position in order else 0
        for n in range(len(order)):
            assert torch.equal(after[n], before[n]) == (n < first_to_know), (position, n)


def test_a_step_reaches_every_parameter_and_the_seed_decides_them():
    built = [two_stream.build(SIZE, vocab_size=VOCABULARY, sequence_length=8, seed=seed) for seed in (3, 3, 4)]
    for name, value in built[0].state_dict().items():
        assert torch.equal(value, built[1].state_dict()[name]), name
    assert not torch.equal(built[0].transformer.mask_emb, built[2].transformer.mask_emb)
    order = [7, 2, 3, 11]
    logits = alone(built[0], tokens(12, seed=1), ranks_of(12, order), torch.tensor([order]))
    logits.log_softmax(-1)[..., 7].sum().backward()
    for name, parameter in built[0].named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
