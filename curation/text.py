"""A text and its parts, each split once however many rules ask for it."""

import collections
import functools
import itertools
from collections.abc import Hashable
from typing import Any

import numpy as np

from curation import splitting, words
from curation.words import Split


class Text:
    """An immutable text; the parts are computed when first asked for."""

    def __init__(self, content: str, before: "Text | None" = None, *, url: str = "", language: str = "en") -> None:
        self.content = content
        self.url: str = before.url if before else url  # of its page; empty where that is unknown
        self.language: str = before.language if before else language  # as the recipe's language step found it
        self.notes: dict[Hashable, Any] = {}  # what a rule found when it measured, for its edit
        self._before = before  # the text that was edited to this one: its lines are split already

    @functools.cached_property
    def words(self) -> list[str]:
        """Tokens without white space, punctuation marks included, as `curation.splitting` has them in the language."""
        return words.tokens(self._split)

    @functools.cached_property
    def num_words(self) -> int:
        """How many words there are; cheaper than the words where no other rule asks for those."""
        if "words" in self.__dict__:
            return len(self.words)
        if self._before and "split_pieces" in self._before.__dict__:
            gone = self._before.lines_without(self)
            if gone is not None:
                return self._before.num_words - sum(len(words.tokens(self._before.split_pieces[line])) for line in gone)
        return splitting.num_words(self.content, self.language)

    def lines_without(self, edited: "Text") -> list[int] | None:
        """The numbers of the lines that are gone in an edited text; None where it holds other lines than this one."""
        left = iter(edited.lines)
        expected, gone = next(left, None), []
        for number, line in enumerate(self.lines):
            if line.strip() == expected:
                expected = next(left, None)
            else:
                gone.append(number)
        return gone if expected is None else None

    @property
    def vocabulary(self) -> dict[str, int]:
        """The distinct words, in the order in which they first stand, each with its place."""
        return self._numbered[0]

    @property
    def word_numbers(self) -> np.ndarray:
        """For each word its place in the vocabulary, uint64[num_words]."""
        return self._numbered[1]

    @functools.cached_property
    def _numbered(self) -> tuple[dict[str, int], np.ndarray]:
        places: dict[str, int] = collections.defaultdict(itertools.count().__next__)
        numbers = np.fromiter(map(places.__getitem__, self.words), np.uint64, len(self.words))
        return dict(places), numbers

    @functools.cached_property
    def pieces(self) -> list[list[str]]:
        """For each line, what white space separates in it."""
        return [line.split() for line in self.lines]

    @functools.cached_property
    def _split(self) -> list[Split]:
        return splitting.split(list(itertools.chain.from_iterable(self.pieces)), self.language)

    @functools.cached_property
    def split_pieces(self) -> list[list[Split]]:
        """For each line, what its pieces are split into."""
        ends = itertools.accumulate(map(len, self.pieces), initial=0)
        return [self._split[start:end] for start, end in itertools.pairwise(ends)]

    @functools.cached_property
    def lines(self) -> list[str]:
        """Lines as they stand, blank ones included."""
        return self.content.splitlines()

    @functools.cached_property
    def nonempty_lines(self) -> list[str]:
        """What lies between runs of line breaks."""
        first, *rest = self.content.split("\n")
        return [first, *filter(None, rest[:-1]), *rest[-1:]]

    @functools.cached_property
    def paragraphs(self) -> list[str]:
        """What lies between blank lines, without white space around the whole."""
        first, *rest = self.content.strip().split("\n\n")
        return [first, *filter(None, (part.lstrip("\n") for part in rest))]  # part of a longer run of line breaks
