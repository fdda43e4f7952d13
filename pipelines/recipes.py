"""The recipes that are here, and what their steps do: every threshold, what it is by default, and its source.

Without a name it lists the recipes; with a name, or the path of a recipe of your own, it prints one, step by step. The
exit status is 0, 1 where --check finds that a step cannot run, and 2 where the recipe cannot be read.
"""

import argparse
import ast
import dataclasses
import importlib.resources
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation import recipe as recipes
from curation.extraction.settings import ExtractText
from curation.recipe import Recipe, step_name
from pipelines import terminal
from pipelines.terminal import as_json, show

_SENTENCE = re.compile(r"(?<=[.!?])(?<!et al\.)(?<!e\.g\.)(?<!i\.e\.)\s+")
_VALUE = 12  # characters; longer ones push what is behind them aside
_CITES = re.compile(r"https?://|\bet al\b|\.py\b|\b\d{4}\.\d{5}\b|\b[Tt]able\b|\b[Ss]ection\b")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.recipes", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", nargs="?", help="a recipe's name, or the path of a .py file (default: list them all)")
    parser.add_argument("--check", action="store_true", help="whether each step has the files that it names")
    parser.add_argument("--json", action="store_true", help="one object in place of text")
    args = parser.parse_args(argv)
    return terminal.serve(lambda: _run(args), failed=2)


def _run(args: argparse.Namespace) -> int:
    names = [os.path.expanduser(args.recipe)] if args.recipe else _names()
    found = [_described(*recipes.read_source(name), is_checked=args.check) for name in names]
    if args.json:
        show([as_json(found[0] if args.recipe else {"recipes": found})])
    else:
        show(_table(found[0]) if args.recipe else _overview(found))
    return int(any(step.get("error") for each in found for step in each["steps"]))


def _names() -> list[str]:
    entries = (entry.name for entry in importlib.resources.files("curation.recipes").iterdir())
    return sorted(name.removesuffix(".py") for name in entries if name.endswith(".py") and not name.startswith("_"))


def _described(file_name: str, text: str, *, is_checked: bool) -> dict[str, Any]:
    """A recipe as numbers and words."""
    found = recipes.of_source(file_name, text)
    steps = [_step(found, step) | (_checked(step) if is_checked else {}) for step in found.steps]
    return {
        "name": found.name,
        "file": file_name,
        "about": _sentences(ast.get_docstring(ast.parse(text)))[0],
        "source": found.source,
        "sha256": found.sha256,
        "validation": found.validation,
        "steps": steps,
    }


def _step(recipe: Recipe, step: Any) -> dict[str, Any]:
    about, *rest = _sentences(_docstring(type(step)))
    module = _sentences(getattr(sys.modules.get(type(step).__module__), "__doc__", None))[:1]
    return {
        "step": step_name(step),
        "on": _scope(recipe, step),
        "about": about,
        "source": " ".join(filter(_CITES.search, [*module, *rest])) or (about if _CITES.search(about) else ""),
        "module": type(step).__module__,
        "fields": list(_fields(step)),
    }


def _scope(recipe: Recipe, step: Any) -> str:
    """What a step looks at."""
    if any(step is each for each in recipe.duplicates):
        return "all documents"
    if isinstance(step, ExtractText):
        return "each page"
    extraction = next(place for place, each in enumerate(recipe.steps) if isinstance(each, ExtractText))
    return "each page" if any(step is each for each in recipe.steps[:extraction]) else "each document"


def _fields(step: Any, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Every field with its value and its default; those of a field that has fields of its own come after it."""
    for field in dataclasses.fields(step):
        value, default = getattr(step, field.name), field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        known = {} if default is dataclasses.MISSING else {"default": default, "shown_default": _shown(default)}
        set_by = "default" if value == default else "recipe"
        yield {"name": prefix + field.name, "value": value, "shown": _shown(value), **known, "set_by": set_by}
        if dataclasses.is_dataclass(value):
            yield from _fields(value, f"{prefix}{field.name}.")


def _shown(value: Any) -> str:
    return type(value).__name__ if dataclasses.is_dataclass(value) else repr(value)


def _checked(step: Any) -> dict[str, str | None]:
    try:
        if hasattr(step, "check"):
            step.check()
    except (ValueError, OSError) as error:
        return {"error": str(error)}
    return {"error": None}


def _docstring(of: type) -> str:
    """A class's own docstring, and not the signature that a dataclass without one has in its place."""
    found = inspect.cleandoc(of.__doc__ or "")
    return "" if found.startswith(f"{of.__name__}(") else found


def _sentences(docstring: str | None) -> list[str]:
    paragraphs = (docstring or "(nothing is said about it)").split("\n\n")
    return [sentence for paragraph in paragraphs for sentence in _SENTENCE.split(" ".join(paragraph.split()))]


def _overview(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    width = max(len(each["name"]) for each in found)
    for each in found:
        yield f"{each['name']:<{width}}  {each['about']}"
        yield f"{'':<{width}}  source: {each['source']}; {len(each['steps'])} steps"
        for step in each["steps"]:
            if step.get("error"):
                yield f"{'':<{width}}  cannot run: {step['step']}: {step['error']}"


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['name']}: {found['about']}"
    yield f"source: {found['source']}"
    yield f"file: {found['file']}, sha256 of the recipe {found['sha256']}, validation split by {found['validation']}"
    for number, step in enumerate(found["steps"], 1):
        yield from ("", f"{number:>2}  {step['step']}, on {step['on']} ({step['module']})", f"    {step['about']}")
        if step["source"] not in ("", step["about"]):
            yield f"    source: {step['source']}"
        width = max((len(field["name"]) for field in step["fields"]), default=0)
        for field in step["fields"]:
            yield f"      {field['name']:<{width}}  {field['shown']:<{_VALUE}}  {_origin(field)}"
        if "error" in step:
            yield f"    check: {step['error'] or 'fine'}"


def _origin(field: Mapping[str, Any]) -> str:
    if field["set_by"] == "default" or "default" not in field:
        return str(field["set_by"])
    return f"recipe (default {field['shown_default']})"


if __name__ == "__main__":
    sys.exit(main())
