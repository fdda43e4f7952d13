"""What a server answered, from the block of a record: status, media type, charset and the payload, decoded."""

import dataclasses
import io
import itertools
import re

from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException

from curation import response
from curation.reading import http_body

MAX_PAYLOAD = 16 << 20  # bytes; Common Crawl itself cuts pages at 5 MiB
_MAX_HEADER = 1 << 18  # bytes, as in browsers; millions of folded lines take the parser minutes
_OPT_OUTS = ("x-robots-tag", "tdm-reservation", "tdm-policy", "link")  # headers that `opt_outs` reads
_MAX_OPT_OUTS, _MAX_OPT_OUT = 20, 1000  # headers; characters of each
_HEADERS = StatusAndHeadersParser([], verify=False)  # HTTP/2 too, which warcio's own list lacks


@dataclasses.dataclass(frozen=True)
class Message:
    """An HTTP response."""

    status: int  # 0 where the server sent none that is one
    media_type: str  # lower case, without parameters; empty where the server sent none
    charset: str  # as the Content-Type header spells it; empty where it names none
    payload: bytes  # after transfer and content encoding
    headers: tuple[tuple[str, str], ...] = ()  # of opt-outs and licence, names in lower case


@dataclasses.dataclass(frozen=True)
class Unusable:
    """Why a block is no response that can be read."""

    reason: str
    value: float | None
    evidence: str


def parse(block: bytes, *, is_truncated: bool) -> Message | Unusable:
    """The response in a record's block; of one that is known to be truncated, as much as there is.

    A page without any HTTP header, as HTTP/0.9 sends it, is taken for the answer 200 that it is.
    """
    stream = io.BytesIO(block[:_MAX_HEADER])
    try:
        http = _HEADERS.parse(stream)
    except (StatusAndHeadersParserException, EOFError):
        http = None
    if http is None or not http.protocol.startswith("HTTP/"):
        if response.looks_like_html(block):
            return Message(200, "", "", block)
        return Unusable("no_http_header", None, repr(block[:40]))
    if stream.tell() == _MAX_HEADER < len(block):
        return Unusable("no_http_header", None, f"no end of the HTTP header within {_MAX_HEADER} bytes")
    try:
        payload = http_body.decode(
            block[stream.tell() :],
            transfer_encoding=http.get_header("Transfer-Encoding") or "",
            content_encoding=http.get_header("Content-Encoding") or "",
            limit=MAX_PAYLOAD,
            is_truncated=is_truncated,
        )
    except ValueError as error:
        return Unusable("undecodable_payload", None, str(error)[:200])
    if len(payload) > MAX_PAYLOAD:
        return Unusable("too_large", len(payload), f"more than {MAX_PAYLOAD} bytes after Content-Encoding")
    media_type, charset = content_type(_all(http, "content-type"))
    status = http.get_statuscode()
    number = int(status) if re.fullmatch("[0-9]{3}", status) else 0
    return Message(number, media_type, charset, payload, _opt_outs(http))


def content_type(values: list[str]) -> tuple[str, str]:
    """Media type in lower case, and charset as spelled; both empty where there is none.

    Of several that contradict each other the last one counts, as in browsers (https://fetch.spec.whatwg.org, "extract a
    MIME type"): it keeps the charset of those before it where it is the same type and has none.
    """
    media_type = charset = ""
    for value in values:
        essence, *parameters = value[:1000].split(";")
        essence = essence.strip().lower()
        if "/" not in essence and media_type:
            continue
        named = [
            text.strip().strip("\"'")[:40]
            for name, _, text in (parameter.partition("=") for parameter in parameters)
            if name.strip().lower() == "charset"
        ]
        charset = named[0] if named else charset if essence == media_type else ""
        media_type = essence
    return media_type, charset


def _opt_outs(http: StatusAndHeaders) -> tuple[tuple[str, str], ...]:
    found = ((name.strip().lower(), value.strip()[:_MAX_OPT_OUT]) for name, value in http.headers)
    named = ((name, value) for name, value in found if name in _OPT_OUTS)
    wanted = ((name, value) for name, value in named if name != "link" or "license" in value.lower())
    return tuple(itertools.islice(wanted, _MAX_OPT_OUTS))


def _all(http: StatusAndHeaders, name: str) -> list[str]:
    return [value for key, value in http.headers if key.lower() == name]
