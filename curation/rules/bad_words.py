"""Pages with a word of a list of bad words, as C4 drops them (tensorflow_datasets/text/c4_utils.py, version 3.1.0).

The lists of LDNOOBW are under CC-BY 4.0 and not shipped: a recipe names its list by path and sha256. To have them at
the path that the recipes here name, below the folder that a run is started in:
`git clone https://github.com/LDNOOBW/List-of-Dirty-Naughty-Obscene-and-Otherwise-Bad-Words lists/ldnoobw`, then check
out the commit that C4's English list is of, 25e679f0..., and rename `en` to `en.txt`. Multilingual C4 has the lists of
other languages as of commit 5faf2ba4...
"""

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import ClassVar

from curation import pinned, urls
from curation.rules import limits
from curation.rules.rule import Verdict
from curation.text import Text

LDNOOBW_EN = "af851ecef1d5f212caba17339b12ac39cc2fef7d78c74876f67237644fcee8bd"  # sha256 of en at 25e679f0...
WITHOUT_SPACES = ("ja", "th", "zh")  # languages in which a word may stand inside another
ALLOWED = {"ja": ("sm", "グロ", "女の子"), "zh": ("性",)}  # listed words that mC4 lets pass
_HINT = (
    "the lists are those of github.com/LDNOOBW/List-of-Dirty-Naughty-Obscene-and-Otherwise-Bad-Words, the English one "
    "as of commit 25e679f0: put the file of the language there"
)
_WORD = re.compile(r"\w+")
_DRAW_BITS = 24  # of the 128: finer than any share that is meant


@dataclasses.dataclass(frozen=True)
class BadWords:
    """Drops a page in which, in lower case, a listed word stands between what belongs to no word.

    Words are taken as the list has them, one a line, so that one with a capital is never found, as in TFDS. mC4 keeps
    one page in a thousand of those with a bad word (`keep_share=0.001`), chosen by the md5 of the normalised URL; TFDS
    may take another part of the md5, and so keep others. Without `boundaries` a word may stand inside another, as in
    the languages of `WITHOUT_SPACES`. With `whole_tokens` it must be all that stands between white space, as in dolma.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("keep_share",)

    path: str  # local or remote
    sha256: str
    language: str = "en"  # of the list
    keep_share: float = 0.0  # of the pages with a bad word
    boundaries: bool = True
    allowed: tuple[str, ...] = ()  # listed words that are not bad
    whole_tokens: bool = False

    def __post_init__(self) -> None:
        limits.shares(self, "keep_share")
        if self.whole_tokens and not self.boundaries:
            raise ValueError("BadWords(whole_tokens=True, boundaries=False): expected at most one of the two")

    def measure(self, text: Text) -> dict[str, float]:
        """How many of the listed words stand in the text, and the page's draw, from 0 to 1, by its URL."""
        draw = urls.md5_number(text.url) >> (128 - _DRAW_BITS)
        return {"bad_words": len(self._found(text)), "url_draw": draw / 2**_DRAW_BITS}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """A bad word, or none, or one that the page's draw lets pass."""
        return ("bad_words", "bad_words") if signals["bad_words"] and signals["url_draw"] >= self.keep_share else None

    def evidence(self, text: Text) -> str | None:
        """The first of the listed words, in alphabetical order."""
        return min(self._found(text), default=None)

    def check(self) -> None:
        """ValueError where the list cannot be had, or is another than the recipe says."""
        self._listed()

    def in_language(self, language: str, path: str, sha256: str) -> "BadWords":
        """The step with the list of another language, with its boundaries and the words that mC4 allows in it."""
        bounded, allowed = language not in WITHOUT_SPACES, ALLOWED.get(language, ())
        return dataclasses.replace(
            self, path=path, sha256=sha256, language=language, boundaries=bounded, allowed=allowed
        )

    def _found(self, text: Text) -> list[str]:
        found: list[str] | None = text.notes.get(self)
        if found is None:
            found = text.notes[self] = self._look(text.content.lower())
        return found

    def _look(self, lower: str) -> list[str]:
        listed = self._listed()
        if not self.boundaries:
            characters = set(lower)
            return [word for word in listed.all if characters.issuperset(word) and word in lower]
        if self.whole_tokens:
            return list(listed.all & set(lower.split()))
        words = set(_WORD.findall(lower))
        found = [word for word in listed.single if word in words]
        # Each word of a phrase that stands between boundaries does so too.
        return found + [phrase for phrase, of in listed.phrases if of <= words and _stands_apart(phrase, lower)]

    def _listed(self) -> "_Words":
        return _read(self.path, self.sha256, frozenset(self.allowed))


@dataclasses.dataclass(frozen=True)
class _Words:
    all: frozenset[str]
    single: frozenset[str]  # nothing but letters, digits and underscores
    phrases: tuple[tuple[str, frozenset[str]], ...]  # the others, with the single words in them


def _stands_apart(phrase: str, lower: str) -> bool:
    at = lower.find(phrase)
    while at >= 0:
        if not _is_inner(lower, at - 1) and not _is_inner(lower, at + len(phrase)):
            return True
        at = lower.find(phrase, at + 1)
    return False


def _is_inner(lower: str, at: int) -> bool:
    return 0 <= at < len(lower) and _WORD.match(lower, at, at + 1) is not None


@functools.lru_cache(32)
def _read(path: str, sha256: str, allowed: frozenset[str]) -> _Words:
    try:
        content = pinned.content(BadWords.__name__, path, sha256)
    except ValueError as error:
        raise ValueError(f"{error}; {_HINT}") from None
    words = frozenset(map(str.strip, content.decode("utf-8-sig", "replace").splitlines())) - allowed - {""}
    single = frozenset(word for word in words if _WORD.fullmatch(word))
    return _Words(words, single, tuple((word, frozenset(_WORD.findall(word))) for word in sorted(words - single)))
