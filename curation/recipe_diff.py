"""What two recipes decide differently on the same pages, and the steps that did it."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence

from curation import lookup, storage, stored_pages, whatif
from curation.manifest import Manifest
from curation.stored_pages import StoredPage
from curation.tally import Tally
from curation.tokens import Encoder
from curation.whatif import Outcome, Question

NOT_READ = "(not read)"  # in place of a step, for a page that one of two corpora has not

Decided = Iterator[tuple[StoredPage, Outcome]]


@dataclasses.dataclass(frozen=True)
class Difference:
    """Two outcomes of the same pages, A's and B's."""

    pages: int
    both: int  # documents of both
    other_texts: int  # of these, with other texts
    neither: int  # documents of none
    moves: collections.Counter[tuple[str, str]]  # A's step and B's where they differ; empty where kept
    only: tuple[Tally, Tally]  # documents of one alone


def check_inputs(first: Manifest, second: Manifest, names: tuple[str, str]) -> None:
    """Refuses corpora of other archives: the same page must have the same id."""
    held = [
        {storage.base_name(it["path"]): (it["size"], it["digest"]) for it in each.inputs} for each in (first, second)
    ]
    if held[0].keys() != held[1].keys():
        odd = sorted(held[0].keys() ^ held[1].keys())
        which = names[0] if odd[0] in held[0] else names[1]
        raise ValueError(
            f"{names[0]} and {names[1]} were made from other archives: {len(odd)} are of one of them alone, such as "
            f"{odd[0]} of {which}; give two corpora of the same archives"
        )
    if odd := sorted(name for name, what in held[0].items() if held[1][name][0] != what[0]):
        sizes = " and ".join(f"{each[odd[0]][0]:,} bytes" for each in held)
        raise ValueError(
            f"{names[0]} and {names[1]} were made from archives of the same names that are others: {odd[0]} had "
            f"{sizes}; give two corpora of the same archives"
        )


def of_corpus(corpus: str, held: Manifest, *, is_final: bool) -> Decided:
    """The pages as a corpus has them: at its end, or before the steps on all documents."""
    for part in stored_pages.part_names(held):
        pages = (stored_pages.at_the_end if is_final else stored_pages.before_duplicates)(corpus, part)
        for page in pages:
            yield page, Outcome(page.step, page.reason, page.value, page.text)


def of_recipe(corpus: str, held: Manifest, asked: Question) -> Decided:
    """The pages of a corpus as another recipe decides them, before the steps on all documents."""
    for _, page, found in whatif.outcomes(corpus, held, asked):
        yield page, found


def difference(first: Decided, second: Decided, *, encoder: Encoder, samples: int) -> Difference:
    """Both side by side; each must be in the order of its pages."""
    only = Tally(encoder, samples), Tally(encoder, samples)
    moves, counts = collections.Counter[tuple[str, str]](), collections.Counter[str]()
    for left, right in _joined(first, second):
        counts["pages"] += 1
        steps = tuple(side[1].step if side else NOT_READ for side in (left, right))
        if steps[0] != steps[1]:
            moves[steps[0], steps[1]] += 1
        if steps == ("", "") and left and right:
            counts["both"] += 1
            counts["other_texts"] += left[1].text() != right[1].text()
        elif not steps[0] and left:
            only[0].add(left[0], right[1] if right else _ABSENT, left[1].text())
        elif not steps[1] and right:
            only[1].add(right[0], left[1] if left else _ABSENT, right[1].text())
        else:
            counts["neither"] += 1
    return Difference(counts["pages"], counts["both"], counts["other_texts"], counts["neither"], moves, only)


_ABSENT = Outcome(NOT_READ, "", None, str)
_Pair = tuple[StoredPage, Outcome]


def _joined(first: Decided, second: Decided) -> Iterator[tuple[_Pair | None, _Pair | None]]:
    """Pages of the same id together, in the order of archives and offsets."""
    streams: Sequence[Iterator[tuple[tuple[str, int], _Pair]]] = (_keyed(first), _keyed(second))
    left, right = (next(stream, None) for stream in streams)
    while left or right:
        key = min(side[0] for side in (left, right) if side)
        yield left[1] if left and left[0] == key else None, right[1] if right and right[0] == key else None
        if left and left[0] == key:
            left = next(streams[0], None)
        if right and right[0] == key:
            right = next(streams[1], None)


def _keyed(pages: Decided) -> Iterator[tuple[tuple[str, int], _Pair]]:
    last = ("", -1)
    for page, found in pages:
        key = lookup.split(page.id)
        if key < last:
            raise ValueError(f"{page.id} stands behind {last[0]}@{last[1]}: the corpus's parts are not in their order")
        last = key
        yield key, (page, found)
