"""The end of a run: every output file is digested, and the manifest written last."""

import collections
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation import manifest, shards, storage, stored_recipe, tokens, versions
from curation.dedup import contamination_report
from curation.ledger import Ledger
from curation.manifest import Manifest, OutputFile
from pipelines import funnel
from pipelines.run import Run


def write_digests(part: int, *, run: Run) -> int:
    """Writes down what each output file of one part holds: rows, tokens, bytes and sha256."""
    path = run.token_work("digests", f"{part:05d}.json")
    if storage.exists(path):
        return 0
    paths = [run.filtered(part), run.rejected(part), run.duplicates(part), run.documents(part)]
    paths += [run.rejected_texts(part), run.later_texts(part)]
    paths += filter(None, [run.cuts(part), run.overlaps(part)])
    if part < len(run.shard_tasks):
        paths += [run.shard(run.shard_tasks[part], split) for split in shards.SPLITS]
    with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump([_digest(name, run) for name in paths], file)
    return len(paths)


def write_manifest(run: Run, circumstances: Mapping[str, Any]) -> None:
    """Writes `manifest.json`, and removes what the run needed only for itself."""
    found = list(_digests(run))
    largest = max((entry.pop("largest_token_id", -1) for entry in found), default=-1)
    files = [OutputFile(**entry) for entry in found]
    with storage.open_read(run.token_work("tokenizer.json")) as file:
        content = file.read()
    encoder = tokens.load(content, run.tokenizer_name)
    files.append(OutputFile(path="tokenizer.json", bytes=len(content), sha256=encoder.sha256))
    if run.contamination:
        files.append(OutputFile(**_digest(storage.join(run.output, contamination_report.NAME), run)))
    books = funnel.books(run, deduplicated=True)
    _check_rows(files, books)
    if not books.kept:
        print(*funnel.table(run, books), sep="\n", flush=True)
        raise ValueError(
            f"no document is left of {books.read} pages; the table above and {run.output}/rejected say why: "
            "choose another --recipe or --language, or more input"
        )
    with storage.publish(run.tokenizer_path()) as temporary, open(temporary, "wb") as file:
        file.write(content)
    Manifest(
        recipe=stored_recipe.as_json(run.recipe),
        settings=run.settings,
        versions=versions.versions(),
        inputs=tuple(map(dataclasses.asdict, run.inputs)),
        ledger=books.to_json(),
        outputs=tuple(sorted(files, key=lambda file: file.path)),
        tokenizer={
            "sha256": encoder.sha256,
            "vocab_size": encoder.vocab_size,
            "end_of_text": encoder.end_of_text,
            "end_of_text_id": encoder.end_of_text_id,
            "special_ids": encoder.special_ids,
        },
        num_documents=books.kept,
        num_tokens=sum(file.tokens or 0 for file in files),
        largest_token_id=largest,
        run=circumstances,
    ).write(run.output)
    storage.remove(storage.join(run.output, "work"))


def _check_rows(files: Sequence[OutputFile], books: Ledger) -> None:
    """Compares the ledger with what the files hold; ValueError where they differ."""
    rows: collections.Counter[str] = collections.Counter()
    for file in files:
        rows[file.path.split("/")[0]] += file.rows or 0
    for folder, expected in (("documents", books.kept), ("rejected", books.rejected.total()), ("tokens", books.kept)):
        if rows[folder] != expected:
            raise ValueError(
                f"the books do not close: the ledger says {expected}, {folder} holds {rows[folder]} rows; files were "
                "changed while the run was made, or this is a defect: make the corpus again in another --output"
            )


def _digests(run: Run) -> Iterator[dict[str, Any]]:
    for part in range(len(run.tasks)):
        with storage.open_read(run.token_work("digests", f"{part:05d}.json")) as file:
            yield from json.load(file)


def _digest(path: str, run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path": path[len(run.output.rstrip("/")) + 1 :],
        "bytes": storage.size(path),
        "sha256": manifest.sha256_of(path),
    }
    with storage.open_read(path) as file:
        if path.endswith(".parquet"):
            return {**found, "rows": pq.read_metadata(file).num_rows}
        return found if path.endswith(".json") else {**found, **_count(pa.ipc.open_file(file))}


def _count(reader: pa.ipc.RecordBatchFileReader) -> dict[str, int]:
    """Rows, tokens and the largest token id of a shard, a record batch in memory at a time."""
    rows, num_tokens, largest = 0, 0, -1
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        values = batch.column("tokens").flatten().to_numpy()
        rows, num_tokens, largest = rows + batch.num_rows, num_tokens + len(values), max(largest, int(np.max(values)))
    return {"rows": rows, "tokens": num_tokens, "largest_token_id": largest}
