"""The arms of a fine-tuning: the pre-trained model by one method, and the same architecture from scratch.

Both learn from the same examples in the same order for as many steps. From scratch all weights learn, at the rate that
the run was pre-trained with.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from trainers import catalog, classification, prompts
from trainers.answers import Speaker
from trainers.command import tell
from trainers.examples import Example
from trainers.gains import Gain
from trainers.models.decoder import Decoder
from trainers.models.sizes import SIZES
from trainers.trained import Trained
from trainers.tuning import Learner, Method, Scores, Tuning, fit, num_learning, prepare

_FULL_SHARE = 0.1  # of the rate of pre-training, which would undo what was learned
_TOLD = 10  # losses of an arm that are printed


@dataclasses.dataclass(frozen=True)
class Work:
    """A task with its examples in tokens, for the models of a run."""

    task: str
    speaker: Speaker
    labels: Sequence[str]  # none of prompts
    learned: Sequence[Any]  # classification.Labelled or prompts.Prompted
    held_out: Sequence[Any]
    cut: int  # examples that were cut to the rows of the run
    device: torch.device

    def learner(self, body: nn.Module) -> Learner[Any]:
        """What learns the task with a model, on the device."""
        if self.task == "prompts":
            return prompts.Learner(body.to(self.device), self.speaker, self.device)
        width = SIZES[self.speaker.trained.run.settings.size].width
        model = classification.Classifier(body, width=width, labels=len(self.labels)).to(self.device)
        return classification.Learner(model, self.labels, self.speaker.end_id, self.device)

    def parts(self, body: nn.Module) -> Sequence[str]:
        """The submodules of a model that the task uses."""
        parts = classification.PARTS if self.task == "classify" else prompts.PARTS
        return parts[type(body)]

    def gains(self, scores: Scores, others: Scores) -> dict[str, Gain]:
        """What was gained over other scores, in each metric that can be compared."""
        return classification.gains(scores, others) if self.task == "classify" else prompts.gains(scores, others)


@dataclasses.dataclass(frozen=True)
class Arm:
    """A model that has learned the task."""

    body: nn.Module  # still with its adapters
    learner: Learner[Any]
    tuning: Tuning
    num_learning: int  # weights
    losses: Sequence[float]  # of the steps, in nats
    scores: Scores  # on the examples to validate with


def work_of(
    base: Trained,
    *,
    task: str,
    labels: Sequence[str],
    learned: Sequence[Example],
    held_out: Sequence[Example],
    device: str,
) -> Work:
    """The examples in tokens; ValueError where the run's model cannot do the task."""
    if task == "prompts" and type(base.model) not in prompts.PARTS:
        raise ValueError(
            "--task prompts needs a model that writes, of --objective causal or spans, and the run was trained by "
            f"{base.run.settings.objective}; give --task classify, or another run"
        )
    speaker = Speaker.of(base)
    sides: list[tuple[Sequence[Any], int]]
    if task == "prompts":
        decoder = isinstance(base.model, Decoder)
        sides = [prompts.encode(speaker, each, decoder=decoder) for each in (learned, held_out)]
    else:
        sides = [classification.encode(speaker, each, labels=labels) for each in (learned, held_out)]
    (mine, cut), (held, more) = sides
    return Work(task, speaker, labels, mine, held, cut + more, torch.device(device))


def tuning_of(
    base: Trained, method: Method, *, steps: int, batch_size: int, seed: int, learning_rate: float | None
) -> Tuning:
    """How the run's model learns by a method, at the method's own rate where none is given.

    A head alone: 1 / width, with which a step of AdamW changes a logit, of states of variance 1, by about 1.
    """
    pretrained = base.run.settings.learning_rate
    head = 1 / SIZES[base.run.settings.size].width
    rates = {"frozen": head, "full": _FULL_SHARE * pretrained, "lora": pretrained}
    return Tuning(method, steps, batch_size, learning_rate or rates[method], seed)


def from_scratch(base: Trained, seed: int) -> nn.Module:
    """An untrained model of the run's architecture."""
    return catalog.model_of(dataclasses.replace(base.run.settings, seed=seed), base.run.vocab_size)


def learn(name: str, body: nn.Module, tuning: Tuning, work: Work) -> Arm:
    """Trains an arm and validates it, with a line now and then."""
    prepare(body, tuning, parts=work.parts(body))
    learner = work.learner(body)
    weights = num_learning(learner.model)
    tell(f"{name:<11} {tuning.method}: {weights:,} weights learn, {tuning.steps:,} steps at {tuning.learning_rate:g}")
    every = max(1, tuning.steps // _TOLD)

    def say(step: int, loss: float) -> None:
        if step % every == 0:
            tell(f"{name:<11} step {step:,}: loss {loss:.4f}")

    losses = fit(learner, work.learned, tuning, tell=say)
    return Arm(body, learner, tuning, weights, losses, learner.scores(work.held_out, batch_size=tuning.batch_size))
