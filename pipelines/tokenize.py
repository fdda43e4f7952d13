"""The third stage: curated documents to token shards, and the manifest that makes the folder a corpus."""

import contextlib
import functools
import itertools
import sys
from collections.abc import Sequence

import pyarrow as pa

from curation import parts, shards, storage, tokens, urls
from curation.document import Document
from pipelines import closing, command, deduplicate, progress
from pipelines.made import all_made
from pipelines.run import Run, ShardTask
from pipelines.tasks import Round

_BATCH = 256  # documents encoded at a time


def write_tokenizer(_: int, *, run: Run) -> int:
    """Writes the run's own copy of `tokenizer.json`: the user's, or one trained on the curated documents."""
    path = run.token_work("tokenizer.json")
    if storage.exists(path):
        return 0
    texts = (document.text for part in range(len(run.tasks)) for document in parts.documents(run.documents(part)))
    content = run.tokenizer or tokens.train(texts, run.vocab_size, mask=run.mask_token, sentinels=run.sentinels)
    with storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
    return 1


def write_shards(task: ShardTask, *, run: Run) -> int:
    """Writes one training and one validation shard: the documents of consecutive parts, by their hosts."""
    with storage.open_read(run.token_work("tokenizer.json")) as file:
        encoder = tokens.load(file.read(), run.tokenizer_name)
    count = 0
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "shards", task.number))
        writers = {}
        for split in shards.SPLITS:
            info = shards.ShardInfo(
                split, encoder.sha256, encoder.vocab_size, encoder.end_of_text_id, run.recipe.sha256
            )
            temporary = stack.enter_context(storage.publish(run.shard(task, split)))
            writers[split] = stack.enter_context(
                contextlib.closing(shards.ShardWriter(temporary, info, fingerprint=run.tokens_fingerprint))
            )
        total = sum(parts.ledger_of(run.documents(part)).kept for part in task.parts)
        documents = (document for part in task.parts for document in parts.documents(run.documents(part)))
        while batch := list(itertools.islice(documents, _BATCH)):
            for document, ids in zip(batch, encoder.encode([document.text for document in batch]), strict=True):
                split = shards.SPLITS[_is_validation(document.url, run)]
                writers[split].add(ids, _columns(document))
            count += len(batch)
            report(count, count, count / total)
    return count


def tasks(run: Run) -> Sequence[ShardTask]:
    """One task a pair of shards."""
    return run.shard_tasks


def is_done(run: Run, task: ShardTask) -> bool:
    """Whether the shards were made by this run or by one just like it; ValueError where another made them."""
    return all_made([run.shard(task, split) for split in shards.SPLITS], _shard_fingerprint, run.tokens_fingerprint)


def rounds(run: Run, missing: Sequence[ShardTask]) -> list[Round]:
    """The tokenizer, the shards that are missing, and the digests of every file."""
    return [
        Round("tokenizer", [0], functools.partial(write_tokenizer, run=run)),
        Round("shards", missing, functools.partial(write_shards, run=run)),
        Round("digests", range(len(run.tasks)), functools.partial(closing.write_digests, run=run)),
    ]


def _columns(document: Document) -> tuple[object, ...]:
    """A shard's columns after `tokens`, in the order of `shards.schema`."""
    return (
        document.id,
        document.url,
        document.warc,
        document.offset,
        len(document.text.encode()),
        document.language,
        document.language_score,
        document.copies,
        document.signals,
    )


def _is_validation(url: str, run: Run) -> bool:
    if run.recipe.validation == "c4":
        return urls.is_c4_validation(url)
    return urls.is_validation(url, run.validation_share)


def _shard_fingerprint(path: str) -> str | None:
    try:
        with storage.open_read(path) as file:
            metadata = pa.ipc.open_file(file).schema.metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return metadata.get(shards.FINGERPRINT, b"").decode() or None


STAGE = command.Stage("tokenize", tasks, is_done, rounds, needs=deduplicate.STAGE, finish=closing.write_manifest)


def main(argv: Sequence[str] | None = None) -> int:
    """This stage alone, on a folder that holds the output of the stages before it."""
    return command.main(__doc__ or "", [STAGE], argv)


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import tokenize

    sys.exit(tokenize.main())
