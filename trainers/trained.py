"""What a run has trained: its model at a checkpoint, for what comes after training."""

import dataclasses
import os

from torch import nn

from trainers import catalog, checkpoint, checkpoints, specials
from trainers import run as runs


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model of a run with all that is needed to use it; neither the corpus nor the optimizer is."""

    model: nn.Module  # in eval mode, float32
    run: runs.Run
    step: int
    tokenizer: bytes  # tokenizer.json
    specials: specials.Specials


def load(folder: str, *, step: int | None = None, device: str = "cpu") -> Trained:
    """The model of a step of a run, of its newest checkpoint where none is given; ValueError where there is none."""
    run = runs.load(folder)
    saved = checkpoints.saved(folder)
    if not saved:
        raise ValueError(f"{folder} has no checkpoint yet; let trainers.pretrain reach its first one")
    if step is not None and step not in saved:
        steps = ", ".join(map(str, saved))
        raise ValueError(f"{folder} has no checkpoint of step {step}; expected one of {steps}")
    chosen = max(saved) if step is None else step
    with open(os.path.join(folder, runs.TOKENIZER), "rb") as file:
        tokenizer = file.read()
    # What fits this device, which may be another than that of the training.
    model = catalog.model_of(dataclasses.replace(run.settings, attention="auto"), run.vocab_size)
    checkpoint.load_weights(saved[chosen], model)
    return Trained(
        model=model.to(device).eval(),
        run=run,
        step=chosen,
        tokenizer=tokenizer,
        specials=specials.read(tokenizer, end_of_text_id=run.end_of_text_id, vocab_size=run.vocab_size),
    )
