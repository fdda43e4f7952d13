"""A text and its parts, each split once however many rules ask for it."""

import functools
import re

from curation import words

_BLANK_LINES = re.compile(r"\n{2,}")
_LINE_BREAKS = re.compile(r"\n+")


class Text:
    """An immutable text; the parts are computed when first asked for."""

    def __init__(self, content: str) -> None:
        self.content = content

    @functools.cached_property
    def words(self) -> list[str]:
        """Tokens without white space, punctuation marks included (`curation.words`)."""
        return words.words(self.content)

    @functools.cached_property
    def lines(self) -> list[str]:
        """Lines as they stand, blank ones included."""
        return self.content.splitlines()

    @functools.cached_property
    def nonempty_lines(self) -> list[str]:
        """What lies between runs of line breaks."""
        return _LINE_BREAKS.split(self.content)

    @functools.cached_property
    def paragraphs(self) -> list[str]:
        """What lies between blank lines, without white space around the whole."""
        return _BLANK_LINES.split(self.content.strip())
