"""What a rule is: numbers measured on a text, and a verdict on the numbers alone.

A rule may have more than its two methods, all of them optional:
- `THRESHOLDS`, a class variable: the names of the fields that `reason` alone reads. Where only they differ between two
  recipes, stored signals decide, and nothing is measured again (`pipelines.refilter`, `pipelines.whatif`).
- `evidence(text)`: the word or line that is stored with a rejection, asked for only then.
- `check()`: ValueError where a file that it names cannot be had, or is another than the recipe says.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from curation.text import Text

Verdict = tuple[str, str]  # the reason to drop the document, and the signal that decided
Finding = tuple[str, float | None, str | None]  # the reason to reject a page, the number that decided, evidence


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


@runtime_checkable
class UrlRule(Protocol):
    """A step that looks at no more than a page's URL, before anything else is done with the page."""

    def judge(self, url: str) -> Finding | None:
        """Why pages of this URL are rejected, or None."""
        ...
