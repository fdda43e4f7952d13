"""What a child answers where the first extractor raises."""

import pytest

from curation import page_text
from curation.extraction.settings import Trafilatura

SETUP = {
    "max_reply": 1000,
    "max_memory": 1 << 50,
    "extractor": {"name": "Trafilatura", "focus": "recall"},
    "second": {"name": "Resiliparse"},
    "first_look": None,
    "opt_outs": None,
    "recipe": None,
}
REQUEST = {"http_charset": "utf-8", "is_text": False, "use_second": False, "url": "", "headers": []}


@pytest.mark.parametrize("second, text", [("The second found this.", "The second found this."), ("", None)])
def test_what_the_first_raised_is_named_where_the_second_finds_nothing(monkeypatch, second, text):
    def main_text(_, extractor):
        if isinstance(extractor, Trafilatura):
            raise ZeroDivisionError("the first")
        return second

    monkeypatch.setattr(page_text.main_text, "main_text", main_text)
    header, body = page_text.Answerer(SETUP, bytearray(1)).answer(REQUEST, b"<p>A page</p>")
    if text:
        assert (header["second"], body.decode()) == (True, text)
    else:
        assert (header, body) == ({"fault": "failed", "evidence": "ZeroDivisionError('the first')"}, b"")
