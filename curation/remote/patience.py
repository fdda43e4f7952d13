"""How requests are made that may fail: few at once, and again after waits that grow."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from random import uniform
from time import sleep
from typing import TypeVar

from curation.remote import http_request, slots
from curation.remote.http_request import Answer, Setback
from curation.storage import StorageError

_MAX_FORBIDDEN = 3  # tries that a 403 is worth
_ROUNDS = 16  # times `attempts`: the tries of one transfer, however much progress it makes
_TRANSIENT = {408, 425, 429}  # and every 5xx
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Patience:
    """How many requests are made at once, and how long a failing one is tried again."""

    connections: int = 4  # requests at once, over all processes that share `slots`
    attempts: int = 8  # tries of one request that brings nothing new
    first_wait: float = 1.0  # seconds before the second try; doubles each time, less up to half of it by chance
    longest_wait: float = 60.0  # seconds, whatever the server asks for
    timeout: float = 60.0  # seconds to connect, and without a byte
    slots: str = ""  # local folder of the lock files that count requests; empty: one per user in the temporary folder

    def __post_init__(self) -> None:
        for name, least in (("connections", 1), ("attempts", 1), ("first_wait", 0), ("longest_wait", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, expected {least} or more")
        if not self.timeout > 0:
            raise ValueError(f"timeout is {self.timeout}, expected seconds above 0")


_kept = Patience()


def use(patience: Patience) -> None:
    """Sets what this process keeps to from now on."""
    global _kept
    _kept = patience


@contextlib.contextmanager
def ask(method: str, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
    """Makes one request as soon as it may be made, and counts it for as long as its answer is being read."""
    patience = _kept
    with (
        slots.hold(patience.slots, patience.connections),
        http_request.ask(method, url, headers=headers, timeout=patience.timeout) as answer,
    ):
        yield answer


def persist(url: str, attempt: Callable[[], _T], *, progress: Callable[[], int] = lambda: 0) -> _T:
    """What `attempt` returns, tried anew after each Setback; one that got further than ever before starts the count.

    StorageError once it has failed too often, PermissionError where it was forbidden.
    """
    patience = _kept
    tries = fruitless = forbidden = furthest = 0
    while True:
        try:
            return attempt()
        except Setback as setback:
            if progress() > furthest:
                furthest, fruitless, forbidden = progress(), 0, 0
            tries, fruitless, forbidden = tries + 1, fruitless + 1, forbidden + setback.forbidden
            if forbidden >= min(_MAX_FORBIDDEN, patience.attempts):
                raise PermissionError(
                    f"{url}: the server refuses it (status 403, tried {tries} times); "
                    "check that the URL is public, or start again in some hours with fewer --connections"
                ) from None
            if fruitless >= patience.attempts or tries >= _ROUNDS * patience.attempts:
                raise StorageError(
                    f"{url}: {setback} (tried {tries} times); start again later, or with fewer --connections"
                ) from setback
            backoff = min(patience.first_wait * 2.0 ** min(fruitless - 1, 60), patience.longest_wait)
            wait = max(backoff * uniform(0.5, 1), setback.wait)
        sleep(min(wait, patience.longest_wait))  # after `attempt` has given its slot back


def refusal(url: str, answer: Answer) -> Exception:
    """The error for a status that brings no content: a Setback where another try may help."""
    status = answer.status
    if status in (404, 410):
        return FileNotFoundError(f"{url}: there is no such file on the server (status {status}); check the URL")
    if status == 403 or status in _TRANSIENT or status >= 500:
        return Setback(f"the server answered with status {status}", wait=answer.wait, forbidden=status == 403)
    return StorageError(f"{url}: the server answered with status {status}, where 200 or 206 is expected; check the URL")
