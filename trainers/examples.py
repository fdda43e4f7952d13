"""Labelled examples from JSON lines: what a pre-trained model is fine-tuned on."""

import dataclasses
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import zstandard

FIELDS = {"classify": ("text", "label"), "prompts": ("prompt", "answer")}  # by task: what is read, what is wanted


@dataclasses.dataclass(frozen=True)
class Example:
    """A line of a file: the text that is read, and the label or answer that is wanted."""

    line: int  # from 1
    text: str
    wanted: str


@dataclasses.dataclass(frozen=True)
class Source:
    """A file of examples."""

    path: str
    sha256: str  # of its bytes
    examples: tuple[Example, ...]


@dataclasses.dataclass(frozen=True)
class Data:
    """The examples to learn from and those to validate with."""

    source: Source
    validation: Source | None  # None where a share of the source is held out
    learned: Sequence[Example]
    held_out: Sequence[Example]

    @property
    def in_both(self) -> int:
        """Examples to validate with whose text is among those to learn from."""
        texts = {example.text for example in self.learned}
        return sum(example.text in texts for example in self.held_out)

    def described(self) -> dict[str, Any]:
        """The files and their digests, as JSON."""
        sides = {"learned": (self.source, self.learned), "held_out": (self.validation or self.source, self.held_out)}
        files = {
            name: {"path": os.path.abspath(source.path), "sha256": source.sha256, "examples": len(examples)}
            for name, (source, examples) in sides.items()
        }
        return {**files, "in_both": self.in_both}


def load(path: str, validation: str | None, *, share: float, task: str) -> Data:
    """The examples of one file or two; without a second one a share is held out. ValueError where a side is empty."""
    source = read(path, task=task)
    if validation:
        other = read(validation, task=task)
        return Data(source, other, source.examples, other.examples)
    learned, held_out = split(source.examples, share)
    if not learned or not held_out:
        raise ValueError(
            f"{path} has {len(source.examples)} examples, and {len(held_out)} of them would be held out to validate "
            "with; give more examples, another --validation-share, or --validation"
        )
    return Data(source, None, learned, held_out)


def read(path: str, *, task: str) -> Source:
    """The examples of a file, plain, .gz or .zst; ValueError where a line is not as it should be, or there is none."""
    given, wanted = FIELDS[task]
    with open(path, "rb") as file:
        content = file.read()
    found = []
    try:
        for number, line in enumerate(_unpacked(path, content).decode("utf-8-sig").split("\n"), 1):
            if line.strip():
                found.append(_example(line, number, given=given, wanted=wanted))
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"{path} cannot be unpacked ({error}); copy it again") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}); write it as UTF-8") from None
    except _LineError as error:
        raise ValueError(f"{path}, {error}") from None
    if not found:
        raise ValueError(f'{path} is empty: expected a line {{"{given}": "…", "{wanted}": "…"}} for each example')
    return Source(path, hashlib.sha256(content).hexdigest(), tuple(found))


def split(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Those to learn from and those held out, about `share` of them, by a hash of the text.

    Neither their order nor other examples matter, and equal texts are on the same side.
    """
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        number = int.from_bytes(hashlib.blake2b(example.text.encode(), digest_size=8).digest(), "big")
        parts[number < share * 2**64].append(example)
    return parts


class _LineError(Exception):
    """What is wrong with which line."""


def _unpacked(path: str, content: bytes) -> bytes:
    """EOFError where it ends too early, which zstandard's own reader passes over."""
    if path.endswith(".gz"):
        return gzip.decompress(content)
    if not path.endswith(".zst"):
        return content
    parts = []
    while content:
        frame = zstandard.ZstdDecompressor().decompressobj()
        parts.append(frame.decompress(content))
        if not frame.eof:
            raise EOFError("it ends in the middle of a frame")
        content = frame.unused_data
    return b"".join(parts)


def _example(line: str, number: int, *, given: str, wanted: str) -> Example:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _LineError(f"line {number} is not JSON ({error}); write one object a line") from None
    if not isinstance(fields, dict):
        raise _LineError(f'line {number} is no object; expected {{"{given}": "…", "{wanted}": "…"}}')
    values = dict(_texts(fields, number, (given, wanted)))
    return Example(number, values[given], values[wanted])


def _texts(fields: dict[str, Any], number: int, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in fields:
            there = ", ".join(sorted(fields)[:5]) or "nothing"
            raise _LineError(f'line {number} has no "{name}", found {there}; every line needs {" and ".join(names)}')
        value = fields[name]
        if name == "label" and isinstance(value, int):  # true and false are numbers here, too
            value = json.dumps(value)
        if not isinstance(value, str):
            kinds = "a text or a whole number" if name == "label" else "a text"
            raise _LineError(f'line {number}: "{name}" is {json.dumps(value)[:40]}, expected {kinds}; change it')
        if not value.strip():
            raise _LineError(f'line {number}: "{name}" is empty; fill it in or leave the line out')
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise _LineError(f'line {number}: "{name}" has half of a surrogate pair, which is no text; mend the line')
        yield name, value
