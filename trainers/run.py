"""What a run is: its settings, corpus, plan and machine, in `run.json`, written before its first step."""

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from curation import storage
from trainers.plan import Plan

FORMAT_VERSION = 1
NAME = "run.json"
_LOCK = ".lock"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides the numbers of a run. A resumed run has the same ones, or it is another run."""

    steps: int  # the learning rate ends its cosine here, so a longer run differs from its first step on
    size: str
    sequence_length: int  # tokens
    batch_rows: int  # rows of sequence_length in a step
    micro_rows: int  # rows in one pass
    learning_rate: float  # peak
    warmup_steps: int
    seed: int
    validate_every: int  # steps
    validation_rows: int  # 0: the whole split
    device: str
    threads: int  # sums on a CPU are split by thread, so another number rounds otherwise


@dataclasses.dataclass(frozen=True)
class Run:
    """The contents of `run.json`."""

    settings: Settings
    corpus: str  # absolute path
    manifest_sha256: str
    plan: Plan
    model: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, str]

    def write(self, folder: str) -> None:
        """Writes `run.json`, whole or not at all."""
        described = {
            "format_version": FORMAT_VERSION,
            **dataclasses.asdict(self),
            "plan_sha256": self.plan.sha256,
        }
        with storage.publish(os.path.join(folder, NAME)) as path, open(path, "w", encoding="utf-8") as file:
            json.dump(described, file, indent=1)
            file.write("\n")


def load(folder: str) -> Run:
    """The run in `folder`; ValueError where there is none or this version cannot continue it."""
    path = os.path.join(folder, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} holds no run: {path} does not exist; give the --output of a run") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); the run is damaged: start another one") from None
    try:
        if found.pop("format_version") != FORMAT_VERSION:
            raise ValueError("another format_version")
        digest = found.pop("plan_sha256")
        plan = Plan(**found.pop("plan"))
        if plan.sha256 != digest:
            raise ValueError("its plan is not the one of plan_sha256")
        settings = Settings(**found.pop("settings"))
        for field in dataclasses.fields(settings):
            value, kind = getattr(settings, field.name), field.type
            if not isinstance(value, (int, float) if kind is float else kind):  # type: ignore[arg-type]
                raise ValueError(f"its {field.name} is {value!r}")
        return Run(settings=settings, plan=plan, **found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a run of this version ({error}); use the version that wrote it, or start another run"
        ) from None


def is_unused(folder: str) -> bool:
    """Whether a new run may be written there: nothing is, but for what a killed start leaves."""
    return all(name == _LOCK or name.startswith(".writing-") for name in os.listdir(folder))


@contextlib.contextmanager
def exclusive(folder: str) -> Iterator[None]:
    """Makes the folder and holds it for this process, until the end or a kill; ValueError where another one does."""
    try:
        os.makedirs(folder, exist_ok=True)
        lock = open(os.path.join(folder, _LOCK), "w")  # noqa: SIM115  # held as long as the block
    except OSError as error:
        raise OSError(f"cannot write to {folder}: {error.strerror}; choose another --output") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder} is being written by another process; wait for it or stop it") from None
        yield
