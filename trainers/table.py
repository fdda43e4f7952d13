"""Lines of values for a terminal, without anything in what a crawl wrote that it would act upon."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_WIDEST = 100  # characters of a cell


def escaped(text: str) -> str:
    """The text with control and formatting characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(lines: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """The named values in columns as wide as their widest cell, numbers to the right; columns without any left out."""
    names = [name for name in names if any(line.get(name) is not None for line in lines)]
    cells = [list(names), *([_cell(line.get(name)) for name in names] for line in lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    numeric = [all(isinstance(line.get(name), int | float | None) for line in lines) for name in names]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numbers that are not finite are null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        value = " ".join(f"{name}={each:.4g}" for name, each in value.items())
    text = "-" if value is None else escaped(str(value))
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
