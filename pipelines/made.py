"""What is already there: whether an output was made by this run, by one just like it, or by another."""

import contextlib
import fcntl
import re
from collections.abc import Callable, Iterator, Sequence

from curation import shards, storage
from pipelines.run import Run

_PART = r"part-\d{5,}-of-\d{5,}"
_FOLDERS = {
    "filtered": re.compile(rf"{_PART}\.parquet"),
    "documents": re.compile(rf"{_PART}\.parquet"),
    "rejected": re.compile(rf"{_PART}(?:-duplicates)?\.parquet"),
    "rejected_texts": re.compile(rf"{_PART}(?:-duplicates)?\.parquet"),
    "cuts": re.compile(rf"{_PART}\.parquet"),
    "contamination": re.compile(rf"{_PART}\.parquet"),
    "tokens": re.compile(r"(?:train|validation)-\d{5,}-of-\d{5,}\.arrow"),
}
_NAMES = {*_FOLDERS, "tokenizer.json", "contamination.json", "manifest.json", "work"}


def all_made(paths: Sequence[str], fingerprint_of: Callable[[str], str | None], expected: str) -> bool:
    """Whether all files are there and made as `expected`; ValueError where another run made one."""
    found = [fingerprint_of(path) for path in paths]
    for path, fingerprint in zip(paths, found, strict=True):
        if fingerprint not in (None, expected):
            raise ValueError(
                f"{path} was made by another run (other input, recipe, flags or version); "
                "choose another --output, or pass --overwrite to remove what is there"
            )
    return None not in found


def check_output(run: Run, *, overwrite: bool) -> None:
    """Refuses an output folder that is no unfinished corpus of this run; ValueError says what is in the way.

    With `overwrite` any corpus may be there, but still nothing else.
    """
    if not storage.exists(run.output):
        return
    if storage.is_file(run.output):
        raise ValueError(f"--output {run.output} is a file; choose a folder")
    names = storage.listing(run.output)
    strange = [name for name in names if name not in _NAMES]
    for folder in sorted(_FOLDERS.keys() & set(names)):
        held = storage.listing(storage.join(run.output, folder))
        strange += [f"{folder}/{name}" for name in held if not _FOLDERS[folder].fullmatch(name)]
    if strange:
        raise ValueError(
            f"--output {run.output} holds {strange[0]}, which is no part of a corpus; choose an empty or new folder"
        )
    if overwrite:
        return
    if "manifest.json" in names:
        raise ValueError(
            f"--output {run.output} already holds a finished corpus; choose another folder, or pass --overwrite"
        )
    for folder in _FOLDERS:
        if others := sorted(set(storage.listing(storage.join(run.output, folder))) - set(_expected(run, folder))):
            raise ValueError(
                f"{storage.join(run.output, folder, others[0])} was made by a run over other input; "
                "choose another --output, or pass --overwrite to remove what is there"
            )


def clear(run: Run) -> None:
    """Removes a corpus whose folder `check_output` has passed: the manifest first, so that it is none from then on."""
    for name in ("manifest.json", "tokenizer.json", "contamination.json", *_FOLDERS, "work"):
        storage.remove(storage.join(run.output, name))


@contextlib.contextmanager
def locked(run: Run) -> Iterator[None]:
    """Keeps a second run out of a folder on local disk; ValueError where one is at work. It ends with the process."""
    if not storage.is_local(run.output):
        yield
        return
    with storage.publish(storage.join(run.output, "work", "writable")) as temporary, open(temporary, "wb"):
        pass  # fails now rather than after hours where the output cannot be written
    with alone(
        storage.join(run.output, "work", "lock"),
        f"another run is at work in {run.output}; wait for it, or choose another --output",
    ):
        yield


@contextlib.contextmanager
def alone(path: str, refusal: str) -> Iterator[None]:
    """Holds a file on local disk as a lock, in a folder that is there; ValueError where another process does."""
    with open(path.removeprefix("file://"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(refusal) from None
        yield


def remove_unfinished(run: Run) -> None:
    """Removes what a killed run left half-written, and what another said of archives that it could not read."""
    storage.remove(storage.join(run.output, "work", "failed"))
    storage.remove_unfinished(run.output)


def _expected(run: Run, folder: str) -> list[str]:
    paths: list[str | None]
    if folder == "tokens":
        paths = [run.shard(task, split) for task in run.shard_tasks for split in shards.SPLITS]
    else:
        makers: dict[str, list[Callable[[int], str | None]]] = {
            "filtered": [run.filtered],
            "documents": [run.documents],
            "rejected": [run.rejected, run.duplicates],
            "rejected_texts": [run.rejected_texts, run.later_texts],
            "cuts": [run.cuts],
            "contamination": [run.overlaps],
        }
        paths = [make(task.number) for make in makers[folder] for task in run.tasks]
    return [storage.base_name(path) for path in paths if path is not None]
