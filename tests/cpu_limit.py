"""A limit of CPU time that only quadratic work goes beyond: how fast what is linear is decides nothing."""

import contextlib
import signal
from collections.abc import Iterator

_SECONDS = 30  # where linear work takes one or two, and quadratic minutes or hours


@contextlib.contextmanager
def cpu_limit() -> Iterator[None]:
    """Fails the test where the block takes much more CPU time of this process than it could need."""

    def stop(*_: object) -> None:
        raise AssertionError(f"more than {_SECONDS} s of CPU time: the time is not linear in the text")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
