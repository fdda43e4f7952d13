"""Page to text. The settings are a recipe's; the work is done in a child process (`sandbox`, `sandboxed`)."""

import dataclasses

from curation import sandbox
from curation.document import Page
from curation.first_look import FirstLook


@dataclasses.dataclass(frozen=True)
class Trafilatura:
    """trafilatura's main text, without comments (Barbaresi 2021, https://aclanthology.org/2021.acl-demo.15)."""

    favor_precision: bool = True
    deduplicate: bool = True  # drops what repeats within the page; what earlier pages said never matters
    fast: bool = False  # without the fallback extractors


@dataclasses.dataclass(frozen=True)
class ExtractText:
    """The page's main text by its true charset, inside limits that end with the page and not with the run.

    Time is the child's CPU time, so that a loaded machine decides as an idle one does. A page over a limit, or one that
    ends its child, is tried once more in a fresh one with the longer limit, and counted.
    """

    extractor: Trafilatura = Trafilatura()
    cpu_seconds: float = 5.0
    retry_cpu_seconds: float = 20.0
    max_memory: int = 2 << 30  # bytes of address space
    max_text: int = 4 << 20  # bytes of UTF-8


@dataclasses.dataclass(frozen=True)
class Extracted:
    """A page's text."""

    text: str
    charset: str
    retried: bool


@dataclasses.dataclass(frozen=True)
class Failed:
    """Why a page gave no text."""

    step: str
    reason: str
    value: float | None = None
    evidence: str | None = None
    retried: bool = False


class Extractor:
    """Extracts pages one after another in a child process, started when first needed and replaced when it dies."""

    def __init__(self, settings: ExtractText, first_look: FirstLook | None = None) -> None:
        self._settings = settings
        self._sandbox = sandbox.Sandbox(max_memory=settings.max_memory, max_reply=settings.max_text)
        self._options = dataclasses.asdict(settings.extractor)
        self._look = first_look and dataclasses.asdict(first_look)

    def extract(self, page: Page) -> Extracted | Failed:
        """The page's text, or why there is none; never raises on account of the page."""
        request = {"http_charset": page.http_charset, "first_look": self._look, "options": self._options}
        step = type(self._settings).__name__
        reply = self._sandbox.call(request, page.payload, cpu_seconds=self._settings.cpu_seconds)
        # Once more in a fresh child: a crash or a lack of memory may be the doing of the pages before.
        retried = reply.fault in ("timeout", "crashed", "out_of_memory")
        if retried:
            reply = self._sandbox.call(request, page.payload, cpu_seconds=self._settings.retry_cpu_seconds)
        if reply.fault:
            return Failed(step, reply.fault, reply.value, reply.evidence, retried)
        if "other_language" in reply.header:
            found = reply.header
            return Failed(FirstLook.__name__, "other_language", found["score"], found["other_language"], retried)
        if not reply.body.strip():
            return Failed(step, "no_text", 0.0, None, retried)
        return Extracted(reply.body.decode(), str(reply.header["charset"]), retried)

    def close(self) -> None:
        """Ends the child process."""
        self._sandbox.close()

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
