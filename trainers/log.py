"""The log of a run: one JSON object a line, each a step or a validation."""

import contextlib
import json
import os
from typing import Any, Self, TextIO

from curation import storage

NAME = "log.jsonl"


class Log:
    """Appends to the log of a run from after `step` on; lines of later steps, which are taken again, are dropped."""

    def __init__(self, run: str, *, step: int) -> None:
        path = os.path.join(run, NAME)
        kept = [line for line in read(run) if line["step"] <= step] if step else []
        with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.writelines(_line(entry) for entry in kept)
        self._path = path
        self._file: TextIO = open(path, "a", encoding="utf-8")  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # every line is flushed already, or its error was raised
            self._file.close()

    def write(self, kind: str, **fields: Any) -> None:
        """Appends one line, in the file before the next step starts."""
        try:
            self._file.write(_line({"kind": kind, **fields}))
            self._file.flush()
        except OSError as error:
            raise OSError(f"cannot write {self._path}: {error.strerror}; make room, then --resume the run") from error


def read(run: str) -> list[dict[str, Any]]:
    """The lines of a run's log; a last line that a kill cut short is left out."""
    path = os.path.join(run, NAME)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        try:
            lines = file.read().split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not a log of a run ({error}); remove it") from None
    entries = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            entries.append(json.loads(line))
            if not isinstance(entries[-1]["step"], int) or not isinstance(entries[-1]["kind"], str):
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError(f"{path}: line {number} is no entry of a log; remove the line or the file") from None
    return entries


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
