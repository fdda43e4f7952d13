"""What the trainers' commands have in common: numbers on the command line, and how a command ends."""

import argparse
import io
import math
import os
import signal
import sys
from collections.abc import Callable

from trainers.table import escaped


def carried_out(
    name: str, args: argparse.Namespace, work: Callable[[], int], *, memory: str, interrupted: str = ""
) -> int:
    """The exit code of `work`; whatever a user can mend is one sentence, and `memory` says what needs less of it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show every letter
    try:
        check_text(args)
        return work()
    except BrokenPipeError:  # the reader has seen enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"trainers.{name}: interrupted{interrupted and '; '}{interrupted}", file=sys.stderr)
        return 128 + signal.SIGINT
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    except ValueError as error:
        reason = str(error)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = f"there is not enough memory; {memory}"
    print(f"trainers.{name}: {escaped(reason)}", file=sys.stderr)
    return 1


def is_out_of_memory(error: Exception) -> bool:
    """Whether a GPU or the machine had no memory left; torch says the latter by the name of its allocator alone."""
    torch = sys.modules.get("torch")  # who never loaded it cannot have its errors
    return (
        isinstance(error, MemoryError)
        or (torch is not None and isinstance(error, torch.OutOfMemoryError))
        or "DefaultCPUAllocator" in str(error)
    )


def tell(text: str) -> None:
    """Prints what a long command is at, whether or not somebody still reads it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show(text: str) -> int:
    """Prints a text, and returns the exit code."""
    print(text, flush=True)
    return 0


def check_device(device: str) -> None:
    """ValueError where a GPU is asked for and there is none."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no GPU here; leave the flag out to use the CPU")


def check_text(args: argparse.Namespace) -> None:
    """ValueError where an argument is not text, as bytes of a file's name may not be."""
    for name, value in vars(args).items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and any("\ud800" <= letter <= "\udfff" for letter in each):
                raise ValueError(
                    f"--{name.replace('_', '-')} {each!r}: expected text in UTF-8; write it so, or rename it"
                )


def whole(least: int, most: int = 1 << 62) -> Callable[[str], int]:
    """Whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
            up = f" and at most {most}" if most < 1 << 62 else ""
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}{up}, found {text[:40]!r}")
        return int(text)

    return parse


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


def number(text: str) -> float:
    """A number of at least 0."""
    try:
        return abs(float(text)) if float(text) == 0 else positive(text)
    except ValueError:
        return positive(text)


def share(text: str) -> float:
    """A number above 0 and below 1."""
    if (value := positive(text)) >= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and below 1, found {text!r}")
    return value
