import pytest
import torch
from torch.nn import functional

from trainers.objectives.causal import cross_entropy
from trainers.row import IGNORED


def drawn(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (2, 5, 11), targets of which some are ignored, and how much each loss weighs."""
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(2, 5, 11, generator=generator)).to(dtype).requires_grad_()
    targets = torch.randint(0, 11, (2, 5), generator=generator)
    targets[0, 1] = targets[1, 4] = IGNORED
    return logits, targets, torch.randn(2, 5, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_and_gradients_are_those_of_torch(dtype):
    logits, targets, weights = drawn(dtype)
    found = cross_entropy(logits, targets)
    (found * weights).sum().backward()
    plain = logits.detach().float().requires_grad_()
    wanted = functional.cross_entropy(plain.flatten(0, 1), targets.flatten(), reduction="none").view(2, 5)
    (wanted * weights).sum().backward()
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)
    assert found[targets == IGNORED].tolist() == [0, 0]
    assert logits.grad.dtype == dtype
    assert logits.grad[targets == IGNORED].abs().max() == 0
    torch.testing.assert_close(logits.grad, plain.grad.to(dtype))


def test_logits_stay_as_they_were():
    logits, targets, _ = drawn()
    before = logits.detach().clone()
    cross_entropy(logits, targets).sum().backward()
    assert torch.equal(logits, before)


def test_nothing_is_scored_without_targets():
    logits, targets, _ = drawn()
    losses = cross_entropy(logits, torch.full_like(targets, IGNORED))
    losses.sum().backward()
    assert losses.abs().max() == logits.grad.abs().max() == 0


def test_a_second_backward_pass_is_refused():
    logits, targets, _ = drawn()
    loss = cross_entropy(logits, targets).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
