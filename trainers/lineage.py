"""Where a model comes from, for its card: the corpora of its run, what its log measured, and the command behind it."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from curation.manifest import Manifest
from trainers import log, options
from trainers.admit import admit
from trainers.energy import JOULES_PER_KWH
from trainers.run import Source
from trainers.settings import Settings


@dataclasses.dataclass(frozen=True)
class Lineage:
    """A corpus of a run, and what is still known of it where it is still there."""

    source: Source
    manifest: Manifest | None = None
    languages: Mapping[str, float] = dataclasses.field(default_factory=dict)  # share of the documents, largest first
    withdrawn: int = 0  # documents with a tombstone that the run did not know of


def lineage(source: Source, known: frozenset[str]) -> Lineage:
    """What is known of a corpus; its manifest and languages only where its shards are the ones that were read."""
    try:
        corpus = admit(source.path, contents=False)
    except (ValueError, OSError):
        return Lineage(source)
    if corpus.sha256 != source.sha256:
        return Lineage(source)
    counts: dict[str, int] = {}
    for shard in corpus.train.shards:
        for entry in pc.value_counts(shard.table.column("language")).to_pylist():
            code = str(entry["values"] or "unknown")
            counts[code] = counts.get(code, 0) + entry["counts"]
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shares = {code: count / total for code, count in ordered}
    return Lineage(source, corpus.manifest, shares, len(corpus.tombstones - known))


def command(settings: Settings, corpora: Sequence[str]) -> str:
    """The command that starts the same run on corpora of these paths, with every setting written out."""
    words = ["python", "-m", "trainers.pretrain"]
    for path in corpora:
        words += ["--corpus", path]
    described = dataclasses.asdict(settings)
    for name, _ in list(options.idle(described, described)):
        del described[name]
    for name, value in described.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif value not in ("", ()):
            words += [flag, *map(_number, value if isinstance(value, tuple) else (value,))]
    return shlex.join([*words, "--output", "RUN"])


def measured(folder: str, step: int) -> dict[str, str]:
    """What the log of a run says of its steps up to one, ready to be read; a figure that it lacks is left out."""
    entries = [entry for entry in log.read(folder) if entry["step"] <= step]
    steps = [entry for entry in entries if entry["kind"] == "step"]
    validations = [entry for entry in entries if entry["kind"] == "validation"]
    found = {}
    if steps:
        found["Tokens read"] = f"{sum(entry['tokens'] for entry in steps):,}"
        found["Loss of the last step, nats"] = f"{steps[-1]['loss']:.4f}"
        found["Hours"] = f"{sum(entry['seconds'] for entry in steps) / 3600:.2f}"
        if left_out := sum("left_out" in entry for entry in steps):
            found["Steps that were not learned from"] = f"{left_out:,}"
    if validations:
        last = validations[-1]
        found[f"Validation loss at step {last['step']:,}, nats"] = f"{last['loss']:.4f}"
        if last.get("bits_per_byte") is not None:
            found["Validation, bits per byte"] = f"{last['bits_per_byte']:.4f}"
    for name, label, unit in (
        ("joules", "Energy of the GPUs, kWh", JOULES_PER_KWH),
        ("co2e_grams", "CO2e of that, kg", 1e3),
    ):
        values = [entry[name] for entry in steps if name in entry]
        if values:
            part = "" if len(values) == len(steps) else f" (of {len(values):,} of the {len(steps):,} steps)"
            found[label] = f"{sum(values) / unit:.4g}{part}"
    return found


def _number(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
