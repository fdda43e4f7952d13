"""Fine-tuning of a model on examples: which weights learn, in which order examples are read, and the loop."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, TypeVar, get_args

import torch
from torch import nn

from trainers import lora, optimizer, parallel, schedule
from trainers.loop import MAX_GRADIENT_NORM
from trainers.models import decoder, encoder
from trainers.objectives.randomness import generator

Method = Literal["frozen", "full", "lora"]
METHODS: tuple[Method, ...] = get_args(Method)
WEIGHT_DECAY = 0.01  # of BERT (Devlin et al. 2019, appendix A.2)
_WARMUP_SHARE = 0.1  # of the steps, likewise; then the rate falls in a line to 0
T = TypeVar("T")
Example = TypeVar("Example", contravariant=True)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """How a model is fine-tuned."""

    method: Method
    steps: int
    batch_size: int  # examples in a step
    learning_rate: float  # at its peak
    seed: int
    rank: int = 8
    alpha: float = 16.0
    projections: tuple[str, ...] = ("q", "v")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of one example."""

    line: int
    wanted: str
    found: str | None  # None where it was not asked for the whole answer
    right: bool | None
    nats: float  # of what is wanted
    targets: int  # that have these nats: tokens of an answer, 1 for a label


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a model says of examples, and its metrics."""

    metrics: Mapping[str, float]
    predictions: Sequence[Prediction]


class Learner(Protocol[Example]):
    """A model for a task, and how it is scored on examples of some kind."""

    @property
    def model(self) -> nn.Module:
        """All that learns."""

    def losses(self, examples: Sequence[Example], /) -> torch.Tensor:
        """The nats of each target, float32 (N)."""

    def scores(self, examples: Sequence[Example], /, *, batch_size: int) -> Scores:
        """Metrics and predictions, without gradients."""


def prepare(body: nn.Module, tuning: Tuning, *, parts: Sequence[str]) -> None:
    """Leaves to learn, of a pre-trained model on the CPU, nothing, the named submodules, or adapters in these.

    Rows of one text differ in length, so attention takes a mask, which any device and any length does.
    """
    body.requires_grad_(False)
    for module in body.modules():
        if isinstance(module, decoder.Blocks | encoder.Encoder):
            module.attention = "dense"
    if tuning.method == "full":
        for part in parts:
            body.get_submodule(part).requires_grad_(True)
    elif tuning.method == "lora":
        names = lora.targets(body, parts=parts, projections=tuning.projections)
        lora.insert(body, names, rank=tuning.rank, alpha=tuning.alpha, seed=tuning.seed)


def num_learning(model: nn.Module) -> int:
    """How many weights learn."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def fit(
    learner: Learner[T], examples: Sequence[T], tuning: Tuning, *, tell: Callable[[int, float], None]
) -> list[float]:
    """Takes the steps; returns the loss of each, the mean over its targets in nats, and tells it with its number.

    ValueError where a loss is no number.
    """
    model = learner.model.train()
    optimizers = optimizer.build(
        model, name="adamw", learning_rate=tuning.learning_rate, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.999)
    )
    found = []
    for step, batch in zip(range(1, tuning.steps + 1), _shuffled(examples, tuning), strict=False):
        loss = learner.losses(batch).mean()
        if not math.isfinite(value := float(loss.detach())):
            raise ValueError(
                f"the loss of step {step} is {value}; give a lower learning rate than {tuning.learning_rate:g}"
            )
        torch.autograd.backward(loss)
        parallel.clip(model, MAX_GRADIENT_NORM)
        optimizers.set_learning_rate(_rate(step, tuning))
        optimizers.step()
        optimizers.zero_grad()
        found.append(value)
        tell(step, value)
    model.eval()
    return found


def batches(examples: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The examples in their order, `size` at a time; the last may be fewer."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def _rate(step: int, tuning: Tuning) -> float:
    # A step more, so that the last one learns something.
    return schedule.learning_rate(
        step,
        schedule="linear",
        peak=tuning.learning_rate,
        warmup_steps=math.ceil(_WARMUP_SHARE * tuning.steps),
        steps=tuning.steps + 1,
        final_share=0.0,
    )


def _shuffled(examples: Sequence[T], tuning: Tuning) -> Iterator[list[T]]:
    """Batches without end: every example once an epoch, in an order of that epoch."""
    epoch = 0
    while True:
        chance = generator(seed=tuning.seed, epoch=epoch, row=0, purpose="finetune")
        order = chance.permutation(len(examples)).tolist()
        for numbers in batches(order, tuning.batch_size):
            yield [examples[number] for number in numbers]
        epoch += 1
