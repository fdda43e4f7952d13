"""The training loop: it yields what happened in each step; its caller prints, logs, evaluates and saves."""

import dataclasses
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import torch
from torch import nn

from trainers import parallel
from trainers.guard import Guard, Verdict
from trainers.objectives.objective import Batch, Objective
from trainers.optimizer import Optimizers
from trainers.row import Row
from trainers.settings import Precision

MAX_GRADIENT_NORM = 1.0


@dataclasses.dataclass(frozen=True)
class Step:
    """What one optimizer step did, over all ranks."""

    step: int  # counted from 1
    loss: float  # over its terms, the sum of weight * mean over the targets, in nats
    terms: Mapping[str, float]  # the mean of each term, in nats
    learning_rate: float
    gradient_norm: float  # before clipping
    tokens: int  # that were read
    targets: int  # that were scored, of the main term, the first
    seconds: float  # the whole step, waiting for data included
    data_wait: float  # seconds the loop waited for its batch
    verdict: Verdict  # whether the weights were updated


@dataclasses.dataclass(frozen=True)
class Scored:
    """The losses of the targets that this rank read in a step."""

    rows: Sequence[Row]
    batch: Batch
    losses: Mapping[str, torch.Tensor]  # float32 (B, N) a term, in nats, on the CPU


@dataclasses.dataclass(frozen=True)
class Trainee:
    """All that a step changes, and how it is changed."""

    model: nn.Module  # as parallel.wrap returns it
    optimizer: Optimizers
    objective: Objective
    guard: Guard
    world: parallel.World
    precision: Precision


def train(
    trainee: Trainee,
    *,
    batches: Iterator[tuple[int, Sequence[Row], Batch]],
    micro_rows: int,
    learning_rate: Callable[[int], float],
) -> Generator[tuple[Step, Scored]]:
    """Takes one optimizer step a batch, in passes of at most `micro_rows` rows; yields after each.

    Each term of the loss is the sum over its targets by their number, over all passes and ranks: neither the size of a
    pass nor the number of ranks changes more than rounding. A step that the guard does not trust leaves the weights.
    """
    model, optimizer, world = trainee.model, trainee.optimizer, trainee.world
    model.train()
    started = time.perf_counter()
    for step, rows, batch in batches:
        data_wait = time.perf_counter() - started
        counts = parallel.total(batch.num_targets | {"tokens": sum(len(row.tokens) for row in rows)}, world)
        tokens = int(counts.pop("tokens"))
        sums, losses = backward(trainee, batch, counts, micro_rows=micro_rows)
        terms = {term: total / max(counts[term], 1) for term, total in parallel.total(sums, world).items()}
        loss = sum(weight * terms[term] for term, weight in trainee.objective.weights.items())
        norm = parallel.clip(model, MAX_GRADIENT_NORM)
        verdict = trainee.guard.check(step, loss, norm)
        rate = learning_rate(step)
        if verdict.action == "ok":
            optimizer.set_learning_rate(rate)
            optimizer.step()
        optimizer.zero_grad()
        yield (
            Step(
                step=step,
                loss=loss,
                terms=terms,
                learning_rate=rate,
                gradient_norm=norm,
                tokens=tokens,
                targets=int(next(iter(counts.values()))),
                seconds=time.perf_counter() - started,
                data_wait=data_wait,
                verdict=verdict,
            ),
            Scored(rows, batch, losses),
        )
        started = time.perf_counter()


def backward(
    trainee: Trainee, batch: Batch, counts: Mapping[str, float], *, micro_rows: int
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Adds the gradient of a step's loss; returns the sum of each term and the loss of each target, of this rank."""
    weights = trainee.objective.weights
    kept: dict[str, list[torch.Tensor]] = {term: [] for term in weights}
    parts = list(batch.split(micro_rows))
    for number, part in enumerate(parts, 1):
        with parallel.synchronized(trainee.model, last=number == len(parts)):
            with parallel.precision_context(trainee.world, trainee.precision):
                losses = trainee.objective.losses(trainee.model, part.to(trainee.world.device))
            scaled = [weights[term] / max(counts[term], 1) * losses[term].sum() for term in weights]
            torch.autograd.backward(torch.stack(scaled).sum())
        for term in weights:
            kept[term].append(losses[term].detach())
    # One copy from the device, which also makes the clock honest.
    found = {term: torch.cat(values).float().cpu() for term, values in kept.items()}
    return {term: float(values.sum(dtype=torch.float64)) for term, values in found.items()}, found
