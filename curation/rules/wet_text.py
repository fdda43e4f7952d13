"""The text of a WET record as TFDS reads it (tensorflow_datasets/text/c4_utils.py, version 3.1.0)."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from curation.rules.rule import Verdict
from curation.text import Text

_DELIMITER = "WARC/1.0"
_HEADER = ("WARC", "CONTENT-", "Content-")


@dataclasses.dataclass(frozen=True)
class WetText:
    """Strips every line, and drops blank ones and what looks like a line of a record's header.

    TFDS reads a WET file as lines, so a line of a page that says `WARC/1.0` ends the page, and what follows has no URL.
    In one point this differs: there a page's line that starts with `WARC-Target-URI:` gives the page another URL; here
    the record's header alone says where a page is from, and such a line is dropped as the others are.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ()

    def measure(self, text: Text) -> dict[str, float]:
        """Whether the page has a URL, and its lines of text."""
        return {"has_url": float(bool(text.url)), "text_lines": len(self._lines(text))}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """No URL or no text, in this order."""
        if not signals["has_url"]:
            return "no_url", "has_url"
        return None if signals["text_lines"] else ("no_text", "text_lines")

    def edit(self, text: Text) -> str:
        """The lines of text."""
        return "\n".join(self._lines(text))

    def _lines(self, text: Text) -> list[str]:
        lines: list[str] | None = text.notes.get(self)
        if lines is None:
            lines = text.notes[self] = []
            for line in map(str.strip, text.content.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
                if line == _DELIMITER:
                    break
                if line and not line.startswith(_HEADER):
                    lines.append(line)
        return lines
