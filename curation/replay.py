"""A page of a corpus, read from its archive again and taken through the recipe's steps once more.

What steps decided that look at other pages too is taken from the corpus: a page alone cannot say what it repeats.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from curation import archives, finding, lookup, sources, storage, trace
from curation.cascade import SeenPayload
from curation.document import Document, Rejection
from curation.manifest import Manifest
from curation.recipe import GLOBAL_EDITS, Recipe, step_name
from curation.trace import RecordTrace, StepTrace

_SHOWN = 5  # names of archives that a message holds
_DOCUMENT = ("url", "date", "length", "charset", "text", "language", "language_score")
_REJECTION = ("url", "length", "step", "reason", "value", "evidence")


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where the replay ends otherwise than the run did."""

    name: str  # a column, signals.NAME, or outcome
    stored: Any
    replayed: Any


@dataclasses.dataclass(frozen=True)
class Replay:
    """What the corpus says of a page, and what becomes of it now."""

    id: str
    part: str  # the file that holds its row
    stored: Document | Rejection
    trace: RecordTrace
    stored_steps: tuple[str, ...]  # whose verdicts are the row's
    differences: tuple[Difference, ...]


def replay(corpus: str, held: Manifest, *, id: str, recipe: Recipe, archive: str | None = None) -> Replay:
    """The page of this id, from its archive or from where that lies now; ValueError says what is in the way."""
    part, stored = _stored(corpus, held, id)
    steps, expected = recipe, stored if isinstance(stored, Document) else None
    by_others = stored.step if isinstance(stored, Rejection) and stored.step in _looking_around(recipe) else None
    if by_others:
        steps = dataclasses.replace(recipe, steps=_up_to(by_others, recipe))  # it took no later one
        expected = _filtered(part, id) if by_others in map(step_name, _first_looks(recipe)) else None
    found = _read(stored, steps, archive or stored.warc, held)
    _check(stored, expected.digest if expected else None, found)
    if by_others and (by_others, "not run") in {(step.step, step.verdict) for step in found.steps}:
        differences = tuple(_differences(expected, found.outcome)) if expected else ()
        found = dataclasses.replace(found, outcome=stored)
    elif unknown := _unknown(found.steps, recipe):
        differences = tuple(_known_differences(stored, found.outcome, unknown))
        found = found if differences else dataclasses.replace(found, outcome=stored)
    else:
        differences = tuple(_differences(stored, found.outcome))
    decided = tuple(_decided(found.steps, stored, recipe))
    texts: list[str | None] = [step.text for step in decided if step.text is not None]
    texts = texts or [None]
    stored_steps = tuple(new.step for new, old in zip(decided, found.steps, strict=False) if new is not old)
    found = dataclasses.replace(found, steps=decided, extracted=texts[0], text=texts[-1])
    return Replay(id, part, stored, found, stored_steps, differences)


def _up_to(name: str, recipe: Recipe) -> tuple[Any, ...]:
    """The steps that a page took which this one rejected for another page."""
    for each in recipe.passes:
        if name in map(step_name, each.looks):
            return recipe.steps[: recipe.steps.index(each.looks[-1]) + 1]
    return recipe.before


def _first_looks(recipe: Recipe) -> tuple[Any, ...]:
    """The steps whose input is what the corpus has as `filtered`."""
    return recipe.passes[0].looks if recipe.passes else ()


def _unknown(steps: Sequence[StepTrace], recipe: Recipe) -> set[str]:
    """The steps that left or saw a text which only the corpus knows: without what stands in other documents too."""
    waiting = {step.step for step in steps if step.verdict == "not run"}
    edits = {step_name(step) for step in recipe.steps if isinstance(step, GLOBAL_EDITS)}
    return (waiting - set(_looking_around(recipe))) | (waiting & edits)


def _known_differences(
    stored: Document | Rejection, found: Document | Rejection | None, unknown: set[str]
) -> Iterator[Difference]:
    """What differs of that which can be known without the text that those steps saw."""
    if not isinstance(found, Document) or (isinstance(stored, Rejection) and stored.step not in unknown):
        yield Difference("outcome", _said(stored), _said(found))
    elif isinstance(stored, Rejection):
        yield from _columns(stored, found, ("url", "length"))
    else:
        yield from _columns(stored, found, ("url", "date", "length", "charset"))
        yield from _signals(stored, found, found.signals.keys())


def _looking_around(recipe: Recipe) -> list[str]:
    """The steps whose verdict is on a page among others."""
    return [step_name(step) for step in recipe.steps if isinstance(step, SeenPayload) or step in recipe.duplicates]


def _stored(corpus: str, held: Manifest, id: str) -> tuple[str, Document | Rejection]:
    name, _ = lookup.split(id)
    paths = [
        storage.join(corpus, output.path)
        for folder in ("documents", "rejected")
        for output in held.outputs
        if output.path.startswith(f"{folder}/") and output.rows
    ]
    if found := lookup.row(paths, id):
        return found
    known = [storage.base_name(entry["path"]) for entry in held.inputs]
    if name not in known:
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise ValueError(
            f"--id {id}: {corpus} was not made from an archive of the name {name}, but from "
            f"{', '.join(known[:_SHOWN])}{more}; the id stands in the corpus's column id"
        )
    nearest = " and ".join(lookup.nearest(paths, id)) or f"none of {name}"
    raise ValueError(
        f"--id {id}: {corpus} has no page of this id; the nearest are {nearest}; "
        "pipelines.inspect FILE --record OFFSET shows what lies elsewhere in the archive"
    )


def _filtered(part: str, id: str) -> Document | None:
    """A duplicate as it was before the steps on all documents; None where the corpus does not have it any more."""
    folder, _, name = part.rpartition("/rejected/")
    path = storage.join(folder, "filtered", name.replace("-duplicates", ""))
    found = lookup.row([path], id) if storage.exists(path) else None
    return found[1] if found and isinstance(found[1], Document) else None


def _read(stored: Document | Rejection, recipe: Recipe, path: str, held: Manifest) -> RecordTrace:
    """The record through the recipe. A run may have been told the format of its archives: a row says that it is a page,
    so where the name of the archive says otherwise, the format was the other one."""
    other = "warc" if sources.format_of(path) == "wet" else "wet"
    try:
        with archives.opened(path, in_parts=True) as file:
            found = trace.trace(file, path, stored.offset, recipe, warm_up=True)
            if found.outcome is None:
                found = trace.trace(file, path, stored.offset, recipe, format=other, warm_up=True)
    except archives.Unreadable as error:
        is_gone = isinstance(error.__cause__, FileNotFoundError)
        what = f"{path}, which should hold {stored.id}, does not exist" if is_gone else error.args[-1]
        raise ValueError(f"{what}; if the archive lies elsewhere now, give --archive PATH") from None
    except finding.NoRecord as error:
        sizes = [entry["size"] for entry in held.inputs if entry["path"] == stored.warc]
        made = f"; the archive had {sizes[0]} bytes when the corpus was made" if sizes else ""
        raise ValueError(
            f"{stored.id}: {error}{made}; give the archive that the corpus was made from as --archive PATH"
        ) from None
    if found.outcome is None:
        raise _another(stored, path, f"a record of type {found.type}, which is no page")
    return found


def _check(stored: Document | Rejection, digest: str | None, found: RecordTrace) -> None:
    """Refuses another record than the row is about."""
    url = found.page.url if found.page else found.outcome.url if found.outcome else ""
    if url != stored.url:
        raise _another(stored, found.path, f"a record of {url[:500]}, where the corpus has {stored.url[:500]}")
    if digest and found.page and found.page.digest != digest:
        raise _another(stored, found.path, f"a page of digest {found.page.digest}, where the corpus has {digest}")


def _another(stored: Document | Rejection, path: str, found: str) -> ValueError:
    return ValueError(
        f"{path} has at {stored.offset} {found}: it is not the archive that the corpus was made from; "
        "give that as --archive PATH"
    )


def _decided(steps: Sequence[StepTrace], stored: Document | Rejection, recipe: Recipe) -> Iterator[StepTrace]:
    """The steps, with what the row says of those that look at other pages too, where the run came to them."""
    order = [step_name(step) for step in recipe.steps]
    end = len(order) if isinstance(stored, Document) else order.index(stored.step) if stored.step in order else -1
    duplicates = {step_name(step) for step in recipe.duplicates}
    waiting = (number for number, step in enumerate(steps) if step.verdict == "not run" and step.step in duplicates)
    last = max(waiting, default=None)
    for number, step in enumerate(steps):
        if step.verdict != "not run" or order.index(step.step) > end:
            yield step
        elif isinstance(stored, Rejection) and step.step == stored.step:
            yield StepTrace(step.step, "rejected", stored.reason, stored.value, stored.evidence)
            return
        else:
            copies = {"copies": float(stored.copies)} if isinstance(stored, Document) and number == last else {}
            yield StepTrace(step.step, "kept", signals=copies)


def _differences(stored: Document | Rejection, found: Document | Rejection | None) -> Iterator[Difference]:
    """By column, where both are documents or both were rejected."""
    if isinstance(found, Rejection) and isinstance(stored, Rejection):
        yield from _columns(stored, found, _REJECTION)
    elif isinstance(found, Document) and isinstance(stored, Document):
        yield from _columns(stored, found, _DOCUMENT)
        yield from _signals(stored, found, stored.signals.keys() | found.signals.keys())
    else:
        yield Difference("outcome", _said(stored), _said(found))


def _signals(stored: Document, found: Document, names: Iterable[str]) -> Iterator[Difference]:
    for name in sorted(names):
        values = stored.signals.get(name), found.signals.get(name)
        if not _is_same(*values):
            yield Difference(f"signals.{name}", *values)


def _columns(stored: object, found: object, names: tuple[str, ...]) -> Iterator[Difference]:
    for name in names:
        values = getattr(stored, name), getattr(found, name)
        if not _is_same(*values):
            yield Difference(name, *values)


def _is_same(stored: Any, found: Any) -> bool:
    if isinstance(stored, float) and isinstance(found, (int, float)):  # some columns hold 32 bits of a number
        return stored in (found, float(np.float32(found))) or (stored != stored and found != found)
    return bool(stored == found)


def _said(outcome: Document | Rejection | None) -> str:
    if not isinstance(outcome, Rejection):
        return "a document"
    return f"rejected by {outcome.step}: {outcome.reason}"
