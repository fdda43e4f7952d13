"""Words and sentences as spaCy's blank English pipeline splits them, which is what datatrove's filters count.

spaCy cuts a text at white space and each piece by rules that look at that piece alone, so a piece is split once and
remembered, and most new pieces are split as others were that differ in letters or digits only. The one difference
known is where spaCy sees an emoticon or a quotation mark in characters with white space between them, such as "( -:)"
or "' ''-"; 737 real texts hold none.
"""

import contextlib
import functools
import itertools
import operator
import re
import string
import sys
import types
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Split = tuple[tuple[str, ...], str]  # the tokens of a piece, and their kinds

_EXTRA_SPACE = re.compile(r"[^\S ]\s*| \s+")  # other than a single blank
_MAX_PIECE = 256  # characters; longer ones are cut, and only they are split otherwise than spaCy would
_MAX_PIECES = 200_000  # remembered; about 55 MB
_BATCH = 1000  # pieces that spaCy is given at once: a call costs it as much as half a piece
# Kinds of tokens: those that end a sentence, and those that start one where it has ended. Punctuation does neither.
_TERMINAL, _OTHER = "t", "o"
_TOKENS, _KINDS = operator.itemgetter(0), operator.itemgetter(1)
# Words of small letters, of capitals, and of small letters behind one capital; no units, which stand behind a digit.
_ALONE = r"(?<![A-Za-z0-9])(?:%s)(?![A-Za-z])"
_WORD = _ALONE % "[a-z]{3,}|[A-Z][a-z]{2,}|[A-Z]{3,}"
_NUMBER = r"(?<![0-9])(?!(?:%s)(?![0-9]))[0-9]{2,}"  # but for those of exceptions, such as "10am"
_ADDRESS = re.compile(r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]")  # its numbers matter: 10.0.0.1 can be in no URL
_MARKS = string.punctuation + "“”‘’…–—"
_STAND_INS = _SMALL, _CAPITALS, _TITLE = "xxxxx", "XXXXX", "Xxxxx"
_DIGIT = "2"  # stands for every digit of a number
_STAND_IN = re.compile(_ALONE % "|".join(_STAND_INS) + rf"|(?<![0-9]){_DIGIT}{{2,}}(?![0-9])")
_LETTERS, _DIGITS = re.compile(r"[A-Za-z]{3,}"), re.compile(r"[0-9]{2,}")
_MAX_FORM = 60  # characters; the pattern for URLs counts the letters between dots, up to 63


def words(text: str) -> list[str]:
    """The tokens of `text` without white space; punctuation marks are tokens of their own."""
    return tokens(split(text.split()))


def num_words(text: str) -> int:
    """How many tokens `words` gives."""
    return sum(map(len, map(_TOKENS, split(text.split()))))


def split(pieces: Sequence[str]) -> list[Split]:
    """What each piece, a run of characters without white space, is split into."""
    memory = _memory()
    found: list[Any] = list(map(memory.known.get, pieces))
    if all(found):
        return found
    memory.learn({piece for piece, known in zip(pieces, found, strict=True) if not known})
    return [known or memory.recall(piece) for piece, known in zip(pieces, found, strict=True)]


def tokens(pieces: Iterable[Split]) -> list[str]:
    """The tokens of all pieces."""
    return list(itertools.chain.from_iterable(map(_TOKENS, pieces)))


def num_sentences(line: str) -> int:
    """The sentences of `line` as spaCy's sentencizer counts them; 0 for an empty line."""
    pieces = line.split()
    return num_sentences_of(line, pieces, split(pieces))


def num_sentences_of(line: str, pieces: Sequence[str], found: Sequence[Split]) -> int:
    """The sentences of `line`, which is split into `pieces` at white space, and these into what was found."""
    if not line:
        return 0
    kinds = "".join(map(_KINDS, found))
    if " ".join(pieces) != line:
        # One blank belongs to the word before it; what is left over is a token, and starts a sentence like one.
        rest = iter(found)
        parts = (itertools.islice(rest, len(part.split())) for part in _EXTRA_SPACE.split(line))
        kinds = _OTHER.join("".join(map(_KINDS, part)) for part in parts)
    return 1 + kinds.count(_TERMINAL + _OTHER)


class _Memory:
    """What the pieces seen so far split into."""

    def __init__(self) -> None:
        with _without_what_is_not_used():
            import spacy  # here, since only the workers that split words need it
            from spacy.pipeline import Sentencizer

        self._nlp = spacy.blank("en")
        self._nlp.vocab.lex_attr_getters = {}  # shapes, prefixes and the like of new words: nobody asks for them
        self._terminals = frozenset(Sentencizer.default_punct_chars)
        self._exceptions = frozenset(self._nlp.tokenizer.rules)  # such as "don't" and "wont", and emoticons
        self._words_of_exceptions = frozenset(run for rule in self._exceptions for run in _LETTERS.findall(rule))
        numbers = {run for rule in self._exceptions for run in _DIGITS.findall(rule)}
        self._plain = re.compile(f"({_WORD}|{_NUMBER % '|'.join(sorted(numbers))})")
        self.known: dict[str, Split] = {}

    def recall(self, piece: str) -> Split:
        """What a piece that was learned is split into."""
        if len(piece) <= _MAX_PIECE:
            return self.known[piece]
        found = [self.known[part] for part in _parts(piece)]
        return tuple(tokens(found)), "".join(map(_KINDS, found))

    def learn(self, pieces: set[str]) -> None:
        """Makes sure that these pieces, none of them known, can be recalled until others are learned."""
        is_long = max(map(len, pieces), default=0) > _MAX_PIECE
        new = {part for piece in pieces for part in _parts(piece)} if is_long else pieces
        if len(self.known) + 2 * len(new) > _MAX_PIECES:  # twice, since forms are remembered too
            self.known.clear()
        whole = {piece for piece in new if piece.isalpha() or piece.isdecimal()}  # which spaCy does not cut
        whole -= self._exceptions
        self.known.update((piece, ((piece,), _OTHER)) for piece in whole)
        forms = {piece: self._form(piece) for piece in new - whole}
        self._ask_spacy([form for form in {form for form, _ in forms.values()} if form not in self.known])
        for piece, (form, plain) in forms.items():
            if plain:
                found, kinds = self.known[form]
                rest = iter(plain)
                self.known[piece] = tuple([_fill(token, rest) for token in found]), kinds

    def _form(self, piece: str) -> tuple[str, list[str]]:
        """The piece with stand-ins for its plain words and numbers, where spaCy splits both alike, and what they are.

        Of letters and digits, but for exceptions, which it knows by name, and units, spaCy's rules see only that they
        are small, capital, or digits. So "bridge," and "heron," are both "xxxxx,", "1984)" and "2024)" are "2222)", and
        it is asked once. No words and numbers: the piece as it is.
        """
        if len(piece) > _MAX_FORM:
            return piece, []
        if self._plain.fullmatch(core := piece.strip(_MARKS)):  # as most are; found without a search
            return (piece, []) if core in self._words_of_exceptions else (piece.replace(core, _stand_in(core)), [core])
        parts = self._plain.split(piece)
        plain = parts[1::2]
        if not plain or not self._words_of_exceptions.isdisjoint(plain) or _ADDRESS.search(piece):
            return piece, []
        parts[1::2] = map(_stand_in, plain)
        return "".join(parts), plain

    def _ask_spacy(self, pieces: Sequence[str]) -> None:
        tokenizer: Any = self._nlp.tokenizer
        for at in range(0, len(pieces), _BATCH):
            batch = pieces[at : at + _BATCH]
            found: list[list[str]] = [[]]
            with self._nlp.memory_zone():  # else spaCy keeps every string it ever saw
                # Line breaks are tokens of their own, and no rule reaches over one.
                for token in tokenizer("\n".join(batch)):
                    if (text := token.text) == "\n":
                        found.append([])
                    else:
                        found[-1].append(text)
            for piece, parts in zip(batch, found, strict=True):
                kinds = "".join(map(self._kind, parts))
                self.known[piece] = tuple(stripped for part in parts if (stripped := part.strip())), kinds

    def _kind(self, token: str) -> str:
        if token in self._terminals:
            return _TERMINAL
        is_punctuation = all(unicodedata.category(character)[0] == "P" for character in token)
        return "" if is_punctuation else _OTHER


def _parts(piece: str) -> list[str]:
    """The piece in slices that spaCy, whose time is quadratic in runs of marks, splits within 5 ms each."""
    if len(piece) <= _MAX_PIECE:
        return [piece]
    return [piece[at : at + _MAX_PIECE] for at in range(0, len(piece), _MAX_PIECE)]


def _stand_in(plain: str) -> str:
    if plain.islower():
        return _SMALL
    if plain.isupper():
        return _CAPITALS
    return _TITLE if plain.isalpha() else _DIGIT * len(plain)


def _fill(token: str, plain: Iterator[str]) -> str:
    """The token of a form with the piece's plain words and numbers for the stand-ins, one after the other."""
    if token in _STAND_INS:
        return next(plain)
    return token if len(token) == 1 else _STAND_IN.sub(lambda _: next(plain), token)


@contextlib.contextmanager
def _without_what_is_not_used() -> Iterator[None]:
    """spaCy imports torch where it is installed, a second and 200 MB, and its command line, a sixth of a second."""
    command_line: Any = types.ModuleType("spacy.cli")
    command_line.info = None
    modules: dict[str, Any] = {"torch": None}  # makes `import torch` an ImportError
    if "spacy" not in sys.modules:
        modules |= {"spacy.cli": command_line, "spacy.cli.info": command_line}
    instead = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(instead)
    try:
        yield
    finally:
        for name in instead:
            del sys.modules[name]


@functools.cache
def _memory() -> _Memory:
    return _Memory()
