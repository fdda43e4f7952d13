"""Checkpoints: written beside their place, renamed when whole, verified before they are loaded."""

import contextlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from curation import manifest as manifests

FOLDER = "checkpoints"
ABOUT = "about.json"
_TEMPORARY = ".writing-"  # prefix of checkpoints that are not whole
_NAME = re.compile(r"step-(\d{8,})")


def saved(run: str) -> dict[int, str]:
    """The whole checkpoints of a run by step, oldest first."""
    folder = os.path.join(run, FOLDER)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = {int(match[1]): os.path.join(folder, name) for name in names if (match := _NAME.fullmatch(name))}
    return dict(sorted(found.items()))


def save(
    run: str,
    decoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    about: Mapping[str, Any],
    keep: int,
) -> str:
    """Writes the checkpoint of a step, then removes all but the newest `keep`; returns its path.

    Whatever kills it, what lies under a final name is whole. OSError with one sentence where storage refuses.
    """
    folder = os.path.join(run, FOLDER)
    path = os.path.join(folder, f"step-{step:08d}")
    temporary = os.path.join(folder, f"{_TEMPORARY}step-{step:08d}")
    model_state, optimizer_state = get_state_dict(decoder, optimizer)
    try:
        os.makedirs(folder, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        writer = FileSystemWriter(temporary, sync_files=True)
        with _alone():
            state_dict_saver.save(
                {"model": model_state, "optimizer": optimizer_state}, storage_writer=writer, no_dist=True
            )
        files = {name: manifests.sha256_of(os.path.join(temporary, name)) for name in sorted(os.listdir(temporary))}
        with open(os.path.join(temporary, ABOUT), "w", encoding="utf-8") as file:
            json.dump({"step": step, **about, "files": files}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _flush(temporary)
        os.rename(temporary, path)
        _flush(folder)
    except (OSError, CheckpointException) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        newest = max(saved(run), default=None)
        kept = "no checkpoint was saved before" if newest is None else f"the one of step {newest} is whole"
        raise OSError(
            f"cannot write the checkpoint {path}: {_cause(error)}; {kept}; "
            "make room or mend the permissions, then start again with --resume"
        ) from error
    for old in list(saved(run).values())[:-keep]:
        _discard(old)
    return path


def read_about(path: str) -> dict[str, Any]:
    """What a checkpoint says of itself: step, plan, corpus."""
    try:
        with open(os.path.join(path, ABOUT), encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a whole checkpoint ({error}); {_without(path)}") from None


def load(path: str, decoder: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Puts a checkpoint's weights and optimizer state in place, bit for bit; ValueError where a file has changed."""
    for name, expected in read_about(path)["files"].items():
        file = os.path.join(path, name)
        found = manifests.sha256_of(file) if os.path.isfile(file) else "missing"
        if found != expected:
            raise ValueError(f"{file} is damaged: its sha256 is {found}, expected {expected}; {_without(path)}")
    model_state, optimizer_state = get_state_dict(decoder, optimizer)
    with _alone():  # fills the tensors in place
        state_dict_loader.load({"model": model_state, "optimizer": optimizer_state}, checkpoint_id=path, no_dist=True)
    set_state_dict(decoder, optimizer, model_state_dict=model_state, optim_state_dict=optimizer_state)


def remove_unfinished(run: str) -> None:
    """Removes what a killed run left half-written or half-removed."""
    folder = os.path.join(run, FOLDER)
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.startswith(_TEMPORARY):
            shutil.rmtree(os.path.join(folder, name))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """torch warns that there is no process group even where no_dist says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield


def _discard(path: str) -> None:
    """Renames first, so that a checkpoint that is half removed does not look whole."""
    folder, name = os.path.split(path)
    doomed = os.path.join(folder, _TEMPORARY + name)
    with contextlib.suppress(OSError):  # an old checkpoint too many is no reason to stop
        os.rename(path, doomed)
        shutil.rmtree(doomed)


def _without(path: str) -> str:
    older = [step for step, other in saved(os.path.dirname(os.path.dirname(path))).items() if other < path]
    then = f"step {older[-1]}" if older else "the beginning"
    return f"remove that folder and run --resume again to continue from {then}"


def _cause(error: BaseException) -> str:
    if isinstance(error, CheckpointException):
        failures = [failure[0] if isinstance(failure, tuple) else failure for failure in error.failures.values()]
        return "; ".join(sorted({_cause(failure) for failure in failures}))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
