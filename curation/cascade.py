"""Steps that look at a page before its text is extracted: what they reject costs next to nothing."""

import dataclasses
import functools
import hashlib
import re

from curation import storage, urls
from curation.document import Page

_DIGEST = "sha256"
_WWW = re.compile(r"^www\.(?=.*\.)")  # of a host below it: www.com is a domain, and not all of com


@dataclasses.dataclass(frozen=True)
class UrlBlocklist:
    """Rejects pages of listed domains and of all below them.

    `path` is a file of domains, one a line, as the lists of UT1 have it (https://dsi.ut-capitole.fr/blacklists/), local
    or remote; lines that start with # are comments. `sha256` is the file's, so that the recipe says which list it was.
    """

    path: str
    sha256: str

    def blocked(self, url: str) -> str | None:
        """The listed domain that the URL's host is or lies below, or None."""
        listed = _domains(self.path, self.sha256)
        labels = urls.host(url).split(".")
        for first in range(len(labels)):
            if (domain := ".".join(labels[first:])) in listed:
                return domain
        return None


@dataclasses.dataclass(frozen=True)
class SeenPayload:
    """Rejects pages whose bytes are those of an earlier page of the same task, by digest: its text would be the same.

    A task is a byte range of one archive (`--task-mib`), so the same pages are rejected whatever the number of workers.
    What repeats across tasks is found by its text. The pages count in `copies` of the document that was kept.
    """


class Seen:
    """The payloads of one task's pages so far."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}

    def before(self, page: Page) -> str | None:
        """The id of the first page that had this payload and charset, or None where it is this one."""
        if not page.payload:
            return None
        first = self._first.setdefault((page.digest, page.http_charset), page.id)
        return None if first == page.id else first


@functools.lru_cache(4)
def _domains(path: str, sha256: str) -> frozenset[str]:
    try:
        with storage.open_read(path) as file:
            content = file.read()
    except OSError as error:
        raise ValueError(f"UrlBlocklist({path!r}) cannot be read: {error.strerror or error}; check the path") from None
    found = hashlib.new(_DIGEST, content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"UrlBlocklist({path!r}) has sha256 {found}, expected {sha256}; take the list that the recipe was made "
            "with, or put the new digest into the recipe"
        )
    lines = (line.strip().lower().rstrip(".") for line in content.decode("utf-8-sig", "replace").splitlines())
    return frozenset(_WWW.sub("", line) for line in lines if line and not line.startswith("#"))


def check(step: UrlBlocklist) -> None:
    """ValueError where the list cannot be had, so that a run stops before it starts."""
    _domains(step.path, step.sha256)
