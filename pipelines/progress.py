"""How far a stage is: running tasks write it down in a local folder, the driver shows it."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live

from pipelines.run import Run
from pipelines.tasks import Round

_WRITE_SECONDS = 1.0
_TERMINAL_SECONDS = 0.5
_PLAIN_SECONDS = 10.0

Report = Callable[[int, int, float], None]  # rows read and kept so far, share of the task that is done


@contextlib.contextmanager
def reporting(folder: str | None, name: str, task: int) -> Iterator[Report]:
    """Gives a task a function to say how far it is; the last word is that it is done."""
    state = {"since": time.time(), "read": 0, "kept": 0, "share": 0.0}
    last = 0.0

    def write() -> None:
        if folder:
            path = os.path.join(folder, f"{name}-{task}.json")
            with open(path + ".new", "w") as file:
                json.dump(state, file)
            os.replace(path + ".new", path)

    def report(read: int, kept: int, share: float) -> None:
        nonlocal last
        state.update(read=read, kept=kept, share=min(share, 1.0))
        if time.monotonic() - last >= _WRITE_SECONDS:
            last = time.monotonic()
            write()

    yield report
    state["share"] = 1.0
    write()


@contextlib.contextmanager
def showing(stage: str, rounds: Sequence[Round], run: Run, terminal: TextIO) -> Iterator[None]:
    """Shows a stage's progress while the block runs: one live line on a terminal, a line now and then elsewhere."""
    names = {step.name: len(step.tasks) for step in rounds if step.tasks}
    if not names or not run.progress:
        yield
        return
    meter = Meter(run.progress, stage, names)
    stop = threading.Event()
    thread = threading.Thread(target=_show, args=(meter, Console(file=terminal), stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    print(meter.line(), flush=True)


class Meter:
    """Sums what the tasks of a stage have written down."""

    def __init__(self, folder: str, stage: str, names: dict[str, int]) -> None:
        self._folder, self._stage, self._names = folder, stage, names

    def line(self) -> str:
        """Tasks done, pages per second, kept share and time left of the round that runs."""
        states: dict[str, list[dict[str, float]]] = {name: [] for name in self._names}
        for file in sorted(os.listdir(self._folder)):
            name = file.rsplit("-", 1)[0]
            if name in states and file.endswith(".json"):
                with open(os.path.join(self._folder, file)) as handle:
                    states[name].append(json.load(handle))
        current = [name for name, found in states.items() if found]
        name = current[-1] if current else next(iter(self._names))
        found, count = states[name], self._names[name]
        done = sum(state["share"] == 1.0 for state in found)
        read, kept = (int(sum(state[field] for state in found)) for field in ("read", "kept"))
        seconds = max(time.time() - min((state["since"] for state in found), default=time.time()), 1e-3)
        share = sum(state["share"] for state in found) / count
        label = self._stage if name == self._stage else f"{self._stage}: {name}"
        line = f"{label}: {done}/{count} tasks, {read} read ({read / seconds:.1f}/s)"
        if kept < read:
            line += f", {kept / read:.1%} kept"
        if done == count:
            return f"{line}, {_clock(seconds)}"
        return f"{line}, {_clock(seconds / share - seconds)} left" if share > 0.01 else line


def _show(meter: Meter, console: Console, stop: threading.Event) -> None:
    if console.is_terminal:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            while not stop.wait(_TERMINAL_SECONDS):
                live.update(meter.line(), refresh=True)
    else:
        while not stop.wait(_PLAIN_SECONDS):
            console.print(meter.line(), soft_wrap=True, highlight=False)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
