"""What must be true of a corpus before a step is trained on it, checked at the start and again at every resume.

A token of a changed shard cannot be told from another token, so nothing is trusted that the manifest does not vouch
for: each file's size and sha256, each shard's columns, tokenizer and recipe, and the range of its ids.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Mapping

import numpy as np

from curation import manifest as manifests
from curation import storage
from curation.manifest import Manifest, OutputFile
from curation.shards import Shard, ShardInfo, open_shard
from trainers import specials, tombstones
from trainers.corpus import Split
from trainers.specials import Specials

_TOKENIZER = "tokenizer.json"
_TOKENS = "tokens/"
_REMEDY = "copy the corpus again from where it was made, or make it again with pipelines.curate"


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus that may be trained on."""

    path: str
    manifest: Manifest
    manifest_sha256: str
    sha256: str  # of what a trainer reads: two corpora that are equal in it train equal models
    train: Split
    validation: Split  # may hold nothing
    tombstones: frozenset[str]  # the ids of documents that no new run may read
    specials: Specials
    num_bytes: int  # of the shards
    seconds: float  # that the checks took

    @property
    def vocab_size(self) -> int:
        """Every token id is below it."""
        return int(self.manifest.tokenizer["vocab_size"])

    @property
    def end_of_text_id(self) -> int:
        """The id that ends every document."""
        return int(self.manifest.tokenizer["end_of_text_id"])


def admit(path: str, *, contents: bool = True) -> Corpus:
    """Opens the corpus at `path`; ValueError with the file, what was found and what was expected where it must not be.

    Without `contents` the bytes of the shards are not read: enough to say where a token came from, not to train.
    """
    started = time.perf_counter()
    if not storage.is_local(path):
        raise ValueError(f"{path} is not on this machine: shards are mapped into memory; copy the corpus here first")
    if not os.path.isdir(path):
        raise ValueError(f"{path} is not a folder; --corpus takes the --output folder of pipelines.curate")
    manifest = manifests.load(path)
    _check_tokenizer(path, manifest)
    files = sorted((file for file in manifest.outputs if file.path.startswith(_TOKENS)), key=lambda file: file.path)
    if not files:
        raise ValueError(f"{storage.join(path, manifests.NAME)} lists no token shard under {_TOKENS}; {_REMEDY}")
    _check_sizes(path, files)
    if contents:
        _check_digests(path, files)

    shards: dict[str, list[Shard]] = {"train": [], "validation": []}
    for file in files:
        shard = open_shard(storage.join(path, file.path))
        _check_shard(shard, file, manifest)
        if contents:
            _check_tokens(shard, manifest)
        shards[shard.info.split].append(shard)
    _check_sums(path, shards, manifest)
    digest = _digest(files, manifest)
    train, validation = (Split.of(shards[name], sha256=f"{digest}/{name}") for name in ("train", "validation"))
    if not train.num_tokens:
        raise ValueError(
            f"{path} has no token to train on: its training split is empty; "
            "curate more input, or give less of it to validation"
        )
    return Corpus(
        path=path,
        manifest=manifest,
        manifest_sha256=manifests.sha256_of(storage.join(path, manifests.NAME)),
        sha256=digest,
        train=train,
        validation=validation,
        tombstones=tombstones.ids(tombstones.load(storage.join(path, tombstones.NAME))),
        specials=_specials(path, manifest),
        num_bytes=sum(file.bytes for file in files),
        seconds=time.perf_counter() - started,
    )


def _digest(files: list[OutputFile], manifest: Manifest) -> str:
    """The manifest's own digest would do, but it holds the time and machine of the run that wrote it."""
    described = [[file.path, file.sha256] for file in files] + [["tokenizer", manifest.tokenizer["sha256"]]]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _specials(path: str, manifest: Manifest) -> Specials:
    with open(storage.join(path, _TOKENIZER), "rb") as file:
        content = file.read()
    described = manifest.tokenizer
    return specials.read(content, end_of_text_id=described["end_of_text_id"], vocab_size=described["vocab_size"])


def _check_sums(path: str, shards: Mapping[str, list[Shard]], manifest: Manifest) -> None:
    """A shard that is missing from the manifest's list would be missed by nothing else."""
    opened = [shard for split in shards.values() for shard in split]
    found = {
        "num_documents": sum(shard.table.num_rows for shard in opened),
        "num_tokens": sum(shard.num_tokens for shard in opened),
    }
    for name, count in found.items():
        if count != getattr(manifest, name):
            raise ValueError(
                f"{storage.join(path, manifests.NAME)} says {name} {getattr(manifest, name)}, and its shards hold "
                f"{count}; {_REMEDY}"
            )


def _check_tokenizer(path: str, manifest: Manifest) -> None:
    name = storage.join(path, manifests.NAME)
    if missing := sorted({"sha256", "vocab_size", "end_of_text_id"} - manifest.tokenizer.keys()):
        raise ValueError(f"{name} does not say the tokenizer's {', '.join(missing)}; {_REMEDY}")
    vocab_size = manifest.tokenizer["vocab_size"]
    for what, token in (
        ("largest_token_id", manifest.largest_token_id),
        ("end_of_text_id", manifest.tokenizer["end_of_text_id"]),
    ):
        if not 0 <= token < vocab_size:
            raise ValueError(f"{name}: {what} is {token}, expected one below the vocabulary's {vocab_size}; {_REMEDY}")
    tokenizer = storage.join(path, _TOKENIZER)
    if not os.path.isfile(tokenizer):
        raise ValueError(f"{tokenizer} is missing; {_REMEDY}")
    if (found := manifests.sha256_of(tokenizer)) != manifest.tokenizer["sha256"]:
        raise ValueError(
            f"{tokenizer} is not the tokenizer of this corpus: its sha256 is {found}, "
            f"the manifest says {manifest.tokenizer['sha256']}; put the right one back, or {_REMEDY}"
        )


def _check_sizes(path: str, files: list[OutputFile]) -> None:
    for file in files:
        name = storage.join(path, file.path)
        if not os.path.isfile(name):
            raise ValueError(f"{name} is missing: the manifest lists it with {file.bytes:,} bytes; {_REMEDY}")
        if (found := os.path.getsize(name)) != file.bytes:
            state = "is truncated" if found < file.bytes else "has grown"
            raise ValueError(f"{name} {state}: it has {found:,} bytes, the manifest says {file.bytes:,}; {_REMEDY}")


def _check_digests(path: str, files: list[OutputFile]) -> None:
    names = [storage.join(path, file.path) for file in files]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing runs outside the interpreter's lock
        for name, file, found in zip(names, files, pool.map(manifests.sha256_of, names), strict=True):
            if found != file.sha256:
                raise ValueError(
                    f"{name} has changed since the corpus was made: its sha256 is {found}, "
                    f"the manifest says {file.sha256}; {_REMEDY}"
                )


def _check_shard(shard: Shard, file: OutputFile, manifest: Manifest) -> None:
    if shard.info.split not in ("train", "validation"):
        raise ValueError(f"{shard.path} has split {shard.info.split!r}, expected train or validation; {_REMEDY}")
    expected = ShardInfo(
        split=os.path.basename(file.path).split("-")[0],
        tokenizer_sha256=manifest.tokenizer["sha256"],
        vocab_size=manifest.tokenizer["vocab_size"],
        end_of_text_id=manifest.tokenizer["end_of_text_id"],
        recipe_sha256=manifest.recipe.get("sha256", ""),
    )
    pairs = [
        (field.name, getattr(shard.info, field.name), getattr(expected, field.name))
        for field in dataclasses.fields(ShardInfo)
    ]
    pairs += [("rows", shard.table.num_rows, file.rows), ("tokens", shard.num_tokens, file.tokens)]
    for what, found, wanted in pairs:
        if wanted is not None and found != wanted:
            raise ValueError(
                f"{shard.path} does not belong to this corpus: its {what} is {found}, expected {wanted}; {_REMEDY}"
            )


def _check_tokens(shard: Shard, manifest: Manifest) -> None:
    """Each document ends with its end-of-text, so none is empty, and every id is in the vocabulary."""
    vocab_size, end_of_text = manifest.tokenizer["vocab_size"], manifest.tokenizer["end_of_text_id"]
    lengths = np.diff(shard.doc_starts)
    if (lengths < 1).any():
        raise ValueError(f"{shard.path}: row {int(lengths.argmin())} has no token, not even end-of-text; {_REMEDY}")
    for chunk, start in zip(shard.chunks, shard.chunk_starts, strict=False):
        if len(chunk) and (largest := int(chunk.max())) >= vocab_size:
            raise ValueError(
                f"{shard.path} holds token {largest}, expected ids below the vocabulary's {vocab_size}; {_REMEDY}"
            )
        ends = shard.doc_starts[1:] - 1 - start
        ends = ends[(ends >= 0) & (ends < len(chunk))]
        if (wrong := np.flatnonzero(chunk[ends] != end_of_text)).size:
            row = int(np.searchsorted(shard.doc_starts, ends[wrong[0]] + start, "right")) - 1
            raise ValueError(
                f"{shard.path}: row {row} ends with token {int(chunk[ends[wrong[0]]])}, "
                f"expected end-of-text, {end_of_text}; {_REMEDY}"
            )
