"""What a run tells the person who watches it."""

import dataclasses
from typing import Any

from torch import nn

from trainers.loop import Step
from trainers.meter import Measured
from trainers.reading import Data
from trainers.run import Run
from trainers.validation import Score, Validation

_SLOW_CHECK = 5.0  # seconds from which the checks' time is worth a word


def introduction(run: Run, data: Data, held_out: Validation | None, model: nn.Module, *, ranks: int) -> str:
    """What is about to be trained on what."""
    settings, plan = run.settings, run.plan
    lines = []
    for corpus, source in zip(data.corpora, run.sources, strict=True):
        took = f", checked in {corpus.seconds:.0f} s" if corpus.seconds > _SLOW_CHECK else ""
        share = ""
        if len(run.sources) > 1 or source.repeats != 1:
            share = f"; {source.achieved:.1%} of the tokens (asked {source.requested:.1%}), {source.repeats:.2f} times"
        lines.append(
            f"corpus      {source.documents:,} documents, {source.tokens:,} tokens to train on; "
            f"{corpus.num_bytes:,} bytes{took}{share}"
        )
    lines.append(
        f"plan        {plan.num_rows:,} rows of {plan.sequence_length} tokens, "
        f"read {plan.epochs(settings.steps):.2f} times in {settings.steps} steps of {settings.batch_rows}"
    )
    if held_out:
        every = sum(corpus.validation.num_documents for corpus in data.corpora)
        share = "all" if held_out.num_documents == every else f"{held_out.num_documents:,} of"
        validation = f"{share} {every:,} documents, {held_out.num_bytes:,} bytes, every {settings.validate_every} steps"
    else:
        validation = "none: the corpus has no validation document, so no bits per byte are measured"
    lines.append(f"validation  {validation}")
    total = sum(parameter.numel() for parameter in model.parameters())
    embedding = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Embedding))
    where = f"{ranks} ranks of {settings.device}" if ranks > 1 else settings.device
    number = "bfloat16 over float32" if settings.precision == "bfloat16" else "float32"
    number += f", {settings.threads} threads" if settings.device == "cpu" else ""
    lines.append(
        f"model       {settings.objective} {run.model['family']} {settings.size}: {total - embedding:,} parameters and "
        f"{embedding:,} of embedding; {where}, {number}"
    )
    return "\n".join(lines)


def fields(step: Step, measured: Measured) -> dict[str, Any]:
    """A step as a line of the log."""
    described = dataclasses.asdict(step)
    verdict = described.pop("verdict")
    if verdict["action"] != "ok":
        described |= {"left_out": verdict["reason"]}
    return described | {name: value for name, value in dataclasses.asdict(measured).items() if value is not None}


def progress(step: Step, measured: Measured, *, steps: int, eta: float) -> str:
    """A step as the line an operator reads; `eta` in seconds."""
    rate = measured.tokens_per_second
    speed = f"{rate / 1e6:.2f}M" if rate >= 1e6 else f"{rate / 1e3:.1f}k"
    mfu = f"  MFU {measured.mfu:.1%}" if measured.mfu is not None else ""
    return (
        f"step {step.step}/{steps}  loss {step.loss:.4f}  lr {step.learning_rate:.1e}  {speed} tokens/s{mfu}  "
        f"data wait {step.data_wait * 1e3:.1f} ms  eta {clock(eta)}"
    )


def validated(step: int, score: Score) -> str:
    """A validation as the line an operator reads."""
    if score.bits_per_byte is not None:
        return f"validation at step {step}: {score.bits_per_byte:.4f} bits per byte"
    terms = "".join(f", {name} {mean:.4f}" for name, mean in score.terms.items()) if len(score.terms) > 1 else ""
    return f"validation at step {step}: loss {score.loss:.4f}{terms}"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
