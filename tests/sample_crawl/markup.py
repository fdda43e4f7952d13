"""From the text of a page to the bytes that its server sends: light markup, then the template of the site."""

import html
import re
import string
from collections.abc import Sequence
from pathlib import Path

from tests.sample_crawl.content import HERE, Page, share

_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")

# Python's name for what browsers read under a label: they take ISO-8859-1 to mean windows-1252.
_CODECS = {"iso-8859-1": "windows-1252", "shift_jis": "cp932"}


def to_html(text: str) -> str:
    """Paragraphs, `## headings`, `- lists` and fenced code as HTML.

    >>> to_html("One & two.")
    '<p>One &amp; two.</p>'
    """
    parts = []
    for number, piece in enumerate(text.split("```")):
        if number % 2:
            parts.append(f"<pre><code>{html.escape(piece.strip())}</code></pre>")
        else:
            parts += [_block(block) for block in piece.strip().split("\n\n") if block]
    return "\n".join(parts)


def _block(text: str) -> str:
    if text.startswith("## "):
        return f"<h2>{_inline(text[3:])}</h2>"
    if text.startswith("- "):
        items = "\n".join(f"<li>{_inline(line[2:])}</li>" for line in text.splitlines())
        return f"<ul>\n{items}\n</ul>"
    return f"<p>{_inline(text)}</p>"


def _inline(text: str) -> str:
    return _LINK.sub(r'<a href="\2">\1</a>', html.escape(text, quote=False))


def encoding(page: Page) -> tuple[str | None, str | None]:
    """The charset that the HTTP header names and the one that the page names, None where it is left out."""
    where = page.charset_in or ("both" if share(f"charset {page.url}") < 0.6 else "meta")
    return (
        page.charset if where in ("header", "both") else None,
        page.charset if where in ("meta", "both") else None,
    )


def render(page: Page, neighbours: Sequence[Page], *, date: str, folder: Path = HERE) -> bytes:
    """The page in the template of its site, with links to `neighbours`, in its charset."""
    template = string.Template((folder / "sites" / page.host / "template.html").read_text(encoding="utf-8"))
    named = encoding(page)[1]
    links = "\n".join(f'<li><a href="{other.url}">{_inline(other.title)}</a></li>' for other in neighbours)
    cards = "\n".join(
        f'<div class="card"><a href="{other.url}"><h3>{_inline(other.title)}</h3></a>'
        f'<p class="teaser">{_inline(" ".join(other.text.split()[:14]))} …</p></div>'
        for other in neighbours[:3]
    )
    document = template.substitute(
        meta=f'<meta charset="{named}">' if named else "",
        title=_inline(page.title),
        url=html.escape(page.url),
        date=date,
        body=to_html(page.text),
        links=links,
        cards=cards,
    )
    return document.encode(_CODECS.get(page.charset, page.charset), errors="xmlcharrefreplace")
