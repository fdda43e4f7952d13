"""What earlier corpora hold, kept so that later ones can be compared with them: keys, sketches, shingles, clusters.

An index is a folder: `index.json`, and a folder of Parquet files for each corpus. It grows by appending, and holds all
that its documents are judged by, so that the corpora themselves may be gone.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curation import storage
from curation.dedup import clusters, texts
from curation.dedup.candidates import KEY
from curation.dedup.texts import Looks
from curation.dedup.verify import SAME_TEXT

FORMAT_VERSION = 1
NAME = "index.json"

_KEPT, _DROPPED = -np.inf, -np.finfo(np.float64).max  # ranks


@dataclasses.dataclass(frozen=True)
class IndexedPart:
    """One file of an index."""

    corpus: str
    path: str  # relative to the index
    rows: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Index:
    """An index as it stood when it was read. Its documents have the numbers -n to -1, in the order of its parts."""

    folder: str
    settings: Mapping[str, Any]  # what documents were described by (`settings_of`)
    parts: tuple[IndexedPart, ...]
    manifests: Mapping[str, str]  # the sha256 of the manifest of each corpus

    @functools.cached_property
    def first(self) -> np.ndarray:
        """The smallest number of each part, int64[parts]."""
        rows = np.array([part.rows for part in self.parts], np.int64)
        found: np.ndarray = np.cumsum(rows) - rows - rows.sum()
        found.flags.writeable = False
        return found

    def owners(self, numbers: np.ndarray) -> np.ndarray:
        """The parts, int64[n], that hold these documents, int64[n]."""
        found: np.ndarray = np.searchsorted(self.first, numbers, "right") - 1
        return found

    def first_of(self, corpus: str) -> int:
        """The smallest number of a corpus; its documents follow one another."""
        return int(self.first[next(place for place, part in enumerate(self.parts) if part.corpus == corpus)])

    def as_it_stood(self, digest: str) -> "Index | None":
        """The index as it was when its digest was this one, before it grew or was merged; None where it never was."""
        names = list(dict.fromkeys(part.corpus for part in self.parts))
        runs = [(start, stop) for start in range(len(names)) for stop in range(len(names), start, -1)]
        for start, stop in runs:
            parts = tuple(part for part in self.parts if part.corpus in names[start:stop])
            manifests = {name: self.manifests[name] for name in names[start:stop]}
            found = dataclasses.replace(self, parts=parts, manifests=manifests)
            if found.digest == digest:
                return found
        return None

    def path(self, part: int) -> str:
        """The file of a part."""
        return storage.join(self.folder, self.parts[part].path)

    @property
    def digest(self) -> str:
        """The sha256 of all that decides: the settings, and the digests of the parts in their order."""
        known = [self.settings, [[part.corpus, part.rows, part.sha256] for part in self.parts]]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    def check(self, steps: Sequence[Any]) -> None:
        """ValueError where a recipe's first pass, these steps, would describe documents in another way."""
        looks = texts.looks_of(steps)
        if not (looks.near or looks.exact):
            raise ValueError(
                f"--index {self.folder}: it holds texts, but the recipe's first step on all documents compares none; "
                "put ExactDuplicates or NearDuplicates first, or leave --index out"
            )
        for name, value in settings_of(looks).items():
            if self.settings.get(name) != value:
                raise ValueError(
                    f"--index {self.folder} was made with {name} {self.settings.get(name)!r}, the recipe has "
                    f"{value!r}; give the recipe's steps the index's settings, or make another index of the corpora"
                )

    def check_unchanged(self) -> None:
        """ValueError where the folder holds another index by now than this one, as it was read."""
        is_there = storage.exists(storage.join(self.folder, NAME))
        found = load(self.folder) if is_there else dataclasses.replace(self, parts=(), manifests={})
        if found.digest != self.digest:
            raise ValueError(f"--index {self.folder}: another process has changed it meanwhile; start again")

    def write(self, before: "Index") -> None:
        """Writes `index.json`, whole or not at all; ValueError where the folder no longer holds the index `before`."""
        before.check_unchanged()
        content = {
            "format_version": FORMAT_VERSION,
            "settings": self.settings,
            "manifests": self.manifests,
            "parts": [dataclasses.asdict(part) for part in self.parts],
        }
        path = storage.join(self.folder, NAME)
        with storage.publish(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")


def settings_of(looks: Looks) -> dict[str, Any]:
    """What decides how a document is described; which copy is kept does not, nor how similar is similar enough."""
    near, exact = looks.near, looks.exact
    return {
        "scope": looks.scope,
        "exact": None if exact is None else {"normalized": exact.normalized},
        "near": near and {name: getattr(near, name) for name in ("bands", "rows", "shingle", "words", "seed")},
    }


def load(folder: str) -> Index:
    """The index of a folder; ValueError where there is none, or it is damaged."""
    path = storage.join(folder, NAME)
    try:
        with storage.open_read(path) as file:
            found = json.load(file)
        if found["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version {found['format_version']!r}, this version reads {FORMAT_VERSION}")
        parts = tuple(IndexedPart(**part) for part in found["parts"])
        manifests = dict(found["manifests"])
        _check_parts(parts, manifests)
        return Index(folder.rstrip("/") or "/", dict(found["settings"]), parts, manifests)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path} does not exist: {folder} is no index; make one with pipelines.index") from None
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no index that this version reads ({error}); make it again") from None


def _check_parts(parts: Sequence[IndexedPart], manifests: Mapping[str, str]) -> None:
    for part in parts:
        if ".." in part.path.split("/") or part.path.startswith("/"):
            raise ValueError(f"part {part.path} lies outside of it")
        if type(part.rows) is not int or part.rows < 0:
            raise ValueError(f"part {part.path} has {part.rows!r} rows")
    corpora = [part.corpus for place, part in enumerate(parts) if not place or parts[place - 1].corpus != part.corpus]
    if sorted(corpora) != sorted(manifests):
        raise ValueError(f"its parts are of {', '.join(corpora) or 'no corpus'}, its manifests {', '.join(manifests)}")


def merged(one: Index, other: Index) -> Index:
    """The index with the corpora of both; ValueError where they cannot be in one. Files are not copied."""
    if one.settings != other.settings:
        raise ValueError(
            f"{one.folder} and {other.folder} were made with other settings: {one.settings} and {other.settings}; "
            "make an index of the corpora by one recipe"
        )
    if same := sorted(one.manifests.keys() & other.manifests.keys()):
        raise ValueError(f"{one.folder} and {other.folder} both hold a corpus {same[0]}; rename one, or leave it out")
    if twice := set(one.manifests.values()) & set(other.manifests.values()):
        name = next(name for name, digest in other.manifests.items() if digest in twice)
        raise ValueError(f"{one.folder} holds corpus {name} of {other.folder} under another name; leave it out")
    return dataclasses.replace(one, parts=(*one.parts, *other.parts), manifests={**one.manifests, **other.manifests})


def keys(rows: Mapping[str, np.ndarray], first: int) -> np.ndarray:
    """The KEY[n] of documents whose numbers start at `first`, from the columns of a part."""
    bands, exact = rows["bands"], rows["exact_key"]  # uint64[documents, bands], uint64[documents, 0 or 1]
    numbers = first + np.arange(len(bands))
    found = np.zeros(bands.size + exact.size, KEY)
    found["key"] = np.concatenate([bands.ravel(), exact.ravel()])
    for name, values in (("document", numbers), ("text", rows["text_key"])):
        found[name] = np.concatenate([np.repeat(values, bands.shape[1]), np.repeat(values, exact.shape[1])])
    found["is_exact"][bands.size :] = True
    has_words = (rows["hashes"] != 0xFFFFFFFF).any(axis=1) if rows["hashes"].size else np.ones(len(bands), bool)
    wanted: np.ndarray = found[np.concatenate([np.repeat(has_words, bands.shape[1]), np.ones(exact.size, bool)])]
    return wanted


def sketches(rows: Mapping[str, np.ndarray], kept: np.ndarray, first: int, looks: Looks) -> np.ndarray:
    """The SKETCH[n] of the documents of a part, with what was kept of each, int64[n]."""
    found = np.zeros(len(rows["text"]), texts.sketch_type(looks))
    found["document"] = first + np.arange(len(found))
    found["rank"] = _ranks(found["document"], kept)
    found["copies"], found["text"], found["hashes"] = 1, rows["text"], rows["hashes"]
    return found


def links(kept: np.ndarray, first: int) -> np.ndarray:
    """VERIFIED[n] of the documents of a part that were dropped, each with the document kept in its stead, int64[n]."""
    documents = first + np.arange(len(kept))
    dropped = kept != documents
    found = np.zeros(int(dropped.sum()), clusters.VERIFIED)
    found["node"], found["neighbour"] = documents[dropped], kept[dropped]
    found["rank"], found["neighbour_rank"] = _DROPPED, _KEPT
    found["weight"] = found["neighbour_weight"] = found["similarity"] = 1
    found["how"] = SAME_TEXT
    return found


def _ranks(documents: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Ranks before all others, float64[n], since these documents are there already: first those that were kept."""
    return np.where(kept == documents, _KEPT, _DROPPED)
