"""Lines, or sentences, that stand on many pages: one page keeps each, and the others are written anew without them."""

import dataclasses
import hashlib
from collections.abc import Collection, Iterator
from typing import ClassVar

import numpy as np

from curation import punkt
from curation.dedup.paragraph_key import paragraph_key
from curation.document import Document
from curation.rules import limits

# A line's key, what decides which page keeps it (the smallest), and where it stands.
LINE = np.dtype([("key", "<u8", 2), ("rank", "<u8", 2), ("document", "<i8"), ("line", "<i4")])
DROP = np.dtype([("document", "<i8"), ("line", "<i4"), ("is_local", "?")])


@dataclasses.dataclass(frozen=True)
class RepeatedLines:
    """Keeps a line, but for white space and case, only on the page whose URL has the smallest md5, and there once.

    tensorflow_datasets 3.1.0, c4_utils.py (remove_duplicate_text). Blank lines are left alone. Documents get the
    signals `global_duplicate_lines` and `local_duplicate_lines`: how many they lost to another page, and to themselves.
    """

    UNIT: ClassVar[str] = "lines"


@dataclasses.dataclass(frozen=True)
class RepeatedParagraphs:
    """Keeps a paragraph, as CCNet normalises it, only where it stands first, by id and line.

    Wenzek et al. 2019 (https://arxiv.org/abs/1911.00359), cc_net/dedup.py, which compares each shard with 50 others at
    a time; here all parts are compared. Signals `global_duplicate_paragraphs` and `local_duplicate_paragraphs`.
    """

    UNIT: ClassVar[str] = "paragraphs"


@dataclasses.dataclass(frozen=True)
class SentenceSpans:
    """Drops all but the first, by id and place, of any sentences in a row that stand more than once.

    Raffel et al. 2020 (https://jmlr.org/papers/v21/20-074.html, section 2.2), for three sentences, as Punkt finds them,
    the same to the last character. Signals `global_duplicate_spans` and `local_duplicate_spans`.
    """

    UNIT: ClassVar[str] = "spans"

    length: int = 3  # sentences

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "length")


Lines = RepeatedLines | RepeatedParagraphs | SentenceSpans


def keys(step: Lines, document: Document, number: int) -> Iterator[tuple[tuple[int, int], tuple[int, int], int, int]]:
    """The LINE of each line of a document that is not blank, or of each span of sentences."""
    rank = _pair(_md5(document.url)) if isinstance(step, RepeatedLines) else (0, 0)
    for place, digest in _digests(step, document.text):
        yield _pair(digest), rank, number, place


def _digests(step: Lines, text: str) -> Iterator[tuple[int, bytes]]:
    if isinstance(step, SentenceSpans):
        found = [sentence for line in text.split("\n") for sentence in punkt.sentences(line)]
        for place in range(len(found) - step.length + 1):
            yield place, _md5("\n".join(found[place : place + step.length]))
        return
    for place, line in enumerate(text.split("\n")):
        if content := line.strip():
            yield place, _md5(content.lower()) if isinstance(step, RepeatedLines) else paragraph_key(line)


def drops(found: np.ndarray) -> np.ndarray:
    """The lines to drop, DROP[n], of the LINE[k] of one partition."""
    key, rank = found["key"], found["rank"]
    order = np.lexsort((found["line"], found["document"], rank[:, 1], rank[:, 0], key[:, 1], key[:, 0]))
    found = found[order]
    starts = np.ones(len(found), bool)
    starts[1:] = (found["key"][1:] != found["key"][:-1]).any(axis=1)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(found)), 0))
    result = np.empty(len(found), DROP)
    result["document"], result["line"] = found["document"], found["line"]
    result["is_local"] = found["document"] == found["document"][first]
    return result[~starts]


def without(step: Lines, text: str, places: Collection[int]) -> str:
    """The text without the lines, or the spans of sentences, at these places."""
    if not isinstance(step, SentenceSpans):
        return "\n".join(line for place, line in enumerate(text.split("\n")) if place not in places)
    gone = {place + number for place in places for number in range(step.length)}
    lines, first = [], 0
    for line in text.split("\n"):
        sentences = punkt.sentences(line)
        kept = [sentence for place, sentence in enumerate(sentences, first) if place not in gone]
        first += len(sentences)
        if len(kept) == len(sentences):
            lines.append(line)
        elif kept:
            lines.append(" ".join(kept))
    return "\n".join(lines)


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).digest()


def _pair(digest: bytes) -> tuple[int, int]:
    """A digest as two numbers whose order is that of its hex."""
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
