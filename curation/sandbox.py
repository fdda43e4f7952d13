"""A child process that a page may hang, crash or fill, and that is then replaced.

Messages are a length, a JSON header and a body: never pickle, since the child has read untrusted input. The kernel ends
the child at its CPU limit (an interval timer whose signal is not caught stops C code too), so no orphan outlives a
killed run by more than one page's limit; a wall-clock limit of many times that catches what sleeps.
"""

import dataclasses
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import IO, Any

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_START_SECONDS = 120.0  # for the child to import its libraries on a loaded machine
_WALL_FACTOR = 20.0  # wall seconds per allowed CPU second
_HEADER = struct.Struct(">II")  # bytes of JSON, bytes of body
_MAX_JSON = 1 << 16


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a call: a body, or a fault with the number and the words that explain it."""

    header: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    fault: str | None = None
    value: float | None = None
    evidence: str | None = None


class _TimedOut(Exception):
    pass


class Sandbox:
    """Calls `curation.sandboxed` in a child; a fault of the child is a reply, not an exception."""

    def __init__(self, *, max_memory: int, max_reply: int) -> None:
        self._max_memory = max_memory  # bytes
        self._max_reply = max_reply  # bytes
        self._child: subprocess.Popen[bytes] | None = None

    def call(self, request: Mapping[str, Any], body: bytes, *, cpu_seconds: float) -> Reply:
        """Sends one page and waits for the answer; the child is replaced by the next call where it did not live."""
        child = self._child or self._start()
        assert child.stdin and child.stdout
        deadline = time.monotonic() + cpu_seconds * _WALL_FACTOR
        try:
            send(child.stdin, {**request, "cpu_seconds": cpu_seconds}, body)
            header, text = self._receive(child, deadline)
        except (_TimedOut, EOFError, BrokenPipeError, ValueError) as error:
            return self._bury(child, error, cpu_seconds)
        if fault := header.get("fault"):
            if fault == "out_of_memory":
                self.close()
            return Reply(fault=str(fault), value=header.get("value"), evidence=header.get("evidence"))
        return Reply(header=header, body=text)

    def close(self) -> None:
        """Ends the child."""
        if self._child:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe:
                    pipe.close()
            self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        paths = [_PACKAGE_PARENT, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "curation.sandboxed", str(self._max_memory), str(self._max_reply)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            self._receive(self._child, time.monotonic() + _START_SECONDS)
        except (_TimedOut, EOFError) as error:
            self.close()
            raise RuntimeError(
                "the extraction process does not start; see why with `python -m curation.sandboxed 2000000000 1000000`"
            ) from error
        return self._child

    def _receive(self, child: subprocess.Popen[bytes], deadline: float) -> tuple[dict[str, Any], bytes]:
        num_json, num_body = _HEADER.unpack(self._read(child, _HEADER.size, deadline))
        if num_json > _MAX_JSON or num_body > self._max_reply:
            raise ValueError(f"a reply of {num_json} and {num_body} bytes")
        header = json.loads(self._read(child, num_json, deadline))
        if not isinstance(header, dict):
            raise ValueError("a reply whose header is no object")
        return header, self._read(child, num_body, deadline)

    def _read(self, child: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
        assert child.stdout
        pieces, missing = [], size
        while missing:
            ready, _, _ = select.select([child.stdout], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise _TimedOut
            piece = os.read(child.stdout.fileno(), min(missing, 1 << 20))
            if not piece:
                raise EOFError
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _bury(self, child: subprocess.Popen[bytes], error: Exception, cpu_seconds: float) -> Reply:
        if not isinstance(error, _TimedOut):
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
        status = child.poll()
        self.close()
        if isinstance(error, _TimedOut) or status in (-signal.SIGPROF, -signal.SIGXCPU):
            return Reply(fault="timeout", value=cpu_seconds, evidence=f"no text after {cpu_seconds:g} s of CPU")
        return Reply(fault="crashed", value=status, evidence=f"the extractor's process ended with status {status}")


def send(pipe: IO[bytes], header: Mapping[str, Any], body: bytes) -> None:
    """Writes one message whole."""
    encoded = json.dumps(header).encode()
    message = memoryview(_HEADER.pack(len(encoded), len(body)) + encoded + body)
    while message:
        message = message[pipe.write(message) or 0 :]


def receive(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads one message; EOFError where the other side is gone."""
    num_json, num_body = _HEADER.unpack(_read_exactly(pipe, _HEADER.size))
    return json.loads(_read_exactly(pipe, num_json)), _read_exactly(pipe, num_body)


def _read_exactly(pipe: IO[bytes], size: int) -> bytes:
    pieces = []
    while size:
        piece = pipe.read(size)
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
