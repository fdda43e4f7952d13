"""What a run is: its settings, corpora, plan and machine, in `run.json`, written before its first step."""

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from curation import storage
from trainers import log
from trainers.models.sizes import SIZES
from trainers.plan import Plan
from trainers.settings import Settings

FORMAT_VERSION = 2
NAME = "run.json"
TOKENIZER = "tokenizer.json"  # a copy, so that what is trained can be used without the corpus
TOMBSTONES = "tombstones.jsonl"  # a copy, so that one that is added later does not change the plan
_LOCK = ".lock"


@dataclasses.dataclass(frozen=True)
class Source:
    """One corpus of a run."""

    path: str  # absolute
    sha256: str  # of what a trainer reads
    manifest_sha256: str
    recipe: str  # its name
    documents: int  # read in an epoch, repetitions counted
    tokens: int  # the same
    requested: float  # share of the tokens
    achieved: float
    repeats: float  # times the whole corpus


@dataclasses.dataclass(frozen=True)
class Run:
    """The contents of `run.json`."""

    settings: Settings
    sources: tuple[Source, ...]
    plan: Plan
    vocab_size: int
    end_of_text_id: int
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


def as_json(settings: Settings) -> dict[str, Any]:
    """The settings as JSON gives them back, with lists for tuples."""
    return dict(json.loads(json.dumps(dataclasses.asdict(settings))))


def load(folder: str) -> Run:
    """The run in `folder`; ValueError where there is none or this version cannot continue it."""
    path = os.path.join(folder, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} holds no run: {path} does not exist; give the --output of a run") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); the run is damaged: start another one") from None
    try:
        if found.pop("format_version") != FORMAT_VERSION:
            raise ValueError("another format_version")
        digest = found.pop("plan_sha256")
        plan = Plan(**found.pop("plan"))
        if plan.sha256 != digest:
            raise ValueError("its plan is not the one of plan_sha256")
        sources = tuple(_typed(Source, source) for source in found.pop("sources"))
        run = Run(settings=_typed(Settings, found.pop("settings")), sources=sources, plan=plan, **found)
        _check(run)
        return run
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a run of this version ({error}); use the version that wrote it, or start another run"
        ) from None


Record = TypeVar("Record", Settings, Source)


def _typed(kind: type[Record], found: Mapping[str, Any]) -> Record:
    """A record whose fields have the types that they should have; JSON has lists for tuples."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    for name, expected in get_type_hints(kind).items():
        value, origin = values[name], get_origin(expected)
        if origin is Literal:
            fits = value in get_args(expected)
        else:
            fits = isinstance(value, (int, float) if expected is float else origin or expected)
            fits &= expected is bool or not isinstance(value, bool)
        if not fits:
            raise ValueError(f"its {name} is {value!r}")
    return kind(**values)


def _check(run: Run) -> None:
    """ValueError where parts of a record do not fit each other."""
    settings, plan = run.settings, run.plan
    for name in ("seed", "batch_rows", "sequence_length", "order"):
        if getattr(plan, name) != getattr(settings, name):
            raise ValueError(f"its plan has another {name} than its settings")
    if settings.size not in SIZES:
        raise ValueError(f"its size is {settings.size!r}")
    if not run.sources or not all(isinstance(weight, int | float) for weight in settings.weights):
        raise ValueError("it has no sources, or weights that are none")
    if type(run.vocab_size) is not int or type(run.end_of_text_id) is not int:
        raise ValueError("its vocab_size or its end_of_text_id is no whole number")
    if not 0 <= run.end_of_text_id < run.vocab_size:
        raise ValueError(f"its end_of_text_id is {run.end_of_text_id} of a vocab_size of {run.vocab_size}")
    if not all(isinstance(each, dict) for each in (run.model, run.versions, run.machine)):
        raise ValueError("its model, versions or machine is no object")


def remove_unfinished(folder: str) -> None:
    """Removes what a killed process was writing."""
    for name in os.listdir(folder):
        if name.startswith(".writing-"):
            os.remove(os.path.join(folder, name))


def undo(folder: str) -> None:
    """Removes the record of a run that took no step, so that another may be started in its place."""
    if not any(entry["kind"] == "step" for entry in log.read(folder)):
        for name in (NAME, log.NAME, TOKENIZER, TOMBSTONES):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name))


def is_unused(folder: str) -> bool:
    """Whether a new run may be written there: nothing is, but for what a killed start leaves."""
    return all(name in (_LOCK, TOKENIZER, TOMBSTONES) or name.startswith(".writing-") for name in os.listdir(folder))


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
