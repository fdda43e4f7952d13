"""The main text of a page of HTML by any of the extractors, behind one function."""

import copy
import functools
from typing import Any

from curation.extraction import agreement, hastened
from curation.extraction.settings import Resiliparse, Trafilatura


class Html:
    """A decoded page, parsed once by each parser that is asked for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def tree(self) -> Any:
        """resiliparse's tree; its readers leave it as it is."""
        from resiliparse.parse.html import HTMLTree

        return HTMLTree.parse(self.text)


def main_text(html: Html, extractor: Trafilatura | Resiliparse) -> str:
    """The page's main text by an extractor, "" where it finds none; may raise whatever the extractor raises."""
    if isinstance(extractor, Resiliparse):
        return _resiliparse(html, main_content=extractor.main_content)
    if extractor.focus != "agreed":
        text = _trafilatura(html, extractor, extractor.focus)
        return agreement.checked(text, _resiliparse(html)) if extractor.checked else text
    return agreement.settle(
        _trafilatura(html, extractor, "balanced"),
        lambda: _trafilatura(html, extractor, "precision"),
        _resiliparse(html),
    )


def whole_text(html: Html) -> str:
    """All text of the page that a reader could see, with scripts or without, menus and all."""
    return _plain_text(html, main_content=False, noscript=True)


def load() -> None:
    """Imports the extractors, before the first page, whose time it is not."""
    import resiliparse.extract.html2text
    import resiliparse.parse.html
    import trafilatura

    del resiliparse, trafilatura
    hastened.install()


def _resiliparse(html: Html, *, main_content: bool = True) -> str:
    return _plain_text(html, main_content=main_content, noscript=False)


def _plain_text(html: Html, *, main_content: bool, noscript: bool) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return str(
        extract_plain_text(
            html.tree, main_content=main_content, noscript=noscript, alt_texts=False, links=False, form_fields=False
        )
    )


def _trafilatura(html: Html, settings: Trafilatura, focus: str) -> str:
    import trafilatura
    from trafilatura.deduplication import LRUCache

    options = copy.copy(_options(focus, settings.fast))
    if settings.deduplicate:
        # A cache of its own for each page: trafilatura's would remember the pages before, so that a page's text would
        # depend on which pages the same process had seen.
        options.dedup = LRUCache(maxsize=4096)
    return trafilatura.extract(html.text, options=options) or ""


@functools.cache
def _options(focus: str, fast: bool) -> Any:
    """trafilatura's own form of its options, which takes it .2 ms to make."""
    from trafilatura.settings import Extractor

    return Extractor(fast=fast, precision=focus == "precision", recall=focus == "recall", comments=False)
