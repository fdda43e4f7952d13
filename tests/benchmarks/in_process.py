"""An extractor whose work is done in this process instead of a sandbox, to be timed beside one."""

from collections.abc import Mapping
from typing import Any

from curation import page_text, recipe, sandbox, walk
from curation.extract import Extractor
from curation.recipe import Recipe, step_name


class _NoSandbox:
    def __init__(self, setup: Mapping[str, Any]) -> None:
        self._answerer = page_text.Answerer(setup, bytearray(1))  # type: ignore[arg-type]

    def call(self, request: Mapping[str, Any], body: bytes, *, cpu_seconds: float) -> sandbox.Reply:
        """As `Sandbox.call`, without any limit."""
        header, text = self._answerer.answer(request, body)
        fault = header.get("fault")
        return sandbox.Reply(header=header, body=text, fault=fault, evidence=header.get("evidence") if fault else None)

    def close(self) -> None:
        """Nothing to end."""


def extractor(steps: Recipe, source: str, *, in_process: bool) -> Extractor:
    """An extractor as a run has it, of a recipe and its text."""
    names = tuple(map(step_name, walk.after_extraction(steps.before)))
    made = Extractor(*steps.extraction, steps=names, recipe=("benchmark.py", source, None))
    if in_process:
        made._sandbox = _NoSandbox(made._sandbox._setup)  # type: ignore[assignment]
    return made


def fineweb(*, without: tuple[str, ...] = ()) -> tuple[Recipe, str]:
    """The FineWeb recipe and its text, without the lines that begin with these steps."""
    _, source = recipe.read_source("fineweb")
    lines = source.splitlines(keepends=True)
    left = "".join(line for line in lines if not line.strip().startswith(tuple(f"{name}(" for name in without)))
    return recipe.of_source("benchmark.py", left), left
