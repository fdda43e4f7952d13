"""Pages of one URL, or of one payload: the newest stays, or the first."""

import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np

from curation import urls
from curation.document import Document
from curation.rules import limits

PAGE = np.dtype([("key", "<u8", 2), ("rank", "<i8"), ("document", "<i8")])
DROP = np.dtype([("document", "<i8"), ("kept", "<i8")])
MEMBER = np.dtype([("document", "<i8"), ("kept", "<i8"), ("copies", "<i4")])  # of two and more with one key
_NO_DATE = np.iinfo(np.int64).min


@dataclasses.dataclass(frozen=True)
class NewestPage:
    """Keeps the page with the latest date of those whose normalised URL is the same; of one date, the smallest id.

    tensorflow_datasets 3.1.0, c4_utils.py: URLs are normalised as `curation.urls.normalized` says, and ties go to
    whichever page came first, which depends on the order of processing there and not here.
    """


@dataclasses.dataclass(frozen=True)
class FirstOfUrl:
    """Keeps the page with the smallest id of those with the very same URL, or the same once it is normalised.

    Dolma 1.6 (arXiv 2402.00159, section 3.1), whose Bloom filter keeps the first it meets and drops some by mistake,
    takes URLs as they stand. They are normalised as `curation.urls.normalized` says.
    """

    normalized: bool = False

    def __post_init__(self) -> None:
        limits.typed(self)


@dataclasses.dataclass(frozen=True)
class SamePayload:
    """Keeps the page with the smallest id of those whose payload and charset are the same, by digest, in all parts.

    `SeenPayload` does so within a task, before anything is extracted. A page without digest is none's copy. As there, a
    page counts in `copies` of the one that was kept for it.
    """


Pages = NewestPage | FirstOfUrl | SamePayload


def keys(step: Pages, document: Document, number: int) -> Iterator[tuple[tuple[int, int], int, int]]:
    """A document's PAGE: 128 bits of what is compared, what decides (the greatest stays), and its number."""
    if isinstance(step, SamePayload):
        if not document.digest:
            return
        compared = f"{document.digest} {document.charset}"
    elif isinstance(step, NewestPage) or step.normalized:
        compared = urls.normalized(document.url)
    else:
        compared = document.url
    digest = hashlib.md5(compared.encode("utf-8", "replace"), usedforsecurity=False).digest()
    rank = 0
    if isinstance(step, NewestPage):
        rank = _NO_DATE if document.date is None else int(document.date.timestamp() * 1e6)
    yield (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")), rank, number


def drops(keys: np.ndarray) -> np.ndarray:
    """What to drop, DROP[n], and which document stays instead, of the PAGE[k] of one partition."""
    found = members(keys)
    found = found[found["document"] != found["kept"]]
    dropped = np.empty(len(found), DROP)
    dropped["document"], dropped["kept"] = found["document"], found["kept"]
    return dropped


def members(keys: np.ndarray) -> np.ndarray:
    """Of pages with one key, which stays and how many they are, MEMBER[n], of the PAGE[k] of one partition."""
    # ~ turns the order round: the greatest rank comes first.
    keys = keys[np.lexsort((keys["document"], ~keys["rank"], keys["key"][:, 1], keys["key"][:, 0]))]
    starts = np.ones(len(keys), bool)
    starts[1:] = (keys["key"][1:] != keys["key"][:-1]).any(axis=1)
    group = np.cumsum(starts) - 1
    found = np.empty(len(keys), MEMBER)
    found["document"], found["kept"] = keys["document"], keys["document"][starts][group]
    found["copies"] = np.bincount(group, minlength=1)[group]
    several: np.ndarray = found[found["copies"] > 1]
    return several
