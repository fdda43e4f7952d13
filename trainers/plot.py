"""The loss of a run as a picture."""

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from curation import storage
from trainers import log

NAME = "loss.svg"
_SHARE = 50  # the smooth line is the mean of a fiftieth of the steps, backwards


def write(folder: str, *, path: str | None = None) -> str:
    """Draws the log of the run in `folder` to `path`, `loss.svg` in it if None; returns the path.

    PNG or SVG, as the path ends; the same log gives the same bytes with the same version of matplotlib. ValueError
    where the log holds no step with a loss, or the path ends otherwise.
    """
    path = path or os.path.join(folder, NAME)
    kind = os.path.splitext(path)[1].removeprefix(".").lower()
    if kind not in ("png", "svg"):
        raise ValueError(f"{path}: expected a name that ends in .png or .svg, found another; rename it")
    entries = log.read(folder)
    if not has_losses(folder):
        raise ValueError(f"{os.path.join(folder, log.NAME)}: expected steps with a loss, found none; train the run on")
    with storage.publish(path) as temporary:
        draw(entries, temporary, kind=kind)
    return path


def has_losses(folder: str) -> bool:
    """Whether the log of a run holds a step with a loss that can be drawn."""
    return any(entry["kind"] == "step" and math.isfinite(entry["loss"]) for entry in log.read(folder))


def draw(entries: Sequence[Mapping[str, Any]], path: str, *, kind: str) -> None:
    """Draws the entries of a log to a local file: training and validation in nats per target, by tokens read.

    A loss that is not finite is left out.
    """
    # By Figure alone and not by pyplot, which keeps figures and looks for a screen. It takes a second to load.
    import matplotlib
    from matplotlib.figure import Figure

    steps = [entry for entry in entries if entry["kind"] == "step"]
    read = {0: 0} | dict(
        zip((entry["step"] for entry in steps), itertools.accumulate(entry["tokens"] for entry in steps), strict=True)
    )
    trained = [entry for entry in steps if math.isfinite(entry["loss"])]
    held_out = [entry for entry in entries if entry["kind"] == "validation" and entry["step"] in read]
    with matplotlib.rc_context({"svg.hashsalt": "loss"}):  # or an SVG has other ids every time
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        tokens, losses = [read[entry["step"]] for entry in trained], [entry["loss"] for entry in trained]
        axes.plot(tokens, losses, color="tab:blue", alpha=0.3, linewidth=0.8)
        axes.plot(tokens, smooth(losses), color="tab:blue", label="training")
        if held_out:
            bits = held_out[-1].get("bits_per_byte")
            label = "validation" if bits is None else f"validation, at last {bits:.4f} bits per byte"
            places = [read[entry["step"]] for entry in held_out]
            axes.plot(places, [entry["loss"] for entry in held_out], "o-", color="tab:red", markersize=3, label=label)
        axes.set(xlabel="tokens read", ylabel="loss, nats")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
        figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else None, dpi=150)


def smooth(values: Sequence[float]) -> list[float]:
    """The mean of each value and of those before it in a fiftieth of all; as many as `values`."""
    window = max(1, len(values) // _SHARE)
    sums = [0.0, *itertools.accumulate(values)]
    return [(sums[i] - sums[max(0, i - window)]) / min(i, window) for i in range(1, len(sums))]
