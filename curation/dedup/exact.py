"""Documents with the same text."""

import dataclasses

import xxhash

from curation.dedup import keeping
from curation.dedup.shingles import normalize
from curation.rules import limits


@dataclasses.dataclass(frozen=True)
class ExactDuplicates:
    """Keeps one of the documents whose text is the same to the last byte, or the same once it is normalised.

    `normalized` compares lower-cased texts without punctuation, accents and white space that differs, numbers as 0
    (datatrove 0.10.1, simplify_text). Side by side with NearDuplicates both must keep the same copy in the same scope.
    """

    normalized: bool = False
    keep: str = keeping.FIRST  # as in NearDuplicates
    scope: str = keeping.CORPUS

    def __post_init__(self) -> None:
        limits.typed(self)
        keeping.check(self, self.keep, self.scope)

    def compared(self, text: str) -> str:
        """What is compared of a text."""
        return normalize(text) if self.normalized else text


def text_key(text: str) -> int:
    """64 bits of a text. Among a billion texts one pair in 37 runs shares them by chance."""
    return xxhash.xxh3_64_intdigest(text.encode())


def text_bits(text: str) -> tuple[int, int]:
    """128 bits of a text, in two halves: that two of a billion texts share them by chance has odds of 1 in 10^21."""
    found = xxhash.xxh3_128_intdigest(text.encode())
    return found >> 64, found & 0xFFFFFFFFFFFFFFFF
