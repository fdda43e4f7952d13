"""Makes corpora of documents that a test gives, from the stage on that looks at all of them: no page is extracted."""

import argparse
import dataclasses
import functools
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from curation import parts
from curation.cascade import SeenPayload
from curation.dedup import index as indexes
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.remote.access import Access
from curation.sources import Archive, Task
from curation.walk import bare_document
from pipelines import command, deduplicate, extract, tokenize
from pipelines.run import Run
from pipelines.tasks import Round

STEP = 100  # bytes that a record takes

RECIPE = """\
from curation.dedup.exact import ExactDuplicates
from curation.dedup.lines import RepeatedLines, SentenceSpans
from curation.dedup.minhash import NearDuplicates
from curation.dedup.pages import FirstOfUrl
from curation.extraction.settings import ExtractText
from curation.recipe import Recipe
RECIPE = Recipe("made", "a test", (ExtractText(), {}))
"""

Archives = Mapping[str, Sequence[str | Mapping[str, Any]]]  # texts, or fields of documents, by the archive's name


def run_of(folder: Path, archives: Archives, steps: str, **fields: Any) -> Run:
    """A run over archives of these names, each of them one task; `steps` follow ExtractText in its recipe."""
    paths = sorted(archives)
    stops = [STEP * len(archives[path]) for path in paths]
    return Run(
        **{
            "output": str(folder),
            "tasks": tuple(Task(n, len(paths), path, 0, stops[n]) for n, path in enumerate(paths)),
            "inputs": tuple(Archive(path, stop, "") for path, stop in zip(paths, stops, strict=True)),
            "recipe_file": "made.py",
            "recipe_text": RECIPE.format(steps),
            "language": None,
            "tokenizer": None,
            "tokenizer_name": "tokenizer.json",
            "vocab_size": 300,
            "validation_share": 0.0,
            "access": Access(),
            **fields,
        }
    )


def write_filtered(task: Task, *, run: Run, archives: Archives) -> int:
    """Writes a part as extraction leaves it; a page of the same `payload` as one before it is not extracted."""
    ledger, seen = Ledger(), dict[str, str]()
    write = functools.partial(parts.writing, fingerprint=run.extract_fingerprints[task.number], ledger=ledger)
    with (
        write(run.rejected(task.number), REJECTED) as rejected,
        write(run.rejected_texts(task.number), DOCUMENTS),
        write(run.filtered(task.number), DOCUMENTS, task=task) as filtered,
    ):
        for document, payload in documents(task.path, archives[task.path]):
            ledger.read += 1
            if payload and payload in seen:
                outcome = Rejection.of(
                    document, step=SeenPayload.__name__, reason="repeated_payload", value=1, evidence=seen[payload]
                )
                ledger.reject(outcome)
                rejected.add(outcome)
            else:
                seen[payload] = document.id
                ledger.kept += 1
                filtered.add(document)
    return ledger.kept


def documents(path: str, rows: Sequence[str | Mapping[str, Any]]) -> list[tuple[Document, str]]:
    """The documents of an archive, each with its payload or ""."""
    found = []
    for number, row in enumerate(rows):
        fields = {"text": row} if isinstance(row, str) else dict(row)
        payload, name = fields.pop("payload", ""), os.path.basename(path)
        document = dataclasses.replace(
            bare_document("", url=f"http://{name}.example/{number}"),
            **{"id": f"{name}@{number * STEP}", "warc": path, "offset": number * STEP, "length": STEP, **fields},
        )
        found.append((document, payload))
    return found


def stages(archives: Archives) -> list[command.Stage]:
    """Those of pipelines.curate, the first of which writes what is given."""
    work = functools.partial(write_filtered, archives=archives)
    first = dataclasses.replace(
        extract.STAGE,
        rounds=lambda run, missing: [Round("given", missing, functools.partial(work, run=run))],
        in_children=False,
        close=None,
    )
    return [first, deduplicate.STAGE, tokenize.STAGE]


def make(
    folder: Path,
    archives: Archives,
    steps: str,
    *,
    index: Path | None = None,
    exchange: str | None = None,
    workers: int = 1,
    tokens: bool = True,
    **fields: Any,
) -> Path:
    """Makes a corpus as pipelines.curate does, the tokens and the manifest only with `tokens`."""
    earlier = indexes.load(str(index)) if index else None
    run = run_of(folder, archives, steps, index=earlier, **fields)
    if earlier:
        earlier.check(run.recipe.passes[0].looks)
    args = argparse.Namespace(workers=workers, exchange=exchange, access=Access(), overwrite=False)
    command.make(run, stages(archives)[: 3 if tokens else 2], args, PipelineOptions([]), time.time())
    return folder


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The rows of all parts of a corpus, such as `documents` or `rejected`, in order of ids."""
    found = [row for path in sorted((folder / kind).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: (os.path.basename(row["warc"]), row["offset"]))


def dropped(folder: Path) -> dict[str, tuple[str, str, float, str]]:
    """Step, reason, value and evidence of all that was rejected after extraction, by id."""
    return {
        row["id"]: (row["step"], row["reason"], row["value"], row["evidence"])
        for row in rows(folder, "rejected")
        if row["step"] != SeenPayload.__name__
    }


def copies(folder: Path) -> dict[str, int]:
    """The number of copies of each document, by id."""
    return {row["id"]: row["copies"] for row in rows(folder, "documents")}


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files that must not depend on how they were made, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json" and path.relative_to(folder).parts[0] != "work"
    }


def text(*spans: tuple[int, int]) -> str:
    """Words of these numbers, each of them another word: of two texts what they share is known."""
    letters = str.maketrans("0123456789", "abcdefghij")  # normalised texts have one number for all
    return " ".join(str(number).translate(letters) for first, stop in spans for number in range(first, stop))
