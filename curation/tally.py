"""Documents of one kind, counted as they come by: how many, how long, of which hosts, and a few of them to look at."""

import collections
import dataclasses
import hashlib
import heapq
from typing import Any, Generic, TypeVar

from curation import urls
from curation.tokens import Encoder

MEASURED = 2_000  # documents whose tokens are counted; of more, these tell how many tokens a character has
_SHOWN = 200  # characters of a sample
_BATCH, _BATCH_CHARACTERS = 256, 1 << 20  # texts that are encoded together

_T = TypeVar("_T")


class _Drawn(Generic[_T]):
    """The items with the smallest hashes of their ids, whatever the order they come in."""

    def __init__(self, count: int) -> None:
        self._count, self._heap, self._come = count, list[tuple[int, int, _T]](), 0

    def takes(self, number: int) -> bool:
        """Whether an item of this hash would be among them now."""
        return len(self._heap) < self._count or (self._count > 0 and number < -self._heap[0][0])

    def add(self, number: int, item: _T) -> None:
        """Takes an item where it is among them."""
        if self.takes(number):
            self._come += 1
            heapq.heappush(self._heap, (-number, self._come, item))
            if len(self._heap) > self._count:
                heapq.heappop(self._heap)

    def items(self) -> list[_T]:
        """By their hashes."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: -entry[0])]


@dataclasses.dataclass(frozen=True)
class Sample:
    """A document to look at, and what was decided on it."""

    id: str
    url: str
    step: str  # that rejects it in one of the two
    reason: str
    value: float | None
    text: str  # its start


class Tally:
    """Counts documents; their texts are not kept."""

    def __init__(self, encoder: Encoder, samples: int) -> None:
        self._encoder = encoder
        self.documents = 0
        self.characters = 0
        self.hosts = collections.Counter[str]()
        self._samples = _Drawn[Sample](samples)
        self._measured = _Drawn[tuple[int, int]](MEASURED)  # characters and tokens
        self._waiting: list[tuple[int, str]] = []
        self._size = 0

    def add(self, page: Any, verdict: Any, text: str) -> None:
        """Counts a page with its text; `verdict` has the step, reason and value that reject it in one of the two."""
        number = _hash(page.id)
        self.documents += 1
        self.characters += len(text)
        self.hosts[urls.host(page.url)] += 1
        if self._samples.takes(number):
            told = (verdict.step, verdict.reason, verdict.value)
            self._samples.add(number, Sample(page.id, page.url, *told, text[:_SHOWN]))
        if self._measured.takes(number):
            self._waiting.append((number, text))
            self._size += len(text)
            if len(self._waiting) >= _BATCH or self._size >= _BATCH_CHARACTERS:
                self._encode()

    def _encode(self) -> None:
        ids = self._encoder.encode([text for _, text in self._waiting])
        for (number, text), tokens in zip(self._waiting, ids, strict=True):
            self._measured.add(number, (len(text), len(tokens)))
        self._waiting, self._size = [], 0

    @property
    def is_estimate(self) -> bool:
        """Whether `tokens` is told by a sample."""
        return self.documents > MEASURED

    @property
    def tokens(self) -> int:
        """With the end of each document, as shards have them."""
        self._encode()
        measured = self._measured.items()
        tokens = sum(tokens for _, tokens in measured)
        if not self.is_estimate:
            return tokens
        return round(tokens * self.characters / max(sum(characters for characters, _ in measured), 1))

    @property
    def samples(self) -> list[Sample]:
        """Those with the smallest hashes of their ids."""
        return self._samples.items()


def _hash(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode("utf-8", "replace"), digest_size=8).digest(), "big")
