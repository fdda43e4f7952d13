"""The Creative Commons licence that a page names for itself."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

from curation.tags import Tag

# Where a licence may be named; of several the one of the lowest rank counts, of one rank the first in the page.
ANCHOR, LINK, META, JSON_LD, FOOTER = range(5)
Named = tuple[int, str]  # rank and licence

_SPELLINGS = ("creativecommons.org", "CreativeCommons.org")  # pages of any other are not looked at
_URL = re.compile(
    r"(?:https?:)?//(?:[a-z]{2,3}\.)?creativecommons\.org/(?:licen[sc]es|publicdomain)/([a-z+-]+)"
    r"(?:/([0-9]\.[0-9]))?(?:/([a-z]{2,3}|scotland)(?![a-z]))?",
    re.ASCII,
)
_PARTS = ("by", "nc", "nd", "sa")  # in the order in which version 4.0 names them
_META = re.compile(r"(?:dc|dcterms|cc|og)[.:](?:rights|license|rights\.license)|license|rights|copyright")
_MAX_JSON = 1 << 18  # characters
_MAX_NAMED = 200  # in one page
_NOT_THE_PAGE = ("ImageObject", "MediaObject", "VideoObject", "AudioObject")


def may_hold_one(html: str) -> bool:
    """Whether the page names Creative Commons at all: most do not, and are read no further."""
    return any(spelling in html for spelling in _SPELLINGS)


def short_name(link: str, url: str = "") -> str:
    """A licence's link as a short name, such as `cc-by-sa-4.0`, `cc-by-3.0-de`, `cc0-1.0`, `publicdomain`; or ""."""
    link = link.strip()[:500]
    if link.startswith("/") and not link.startswith("//") and "creativecommons.org" in url[:100].lower():
        link = urllib.parse.urljoin("https://creativecommons.org/", link)
    match = _URL.match(link.lower())
    if not match:
        return ""
    kind, version, port = match.groups()
    if kind in ("publicdomain", "mark", "certification"):
        return "publicdomain"
    if kind == "zero":
        return f"cc0-{version or '1.0'}"
    parts = kind.split("-")
    if len(set(parts)) < len(parts) or not set(parts) <= set(_PARTS):
        return ""  # such as sampling, or a page about licences
    return "-".join(["cc", *sorted(parts, key=_PARTS.index), *filter(None, (version, version and port))])


def of_header(value: str, url: str) -> Iterator[Named]:
    """What a Link header names with rel=license."""
    for link, parameters in re.findall(r"<([^<>]*)>([^<>]*)", value[:1000]):
        rel = re.search(r"""rel\s*=\s*["']?([^"';,]*)""", parameters.lower())
        if rel and "license" in rel[1].split() and (licence := short_name(link, url)):
            yield LINK, licence


def best(named: list[Named]) -> str:
    """The one that counts; empty where there is none."""
    return min(named, key=lambda one: one[0], default=(0, ""))[1]


class Reader:
    """Takes a page's tags in their order."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._in_footer = False
        self._left = _MAX_NAMED

    def of_tag(self, tag: Tag) -> Iterator[Named]:
        """What a tag names; a plain link counts in a footer only, since elsewhere it may be that of a picture."""
        if tag.name in ("footer", "div"):
            self._in_footer |= tag.name == "footer" or (
                "foot" in tag.source.lower() and "footer" in (tag.attribute("id") + tag.attribute("class")).lower()
            )
        elif tag.name == "/footer":
            self._in_footer = False
        elif self._left > 0:
            for rank, link in self._links(tag):
                self._left -= 1
                if licence := short_name(link, self._url):
                    yield rank, licence

    def _links(self, tag: Tag) -> Iterator[tuple[int, str]]:
        if tag.name in ("a", "link"):
            if "rel" in tag.source.lower() and "license" in tag.attribute("rel").lower().split():
                yield (ANCHOR if tag.name == "a" else LINK), tag.attribute("href")
            elif tag.name == "a" and self._in_footer and "ommons" in tag.source.lower():
                yield FOOTER, tag.attribute("href")
        elif tag.name == "meta":
            name = (tag.attribute("name") or tag.attribute("property")).strip().lower()
            if _META.fullmatch(name) and (match := _URL.search(tag.attribute("content")[:2000].lower())):
                yield META, match[0]
        elif tag.name == "script" and "ld+json" in tag.source.lower():
            yield from ((JSON_LD, link) for link in _of_json(tag.content))


def _of_json(content: str) -> Iterator[str]:
    """The licences of what JSON-LD describes, where that is the page and no picture on it."""
    if not any(spelling in content for spelling in _SPELLINGS) or len(content) > _MAX_JSON:
        return
    try:
        described = json.loads(content)
    except (ValueError, RecursionError):
        return
    top = described if isinstance(described, list) else [described]
    for thing in top[:_MAX_NAMED]:
        if isinstance(thing, dict):
            graph = thing.get("@graph")
            for part in [thing, *(graph[:_MAX_NAMED] if isinstance(graph, list) else [])]:
                yield from _licences_of(part)


def _licences_of(thing: Any) -> Iterator[str]:
    if not isinstance(thing, dict) or thing.get("@type") in _NOT_THE_PAGE:
        return
    named = thing.get("license")
    for one in named if isinstance(named, list) else [named]:
        link = (one.get("@id") or one.get("url")) if isinstance(one, dict) else one
        if isinstance(link, str):
            yield link
