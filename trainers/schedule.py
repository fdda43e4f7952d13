"""The learning rate of each step."""

import math
from typing import get_args

from trainers.settings import Schedule

SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)


def learning_rate(
    step: int,
    *,
    schedule: Schedule = "cosine",
    peak: float,
    warmup_steps: int,
    steps: int,
    decay_share: float = 0.2,
    final_share: float = 0.1,
) -> float:
    """The rate of a step, counted from 1: linear from 0 to `peak` at `warmup_steps`, `final_share` of it at `steps`.

    In between, `cosine` is half a cosine (Loshchilov and Hutter 2017) and `linear` a line. `wsd` (warm-up, stable,
    decay) stays at the peak until the last `decay_share` of the steps and falls there as 1 - sqrt (Hägele et al. 2024,
    equation 1).
    """
    if step <= warmup_steps:
        return peak * step / warmup_steps
    progress = (step - warmup_steps) / (steps - warmup_steps)  # in (0, 1]
    if schedule == "cosine":
        left = 0.5 * (1 + math.cos(math.pi * progress))
    elif schedule == "linear":
        left = 1 - progress
    else:
        decay_steps = min(max(1, round(decay_share * steps)), steps - warmup_steps)
        left = 1 - math.sqrt(max(0.0, (step - (steps - decay_steps)) / decay_steps))
    return peak * (final_share + (1 - final_share) * left)
