"""Runs that are killed where they are, with all their processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from pipelines import curate

_TO_END = 30.0  # seconds, of which a process that has noticed needs none


def killed_once(output: Path, pattern: str, flags: list[str]) -> None:
    """Starts a run and kills it with SIGKILL once it has made such a file; no process of its session outlives it."""
    command = [sys.executable, "-m", "pipelines.curate", *flags]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not any(output.glob(pattern)):
        assert run.poll() is None
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + _TO_END
    while left := _of_session(run.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def killed_and_finished(seen: list[str], flags: list[str], output: Path, expected: Path) -> None:
    """Kills a run as soon as files of the first pattern appear, the next start at the second, and so on.

    What the last start makes is what a run that was not killed has made.
    """
    flags = [*flags, "--output", str(output), "--workers", "2"]
    for pattern in seen:
        killed_once(output, pattern, flags)
        assert not (output / "manifest.json").exists()
    assert curate.main(flags) == 0
    names = {path.relative_to(expected) for path in expected.rglob("*.*") if path.is_file()}
    assert names == {path.relative_to(output) for path in output.rglob("*.*") if path.is_file()}
    for name in names - {Path("manifest.json")}:
        assert (output / name).read_bytes() == (expected / name).read_bytes(), name


def _of_session(leader: int) -> list[str]:
    """The command lines of the processes that live in a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session, *_ = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if session == str(leader) and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found
