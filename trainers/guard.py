"""Watches the loss of each step: bad steps are skipped, and after many in a row an older checkpoint is taken."""

import dataclasses
import math
import statistics
from collections.abc import Mapping
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What to do with a step whose gradients are there and whose update is not applied yet."""

    action: Literal["ok", "skip", "restore"]
    reason: str = ""  # why not "ok", for a sentence: "the loss of step 7 is nan"
    before: int = 0  # "restore": take the newest checkpoint of a step below this one


class Guard:
    """A step is bad where its loss or gradient norm is not finite, or its loss is far above those of good steps.

    Far is `sigmas` standard deviations above the mean of the last `window` good steps, once there are as many:
    OLMo-core's rule, with its numbers; infinite `sigmas` find no spike. A bad step is to be skipped: the weights stay
    as they are. The `max_skips`th in a row says "restore": the weights themselves are in doubt. With 0 the first does,
    and no checkpoint will do. It depends on nothing but what it is given.
    """

    def __init__(self, *, window: int = 128, sigmas: float = 6.0, max_skips: int = 8) -> None:
        assert window >= 2 and sigmas > 0 and max_skips >= 0, (window, sigmas, max_skips)
        self.window, self.sigmas, self.max_skips = window, sigmas, max_skips
        self.losses: list[float] = []  # nats, of the last good steps, at most `window`
        self.last_good = 0  # the step whose update was the last one applied to the weights
        self.in_a_row = 0  # bad steps since then
        self.skipped: list[tuple[int, int]] = []  # first and last step of each stretch that left no trace

    def check(self, step: int, loss: float, gradient_norm: float) -> Verdict:
        """Judges a step and takes note of it; `loss` in nats, over all ranks."""
        reason = self._fault(step, loss, gradient_norm)
        if not reason:
            self.losses = [*self.losses, loss][-self.window :]
            self.last_good, self.in_a_row = step, 0
            return Verdict("ok")
        self.in_a_row += 1
        self._skip(step, step)
        if self.in_a_row < self.max_skips:
            return Verdict("skip", reason)
        many = f", bad step number {self.in_a_row} in a row" if self.in_a_row > 1 else ""
        return Verdict("restore", f"{reason}{many}", before=self.last_good if self.max_skips else 0)

    def restored(self, step: int, *, to: int, state: Mapping[str, Any]) -> None:
        """Notes that at `step` the weights became those of checkpoint `to`, whose guard had the given state.

        Every step after `to` is skipped then: the run goes on at `step + 1`, behind the bad data, with older weights.
        """
        skipped = self.skipped
        self.set_state(state)
        self.skipped, self.in_a_row = skipped, 0
        self._skip(to + 1, step)

    def state(self) -> dict[str, Any]:
        """All it remembers, as plain JSON."""
        return {
            "losses": self.losses,
            "last_good": self.last_good,
            "in_a_row": self.in_a_row,
            "skipped": [list(stretch) for stretch in self.skipped],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes up where the guard that gave this state was."""
        self.losses = [float(loss) for loss in state["losses"]][-self.window :]
        self.last_good, self.in_a_row = int(state["last_good"]), int(state["in_a_row"])
        self.skipped = [(int(first), int(last)) for first, last in state["skipped"]]

    def _fault(self, step: int, loss: float, gradient_norm: float) -> str:
        for value, what in ((loss, "loss"), (gradient_norm, "gradient norm")):
            if not math.isfinite(value):
                return f"the {what} of step {step} is {value}"
        if len(self.losses) < self.window or self.sigmas == math.inf:
            return ""
        mean, deviation = statistics.fmean(self.losses), statistics.stdev(self.losses)
        limit = mean + self.sigmas * deviation + 1e-9 * abs(mean)  # equal losses differ by their rounding
        if loss <= limit:
            return ""
        return (
            f"the loss of step {step} is {loss:.4f}, above {limit:.4f}: {mean:.4f} + {self.sigmas:g} * {deviation:.4f}"
        )

    def _skip(self, first: int, last: int) -> None:
        """Adds steps to the stretches, which stay in order and apart."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*self.skipped, (first, last)]):
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        self.skipped = merged
