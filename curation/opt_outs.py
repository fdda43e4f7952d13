"""What a page says of its use: opt-outs in meta tags and HTTP headers, and the licence under which it stands."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from curation import licences, tags
from curation.rules import limits
from curation.rules.rule import Verdict

SIGNALS = ("noindex", "nofollow", "noarchive", "nosnippet", "noai", "noimageai", "tdm_reserved")
_MAX_HEAD = 1 << 18  # characters that are searched for meta tags; of 1,521 pages the last such tag stood at 169,000
_META = ("<meta", "<META")  # a page that spells all its tags otherwise is not looked at
_MARKS = ("bot", "tdm-", "anthropic", "-extended", "slurp")  # one is in each tag that counts
_MAX_MARK = 1000  # characters of a tag
_AGENTS = re.compile(r"robots?|[a-z-]*bots?|google-extended|applebot-extended|anthropic-ai|slurp")
_TAKES_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
_WANTED = ("meta", "a", "link", "script", "footer", "div")
_DIRECTIVE = re.compile(r"[^\s,;]+")


@dataclasses.dataclass(frozen=True)
class OptOuts:
    """Stores what a page's owner says of its use as signals and licence; rejects pages for those that a recipe names.

    Read are `robots` meta tags and those addressed to one crawler, X-Robots-Tag headers, `noai` and `noimageai`, and
    reservations by the TDM Reservation Protocol (https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/)
    in a meta tag or header; what sites say in robots.txt or /.well-known/tdmrep.json is not in a crawl's records.
    Published recipes read none of this, so nothing is rejected unless it is named here.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("reject",)

    reject: tuple[str, ...] = ()  # names of SIGNALS, such as ("noai", "tdm_reserved")

    def __post_init__(self) -> None:
        limits.typed(self)
        if unknown := tuple(name for name in self.reject if name not in SIGNALS):
            raise ValueError(f"OptOuts(reject={unknown!r}): expected a tuple of names out of {', '.join(SIGNALS)}")

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The first of the named opt-outs that the page has."""
        for name in self.reject:
            if signals.get(name):
                return f"opted_out_{name}", name
        return None


def read(html: str, headers: Sequence[tuple[str, str]] = (), url: str = "") -> tuple[dict[str, float], str]:
    """The opt-outs that a page has, each 1.0, in the order of SIGNALS; and its licence, empty where it names none.

    `headers` are those of a `Page`: names in lower case.
    """
    found: set[str] = set()
    links: list[tuple[int, str]] = []
    for name, value in headers:
        if name == "x-robots-tag":
            found |= _directives(value)
        elif name == "tdm-reservation":
            found |= _reservation(value)
        elif name == "link":
            links += licences.of_header(value, url)
    names_licence = licences.may_hold_one(html)
    end = len(html) if names_licence else _end_of_marks(html)
    if end:
        reader = licences.Reader(url)
        for tag in tags.read(html[:end], _WANTED if names_licence else ("meta",)):
            if tag.name == "meta" and tag.start < _MAX_HEAD:
                found |= _of_meta(tag)
            if names_licence:
                links += reader.of_tag(tag)
    return {name: 1.0 for name in SIGNALS if name in found}, licences.best(links)


def _end_of_marks(html: str) -> int:
    """Where the last meta tag begins that looks like one that counts, and a little more; 0 on most pages."""
    end = 0
    for spelling in _META:
        place = html.find(spelling, 0, _MAX_HEAD)
        while place >= 0:
            tag = html[place : place + _MAX_MARK].partition(">")[0].lower()
            if ("no" in tag or "tdm-" in tag) and any(mark in tag for mark in _MARKS):
                end = max(end, place + _MAX_MARK)
            place = html.find(spelling, place + 5, _MAX_HEAD)
    return end


def _of_meta(tag: tags.Tag) -> set[str]:
    name = (tag.attribute("name") or tag.attribute("http-equiv")).strip().lower()
    content = tag.attribute("content") or tag.attribute("value")  # which some sites write
    if name == "tdm-reservation":
        return _reservation(content)
    if _AGENTS.fullmatch(name) or name == "x-robots-tag":
        return _directives(content)
    return set()


def _reservation(value: str) -> set[str]:
    return {"tdm_reserved"} if value.strip() == "1" else set()


def _directives(value: str) -> set[str]:
    """The opt-outs in a robots value; in a header a crawler's name may stand before those that are for it alone."""
    found: set[str] = set()
    is_meant = True
    for match in _DIRECTIVE.finditer(value[:1000].lower()):
        word, colon, rest = match[0].partition(":")
        if colon and re.fullmatch("[a-z][a-z0-9_-]*", word):
            if word in _TAKES_VALUE:
                continue
            is_meant = bool(_AGENTS.fullmatch(word))
            word = rest
        if is_meant:
            found |= {"noindex", "nofollow"} if word == "none" else {word}
    return found & set(SIGNALS)
