"""Verdicts of rules that compare each signal with one limit: the first fault decides.

A limit is a reason, the signal that decides, and the field that holds the limit, whose name says by `min_` or `max_` on
which side of it the fault lies; a signal that is the limit is no fault.
"""

from collections.abc import Mapping
from typing import Any

from curation.rules.rule import Verdict

Limits = tuple[tuple[str, str, str], ...]  # (reason, signal, field), in the order in which they are tested


def first_fault(rule: Any, signals: Mapping[str, float], limits: Limits) -> Verdict | None:
    """The first limit that a signal is beyond, or None."""
    for reason, signal, field in limits:
        value, limit = signals[signal], getattr(rule, field)
        if value < limit if field.startswith("min_") else value > limit:
            return reason, signal
    return None


def fields(*limits: Limits) -> tuple[str, ...]:
    """The fields that hold limits, for `THRESHOLDS`."""
    return tuple(field for some in limits for _, _, field in some)
