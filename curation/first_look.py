"""A look at a page before its text is extracted, which is what most of a run's time goes into."""

import dataclasses
import itertools
import re
from collections.abc import Callable
from html import unescape

from curation import language, words
from curation.rules import limits

_SAMPLE = 300  # characters from each of three places of the page; more do not change a verdict this sure
_ENOUGH = 480  # of these characters, for a sample to decide
_WHOLE_SAMPLE = 500  # characters from each of three places of the whole text, where the sample left doubt
_PLACES = (0.2, 0.4, 0.6)  # of the HTML: at its start are headers, at its end footers
_SURE_BELOW, _SURE_ABOVE = 0.1, 3.0  # times the limit; between them the whole text decides
_WORDS_OF_SAMPLE = 50  # that three samples surely have; pages of fewer are looked at whole
_RUN = re.compile(r">([^<>]{25,})<")  # shorter runs are menus
_WINDOW = 1 << 12  # characters that are searched at once
_SCRIPT = re.compile(r"<(?:script|style)\b", re.IGNORECASE)
_END_OF_SCRIPT = re.compile(r"</(?:script|style)", re.IGNORECASE)
_MAX_LABELS = 50  # more cannot each have .02
# Runs of letters, runs of digits, single marks: spaCy, which counts for the rules, cuts few texts into more words than
# these, since it knows contractions ("cannot" and "dont" are two words).
_PIECE = re.compile(r"[^\W\d]+|\d+|[^\w\s]")
_TEXT_IN_SCRIPTS = ("articleBody", "reviewBody")  # schema.org's, which trafilatura may take


REJECT_ALL = 100.0  # a `min_score` that no page reaches: `trace` asks so for each page's score


@dataclasses.dataclass(frozen=True)
class FirstLook:
    """Rejects pages whose whole text, menus and all, can hold no document of the recipe.

    A sample of the page's text decides what is sure, its whole text the rest. The limit on the language is far below
    what the whole text of any page scored that KeepLanguage let pass: of 3,800 pages, in many languages, 1,270 were
    rejected, none of which had become a document; the 26 documents whose sample had left doubt scored .72 and more.
    A threshold of 0 switches its half off; leave the step out of a recipe to extract every page.
    """

    language: str = "en"
    min_score: float = 0.1  # probability of the language, by lid.176
    min_words: int = 0  # that of the recipe's rule, such as GopherQuality's

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_words")
        if self.min_score != REJECT_ALL:
            limits.shares(self, "min_score")


Verdict = tuple[str, float, str]  # reason, the number that decided, evidence


def settle(html: str, whole_text: Callable[[], str], wanted: FirstLook) -> Verdict | None:
    """Why a page is rejected, or None; its whole text is asked for only where a sample of the text leaves doubt."""
    text = sample(html)
    if len(text) >= _ENOUGH and wanted.min_words <= _WORDS_OF_SAMPLE:
        verdict, score = _of_language(text, wanted)
        if not wanted.min_score * _SURE_BELOW <= score < wanted.min_score * _SURE_ABOVE:
            return verdict
    text = whole_text()
    if any(name in html for name in _TEXT_IN_SCRIPTS) and num_words(text, wanted.min_words) < wanted.min_words:
        return None  # what readers do not see decides
    return look(text, wanted)


def look(text: str, wanted: FirstLook) -> Verdict | None:
    """Why a page with this whole text is rejected, or None."""
    if wanted.min_words and (count := num_words(text, wanted.min_words)) < wanted.min_words:
        return "too_few_words", count, "of the whole page"
    if len(text) > 3 * _WHOLE_SAMPLE:
        middle = (len(text) - _WHOLE_SAMPLE) // 2
        text = f"{text[:_WHOLE_SAMPLE]} {text[middle : middle + _WHOLE_SAMPLE]} {text[-_WHOLE_SAMPLE:]}"
    return _of_language(text, wanted)[0]


def sample(html: str) -> str:
    """Text from three places of the page, out of its longer runs between tags, as much as there is."""
    return unescape(" ".join(_text_from(html, int(len(html) * place)) for place in _PLACES))


def _text_from(html: str, start: int) -> str:
    """The next `_SAMPLE` characters of text, or all that are left."""
    if html.rfind("<script", 0, start) > html.rfind("</script", 0, start):
        start = max(html.find("</script", start), start)
    pieces, size = [], 0
    while start < len(html):
        # Two searches that each begin with one character, which is found twice as fast as either of two.
        window = start + _WINDOW
        script = _SCRIPT.search(html, start, window + len("<script>"))
        stop = script.start() if script else html.find("<", window)
        for run in _RUN.finditer(html, start, stop + 1 if stop >= 0 else len(html)):
            if piece := run[1].strip():
                pieces.append(piece)
                size += len(piece) + 1
                if size > _SAMPLE:
                    return " ".join(pieces)[:_SAMPLE]
        end = _END_OF_SCRIPT.search(html, script.end()) if script else None
        start = end.end() if end else len(html) if script or stop < 0 else stop
    return " ".join(pieces)


def _of_language(text: str, wanted: FirstLook) -> tuple[Verdict | None, float]:
    """Why a text is rejected for its language, or None, and its score."""
    if not wanted.min_score:
        return None, 1.0
    scores = language.scores(text, count=_MAX_LABELS)
    score = scores.get(wanted.language, 0.0)
    return ("other_language", score, next(iter(scores), "")) if score < wanted.min_score else None, score


def num_words(text: str, most: int) -> int:
    """The words of a text at most, counted up to `most`."""
    count = sum(1 for _ in itertools.islice(_PIECE.finditer(text), most))
    return count if count == most else max(count, min(words.num_words(text), most))  # it is a short text: spaCy's time
