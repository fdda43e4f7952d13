"""Samples from a model's distribution that can be drawn again: on any device, with any number of rows in the batch.

torch's own generators give other numbers on another device and with another batch. Here one given number decides a
sample, by a search in the cumulative distribution. That is in integers: such sums are exact in any order, and
torch.cumsum of floats refuses deterministic mode on CUDA. (The maximum of logits plus Gumbel noise, as in ELECTRA's
reference, has the same distribution and needs a random number for each token of the vocabulary.)
"""

import torch

BITS = 48  # of a given number; with 53 its product with a sum could round up to that sum
_SHARE = 2.0**40  # a token of less than 2**-40 is never drawn


@torch.no_grad()
def draw(logits: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Tokens int64 (B, N) from softmax(logits), (B, N, V), by uniform `numbers`, int64 (B, N) in [0, 2**BITS).

    Row by row, so that the sums take the memory of one row.
    """
    return torch.stack([_draw(row, given) for row, given in zip(logits, numbers, strict=True)])


def _draw(logits: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """(N, V), (N) -> (N)."""
    sums = (logits.float().softmax(-1) * _SHARE).long().cumsum(-1)
    goals = (numbers.double() * 2.0**-BITS * sums[:, -1]).long()  # in [0, the sum)
    drawn = torch.searchsorted(sums, goals[:, None], right=True).squeeze(-1)
    return drawn.clamp(max=logits.shape[-1] - 1)  # where logits are not numbers; the loss will say so
