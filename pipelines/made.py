"""What is already there: whether an output was made by this run, by one just like it, or by another."""

from collections.abc import Callable, Sequence

from curation import shards, storage
from pipelines.run import Run

_FOLDERS = ("filtered", "documents", "rejected", "tokens")
_NAMES = {*_FOLDERS, "tokenizer.json", "manifest.json", "work"}


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


def check_output(run: Run) -> None:
    """Refuses an output folder that is no unfinished corpus of this run; ValueError says what is in the way."""
    if not storage.exists(run.output):
        return
    if storage.is_file(run.output):
        raise ValueError(f"--output {run.output} is a file; choose a folder")
    names = storage.listing(run.output)
    if strange := [name for name in names if name not in _NAMES]:
        raise ValueError(
            f"--output {run.output} holds {strange[0]}, which is no part of a corpus; choose an empty or new folder"
        )
    if "manifest.json" in names:
        raise ValueError(
            f"--output {run.output} already holds a finished corpus; choose another folder, or pass --overwrite"
        )
    for folder in _FOLDERS:
        expected = set(_expected(run, folder))
        if strange := sorted(set(storage.listing(storage.join(run.output, folder))) - expected):
            raise ValueError(
                f"{storage.join(run.output, folder, strange[0])} was made by a run over other input; "
                "choose another --output, or pass --overwrite to remove what is there"
            )


def clear(run: Run) -> None:
    """Removes every file of a corpus, and nothing else, from the output folder."""
    for name in sorted(_NAMES & set(storage.listing(run.output))):
        storage.remove(storage.join(run.output, name))


def check_writable(run: Run) -> None:
    """Fails now rather than after hours where the output cannot be written."""
    path = storage.join(run.output, "work", "writable")
    with storage.publish(path) as temporary, open(temporary, "wb"):
        pass
    storage.remove(path)


def remove_unfinished(run: Run) -> None:
    """Removes what a killed run left half-written."""
    for folder in (run.output, *(storage.join(run.output, name) for name in _FOLDERS)):
        storage.remove_unfinished(folder)


def _expected(run: Run, folder: str) -> list[str]:
    if folder == "tokens":
        paths = [run.shard(task, split) for task in run.shard_tasks for split in shards.SPLITS]
    else:
        makers = {"filtered": [run.filtered], "documents": [run.documents], "rejected": [run.rejected, run.duplicates]}
        paths = [make(task.number) for make in makers[folder] for task in run.tasks]
    return [storage.base_name(path) for path in paths]
