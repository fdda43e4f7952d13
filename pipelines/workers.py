"""The process from which local workers are forked: a worker is there within milliseconds, not after seconds of imports.

It has loaded Beam and the stages once, and their memory is shared. It does no work itself. Beam starts a worker by a
command; ours, a few lines without any library, asks for a fork and waits for its end. Where nobody answers, it becomes
the worker itself, as Beam would have had it. All end with the process that started them.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_HARNESS = "apache_beam.runners.worker.sdk_worker_main"
_LOADED = (_HARNESS, "tokenizers", "pipelines.curate", "pipelines.refilter")  # lazily loaded libraries as well
# A process with more cannot be forked safely: OpenBLAS has one a core, the allocator of pyarrow one that frees memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
_STARTED = b"s"  # the first that a worker says; the last is its exit status


class _Server:
    """The server's process, which ends when `_alive` closes, at the latest with this process."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="curate-workers-")  # nobody else's to enter
        self.path = os.path.join(self.folder, "socket")
        paths = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(self.path)
            except OSError:
                os.rmdir(self.folder)
                raise
            listener.listen(1024)  # from now on, though the server has much to load before it answers
            alive, self._alive = os.pipe()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.workers", str(listener.fileno()), str(alive), self.folder],
                pass_fds=[listener.fileno(), alive],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **_ONE_THREAD},
            )
        os.close(alive)


_server: _Server | None = None
_starting = threading.Lock()


def start() -> str:
    """The command that becomes a worker of this process; the server that forks it loads its libraries meanwhile."""
    global _server
    own = shlex.join([sys.executable, "-m", _HARNESS])
    with _starting:
        if _server and _server.process.poll() is not None:
            shutil.rmtree(_server.folder, ignore_errors=True)  # it was killed
            _server = None
        try:
            _server = _server or _Server()
        except OSError:  # such as a TMPDIR whose path is too long for a socket's: Beam's own command will do
            return f"exec {own}"
        # Isolated, since modules of this folder have names of the standard library's, and without site-packages.
        return f"exec {shlex.join([sys.executable, '-IS', __file__, _server.path])}"


def serve(listener: socket.socket, alive: int, folder: str) -> None:
    """Forks a worker for each connection, until the parent is gone; returns in the server alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    for name in _LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is loaded stays, and its memory is shared
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(alive, select.POLLIN)
    while alive not in dict(poll.poll()):
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _work(connection, alive)
        connection.close()
        _reap(os.WNOHANG)
    _reap(0)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def _reap(how: int) -> None:
    """Forgets workers that have ended, of which those who asked for them have heard."""
    with contextlib.suppress(ChildProcessError):  # there are none
        while os.waitpid(-1, how)[0]:
            pass


def _work(connection: socket.socket, alive: int) -> None:
    """Is one of Beam's workers, in the client's folder and environment and with its files; never returns."""
    status = 1
    with contextlib.suppress(BaseException):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _, files, _, _ = socket.recv_fds(connection, 1, 3)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        with connection.makefile("rb") as lines:
            folder, environment = json.loads(lines.readline())
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
        connection.sendall(_STARTED)
        try:
            importlib.import_module(_HARNESS).main([])
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([status]))
    os._exit(status)


def _end_with(alive: int) -> None:
    """Ends this process once the server's parent is gone: nobody waits for what it makes."""
    os.read(alive, 1)
    os._exit(1)


def _ask(path: str) -> int:
    """The exit status of a worker of the server's, or of this process as a worker."""
    answer = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [b"w"], [0, 1, 2])
        connection.sendall(json.dumps([os.getcwd(), dict(os.environ)]).encode() + b"\n")
        while piece := connection.recv(2):
            answer += piece
    if not answer.startswith(_STARTED):
        os.execv(sys.executable, [sys.executable, "-m", _HARNESS])
    return answer[1] if len(answer) > 1 else 1


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.exit(_ask(sys.argv[1]))
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
