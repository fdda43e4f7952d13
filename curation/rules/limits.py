"""Thresholds that cannot be meant are errors when a recipe is read."""

from typing import Any


def at_least(step: Any, minimum: float, *names: str) -> None:
    """ValueError where one of these fields is below a minimum."""
    for name in names:
        if not getattr(step, name) >= minimum:
            raise ValueError(_found(step, name, f"at least {minimum:g}"))


def shares(step: Any, *names: str) -> None:
    """ValueError where one of these fields is no share, from 0 to 1."""
    for name in names:
        if not 0 <= getattr(step, name) <= 1:
            raise ValueError(_found(step, name, "a share from 0 to 1"))


def ordered(step: Any, low: str, high: str) -> None:
    """ValueError where a lower limit is above the upper one: no document could pass."""
    if not getattr(step, low) <= getattr(step, high):
        raise ValueError(_found(step, low, f"at most {high}, which is {getattr(step, high)!r}"))


def _found(step: Any, name: str, expected: str) -> str:
    return f"{type(step).__name__}({name}={getattr(step, name)!r}): expected {expected}"
