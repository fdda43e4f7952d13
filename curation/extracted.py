"""What comes of a page's extraction."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

from curation.document import Page


@dataclasses.dataclass(frozen=True)
class Extracted:
    """A page's text, and where the recipe's steps were taken on it as well, what they found."""

    text: str
    charset: str
    retried: bool
    by_second: bool = False  # the first extractor found nothing, failed, or was over its limits
    language: str = ""
    language_score: float = 0.0
    signals: Mapping[str, float] = dataclasses.field(default_factory=dict)
    licence: str = ""


@dataclasses.dataclass(frozen=True)
class Failed:
    """Why a page gave no text, or which step rejected it."""

    step: str
    reason: str
    value: float | None = None
    evidence: str | None = None
    retried: bool = False
    rejected: Extracted | None = None  # what a step after extraction rejected, as it stood before that step


class Extracts(Protocol):
    """Anything that extracts pages; tests have their own."""

    def extract(self, page: Page) -> Extracted | Failed:
        """The page's text, or why there is none; never raises on account of the page."""
