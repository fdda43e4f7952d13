"""What a URL says about where a page lives."""

import hashlib
import urllib.parse

_MAX_LOOKED_AT = 2048  # characters of a URL; normalising a host of many combining marks takes quadratic time


def host(url: str) -> str:
    """The host of a URL in lower case, without a leading `www.`; the URL itself where it has none."""
    try:
        name = urllib.parse.urlsplit(url.strip()[:_MAX_LOOKED_AT]).hostname or ""
    except ValueError:  # such as an IPv6 address without its bracket
        name = ""
    return name.rstrip(".").removeprefix("www.") or url


def is_validation(url: str, share: float) -> bool:
    """Whether a page belongs to the validation split: decided by its host, so that no site is on both sides.

    `share` is the fraction of hosts, between 0 and 1.
    """
    digest = hashlib.md5(host(url).encode("utf-8", "replace"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
