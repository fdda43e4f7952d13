"""Makes splits in memory, with the columns that a test asks for; a property can look at hundreds of them."""

import itertools
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from curation.shards import Shard, ShardInfo, schema
from trainers.corpus import Split

END_OF_TEXT = 0
INFO = ShardInfo(split="train", tokenizer_sha256="t", vocab_size=1 << 16, end_of_text_id=END_OF_TEXT, recipe_sha256="r")


def documents(count: int, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of a shard with other columns where they are given; documents have 3 tokens."""
    rows = []
    for i in range(count):
        row = {
            "tokens": [i % 1000 + 1, i % 1000 + 1, END_OF_TEXT],
            "id": f"made.warc.gz@{i}",
            "url": f"https://example.org/{i}",
            "warc": "crawl/made.warc.gz",
            "offset": i,
            "num_bytes": 2,
            "language": "en",
            "language_score": 0.9,
            "copies": 1,
            "signals": [],
        }
        rows.append({**row, **{name: values[i] for name, values in columns.items()}})
    return rows


def of_lengths(lengths: Sequence[int], **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Documents of the given numbers of tokens, all of which differ."""
    ends = np.cumsum([0, *lengths]) + 1
    tokens = [[*range(start, stop - 1), END_OF_TEXT] for start, stop in itertools.pairwise(ends)]
    return documents(len(lengths), tokens=tokens, num_bytes=lengths, **columns)


def split_of(*shards: Sequence[Mapping[str, Any]], batch: int = 3, sha256: str = "s") -> Split:
    """A split of shards, each with record batches of `batch` documents."""
    return Split.of([_shard(rows, batch) for rows in shards], sha256=sha256)


def corpus_of(split: Split, *, path: str = "corpus", tokenizer: str = "t", forgotten: Sequence[str] = ()) -> Any:
    """What `mix` reads of a corpus."""
    manifest = types.SimpleNamespace(tokenizer={"sha256": tokenizer})
    return types.SimpleNamespace(path=path, train=split, manifest=manifest, tombstones=frozenset(forgotten))


def _shard(rows: Sequence[Mapping[str, Any]], batch: int) -> Shard:
    columns = schema(INFO)
    parts = [pa.RecordBatch.from_pylist(rows[i : i + batch], columns) for i in range(0, len(rows), batch)]
    chunks = tuple(
        np.array([t for row in rows[i : i + batch] for t in row["tokens"]], np.uint16)
        for i in range(0, len(rows), batch)
    )
    return Shard(
        path="made.arrow",
        info=INFO,
        table=pa.Table.from_batches(parts, columns),
        chunks=chunks,
        chunk_starts=np.cumsum([0, *map(len, chunks)], dtype=np.int64),
        doc_starts=np.cumsum([0, *(len(row["tokens"]) for row in rows)], dtype=np.int64),
    )
