"""What a page must be before its text is worth looking for: a 200 with HTML in it."""

import re

from curation.document import Page, Rejection

HTML = ("text/html", "application/xhtml+xml")
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body|title)[\s>]", re.IGNORECASE)
_LOOK = 2048  # bytes from the start
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def check(page: Page) -> Rejection | None:
    """Why the response is no page of HTML, or None where it is one, or text already."""
    start = page.payload[:_LOOK]
    if page.is_text:
        return None if page.payload.strip() else reject(page, "response", "empty", value=0.0)
    if page.status != 200:
        return reject(page, "response", "status", value=page.status)
    if page.media_type not in HTML and (page.media_type or not looks_like_html(start)):
        return reject(page, "response", "not_html", evidence=page.media_type or None)
    if not page.payload.strip():
        return reject(page, "response", "empty", value=0.0)
    if b"\0" in start and not start.startswith(_UTF16_MARKS) and not looks_like_html(start.replace(b"\0", b"")):
        return reject(page, "response", "binary")
    return None


def looks_like_html(payload: bytes) -> bool:
    """Whether a tag that only HTML has stands near the start of the bytes."""
    return _HTML_START.search(payload[:_LOOK]) is not None


def reject(page: Page, step: str, reason: str, *, value: float | None = None, evidence: str | None = None) -> Rejection:
    """The rejection of a page."""
    return Rejection(
        id=page.id,
        url=page.url,
        warc=page.warc,
        offset=page.offset,
        length=page.length,
        step=step,
        reason=reason,
        value=value,
        evidence=evidence,
    )
