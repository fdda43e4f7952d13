"""What flows through a recipe: a page comes in, and leaves as a document or as a rejection."""

import dataclasses
import datetime
from collections.abc import Mapping

import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Page:
    """One response record of a crawl, before its text is known."""

    id: str  # <warc file name>@<offset>
    url: str
    date: datetime.datetime | None  # of the capture, UTC
    warc: str  # path of the archive as it was given
    offset: int  # bytes, where the record starts in the archive
    length: int  # bytes the record takes in the archive, compressed where the archive is
    status: int  # HTTP
    media_type: str  # lower case, without parameters; empty where the server sent none
    http_charset: str  # as the Content-Type header spells it; empty where it names none
    payload: bytes  # after transfer and content encoding
    digest: str  # sha1:<base32> of the payload
    is_text: bool = False  # the payload is text that somebody else extracted, as in WET archives
    truncated: str = (
        ""  # why the crawler cut the payload, as it says (length, time, disconnect); empty where it did not
    )
    headers: tuple[tuple[str, str], ...] = ()  # those of HTTP that `opt_outs` reads, names in lower case


@dataclasses.dataclass(frozen=True)
class Document:
    """A page's text with its provenance and what was measured on it."""

    id: str
    url: str
    date: datetime.datetime | None
    text: str
    language: str  # the model's label, such as "en"; empty where no step identified it
    language_score: float
    warc: str
    offset: int
    length: int
    digest: str
    charset: str  # what the page was decoded with, as the encoding standard names it
    signals: Mapping[str, float]
    copies: int = 1  # documents in its duplicate cluster, itself included
    licence: str = ""  # that the page names for itself, such as cc-by-4.0; empty where none was looked for or found


@dataclasses.dataclass(frozen=True)
class Rejection:
    """Why a page is not a document, with enough to replay the decision from the crawl."""

    id: str
    url: str
    warc: str
    offset: int
    length: int
    step: str
    reason: str
    value: float | None = None  # the number that decided
    evidence: str | None = None  # the document it duplicates, the matched word, the exception

    @classmethod
    def of(
        cls, document: Document, *, step: str, reason: str, value: float | None = None, evidence: str | None = None
    ) -> "Rejection":
        """The rejection of a document."""
        where = {name: getattr(document, name) for name in ("id", "url", "warc", "offset", "length")}
        return cls(**where, step=step, reason=reason, value=value, evidence=evidence)


@dataclasses.dataclass(frozen=True)
class Cut:
    """A stretch of a document's text that a step took out, with what it was taken out for."""

    id: str  # of the document
    url: str
    step: str
    start: int  # characters, in the text as it reached the step
    stop: int
    text: str  # what was cut, its first 500 characters
    evidence: str  # the document that keeps the copy, or the evaluation item that it matches

    @classmethod
    def of(cls, document: Document, *, step: str, start: int, stop: int, evidence: str) -> "Cut":
        """A cut out of a document whose text is as it reached the step."""
        text = document.text[start : min(stop, start + _SHOWN)]
        return cls(document.id, document.url, step, start, stop, text, evidence)


_SHOWN = 500  # characters of what was cut

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("date", pa.timestamp("ms", tz="UTC")),
        ("text", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("warc", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("digest", pa.string()),
        ("charset", pa.string()),
        ("signals", pa.map_(pa.string(), pa.float64())),  # what was decided on, so that it can be decided again
        ("copies", pa.int32()),
        ("licence", pa.string()),
    ]
)

REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("warc", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("step", pa.string()),
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("evidence", pa.string()),
    ]
)

CUTS = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("step", pa.string()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("text", pa.string()),
        ("evidence", pa.string()),
    ]
)
