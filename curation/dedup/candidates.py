"""Keys to candidate pairs: within the documents that share a key, which pairs are worth verifying."""

import numpy as np

KEY = np.dtype([("key", "<u8"), ("document", "<i8"), ("text", "<u8"), ("is_exact", "?")])
PAIR = np.dtype([("document", "<i8"), ("other", "<i8"), ("is_exact", "?")])  # other < document

_MAX_ALL_PAIRS = 32  # documents of one key up to which every pair is a candidate


def pairs(keys: np.ndarray) -> np.ndarray:
    """The candidate pairs, PAIR[n], sorted and distinct, of all keys of one partition, KEY[n].

    Documents of one text are each paired with the first of them alone, and only that one with other texts. Of many
    texts under one key, which templates and boilerplate make, each is compared with the first 32 and with the one
    before it, so that a key of n documents costs 33 n comparisons and not n squared.
    """
    keys = np.sort(keys, order=["is_exact", "key", "document"])
    starts = np.flatnonzero(
        np.r_[True, (keys["key"][1:] != keys["key"][:-1]) | (np.diff(keys["is_exact"].view("i1")) != 0)]
    )
    found: list[tuple[int, int, bool]] = []
    for start, stop in zip(starts, np.r_[starts[1:], len(keys)], strict=True):
        if stop - start < 2:
            continue
        group = keys[start:stop]
        is_exact = bool(group["is_exact"][0])
        documents = group["document"].tolist()
        _, first, same = np.unique(group["text"], return_index=True, return_inverse=True)
        firsts = documents[:1] * len(documents) if is_exact else [documents[place] for place in first[same]]
        found += [(one, other, is_exact) for one, other in zip(documents, firsts, strict=True) if one != other]
        if not is_exact:
            found += _of_texts([documents[place] for place in sorted(first)])
    return np.unique(np.array(found, PAIR))


def _of_texts(documents: list[int]) -> list[tuple[int, int, bool]]:
    found = []
    for place, document in enumerate(documents):
        others = range(min(place, _MAX_ALL_PAIRS)) if place <= _MAX_ALL_PAIRS else [*range(_MAX_ALL_PAIRS), place - 1]
        found += [(document, documents[other], False) for other in others]
    return found
