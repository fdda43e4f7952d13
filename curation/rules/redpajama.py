"""The quality signals of RedPajama-V2 (2023, https://github.com/togethercomputer/RedPajama-Data), under its names.

RedPajama-V2 annotates and drops nothing. What is here needs no model: 27 signals, 2 more with lists, 2 of CCNet's. Not
here: rps_doc_ml_palm_score, rps_doc_ml_wikipedia_score and rps_doc_ml_wikiref_score, which are classifiers
(`curation.classify` has a step for one of your own); rps_doc_books_importance, rps_doc_openwebtext_importance and
rps_doc_wikipedia_importance, which are DSIR models; ccnet_perplexity and ccnet_bucket, for which there is
PerplexityBuckets; ccnet_language_score, which is a column of each document; ccnet_original_length and _nlines.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import ClassVar

from curation import pinned, urls
from curation.cascade import names_above
from curation.rules import limits, redpajama_lines, redpajama_ngrams, redpajama_words, stop_word_lists
from curation.rules.redpajama_words import Phrases
from curation.rules.rule import Verdict
from curation.text import Text

_STEP = "RedPajamaSignals"


@dataclasses.dataclass(frozen=True)
class ListFile:
    """A list that is not ours to ship: one entry a line, a name that ends in .gz is unpacked."""

    path: str
    sha256: str

    def __post_init__(self) -> None:
        limits.typed(self)


@dataclasses.dataclass(frozen=True)
class UrlCategory:
    """A list of domains of UT1, such as `adult` (https://dsi.ut-capitole.fr/blacklists/)."""

    name: str
    domains: ListFile

    def __post_init__(self) -> None:
        limits.typed(self)


@dataclasses.dataclass(frozen=True)
class RedPajamaSignals:
    """Annotates each document with RedPajama-V2's signals and drops nothing.

    Words are what white space separates: raw ones as they stand, normalised ones in lower case, decomposed (NFD) and
    without ASCII punctuation. The definitions stand beside the code (redpajama_words.py, redpajama_lines.py and
    redpajama_ngrams.py). A signal of lines (rps_lines_...), published as one number a line, is a mean over the lines
    here, and that of javascript a sum.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ()

    stop_words: ListFile | None = None  # RedPajama-V2: stopwords-json; else spaCy's list of the text's language
    ldnoobw: ListFile | None = None  # of words and phrases, for rps_doc_ldnoobw_words
    ut1: tuple[UrlCategory, ...] = ()  # for rps_doc_ut1_blacklist: the place here of the first that lists the host

    def __post_init__(self) -> None:
        limits.typed(self)

    def measure(self, text: Text) -> dict[str, float]:
        """All signals; those of a text without words or lines are 0."""
        content = text.content
        normalized = redpajama_words.normalized(content)
        words = normalized.split()
        signals = {"ccnet_length": float(len(content)), "ccnet_nlines": float(len(redpajama_lines.lines(content)))}
        signals |= redpajama_words.signals(content, words, self._stop_words(text.language))
        signals |= redpajama_lines.signals(content, normalized)
        signals |= redpajama_ngrams.signals(words)
        if self.ldnoobw:
            signals["rps_doc_ldnoobw_words"] = redpajama_words.num_listed(words, _phrases(self.ldnoobw))
        if self.ut1:
            signals["rps_doc_ut1_blacklist"] = self._category(text.url)
        return signals

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """None: nothing is dropped."""
        return None

    def check(self) -> None:
        """ValueError where a list cannot be had, or is another than the recipe's."""
        if self.stop_words:
            _normalized_lines(self.stop_words)
        if self.ldnoobw:
            _phrases(self.ldnoobw)
        for category in self.ut1:
            _lines(category.domains)

    def _stop_words(self, language: str) -> frozenset[str]:
        return _normalized_lines(self.stop_words) if self.stop_words else _stop_words_of(language)

    def _category(self, url: str) -> float:
        """1 for the first category that lists the URL's host or a domain above it; 0 for none."""
        above = names_above(urls.host(url))
        found = (place for place, each in enumerate(self.ut1, 1) if not _lines(each.domains).isdisjoint(above))
        return next(found, 0)


@functools.lru_cache(32)
def _lines(listed: ListFile) -> frozenset[str]:
    return frozenset(pinned.lines(_STEP, listed.path, pinned.content(_STEP, listed.path, listed.sha256)))


@functools.lru_cache(4)
def _normalized_lines(listed: ListFile) -> frozenset[str]:
    return frozenset(map(redpajama_words.normalized, _lines(listed)))


@functools.lru_cache(4)
def _phrases(listed: ListFile) -> Phrases:
    return redpajama_words.phrases(_lines(listed))


@functools.lru_cache(64)
def _stop_words_of(language: str) -> frozenset[str]:
    return frozenset(map(redpajama_words.normalized, stop_word_lists.of_language(language)))
