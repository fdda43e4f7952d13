"""Where a text holds e-mail addresses and public IP addresses. No character is read for many of them."""

import ipaddress
import re
from collections.abc import Iterator

Place = tuple[int, int]  # start and end in the text

_LATIN = "A-Za-z0-9À-ÖØ-öø-ɏ"  # other scripts stand beside an address without a blank, and are seldom part of one
_AT = re.compile(rf"@(?<=[{_LATIN}_%+'&-]@)(?=[{_LATIN}])")
_NOT_LOCAL = re.compile(rf"[^{_LATIN}_.%+'&-]")
_LABEL = rf"[{_LATIN}](?:[{_LATIN}-]{{0,61}}[{_LATIN}])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.){{1,8}}(?:xn--[A-Za-z0-9-]{{2,59}}|[A-Za-zÀ-ÖØ-öø-ɏ]{{2,24}})(?![{_LATIN}])")
_MAX_LOCAL, _MAX_DOMAIN = 64, 255  # characters, RFC 5321 section 4.5.3.1
_RESERVED = re.compile(r"(?:.*\.)?(?:example\.(?:com|net|org|edu)|example|test|invalid|localhost)")  # RFC 2606
_FILES = ("png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "avif", "css", "js", "mjs", "json", "html")  # logo@2x.png

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LIKE_IPV4 = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")  # in every text that holds one, and faster
_IPV4 = re.compile(rf"(?<![\w.])(?<![A-Za-z]-)(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.[0-9]|-[A-Za-z])")
_IPV6 = re.compile(r"[23](?<![\w:.].)[0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?![\w:])")  # 2000::/3 is all that is routed
_VERSION = re.compile(
    r"(?:\b(?:v|ver|vers|version|versión|versão|versione|release|build|firmware|driver|update|rev|revision|section|sec|"
    r"chapter|clause|article|paragraph|table|figure|fig|appendix|oid)|§)[.:#\s]{0,3}\Z",
    re.IGNORECASE,
)
_MAX_SECTION = 20  # no heading is numbered higher at any level


def emails(content: str) -> Iterator[Place]:
    """E-mail addresses, but for those under domains that nobody can own."""
    after_last = 0
    for match in _AT.finditer(content):
        at = match.start()
        # From each @ outward, and never over another, so that no character is looked at for many of them.
        local = _local_part(content[max(after_last, at - _MAX_LOCAL) : at])
        after_last = at + 1
        if local and (domain := _DOMAIN.match(content, at + 1, at + 1 + _MAX_DOMAIN)):
            name = domain[0].lower()
            if not _RESERVED.fullmatch(name) and name.rpartition(".")[2] not in _FILES:
                yield at - len(local), domain.end()
                after_last = domain.end()


def _local_part(before: str) -> str:
    """What of the characters before an @ is its local part; empty where that is none."""
    start = 0
    for other in _NOT_LOCAL.finditer(before):
        start = other.end()
    local = before[start:].lstrip(".%+'&-")
    return "" if local.endswith(".") or ".." in local else local


def ip_addresses(content: str) -> Iterator[Place]:
    """Public addresses of both versions; none of four numbers that are a version's or a section's."""
    if _LIKE_IPV4.search(content):
        for match in _IPV4.finditer(content):
            if ipaddress.IPv4Address(match[0]).is_global and not _is_number_of_something(content, match):
                yield match.span()
    for match in _IPV6.finditer(content):
        address = match[0].rstrip(":")  # of the sentence
        if address.count(":") > 1 and _is_global(address):
            yield match.start(), match.start() + len(address)


def _is_number_of_something(content: str, match: re.Match[str]) -> bool:
    """Whether four numbers are those of a version ("version 1.2.3.4") or of a heading ("1.2.3.4 Methods")."""
    if _VERSION.search(content, max(match.start() - 16, 0), match.start()):
        return True
    starts_line = match.start() == 0 or content[match.start() - 1] == "\n"
    following = content[match.end() : match.end() + 2]
    return (
        starts_line
        and len(following) == 2
        and following[0].isspace()
        and following[1].isalpha()
        and all(int(part) <= _MAX_SECTION for part in match[0].split("."))
    )


def _is_global(address: str) -> bool:
    try:
        return ipaddress.IPv6Address(address).is_global
    except ValueError:
        return False
