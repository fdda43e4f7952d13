"""From logits to tokens: temperature, top-k (Fan et al. 2018) and top-p (Holtzman et al. 2020), and the loop over them.

Shapes: S samples, n tokens so far, V vocabulary.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from trainers.objectives.randomness import generator


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How tokens are drawn. The defaults draw from the model's own distribution."""

    temperature: float = 1.0  # 0: always the most probable token
    top_k: int = 0  # only so many of the most probable tokens; 0: all
    top_p: float = 1.0  # only the fewest most probable tokens that have this share together
    max_tokens: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"--temperature {self.temperature}: expected a number from 0 on, such as 0.8")
        if self.top_k < 0:
            raise ValueError(f"--top-k {self.top_k}: expected a number of tokens, or 0 for all of them")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"--top-p {self.top_p}: expected a share above 0 and at most 1, such as 0.95")
        if self.max_tokens < 1:
            raise ValueError(f"--max-tokens {self.max_tokens}: expected 1 or more")


def probabilities(logits: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """What tokens are drawn from: logits (..., V) -> float64 (..., V).

    First the temperature, then top-k, then top-p of what top-k has left, as in transformers; of tokens with the same
    logit the one with the lower id is the more probable. ValueError where a logit is not a number.
    """
    if torch.isnan(logits).any():
        raise ValueError("the model's logits are not numbers: the run has diverged; choose an earlier --step")
    values, order = logits.double().sort(dim=-1, descending=True, stable=True)
    values = values - values[..., :1]
    greedy = decoding.temperature == 0
    if not greedy:
        values = values / decoding.temperature
    most = 1 if greedy else decoding.top_k or values.shape[-1]
    values[..., most:] = -torch.inf
    shares = values.softmax(dim=-1)
    before = shares.cumsum(dim=-1) - shares
    # Rounding must not leave out what stands before the whole.
    kept = torch.where((before < decoding.top_p) | (decoding.top_p == 1), shares, 0.0)
    return torch.zeros_like(kept).scatter(-1, order, kept / kept.sum(dim=-1, keepdim=True))


def draw(shares: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token of each row: shares float64 (S, V) and float64 (S) from [0, 1) -> int64 (S).

    The inverse of the distribution function; a token of share 0 is never drawn.
    """
    sums = shares.cumsum(dim=-1)
    whole = sums[:, -1:]
    drawn = (sums <= uniform[:, None] * whole).sum(dim=-1)
    return drawn.minimum((sums < whole).sum(dim=-1))


def extend(
    next_logits: Callable[[torch.Tensor], torch.Tensor],
    start: Sequence[int],
    decoding: Decoding,
    *,
    samples: int,
    end_id: int,
    banned: Sequence[int] = (),
    prompt: int = 0,
) -> list[list[int]]:
    """The tokens that follow `start` in each sample, up to and with `end_id`, at most `max_tokens`.

    `next_logits` takes tokens int64 (S, n) and gives logits (S, V). What is drawn for a sample depends on the seed, the
    number of the prompt and that of the sample: neither on how many samples there are nor on other prompts.
    """
    chances = [generator(seed=decoding.seed, epoch=n, row=prompt, purpose="generate") for n in range(samples)]
    tokens = torch.tensor([list(start)] * samples)
    ended = torch.zeros(samples, dtype=torch.bool)
    for _ in range(decoding.max_tokens):
        logits = next_logits(tokens).float().cpu()
        logits[:, list(banned)] = -torch.inf
        uniform = torch.from_numpy(np.array([chance.random() for chance in chances]))
        drawn = draw(probabilities(logits, decoding), uniform)
        tokens = torch.cat([tokens, drawn[:, None]], dim=1)
        ended |= drawn == end_id
        if ended.all():
            break
    return [_until(found, end_id) for found in tokens[:, len(start) :].tolist()]


def _until(tokens: list[int], end_id: int) -> list[int]:
    """The tokens up to the first end, with it."""
    return tokens[: tokens.index(end_id) + 1] if end_id in tokens else tokens
