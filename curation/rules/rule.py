"""What a rule is: numbers measured on a text, and a verdict on the numbers alone."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from curation.text import Text

Verdict = tuple[str, str]  # the reason to drop the document, and the signal that decided


@runtime_checkable
class Rule(Protocol):
    """A frozen dataclass that holds the thresholds of one published filter."""

    def measure(self, text: Text) -> dict[str, float]:
        """The signals of a text; stored with the document that passes."""
        ...

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Why the document is dropped, or None where it is kept."""
        ...


@runtime_checkable
class Edit(Protocol):
    """A step that rewrites the text; one that also has a rule's methods is asked for its verdict first."""

    def edit(self, text: Text) -> str:
        """The text that the following steps see."""
        ...
