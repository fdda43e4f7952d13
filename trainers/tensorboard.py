"""The numbers of a run for TensorBoard, an extra."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def events(folder: str | None, *, step: int) -> Iterator[Callable[[str, int, dict[str, Any]], None]]:
    """Yields what writes the numbers of an event to `folder`, given its kind, its step and its fields; nothing if None.

    A number appears as `kind/name`, one of a group of them as `kind/group/name`; other fields are left out. Events of
    steps after `step`, which are taken again, are hidden. ValueError where TensorBoard is not installed.
    """
    if folder is None:
        yield lambda kind, step, fields: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            f"--tensorboard {folder}: expected the package tensorboard, found none ({error}); install it with "
            "`pip install -e '.[tensorboard]'`, or leave the flag out"
        ) from None
    writer: Any = SummaryWriter(folder, purge_step=step + 1)

    def write(kind: str, step: int, fields: dict[str, Any]) -> None:
        for name, value in scalars(fields):
            writer.add_scalar(f"{kind}/{name}", value, step)

    try:
        yield write
    finally:
        writer.close()


def scalars(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers among `fields` by name, those of inner groups as `group/name`; the step is none of them."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
            yield prefix + name, value
