"""Pages of one URL: the newest stays, or the first."""

import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np

from curation import urls
from curation.document import Document

PAGE = np.dtype([("key", "<u8", 2), ("rank", "<i8"), ("document", "<i8")])
DROP = np.dtype([("document", "<i8"), ("kept", "<i8")])
_NO_DATE = np.iinfo(np.int64).min


@dataclasses.dataclass(frozen=True)
class NewestPage:
    """Keeps the page with the latest date of those whose normalised URL is the same; of one date, the smallest id.

    tensorflow_datasets 3.1.0, c4_utils.py: URLs are normalised as `curation.urls.normalized` says, and ties go to
    whichever page came first, which depends on the order of processing there and not here.
    """


@dataclasses.dataclass(frozen=True)
class FirstOfUrl:
    """Keeps the page with the smallest id of those with the very same URL.

    Dolma 1.6 (arXiv 2402.00159, section 3.1), whose Bloom filter keeps the first it meets and drops some by mistake.
    """


def keys(step: NewestPage | FirstOfUrl, document: Document, number: int) -> Iterator[tuple[tuple[int, int], int, int]]:
    """A document's PAGE: 128 bits of its URL, what decides (the greatest stays), and its number."""
    is_newest = isinstance(step, NewestPage)
    url = urls.normalized(document.url) if is_newest else document.url
    digest = hashlib.md5(url.encode("utf-8", "replace"), usedforsecurity=False).digest()
    rank = 0
    if is_newest:
        rank = _NO_DATE if document.date is None else int(document.date.timestamp() * 1e6)
    yield (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")), rank, number


def drops(keys: np.ndarray) -> np.ndarray:
    """What to drop, DROP[n], and which document stays instead, of the PAGE[k] of one partition."""
    # ~ turns the order round: the greatest rank comes first.
    keys = keys[np.lexsort((keys["document"], ~keys["rank"], keys["key"][:, 1], keys["key"][:, 0]))]
    starts = np.ones(len(keys), bool)
    starts[1:] = (keys["key"][1:] != keys["key"][:-1]).any(axis=1)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(keys)), 0))
    found = np.empty(len(keys), DROP)
    found["document"], found["kept"] = keys["document"], keys["document"][first]
    dropped: np.ndarray = found[~starts]
    return dropped
