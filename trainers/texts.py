"""Text files as a split of a corpus, tokenized with a run's tokenizer as `pipelines.curate` does it.

A .txt file is one document. A .jsonl file, also as .jsonl.gz or .jsonl.zst, has one on each line: an object with
"text", and "id", "url" and "language" (or "lang") where they are known.
"""

import dataclasses
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import zstandard
from tokenizers import Tokenizer

from curation import storage
from curation.shards import Shard, ShardInfo, token_dtype
from trainers.corpus import Split

_SUFFIXES = (".txt", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_TOGETHER = 256  # documents tokenized at once


@dataclasses.dataclass(frozen=True)
class Text:
    """A document of a file."""

    id: str
    text: str
    url: str | None = None
    language: str | None = None


def read(path: str, tokenizer: Tokenizer, *, info: ShardInfo, max_documents: int = 0) -> Split:
    """The documents of a file, the first ones where `max_documents` is not 0; ValueError where it holds no text.

    Special tokens in a text are plain text where the tokenizer encodes them so, and an end of text comes after each.
    The tokens are held in memory.
    """
    found = documents(path)
    if max_documents:
        found = itertools.islice(found, max_documents)
    dtype = token_dtype(info.vocab_size).to_pandas_dtype()
    tokens: list[np.ndarray] = []
    about: list[tuple[str, str | None, str | None, int]] = []
    while part := list(itertools.islice(found, _TOGETHER)):
        encodings = tokenizer.encode_batch_fast([each.text for each in part], add_special_tokens=False)
        tokens += [np.array([*encoding.ids, info.end_of_text_id], dtype) for encoding in encodings]
        about += [(each.id, each.url, each.language, len(each.text.encode())) for each in part]
    if not any(size for *_, size in about):
        raise ValueError(f"{path} holds no text to score: found {len(about)} documents without a byte; give another")
    starts = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    kinds = {"id": pa.string(), "url": pa.string(), "language": pa.string(), "num_bytes": pa.int64()}
    columns = zip(kinds.items(), zip(*about, strict=True), strict=True)
    table = pa.table({name: pa.array(values, kind) for (name, kind), values in columns})
    values = np.concatenate(tokens)
    assert values.max() < info.vocab_size, "a tokenizer gave a token that is not in its vocabulary"
    edges = np.array([0, len(values)], np.int64)
    return Split.of([Shard(path, info, table, chunks=(values,), chunk_starts=edges, doc_starts=starts)])


def documents(path: str) -> Iterator[Text]:
    """The documents of a file; ValueError with the line where there is none."""
    if not path.endswith(_SUFFIXES):
        raise ValueError(f"--text {path}: expected a file that ends in one of {', '.join(_SUFFIXES)}")
    number = 0
    try:
        with storage.open_read(path) as file:
            if path.endswith(".txt"):
                text = file.read().decode("utf-8-sig")
                yield Text(storage.base_name(path), text)
                return
            for number, line in enumerate(_unpacked(path, file), 1):
                if line.strip():
                    yield _document(line, name=f"{path}, line {number}", number=number)
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise ValueError(
            f"{path} is not UTF-8: found byte {found:#04x} after line {number}; convert it first"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"{path} is damaged after line {number} ({error}); copy it again") from None


def _unpacked(path: str, file: BinaryIO) -> Iterator[str]:
    if path.endswith(".gz"):
        binary: Any = gzip.GzipFile(fileobj=file)
    elif path.endswith(".zst"):
        binary = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    else:
        binary = file
    # Only "\n" ends a line: JSON may have every other line break of Unicode in a string.
    return iter(io.TextIOWrapper(binary, encoding="utf-8-sig", newline="\n"))


def _document(line: str, *, name: str, number: int) -> Text:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON ({error}); expected one object a line") from None
    text = found.get("text") if isinstance(found, dict) else None
    if not isinstance(text, str):
        keys = ", ".join(map(repr, found)) if isinstance(found, dict) else f"no object but {type(found).__name__}"
        raise ValueError(f'{name} has no "text" that is a string: found {keys[:200]}; name the field so')
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: character {error.start} of its text is half a surrogate pair; replace it") from None
    described = (found.get("id"), found.get("url"), found.get("language", found.get("lang")))
    document_id, url, language = (each if isinstance(each, str) else None for each in described)
    return Text(document_id or str(number), text, url, language)
