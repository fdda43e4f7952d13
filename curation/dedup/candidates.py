"""Keys to candidate pairs: within the documents that share a key, which pairs are worth verifying."""

import numpy as np

KEY = np.dtype([("key", "<u8"), ("document", "<i8"), ("text", "<u8"), ("is_exact", "?")])
PAIR = np.dtype([("document", "<i8"), ("other", "<i8"), ("is_exact", "?")])  # other < document

_MAX_ALL_PAIRS = 32  # documents of one key up to which every pair is a candidate


def pairs(keys: np.ndarray) -> np.ndarray:
    """The candidate pairs, PAIR[n], sorted and distinct, of all keys of one partition, KEY[n].

    Documents of one text are each paired with the first of them alone, and only that one with other texts. Of many
    texts under one key, which templates and boilerplate make, each is compared with the first 32 and with the one
    before it, so that a key of n documents costs 33 n comparisons and not n squared. Documents of an index have
    numbers below 0: they are paired with others, but not with each other.
    """
    keys = keys[_shared(keys["key"])]  # most keys are of one document
    if (keys["document"] < 0).any():
        keys = keys[np.isin(keys["key"], keys["key"][keys["document"] >= 0])]
    keys = keys[np.lexsort((keys["document"], keys["text"], keys["key"], keys["is_exact"]))]
    group = _starts(keys["is_exact"], keys["key"])
    of_text = _starts(keys["is_exact"], keys["key"], keys["text"])
    is_exact = keys["is_exact"]
    # The first of its text, or for exact keys of its group, whatever the text.
    first = np.where(is_exact, _first_of_exact(keys, group), keys["document"][_place_of_start(of_text)])
    copies = np.flatnonzero(first != keys["document"])
    found = np.empty(len(copies), PAIR)
    found["document"], found["other"], found["is_exact"] = keys["document"][copies], first[copies], is_exact[copies]
    texts = keys[of_text & ~is_exact]
    found = np.concatenate([found, *_of_texts(texts[np.lexsort((texts["document"], texts["key"]))])])
    return np.unique(found[found["document"] >= 0])


def _shared(key: np.ndarray) -> np.ndarray:
    """Which rows, bool[n], have a key that stands more than once."""
    order = np.argsort(key, kind="stable")
    is_same = key[order][1:] == key[order][:-1]
    found = np.zeros(len(key), bool)
    found[order[1:][is_same]] = True
    found[order[:-1][is_same]] = True
    return found


def _starts(*columns: np.ndarray) -> np.ndarray:
    """Where a run of equal rows begins, bool[n]."""
    found = np.zeros(len(columns[0]), bool)
    found[:1] = True
    for column in columns:
        found[1:] |= column[1:] != column[:-1]
    return found


def _place_of_start(starts: np.ndarray) -> np.ndarray:
    """For each row the place where its run begins, int64[n]."""
    found: np.ndarray = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
    return found


def _first_of_exact(keys: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The smallest document of each row's group, int64[n]."""
    if not len(keys):
        return np.empty(0, np.int64)
    smallest = np.minimum.reduceat(keys["document"], np.flatnonzero(group))
    found: np.ndarray = smallest[np.cumsum(group) - 1]
    return found


def _of_texts(texts: np.ndarray) -> list[np.ndarray]:
    """PAIRs of documents of different texts, given sorted by key and document: each with the first ones of its key."""
    place = np.arange(len(texts)) - _place_of_start(_starts(texts["key"]))
    found = []
    for number in range(_MAX_ALL_PAIRS):  # with the first, the second, ... of their group
        rows = np.flatnonzero(place > number)
        found.append(_paired(texts, rows, rows - place[rows] + number))
    rows = np.flatnonzero(place > _MAX_ALL_PAIRS)
    found.append(_paired(texts, rows, rows - 1))
    return found


def _paired(texts: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    found = np.empty(len(rows), PAIR)
    found["document"], found["other"], found["is_exact"] = texts["document"][rows], texts["document"][others], False
    return found
