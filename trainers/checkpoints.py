"""Where the checkpoints of a run lie."""

import os
import re

FOLDER = "checkpoints"
_NAME = re.compile(r"step-(\d{8,})")


def step_of(name: str) -> int | None:
    """The step of a checkpoint by the name of its folder, None where it is no checkpoint."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def saved(run: str) -> dict[int, str]:
    """The whole checkpoints of a run by step, oldest first."""
    folder = os.path.join(run, FOLDER)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = {step: os.path.join(folder, name) for name in names if (step := step_of(name)) is not None}
    return dict(sorted(found.items()))
