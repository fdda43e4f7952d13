"""Packed records from every task of a round to the tasks of a later one, by partition.

A channel is a folder, and each sender has a name in it. Two carriers give the same arrays:

- Files: each sender writes one, where each partition starts, then all records, partition by partition. Each receiver
  reads its slice of every file. Nothing is held but one task's records, and a round that was cut short goes on.
- The runner's own shuffle: one value of bytes from a sender to a partition. It needs no storage that all workers reach
  quickly, and keeps nothing once a pipeline has ended: what is killed is sent anew.

Which one a channel takes is not for senders and receivers to know: `tasks.build` puts up a `Mailbox` for each task.
"""

import contextlib
import contextvars
import dataclasses
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np

from curation import storage

_COUNT = struct.Struct("<Q")


@dataclasses.dataclass
class Mailbox:
    """What the shuffle has brought to a task, and what it will take away. Channels that are in neither go by file."""

    partition: int
    received: Mapping[str, Mapping[str, bytes]]  # records by channel and sender
    sends: tuple[str, ...]  # channels
    sent: list[tuple[str, str, int, bytes]] = dataclasses.field(default_factory=list)  # channel to partition


_mailbox: contextvars.ContextVar[Mailbox | None] = contextvars.ContextVar("mailbox", default=None)


@contextlib.contextmanager
def shuffled(mailbox: Mailbox) -> Iterator[None]:
    """Serves `send` and `receive` from the mailbox while the block runs, in this thread alone."""
    token = _mailbox.set(mailbox)
    try:
        yield
    finally:
        _mailbox.reset(token)


def send(path: str, records: np.ndarray, partitions: np.ndarray, *, count: int) -> None:
    """Sends records, dtype[n], to the partitions, int64[n] below `count`, given for each; order is kept inside one.

    The path is that of a channel, with the sender's name; a sender sends once.
    """
    order = np.argsort(partitions, kind="stable")
    starts = np.searchsorted(partitions[order], np.arange(count + 1)).astype("<u8")
    assert starts[0] == 0 and starts[-1] == len(records) == len(partitions), (path, count)
    ordered = np.ascontiguousarray(records[order])
    mailbox, (channel, sender) = _mailbox.get(), _address(path)
    if mailbox and channel in mailbox.sends:
        for partition in np.flatnonzero(starts[1:] > starts[:-1]).tolist():  # nothing goes where there is nothing
            content = ordered[int(starts[partition]) : int(starts[partition + 1])].tobytes()
            mailbox.sent.append((channel, sender, partition, content))
        return
    with storage.publish(path) as temporary, open(temporary, "wb") as file:
        file.write(_COUNT.pack(count))
        file.write(starts.tobytes())
        file.write(ordered.tobytes())


def is_sent(path: str) -> bool:
    """Whether an earlier run has sent the records: by the shuffle never, which keeps nothing from run to run."""
    mailbox, (channel, _) = _mailbox.get(), _address(path)
    by_shuffle = mailbox is not None and channel in mailbox.sends
    return not by_shuffle and storage.exists(path)


def receive(paths: Iterable[str], partition: int, dtype: np.dtype) -> np.ndarray:
    """The records of one partition, dtype[n], from all senders, in the order of `paths`.

    By the shuffle a task receives the partition of its own number, and no other.
    """
    return np.concatenate([np.empty(0, dtype), *receive_each(paths, partition, dtype)])


def receive_each(paths: Iterable[str], partition: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """The same, those of one sender after another: by file no others are in memory."""
    return (_received(path, partition, dtype) for path in paths)


def num_received(paths: Iterable[str], partition: int, dtype: np.dtype) -> int:
    """How many records `receive` gives; by file none is read for that."""
    return sum(_num_received(path, partition, dtype) for path in paths)


def write(path: str, records: np.ndarray) -> None:
    """Sends records, dtype[n], to the one partition of a channel that no round names, and which is a file therefore."""
    send(path, records, np.zeros(len(records), np.int64), count=1)


def num_records(path: str) -> int:
    """How many records a sender's file holds."""
    with storage.open_read(path) as file:
        (count,) = _COUNT.unpack(file.read(_COUNT.size))
        file.seek(_COUNT.size + count * 8)
        (total,) = _COUNT.unpack(file.read(_COUNT.size))
        return int(total)


def _received(path: str, partition: int, dtype: np.dtype) -> np.ndarray:
    mailbox, (channel, sender) = _mailbox.get(), _address(path)
    if mailbox and channel in mailbox.received:
        assert partition == mailbox.partition, (path, partition, mailbox.partition)
        return np.frombuffer(mailbox.received[channel].get(sender, b""), dtype)
    return _slice(path, partition, dtype)


def _num_received(path: str, partition: int, dtype: np.dtype) -> int:
    mailbox, (channel, _) = _mailbox.get(), _address(path)
    if mailbox and channel in mailbox.received:
        return len(_received(path, partition, dtype))
    with storage.open_read(path) as file:
        start, stop, _ = _bounds(file, path, partition)
        return stop - start


def _slice(path: str, partition: int, dtype: np.dtype) -> np.ndarray:
    with storage.open_read(path) as file:
        start, stop, offset = _bounds(file, path, partition)
        file.seek(offset + start * dtype.itemsize)
        return np.frombuffer(file.read((stop - start) * dtype.itemsize), dtype)


def _bounds(file: BinaryIO, path: str, partition: int) -> tuple[int, int, int]:
    """Which records of a sender's file are a partition's, the first and past the last, and the byte where all begin."""
    (count,) = _COUNT.unpack(file.read(_COUNT.size))
    assert partition < count, (path, partition, count)
    file.seek(_COUNT.size + partition * 8)
    start, stop = np.frombuffer(file.read(16), "<u8").tolist()
    return start, stop, _COUNT.size + (count + 1) * 8


def _address(path: str) -> tuple[str, str]:
    """The channel and the sender that a path names."""
    channel, _, sender = path.rpartition("/")
    return channel, sender
