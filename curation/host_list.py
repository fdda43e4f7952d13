"""Pages of listed hosts alone, such as the news sites of C4's realnewslike."""

import dataclasses
import functools

from curation import cascade, pinned, urls
from curation.rules import limits
from curation.rules.rule import Finding

_HINT = "the list of RealNews lies in github.com/rowanz/grover (Zellers et al. 2019): put its domains there, one a line"


@dataclasses.dataclass(frozen=True)
class KeepHosts:
    """Keeps pages of listed domains and of all below them.

    `path` is a file of domains, one a line, local or remote; lines that start with # are comments, and a name that ends
    in .gz is unpacked. With an empty `sha256` any list is taken, and the run's record does not say which one it was.
    """

    path: str
    sha256: str = ""

    def __post_init__(self) -> None:
        limits.typed(self)

    def judge(self, url: str) -> Finding | None:
        """Why pages of this URL are rejected, or None."""
        known, host = _hosts(self.path, self.sha256), urls.host(url)
        return None if any(name in known for name in cascade.names_above(host)) else ("unlisted_host", None, host[:200])

    def check(self) -> None:
        """ValueError where the list cannot be had, or is another than the recipe says."""
        _hosts(self.path, self.sha256)


@functools.lru_cache(4)
def _hosts(path: str, sha256: str) -> frozenset[str]:
    step = KeepHosts.__name__
    try:
        content = pinned.content(step, path, sha256) if sha256 else pinned.unchecked(step, path)
    except ValueError as error:
        raise ValueError(f"{error}; {_HINT}") from None
    # A host is looked up without its `www.`, so a listed one stands without it too.
    return frozenset(urls.host(f"http://{name}/") for name in pinned.lines(step, path, content))
