"""The manifest: what a corpus is made of, written last, so that a folder without one is not yet a corpus."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from curation import storage

FORMAT_VERSION = 1
NAME = "manifest.json"


@dataclasses.dataclass(frozen=True)
class OutputFile:
    """One file of a corpus."""

    path: str  # relative to the corpus
    bytes: int
    sha256: str
    rows: int | None = None
    tokens: int | None = None


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that decides a corpus and everything that it holds.

    All but `run` (times, machine, workers) is identical between two runs over the same input.
    """

    recipe: Mapping[str, Any]  # name, sha256, repr
    settings: Mapping[str, Any]  # what the command line decided beside the recipe
    versions: Mapping[str, str]  # this project, its code, and the libraries that decide bytes
    inputs: tuple[Mapping[str, Any], ...]  # path, size
    ledger: Mapping[str, Any]  # Ledger.to_json
    outputs: tuple[OutputFile, ...]
    tokenizer: Mapping[str, Any]  # sha256, vocab_size, end_of_text, end_of_text_id, special_ids
    num_documents: int
    num_tokens: int
    largest_token_id: int
    run: Mapping[str, Any]
    format_version: int = FORMAT_VERSION

    def file(self, path: str) -> OutputFile:
        """The entry of one output file; KeyError where the manifest has none."""
        for output in self.outputs:
            if output.path == path:
                return output
        raise KeyError(path)

    def write(self, corpus: str) -> None:
        """Writes `manifest.json` into the corpus folder, whole or not at all."""
        with storage.publish(storage.join(corpus, NAME)) as path, open(path, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(self), file, indent=1, ensure_ascii=False)
            file.write("\n")


_INPUT = {"path", "size", "digest"}
_KINDS = {
    "recipe": dict,
    "settings": dict,
    "versions": dict,
    "run": dict,
    "ledger": dict,
    "tokenizer": dict,
    "num_documents": int,
    "num_tokens": int,
    "largest_token_id": int,
}


def load(corpus: str) -> Manifest:
    """The manifest of a finished corpus; ValueError where there is none or it is not one this version reads."""
    path = storage.join(corpus, NAME)
    try:
        with storage.open_read(path) as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path} does not exist: {corpus} is no finished corpus; run pipelines.curate on it") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); the corpus is damaged: make it again") from None

    version = found.get("format_version") if isinstance(found, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(f"{path} has format_version {version!r}, this version reads {FORMAT_VERSION}")
    fields = {field.name for field in dataclasses.fields(Manifest)}
    if found.keys() != fields:
        odd = ", ".join(sorted(found.keys() ^ fields))
        raise ValueError(f"{path} is not a manifest of this version: missing or unknown {odd}")
    try:
        found["outputs"] = tuple(OutputFile(**output) for output in found["outputs"])
        manifest = Manifest(**{**found, "inputs": tuple(found["inputs"])})
        for name, kind in _KINDS.items():
            if not isinstance(getattr(manifest, name), kind):
                raise TypeError(f"{name} is {getattr(manifest, name)!r}")
        for entry in manifest.inputs:
            if not isinstance(entry, dict) or not entry.keys() >= _INPUT:
                raise TypeError(f"inputs hold {entry!r}")
        for output in manifest.outputs:
            if ".." in str(output.path).split("/"):
                raise TypeError(f"outputs hold {output.path!r}")
        return manifest
    except TypeError as error:
        raise ValueError(f"{path} is not a manifest of this version: {error}; make the corpus again") from None


def sha256_of(path: str) -> str:
    """The sha256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with storage.open_read(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
