"""Which documents a step is trained on, and which steps a document is in: arithmetic on whole arrays, without a log."""

import dataclasses

import numpy as np

from trainers.plan import Plan
from trainers.stream import Stream


@dataclasses.dataclass(frozen=True)
class Sights:
    """Stretches of documents, each in one row of one step; int64[n] each."""

    steps: np.ndarray
    occurrences: np.ndarray  # numbers in the stream
    starts: np.ndarray  # in the document, in tokens
    stops: np.ndarray

    @property
    def tokens(self) -> np.ndarray:
        """Their lengths, int64[n]."""
        lengths: np.ndarray = self.stops - self.starts
        return lengths


def of_step(stream: Stream, plan: Plan, *, step: int) -> Sights:
    """What a step trains on, in reading order."""
    _, rows = plan.rows(step)
    begins, ends = _bounds(plan, rows)
    firsts = np.searchsorted(stream.starts, begins, "right") - 1
    lasts = np.searchsorted(stream.starts, ends - 1, "right") - 1
    row, occurrences = _ranges(firsts, lasts)
    origins = stream.starts[occurrences]
    return Sights(
        steps=np.full(len(row), step),
        occurrences=occurrences,
        starts=np.maximum(begins[row], origins) - origins,
        stops=np.minimum(ends[row], stream.starts[occurrences + 1]) - origins,
    )


def of_occurrences(stream: Stream, plan: Plan, occurrences: np.ndarray, *, num_steps: int) -> Sights:
    """Where a run of `num_steps` reads occurrences int64[n], by step, then by place in the stream."""
    origins, limits = stream.starts[occurrences], stream.starts[occurrences + 1]
    which, rows = _ranges(origins // plan.sequence_length, (limits - 1) // plan.sequence_length)
    epochs, places = np.nonzero(steps := plan.steps(rows, num_steps=num_steps))
    read = steps[epochs, places]
    order = np.lexsort((places, read))
    steps_read, places = read[order], places[order]
    begins, ends = _bounds(plan, rows[places])
    chosen = which[places]
    return Sights(
        steps=steps_read,
        occurrences=occurrences[chosen],
        starts=np.maximum(begins, origins[chosen]) - origins[chosen],
        stops=np.minimum(ends, limits[chosen]) - origins[chosen],
    )


def _bounds(plan: Plan, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of rows int64[n], as ranges of the stream."""
    begins = rows * plan.sequence_length
    return begins, np.minimum(begins + plan.sequence_length, plan.num_tokens)


def _ranges(firsts: np.ndarray, lasts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers from each first to its last, one range after another, and which range each is from; int64[n]."""
    counts = lasts - firsts + 1
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts - firsts, counts)
