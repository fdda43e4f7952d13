"""Words that reject a page by its URL, in two dialects; the word lists are named by path and sha256."""

import dataclasses
import functools
import re

from curation import pinned
from curation.rules import limits
from curation.rules.rule import Finding

_NOT_ASCII_WORD = re.compile("[^a-zA-Z0-9]+")
_NOT_WORD = re.compile(r"[\W_]+")
_MAX_LOOKED_AT = 8192  # characters of a URL


@dataclasses.dataclass(frozen=True)
class WordList:
    """A file of words, one a line; lines that start with # are comments, and a name that ends in .gz is unpacked."""

    path: str
    sha256: str

    def __post_init__(self) -> None:
        limits.typed(self)

    def words(self) -> tuple[str, ...]:
        """The words in lower case, in the file's order; ValueError where it is not the file that the recipe says."""
        return _words(self)


@dataclasses.dataclass(frozen=True)
class FineWebUrlWords:
    """FineWeb's words (datatrove 0.10.1, url_filter.py), each list optional; datatrove carries the three files.

    Listed words lose all but letters and digits and become lower-case. A hard word rejects where it is a whole token
    of the URL, soft words where two different ones are; tokens keep their case, so HARD passes. A sub-word rejects
    wherever it stands in the URL without all that is no letter or digit, in lower case.
    """

    hard: WordList | None = None
    soft: WordList | None = None
    subwords: WordList | None = None
    min_soft_words: int = 2  # different ones

    def __post_init__(self) -> None:
        _check_fields(self, self.hard, self.soft, self.subwords)

    def judge(self, url: str) -> Finding | None:
        """Hard words, soft words, sub-words, in datatrove's order."""
        url = url[:_MAX_LOOKED_AT]
        tokens = list(dict.fromkeys(_NOT_ASCII_WORD.split(url)))
        if hard := next((token for token in tokens if token in _bare_set(self.hard)), None):
            return "hard_url_word", None, hard
        soft = [token for token in tokens if token in _bare_set(self.soft)]
        if len(soft) >= self.min_soft_words:
            return _soft(soft)
        whole = _NOT_ASCII_WORD.sub("", url).lower()
        if part := next((word for word in _bare(self.subwords) if word in whole), None):
            return "url_subword", None, part
        return None

    def check(self) -> None:
        """ValueError where a list cannot be had, or is not the one that the recipe says."""
        _check_lists(self.hard, self.soft, self.subwords)


@dataclasses.dataclass(frozen=True)
class RefinedWebUrlWords:
    """RefinedWeb's words (https://arxiv.org/abs/2306.01116, appendix G.1) as DCLM's refinedweb.yaml has them.

    All in lower case. A strict word rejects wherever it stands in the URL without `-` and `.`, a hard word where it
    stands between what is no letter or digit, soft words where two different ones do. Each list is optional.
    """

    strict: WordList | None = None
    hard: WordList | None = None
    soft: WordList | None = None
    min_soft_words: int = 2  # different ones

    def __post_init__(self) -> None:
        _check_fields(self, self.strict, self.hard, self.soft)

    def judge(self, url: str) -> Finding | None:
        """Strict words, hard words, soft words."""
        url = url[:_MAX_LOOKED_AT].lower()
        joined = url.replace("-", "").replace(".", "")
        if strict := next((word for word in _listed(self.strict) if word in joined), None):
            return "strict_url_word", None, strict
        spaced = _spaced(url)
        if hard := next((word for word in _listed(self.hard) if _spaced(word) in spaced), None):
            return "hard_url_word", None, hard
        soft = [word for word in _listed(self.soft) if _spaced(word) in spaced]
        return _soft(soft) if len(soft) >= self.min_soft_words else None

    def check(self) -> None:
        """ValueError where a list cannot be had, or is not the one that the recipe says."""
        _check_lists(self.strict, self.hard, self.soft)


def _check_fields(step: FineWebUrlWords | RefinedWebUrlWords, *lists: WordList | None) -> None:
    limits.at_least(step, 1, "min_soft_words")
    if not any(lists):
        raise ValueError(
            f"{type(step).__name__}() has no list of words: give it WordList(path, sha256), or leave it out"
        )


def _check_lists(*lists: WordList | None) -> None:
    for each in filter(None, lists):
        each.words()


def _soft(found: list[str]) -> Finding:
    return "soft_url_words", float(len(found)), ", ".join(found)[:200]


def _spaced(text: str) -> str:
    """The words of a text with one blank around each."""
    return f" {_NOT_WORD.sub(' ', text).strip()} "


def _listed(words: WordList | None) -> tuple[str, ...]:
    return words.words() if words else ()


def _bare(words: WordList | None) -> tuple[str, ...]:
    return _bare_words(words)[0] if words else ()


def _bare_set(words: WordList | None) -> frozenset[str]:
    return _bare_words(words)[1] if words else frozenset()


@functools.lru_cache(8)
def _words(listed: WordList) -> tuple[str, ...]:
    name = WordList.__name__
    found = pinned.lines(name, listed.path, pinned.content(name, listed.path, listed.sha256))
    return tuple(dict.fromkeys(found))


@functools.lru_cache(8)
def _bare_words(listed: WordList) -> tuple[tuple[str, ...], frozenset[str]]:
    """The words without what is no ASCII letter or digit, in order and as a set."""
    bare = tuple(filter(None, dict.fromkeys(_NOT_ASCII_WORD.sub("", word) for word in listed.words())))
    return bare, frozenset(bare)
