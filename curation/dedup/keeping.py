"""Which copy of a document is kept, and among which documents copies are looked for."""

import math
import re

import xxhash

from curation.document import Document

FIRST, LONGEST, NEWEST, SIGNAL = "first", "longest", "newest", "signal:"
CORPUS, CRAWL, LANGUAGE = "corpus", "crawl", "language"
SCOPES = (CORPUS, CRAWL, LANGUAGE)
_CRAWL = re.compile(r"CC-MAIN-(?:\d{4}-\d{2}|2008-2009|2009-2010|2012)(?!\d)")


def check(step: object, keep: str, scope: str) -> None:
    """ValueError where a step's rule or scope is none."""
    name = type(step).__name__
    if keep not in (FIRST, LONGEST, NEWEST) and not (keep.startswith(SIGNAL) and len(keep) > len(SIGNAL)):
        raise ValueError(f"{name}(keep={keep!r}): expected first, longest, newest, or signal: and a signal's name")
    if scope not in SCOPES:
        raise ValueError(f"{name}(scope={scope!r}): expected one of {', '.join(SCOPES)}")


def rank(document: Document, keep: str) -> float:
    """The copy with the smallest rank is kept, and of equal ones that with the smallest id.

    A page without a date, or a document without the signal, comes last: a signal that none has is the same as `first`.
    """
    if keep == LONGEST:
        return -float(len(document.text))  # characters
    if keep == NEWEST:
        return math.inf if document.date is None else -document.date.timestamp()
    if keep.startswith(SIGNAL):
        value = document.signals.get(keep.removeprefix(SIGNAL), math.nan)
        return math.inf if math.isnan(value) else -float(value)
    return 0.0


def scope_hash(document: Document, scope: str) -> int:
    """64 bits that are the same for documents that are compared with each other; 0 where all are.

    A crawl is what the archive's path names as Common Crawl does, such as CC-MAIN-2024-51; else its folder.
    """
    if scope == LANGUAGE:
        return xxhash.xxh3_64_intdigest(document.language.encode(), 1)
    if scope == CRAWL:
        found = _CRAWL.search(document.warc)
        crawl = found.group() if found else document.warc.rpartition("/")[0]
        return xxhash.xxh3_64_intdigest(crawl.encode(), 2)
    return 0
