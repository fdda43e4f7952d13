"""How hard documents are to predict, compared with what the model found easy or hard at the same time.

A sight is a row of the ledger: a document in a step. Its loss is the mean over its targets. Losses fall as the model
learns, so each sight is compared with those around it: `mean` is the mean over the targets of its step (of as many
consecutive steps as have 64 sights together), `deviation` is the standard deviation of the sights of about 1,000
around it from their means, weighted by targets. z = (loss - mean) / deviation. A document's loss, excess (loss - mean)
and z are the means over all its sights, weighted by targets: a copy that was read early counts as one read late.
"""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainers.stream import Stream

_MEAN_SIGHTS = 64
_DEVIATION_SIGHTS = 1000


@dataclasses.dataclass(frozen=True)
class Scores:
    """Documents, or groups of them, with what their targets cost; arrays [n]."""

    names: np.ndarray  # int64: an occurrence of the document; or str objects: the group
    documents: np.ndarray  # int64: how many; 1 for a document
    sights: np.ndarray  # int64: rows of the ledger
    targets: np.ndarray  # int64: over all sights
    loss: np.ndarray  # float64: nats a target
    excess: np.ndarray  # float64: nats a target above the mean
    z: np.ndarray  # float64: standard deviations above the mean

    def select(self, chosen: np.ndarray) -> "Scores":
        """The given ones, by a mask or by numbers."""
        return Scores(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def main_term(table: pa.Table) -> str:
    """The term that documents are compared by: the first one in the ledger, which objectives give first."""
    return str(table["term"][0].as_py())


def of_term(table: pa.Table, term: str | None) -> pa.Table:
    """The rows of a term, of the main one where none is named, that have a loss; ValueError where there is none."""
    if not table.num_rows:
        return table
    term = term or main_term(table)
    chosen = table.filter(pc.equal(table["term"].cast(pa.string()), term))
    if not chosen.num_rows:
        known = ", ".join(sorted(pc.unique(table["term"].cast(pa.string())).to_pylist()))
        raise ValueError(f"the ledger has no term {term!r} of the loss, expected one of {known}")
    return chosen.filter(pc.is_finite(chosen["loss"]))


def expected(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the deviation for each sight of a term, float64[n], in nats a target; the rows are by step."""
    steps, targets, losses = (table[name].to_numpy() for name in ("step", "targets", "loss"))
    mean = _windowed(steps, losses, targets, sights=_MEAN_SIGHTS)
    squares = targets * (losses / targets - mean) ** 2
    return mean, np.sqrt(_windowed(steps, squares, targets, sights=_DEVIATION_SIGHTS))


def against(others: pa.Table | None, loss: np.ndarray) -> np.ndarray:
    """z of losses float64[n], nats a target, against all rows of one term: NaN where these are none or all equal."""
    z = np.full(len(loss), np.nan)
    if others is None or not others.num_rows:
        return z
    targets, losses = others["targets"].to_numpy(), others["loss"].to_numpy()
    mean = losses.sum() / targets.sum()
    deviation = np.sqrt((targets * (losses / targets - mean) ** 2).sum() / targets.sum())
    np.divide(loss - mean, deviation, out=z, where=deviation > 0)
    return z


def of_documents(table: pa.Table, stream: Stream) -> Scores:
    """The documents in a table of one term, by source and number; occurrences of the same document are one."""
    occurrences = table["occurrence"].to_numpy()
    bases = np.cumsum([0, *(split.num_documents for split in stream.splits)])
    keys = bases[stream.sources[occurrences]] + stream.documents[occurrences]
    _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
    targets, losses = table["targets"].to_numpy(), table["loss"].to_numpy()
    mean, deviation = expected(table)
    excess = losses - targets * mean
    z = np.divide(excess, deviation, out=np.zeros(len(excess)), where=deviation > 0)
    totals = np.bincount(groups, weights=targets)
    return Scores(
        names=occurrences[firsts],
        documents=np.ones(len(firsts), np.int64),
        sights=np.bincount(groups),
        targets=totals.astype(np.int64),
        loss=np.bincount(groups, weights=losses) / totals,
        excess=np.bincount(groups, weights=excess) / totals,
        z=np.bincount(groups, weights=z) / totals,
    )


def grouped(scores: Scores, names: pa.Array | pa.ChunkedArray) -> Scores:
    """Scores of groups of documents, from the group of each: means weighted by targets, in the order of the names."""
    coded = pc.dictionary_encode(names.cast(pa.string()))
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    known = np.array(coded.dictionary.to_pylist(), object)
    order = np.argsort(known)
    groups = np.argsort(order)[coded.indices.to_numpy()] if len(known) else np.empty(0, np.int64)
    totals = np.bincount(groups, weights=scores.targets, minlength=len(known))

    def weighted(values: np.ndarray) -> np.ndarray:
        sums: np.ndarray = np.bincount(groups, weights=values * scores.targets, minlength=len(known))
        return sums / totals

    return Scores(
        names=known[order],
        documents=np.bincount(groups, weights=scores.documents, minlength=len(known)).astype(np.int64),
        sights=np.bincount(groups, weights=scores.sights, minlength=len(known)).astype(np.int64),
        targets=totals.astype(np.int64),
        loss=weighted(scores.loss),
        excess=weighted(scores.excess),
        z=weighted(scores.z),
    )


def binned(scores: Scores, values: np.ndarray, *, bins: int = 10) -> Scores:
    """Scores of documents by bins of a signal, float64[n] values: equally many documents a bin, equal values together.

    The names are the smallest and largest value of each bin; documents without a value come last.
    """
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, bins + 1))) if np.isfinite(values).any() else np.zeros(1)
    places = np.clip(np.searchsorted(edges, values, "right") - 1, 0, max(len(edges) - 2, 0))
    places[np.isnan(values)] = len(edges)
    width = len(str(len(edges)))
    found = grouped(scores, pa.array([f"{place:0{width}}" for place in places.tolist()], pa.string()))
    names = []
    for place in map(int, found.names):
        inside = values[places == place]
        names.append("missing" if math.isnan(inside[0]) else f"{inside.min():.4g} to {inside.max():.4g}")
    return dataclasses.replace(found, names=np.array(names, object))


def _windowed(steps: np.ndarray, sums: np.ndarray, targets: np.ndarray, *, sights: int) -> np.ndarray:
    """For each row, the sum of `sums` by that of `targets` over windows of whole steps with about so many rows each."""
    _, firsts = np.unique(steps, return_index=True)
    windows = np.minimum(firsts // sights, max(len(steps) // sights - 1, 0))  # what is left joins the last whole one
    window = np.repeat(windows, np.diff([*firsts, len(steps)]))
    totals = np.bincount(window, weights=targets)
    means = np.divide(np.bincount(window, weights=sums), totals, out=np.zeros(len(totals)), where=totals > 0)
    found: np.ndarray = means[window]
    return found
