"""A threshold by its name on a command line, such as gopher.min_words=30, and the recipe with that value."""

import ast
import dataclasses
from collections.abc import Sequence
from typing import Any

from curation.recipe import Recipe, step_name


@dataclasses.dataclass(frozen=True)
class Change:
    """One field of one step with another value."""

    step: str
    field: str
    old: Any
    new: Any


def changed(recipe: Recipe, rules: Sequence[str]) -> tuple[Recipe, tuple[Change, ...]]:
    """The recipe with every NAME.FIELD=VALUE taken over, and what was changed.

    NAME is a step's class, or starts the name of its class or its module, whatever the case; with FIELD it must fit one
    step. ValueError where it does not, or where the step has no such value.
    """
    named = [_named(recipe, rule) for rule in rules]
    places = [(place, field) for place, field, _ in named]
    if double := next((place for place in places if places.count(place) > 1), None):
        raise ValueError(f"--rule: {step_name(recipe.steps[double[0]])}.{double[1]} is given more than once")
    steps, changes = list(recipe.steps), []
    for place in sorted({place for place, _ in places}):
        old, values = recipe.steps[place], {field: value for number, field, value in named if number == place}
        try:
            steps[place] = dataclasses.replace(old, **values)  # refuses what cannot be, once all fields are there
        except (TypeError, AttributeError, IndexError) as error:  # a tuple of other things than it should hold
            raise ValueError(f"--rule: {step_name(old)} takes no {values}: {error}") from None
        changes += [Change(step_name(old), field, getattr(old, field), value) for field, value in values.items()]
    if same := [f"{it.step}.{it.field}={it.new!r}" for it in changes if it.new == it.old]:
        raise ValueError(f"--rule {', '.join(same)}: recipe {recipe.name} has this value already; give another")
    return dataclasses.replace(recipe, steps=tuple(steps)), tuple(changes)


def _named(recipe: Recipe, rule: str) -> tuple[int, str, Any]:
    """The place of the step, the field and the value that one --rule names."""
    left, is_given, literal = rule.partition("=")
    name, dot, field = left.strip().partition(".")
    if not (is_given and dot and name and field):
        raise ValueError(f"--rule {rule}: expected NAME.FIELD=VALUE, such as gopher.min_words=30")
    fitting = _fitting(recipe, name)
    found = [place for place in fitting if field in _fields(recipe.steps[place])]
    if len(found) != 1:
        raise _unclear(recipe, rule, name, field, found or fitting)
    step = recipe.steps[found[0]]
    return found[0], field, _value(rule, step, field, literal.strip())


def _fitting(recipe: Recipe, name: str) -> list[int]:
    """The places of the steps that a name means: of that very class, else of such a start of a name."""
    steps, name = recipe.steps, name.lower()
    exact = [place for place, step in enumerate(steps) if step_name(step).lower() == name]
    starts = [place for place, step in enumerate(steps) if any(it.startswith(name) for it in _names(step))]
    return exact or starts


def _names(step: Any) -> tuple[str, str]:
    return step_name(step).lower(), type(step).__module__.rpartition(".")[2].lower()


def _fields(step: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(step)]


def _unclear(recipe: Recipe, rule: str, name: str, field: str, found: Sequence[int]) -> ValueError:
    steps = [recipe.steps[place] for place in found]
    if not steps:
        known = ", ".join(map(step_name, recipe.steps))
        return ValueError(f"--rule {rule}: recipe {recipe.name} has no step {name}; its steps are {known}")
    if all(field in _fields(step) for step in steps):
        both = " and ".join(f"{step_name(step)}.{field}" for step in steps)
        return ValueError(f"--rule {rule}: {name} fits {both}; give the whole name")
    fields = "; ".join(f"{step_name(step)} has {', '.join(_fields(step)) or 'none'}" for step in steps)
    return ValueError(f"--rule {rule}: no field {field}; {fields}")


def _value(rule: str, step: Any, name: str, literal: str) -> Any:
    """The value, of the kind that the field has."""
    (field,) = (each for each in dataclasses.fields(step) if each.name == name)
    old, kind = getattr(step, name), str(getattr(field.type, "__name__", field.type))
    try:
        value = ast.literal_eval(literal)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = literal if isinstance(old, str) else ...  # a word whose quotes the shell took away
    if type(value) is int and (isinstance(old, float) or "float" in kind):
        value = float(value)
    allowed = old is None or type(value) is type(old) or ("float" in kind and isinstance(value, float))
    if value is ... or not (allowed or (value is None and "None" in str(field.type))):
        raise ValueError(
            f"--rule {rule}: {literal} is no value for {step_name(step)}.{name}, which is {old!r}: expected "
            f"{type(old).__name__}"
        )
    return value
