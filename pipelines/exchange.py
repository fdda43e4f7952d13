"""Packed records from every task of a round to every task of the next, through partition files.

Each sender writes one file: where each partition starts, then all records, partition by partition. Each receiver reads
its slice of every file. Nothing is held but one task's records, on any runner, and a round that was cut short goes on.
"""

import struct
from collections.abc import Iterable

import numpy as np

from curation import storage

_COUNT = struct.Struct("<Q")


def send(path: str, records: np.ndarray, partitions: np.ndarray, *, count: int) -> None:
    """Writes records, dtype[n], to the partitions, int64[n] below `count`, given for each; order is kept inside one."""
    order = np.argsort(partitions, kind="stable")
    starts = np.searchsorted(partitions[order], np.arange(count + 1)).astype("<u8")
    with storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(_COUNT.pack(count))
        file.write(starts.tobytes())
        file.write(np.ascontiguousarray(records[order]).tobytes())


def receive(paths: Iterable[str], partition: int, dtype: np.dtype) -> np.ndarray:
    """The records of one partition, dtype[n], from all senders, in the order of `paths`."""
    return np.concatenate([np.empty(0, dtype), *(_slice(path, partition, dtype) for path in paths)])


def _slice(path: str, partition: int, dtype: np.dtype) -> np.ndarray:
    with storage.open_read(path) as file:
        (count,) = _COUNT.unpack(file.read(_COUNT.size))
        assert partition < count, (path, partition, count)
        file.seek(_COUNT.size + partition * 8)
        start, stop = np.frombuffer(file.read(16), "<u8").tolist()
        file.seek(_COUNT.size + (count + 1) * 8 + start * dtype.itemsize)
        return np.frombuffer(file.read((stop - start) * dtype.itemsize), dtype)
