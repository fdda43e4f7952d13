"""Page to text. The settings are a recipe's; the work is done in a child process (`sandbox`, `page_text`)."""

import dataclasses
from typing import Any

from curation import sandbox
from curation.document import Page
from curation.extracted import Extracted, Failed
from curation.extraction.settings import ExtractText, Resiliparse, Trafilatura
from curation.first_look import FirstLook
from curation.opt_outs import OptOuts

__all__ = ["ExtractText", "Extracted", "Extractor", "Failed", "Resiliparse", "Trafilatura"]

_OVER_LIMITS = ("timeout", "crashed", "out_of_memory")


class Extractor:
    """Extracts pages one after another in a child process, started when first needed and replaced when it dies."""

    def __init__(
        self,
        settings: ExtractText,
        first_look: FirstLook | None = None,
        opt_outs: OptOuts | None = None,
        *,
        steps: tuple[str, ...] = (),
        recipe: tuple[str, str, str | None] | None = None,
    ) -> None:
        """`recipe`: its file name, text and language, where the child shall take its `steps` after extraction too."""
        self._settings = settings
        self._steps = (type(settings).__name__, *steps)
        setup = {
            "extractor": _named(settings.extractor),
            "second": _named(settings.second),
            "first_look": first_look and dataclasses.asdict(first_look),
            "opt_outs": opt_outs and dataclasses.asdict(opt_outs),
            "recipe": recipe,
        }
        self._sandbox = sandbox.Sandbox(setup=setup, max_memory=settings.max_memory, max_reply=settings.max_text)

    def extract(self, page: Page) -> Extracted | Failed:
        """The page's text, or why there is none; never raises on account of the page."""
        reply = self._call(page, self._settings.cpu_seconds)
        # Once more in a fresh child: a crash or a lack of memory may be the doing of the pages before.
        retried = reply.fault in _OVER_LIMITS
        if retried:
            reply = self._call(page, self._settings.retry_cpu_seconds)
        if reply.fault in _OVER_LIMITS and not reply.place and self._settings.second and not page.is_text:
            other = self._call(page, self._settings.cpu_seconds, use_second=True)
            reply = reply if other.fault or other.header.get("reason") == "no_text" else other
        if reply.fault:
            step = self._steps[min(reply.place, len(self._steps) - 1)]
            return Failed(step, reply.fault, reply.value, reply.evidence, retried)
        found, extracted = reply.header, _extracted(reply, retried) if "signals" in reply.header else None
        if "reason" in found:
            return Failed(found["step"], found["reason"], found["value"], found["evidence"], retried, extracted)
        assert extracted, found
        return extracted

    def _call(self, page: Page, cpu_seconds: float, *, use_second: bool = False) -> sandbox.Reply:
        request = {
            "http_charset": page.http_charset,
            "is_text": page.is_text,
            "use_second": use_second,
            "url": page.url,
            "headers": page.headers,
        }
        reply = self._sandbox.call(request, page.payload, cpu_seconds=cpu_seconds)
        if "error" in reply.header:
            raise ValueError(reply.header["error"])
        return reply

    def close(self) -> None:
        """Ends the child process."""
        self._sandbox.close()

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _extracted(reply: sandbox.Reply, retried: bool) -> Extracted:
    found = reply.header
    return Extracted(
        text=reply.body.decode(),
        charset=str(found["charset"]),
        retried=retried,
        by_second=found["second"],
        language=found["language"],
        language_score=found["language_score"],
        signals=found["signals"],
        licence=found["licence"],
    )


def _named(settings: Trafilatura | Resiliparse | None) -> dict[str, Any] | None:
    return None if settings is None else {"name": type(settings).__name__, **dataclasses.asdict(settings)}
