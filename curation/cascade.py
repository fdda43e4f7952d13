"""Steps that look at a page before its text is extracted: what they reject costs next to nothing."""

import dataclasses
import functools
import re

from curation import pinned, urls
from curation.document import Page
from curation.rules import limits
from curation.rules.rule import Finding

_WWW = re.compile(r"^www\.(?=.*\.)")  # of a host below it: www.com is a domain, and not all of com
_MAX_HOST, _MAX_LABELS = 2048, 128  # characters, and names between dots: more than the 253 and 127 that DNS allows


@dataclasses.dataclass(frozen=True)
class UrlBlocklist:
    """Rejects pages of listed domains and of all below them.

    `path` is a file of domains, one a line, local or remote; lines that start with # are comments, and a name that ends
    in .gz is unpacked. `sha256` is the file's, so that the recipe says which list it was. `curation.url_lists` has the
    folders of UT1.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        limits.typed(self)

    def judge(self, url: str) -> Finding | None:
        """Rejects with the listed domain that the URL's host is or lies below."""
        listed = _domains(self.path, self.sha256)
        domain = next((domain for domain in names_above(urls.host(url)) if domain in listed), None)
        return ("blocked_domain", None, domain) if domain else None

    def check(self) -> None:
        """ValueError where the list cannot be had, so that a run stops before it starts."""
        _domains(self.path, self.sha256)


def names_above(host: str) -> list[str]:
    """A host's name and those of the domains above it."""
    labels = host[-_MAX_HOST:].split(".")[-_MAX_LABELS:]
    return [".".join(labels[first:]) for first in range(len(labels))]


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
    name = UrlBlocklist.__name__
    listed = pinned.lines(name, path, pinned.content(name, path, sha256))
    return frozenset(_WWW.sub("", line.rstrip(".")) for line in listed)
