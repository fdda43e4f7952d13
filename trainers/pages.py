"""Where the documents of a stream are from, in bulk: columns of many of them, and those of a URL or a host."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainers import lookup
from trainers.corpus import Split
from trainers.stream import Stream

# RFC 3986, section 3: the authority ends at the first of / ? #, and what stands before its last @ is no host.
_HOST = r"^\s*[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#]*@)?(?P<host>\[[^\]/?#@]*\]|[^/?#@:\[\]]*)"


def documents(stream: Stream, occurrences: np.ndarray, names: Sequence[str]) -> pa.Table:
    """Columns of the documents of occurrences int64[n], in their order; only record batches that hold one are read."""
    numbers, sources = stream.documents[occurrences], stream.sources[occurrences]
    parts, places = [], []
    for source, split in enumerate(stream.splits):
        chosen = np.flatnonzero(sources == source)
        chosen = chosen[np.argsort(numbers[chosen], kind="stable")]
        rows, begin = numbers[chosen], 0
        for shard in split.shards:
            for batch in shard.table.select(names).to_batches():
                first, last = np.searchsorted(rows, [begin, begin + batch.num_rows])
                if first < last:
                    parts.append(pa.Table.from_batches([batch]).take(rows[first:last] - begin))
                    places.append(chosen[first:last])
                begin += batch.num_rows
    if not parts:
        return pa.table({name: [] for name in names})
    table = pa.concat_tables([part.replace_schema_metadata() for part in parts], promote_options="permissive")
    return table.take(np.argsort(np.concatenate(places)))


def descriptions(stream: Stream, occurrences: np.ndarray) -> list[dict[str, Any]]:
    """The id, URL, archive, offset in it, language and signals of the documents of occurrences int64[n]."""
    names = ("id", "url", "warc", "offset", "language", "signals")
    rows: list[dict[str, Any]] = documents(stream, occurrences, names).to_pylist()
    return [{**row, "signals": _numbers(row["signals"])} for row in rows]


def hosts(urls: pa.ChunkedArray) -> pa.ChunkedArray:
    """The host of each URL in lower case, without a leading `www.`, port and user; the URL itself where it has none."""
    found = pc.struct_field(pc.extract_regex(urls, _HOST), "host")
    names = pc.replace_substring_regex(pc.utf8_lower(found), r"^\[(.*)\]$", r"\1")
    names = pc.replace_substring_regex(pc.utf8_rtrim(names, "."), r"^www\.", "")
    return pc.if_else(pc.equal(pc.coalesce(names, ""), ""), urls, names)


def of_url(stream: Stream, url: str) -> np.ndarray:
    """The occurrences of the documents with exactly this URL, int64[n], in reading order."""
    return _occurrences(stream, lambda split: lookup.by_url(split, url))


def of_host(stream: Stream, host: str) -> np.ndarray:
    """The occurrences of the documents of a host and of those below it, int64[n]; ValueError where it is no host."""
    return _occurrences(stream, lambda split: lookup.by_host(split, host))


def _occurrences(stream: Stream, find: Callable[[Split], np.ndarray]) -> np.ndarray:
    found = [np.empty(0, np.int64)]
    for source, split in enumerate(stream.splits):
        if len(numbers := find(split)):
            found.append(stream.occurrences(source, numbers))
    return np.sort(np.concatenate(found))


def _numbers(signals: Any) -> dict[str, float]:
    """A map column gives pairs."""
    pairs = signals.items() if isinstance(signals, Mapping) else signals or ()
    return {name: value for name, value in pairs if value is not None}
