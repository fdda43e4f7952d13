"""Checkpoints: written beside their place in the background, renamed when whole, verified before they are loaded.

All ranks write their parts into one folder, and any number of ranks reads it again, sharded or not.
"""

import concurrent.futures
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict, state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from curation import manifest as manifests
from trainers.checkpoints import ABOUT, FOLDER, TEMPORARY, discard, read_about, saved, without
from trainers.optimizer import Optimizers
from trainers.parallel import ALONE, World, gather_all

T = TypeVar("T")


class Saver:
    """Saves a run's checkpoints in the background; every rank has one and calls it at the same steps.

    Kept are the newest `keep` of those at every `every`-th step, all that are newer, and for good those whose step is a
    multiple of `keep_every`, where that is not 0. So one that a stop or a signal asked for displaces none.
    """

    def __init__(
        self,
        run: str,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | Optimizers,
        *,
        world: World = ALONE,
        keep: int = 2,
        keep_every: int = 0,
        every: int = 1,
    ) -> None:
        assert keep >= 1 and every >= 1, (keep, every)
        self._run, self._model, self._parts, self._world = run, model, _parts(optimizer), world
        self._keep, self._keep_every, self._every = keep, keep_every, every
        # A group of its own: the training's messages and these cross in time, and gloo tells them apart by order alone.
        self._group = dist.new_group(backend="gloo") if world.size > 1 else None
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: concurrent.futures.Future[None] | None = None

    def save(self, step: int, about: Mapping[str, Any]) -> str:
        """Copies the state of a step and writes it behind; returns the path that it will have.

        First waits for the checkpoint before, and raises what befell it. Whatever kills it, what lies under a final
        name is whole. OSError with one sentence where storage refuses.
        """
        self.wait()
        folder = os.path.join(self._run, FOLDER)
        path, temporary = (os.path.join(folder, f"{prefix}step-{step:08d}") for prefix in ("", TEMPORARY))

        def prepare() -> None:
            if self._world.rank == 0:
                os.makedirs(folder, exist_ok=True)
                shutil.rmtree(temporary, ignore_errors=True)

        self._agree(prepare, path, temporary)
        model_state, optimizer_state = state_dict.get_state_dict(self._model, self._parts)
        _be_quiet_alone()
        written = state_dict_saver.async_save(
            {"model": model_state, "optimizer": optimizer_state},
            storage_writer=FileSystemWriter(temporary, sync_files=True),
            process_group=self._group,
            no_dist=self._group is None,
        )
        assert isinstance(written, concurrent.futures.Future)  # the other kind answers a staging that is asynchronous
        self._pending = self._thread.submit(self._finish, written, {"step": step, **about}, path, temporary)
        return path

    def wait(self) -> None:
        """Returns when the last checkpoint is in its place; OSError where it could not be written."""
        if pending := self._pending:
            self._pending = None
            pending.result()

    def _finish(
        self, written: concurrent.futures.Future[Any], about: Mapping[str, Any], path: str, temporary: str
    ) -> None:
        """Waits for the files, describes them, and gives the folder its name; in the background, on every rank."""

        def digests() -> dict[str, str]:
            written.result()  # of every rank's files
            mine = [name for name in os.listdir(temporary) if _rank_of(name) == self._world.rank]
            return {name: manifests.sha256_of(os.path.join(temporary, name)) for name in mine}

        parts = self._agree(digests, path, temporary)

        def name_it() -> None:
            if self._world.rank == 0:
                files = dict(sorted(file for part in parts for file in part.items()))
                with open(os.path.join(temporary, ABOUT), "w", encoding="utf-8") as file:
                    json.dump({**about, "files": files}, file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                _flush(temporary)
                os.rename(temporary, path)
                _flush(os.path.dirname(path))
                kept = saved(self._run)
                regular = [step for step in kept if step % self._every == 0]
                for step in list(kept) if len(regular) >= self._keep else []:
                    if step < regular[-self._keep] and not (self._keep_every and step % self._keep_every == 0):
                        discard(kept[step])

        self._agree(name_it, path, temporary)

    def _agree(self, work: Callable[[], T], path: str, temporary: str) -> list[T]:
        """What the work returns on each rank, by rank; OSError on all of them where storage refused one."""
        result, problem, cause = None, "", None
        try:
            result = work()
        except (OSError, CheckpointException) as error:
            problem, cause = _cause(error), error
        found: list[tuple[Any, str]] = gather_all((result, problem), self._world, group=self._group)
        if not (problems := sorted({problem for _, problem in found if problem})):
            return [result for result, _ in found]
        if self._world.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
        newest = max(saved(self._run), default=None)
        kept = "no checkpoint was saved before" if newest is None else f"the one of step {newest} is whole"
        raise OSError(
            f"cannot write the checkpoint {path}: {'; '.join(problems)}; {kept}; "
            "make room or mend the permissions, then start again with --resume"
        ) from cause


def load(path: str, model: nn.Module, optimizer: torch.optim.Optimizer | Optimizers, *, world: World = ALONE) -> None:
    """Puts a checkpoint's weights and optimizer state in place, bit for bit; ValueError where a file has changed.

    Every rank calls it; there may be more or fewer than when it was saved, and sharded otherwise.
    """
    _verify(path, world)
    model_state, optimizer_state = state_dict.get_state_dict(model, _parts(optimizer))
    _be_quiet_alone()
    # Fills the tensors in place.
    state_dict_loader.load(
        {"model": model_state, "optimizer": optimizer_state}, checkpoint_id=path, no_dist=world.size == 1
    )
    state_dict.set_state_dict(model, _parts(optimizer), model_state_dict=model_state, optim_state_dict=optimizer_state)


def load_weights(path: str, model: nn.Module) -> None:
    """Puts a checkpoint's weights into a model of this process alone, whatever ranks saved it; ValueError as `load`."""
    _verify(path, ALONE)
    model_state = state_dict.get_model_state_dict(model)
    _be_quiet_alone()
    state_dict_loader.load({"model": model_state}, checkpoint_id=path, no_dist=True)
    state_dict.set_model_state_dict(model, model_state)


def remove_unfinished(run: str) -> None:
    """Removes what a killed run left half-written or half-removed; on rank 0, before any rank saves."""
    folder = os.path.join(run, FOLDER)
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.startswith(TEMPORARY):
            shutil.rmtree(os.path.join(folder, name))


def _parts(optimizer: torch.optim.Optimizer | Optimizers) -> tuple[torch.optim.Optimizer, ...]:
    return optimizer.parts if isinstance(optimizer, Optimizers) else (optimizer,)


def _rank_of(name: str) -> int:
    """The rank that wrote a file of a checkpoint: `__3_0.distcp` is of rank 3, `.metadata` of rank 0."""
    match = re.match(r"__(\d+)_", name)
    return int(match[1]) if match else 0


def _verify(path: str, world: World) -> None:
    """ValueError on every rank where a file is not as it was saved; each rank reads its share of them."""
    problem = ""
    for name, expected in list(read_about(path)["files"].items())[world.rank :: world.size]:
        file = os.path.join(path, name)
        found = manifests.sha256_of(file) if os.path.isfile(file) else "missing"
        if found != expected:
            problem = f"{file} is damaged: its sha256 is {found}, expected {expected}; {without(path)}"
            break
    if problems := [problem for problem in gather_all(problem, world) if problem]:
        raise ValueError(problems[0])


def _be_quiet_alone() -> None:
    """torch warns that there is no process group even where no_dist says so."""
    warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)


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
