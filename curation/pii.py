"""Personal data that a recipe replaces: e-mail addresses and public IP addresses."""

import dataclasses
import ipaddress
import re

from curation.text import Text

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_LOCAL = re.compile(rf"\b{_ATOM}(?:\.{_ATOM})*@")
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_OCTET = r"(?:25[0-5]|2[0-4]\d|[01]?\d\d?)"
_IP = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}", re.ASCII)
_LIKE_IP = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d", re.ASCII)  # in every text that holds one, and five times faster
_MAX_LOCAL, _MAX_DOMAIN = 320, 256  # characters before and after the @; no address has more


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
