"""A child process that a page may hang, crash or fill, and that is then replaced.

Messages are a length, a JSON header and a body: never pickle, since the child has read untrusted input. Each call has a
number, which its answer repeats. The kernel ends the child at its CPU limit (an interval timer whose signal is not
caught stops C code too); a wall-clock limit of many times that catches what sleeps. A byte of shared memory says which
step the child was in. The memory limit is on the child's address space, in which what its server had loaded before it
was forked counts, 0.4 GiB. A page that leaves less than an eighth of it is over it: libraries hide that they were
refused memory. `out_of_memory` comes with the most address space that the child had, in bytes.
"""

import contextlib
import dataclasses
import fcntl
import json
import mmap
import os
import select
import signal
import struct
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from curation import fork_server

_WALL_FACTOR = 20.0  # wall seconds per allowed CPU second
_START_SECONDS = 120.0  # for a new child to run the recipe's file
_HEADER = struct.Struct(">II")  # bytes of JSON, bytes of body
_MAX_JSON = 1 << 20
_PIPE = 1 << 20  # bytes that a pipe holds where the kernel allows it: most pages go through in one piece


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a call: a body, or a fault with the number and the words that explain it."""

    header: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    fault: str | None = None
    value: float | None = None
    evidence: str | None = None
    place: int = 0  # the step in which a fault happened, as the child counts them


class _TimedOut(Exception):
    pass


_FAULTS = (_TimedOut, EOFError, BrokenPipeError, ValueError, RecursionError)  # the last by JSON that is nested deeply


class Sandbox:
    """Calls `curation.sandboxed` in a child; a fault of the child on a page is a reply, not an exception."""

    def __init__(self, *, setup: Mapping[str, Any], max_memory: int, max_reply: int) -> None:
        self._setup = {**setup, "max_memory": max_memory, "max_reply": max_reply}  # bytes
        self._max_reply = max_reply
        self._child: _Child | None = None

    def call(self, request: Mapping[str, Any], body: bytes, *, cpu_seconds: float) -> Reply:
        """Sends one page and waits for the answer; the child is replaced by the next call where it did not live."""
        if self._child is None or self._child.owner != os.getpid():
            self.close()
            self._child = _started(self._setup)
        child = self._child
        try:
            header, text = child.ask(
                {**request, "cpu_seconds": cpu_seconds}, body, cpu_seconds * _WALL_FACTOR, self._max_reply
            )
        except _FAULTS as error:
            return self._bury(child, error, cpu_seconds)
        if fault := header.get("fault"):
            place = child.place
            if fault == "out_of_memory":
                self.close()
            return Reply(fault=str(fault), value=header.get("value"), evidence=header.get("evidence"), place=place)
        return Reply(header=header, body=text)

    def close(self) -> None:
        """Ends the child; in a process that was forked from the child's owner, only lets go of it."""
        if self._child and self._child.owner == os.getpid():
            self._child.end()
        elif self._child:
            self._child.let_go()
        self._child = None

    def _bury(self, child: "_Child", error: Exception, cpu_seconds: float) -> Reply:
        place = child.place
        status = child.end()
        self._child = None
        if isinstance(error, _TimedOut):
            seconds = cpu_seconds * _WALL_FACTOR
            evidence = f"no text after {seconds:g} s by the clock"
            return Reply(fault="timeout", value=seconds, evidence=evidence, place=place)
        if status in (-signal.SIGPROF, -signal.SIGXCPU):
            evidence = f"no text after {cpu_seconds:g} s of CPU"
            return Reply(fault="timeout", value=cpu_seconds, evidence=evidence, place=place)
        if isinstance(error, (ValueError, RecursionError)):
            return Reply(fault="crashed", evidence=f"the extractor's process gave no answer: {error}", place=place)
        evidence = f"the extractor's process ended with status {status}"
        return Reply(fault="crashed", value=status, evidence=evidence, place=place)


def _started(setup: Mapping[str, Any]) -> "_Child":
    """A child that has taken its setup; RuntimeError where not even a second one does, since no page is to blame."""
    why = ""
    for _ in range(2):
        child = _Child()
        try:
            header, _ = child.ask(setup, b"", _START_SECONDS, 0)
        except _FAULTS:
            why = f"it ended with status {child.end()}"
            continue
        if "error" not in header:
            return child
        child.end()
        why = str(header["error"])
    raise RuntimeError(f"the extraction process does not start: {why}; max_memory is {setup['max_memory']} bytes")


class _Child:
    """The parent's ends of a child's pipes."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile(buffering=0) as shared:
            shared.write(b"\0")  # a hole would end the process that finds the disk full
            self._place = mmap.mmap(shared.fileno(), 1)
            requests, self._outgoing = os.pipe()
            self._incoming, replies = os.pipe()
            try:
                self._server, self.pid = fork_server.fork(requests, replies, shared.fileno())
            except BaseException:
                os.close(self._outgoing)
                os.close(self._incoming)
                raise
            finally:
                os.close(requests)
                os.close(replies)
        self.owner = os.getpid()
        self._num_calls = 0
        os.set_blocking(self._outgoing, False)
        _enlarge(self._outgoing)

    @property
    def place(self) -> int:
        """The step that the child is in, or was in when it died."""
        return self._place[0]

    def ask(
        self, header: Mapping[str, Any], body: bytes, seconds: float, max_body: int
    ) -> tuple[dict[str, Any], bytes]:
        """Sends one message and gives the answer to it; ValueError where what comes is none."""
        self._num_calls += 1
        self._place[0] = 0
        deadline = time.monotonic() + seconds
        self._send({**header, "call": self._num_calls}, body, deadline)
        answer, text = self._receive(deadline, max_body)
        if (number := answer.pop("call", None)) != self._num_calls:
            raise ValueError(f"call {self._num_calls} was answered as if it were {number!r}")
        return answer, text

    def _send(self, header: Mapping[str, Any], body: bytes, deadline: float) -> None:
        """Writes one message; a child that does not read it in time has timed out."""
        message = memoryview(pack(header, body))
        while message:
            try:
                message = message[os.write(self._outgoing, message) :]
            except BlockingIOError:
                _wait(self._outgoing, select.POLLOUT, deadline)

    def _receive(self, deadline: float, max_body: int) -> tuple[dict[str, Any], bytes]:
        """Reads one message; ValueError where it is none."""
        num_json, num_body = _HEADER.unpack(self._read(_HEADER.size, deadline))
        if num_json > _MAX_JSON or num_body > max_body:
            raise ValueError(f"a reply of {num_json} and {num_body} bytes")
        header = json.loads(self._read(num_json, deadline))
        if not isinstance(header, dict):
            raise ValueError("a reply whose header is no object")
        return header, self._read(num_body, deadline)

    def end(self) -> int | None:
        """Kills the child where it lives; its exit status."""
        self.let_go()
        try:
            os.kill(self.pid, signal.SIGKILL)  # the pid is nobody else's before it is reaped
        except ProcessLookupError:
            return None  # its server died, and somebody else reaped it
        return self._server.reap(self.pid)

    def let_go(self) -> None:
        """Closes this process's ends."""
        os.close(self._outgoing)
        os.close(self._incoming)
        self._place.close()

    def _read(self, size: int, deadline: float) -> bytes:
        pieces, missing = [], size
        while missing:
            _wait(self._incoming, select.POLLIN, deadline)
            piece = os.read(self._incoming, min(missing, _PIPE))
            if not piece:
                raise EOFError
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


def _wait(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()  # not `select`, which fails where a process has a thousand files open
    poll.register(pipe, event)
    if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
        raise _TimedOut


def pack(header: Mapping[str, Any], body: bytes) -> bytes:
    """One message."""
    encoded = json.dumps(header).encode()
    return _HEADER.pack(len(encoded), len(body)) + encoded + body


def unpack_from(read: Any) -> tuple[dict[str, Any], bytes]:
    """One message from `read(size)`, which gives exactly so many bytes."""
    num_json, num_body = _HEADER.unpack(read(_HEADER.size))
    return json.loads(read(num_json)), read(num_body)


def _enlarge(pipe: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # no Linux, or more than this user may have: more pieces then
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
