"""One sequence of tokens over and over (Dolma, https://arxiv.org/abs/2402.00159, its tokenizer repetitions)."""

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from curation import pinned, tokens
from curation.rules import limits
from curation.rules.rule import Verdict
from curation.text import Text

_PIECE = re.compile(r" ?\w{1,16}| ?[^\w\s]{1,16}|\s{1,16}")
_MAX_PERIOD = 1000  # tokens: each period is a look at the whole text
_MIN_TIMES = 3  # Dolma: what stands twice is no repetition


@dataclasses.dataclass(frozen=True)
class RepeatedTokens:
    """Drops texts in which up to 13 tokens repeat, one copy right after the other, over 100 tokens or more.

    Dolma's tokens are those of GPT-NeoX's tokenizer: `tokenizer` takes its tokenizer.json by path. Without one they are
    pieces as GPT-2 cuts them before it merges bytes: words and marks with the blank before them, of 16 characters at
    most, so that the hundred is reached by somewhat longer runs. Only whole copies count, and only three or more.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_run",)

    min_run: int = 100  # tokens; so long a run drops the text
    max_period: int = 13  # tokens
    tokenizer: str = ""
    sha256: str = ""  # of the tokenizer's file

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "min_run", "max_period")
        if self.max_period > _MAX_PERIOD:
            raise ValueError(f"RepeatedTokens(max_period={self.max_period}): expected at most {_MAX_PERIOD}")
        if bool(self.tokenizer) != bool(self.sha256):
            raise ValueError(f"RepeatedTokens(tokenizer={self.tokenizer!r}, sha256={self.sha256!r}): give both or none")

    def measure(self, text: Text) -> dict[str, float]:
        """The length of the longest run, in tokens."""
        length, _, _ = longest_run(self._tokens(text.content)[0], self.max_period)
        return {"repeated_token_run": float(length)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Whether the longest run is too long."""
        return ("repeated_tokens", "repeated_token_run") if signals["repeated_token_run"] >= self.min_run else None

    def evidence(self, text: Text) -> str | None:
        """What repeats, once."""
        numbers, names = self._tokens(text.content)
        length, start, period = longest_run(numbers, self.max_period)
        return "".join(names[start : start + period])[:200] if length else None

    def check(self) -> None:
        """ValueError where the tokenizer cannot be had, or is not the one that the recipe says."""
        if self.tokenizer:
            _encoder(self.tokenizer, self.sha256)

    def _tokens(self, content: str) -> tuple[np.ndarray, list[str]]:
        """The tokens' numbers, and the tokens."""
        if self.tokenizer:
            encoding = _encoder(self.tokenizer, self.sha256).tokenizer.encode(content, add_special_tokens=False)
            return np.array(encoding.ids, np.int64), [content[start:end] for start, end in encoding.offsets]
        pieces = _PIECE.findall(content)
        places = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
        return np.fromiter(map(places.__getitem__, pieces), np.int64, len(pieces)), pieces


def longest_run(numbers: np.ndarray, max_period: int) -> tuple[int, int, int]:
    """Length, start and period of the longest run of whole copies; the first of the shortest period among equals."""
    found = (0, 0, 0)
    for period in range(1, min(max_period, len(numbers) // _MIN_TIMES) + 1):
        differs = np.flatnonzero(numbers[period:] != numbers[:-period])
        edges = np.concatenate(([-1], differs, [len(numbers) - period]))
        alike = np.diff(edges) - 1  # how many tokens in a row are the same as those a period before
        longest = int(np.argmax(alike))
        length = (int(alike[longest]) + period) // period * period
        if length >= _MIN_TIMES * period and length > found[0]:
            found = length, int(edges[longest]) + 1, period
    return found


@functools.lru_cache(2)
def _encoder(path: str, sha256: str) -> tokens.Encoder:
    return tokens.load(pinned.content(RepeatedTokens.__name__, path, sha256), path)
