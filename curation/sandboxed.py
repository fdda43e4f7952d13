"""The processes behind `sandbox`: the server that forks children, and the child that answers pages with text."""

import contextlib
import gc
import logging
import mmap
import os
import resource
import signal
import socket
import sys
from typing import IO, Any

from curation import page_text, sandbox


def serve(control: socket.socket) -> None:
    """Forks a child for each message with descriptors, and reaps the child of each that is a pid, until it closes.

    It closes when the parent ends, however that came about; then no child has anybody left to work for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    page_text.load()
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.freeze()  # what is loaded stays, and its memory is shared
    control.send(b"0")
    children: set[int] = set()
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(control, 64, 3)
        except ConnectionError:
            message = b""
        if not message:
            for pid in children:
                os.kill(pid, signal.SIGKILL)  # not reaped, so that the pid is nobody else's
            return
        if not fds:
            pid, status = os.waitpid(int(message), 0)
            children.discard(pid)
            control.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            control.close()
            _child(*fds)
        children.add(pid)
        for fd in fds:
            os.close(fd)
        control.send(str(pid).encode())


def _child(requests: int, replies: int, shared: int) -> None:
    """Answers until the parent closes the pipe; never returns into the server's code."""
    status = 1
    with contextlib.suppress(BaseException):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        place = mmap.mmap(shared, 1)
        # Left open: a parent that sees them closed kills this process, whose status would then say nothing.
        incoming, outgoing = os.fdopen(requests, "rb"), os.fdopen(replies, "wb", buffering=0)
        answer_all(incoming, outgoing, place)
        status = 0
    os._exit(status)


def answer_all(incoming: IO[bytes], outgoing: IO[bytes], place: mmap.mmap) -> None:
    """Reads the setup, then page after page; each under its own CPU limit, all under the memory limit."""
    setup, _ = sandbox.unpack_from(_exactly(incoming))
    try:
        resource.setrlimit(resource.RLIMIT_AS, (setup["max_memory"], setup["max_memory"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _be_killed_first()
        answerer = page_text.Answerer(setup, place)
    except Exception as error:  # no page's fault: the run stops with it
        _send(outgoing, {"call": setup["call"], "error": f"{type(error).__name__}: {error}"}, b"")
        return
    _send(outgoing, {"call": setup["call"]}, b"")
    while True:
        try:
            request, payload = sandbox.unpack_from(_exactly(incoming))
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])
        header, body = answerer.answer(request, payload)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(outgoing, {**header, "call": request["call"]}, body)


def _send(outgoing: IO[bytes], header: dict[str, Any], body: bytes) -> None:
    message = memoryview(sandbox.pack(header, body))
    while message:
        message = message[outgoing.write(message) or 0 :]


def _exactly(pipe: IO[bytes]) -> Any:
    def read(size: int) -> bytes:
        data = pipe.read(size)
        if len(data) < size:
            raise EOFError
        return data

    return read


def _be_killed_first() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # no Linux, or not allowed: the kernel chooses by size


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        page_text.load()
        print("the extraction process can start")
    else:
        with socket.socket(fileno=int(sys.argv[1])) as control:
            serve(control)
