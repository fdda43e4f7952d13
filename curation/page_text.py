"""What a child of `sandbox` does with a page: its text, and the recipe's steps on it, up to the first global one."""

import mmap
from collections.abc import Mapping
from typing import Any

from curation import charset, first_look, language, opt_outs, recipe, walk, words
from curation.document import Document, Rejection
from curation.extraction import main_text
from curation.extraction.main_text import Html
from curation.extraction.settings import ExtractText, Resiliparse, Trafilatura
from curation.first_look import FirstLook
from curation.opt_outs import OptOuts

_MAX_EVIDENCE = 200  # characters
_EXTRACTORS = {cls.__name__: cls for cls in (Trafilatura, Resiliparse)}

Answer = tuple[dict[str, Any], bytes]


def load() -> None:
    """Loads what any page needs, in the process that children are forked from."""
    main_text.load()
    language.identify("the model is read when it is first asked")
    words.words("so is what splits words")


class Answerer:
    """Answers requests of `curation.extract`, which says in `setup` what is wanted of every page."""

    def __init__(self, setup: Mapping[str, Any], place: mmap.mmap) -> None:
        self._max_text, self._max_memory = setup["max_reply"], setup["max_memory"] * 7 // 8
        if (peak := _peak_memory()) > self._max_memory:
            raise MemoryError(f"{peak} bytes before the first page")
        self._extractor, self._second = map(_extractor, (setup["extractor"], setup["second"]))
        self._look = FirstLook(**setup["first_look"]) if setup["first_look"] else None
        self._opt_outs = OptOuts(tuple(setup["opt_outs"]["reject"])) if setup["opt_outs"] else None
        self._steps = walk.after_extraction(recipe.of_run(*setup["recipe"]).before) if setup["recipe"] else []
        self._place = place  # its first byte is 0 in extraction, then the number of the step

    def answer(self, request: Mapping[str, Any], payload: bytes) -> Answer:
        """A header that is an outcome or a fault, and the text; never raises on account of the page."""
        try:
            answer: Answer = self._answer(request, payload)
        except MemoryError:
            answer = {"fault": "out_of_memory"}, b""
        except walk.StepsClash as error:
            return {"error": str(error)}, b""
        except Exception as error:  # a page can make a library raise anything; it is rejected with what that was
            answer = {"fault": "failed", "evidence": repr(error)[:_MAX_EVIDENCE]}, b""
        # trafilatura finds no text where lxml was refused memory: what the process had does not lie.
        if (peak := _peak_memory()) > self._max_memory or answer[0].get("fault") == "out_of_memory":
            return {"fault": "out_of_memory", "value": peak}, b""
        return answer

    def _answer(self, request: Mapping[str, Any], payload: bytes) -> Answer:
        if request["is_text"]:
            header = {"charset": "utf-8", "second": False, "licence": "", "said": {}}
            return self._go_on(header, payload.decode("utf-8-sig", "replace"), request["url"])
        text, name = charset.decode(payload, request["http_charset"])
        html = Html(text.removeprefix("\ufeff"))  # a byte order mark, which is no text
        said, licence = self._said(html.text, request)
        if self._opt_outs and (verdict := self._opt_outs.reason(said)):
            value = {"value": said[verdict[1]], "evidence": verdict[1]}
            return {"step": OptOuts.__name__, "reason": verdict[0], **value}, b""
        if self._look and (found := self._first_look(html, self._look)):
            return found, b""
        text, by_second = self._text(html, use_second=request["use_second"])
        header = {"charset": name, "second": by_second, "licence": licence, "said": said}
        return self._go_on(header, text, request["url"])

    def _said(self, html: str, request: Mapping[str, Any]) -> tuple[dict[str, float], str]:
        return opt_outs.read(html, request["headers"], request["url"]) if self._opt_outs else ({}, "")

    def _first_look(self, html: Html, wanted: FirstLook) -> dict[str, Any] | None:
        found = first_look.settle(html.text, lambda: main_text.whole_text(html), wanted)
        return found and {"step": FirstLook.__name__, "reason": found[0], "value": found[1], "evidence": found[2]}

    def _text(self, html: Html, *, use_second: bool) -> tuple[str, bool]:
        error: Exception | None = None
        if not use_second:
            text = ""
            try:
                text = main_text.main_text(html, self._extractor)
            except MemoryError:
                raise  # the pages before may have left too little, so it is tried once more in a fresh process
            except Exception as raised:
                if self._second is None:
                    raise
                error = raised
            if text.strip() or self._second is None:
                return text, False
        text = main_text.main_text(html, self._second)
        if error and not text.strip():
            raise error  # which says more than that there is no text
        return text, True

    def _go_on(self, header: dict[str, Any], text: str, url: str) -> Answer:
        """The recipe's steps after extraction, on a document of which they see nothing but the text and its URL."""
        if not text.strip():
            return {**header, "step": ExtractText.__name__, "reason": "no_text", "value": 0.0, "evidence": None}, b""
        body = text.encode("utf-8", "replace")
        if len(body) > self._max_text:
            return {"fault": "too_much_text", "value": len(body)}, b""
        document = walk.bare_document(body.decode(), url=url, signals=header.pop("said"))
        outcome: Document | Rejection = document
        why: dict[str, Any] = {}
        self._place[0] = 1
        for number, taken in enumerate(walk.steps_of_document(document, self._steps), 2):
            outcome = taken.outcome
            self._place[0] = min(number, 255)
            if taken.rejected and isinstance(outcome, Rejection):
                why = {name: getattr(outcome, name) for name in ("step", "reason", "evidence")}
                why["value"] = None if outcome.value is None else float(outcome.value)
                outcome = taken.rejected
        assert isinstance(outcome, Document)
        body = outcome.text.encode("utf-8", "replace")  # which an edit may have made longer
        if len(body) > self._max_text:
            return {"fault": "too_much_text", "value": len(body)}, b""
        signals = {name: float(value) for name, value in outcome.signals.items()}  # a rule may measure with numpy
        found = {"language": outcome.language, "language_score": outcome.language_score, "signals": signals}
        return {**header, **found, **why}, body


def _peak_memory() -> int:
    """The most address space that this process has had, in bytes, as its limit counts; 0 where nobody knows."""
    try:
        with open("/proc/self/status", "rb") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith(b"VmPeak:")), 0)
    except OSError:
        return 0


def _extractor(settings: Mapping[str, Any] | None) -> Any:
    if settings is None:
        return None
    fields = dict(settings)
    return _EXTRACTORS[fields.pop("name")](**fields)
