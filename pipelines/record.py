"""How one record and its steps are shown, by `pipelines.inspect` and `pipelines.replay`."""

from collections.abc import Iterator
from typing import Any

from curation.document import Rejection
from curation.trace import RecordTrace, StepTrace
from pipelines.terminal import CELL, block, cell

TEXT, HEADER, FIRST = 2000, 8000, 300  # characters that are shown of a text, of a header, of what was extracted


def head(found: RecordTrace, *, is_full: bool) -> Iterator[str]:
    """What the record is, before any step."""
    place = f"{found.length:,} bytes" if found.length else "in a shared member"
    yield f"{found.path}@{found.offset}: {cell(found.type)}, {place}, {found.size:,} bytes inflated"
    for content in filter(None, (found.header, found.http_header)):
        yield from (*block(content, None if is_full else HEADER), "")
    if page := found.page:
        cut = f", cut by the crawler ({page.truncated})" if page.truncated else ""
        yield f"payload: {len(page.payload):,} bytes{cut}, {page.digest}"
        yield f"status {page.status}, media type {cell(page.media_type) or 'none'}, charset {found.charset or 'none'}"
    else:
        yield from block(found.block, None if is_full else TEXT)


def details(step: StepTrace, *, is_close: bool = False) -> Iterator[str]:
    """What a step says beside its verdict; from close by, also how long a text is that it left alone."""
    if step.reason:
        yield step.reason
    if step.evidence:
        yield cell(step.evidence, 2 * CELL)
    if step.value is not None:
        yield f"{step.value:g}"
    if step.characters and step.characters[0] != step.characters[1]:
        yield "{:,} to {:,} characters".format(*step.characters)
    elif step.characters and is_close:
        yield f"{step.characters[1]:,} characters"
    yield from (f"{name} {value:.4g}" for name, value in step.signals.items())


def ending(found: RecordTrace) -> str:
    """What became of the record."""
    if found.outcome is None:
        return f"no page: a record of type {cell(found.type)}"
    if isinstance(found.outcome, Rejection):
        return f"rejected by {found.outcome.step}: {found.outcome.reason}"
    return "a document, if it duplicates no other" if {"not run"} & {it.verdict for it in found.steps} else "a document"


def record_as_json(found: RecordTrace, *, is_full: bool) -> dict[str, Any]:
    """The fields of the trace, with long texts cut unless all is asked for; of steps, not their times and texts."""
    page = found.page and {**vars(found.page), "payload": len(found.page.payload)}
    outcome = "rejected" if isinstance(found.outcome, Rejection) else "document" if found.outcome else "no page"
    result = {**vars(found), "page": page, "outcome": outcome, "characters": {}}
    result["steps"] = [{name: value for name, value in vars(it).items() if name not in _CLOSER} for it in found.steps]
    limits = {"header": HEADER, "http_header": HEADER, "block": TEXT, "extracted": FIRST, "text": TEXT}
    for name, limit in limits.items():
        if (text := result[name]) is not None:
            result["characters"][name] = len(text)
            result[name] = text if is_full else text[:limit]
    return result


_CLOSER = ("seconds", "text")
