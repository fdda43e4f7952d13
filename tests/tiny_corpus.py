"""Makes a corpus of a few kilobytes, with the shards and the manifest that the trainers read."""

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from curation.manifest import Manifest, OutputFile, sha256_of
from curation.shards import ShardInfo, schema

END_OF_TEXT = 256  # the tokens are the bytes of the text
VOCAB_SIZE = 257
TOKENIZER = b'{"made": "in a test"}\n'
WORDS = ["the", "crawl", "reads", "a", "page", "and", "it", "becomes", "text", "while", "rain", "falls", "on", "water"]


def texts(count: int, *, seed: int = 0) -> list[str]:
    """Sentences of 0 to 30 words: easy to predict from their bytes, and one of them empty."""
    generator = np.random.default_rng(seed)
    lengths = [0, *generator.integers(1, 31, count - 1)]
    return [" ".join(generator.choice(WORDS, length)) for length in lengths]


def encode(text: str) -> list[int]:
    """A document as its shard holds it."""
    return [*text.encode(), END_OF_TEXT]


def write_corpus(
    folder: str | os.PathLike[str],
    train: Sequence[Sequence[str]],
    validation: Sequence[Sequence[str]] = ((),),
    **info: object,
) -> str:
    """Writes one shard for each list of texts, in batches of 3 documents; `info` overrides ShardInfo's fields."""
    folder = os.fspath(folder)
    os.makedirs(f"{folder}/tokens")
    with open(f"{folder}/tokenizer.json", "wb") as file:
        file.write(TOKENIZER)
    for split, shards in (("train", train), ("validation", validation)):
        for number, shard in enumerate(shards):
            name = f"{split}-{number:05}-of-{len(shards):05}.arrow"
            _write_shard(f"{folder}/tokens/{name}", shard, origin=f"{split}{number}", info={"split": split, **info})
    write_manifest(folder)
    return folder


def write_manifest(folder: str, **changes: object) -> None:
    """Writes the manifest of what lies in `folder`, with some of its fields changed."""
    outputs, num_documents, num_tokens = [], 0, 0
    for name in sorted(os.listdir(f"{folder}/tokens")):
        path = f"{folder}/tokens/{name}"
        outputs.append(OutputFile(f"tokens/{name}", os.path.getsize(path), sha256_of(path)))
        with contextlib.suppress(pa.ArrowInvalid, KeyError):  # tests write files that are no shards, too
            tokens = pa.ipc.open_file(path).read_all().column("tokens")
            num_documents, num_tokens = num_documents + len(tokens), num_tokens + sum(map(len, tokens))
    fields = {
        "recipe": {"name": "test", "sha256": "r" * 64, "repr": "Recipe()"},
        "settings": {},
        "versions": {},
        "inputs": (),
        "ledger": {},
        "outputs": tuple(outputs),
        "tokenizer": {
            "sha256": hashlib.sha256(TOKENIZER).hexdigest(),
            "vocab_size": VOCAB_SIZE,
            "end_of_text": "<|endoftext|>",
            "end_of_text_id": END_OF_TEXT,
        },
        "num_documents": num_documents,
        "num_tokens": num_tokens,
        "largest_token_id": END_OF_TEXT,
        "run": {},
    }
    Manifest(**{**fields, **changes}).write(folder)


def _write_shard(path: str, documents: Sequence[str], *, origin: str, info: Mapping[str, object]) -> None:
    fields = {
        "tokenizer_sha256": hashlib.sha256(TOKENIZER).hexdigest(),
        "vocab_size": VOCAB_SIZE,
        "end_of_text_id": END_OF_TEXT,
        "recipe_sha256": "r" * 64,
    }
    columns = schema(ShardInfo(**{**fields, **info}))
    with pa.ipc.new_file(path, columns) as writer:
        for start in range(0, len(documents), 3):
            rows = [
                {
                    "tokens": encode(text),
                    "id": f"{origin}.warc.gz@{start + i}",
                    "url": f"https://example.org/{origin}/{start + i}",
                    "warc": f"crawl/{origin}.warc.gz",
                    "offset": 1000 * (start + i),
                    "num_bytes": len(text.encode()),
                    "language": "en",
                    "language_score": 0.9,
                    "copies": 1,
                    "signals": [("quality", (start + i) % 5 / 4)],
                }
                for i, text in enumerate(documents[start : start + 3])
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, columns))
