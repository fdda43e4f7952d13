"""The recipe that a corpus was made with, read from its manifest without running anything that stands there."""

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from curation.manifest import Manifest
from curation.recipe import Recipe, step_name
from curation.rules.rule import Edit

_SHOWN = 200  # characters of what is wrong


@dataclasses.dataclass(frozen=True)
class StoredStep:
    """A step as its repr tells it."""

    name: str
    fields: Mapping[str, str]  # field to the repr of its value


@dataclasses.dataclass(frozen=True)
class StoredRecipe:
    """What a manifest says of a recipe."""

    name: str
    sha256: str
    text_sha256: str
    steps: tuple[StoredStep, ...]
    edits: frozenset[str]  # names of the steps that write texts anew
    num_before: int  # steps up to the first that looks at all documents


def as_json(recipe: Recipe) -> dict[str, Any]:
    """What a manifest holds of a recipe."""
    return {
        "name": recipe.name,
        "sha256": recipe.sha256,
        "repr": repr(recipe),
        "edits": [step_name(step) for step in recipe.steps if isinstance(step, Edit)],
        "num_before": len(recipe.before),
    }


def of_recipe(recipe: Recipe) -> StoredRecipe:
    """A recipe as a manifest would tell it."""
    return _parsed(as_json(recipe), "this recipe")


def of_manifest(held: Manifest, corpus: str) -> StoredRecipe:
    """The recipe of a corpus; ValueError where the manifest does not tell it as this version's do."""
    return _parsed(held.recipe, corpus)


def _parsed(found: Mapping[str, Any], where: str) -> StoredRecipe:
    try:
        call = ast.parse(found["repr"], mode="eval").body
        assert isinstance(call, ast.Call)
        fields = {keyword.arg: keyword.value for keyword in call.keywords}
        steps = fields["steps"]
        assert isinstance(steps, ast.Tuple)
        return StoredRecipe(
            name=str(found["name"]),
            sha256=str(found["sha256"]),
            text_sha256=str(ast.literal_eval(fields["text_sha256"])),
            steps=tuple(map(_step, steps.elts)),
            edits=frozenset(found["edits"]),
            num_before=int(found["num_before"]),
        )
    except (KeyError, SyntaxError, AssertionError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: the manifest does not tell the recipe as this version's do ({repr(error)[:_SHOWN]}); make the "
            "corpus again"
        ) from None


def _step(node: ast.expr) -> StoredStep:
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return StoredStep(node.func.id, {str(it.arg): ast.unparse(it.value) for it in node.keywords})


def is_own(step: object) -> bool:
    """Whether a step's class stands in the recipe's own file, whose code the repr does not tell."""
    return type(step).__module__.startswith("recipe_")


def thresholds(step: object) -> Sequence[str]:
    """The fields that only decide on what was measured."""
    found: Sequence[str] = getattr(type(step), "THRESHOLDS", ())
    return found
