"""The training loop: it yields what happened in each step; its caller prints, logs, evaluates and saves."""

import dataclasses
import time
from collections.abc import Callable, Generator, Iterator

import torch
from torch import nn

from trainers.batches import Batch
from trainers.model import sum_of_nats

MAX_GRADIENT_NORM = 1.0


class NotFiniteError(ArithmeticError):
    """The loss or its gradient is infinite or not a number; the weights are still those of the step before."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step


@dataclasses.dataclass(frozen=True)
class Step:
    """What one optimizer step did."""

    step: int  # counted from 1
    loss: float  # nats, the mean over all targets of the step
    learning_rate: float
    gradient_norm: float  # before clipping
    tokens: int  # targets
    seconds: float  # the whole step, waiting for data included
    data_wait: float  # seconds the loop waited for its batch


def train(
    decoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    batches: Iterator[Batch],
    first_step: int,
    micro_rows: int,
    learning_rate: Callable[[int], float],
) -> Generator[Step]:
    """Takes one optimizer step a batch, in passes of at most `micro_rows` rows; yields after each.

    The loss of a step is the sum over all its targets by their number, so the size of a pass changes only rounding.
    """
    device = next(decoder.parameters()).device.type
    decoder.train()
    started = time.perf_counter()
    for step, batch in enumerate(batches, first_step):
        data_wait = time.perf_counter() - started
        total = torch.zeros((), dtype=torch.float64, device=device)
        for part in batch.split(micro_rows):
            nats = sum_of_nats(decoder, part.to(device))
            torch.autograd.backward(nats / batch.num_targets)
            total += nats.detach()
        norm = float(nn.utils.clip_grad_norm_(decoder.parameters(), MAX_GRADIENT_NORM))
        loss = float(total) / batch.num_targets  # waits for the device, so the clock below is honest
        for value, what in ((loss, "loss"), (norm, "gradient norm")):
            if not -float("inf") < value < float("inf"):
                raise NotFiniteError(step, f"the {what} of step {step} is {value}")
        rate = learning_rate(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield Step(
            step=step,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            tokens=batch.num_targets,
            seconds=time.perf_counter() - started,
            data_wait=data_wait,
        )
        started = time.perf_counter()
