"""The child process of `sandbox`: reads pages from standard input, writes their text to standard output."""

import logging
import os
import resource
import signal
import sys
from typing import Any

from curation import charset, first_look, sandbox

_MAX_EVIDENCE = 200  # characters


def main(max_memory: int, max_reply: int) -> None:
    """Answers until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (max_memory, max_memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _be_killed_first()
    incoming = os.fdopen(os.dup(0), "rb", buffering=0)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints must not reach the parent

    import trafilatura  # noqa: F401  before the first page, whose time it is not

    logging.disable(logging.CRITICAL)
    sandbox.send(outgoing, {"ready": True}, b"")
    while True:
        try:
            request, payload = sandbox.receive(incoming)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])
        header, body = _answer(request, payload, max_reply)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sandbox.send(outgoing, header, body)


def _answer(request: dict[str, Any], payload: bytes, max_reply: int) -> tuple[dict[str, Any], bytes]:
    try:
        html, name = charset.decode(payload, request["http_charset"])
        html = html.removeprefix("\ufeff")  # a byte order mark, which is no text
        if wanted := request["first_look"]:
            score, other = first_look.look(html, wanted["language"])
            if score < wanted["min_score"]:
                return {"other_language": other, "score": score}, b""
        body = _extract(html, request["options"]).encode("utf-8", "replace")
    except MemoryError:
        return {"fault": "out_of_memory"}, b""
    except Exception as error:  # a page can make an extractor raise anything; the page is rejected with what it was
        return {"fault": "failed", "evidence": repr(error)[:_MAX_EVIDENCE]}, b""
    if len(body) > max_reply:
        return {"fault": "too_much_text", "value": len(body)}, b""
    return {"charset": name}, body


def _extract(html: str, options: dict[str, Any]) -> str:
    import trafilatura
    from trafilatura.deduplication import LRUCache

    options = dict(options)
    if options.pop("deduplicate"):
        # A cache of its own for each page: trafilatura's would remember the pages before, so that a page's text
        # would depend on which pages the same process had seen.
        options["deduplicate"] = LRUCache(maxsize=4096)
    return trafilatura.extract(html, include_comments=False, **options) or ""


def _be_killed_first() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # no Linux, or not allowed: the kernel chooses by size


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
