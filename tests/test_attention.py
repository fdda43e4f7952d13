import dataclasses

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from trainers.models import attention, decoder
from trainers.models.attention import attend, document_mask, documents
from trainers.models.sizes import SIZES, Size
from trainers.objectives.causal import Causal
from trainers.objectives.objective import Batch
from trainers.row import IGNORED, NOBODY

LENGTHS = [5, 1, 9, 4]  # of four documents in one row
TINY = Size(layers=2, width=32, heads=4, key_value_heads=2, hidden=48, learning_rate=1e-3)
FLEX = pytest.param("flex", marks=pytest.mark.slow)  # on a CPU it is plain Python, two seconds a call


def packed():
    segments = torch.repeat_interleave(torch.arange(4), torch.tensor(LENGTHS))[None]
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    inputs = torch.randint(50, (1, sum(LENGTHS)), generator=torch.Generator().manual_seed(1))
    return inputs, segments, positions


def made(size=TINY, **choices):
    return decoder.build(size, vocab_size=50, seed=3, **choices)


@torch.no_grad()
def test_packed_documents_are_as_each_alone():
    inputs, segments, positions = packed()
    for size in (TINY, dataclasses.replace(TINY, key_value_heads=4, tied=False)):
        logits = made(size)(inputs, segments, positions)[0].split(LENGTHS)
        for document, found in zip(inputs[0].split(LENGTHS), logits, strict=True):
            alone = torch.zeros(1, len(document), dtype=torch.int64)
            expected = made(size)(document[None], alone, torch.arange(len(document))[None])[0]
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)


@torch.no_grad()
def test_nothing_leaks_from_other_documents_or_from_later_tokens():
    inputs, segments, positions = packed()
    before = made()(inputs, segments, positions)[0]
    for changed in range(inputs.shape[1]):
        other = inputs.clone()
        other[0, changed] = (other[0, changed] + 1) % 50
        differs = (made()(other, segments, positions)[0] != before).any(-1)
        may_see = (segments[0] == segments[0, changed]) & (torch.arange(inputs.shape[1]) >= changed)
        assert torch.equal(differs, may_see)


@torch.no_grad()
def test_positions_are_relative():
    """Rotary attention depends on distances alone, so a shift of all positions of a document changes nothing."""
    inputs, segments, positions = packed()
    torch.testing.assert_close(
        made()(inputs, segments, positions), made()(inputs, segments, positions + 7), rtol=0, atol=2e-6
    )
    stretched = made()(inputs, segments, positions * 2)
    assert not torch.allclose(made()(inputs, segments, positions), stretched, atol=1e-4)


ROWS = torch.tensor(
    [
        [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3],
        [0] * 16,
        [0, 1, 2, 3, 4, 5, 5, 6, 6, 6, 6, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY],
        [0] * 9 + [1] * 7,
    ],
    dtype=torch.int32,
)


def qkv(*, heads=4, key_value_heads=2, width=16, device="cpu", dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = [(len(ROWS), number, ROWS.shape[1], width) for number in (heads, key_value_heads, key_value_heads)]
    return [torch.randn(shape, generator=generator).to(device, dtype).requires_grad_() for shape in shapes]


def plainly(q, k, v, segments, *, causal):
    """Softmax by softmax."""
    found = torch.empty(q.shape)
    for b, head, i in torch.cartesian_prod(*map(torch.arange, q.shape[:3])).tolist():
        seen = [j for j in range(i + 1 if causal else q.shape[2]) if segments[b, i] == segments[b, j]]
        group = head * k.shape[1] // q.shape[1]
        weights = torch.softmax(k[b, group, seen] @ q[b, head, i] / q.shape[3] ** 0.5, 0)
        found[b, head, i] = weights @ v[b, group, seen]
    return found


@torch.no_grad()
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("key_value_heads", [4, 2, 1])
@pytest.mark.parametrize("implementation", ["dense", "per_document", FLEX, "auto"])
def test_implementations_are_softmax_inside_documents(implementation, key_value_heads, causal):
    q, k, v = (tensor.detach() for tensor in qkv(key_value_heads=key_value_heads))
    for chosen in (slice(None), slice(1, 2)):  # rows of several documents, and rows of one
        segments = ROWS[chosen]
        found = attend(
            q[chosen], k[chosen], v[chosen], documents(segments, causal=causal, implementation=implementation)
        )
        torch.testing.assert_close(found, plainly(q[chosen], k[chosen], v[chosen], segments, causal=causal))


def gradients(implementation, tensors, *, causal):
    """Of q, k and v, where what no document looks at has no part."""
    device, dtype = tensors[0].device, tensors[0].dtype
    seen = documents(ROWS.to(device), causal=causal, implementation=implementation, dtype=dtype)
    outputs = attend(*tensors, seen)
    scored = outputs.square() * (ROWS != NOBODY).to(device)[:, None, :, None]
    return outputs, *torch.autograd.grad(scored.sum(), tensors)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("key_value_heads", [4, 2])
def test_gradients_agree(key_value_heads, causal):
    tensors = qkv(key_value_heads=key_value_heads)
    expected = gradients("dense", tensors, causal=causal)
    for found, other in zip(gradients("per_document", tensors, causal=causal), expected, strict=True):
        torch.testing.assert_close(found, other)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(
    "implementation, dtype, tolerance", [("flex", torch.float32, 1e-4), ("varlen", torch.bfloat16, 3e-2)]
)
def test_gradients_agree_on_a_gpu(implementation, dtype, tolerance, causal):
    if not torch.cuda.is_available():
        pytest.skip("no GPU: backward of FlexAttention, and variable-length FlashAttention, are for CUDA alone")
    rounded = [tensor.to(dtype).float().detach().requires_grad_() for tensor in qkv(width=64)]
    expected = gradients("dense", rounded, causal=causal)
    tensors = [tensor.detach().to("cuda", dtype).requires_grad_() for tensor in rounded]
    for found, other in zip(gradients(implementation, tensors, causal=causal), expected, strict=True):
        torch.testing.assert_close(found.cpu().float(), other, rtol=tolerance, atol=tolerance)


@torch.no_grad()
@pytest.mark.parametrize("implementation", ["dense", "per_document", FLEX])
def test_the_decoder_takes_any_implementation(implementation):
    inputs, segments, positions = packed()
    torch.testing.assert_close(
        made(attention=implementation)(inputs, segments, positions), made()(inputs, segments, positions)
    )


@pytest.mark.slow
def test_a_compiled_block_is_not_compiled_anew_for_other_documents():
    torch.compiler.reset()
    counter = CompileCounterWithBackend("eager")
    model, compiled = made(), made()
    for block in compiled.model.layers:
        block.compile(backend=counter, dynamic=False)
    inputs = torch.arange(16)[None]
    graphs = []
    for row in ROWS:
        found = compiled(inputs, row[None], inputs)
        torch.testing.assert_close(found, model(inputs, row[None], inputs))
        graphs.append(counter.frame_count)
    # Rows that are one document each, as ROWS[1], come in another layout.
    assert graphs[0] > 0 and graphs[1] <= graphs[0] + 1 and len(set(graphs[1:])) == 1, graphs
    torch.compiler.reset()


def test_documents_have_few_numbers_of_offsets():
    segments = torch.arange(24).view(1, 24) // torch.tensor([[5]])  # 0 0 0 0 0 1 ... : 5 documents
    assert attention._offsets(segments).tolist() == [0, 5, 10, 15, 20, 24, 24, 24, 24]
    assert attention._offsets(torch.zeros(1, 24)).tolist() == [0, 24]
    assert attention._offsets(torch.zeros(2, 3)).tolist() == [0, 3, 6]
    assert attention._offsets(torch.zeros(3, 3)).tolist() == [0, 3, 6, 9, 9]


def test_a_decoder_looks_at_its_own_document_of_the_encoder():
    mask = document_mask(torch.tensor([[0, 0, 1, 2, NOBODY]]), torch.tensor([[0, 1, 1, 2]]), causal=False)
    assert mask.int().tolist() == [[[[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]]]]


def test_what_cannot_be_computed_here_is_refused():
    with pytest.raises(
        ValueError, match=r"--attention varlen: expected bfloat16 or float16 on a CUDA GPU.*found float32"
    ):
        documents(ROWS, causal=True, implementation="varlen")
    with pytest.raises(ValueError, match=r"--attention: expected one of auto, dense, .*, found 'fast'"):
        documents(ROWS, causal=True, implementation="fast")
    with pytest.raises(ValueError, match=r"--attention flex: expected a GPU.*use --attention auto"):
        made(attention="flex")(*packed())


def test_the_losses_are_of_targets_alone():
    inputs, segments, positions = packed()
    targets = inputs.roll(-1)
    targets[0, -3:] = IGNORED
    batch = Batch(
        {"inputs": inputs, "segments": segments, "positions": positions}, {"loss": targets}, {"loss": segments.int()}
    )
    logits = made()(inputs, segments, positions)[0]
    expected = [-torch.log_softmax(logits[i], 0)[targets[0, i]] for i in range(16)] + [torch.zeros(())] * 3
    torch.testing.assert_close(Causal(19, 0).losses(made(), batch)["loss"], torch.stack(expected)[None])


def test_parameters_are_named_as_in_llama():
    layer = "model.layers.1."
    names = [name for name in made().state_dict() if name.startswith(layer) or "layers" not in name]
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
    assert "lm_head.weight" in made(dataclasses.replace(TINY, tied=False)).state_dict()


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("1m", 1_003_520),
        ("5m", 4_816_896),
        ("20m", 19_267_584),
        ("60m", 59_473_920),
        ("124m", 84_934_656),
        ("150m", 151_781_376),
        ("400m", 399_441_920),
        ("1b", 968_884_224),
        ("3b", 2_818_572_288),
        ("7b", 6_476_005_376),
    ],
)
def test_sizes_are_what_they_are_called(name, parameters):
    with torch.device("meta"):
        layers = decoder.Decoder(SIZES[name], vocab_size=1).model.layers
    assert SIZES[name].num_parameters == parameters
    assert sum(weight.numel() for weight in layers.parameters() if weight.ndim == 2) == parameters


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    first = made().state_dict()
    torch.manual_seed(6)
    second = made().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = decoder.build(TINY, vocab_size=50, seed=4).state_dict()
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
