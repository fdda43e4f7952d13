"""What commands that show a crawl print: nothing that it holds reaches the terminal raw."""

import dataclasses
import datetime
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from curation import storage

CELL = 60  # characters of a name that are shown


def serve(command: Callable[[], int], *, failed: int) -> int:
    """Runs a command and returns its exit status, which is `failed` where it raises what a user can mend."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show every letter
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        say_error(error)
        return failed
    return status


def show(lines: Iterable[str]) -> None:
    """Prints line by line."""
    for line in lines:
        print(escaped(line))


def say_error(error: Exception) -> None:
    """One line on what went wrong."""
    message = error.args[-1] if isinstance(error, storage.StorageError) else error
    print(f"error: {escaped(str(message))}", file=sys.stderr)


def escaped(text: str) -> str:
    """A text without anything that a terminal would act upon: control and formatting characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(text: str, width: int = CELL) -> str:
    """A text in one line of at most `width` characters."""
    text = escaped(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def block(text: str, limit: int | None) -> Iterator[str]:
    """What the crawl holds, line by line behind a bar, which tells it from what is said about it."""
    text = text.rstrip("\r\n")
    for line in text[:limit].split("\n") if text else ():
        yield "| " + line.removesuffix("\r")
    if limit is not None and len(text) > limit:
        yield f"… {len(text) - limit:,} more characters; --full shows all"


def as_json(value: Mapping[str, Any]) -> str:
    """One line of ASCII, valid for every parser."""
    return json.dumps(_parsable(value), default=float)


def _parsable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half a surrogate pair, which few parsers take
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        return {_parsable(str(name)): _parsable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_parsable(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.datetime) else value
