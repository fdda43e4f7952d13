"""What is compared of a document's text: keys that candidates share, and a sketch that pairs are judged by."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from curation.dedup import keeping, minhash
from curation.dedup.candidates import KEY
from curation.dedup.exact import ExactDuplicates, text_bits, text_key
from curation.dedup.minhash import NearDuplicates
from curation.document import Document

STEPS = (ExactDuplicates, NearDuplicates)


@dataclasses.dataclass(frozen=True)
class Looks:
    """The steps of one pass: exact duplicates, near ones, or both, whose clusters are then one."""

    exact: ExactDuplicates | None
    near: NearDuplicates | None

    @property
    def keep(self) -> str:
        """Which copy is kept."""
        return self._either.keep

    @property
    def scope(self) -> str:
        """Where duplicates are looked for."""
        return self._either.scope

    @property
    def _either(self) -> ExactDuplicates | NearDuplicates:
        step = self.near or self.exact
        assert step
        return step


def looks_of(steps: Sequence[Any]) -> Looks:
    """The steps of a pass; ValueError where they would keep different copies."""
    exact = next((step for step in steps if isinstance(step, ExactDuplicates)), None)
    near = next((step for step in steps if isinstance(step, NearDuplicates)), None)
    if exact and near:
        for name in ("keep", "scope"):
            if getattr(exact, name) != getattr(near, name):
                raise ValueError(
                    f"ExactDuplicates({name}={getattr(exact, name)!r}) stands beside NearDuplicates({name}="
                    f"{getattr(near, name)!r}): they make clusters together, so give both the same"
                )
    return Looks(exact, near)


def sketch_type(looks: Looks) -> np.dtype:
    """SKETCH: a document, its rank, its copies, 128 bits of its text, and hashes of its shingles, if any are `near`."""
    size = minhash.sketch_size(looks.near) if looks.near else 0
    known = [("document", "<i8"), ("rank", "<f8"), ("copies", "<i4"), ("text", "<u8", (2,))]
    return np.dtype([*known, ("hashes", "<u4", (size,))])


def described(document: Document, number: int, looks: Looks) -> tuple[np.ndarray, np.ndarray]:
    """A document's KEY[n], and its SKETCH[1]."""
    scope, text = keeping.scope_hash(document, looks.scope), text_key(document.text)
    compared = looks.exact.compared(document.text) if looks.exact else document.text
    sketch = np.zeros(1, sketch_type(looks))
    sketch["document"], sketch["rank"], sketch["copies"] = number, keeping.rank(document, looks.keep), document.copies
    sketch["text"] = text_bits(compared)
    bands = np.empty(0, np.uint64)
    if looks.near:
        bands, sketch["hashes"][0] = _bands_and_hashes(document, looks.near)
    keys = np.zeros(len(bands) + (looks.exact is not None), KEY)
    keys["document"], keys["text"] = number, text
    keys["key"][: len(bands)] = bands
    if looks.exact:
        keys["key"][-1] = text if compared == document.text else text_key(compared)
        keys["is_exact"][-1] = True
    keys["key"] ^= np.uint64(scope)
    return keys, sketch


def _bands_and_hashes(document: Document, near: NearDuplicates) -> tuple[np.ndarray, np.ndarray]:
    """The keys of the bands, uint64[bands], none without a word, and the hashes of the sketch."""
    plain = minhash.shingles(document.text, near.shingle)
    size = minhash.sketch_size(near)
    if near.words == "plain":
        signature = minhash.signature(plain, near)
        return (minhash.band_keys(signature, near) if len(plain) else np.empty(0, np.uint64)), signature[:size]
    others = minhash.shingles(document.text, near.shingle, document.language, near.words)
    bands = minhash.band_keys(minhash.signature(others, near), near) if len(others) else np.empty(0, np.uint64)
    return bands, minhash.signature(plain, near, size)
