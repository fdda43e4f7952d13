"""Personal data as published corpora replace it: FineWeb's e-mail and IP addresses, and Dolma's masks."""

import dataclasses
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from curation.rules.limits import at_least, typed
from curation.rules.rule import Verdict
from curation.text import Text

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_LOCAL = re.compile(rf"\b{_ATOM}(?:\.{_ATOM})*@")
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_OCTET = r"(?:25[0-5]|2[0-4]\d|[01]?\d\d?)"
_IP = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}", re.ASCII)
_LIKE_IP = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d", re.ASCII)  # in every text that holds one, and five times faster
_MAX_LOCAL, _MAX_DOMAIN = 320, 256  # characters before and after the @; no address has more

# Dolma's patterns in linear time. An address is read outward from its @; a phone number needs one blank before it.
_DOLMA_DOMAIN = re.compile(r"[^\s@,?!;:)(]++(?=[@,?!;:)(]?\s)")
_DOLMA_PHONE = re.compile(r"[(\d](?<=\s.)(?:(?<=\()\d\d\d|(?<=\d)\d\d)\)?[-. ]*+\d{3}[-. ]?\d{4}")


@dataclasses.dataclass(frozen=True)
class ReplacePii:
    """FineWeb's replacements (datatrove 0.10.1, formatters/pii.py), taken in turn within each document.

    datatrove takes them in turn over all documents of a worker, so that its output depends on the order of processing;
    here the n-th address of a document always becomes the n-th replacement.
    """

    emails: tuple[str, ...] = ("email@example.com", "firstname.lastname@example.org")
    ips: tuple[str, ...] = (
        "22.214.171.124",
        "126.96.36.199",
        "188.8.131.52",
        "184.108.40.206",
        "220.127.116.11",
        "18.104.22.168",
    )

    def __post_init__(self) -> None:
        typed(self)
        for name in ("emails", "ips"):
            if not getattr(self, name):
                raise ValueError(f"ReplacePii({name}=()): expected a tuple of one text or more")

    def edit(self, text: Text) -> str:
        """The text with every address replaced."""
        content = text.content
        if "@" in content:
            content = self._replace_emails(content)
        return self._replace_ips(content) if _LIKE_IP.search(content) else content

    def _replace_emails(self, content: str) -> str:
        pieces: list[str] = []
        done = after_last = 0
        for at in re.finditer("@", content):
            # From each @ outward, and never over another: on a long run of letters one pattern for all is quadratic.
            start = max(done, after_last, at.start() - _MAX_LOCAL)
            after_last = at.end()
            domain = _DOMAIN.match(content, at.end(), at.end() + _MAX_DOMAIN)
            if domain and (local := _LOCAL.search(content, start, at.end())):
                replacement = self.emails[len(pieces) // 2 % len(self.emails)]
                pieces += [content[done : local.start()], replacement]
                done = domain.end()
        return "".join([*pieces, content[done:]])

    def _replace_ips(self, content: str) -> str:
        count = 0

        def replacement(match: re.Match[str]) -> str:
            nonlocal count
            try:
                if not ipaddress.ip_address(match[0]).is_global:
                    return match[0]
            except ValueError:  # such as 010.0.0.1: leading zeros are ambiguous
                return match[0]
            count += 1
            return self.ips[(count - 1) % len(self.ips)]

        return _IP.sub(replacement, content)


@dataclasses.dataclass(frozen=True)
class DolmaPii:
    """Dolma 1.6's masks, and no page that would need many (arXiv 2402.00159; cc-*.yaml and dolma/taggers/pii.py).

    The published mixer drops a page whose `doc_count` is above 5 and masks the spans of all others. From its patterns:
    an address ends before a blank, with at most one mark between, so that one at the very end of a text is none; a
    phone number is ten digits in the American groups after a blank; an IP address needs no boundary and may be private.
    Of its checks, the two on addresses are here: a dot in the domain, and more than "(" before the @ (here: than marks
    alone). Its look at the words around (isbn, doi, #) belongs to an older tagger than the one that 1.6 names.

    Known to differ: the program looks for spans paragraph by paragraph, so that it misses a number at the start of a
    line, and a mask of ours leaves the blanks before a number as they are.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("max_spans",)

    max_spans: int = 5  # of a page that is kept
    email: str = "|||EMAIL_ADDRESS|||"
    phone: str = "|||PHONE_NUMBER|||"
    ip: str = "|||IP_ADDRESS|||"

    def __post_init__(self) -> None:
        at_least(self, 0, "max_spans")

    def measure(self, text: Text) -> dict[str, float]:
        """How many spans there are, those that overlap included."""
        return {"num_pii_spans": len(self._spans(text))}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Too many spans: a list of members, or a log."""
        if signals["num_pii_spans"] > self.max_spans:
            return "too_many_pii_spans", "num_pii_spans"
        return None

    def edit(self, text: Text) -> str:
        """The text with each span masked; of two that overlap the first."""
        pieces, done = [], 0
        for start, end, mask in self._spans(text):
            if start >= done:
                pieces += [text.content[done:start], mask]
                done = end
        return "".join([*pieces, text.content[done:]])

    def _spans(self, text: Text) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] | None = text.notes.get(self)
        if found is None:
            content = text.content
            spans = [(start, end, self.email) for start, end in _dolma_emails(content)]
            spans += [(*match.span(), self.phone) for match in _DOLMA_PHONE.finditer(content)]
            if _LIKE_IP.search(content):
                spans += [(*match.span(), self.ip) for match in _IP.finditer(content)]
            found = text.notes[self] = sorted(spans)
        return found


def _dolma_emails(content: str) -> Iterator[tuple[int, int]]:
    """Start and end of what `[.\\s@,?!;:)(]*([^\\s@]+@[^\\s@,?!;:)(]+?)[.\\s@,?!;:)(]?\\s` captures."""
    before = 0  # where the last @ ended
    for at in re.finditer("@", content):
        domain = _DOLMA_DOMAIN.match(content, at.end())
        # Not over another @, so that each character is looked at once.
        local = content[before : at.start()] if domain else ""
        before = at.end()
        if not domain or not local or local[-1].isspace():
            continue
        end = domain.end() - (domain[0].endswith(".") and len(domain[0]) > 1 and content[domain.end()].isspace())
        addressee = local.rsplit(None, 1)[-1].lstrip(".,?!;:)(")
        if addressee and "." in content[at.end() : end]:
            yield at.start() - len(addressee), end
