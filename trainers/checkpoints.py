"""Where the checkpoints of a run lie."""

import contextlib
import json
import os
import re
import shutil
from typing import Any

FOLDER = "checkpoints"
ABOUT = "about.json"
TEMPORARY = ".writing-"  # prefix of checkpoints that are not whole
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


def read_about(path: str) -> dict[str, Any]:
    """What a checkpoint says of itself: step, and what the run gave to `Saver.save`."""
    try:
        with open(os.path.join(path, ABOUT), encoding="utf-8") as file:
            about = json.load(file)
        if not isinstance(about, dict) or about.get("step") != step_of(os.path.basename(path)):
            raise ValueError(f"{ABOUT} is not of this step")
        if not isinstance(about.get("files"), dict) or not about["files"]:
            raise ValueError(f"{ABOUT} lists no files")
        return about
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a whole checkpoint ({error}); {without(path)}") from None


def discard(path: str) -> None:
    """Renames first, so that a checkpoint that is half removed does not look whole."""
    folder, name = os.path.split(path)
    doomed = os.path.join(folder, TEMPORARY + name)
    with contextlib.suppress(OSError):  # an old checkpoint too many is no reason to stop
        os.rename(path, doomed)
        shutil.rmtree(doomed)


def without(path: str) -> str:
    """The sentence that says how a run goes on without this checkpoint."""
    folder, name = os.path.split(path)
    step = step_of(name) or 0
    older = [other for other in saved(os.path.dirname(folder)) if other < step]
    then = f"step {older[-1]}" if older else "the beginning"
    return f"remove that folder and run --resume again to continue from {then}"
