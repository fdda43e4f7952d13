"""How long a plan of ten million rows takes to say what a step read, and when a document was; how fast rows are read.

    python -m tests.benchmarks.plan --documents 10000000

The documents are made up: their ids, URLs and lengths lie in memory as those of mapped shards do, their tokens are one
array that all shards share.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.shards import Shard, ShardInfo, schema
from trainers import lookup, pages, sampling, sights
from trainers.corpus import Split
from trainers.plan import Plan
from trainers.stream import Stream

_BATCH = 16_384  # documents of a thousand tokens in a record batch
_SHARD = 16  # record batches
_INFO = ShardInfo(split="train", tokenizer_sha256="t", vocab_size=1 << 16, end_of_text_id=0, recipe_sha256="r")


def main() -> None:
    """Makes the documents, then prints a line for each question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--tokens", type=int, default=1024, help="of a document, on average")
    parser.add_argument("--sequence-length", type=int, default=1024)
    parser.add_argument("--batch-rows", type=int, default=512)
    args = parser.parse_args()
    split = made(args.documents, args.tokens)
    stream = Stream.of_split(split)
    plan = Plan(stream.num_tokens, args.sequence_length, args.batch_rows, 0, "row", "")
    num_steps = 2 * plan.num_rows // plan.batch_rows
    print(f"{split.num_documents:,} documents, {plan.num_rows:,} rows, {num_steps:,} steps of {plan.batch_rows}")
    stream.tokens(0, 1)  # finds the runs of documents, once
    name, step = split.document(split.num_documents - 5)["id"], num_steps - 7
    url = f"https://h77.example/{split.num_documents // 2000 * 1000 + 77}"

    def documents_of(step: int) -> list[dict[str, Any]]:
        return pages.descriptions(stream, np.unique(sights.of_step(stream, plan, step=step).occurrences))

    def steps_of(occurrences: np.ndarray) -> sights.Sights:
        found = sights.of_occurrences(stream, plan, occurrences, num_steps=num_steps)
        assert len(found.steps)
        return found

    questions: list[tuple[str, Callable[[], Any]]] = [
        ("digest of the stream", lambda: stream.sha256),
        ("documents of a step", lambda: documents_of(step)),
        ("steps of a document by its id", lambda: steps_of(stream.find(name))),
        ("steps of a document by its URL", lambda: steps_of(pages.of_url(stream, url))),
        ("steps of a host, one in a thousand documents", lambda: steps_of(pages.of_host(stream, "h77.example"))),
        (
            "documents of 100 hosts, none of them there",
            lambda: lookup.by_hosts(split, [f"{i}.none" for i in range(100)]),
        ),
        ("stream without 1,000 ids", lambda: Stream.of_split(split, without=frozenset(map(str, range(1000))))),
        ("hashes of (seed, id)", lambda: sampling.hashes(split, seed=0)),
    ]
    for what, ask in questions:
        print(f"{timed(ask):8.3f} s  {what}")
    generator = np.random.default_rng(0)
    shuffled = Stream.of((split,), np.zeros(split.num_documents, np.uint8), generator.permutation(split.num_documents))
    for what, read in (("as they lie", stream), ("in another order", shuffled)):
        for length in (args.sequence_length, 8 * args.sequence_length):
            rows = dataclasses.replace(plan, sequence_length=length)
            speed(read, rows, steps=1)
            found = speed(read, rows) / 1e6
            print(f"{found:8.0f} million tokens/s of CPU time in rows of {length}, documents {what}")


def speed(stream: Stream, plan: Plan, *, steps: int = 100) -> float:
    """Tokens of all rows of some steps, copied, for each second of CPU time."""
    started, count = time.process_time(), 0
    for step in range(1, steps + 1):
        for number in plan.rows(step)[1].tolist():
            start, stop = plan.tokens(number)
            count += len(stream.row(epoch=0, number=number, start=start, stop=stop, end_of_text_id=0).tokens.copy())
    return count / (time.process_time() - started)


def timed(ask: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def made(num_documents: int, num_tokens: int) -> Split:
    """Shards of documents of 1 to twice as many tokens, of a thousand hosts in turn."""
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 1 << 16, _BATCH * num_tokens * 2, dtype=np.uint16)
    shards = []
    for first in range(0, num_documents, _BATCH * _SHARD):
        last = min(first + _BATCH * _SHARD, num_documents)
        batches = [_batch(start, min(start + _BATCH, last)) for start in range(first, last, _BATCH)]
        lengths = [generator.integers(1, 2 * num_tokens, batch.num_rows) for batch in batches]
        sizes = [int(each.sum()) for each in lengths]
        shards.append(
            Shard(
                path="made.arrow",
                info=_INFO,
                table=pa.Table.from_batches(batches),
                chunks=tuple(tokens[:size] for size in sizes),
                chunk_starts=np.cumsum([0, *sizes], dtype=np.int64),
                doc_starts=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
            )
        )
    return Split.of(shards)


def _batch(start: int, stop: int) -> pa.RecordBatch:
    numbers = pa.array(np.arange(start, stop))
    names = numbers.cast(pa.string())
    hosts = pa.array(np.arange(start, stop) % 1000).cast(pa.string())
    columns = {
        "id": pc.binary_join_element_wise("CC-MAIN-20260101000000-20260101030000-00001.warc.gz", names, "@"),
        "url": pc.binary_join_element_wise("https://h", hosts, ".example/", names, ""),
        "offset": numbers,
    }
    columns["warc"] = columns["url"]
    kinds = schema(_INFO)
    constant = {name: pa.nulls(stop - start, kinds.field(name).type) for name in ("language", "signals")}
    return pa.record_batch({**columns, **constant})


if __name__ == "__main__":
    main()
