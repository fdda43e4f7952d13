"""What a URL says about where a page lives."""

import hashlib
import re
import urllib.parse

_START = re.compile("https?://(www.)?")
_CAMPAIGN = re.compile(r"\?(?:utm_|ref|feed).*", re.DOTALL)
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


def normalized(url: str) -> str:
    """A URL as C4 compares it: without scheme, `www.`, campaign parameters and slashes at the end.

    TFDS 3.1.0, c4_utils.py: it removes what looks like the start of a URL wherever that stands, and parameters only
    where they come first.
    """
    return _CAMPAIGN.sub("", _START.sub("", url)).rstrip("/")


def md5_number(url: str) -> int:
    """The md5 of a normalised URL as a number of 128 bits, by which C4 splits and samples."""
    return int(hashlib.md5(normalized(url).encode("utf-8", "replace"), usedforsecurity=False).hexdigest(), 16)


def is_c4_validation(url: str) -> bool:
    """Whether C4 has a page in its validation split: one in a thousand, by its URL and not by its host (TFDS 3.1.0)."""
    return md5_number(url) % 1000 == 0
