"""The process from which the children of `sandbox` are forked.

It has loaded the extractors, spaCy and the models once, so that a child is there within milliseconds: the first of a
worker as well as one that takes the place of a child that a page has killed. It reads no page itself. One serves all
threads of a process, and ends when that process does, since its socket closes then, and its children with it. A process
that is forked from that one lets go of the socket, and has a server of its own once it needs one.
"""

import os
import socket
import subprocess
import sys
import threading

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_START_SECONDS = 120.0  # to import the libraries on a loaded machine
_MAX_MESSAGE = 64  # bytes
# A process with more cannot be forked safely: OpenBLAS has one a core, the allocator of pyarrow one that frees memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class ForkServer:
    """Forks children that answer on the pipes they are given; used by one thread at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        paths = [_PACKAGE_PARENT, *filter(None, [os.environ.get("PYTHONPATH")])]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "curation.sandboxed", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **_ONE_THREAD},
            )
        ours.settimeout(_START_SECONDS)
        self._socket = ours
        self._lock = threading.Lock()
        self._ready = False

    def fork(self, *fds: int) -> int:
        """The pid of a new child that has the descriptors; OSError where the server is gone."""
        with self._lock:
            if not self._ready:
                self._receive()  # it says that it has loaded everything
                self._ready = True
            socket.send_fds(self._socket, [b"fork"], fds)
            return self._receive()

    def reap(self, pid: int) -> int | None:
        """The exit status of a child that is dead or dying, negative for a signal; None where nobody knows it."""
        try:
            with self._lock:
                self._socket.send(str(pid).encode())
                return self._receive()
        except OSError:
            self.close()  # what it answers from now on might be the answer to this
            return None

    def close(self) -> None:
        """Ends the server; children live on until their pipes close."""
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def let_go(self) -> None:
        """In a process that was forked from the server's: leaves the server to that one."""
        self._socket.close()
        self._process.returncode = 0  # not this process's child to wait for

    def _receive(self) -> int:
        message = self._socket.recv(_MAX_MESSAGE)
        if not message:
            raise ConnectionResetError("the fork server has ended")
        return int(message)


_server: ForkServer | None = None
_starting = threading.Lock()


def start() -> ForkServer:
    """This process's server, which loads its libraries while this process goes on."""
    global _server
    with _starting:
        if _server is None:
            _server = ForkServer()
        return _server


def fork(*fds: int) -> tuple[ForkServer, int]:
    """A new child of this process's server, which is started anew where it has died."""
    cause: OSError | None = None
    for _ in range(2):
        server = start()
        try:
            return server, server.fork(*fds)
        except OSError as error:
            cause = error
            _forget(server)
    raise RuntimeError(
        "the extraction process does not start; see why with `python -m curation.sandboxed --check`"
    ) from cause


def stop() -> None:
    """Ends this process's server, if it has one; the next child has it started anew."""
    if server := _server:
        _forget(server)


def _forget(server: ForkServer) -> None:
    global _server
    with _starting:
        if _server is server:
            _server = None
    server.close()


def _after_fork() -> None:
    global _server, _starting
    if _server:
        _server.let_go()
    _server, _starting = None, threading.Lock()  # which another thread may have held


os.register_at_fork(after_in_child=_after_fork)
