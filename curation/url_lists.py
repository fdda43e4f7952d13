"""Blocklists in the folder layout of UT1 (https://dsi.ut-capitole.fr/blacklists/), and hosts that are left out."""

import dataclasses
import functools
import hashlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator

import numpy as np
import xxhash
from tldextract import TLDExtract

from curation import cascade, pinned, storage, urls
from curation.rules import limits
from curation.rules.rule import Finding

_KINDS = ("domains", "urls")
_LAYOUTS = ("{category}/{kind}", "{category}/{kind}.gz", "{category}.{kind}", "{category}.{kind}.gz")
_DIALECTS = ("ut1", "fineweb", "refinedweb")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://")
_WWW = re.compile(r"^www\.(?=[^/]*\.)")
_STOP = re.compile("[/?&]")
_MAX_LOOKED_AT = 2048  # characters of a URL
_MAX_STOPS = 64  # places in a URL where a listed one may end


@dataclasses.dataclass(frozen=True)
class Ut1Blocklist:
    """Rejects pages of the domains and URLs of UT1's categories.

    `folder` is local or remote, and holds CATEGORY/domains and CATEGORY/urls as UT1 packs them, or CATEGORY.domains and
    CATEGORY.urls, each plain or with .gz; a category needs one of the two files. CATEGORY/expressions is not read: its
    patterns are not made for pages from strangers. Entries are kept as hashes of 8 bytes: UT1's 4.6 million domains
    take 42 MB, and of 10^9 pages one is rejected by chance with a probability below 1%.

    `sha256` is of what `sha256sum` prints of the files used, in the order of their names:
    `cd FOLDER && LC_ALL=C sha256sum adult/domains adult/urls | sha256sum`; the error for a wrong one says which files.

    Dialects; none looks at the case of letters, at a port or at `www.`:
    - "ut1": a domain stands for itself and all below it, a URL for itself and all that goes on after it with / ? or &.
    - "fineweb" (datatrove 0.10.1, url_filter.py): the registered domain and the full host, which passes IP addresses
      and domains between the two; URLs as they are. datatrove asks for a URL with its scheme in lists that have none,
      so that none is ever found; here the scheme is left out.
    - "refinedweb" (DCLM's refinedweb.yaml, "exact"): the full host only.
    """

    folder: str
    sha256: str
    categories: tuple[str, ...] = ("adult",)
    dialect: str = "ut1"

    def __post_init__(self) -> None:
        limits.typed(self)
        if self.dialect not in _DIALECTS:
            raise ValueError(f"Ut1Blocklist(dialect={self.dialect!r}): expected one of {', '.join(_DIALECTS)}")
        names = self.categories
        if not 1 <= len(names) <= 255 or len(set(names)) < len(names) or not all(names):
            raise ValueError(f"Ut1Blocklist(categories={names!r}): expected different names, such as ('adult',)")

    def judge(self, url: str) -> Finding | None:
        """Rejects with the first entry found: domains before URLs, the longer before the shorter."""
        keys, numbers = _index(self)
        host, rest = _host_and_rest(url)
        if not host:
            return None
        found = _found(keys, numbers, self._domains(host))
        reason = "blocked_domain"
        if found is None and self.dialect != "refinedweb":
            found, reason = _found(keys, numbers, self._urls(host, rest)), "blocked_url"
        if found is None:
            return None
        entry, category = found
        return reason, None, f"{self.categories[category]}: {entry}"[:200]

    def check(self) -> None:
        """ValueError where the folder's files cannot be had, or are not those that the recipe says."""
        _index(self)

    def _domains(self, host: str) -> list[str]:
        if self.dialect == "fineweb":
            found = _suffixes()(host)
            return [name for name in (found.top_domain_under_public_suffix, found.fqdn) if name]
        return [host] if self.dialect == "refinedweb" else cascade.names_above(host)

    def _urls(self, host: str, rest: str) -> list[str]:
        whole = _entry(host + rest)
        if self.dialect == "fineweb":
            return [whole]
        stops = [stop.start() for stop in _STOP.finditer(rest)][:_MAX_STOPS]
        prefixes = [_entry(host + rest[:stop]) for stop in stops]
        return list(dict.fromkeys([whole, *reversed(prefixes)]))


@dataclasses.dataclass(frozen=True)
class NotHosts:
    """Rejects pages of a few hosts and of all below them, such as those of which a corpus has better copies."""

    hosts: tuple[str, ...]

    def __post_init__(self) -> None:
        limits.typed(self)
        wrong = [h for h in self.hosts if urls.host(f"http://{h}/") != h]
        if wrong or not self.hosts:
            raise ValueError(
                f"NotHosts(hosts={self.hosts!r}): expected host names in lower case without www., such as "
                "('wikipedia.org',)"
            )

    def judge(self, url: str) -> Finding | None:
        """Rejects with the host of the recipe that the URL's host is or lies below."""
        host = next((name for name in cascade.names_above(urls.host(url)) if name in self.hosts), None)
        return ("left_out_host", None, host) if host else None


def _host_and_rest(url: str) -> tuple[str, str]:
    """The host without `www.`, and what follows it up to the fragment, in lower case; empty where there is no host."""
    url = url.strip()[:_MAX_LOOKED_AT].lower()
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # such as an IPv6 address without its bracket
        return "", ""
    return _WWW.sub("", host.rstrip(".")), (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _entry(address: str) -> str:
    """How a URL is listed: `host/path` without fragment and slash at the end, but `host/` where there is no path."""
    bare = address.split("#", 1)[0].rstrip("/?")
    return bare if "/" in bare else f"{bare}/"


def _found(keys: np.ndarray, numbers: np.ndarray, candidates: list[str]) -> tuple[str, int] | None:
    """The first candidate that is listed, and the number of its category."""
    if not len(keys):
        return None
    hashes = np.array([xxhash.xxh3_64_intdigest(name.encode("utf-8", "replace")) for name in candidates], np.uint64)
    places = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
    for number in np.flatnonzero(keys[places] == hashes)[:1].tolist():
        return candidates[number], int(numbers[places[number]])
    return None


@functools.lru_cache(4)
def _index(step: Ut1Blocklist) -> tuple[np.ndarray, np.ndarray]:
    """The sorted hashes of all entries, uint64[entries], and the number of each one's category, uint8[entries]."""
    files = dict(_files(step))
    contents = {path: pinned.unchecked(type(step).__name__, storage.join(step.folder, path)) for path in files}
    sums = "".join(f"{hashlib.sha256(contents[path]).hexdigest()}  {path}\n" for path in sorted(contents))
    if (found := hashlib.sha256(sums.encode()).hexdigest()) != step.sha256:
        raise ValueError(
            f"Ut1Blocklist({step.folder!r}) has sha256 {found} over {' '.join(sorted(contents))}, expected "
            f"{step.sha256}; take the lists that the recipe was made with, or put the new digest into the recipe"
        )
    hashes: list[np.ndarray] = []
    for path, (_, kind) in files.items():
        names = _domains_of if kind == "domains" else _urls_of
        listed = names(pinned.lines(type(step).__name__, path, contents.pop(path)))
        hashes.append(np.fromiter((xxhash.xxh3_64_intdigest(name.encode()) for name in listed), np.uint64))
    sizes, categories = list(map(len, hashes)), [number for number, _ in files.values()]
    keys, numbers = np.concatenate(hashes), np.repeat(np.array(categories, np.uint8), sizes)
    order = np.argsort(keys, kind="stable")  # of an entry in two categories the recipe's first is found
    return keys[order], numbers[order]


def _files(step: Ut1Blocklist) -> Iterator[tuple[str, tuple[int, str]]]:
    """The files of each category below the folder, with the category's number and what they hold."""
    for number, category in enumerate(step.categories):
        found = 0
        for kind in _KINDS:
            paths = (layout.format(category=category, kind=kind) for layout in _LAYOUTS)
            path = next((path for path in paths if storage.is_file(storage.join(step.folder, path))), None)
            if path:
                yield path, (number, kind)
                found += 1
        if not found:
            raise ValueError(
                f"Ut1Blocklist({step.folder!r}): category {category!r} has none of {category}/domains, "
                f"{category}/urls, {category}.domains and {category}.urls, plain or .gz; check folder and categories"
            )


def _domains_of(lines: Iterable[str]) -> Iterator[str]:
    return (_WWW.sub("", line.rstrip(".")) for line in lines)


def _urls_of(lines: Iterable[str]) -> Iterator[str]:
    return (_entry(_WWW.sub("", _SCHEME.sub("", line))) for line in lines)


@functools.cache
def _suffixes() -> TLDExtract:
    """The public suffixes that the library carries: nothing is fetched, and nothing written to disk."""
    return TLDExtract(cache_dir=None, suffix_list_urls=())
