"""Words and sentences as spaCy's blank English pipeline splits them, which is what datatrove's filters count.

spaCy cuts a text at white space and each piece by rules that look at that piece alone, so a piece is split once and
remembered: the same words about ten times faster on prose, where most pieces have been seen before. The one exception
known is an emoticon with white space inside, such as "( -:)", which spaCy joins; 737 real texts hold none.
"""

import contextlib
import functools
import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

_PIECE_OR_SPACE = re.compile(r"\S+|\s+")
_MAX_PIECE = 256  # characters; longer ones are cut, and only they are split otherwise than spaCy would
_MAX_PIECES = 200_000  # remembered; about 40 MB
_OTHER, _PUNCTUATION, _TERMINAL = range(3)


def words(text: str) -> list[str]:
    """The tokens of `text` without white space; punctuation marks are tokens of their own."""
    memory = _memory()
    pieces = _bounded(text.split())
    memory.learn(pieces)
    known = memory.tokens
    return [token for piece in pieces for token in known[piece]]


def num_sentences(line: str) -> int:
    """The sentences of `line` as spaCy's sentencizer counts them; 0 for an empty line."""
    memory = _memory()
    pieces = _bounded(_PIECE_OR_SPACE.findall(line))
    memory.learn([piece for piece in pieces if not piece.isspace()])
    count, seen_terminal = int(bool(line)), False
    for number, piece in enumerate(pieces):
        if piece.isspace():
            # One blank belongs to the word before it; what is left over is a token, and starts a sentence like one.
            kinds: tuple[int, ...] = (_OTHER,) if number == 0 or piece != " " else ()
        else:
            kinds = memory.kinds[piece]
        for kind in kinds:
            if kind == _TERMINAL:
                seen_terminal = True
            elif seen_terminal and kind == _OTHER:
                count, seen_terminal = count + 1, False
    return count


def _bounded(pieces: list[str]) -> list[str]:
    """The pieces, long ones in slices that spaCy, whose time is quadratic in runs of marks, splits within 5 ms each."""
    if max(map(len, pieces), default=0) <= _MAX_PIECE:
        return pieces
    return [
        piece[at : at + _MAX_PIECE]
        for piece in pieces
        for at in range(0, len(piece), len(piece) if piece.isspace() else _MAX_PIECE)
    ]


class _Memory:
    """What the pieces seen so far split into."""

    def __init__(self) -> None:
        with _without_torch():
            import spacy  # here, since only the workers that split words need it
            from spacy.pipeline import Sentencizer

        self._nlp = spacy.blank("en")
        self._nlp.vocab.lex_attr_getters = {}  # shapes, prefixes and the like of new words: nobody asks for them
        self._terminals = frozenset(Sentencizer.default_punct_chars)
        self.tokens: dict[str, tuple[str, ...]] = {}
        self.kinds: dict[str, tuple[int, ...]] = {}

    def learn(self, pieces: list[str]) -> None:
        """Makes sure that every piece is known."""
        new = {piece for piece in pieces if piece not in self.tokens}
        if not new:
            return
        if len(self.tokens) + len(new) > _MAX_PIECES:
            self.tokens.clear()
            self.kinds.clear()
            new = set(pieces)
        with self._nlp.memory_zone():  # else spaCy keeps every string it ever saw
            for piece in new:
                tokens = self._split(piece)
                self.tokens[piece] = tuple(stripped for token in tokens if (stripped := token.strip()))
                self.kinds[piece] = tuple(map(self._kind, tokens))

    def _split(self, piece: str) -> list[str]:
        tokenizer: Any = self._nlp.tokenizer
        return [str(token.text) for token in tokenizer(piece)]

    def _kind(self, token: str) -> int:
        if token in self._terminals:
            return _TERMINAL
        is_punctuation = all(unicodedata.category(character)[0] == "P" for character in token)
        return _PUNCTUATION if is_punctuation else _OTHER


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    """spaCy imports torch where it is installed, a second and 200 MB for each worker, and uses it for nothing here."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # makes `import torch` an ImportError
    try:
        yield
    finally:
        del sys.modules["torch"]


@functools.cache
def _memory() -> _Memory:
    return _Memory()
