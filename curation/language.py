"""Language identification: the step that keeps documents by their language, and lid.176, which names it by default."""

import dataclasses
from typing import ClassVar

from curation.identifiers import Identifier, Lid176
from curation.lid176 import identify, labels, model_path, scores
from curation.rules import limits

__all__ = ["EVERY", "KeepLanguage", "identify", "labels", "model_path", "scores"]

EVERY = "*"  # for the language: whatever the label
_DEFAULT = Lid176()


@dataclasses.dataclass(frozen=True)
class KeepLanguage:
    """Keeps documents of one language whose score is above a threshold (FineWeb: lid.176, English, 0.65).

    Languages are labels of the identifier's. A corpus of several languages names the others with their thresholds,
    KeepLanguage("de", 0.65, min_scores=(("fr", 0.7), ("it", 0.5))), or keeps all that are certain enough,
    KeepLanguage("*"). KeepLanguage("*", 0.0, at_least=True) drops nothing: label and score are only noted. C4 is
    KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True).
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("language", "min_score", "min_scores", "at_least")

    language: str = "en"  # or "*", for every label
    min_score: float = 0.65
    identifier: Identifier = _DEFAULT
    min_scores: tuple[tuple[str, float], ...] = ()  # by label, kept beside `language`; others have `min_score`
    at_least: bool = False  # keep a score that equals the threshold too

    def __post_init__(self) -> None:
        limits.shares(self, "min_score")
        if isinstance(self.identifier, type) or not isinstance(self.identifier, Identifier):
            raise ValueError(
                f"KeepLanguage(identifier={self.identifier!r}): expected Lid176(), FastTextModel(...), "
                "Langdetect() or an object with their methods"
            )
        if not self.language:
            raise ValueError(f"KeepLanguage(language=''): expected a label, or {EVERY!r} for all")
        known = dict(self.min_scores)
        if len(known) != len(self.min_scores) or not all(0 <= score <= 1 for score in known.values()):
            raise ValueError(f"KeepLanguage(min_scores={self.min_scores!r}): expected one score from 0 to 1 a label")

    def identify(self, text: str) -> tuple[str, float]:
        """The label and score of a text."""
        return self.identifier.identify(text)

    def reason(self, language: str, score: float) -> str | None:
        """Why a document of this label and score is dropped, or None."""
        threshold = dict(self.min_scores).get(language)
        if threshold is None:
            if self.language not in (language, EVERY):
                return "other_language"
            threshold = self.min_score
        return None if score > threshold or (self.at_least and score == threshold) else "uncertain_language"

    def check(self) -> None:
        """ValueError where the model cannot be had, or has no such label: nothing would be kept."""
        self.identifier.check()
        known = self.identifier.labels()
        for label in (self.language, *dict(self.min_scores)):
            if label not in known and label != EVERY:
                alike = sorted(other for other in known if other[:2].lower() == label[:2].lower())
                raise ValueError(
                    f"KeepLanguage({label!r}): {type(self.identifier).__name__} has no such label; of its {len(known)} "
                    f"start alike: {', '.join(alike[:12]) or 'none'}"
                )
