"""What a rule calls a threshold decides on signals alone: another value measures and edits the same."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from curation import recipe, stored_recipe, walk
from curation.language import KeepLanguage
from curation.rules.rule import Edit, Rule
from curation.text import Text
from tests import prose

TEXTS = [
    "",
    prose.text(1),
    prose.text(2).replace(". ", ".\n"),
    "- one\n- one\n• two...\nRead more…\n#tag #tag # 1234\n\none\n\none",
    "It uses cookies.\nlorem ipsum { here.\njavascript is off.\n3 likes\nSHOUTING LINE OF WORDS HERE\n" * 3,
    "Write to a@b.example or call (555) 010-0199 at 93.184.216.34 now.\n" * 8,
]


def steps() -> Iterator[Any]:
    """Each rule of each recipe, once."""
    seen = set()
    for name in recipe.names():
        for step in recipe.of_source(*recipe.read_source(name)).steps:
            if isinstance(step, Rule) and step not in seen:
                seen.add(step)
                yield pytest.param(step, id=f"{name}-{recipe.step_name(step)}")


def others(value: Any) -> Iterator[Any]:
    """Other values of a threshold."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value / 2 if isinstance(value, float) else value // 2, value + 1, value * 2)
    elif isinstance(value, tuple) and value and isinstance(value[0], tuple):
        yield tuple((n, limit / 2) for n, limit in value)
        yield value[1:]


def changed(step: Any) -> Iterator[Any]:
    """The step with another value in one of its thresholds, wherever it takes that."""
    for name in stored_recipe.thresholds(step):
        for value in others(getattr(step, name)):
            try:
                yield dataclasses.replace(step, **{name: value})
            except ValueError:
                continue


@pytest.mark.parametrize("step", list(steps()))
def test_another_threshold_measures_the_same(step):
    names = {field.name for field in dataclasses.fields(step)}
    assert set(stored_recipe.thresholds(step)) <= names
    try:
        getattr(step, "check", lambda: None)()
    except ValueError as error:
        pytest.skip(str(error))
    for text in TEXTS:
        signals = step.measure(Text(text, url="http://a.example/b"))
        for other in changed(step):
            found = Text(text, url="http://a.example/b")
            assert other.measure(found) == signals, other
            if isinstance(step, Edit):
                assert other.edit(found) == step.edit(Text(text, url="http://a.example/b")), other
        assert all(isinstance(value, (int, float)) for value in signals.values())


def test_most_rules_have_thresholds():
    """Else the test above looks at nothing."""
    found = [each.values[0] for each in steps()]
    assert sum(bool(list(changed(step))) for step in found) > 20
    assert stored_recipe.thresholds(KeepLanguage())


@pytest.mark.parametrize("name", recipe.names())
def test_no_two_rules_of_a_recipe_measure_the_same(name):
    """`walk.StepsClash` else."""
    seen: dict[str, str] = {}
    for step in recipe.of_source(*recipe.read_source(name)).steps:
        try:
            getattr(step, "check", lambda: None)()
        except ValueError:
            continue
        if isinstance(step, Rule):
            for signal in step.measure(Text("One word.")):
                assert signal not in seen, (signal, recipe.step_name(step), seen[signal], walk.StepsClash)
                seen[signal] = recipe.step_name(step)
