"""The books: what was read, and where each page ended."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from curation.document import Rejection


@dataclasses.dataclass
class Ledger:
    """Counts of one stage over one part, or of any sum of them."""

    skipped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)  # records by type
    read: int = 0  # pages, or documents of the stage before
    kept: int = 0
    rejected: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    retried: int = 0  # pages whose extraction was tried twice

    def reject(self, rejection: Rejection) -> None:
        """Counts one rejection."""
        self.rejected[rejection.step, rejection.reason] += 1

    def check(self, where: str) -> None:
        """Raises ValueError where the books do not close."""
        if self.read != self.kept + self.rejected.total():
            raise ValueError(
                f"{where}: the books do not close: {self.read} read, {self.kept} kept, {self.rejected.total()} "
                "rejected; this is a defect of the program, and its output must not be used"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values, in an order that depends on the counts' names alone."""
        steps: dict[str, dict[str, int]] = {}
        for (step, reason), count in sorted(self.rejected.items()):
            steps.setdefault(step, {})[reason] = count
        return {
            "skipped": dict(sorted(self.skipped.items())),
            "read": self.read,
            "kept": self.kept,
            "rejected": steps,
            "retried": self.retried,
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> "Ledger":
        """The reverse of `to_json`."""
        rejected = {
            (step, reason): count for step, reasons in found["rejected"].items() for reason, count in reasons.items()
        }
        return cls(
            skipped=collections.Counter(found["skipped"]),
            read=found["read"],
            kept=found["kept"],
            rejected=collections.Counter(rejected),
            retried=found["retried"],
        )


def total(ledgers: Iterable[Ledger]) -> Ledger:
    """The sum over the parts of one stage."""
    result = Ledger()
    for ledger in ledgers:
        result.skipped += ledger.skipped
        result.read += ledger.read
        result.kept += ledger.kept
        result.rejected += ledger.rejected
        result.retried += ledger.retried
    return result


def chain(first: Ledger, second: Ledger) -> Ledger:
    """Two stages as one: what the first kept, the second read; ValueError where it did not."""
    if first.kept != second.read:
        raise ValueError(
            f"the books do not close: one stage kept {first.kept} documents, the next read {second.read}; "
            "files were changed between them: make the corpus again"
        )
    return dataclasses.replace(first, kept=second.kept, rejected=first.rejected + second.rejected)
