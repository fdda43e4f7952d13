"""AdamW as language models use it, and the learning rate of each step."""

import math

import torch
from torch import nn

BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
FINAL_FRACTION = 0.1  # of the peak learning rate, at the last step


def adamw(decoder: nn.Module, *, learning_rate: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only.

    Norms are scales, not directions; a row of the embedding gets no gradient in most steps and would only shrink.
    """
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in decoder.named_parameters():
        (decayed if parameter.ndim == 2 and "embed_tokens" not in name else kept).append(parameter)
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": kept, "weight_decay": 0.0}]
    fused = next(decoder.parameters()).is_cuda
    return torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS, fused=fused)


def learning_rate(step: int, *, peak: float, warmup_steps: int, steps: int) -> float:
    """Linear from 0 to the peak at step `warmup_steps`, then half a cosine to a tenth of it at the last step."""
    if step <= warmup_steps:
        return peak * step / warmup_steps
    progress = (step - warmup_steps) / (steps - warmup_steps)
    return peak * (FINAL_FRACTION + (1 - FINAL_FRACTION) * 0.5 * (1 + math.cos(math.pi * progress)))
