"""The card of a classifier: what it was trained on and how well it does on hosts that it has not seen."""

import dataclasses
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from curation import classify, separation, versions
from curation.train_fasttext import Settings
from curation.training_split import Counts, Example
from curation.training_texts import Fields, TrainingFile
from pipelines import terminal

_LET_THROUGH = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of negatives: the rows of the table of thresholds
_VERSIONS = ("project", "code_sha256", "python", "fasttext", "numpy", "pyarrow", "scipy")


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a run has come to."""

    files: Mapping[str, Sequence[TrainingFile]]  # by the flag that gave them
    fields: Fields
    counts: Counts
    settings: Settings
    held_out: float  # of hosts
    training: Sequence[Example]
    testing: Sequence[Example]
    scores: Sequence[float]  # of the testing examples
    model_name: str
    model_bytes: int
    model_sha256: str


def card(trained: Trained) -> dict[str, Any]:
    """The card, without date and place: the same texts and settings give the same."""
    is_positive = np.array([example.is_positive for example in trained.testing])
    scores = np.array(trained.scores)
    lengths = np.array([example.num_characters for example in trained.testing])
    here = versions.versions()
    return {
        "model": {"name": trained.model_name, "bytes": trained.model_bytes, "sha256": trained.model_sha256},
        "label": classify.HIGH,
        "trained_on": {flag: [dataclasses.asdict(file) for file in files] for flag, files in trained.files.items()},
        "fields": dataclasses.asdict(trained.fields),
        "rows": dataclasses.asdict(trained.counts),
        "examples": {
            "training": _sizes(trained.training),
            "held_out": _sizes(trained.testing),
        },
        "settings": {**dataclasses.asdict(trained.settings), "held_out": trained.held_out},
        "held_out": {
            "auc": separation.auc(scores, is_positive),
            "auc_of_length_alone": separation.auc(lengths, is_positive),
            "thresholds": [vars(cut) for cut in separation.cuts(scores, is_positive, _LET_THROUGH)],
        },
        "versions": {name: here[name] for name in _VERSIONS} | {"machine": platform.machine()},
    }


def markdown(found: Mapping[str, Any]) -> Iterator[str]:
    """The card for people, line by line."""
    model, held = found["model"], found["held_out"]
    yield f"# {model['name']}"
    yield ""
    yield f"A fastText classifier of {model['bytes']:,} bytes, sha256 `{model['sha256']}`."
    yield f"The score of a text is the probability of `{found['label']}`."
    yield ""
    yield from lines(found)
    yield ""
    yield "## Trained on"
    yield ""
    yield from ("| | file | rows | bytes | sha256 |", "|---|---|---|---|---|")
    for flag, files in found["trained_on"].items():
        for file in files:
            path = terminal.escaped(file["path"]).replace("|", "\\|")
            yield f"| {flag} | {path} | {file['rows']:,} | {file['bytes']:,} | `{file['sha256']}` |"
    yield ""
    yield f"Rows: {_listed(found['rows'])}. Texts are in one line and otherwise as they stand. Classes are as large as"
    yield "the files make them: nothing is drawn twice or left out to balance them."
    yield ""
    yield "## Held-out hosts"
    yield ""
    yield f"AUC {held['auc']:.4f}; of length alone (longer is better) {held['auc_of_length_alone']:.4f}."
    yield ""
    yield from ("| threshold | kept | precision | recall | negatives let through |", "|---|---|---|---|---|")
    for cut in held["thresholds"]:
        shares = (cut["share_kept"], cut["precision"], cut["recall"], cut["false_positive_rate"])
        yield f"| {cut['threshold']:.6g} | {' | '.join(f'{share:.1%}' for share in shares)} |"
    yield ""
    yield "## Settings and versions"
    yield ""
    yield f"{_listed(found['settings'])}."
    yield f"{_listed(found['versions'])}."
    yield "The same texts, settings and build of fastText give the same bytes; a fastText that was compiled on another"
    yield "kind of processor may round otherwise."


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """How many texts there were."""
    for part, sizes in found["examples"].items():
        classes = " and ".join(f"{of['texts']:,} {name} of {of['hosts']:,} hosts" for name, of in sizes.items())
        yield f"- {part.replace('_', ' ')}: {classes}"


def _sizes(examples: Sequence[Example]) -> dict[str, dict[str, int]]:
    found = {}
    for name, is_positive in (("positive", True), ("negative", False)):
        mine = [example for example in examples if example.is_positive == is_positive]
        found[name] = {"texts": len(mine), "hosts": len({example.group for example in mine})}
    return found


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in values.items()
    )
