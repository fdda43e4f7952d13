"""What is known of the documents of a step: where they are from, their signals, and what they cost."""

import json
import os
from typing import Any

import numpy as np
import pyarrow as pa

from curation import storage
from trainers import pages, scores, sights
from trainers.ledger import DocumentLosses
from trainers.plan import Plan
from trainers.stream import Stream
from trainers.table import plain

FOLDER = "spikes"
_CAUTION = (
    "a correlation: these documents were read when the loss was bad, but an unstable optimizer gives bad losses too; "
    "z is against the documents of the steps around it"
)


def dossier(
    stream: Stream, plan: Plan, step: int, *, losses: DocumentLosses | None = None, others: pa.Table | None = None
) -> list[dict[str, Any]]:
    """The documents of a step, in reading order.

    `losses` is what they cost in it; `others` are rows of the ledger of one term, of steps near it, that z compares
    with. `loss`, nats a target, and `z` are None where they are not known or not finite.
    """
    found = sights.of_step(stream, plan, step=step)
    occurrences, firsts, groups = np.unique(found.occurrences, return_index=True, return_inverse=True)
    tokens = np.bincount(groups, weights=found.tokens).astype(np.int64)
    targets, loss, z = _costs(occurrences, losses, others)
    stretches = [
        [[int(found.starts[i]), int(found.stops[i])] for i in each]
        for each in np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    ]
    described = pages.descriptions(stream, occurrences)
    lines = []
    for i in np.argsort(firsts):
        page = described[i]
        address = {name: page[name] for name in ("id", "url", "warc", "offset")}
        costs = {"targets": int(targets[i]) or None, "loss": plain(float(loss[i])), "z": plain(float(z[i]))}
        about = {"language": page["language"], "signals": plain(page["signals"])}
        where = {"spans": stretches[i], "occurrence": int(occurrences[i])}
        lines.append({**address, "tokens": int(tokens[i]), **costs, **about, **where})
    return lines


def write(run: str, step: int, reason: str, documents: list[dict[str, Any]]) -> str:
    """Writes `RUN/spikes/step-N.jsonl`: what happened, then the documents, the worst first; returns its path.

    Documents whose loss is not finite come before the others.
    """
    path = os.path.join(run, FOLDER, f"step-{step:08d}.jsonl")
    worst = sorted(documents, key=lambda each: (each["targets"] is None, each["loss"] is not None, -(each["z"] or 0.0)))
    with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, "reason": reason, "caution": _CAUTION}) + "\n")
        file.writelines(json.dumps(document) + "\n" for document in worst)
    return path


def _costs(
    occurrences: np.ndarray, losses: DocumentLosses | None, others: pa.Table | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The targets, mean loss and z of occurrences int64[n], ascending: 0, NaN and NaN where they are not known."""
    targets, loss = np.zeros(len(occurrences), np.int64), np.full(len(occurrences), np.nan)
    if losses is not None and len(losses.occurrences):
        places = np.minimum(np.searchsorted(occurrences, losses.occurrences), len(occurrences) - 1)
        assert (occurrences[places] == losses.occurrences).all(), "losses of documents that the step does not read"
        targets[places], loss[places] = losses.targets, losses.losses / losses.targets
    return targets, loss, scores.against(others, loss)
