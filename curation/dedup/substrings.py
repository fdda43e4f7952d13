"""Stretches of tokens that stand more than once in a corpus: the first copy stays, the others are cut.

Lee et al. 2022 (https://arxiv.org/abs/2107.06499) find them in a suffix array of the whole corpus, which one machine
must hold. The same stretches are the unions of windows of `min_tokens` tokens that stand earlier, and windows can be
compared by their hashes anywhere. Few are: winnowing (Schleimer et al. 2003, doi 10.1145/872757.872770) gives each
window the least hash of the k-grams in it as fingerprint, the same to equal windows, and one to many that overlap; only
windows whose fingerprint stands more than once are compared.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xxhash

from curation.rules import limits
from curation.rules.characters import UNSPACED

_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|\S")
_RUN = re.compile(rf"[^\W{UNSPACED}]")
_MAX_TOKENS = 1000  # of a window: the hashes of a text's windows take the time of reading it so many times

FINGERPRINT = np.dtype([("key", "<u8"), ("part", "<i4"), ("is_repeated", "?")])
WINDOW = np.dtype([("key", "<u8", 2), ("document", "<i8"), ("token", "<i4")])
DROP = np.dtype([("document", "<i8"), ("token", "<i4"), ("kept", "<i8")])  # a window, and who holds its first copy


@dataclasses.dataclass(frozen=True)
class ExactSubstrings:
    """Cuts what stands earlier in the corpus, by id and place, and is at least so many tokens long.

    Lee et al. 2022 (https://arxiv.org/abs/2107.06499), with RefinedWeb's lengths (Penedo et al. 2023,
    https://arxiv.org/abs/2306.01116, appendix G.3). A token is a run of letters, digits and underscores, one character
    of a script without blanks between words, or one mark; white space is none, and case counts. What stands earlier may
    overlap its copy, as in a text that says one thing over and over, and may itself be cut for one still earlier. A
    document that was cut is dropped where no word or too few characters are left (`nothing_left`); signals `cut_spans`
    and `cut_tokens`.
    """

    min_tokens: int = 50
    min_characters: int = 20  # that must be left of a document that was cut, white space around them aside

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "min_tokens")
        limits.at_least(self, 0, "min_characters")
        if self.min_tokens > _MAX_TOKENS:
            raise ValueError(f"ExactSubstrings(min_tokens={self.min_tokens}): expected at most {_MAX_TOKENS}")

    def is_enough(self, text: str) -> bool:
        """Whether what is left of a document that was cut may stay."""
        return len(text.strip()) >= self.min_characters and re.search(r"\w", text) is not None


class Span(NamedTuple):
    """A stretch of a text that is cut: whole tokens, and white space on one side of them."""

    start: int  # characters
    stop: int
    tokens: int
    kept: int  # the document that holds the first copy of its first window


def tokens(text: str) -> list[bytes]:
    """The tokens of a text, none of which holds a blank, in UTF-8."""
    found = _TOKEN.findall(text)
    return " ".join(found).encode("utf-8", "surrogatepass").split(b" ") if found else []


def fingerprints(step: ExactSubstrings, found: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Of each window of tokens its fingerprint, uint64[n], and at which token that was taken, int64[n]."""
    if len(found) < step.min_tokens:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    size = (step.min_tokens + 1) // 2
    hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, found), np.uint64, len(found))
    grams = _over(hashes, size, _mixed)
    # The last of the least: in a text that says one word over and over, the first would do as well.
    places = _over(
        np.arange(len(grams)),
        step.min_tokens - size + 1,
        lambda left, right: np.where(grams[right] <= grams[left], right, left),
    )
    return grams[places], places


def of_document(step: ExactSubstrings, text: str) -> np.ndarray:
    """The distinct fingerprints of a text, FINGERPRINT[n], of part 0."""
    keys, places = fingerprints(step, tokens(text))
    distinct = keys[np.diff(places, prepend=-1) != 0]  # places never go back
    taken = np.zeros(len(distinct), FINGERPRINT)
    taken["key"] = distinct
    return merged(taken)


def merged(found: np.ndarray) -> np.ndarray:
    """One for each key, FINGERPRINT[n], sorted, of what one part holds; repeated where it stands more than once."""
    found, starts, repeated = _grouped(found)
    found = found[starts]
    found["is_repeated"] = repeated
    return found


def shared(found: np.ndarray) -> np.ndarray:
    """Those of all parts' FINGERPRINT[n] that stand more than once in the corpus, FINGERPRINT[m]."""
    found, starts, repeated = _grouped(found)
    result: np.ndarray = found[np.repeat(repeated, np.diff(starts, append=len(found)))]
    return result


def windows(step: ExactSubstrings, text: str, number: int, among: np.ndarray) -> np.ndarray:
    """The WINDOW[n] of a document whose fingerprints are among these, uint64[m], sorted.

    A window is known by 128 bits of its tokens: of a million million, 2 of different tokens are taken for the same once
    in 10^15 corpora.
    """
    held = tokens(text)
    keys, _ = fingerprints(step, held)
    places = np.flatnonzero(_is_among(keys, among))
    found = np.empty(len(places), WINDOW)
    if not len(places):
        return found
    joined, starts = b" ".join(held), np.cumsum([0, *(len(token) + 1 for token in held)])
    bounds = zip(starts[places].tolist(), (starts[places + step.min_tokens] - 1).tolist(), strict=True)
    digests = [xxhash.xxh3_128_digest(joined[start:stop]) for start, stop in bounds]
    found["key"] = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
    found["document"], found["token"] = number, places
    return found


def drops(found: np.ndarray) -> np.ndarray:
    """The windows that stand earlier, DROP[n], of the WINDOW[k] of one partition."""
    key = found["key"]
    found = found[np.lexsort((found["token"], found["document"], key[:, 1], key[:, 0]))]
    starts = np.ones(len(found), bool)
    starts[1:] = (found["key"][1:] != found["key"][:-1]).any(axis=1)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(found)), 0))
    result = np.empty(len(found), DROP)
    result["document"], result["token"], result["kept"] = found["document"], found["token"], found["document"][first]
    return result[~starts]


def spans(step: ExactSubstrings, text: str, gone: np.ndarray) -> list[Span]:
    """What is cut of a text for the DROP[n] of its document, sorted by token; what touches is one.

    Of the white space on both sides, that with fewer line breaks goes along, and at either end of the text what would
    be left hanging there.
    """
    if not len(gone):
        return []
    bounds = [match.span() for match in _TOKEN.finditer(text)]
    breaks = np.flatnonzero(np.diff(gone["token"]) > step.min_tokens) + 1
    firsts, lasts = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(gone)]]) - 1
    runs = zip(
        gone["token"][firsts].tolist(), gone["token"][lasts].tolist(), gone["kept"][firsts].tolist(), strict=True
    )
    return [_span(text, bounds, first, last + step.min_tokens, kept) for first, last, kept in runs]


def without(text: str, gone: list[Span]) -> str:
    """The text without these spans, in order; a blank comes between two words that would become one."""
    pieces, start = [], 0
    for span in gone:
        pieces.append(text[start : span.start])
        start = span.stop
        if _RUN.match(text, start) and _RUN.match(pieces[-1][-1:]):
            pieces.append(" ")
    return "".join([*pieces, text[start:]])


def _span(text: str, bounds: list[tuple[int, int]], first: int, last: int, kept: int) -> Span:
    """The span of the tokens from `first` up to `last`."""
    start, stop = bounds[first][0], bounds[last - 1][1]
    before = bounds[first - 1][1] if first else 0
    after = bounds[last][0] if last < len(bounds) else len(text)
    left, right = ((text.count("\n", *gap), gap[1] > gap[0]) for gap in ((before, start), (stop, after)))
    if first == 0 or (left >= right and last < len(bounds)):
        return Span(start, after, last - first, kept)
    return Span(before, stop, last - first, kept)


def _over(values: np.ndarray, length: int, combine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """For each place what `combine` makes of the `length` values from there on, in steps that double."""
    width = 1
    while 2 * width <= length:
        values = combine(values[:-width], values[width:])
        width *= 2
    rest = length - width
    return combine(values[:-rest], values[rest:]) if rest else values


def _mixed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A hash of two hashes, uint64[n], in this order: chance alone makes two the same, and that costs time alone."""
    mixed = left * np.uint64(0x9E3779B97F4A7C15)  # odd numbers of random bits
    mixed += right
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    return mixed


def _grouped(found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FINGERPRINT[n] sorted by key, where each key starts, int64[m], and whether it stands more than once, bool[m]."""
    found = found[np.argsort(found["key"], kind="stable")]
    starts = np.flatnonzero(np.diff(found["key"], prepend=~found["key"][:1]))
    if not len(starts):
        return found, starts, np.empty(0, bool)
    several = np.diff(starts, append=len(found)) > 1
    return found, starts, several | np.logical_or.reduceat(found["is_repeated"], starts)


def _is_among(keys: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Which of the keys, uint64[n], are among those sorted, uint64[m]: bool[n]."""
    if not len(among):
        return np.zeros(len(keys), bool)
    found: np.ndarray = among[np.minimum(np.searchsorted(among, keys), len(among) - 1)] == keys
    return found
