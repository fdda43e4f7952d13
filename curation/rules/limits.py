"""Thresholds that cannot be meant are errors when a recipe is read."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Hashable, Mapping
from typing import Any

_NAMES = {int: "a whole number", float: "a number", bool: "True or False", str: "a text in quotes"}


def at_least(step: Any, minimum: float, *names: str) -> None:
    """ValueError where one of these fields is below a minimum."""
    typed(step)
    for name in names:
        if not getattr(step, name) >= minimum:
            raise ValueError(_found(step, name, f"at least {minimum:g}"))


def shares(step: Any, *names: str) -> None:
    """ValueError where one of these fields is no share, from 0 to 1."""
    typed(step)
    for name in names:
        if not 0 <= getattr(step, name) <= 1:
            raise ValueError(_found(step, name, "a share from 0 to 1"))


def ordered(step: Any, low: str, high: str) -> None:
    """ValueError where a lower limit is above the upper one: no document could pass."""
    typed(step)
    if not getattr(step, low) <= getattr(step, high):
        raise ValueError(_found(step, low, f"at most {high}, which is {getattr(step, high)!r}"))


def typed(step: Any) -> None:
    """ValueError where a field holds what its annotation does not allow: "50" for 50, a list for a tuple, or NaN."""
    hints = _hints(typing.cast(Hashable, type(step)))
    for field in dataclasses.fields(step):
        expected = _misfit(getattr(step, field.name), hints.get(field.name, Any))
        if expected:
            raise ValueError(_found(step, field.name, expected))


@functools.lru_cache(256)
def _hints(of: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(of)
    except (NameError, TypeError, AttributeError):  # of a rule of one's own, which may say anything there
        return {}


def _misfit(value: Any, hint: Any) -> str:
    """What the annotation allows, where that is not this value; what is not known here is allowed."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is types.NoneType:
        return "" if value is None else "None"
    if origin in (typing.Union, types.UnionType):
        told = [_misfit(value, each) for each in inner]
        return " or ".join(told) if all(told) else ""
    if origin is typing.Literal:
        return "" if value in inner else f"one of {', '.join(map(repr, inner))}"
    if hint is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
        return "" if is_number else _NAMES[float]
    if hint in _NAMES:
        return "" if type(value) is hint else _NAMES[hint]
    if origin is tuple or hint is tuple:
        return _tuple_misfit(value, inner)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return "" if isinstance(value, hint) else f"{hint.__name__}(...)"
    return ""


def _tuple_misfit(value: Any, inner: tuple[Any, ...]) -> str:
    if not isinstance(value, tuple):
        return "a tuple, such as (a, b), or (a,) where it holds one thing"
    kinds = (inner[0],) * len(value) if len(inner) == 2 and inner[1] is ... else inner
    if inner and len(kinds) != len(value):
        return f"a tuple of {len(kinds)}"
    told = next(filter(None, map(_misfit, value, kinds)), "")
    return told and f"a tuple, each of it {told}"


def _found(step: Any, name: str, expected: str) -> str:
    return f"{type(step).__name__}({name}={getattr(step, name)!r}): expected {expected}"
