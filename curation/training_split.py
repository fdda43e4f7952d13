"""Good and other texts, each once, in an order that neither files nor rows decide, and which of them are held out."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from curation import classify, training_texts, urls
from curation.training_texts import Fields, TrainingFile


@dataclasses.dataclass(frozen=True)
class Example:
    """A text that lies in the spool, as it is trained on."""

    digest: bytes  # of the text
    group: str  # its host, which is held out whole
    is_positive: bool
    is_held_out: bool
    offset: int  # in the spool, bytes
    length: int  # bytes
    num_characters: int


@dataclasses.dataclass
class Counts:
    """What became of the rows; all that are not trained on and not held out."""

    rows: int = 0
    without_text: int = 0  # dropped: nothing but white space
    repeated: int = 0  # dropped: the text of another row of its class
    on_both_sides: int = 0  # dropped: rows of texts that are positive here and negative there
    without_url: int = 0  # kept: held out, or not, by their own text


@dataclasses.dataclass
class Examples:
    """The texts of all files, in a file of their own, since they may be more than memory holds."""

    spool: BinaryIO
    held_out: float  # of hosts
    fields: Fields = dataclasses.field(default_factory=Fields)
    counts: Counts = dataclasses.field(default_factory=Counts)
    _found: list[Example] = dataclasses.field(default_factory=list)

    def add(self, path: str, *, is_positive: bool) -> TrainingFile:
        """Reads a file."""
        file = training_texts.read(path, self.fields, functools.partial(self._add, is_positive))
        self.counts.rows += file.rows
        return file

    def _add(self, is_positive: bool, content: str, url: str) -> None:
        text = classify.normalised(content)
        if not text.strip():
            self.counts.without_text += 1
            return
        line = text.encode()
        digest = hashlib.sha256(line).digest()
        group = urls.host(url) if url else digest.hex()
        is_held_out = urls.is_validation(url or group, self.held_out)
        place = self.spool.tell()
        self._found.append(Example(digest, group, is_positive, is_held_out, place, len(line), len(text)))
        self.counts.without_url += not url
        self.spool.write(line)

    def each_once(self, seed: int) -> list[Example]:
        """One example for each text, by a hash of it; ValueError where one class has none to train on, or to hold out.

        Of a text that several hosts have, the first of these in the alphabet counts.
        """
        found: list[Example] = []
        self._found.sort(key=lambda example: (example.digest, example.group, example.is_positive))
        for _, same in itertools.groupby(self._found, lambda example: example.digest):
            first, *others = same
            if any(other.is_positive != first.is_positive for other in others):
                self.counts.on_both_sides += 1 + len(others)
                continue
            self.counts.repeated += len(others)
            found.append(first)
        key = f"{seed}:".encode()
        found.sort(key=lambda example: hashlib.sha256(key + example.digest).digest())
        self._check(found)
        return found

    def texts(self, examples: Iterable[Example]) -> Iterator[str]:
        """The texts of examples, in their order."""
        for example in examples:
            self.spool.seek(example.offset)
            yield self.spool.read(example.length).decode()

    def write(self, path: str, examples: Sequence[Example]) -> None:
        """The file that fastText is trained on: a line for each example, its label first."""
        with open(path, "wb") as file:
            for example, text in zip(examples, self.texts(examples), strict=True):
                label = classify.HIGH if example.is_positive else classify.LOW
                file.write(f"{label} {text}\n".encode())

    def _check(self, found: Sequence[Example]) -> None:
        for flag, is_positive in (("--positive", True), ("--negative", False)):
            mine = [example for example in found if example.is_positive == is_positive]
            if not mine:
                counts = ", ".join(f"{name} {count:,}" for name, count in vars(self.counts).items() if count)
                raise ValueError(f"{flag}: no text is left to train on ({counts}); give files with other texts")
            held = sum(example.is_held_out for example in mine)
            if held in (0, len(mine)):
                hosts = len({example.group for example in mine})
                raise ValueError(
                    f"--held-out {self.held_out:g} takes {held:,} of {len(mine):,} texts of {flag}, which lie on "
                    f"{hosts:,} hosts that stay together; give texts of more hosts, or another share"
                )
