"""What an index of earlier corpora brings to a pass over all documents, as if they were of this run."""

import functools
from collections.abc import Iterator

import numpy as np

from curation.dedup import index_files, texts
from curation.dedup.candidates import KEY
from curation.dedup.index import IndexedPart
from pipelines import exchange
from pipelines.run import Run
from pipelines.tasks import Round

_PARTS = 64  # as in `pipelines.similar`


def parts(run: Run, number: int) -> tuple[IndexedPart, ...]:
    """The parts of the index, none for passes after the first: it holds documents as the first one sees them."""
    return run.index.parts if run.index and number == 0 else ()


def senders(run: Run, number: int, channel: str) -> list[str]:
    """Where the keys or links of the index come from."""
    return [run.pass_work(number, channel, f"{part:05d}") for part in range(len(parts(run, number)))]


def rounds(run: Run, number: int) -> list[Round]:
    """The keys and links of the index, where there is one."""
    known = functools.partial(write_keys, run=run, number=number)
    tasks = range(len(parts(run, number)))
    return [Round("keys of the index", tasks, known, sends=(run.pass_work(number, "index_keys"),))] if tasks else []


def write_keys(part: int, *, run: Run, number: int) -> int:
    """Sends the keys of one part of the index to the partitions they fall into, and writes its links.

    All links, since only verified pairs say which of them new documents reach: they count in --max-links.
    """
    path, links = (senders(run, number, channel)[part] for channel in ("index_keys", "index_links"))
    if exchange.is_sent(path) and exchange.is_sent(links):
        return 0
    assert run.index
    index_files.check(run.index, part)
    found = index_files.links(run.index, part)
    exchange.send(links, found, np.zeros(len(found), np.int64), count=2)  # as `similar.write_verified`
    keys, count = index_files.keys(run.index, part), run.num_partitions(_PARTS)
    exchange.send(path, keys, (keys["key"] % count).astype(np.int64), count=count)
    return len(keys)


def keys(new: np.ndarray, partition: int, run: Run, number: int) -> Iterator[np.ndarray]:
    """Those KEYs of the index that new documents, KEY[n], have too, part by part, so that a task holds no others."""
    if not parts(run, number):
        return
    wanted = np.unique(new["key"])
    for rows in exchange.receive_each(senders(run, number, "index_keys"), partition, KEY):
        # As np.isin, which would sort all that are wanted again for each part.
        places = np.searchsorted(wanted, rows["key"])
        is_wanted = np.zeros(len(rows), bool)
        inside = places < len(wanted)
        is_wanted[inside] = wanted[places[inside]] == rows["key"][inside]
        yield rows[is_wanted]


def sketches(part: int, run: Run, number: int) -> np.ndarray:
    """The SKETCH[n] of one part of the index."""
    assert run.index
    return index_files.sketches(run.index, part, texts.looks_of(run.recipe.passes[number].looks))


def shingles(numbers: np.ndarray, run: Run) -> dict[int, np.ndarray]:
    """The shingles, uint32[n], of documents of the index, by their numbers."""
    assert run.index
    return index_files.shingles_of(run.index, numbers)


def names(run: Run, number: int, *numbers: np.ndarray) -> dict[int, str]:
    """How those of these documents are named that are of the index."""
    if not parts(run, number):
        return {}
    assert run.index
    every = np.concatenate(numbers)
    return index_files.names(run.index, np.unique(every[every < 0]))
