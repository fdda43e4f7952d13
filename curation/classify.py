"""A quality classifier as a step: a fastText model that was trained to tell good documents from others."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from curation import fasttext_model
from curation.fasttext_model import LABEL
from curation.rules.limits import shares
from curation.rules.rule import Verdict
from curation.text import Text

HIGH, LOW = "__label__hq", "__label__cc"  # as DCLM's published model names good documents and those of the crawl
_END_OF_LINE = "</s>"  # the word that fastText ends a line with, also in the middle of one


@dataclasses.dataclass(frozen=True)
class QualityClassifier:
    """Keeps documents to which a fastText model gives a score, the probability of one of its labels.

    Any model that fastText saves (.bin, .ftz) will do, local or remote; `sha256` is the file's. DCLM's recipe is its
    `openhermes_reddit_eli5_vs_rw_v2_200k_train.bin` with min_score=0.018112, its own best tenth (2406.11794, section
    4.4; baselines/mappers/enrichers/quality_prediction_enrichment_utils.py). The score reaches 1e-5 beyond 0 and 1,
    since fastText adds as much. By default nothing is rejected: the score is for `TopShare("quality_score", ...)`.
    """

    path: str
    sha256: str
    label: str = HIGH
    min_score: float = 0.0

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_score",)

    def __post_init__(self) -> None:
        shares(self, "min_score")

    def measure(self, text: Text) -> dict[str, float]:
        """The probability of the label."""
        return {"quality_score": score(model(self.path, self.sha256), text.content, self.label)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Why the document is dropped, or None; the least score itself is kept."""
        is_kept = signals["quality_score"] >= self.min_score or not self.min_score  # a score may be just below 0
        return None if is_kept else ("low_quality", "quality_score")

    def check(self) -> None:
        """ValueError where the model cannot be had, is another one, or does not know the label."""
        if self.label not in (known := labels(model(self.path, self.sha256))):
            shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
            raise ValueError(f"QualityClassifier(label={self.label!r}): {self.path} knows {shown}; give one of these")


def normalised(text: str) -> str:
    """The text as the model is trained on it and asked about it: in one line, and otherwise as it stands.

    As DCLM's: case, digits and punctuation stay, and words are what white space separates. What fastText would take
    for a label or for the end of the line in a page is none.
    """
    line = " ".join(text.strip().splitlines())
    return line.replace(LABEL, "__label ").replace(_END_OF_LINE, "< /s>")


def score(classifier: Any, text: str, label: str = HIGH) -> float:
    """The probability of a label, 0 for a text without words.

    Of two labels it is one less the other's where that is the more probable one, as DCLM's program has it, whose
    thresholds are of such numbers.
    """
    line = normalised(text)
    if not line.strip():
        return 0.0
    # Not `model.predict`: in fasttext 0.9.3 it fails on numpy 2. The line break is what it would add.
    found = classifier.f.predict(line + "\n", -1, 0.0, "strict")
    if len(found) == 2 and found[0][1] != label:
        return 1.0 - float(found[0][0])
    return next((float(probability) for probability, name in found if name == label), 0.0)


def labels(classifier: Any) -> list[str]:
    """The labels of a model, the most frequent first."""
    return list(classifier.f.getLabels("strict")[0])


@functools.lru_cache(2)
def model(path: str, sha256: str) -> Any:
    """The model at `path`; ValueError where it cannot be had, or is another than the digest says."""
    return fasttext_model.load(QualityClassifier.__name__, path, sha256)
