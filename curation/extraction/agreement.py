"""Which of several extractions of a page to believe, judged by another extractor that works otherwise.

trafilatura takes too much from some pages and too little from others, and has a mode against each. resiliparse decides
by quite other rules, so what both find is seldom wrong. Measured on pages whose text people marked by hand
(`tests/benchmarks/extraction.py`); the numbers below are round ones from a wide range in which little changes.
"""

import collections
import re
from collections.abc import Callable

# A word, or one character of a script that is written without spaces: Chinese, Japanese, Korean and Thai.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]|[^\W_]+")
_NO_WORD = re.compile(r"[\W_]+")
_AGREES = 0.9  # F1 of words; where the first text agrees so well, no other one is asked for
_UNRELATED = 0.5  # F1 of words; below it the witness's silence says nothing
_SHORT_LINE = 80  # characters; menus, captions and links are shorter, paragraphs seldom
_NO_CELL = ("", "---")  # the latter is below a table's head
_MAX_SEARCHED = 200_000  # characters; texts of 10 kB are long
_NEXT_TO_NOTHING = 0.02  # of the witness's characters


def settle(first: str, other: Callable[[], str], witness: str) -> str:
    """The text of `first` and `other()` that has more words in common with the witness's, checked.

    `other` is called only where the first does not agree well.
    """
    words = _words(witness)
    agreement = _f1(_words(first), words)
    if agreement < _AGREES and _f1(_words(second := other()), words) > agreement:
        first = second
    return checked(first, witness)


def checked(text: str, witness: str) -> str:
    """A text without its stray lines; the witness's where it is next to nothing and the witness has found something."""
    if _f1(_words(text), _words(witness)) >= _UNRELATED:
        text = _without_stray_lines(text, witness)
    return witness if len(text) < _NEXT_TO_NOTHING * len(witness) else text


def _words(text: str) -> collections.Counter[str]:
    return collections.Counter(_WORD.findall(text.lower()))


def _f1(one: collections.Counter[str], other: collections.Counter[str]) -> float:
    common = sum(min(count, other[word]) for word, count in one.items() if word in other)
    return 2 * common / max(one.total() + other.total(), 1)


def _without_stray_lines(text: str, witness: str) -> str:
    """Drops short lines, and short cells of a table's rows, that the witness has nowhere."""
    known = _squeezed(witness)
    if len(known) > _MAX_SEARCHED:
        return text  # each line is looked for in all of it
    lines = []
    for line in text.split("\n"):
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.split("|")]
            line = " ".join(cell for cell in cells if cell not in _NO_CELL and _is_kept(cell, known))
            if line:
                lines.append(line)
        elif _is_kept(line, known):
            lines.append(line)
    return "\n".join(lines)


def _is_kept(line: str, known: str) -> bool:
    return len(line) > _SHORT_LINE or _squeezed(line) in known


def _squeezed(text: str) -> str:
    return _NO_WORD.sub("", text.lower())
