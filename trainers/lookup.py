"""The documents of a split by id, URL or host, over whole columns: no loop over documents that cannot match."""

import re
import urllib.parse
from collections.abc import Callable, Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainers.corpus import Split

_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_MAX_NAMES = 200  # in one pattern; with more, every URL is taken apart


def by_ids(split: Split, ids: Collection[str]) -> np.ndarray:
    """The documents with these ids, int64[k], ascending."""
    return np.flatnonzero(split.have_ids(ids))


def by_url(split: Split, url: str) -> np.ndarray:
    """The documents with exactly this URL, int64[k], ascending."""
    return by_urls(split, [url])


def by_urls(split: Split, urls: Collection[str]) -> np.ndarray:
    """The documents with exactly these URLs, int64[k], ascending."""
    wanted = pa.array(sorted(urls), pa.string())
    return _where(split, lambda column: pc.is_in(column, value_set=wanted))


def by_host(split: Split, host: str) -> np.ndarray:
    """The documents of a host and of those below it, int64[k], ascending; ValueError where it is no host."""
    return by_hosts(split, [host])


def by_hosts(split: Split, hosts: Collection[str]) -> np.ndarray:
    """The documents of hosts and of those below them, int64[k], ascending; ValueError where one is no host.

    The host of a URL is what urlsplit says, without user and port, in small letters and punycode, with no dot at its
    end: of b.example.com, and not of myexample.com, example.com stands above.
    """
    names = {host_name(host) or _refuse(host) for host in hosts}
    pattern = _around(names)
    candidates = _where(split, lambda urls: pc.match_substring_regex(urls, pattern, ignore_case=True))
    homes = np.searchsorted(split.shard_documents, candidates, "right") - 1
    kept = [np.zeros(0, np.int64)]
    for number in np.unique(homes):
        here = candidates[homes == number]
        urls = split.shards[number].table.column("url").take(pa.array(here - split.shard_documents[number]))
        kept.append(here[[_is_below(url_host(url), names) for url in urls.to_pylist()]])
    return np.concatenate(kept)


def url_host(url: str) -> str | None:
    """The host of a URL as `host_name` gives it, None where it has none."""
    try:
        found = urllib.parse.urlsplit(url.strip()).hostname
    except ValueError:  # such as an IPv6 address without its bracket
        return None
    return host_name(found) if found else None


def host_name(host: str) -> str | None:
    """A host in small letters and punycode, without a dot at its end; None where it is no name of a host."""
    name = host.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    return name if _HOST.fullmatch(name) else None


def _refuse(host: str) -> str:
    raise ValueError(f"{host!r} is no host: expected a name such as example.com, which stands for those below it too")


def _is_below(host: str | None, names: set[str]) -> bool:
    """Whether a host is one of the names or a subdomain of one."""
    while host and host not in names:
        _, _, host = host.partition(".")
    return bool(host)


def _around(names: set[str]) -> str:
    """A pattern of RE2 that the URL of every page of the hosts has; few others have it."""
    if len(names) > _MAX_NAMES:
        return ""
    # An IDN has several spellings: punycode, and letters of any case and composition.
    return "|".join(sorted({"xn--|[^[:ascii:]]" if "xn--" in name else re.escape(name) for name in names}))


def _where(split: Split, test: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> np.ndarray:
    found = [np.zeros(0, np.int64)]
    for shard, before in zip(split.shards, split.shard_documents, strict=False):
        matches = pc.fill_null(test(shard.table.column("url")), False)
        found.append(np.flatnonzero(matches.to_numpy()) + before)
    return np.concatenate(found)
