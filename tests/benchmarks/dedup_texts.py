"""Synthetic texts with near-duplicates of known similarity, and archives of texts.

A text has 100 to 500 words of a Zipf vocabulary of 50,000. Of each twenty documents fourteen are alone, two are a pair,
and four are an original with three copies: one in five is a copy. One copy in ten has its original's text; in the
others single words are replaced by new ones, five or more words apart, so that each takes five of the original's n word
5-grams away and brings five new ones: with k of them the Jaccard similarity is (n - 5k) / (n + 5k). It is meant to be
uniform from .5 to 1. Everything is a function of the seed and of the document's number, so any document can be made
alone; those that belong together are far apart.
"""

import dataclasses
import functools
import itertools
import json
import math
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tests import warc_builder
from tests.benchmarks.dedup_scores import Pair, pair

_VOCABULARY = 50_000
_SHINGLE = 5
_BLOCK = 20  # documents
_GROUPS = (1,) * 14 + (2, 4)  # sizes, in a block
_SENTENCE = 12  # words
_PER_ARCHIVE = 10_000  # documents
_LEAST_ARCHIVES = 4


@dataclasses.dataclass(frozen=True)
class Synthetic:
    """A corpus; its documents are named by their numbers."""

    num_documents: int
    seed: int = 1

    @property
    def name(self) -> str:
        """For folders."""
        return f"synthetic-{self.num_documents}-{self.seed}"

    def member(self, number: int) -> int:
        """Its place among the groups, which lie one after another."""
        step = _step(self.num_documents)
        return number * pow(step, -1, self.num_documents) % self.num_documents if self.num_documents > 1 else 0

    def number(self, member: int) -> int:
        """The document at a place among the groups."""
        return member * _step(self.num_documents) % self.num_documents


@functools.lru_cache(8)
def _step(num_documents: int) -> int:
    """Documents between two that belong together: near the golden ratio, and without a common divisor."""
    step = int(num_documents * 0.618)
    while math.gcd(step, num_documents) != 1:
        step += 1
    return step


def group(member: int, num_documents: int) -> tuple[int, int]:
    """The first member of a member's group, and the group's size; the last documents, short of a block, are alone."""
    block = member - member % _BLOCK
    if block + _BLOCK > num_documents:
        return member, 1
    first = block
    for size in _GROUPS:
        if member < first + size:
            return first, size
        first += size
    raise AssertionError(member)


def tokens(corpus: Synthetic, member: int) -> list[int]:
    """The words of a document as numbers; those from 50,000 on stand in no other document."""
    first, _ = group(member, corpus.num_documents)
    words = _original(corpus.seed, first)
    if member != first:
        generator = _generator(corpus.seed, member)
        similarity = 1.0 if generator.random() < 0.1 else 0.5 + 0.5 * generator.random()
        for number, place in enumerate(edits(len(words), similarity, generator)):
            words[place] = _VOCABULARY + member * 100 + number
    return words


def edits(num_words: int, similarity: float, generator: np.random.Generator) -> list[int]:
    """Places, sorted and at least five apart, whose replacement leaves about this similarity (`promised`)."""
    shingles = num_words - _SHINGLE + 1
    count = round(shingles * (1 - similarity) / (_SHINGLE * (1 + similarity)))
    room = num_words - 2 * (_SHINGLE - 1) - (count - 1) * (_SHINGLE - 1)  # each takes as much room as one place then
    assert count <= 100 and (count == 0 or room >= count), (num_words, similarity)
    chosen = np.sort(generator.choice(room, count, replace=False)) if count else np.empty(0, np.int64)
    return (chosen + np.arange(count) * (_SHINGLE - 1) + _SHINGLE - 1).tolist()


def promised(num_words: int, num_edits: int) -> float:
    """The similarity of a text whose 5-grams all differ to itself with so many words replaced."""
    shingles = num_words - _SHINGLE + 1
    return (shingles - _SHINGLE * num_edits) / (shingles + _SHINGLE * num_edits)


def similarity(left: Sequence[int], right: Sequence[int]) -> float:
    """The Jaccard similarity of two documents' sets of word 5-grams."""
    one, other = (set(zip(*(words[at:] for at in range(_SHINGLE)), strict=False)) for words in (left, right))
    return len(one & other) / len(one | other)


def text(corpus: Synthetic, number: int) -> str:
    """A document's text, in sentences of twelve words."""
    vocabulary = _vocabulary()
    words = [
        vocabulary[word] if word < _VOCABULARY else _new_word(word) for word in tokens(corpus, corpus.member(number))
    ]
    words[_SENTENCE - 1 :: _SENTENCE] = [f"{word}." for word in words[_SENTENCE - 1 :: _SENTENCE]]
    return " ".join(words)


def truth(corpus: Synthetic, workers: int) -> dict[Pair, float]:
    """The similarity of all pairs within groups; documents of different groups have next to nothing in common."""
    blocks = range(0, corpus.num_documents - _BLOCK + 1, _BLOCK)
    with multiprocessing.Pool(workers) as pool:
        found = pool.imap_unordered(functools.partial(_pairs_of_block, corpus), blocks, chunksize=50)
        return dict(itertools.chain.from_iterable(found))


def write(corpus: Synthetic, folder: Path, workers: int, *, as_json: bool = False) -> None:
    """The texts as WET archives of gzip members, or as JSON lines for other programs."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "written").exists():
        with multiprocessing.Pool(workers) as pool:
            pool.map(functools.partial(_write_part, corpus, folder, as_json), range(_num_archives(corpus)), chunksize=1)
        (folder / "written").touch()


def write_wet(path: Path, named: Iterable[tuple[str, str]], *, level: int = 6) -> None:
    """An archive of texts, whose URLs end with their names."""
    with open(path, "wb") as file:
        file.write(warc_builder.member(warc_builder.warcinfo()))
        for name, content in named:
            record = warc_builder.conversion(content, url=f"http://texts.example/{name}")
            file.write(warc_builder.member(record, level=level))


def write_json(path: Path, named: Iterable[tuple[str, str]]) -> None:
    """The same as JSON lines."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": name, "text": content}, ensure_ascii=False) + "\n" for name, content in named)


def name_of_url(url: str) -> str:
    """The name that `write_wet` put there."""
    return url.rpartition("/")[2]


def _write_part(corpus: Synthetic, folder: Path, as_json: bool, part: int) -> None:
    count = _num_archives(corpus)
    numbers = range(corpus.num_documents * part // count, corpus.num_documents * (part + 1) // count)
    named: Iterator[tuple[str, str]] = ((str(number), text(corpus, number)) for number in numbers)
    if as_json:
        write_json(folder / f"{part:05d}.jsonl", named)
    else:
        write_wet(folder / f"{part:05d}.warc.wet.gz", named, level=1)


def _num_archives(corpus: Synthetic) -> int:
    return max(-(-corpus.num_documents // _PER_ARCHIVE), _LEAST_ARCHIVES)


def _pairs_of_block(corpus: Synthetic, block: int) -> list[tuple[Pair, float]]:
    found = []
    for first, members in itertools.groupby(range(block, block + _BLOCK), lambda it: group(it, corpus.num_documents)):
        if first[1] > 1:
            named = [(str(corpus.number(member)), tokens(corpus, member)) for member in members]
            for (one, left), (other, right) in itertools.combinations(named, 2):
                found.append((pair(one, other), similarity(left, right)))
    return found


def _original(seed: int, first: int) -> list[int]:
    generator = _generator(seed, first)
    length = int(generator.integers(100, 501))
    return np.searchsorted(_cumulated(), generator.random(length)).tolist()


def _generator(seed: int, member: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, member]))


@functools.cache
def _cumulated() -> np.ndarray:
    shares = np.cumsum(1 / np.arange(1, _VOCABULARY + 1))
    return shares / shares[-1]


@functools.cache
def _vocabulary() -> list[str]:
    """Distinct words of two to ten letters, none of them q, the more frequent the shorter."""
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnoprstuvwxyz"))
    found: dict[str, None] = {}
    while len(found) < _VOCABULARY:
        length = 2 + min(int(math.log10(len(found) + 1) * 2), 8)
        found["".join(generator.choice(letters, length))] = None
    return list(found)


def _new_word(number: int) -> str:
    """A word that no vocabulary has; of letters alone, since some programs take all numbers for one."""
    letters = []
    while number:
        number, letter = divmod(number, 25)
        letters.append("abcdefghijklmnoprstuvwxyz"[letter])
    return "q" + "".join(letters)
