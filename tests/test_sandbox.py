"""A child process that a page may hang, crash or fill: what comes of it, and that nothing is left behind."""

import multiprocessing
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from curation import fork_server, sandbox
from curation.sandbox import Reply, Sandbox

MAX_MEMORY, MAX_REPLY = 2 << 30, 4 << 20
TRAFILATURA = {"name": "Trafilatura", "focus": "precision", "deduplicate": True, "fast": False}
SETUP = {"extractor": TRAFILATURA, "second": None, "first_look": None, "opt_outs": None, "recipe": None}
REQUEST = {"http_charset": "utf-8", "is_text": False, "use_second": False, "url": "", "headers": []}
TEXT = "The lighthouse keeper wrote every evening what the sea had brought, and nobody has read his books since then."
PAGE = f"<html><body><article><p>{TEXT}</p><p>{TEXT[::-1]}</p></article></body></html>".encode()
FOUND = {"charset": "utf-8", "second": False, "licence": "", "language": "", "language_score": 0.0, "signals": {}}
GOOD = Reply(header=FOUND, body=f"{TEXT}\n{TEXT[::-1]}".encode())
ROOT = Path(__file__).parent.parent
SLOW = PAGE.replace(b"<article>", b"<article>" + b"".join(b"<p>Line %d of a long page.</p>" % n for n in range(20_000)))
# A rule that does what a page says, so that a page can do anything to its child.
RECIPE = """
import ctypes, dataclasses, mmap, os, signal, struct, time
from curation.extract import ExtractText
from curation.recipe import Recipe

def replies():
    pipes = [fd for fd in range(3, 20) if os.path.exists(f"/proc/self/fd/{fd}")]
    return max(fd for fd in pipes if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:"))

def reply(header, body=b""):
    os.write(replies(), struct.pack(">II", len(header), len(body)) + header + body)

@dataclasses.dataclass(frozen=True)
class Obey:
    def measure(self, text):
        for line in text.content.split("\\n"):
            if line.startswith("run: "):
                exec(line.removeprefix("run: "), globals())
        return {"size": len(text.content)}

    def reason(self, signals):
        return None

RECIPE = Recipe("obey", "a test", (ExtractText(), Obey()))
"""
OBEYING = {**SETUP, "recipe": ("obey.py", RECIPE, None)}


def made(setup=SETUP, *, max_memory=MAX_MEMORY, max_reply=MAX_REPLY):
    return Sandbox(setup=setup, max_memory=max_memory, max_reply=max_reply)


def order(code):
    """A call whose page has the child run a line of Python, in the first step after extraction."""
    return {**REQUEST, "is_text": True}, f"A page.\nrun: {code}".encode()


@pytest.fixture
def box():
    box = made()
    yield box
    box.close()


@pytest.fixture
def obeying():
    box = made(OBEYING)
    yield box
    box.close()


def is_alive(pid):
    """Whether a process runs; one that nobody has waited for is dead."""
    return state(pid) not in ("Z", None)


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_for_end(pids, seconds):
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [pid for pid in pids if is_alive(pid)]


def server_pid():
    return fork_server.start()._process.pid


def children_of(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


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
    assert state(child) is None  # not even a zombie
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    assert box._child.pid != child


@pytest.mark.slow
def test_a_child_that_sleeps_is_a_timeout_by_the_clock(box, monkeypatch):
    """It uses no CPU, so that the interval timer never ends it."""
    monkeypatch.setattr(sandbox, "_WALL_FACTOR", 2.0)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    os.kill(child, signal.SIGSTOP)
    assert box.call(REQUEST, PAGE, cpu_seconds=0.1) == Reply(
        fault="timeout", value=0.2, evidence="no text after 0.2 s by the clock"
    )
    assert state(child) is None
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


@pytest.mark.slow
def test_a_child_that_does_not_read_a_large_page_is_a_timeout_by_the_clock(box, monkeypatch):
    monkeypatch.setattr(sandbox, "_WALL_FACTOR", 2.0)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    os.kill(box._child.pid, signal.SIGSTOP)
    assert box.call(REQUEST, b" " * (15 << 20), cpu_seconds=0.1).evidence == "no text after 0.2 s by the clock"
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_child_killed_between_calls_is_a_crash_and_the_next_page_works(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    os.kill(box._child.pid, signal.SIGKILL)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == Reply(
        fault="crashed", value=-9, evidence="the extractor's process ended with status -9"
    )
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


@pytest.mark.parametrize(
    "number, fault, value, evidence",
    [
        (signal.SIGSEGV, "crashed", -11, "the extractor's process ended with status -11"),
        (signal.SIGKILL, "crashed", -9, "the extractor's process ended with status -9"),
        (signal.SIGABRT, "crashed", -6, "the extractor's process ended with status -6"),
        (signal.SIGPROF, "timeout", 60, "no text after 60 s of CPU"),
    ],
)
def test_a_child_killed_during_a_call_says_by_what_and_the_next_page_works(obeying, number, fault, value, evidence):
    found = obeying.call(*order(f"os.kill(os.getpid(), {int(number)}); time.sleep(9)"), cpu_seconds=60)
    assert found == Reply(fault=fault, value=value, evidence=evidence, place=1)
    assert obeying.call(*order("pass"), cpu_seconds=5).header["signals"] == {"size": 17.0}


@pytest.mark.parametrize(
    "code, value",
    [
        ("os._exit(3)", 3),
        ("raise SystemExit", 1),
        ("raise KeyboardInterrupt", 1),
        ("ctypes.string_at(0)", -11),
        ("os.closerange(0, 100)", None),
    ],
)
def test_whatever_ends_a_child_is_a_crash(obeying, code, value):
    found = obeying.call(*order(code), cpu_seconds=20)
    assert found.fault == "crashed"
    assert value in (found.value, None)
    assert obeying.call(*order("pass"), cpu_seconds=5).fault is None


def test_a_signal_that_the_child_ignores_does_not_stop_its_timer(obeying):
    found = obeying.call(
        *order("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nrun: while True: pass"), cpu_seconds=0.2
    )
    assert (found.fault, found.value, found.place) == ("timeout", 0.2, 1)


@pytest.mark.parametrize(
    "code",
    [
        "print('x' * 100_000)",
        "os.write(1, b'x' * 1000)",
        "os.write(2, b'x' * 1000)",
        "os.dup2(1, 0)",
        "open('/dev/null')",
    ],
)
def test_what_a_child_prints_goes_nowhere(obeying, capfd, code):
    for _ in range(2):
        assert obeying.call(*order(code), cpu_seconds=5).fault is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "code, evidence",
    [
        ("os.write(replies(), b'x' * 8)", "a reply of 2021161080 and 2021161080 bytes"),
        ("os.write(replies(), struct.pack('>II', 2, 1 << 31))", "a reply of 2 and 2147483648 bytes"),
        ("os.write(replies(), struct.pack('>II', (1 << 20) + 1, 0))", "a reply of 1048577 and 0 bytes"),
        ("os.write(replies(), bytes(8))", "Expecting value: line 1 column 1 (char 0)"),
        ("reply(b'[1]')", "a reply whose header is no object"),
        ("reply(b'{\\xff}')", "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"),
        ("reply(b'[' * 100000)", "maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
        ("reply(b'{}', b'text of another page')", "call 2 was answered as if it were None"),
        ("reply(b'{\"call\": 1}', b'text of another page')", "call 2 was answered as if it were 1"),
    ],
)
def test_an_answer_that_is_none_is_a_crash_and_the_next_page_works(obeying, code, evidence):
    assert obeying.call(*order(f"{code}; time.sleep(9)"), cpu_seconds=5) == Reply(
        fault="crashed", evidence=f"the extractor's process gave no answer: {evidence}", place=1
    )
    assert obeying.call(*order("pass"), cpu_seconds=5).fault is None


def test_half_an_answer_is_a_crash(obeying):
    found = obeying.call(*order("os.write(replies(), struct.pack('>II', 9, 9) + b'{'); os._exit(0)"), cpu_seconds=5)
    assert found == Reply(fault="crashed", value=0, evidence="the extractor's process ended with status 0", place=1)


@pytest.mark.slow
def test_what_is_written_after_an_answer_is_not_taken_for_the_next_one(obeying):
    late = 'os.fork() == 0 and (time.sleep(.2), reply(b"{}", b"stray"), os._exit(0))'
    assert obeying.call(*order(late), cpu_seconds=5).fault is None
    time.sleep(0.5)
    assert obeying.call(*order("pass"), cpu_seconds=5).evidence == (
        "the extractor's process gave no answer: call 3 was answered as if it were None"
    )
    assert obeying.call(*order("pass"), cpu_seconds=5).fault is None


def test_a_page_over_the_memory_limit_is_a_fault_with_its_size_and_the_next_page_works(obeying):
    """The limit is on address space, in which what the fork server has loaded counts."""
    found = obeying.call(*order("x = [mmap.mmap(-1, 1 << 26) for _ in range(100)]"), cpu_seconds=20)
    assert (found.fault, found.place, found.evidence) == ("out_of_memory", 1, None)
    assert MAX_MEMORY - (1 << 27) < found.value <= MAX_MEMORY
    assert obeying._child is None
    assert obeying.call(*order("pass"), cpu_seconds=5).fault is None


def test_one_piece_that_is_too_large_is_out_of_memory_with_what_there_was_before(obeying):
    found = obeying.call(*order("x = bytearray(1 << 40)"), cpu_seconds=20)
    assert (found.fault, found.place) == ("out_of_memory", 1)
    assert 1 << 28 < found.value < 1 << 30


def test_what_a_page_held_does_not_count_for_the_next(obeying):
    children = set()
    for _ in range(5):
        assert obeying.call(*order("x = mmap.mmap(-1, 1 << 30); x.close()"), cpu_seconds=20).fault is None
        children.add(obeying._child.pid)
    assert len(children) == 1


def test_a_page_that_comes_near_the_limit_is_over_it(obeying):
    """Its libraries may have been refused memory, and hidden it."""
    found = obeying.call(*order("x = mmap.mmap(-1, 1500 << 20)"), cpu_seconds=20)
    assert (found.fault, 1800 << 20 < found.value < MAX_MEMORY) == ("out_of_memory", True)


def test_a_child_starts_within_half_a_gibibyte():
    """Most of which is the fork server's: recipes may set limits as low."""
    box = made(OBEYING, max_memory=512 << 20)
    try:
        assert box.call(*order("x = bytearray(1 << 20)"), cpu_seconds=5).fault is None
        assert box.call(*order("x = bytearray(1 << 28)"), cpu_seconds=5).fault == "out_of_memory"
    finally:
        box.close()


@pytest.mark.slow
def test_an_extractor_over_the_memory_limit_is_a_fault_and_the_next_page_works():
    """lxml is refused memory, of which trafilatura says nothing: it finds no text."""
    box = made(max_memory=600 << 20)
    try:
        assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
        reply = box.call(REQUEST, b"<p>a paragraph of the page</p>" * 500_000, cpu_seconds=30)
        assert (reply.fault, 525 << 20 < reply.value <= 600 << 20) == ("out_of_memory", True)
        assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    finally:
        box.close()


def test_a_reply_over_its_limit_says_its_size():
    box = made(max_reply=100)
    try:
        size = len(GOOD.body)
        assert box.call(REQUEST, PAGE, cpu_seconds=5) == Reply(fault="too_much_text", value=size)
        child = box._child.pid
        assert box.call(REQUEST, PAGE, cpu_seconds=5).fault == "too_much_text"
        assert box._child.pid == child  # it answered: it need not be replaced
    finally:
        box.close()


def test_what_a_step_raises_is_a_fault_of_the_page(obeying):
    reply = obeying.call(*order("1 / 0"), cpu_seconds=5)
    assert reply == Reply(fault="failed", evidence="ZeroDivisionError('division by zero')", place=1)
    child = obeying._child.pid
    assert obeying.call(*order("raise RuntimeError('x' * 10_000)"), cpu_seconds=5).evidence == (
        "RuntimeError('" + "x" * 186
    )
    assert (obeying.call(*order("pass"), cpu_seconds=5).fault, obeying._child.pid) == (None, child)


def test_close_ends_the_child_and_a_call_starts_another(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    box.close()
    assert state(child) is None
    box.close()
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_setup_that_does_not_work_is_an_error_of_the_run():
    box = made({**SETUP, "recipe": ("bad.py", "import no_such_module", None)})
    with pytest.raises(RuntimeError) as caught:
        box.call(REQUEST, PAGE, cpu_seconds=5)
    assert str(caught.value) == (
        "the extraction process does not start: ValueError: --recipe bad.py, line 1: ModuleNotFoundError: No module "
        f"named 'no_such_module'; max_memory is {MAX_MEMORY} bytes"
    )
    assert box._child is None


def test_a_limit_below_what_the_fork_server_has_is_an_error_of_the_run():
    box = made(OBEYING, max_memory=1 << 20)
    expected = (
        r"the extraction process does not start: MemoryError: \d+ bytes before the first page; max_memory is 1048576"
    )
    with pytest.raises(RuntimeError, match=expected):
        box.call(REQUEST, PAGE, cpu_seconds=5)
    assert box._child is None


def test_children_that_do_not_start_leave_nothing_open():
    box = made({**SETUP, "recipe": ("bad.py", "import no_such_module", None)})
    server, counts = server_pid(), set()
    for _ in range(4):
        with pytest.raises(RuntimeError):
            box.call(REQUEST, PAGE, cpu_seconds=5)
        counts.add((num_open(os.getpid()), num_open(server), len(children_of(server))))
    assert len(counts) == 1


def test_a_server_that_does_not_start_is_an_error_of_the_run(box, monkeypatch):
    monkeypatch.setattr(fork_server, "_server", None)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="the extraction process does not start; see why with `python -m "):
        box.call(REQUEST, PAGE, cpu_seconds=5)


@pytest.mark.slow
def test_the_check_that_the_message_names():
    command = [sys.executable, "-m", "curation.sandboxed", "--check"]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout == "the extraction process can start\n"


def test_the_server_has_one_thread():
    """A process with several cannot be forked safely."""
    box = made()
    box.call(REQUEST, PAGE, cpu_seconds=5)
    assert len(os.listdir(f"/proc/{server_pid()}/task")) == 1
    box.close()


@pytest.mark.slow
def test_a_killed_server_is_replaced_and_its_children_work_on(box):
    other = made()
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    server, child = server_pid(), box._child.pid
    os.kill(server, signal.SIGKILL)
    assert wait_for_end([server], 5) == []
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    assert other.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    assert (box._child.pid, server_pid() != server) == (child, True)
    other.close()
    box.close()  # whose child nobody can wait for
    assert wait_for_end([child], 5) == []
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


@pytest.mark.slow
def test_a_stopped_server_is_gone_and_the_next_call_has_another(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child, server = box._child.pid, server_pid()
    box.close()
    fork_server.stop()
    assert wait_for_end([child, server], 10) == []
    fork_server.stop()  # there is none
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    assert server_pid() != server


@pytest.mark.slow
def test_a_page_whose_child_is_killed_with_its_server_is_a_crash(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    os.kill(server_pid(), signal.SIGKILL)
    os.kill(box._child.pid, signal.SIGKILL)
    found = box.call(REQUEST, PAGE, cpu_seconds=5)
    assert (found.fault, found.value) == ("crashed", None)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_process_with_thousands_of_open_files_can_call(box):
    """`select` fails beyond 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine allows fewer files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        for _ in range(2):
            assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
        assert box.call(REQUEST, PAGE + b" " * (4 << 20), cpu_seconds=5) == GOOD
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def num_open(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.slow
def test_two_hundred_children_leave_nothing_behind(obeying):
    """Neither open files in parent and server, nor zombies."""
    assert obeying.call(*order("pass"), cpu_seconds=5).fault is None
    server = server_pid()
    open_before = num_open(os.getpid())
    before = num_open(server), len(children_of(server)), children_of(os.getpid())
    kills = ("os.kill(os.getpid(), 9)", "os._exit(1)", "os.write(replies(), b'x' * 8)", "x = bytearray(1 << 40)")
    for number in range(200):
        assert obeying.call(*order(kills[number % 4]), cpu_seconds=5).fault in ("crashed", "out_of_memory")
    assert obeying.call(*order("pass"), cpu_seconds=5).fault is None
    assert (num_open(server), len(children_of(server)), children_of(os.getpid())) == before
    assert num_open(os.getpid()) <= open_before  # fewer where what another test left was collected meanwhile


def test_eight_threads_with_a_sandbox_each():
    """One server forks for all, and a child that dies is nobody else's."""
    outcomes, start = queue.Queue(), threading.Barrier(8)

    def work(number):
        box, own = made(OBEYING), []
        start.wait()
        for turn in range(12):
            if (turn + number) % 4 == 0:
                own.append(box.call(*order("os.kill(os.getpid(), 9)"), cpu_seconds=20).value)
            own.append(
                box.call({**REQUEST, "is_text": True}, f"{number} {turn}".encode(), cpu_seconds=20).body.decode()
            )
        box.close()
        outcomes.put((number, own))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = dict(outcomes.get() for _ in range(8))
    for number, own in found.items():
        expected = []
        for turn in range(12):
            expected += [-9] * ((turn + number) % 4 == 0) + [f"{number} {turn}"]
        assert own == expected


_inherited = None


def in_other_process(answers):
    """What a process sees that has, or has not, the sandbox of its parent."""
    box = _inherited or made()
    inherited = box._child and box._child.pid
    replies = [box.call(REQUEST, PAGE, cpu_seconds=5) for _ in range(2)]
    answers.put((replies == [GOOD, GOOD], inherited, box._child.pid, server_pid(), num_open(os.getpid())))
    box.close()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_another_process_has_its_own_server_and_child(box, monkeypatch, method):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child, server = box._child.pid, server_pid()
    monkeypatch.setattr(sys.modules[__name__], "_inherited", box)
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    process = context.Process(target=in_other_process, args=(answers,))
    process.start()
    is_good, inherited, its_child, its_server, _ = answers.get(timeout=60)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD  # while the other lives
    process.join()
    assert process.exitcode == 0
    assert (is_good, inherited) == (True, child if method == "fork" else None)
    assert len({child, its_child, server, its_server}) == 4
    assert wait_for_end([its_child, its_server], 5) == []
    assert (box._child.pid, server_pid(), is_alive(child)) == (child, server, True)
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD


def test_a_forked_process_that_closes_the_sandbox_leaves_the_parents_child(box):
    assert box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD
    child = box._child.pid
    if (pid := os.fork()) == 0:
        box.close()
        os._exit(0 if box._child is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert (box.call(REQUEST, PAGE, cpu_seconds=5), box._child.pid) == (GOOD, child)


@pytest.mark.slow
def test_a_process_forked_while_a_server_starts_can_start_its_own(box):
    """The lock that guards the start may be held by another thread at the moment of the fork."""
    fork_server._starting.acquire()
    try:
        if (pid := os.fork()) == 0:
            signal.alarm(60)
            os._exit(0 if box.call(REQUEST, PAGE, cpu_seconds=5) == GOOD else 1)
    finally:
        fork_server._starting.release()
    assert os.waitpid(pid, 0)[1] == 0


PARENT = """
import os, signal, sys, time
from curation import fork_server
from tests.test_sandbox import OBEYING, made, order
state = sys.argv[1]
if state != "starting":
    box = made(OBEYING)
    box.call(*order("pass"), cpu_seconds=5)
    print(fork_server.start()._process.pid, box._child.pid, flush=True)
if state == "starting":
    print(fork_server.start()._process.pid, flush=True)
if state == "forked" and os.fork() == 0:
    os.close(1)
    time.sleep(8)  # holds copies of the pipes and of the socket
    os._exit(0)
if state == "busy":
    box.call(*order("while True: pass"), cpu_seconds=60)
if state == "waiting":
    box.call(*order("time.sleep(60)"), cpu_seconds=60)
if state == "stopped":
    os.kill(box._child.pid, signal.SIGSTOP)
if state == "exit":
    sys.exit()
time.sleep(60)
"""


STATES = ["busy", "forked", *(pytest.param(each, marks=pytest.mark.slow) for each in ("idle", "waiting", "stopped"))]
STATES += [pytest.param(each, marks=pytest.mark.slow) for each in ("starting", "exit")]


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_no_process_outlives_a_killed_parent(state):
    """Whatever the child does at the moment, and whoever else has copies of the parent's files."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, state], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        pids = list(map(int, parent.stdout.readline().split()))
        assert len(pids) == (1 if state == "starting" else 2)
        assert state == "exit" or all(map(is_alive, pids))
        time.sleep(0.3)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert wait_for_end(pids, 5) == []


def test_messages_are_read_as_they_were_packed():
    body = bytes(range(256)) * 3
    packed = sandbox.pack({"a": "ü", "b": [1]}, body) + sandbox.pack({}, b"")
    reading = iter(packed)
    read = lambda size: bytes(next(reading) for _ in range(size))  # noqa: E731
    assert sandbox.unpack_from(read) == ({"a": "ü", "b": [1]}, body)
    assert sandbox.unpack_from(read) == ({}, b"")
