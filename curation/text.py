"""A text and its parts, each split once however many rules ask for it."""

import functools
import itertools

import numpy as np

from curation import words
from curation.words import Split


class Text:
    """An immutable text; the parts are computed when first asked for."""

    def __init__(self, content: str) -> None:
        self.content = content

    @functools.cached_property
    def words(self) -> list[str]:
        """Tokens without white space, punctuation marks included (`curation.words`)."""
        return words.tokens(itertools.chain.from_iterable(self.split_pieces))

    @functools.cached_property
    def num_words(self) -> int:
        """How many words there are; cheaper than the words where no other rule asks for those."""
        return len(self.words) if "words" in self.__dict__ else words.num_words(self.content)

    @functools.cached_property
    def vocabulary(self) -> list[str]:
        """The distinct words, in the order in which they first stand."""
        return list(dict.fromkeys(self.words))

    @functools.cached_property
    def word_numbers(self) -> np.ndarray:
        """For each word its place in the vocabulary, uint64[num_words]."""
        numbers = dict(zip(self.vocabulary, itertools.count(), strict=False))
        return np.fromiter(map(numbers.__getitem__, self.words), np.uint64, len(self.words))

    @functools.cached_property
    def pieces(self) -> list[list[str]]:
        """For each line, what white space separates in it."""
        return [line.split() for line in self.lines]

    @functools.cached_property
    def split_pieces(self) -> list[list[Split]]:
        """For each line, what its pieces are split into."""
        found = iter(words.split(list(itertools.chain.from_iterable(self.pieces))))
        return [list(itertools.islice(found, len(line))) for line in self.pieces]

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
