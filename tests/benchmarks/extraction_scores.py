"""How near an extracted text is to what people say the page's main text is."""

import collections
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tests.benchmarks.ground_truth import KnownPage

# Whoever marked these copied the text by hand; wcxb's was suggested by a tool and corrected.
MARKED = ("aeb", "cleaneval", "cleanportaleval", "cn-handcrafted", "cn-news10", "dragnet", "l3s-gn1", "leogao")
REVIEWED = ("wcxb",)

# A word, or one character of a script that is written without spaces: Chinese, Japanese, Korean and Thai.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]|[^\W_]+")


def words(text: str) -> collections.Counter[str]:
    """How often each word stands in the text, in lower case."""
    return collections.Counter(_WORD.findall(text.lower()))


def f1(text: str, truth: str) -> float:
    """F1 of the words, each as often as it stands there; 1 where neither text has any."""
    found, wanted = words(text), words(truth)
    size = found.total() + wanted.total()
    return 2 * (found & wanted).total() / size if size else 1.0


def by_set(pages: Sequence[KnownPage], texts: Sequence[str]) -> dict[str, float]:
    """The mean F1 of each set that has whole texts, by name."""
    found: dict[str, list[float]] = collections.defaultdict(list)
    for page, text in zip(pages, texts, strict=True):
        for truth in page.truths:
            if truth.text is not None:
                found[truth.set].append(f1(text, truth.text))
    return {name: statistics.fmean(scores) for name, scores in sorted(found.items())}


def mean_of(scores: Mapping[str, float], names: Iterable[str]) -> float:
    """The mean over those of the sets that are there, each counted once; nan where none is."""
    there = [scores[name] for name in names if name in scores]
    return statistics.fmean(there) if there else float("nan")


def largest_loss(scores: Mapping[str, float], reference: Mapping[str, float]) -> tuple[float, str]:
    """The lowest difference of a marked or reviewed set to the reference's, and the set's name."""
    names = [name for name in (*MARKED, *REVIEWED) if name in scores]
    return min(((scores[name] - reference[name], name) for name in names), default=(float("nan"), ""))


def segments(pages: Sequence[KnownPage], texts: Sequence[str]) -> tuple[float, float]:
    """The share found of the strings that must be in the text, and of those that must not be; nan where none is."""
    inside: list[bool] = []
    outside: list[bool] = []
    for page, text in zip(pages, texts, strict=True):
        spaced = " ".join(text.split())
        for truth in page.truths:
            inside += [" ".join(it.split()) in spaced for it in truth.inside]
            outside += [" ".join(it.split()) in spaced for it in truth.outside]
    return _share(inside), _share(outside)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values lie at or below."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else float("nan")
