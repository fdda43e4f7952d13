import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from curation import sandbox
from curation.sandbox import Reply, Sandbox

REQUEST = {
    "http_charset": "utf-8",
    "first_look": None,
    "options": {"favor_precision": True, "deduplicate": True, "fast": False},
}
TEXT = "The lighthouse keeper wrote every evening what the sea had brought, and nobody has read his books since then."
PAGE = f"<html><body><article><p>{TEXT}</p><p>{TEXT[::-1]}</p></article></body></html>".encode()
GOOD = Reply(header={"charset": "utf-8"}, body=f"{TEXT}\n{TEXT[::-1]}".encode())
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLOW = PAGE.replace(b"<article>", b"<article>" + b"".join(b"<p>Line %d of a long page.</p>" % n for n in range(20_000)))


@pytest.fixture
def box():
    made = Sandbox(max_memory=2 << 30, max_reply=4 << 20)
    yield made
    made.close()


def is_alive(pid):
    """Whether a process runs; one that nobody has waited for is dead."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid, seconds):
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_one_child_answers_many_calls(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    assert box._child.pid == child


def test_the_time_of_one_page_is_not_that_of_the_next(box):
    """A timer that a page left running would end a later one."""
    for _ in range(30):
        assert box.call(REQUEST, PAGE, cpu_seconds=0.5) == GOOD


def test_a_page_over_its_cpu_time_is_a_timeout_and_the_next_page_works(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    assert box.call(REQUEST, SLOW, cpu_seconds=0.05) == Reply(
        fault="timeout", value=0.05, evidence="no text after 0.05 s of CPU"
    )
    assert not is_alive(child)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    assert box._child.pid != child


def test_a_child_that_sleeps_is_a_timeout_by_the_clock(box, monkeypatch):
    """It uses no CPU, so that the interval timer never ends it."""
    monkeypatch.setattr(sandbox, "_WALL_FACTOR", 1.0)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    os.kill(child, signal.SIGSTOP)
    assert box.call(REQUEST, PAGE, cpu_seconds=0.2) == Reply(
        fault="timeout", value=0.2, evidence="no text after 0.2 s of CPU"
    )
    assert not is_alive(child)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_child_killed_between_calls_is_a_crash_and_the_next_page_works(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    os.kill(box._child.pid, signal.SIGKILL)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == Reply(
        fault="crashed", value=-9, evidence="the extractor's process ended with status -9"
    )
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_child_killed_during_a_call_is_a_crash_and_the_next_page_works(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    killer = threading.Timer(0.15, os.kill, (box._child.pid, signal.SIGSEGV))
    killer.start()
    reply = box.call(REQUEST, SLOW * 4, cpu_seconds=60)
    killer.join()
    assert reply == Reply(fault="crashed", value=-11, evidence="the extractor's process ended with status -11")
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_page_over_the_memory_limit_is_a_fault_and_the_next_page_works():
    box = Sandbox(max_memory=512 << 20, max_reply=4 << 20)
    try:
        assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
        reply = box.call(REQUEST, b"<p>a paragraph of the page</p>" * 500_000, cpu_seconds=30)
        assert reply.fault in ("out_of_memory", "crashed")
        assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    finally:
        box.close()


def test_a_reply_over_its_limit_says_its_size():
    box = Sandbox(max_memory=2 << 30, max_reply=100)
    try:
        size = len(GOOD.body)
        assert box.call(REQUEST, PAGE, cpu_seconds=5) == Reply(fault="too_much_text", value=size)
        child = box._child.pid
        assert box.call(REQUEST, PAGE, cpu_seconds=5).fault == "too_much_text"
        assert box._child.pid == child  # it answered: it need not be replaced
    finally:
        box.close()


def test_what_the_extractor_raises_is_a_fault_of_the_page(box):
    reply = box.call({**REQUEST, "options": {**REQUEST["options"], "no_such": 1}}, PAGE, cpu_seconds=5)
    assert reply.fault == "failed"
    assert reply.evidence.startswith("TypeError(")
    child = box._child.pid
    assert (box.call(REQUEST, PAGE, cpu_seconds=5), box._child.pid) == (GOOD, child)


def test_close_ends_the_child_and_a_call_starts_another(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    box.close()
    assert not is_alive(child)
    box.close()
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_child_that_does_not_start_is_an_error_of_the_run():
    box = Sandbox(max_memory=1 << 20, max_reply=100)  # too little to import anything
    with pytest.raises(RuntimeError, match="the extraction process does not start; see why with `python -m "):
        box.call(REQUEST, PAGE, cpu_seconds=5)
    assert box._child is None


PARENT = """
import sys, time
from curation.sandbox import Sandbox
from tests.test_sandbox import PAGE, REQUEST, SLOW
box = Sandbox(max_memory=2 << 30, max_reply=4 << 20)
box.call(REQUEST, PAGE, cpu_seconds=5)
print(box._child.pid, flush=True)
if sys.argv[1] == "busy":
    box.call(REQUEST, SLOW * 40, cpu_seconds=1)
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_no_orphan_outlives_a_killed_parent(state):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, state], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        child = int(parent.stdout.readline())
        assert is_alive(child)
        if state == "busy":
            time.sleep(0.3)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert wait_for_end(child, 10)


def test_messages_are_read_as_they_were_sent():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as incoming, os.fdopen(writing, "wb", buffering=0) as outgoing:
        body = bytes(range(256)) * 2000  # more than a pipe holds
        sender = threading.Thread(target=sandbox.send, args=(outgoing, {"a": "ü", "b": [1]}, body))
        sender.start()
        assert sandbox.receive(incoming) == ({"a": "ü", "b": [1]}, body)
        sender.join()
        sandbox.send(outgoing, {}, b"")
        assert sandbox.receive(incoming) == ({}, b"")
        outgoing.close()
        with pytest.raises(EOFError):
            sandbox.receive(incoming)
