"""The books of a whole run, and the table that shows them."""

from collections.abc import Iterator

from curation import ledger, parts
from curation.ledger import Ledger
from curation.recipe import step_name
from pipelines.run import Run


def books(run: Run, *, deduplicated: bool) -> Ledger:
    """The ledger of all parts; ValueError where it does not close."""
    everything = range(len(run.tasks))
    first = ledger.total(parts.ledger_of(run.filtered(part)) for part in everything)
    first.check("filtered")
    if not deduplicated:
        return first
    second = ledger.total(parts.ledger_of(run.documents(part)) for part in everything)
    second.check("documents")
    whole = ledger.chain(first, second)
    whole.check("the corpus")
    return whole


def table(run: Run, found: Ledger) -> Iterator[str]:
    """Every step that rejected something: what came in, what it rejected and why, what is left."""
    skipped = ", ".join(f"{count} {kind}" for kind, count in sorted(found.skipped.items()))
    yield f"{found.read} pages read" + (f", {skipped} records skipped" if skipped else "")
    yield f"{'step':<18} {'in':>9} {'rejected':>9} {'kept':>7}  reasons"
    remaining = found.read
    for name in ("read", "response", *map(step_name, run.recipe.steps)):
        reasons = [(count, reason) for (step, reason), count in found.rejected.items() if step == name]
        if rejected := sum(count for count, _ in reasons):
            words = ", ".join(f"{reason} {count}" for count, reason in sorted(reasons, key=lambda it: (-it[0], it[1])))
            yield f"{name:<18} {remaining:>9} {rejected:>9} {1 - rejected / remaining:>7.1%}  {words}"
        remaining -= rejected
    yield f"the books close: {found.read} read = {found.kept} documents + {found.rejected.total()} rejected"
