"""Builds the sample crawl from the texts beside it: four WARC files and the answer key `expected.jsonl`.

python -m tests.sample_crawl.build
"""

import base64
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.sample_crawl import markup, packing
from tests.sample_crawl.content import HERE, Page, read_pages, read_sites, share

NUM_FILES = 4

# What should become of a page of each kind when English prose of good quality is wanted.
OUTCOMES = {
    "article": ("kept", "a page worth reading"),
    "series": ("kept", "shares sentence frames with its siblings, but is a page of its own"),
    "contact_details": ("kept", "e-mail addresses and the public 8.8.4.4 to replace; 192.0.2.53 is reserved"),
    "near_duplicate": ("duplicate", "a word or two away from its original"),
    "exact_duplicate": ("duplicate", "the same text elsewhere, in another template"),
    "tracking": ("duplicate", "the same page under a tracking address"),
    "spam": ("rejected: quality", "keywords and phrases repeated"),
    "soft_404": ("rejected: quality", "says that there is no page, with status 200"),
    "list": ("rejected: quality", "links and nothing else; may fail as a language first"),
    "code": ("rejected: quality", "mostly source code with curly brackets; may fail as a language first"),
    "lorem_ipsum": ("rejected: quality", "filler text; may fail as a language first"),
    "short": ("rejected: quality", "too few words"),
    "layout_table": (
        "rejected: quality",
        "worth keeping, but its table layout comes out as one long row: a known loss",
    ),
    "damaged": ("unreadable", "its gzip member does not inflate"),
}


def build(output: Path) -> None:
    """Writes the WARC files and the answer key into `output`."""
    sites, pages = read_sites(), read_pages()
    captures = [(_capture(page, pages, sites), _row(page)) for page in pages]
    for entry in tomllib.loads((HERE / "others.toml").read_text(encoding="utf-8"))["response"]:
        place = int(share(entry["url"]) * len(captures))  # pushes what follows back, so copies stay after originals
        captures.insert(place, _other(entry))

    rows = []
    for number, part in enumerate(_split(captures, NUM_FILES)):
        name = f"sample-{number:05}-of-{NUM_FILES:05}.warc.gz"
        (output / name).write_bytes(packing.pack((capture for capture, _ in part), name=name))
        rows += [{**row, "file": name} for _, row in part]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (output / "expected.jsonl").write_text(lines, encoding="utf-8")


def _capture(page: Page, pages: Sequence[Page], sites: dict[str, dict[str, str]]) -> packing.Capture:
    date = f"{1 + int(28 * share(page.title)):02}.03.2024"
    in_header = markup.encoding(page)[0]
    return packing.Capture(
        url=page.url,
        payload=markup.render(page, _neighbours(page, pages), date=date),
        content_type=f"text/html; charset={in_header}" if in_header else "text/html",
        headers=(("Server", sites[page.host]["server"]), ("Cache-Control", "max-age=600")),
        charset=page.charset.upper(),
        damaged=page.kind == "damaged",
    )


def _neighbours(page: Page, pages: Sequence[Page], *, num_links: int = 6) -> list[Page]:
    """Other pages of the same site, which its related links point to; different ones on every page."""
    site = [other for other in pages if other.host == page.host and other.duplicate_of is None]
    site.sort(key=lambda other: share(page.url + other.url))
    return [other for other in site if other.url not in (page.url, page.duplicate_of)][:num_links]


def _row(page: Page) -> dict[str, str | None]:
    """The line of the answer key for a page; a page that is not English goes before its kind is looked at."""
    outcome, note = OUTCOMES[page.kind]
    if page.language != "en" and page.kind != "damaged":
        outcome, note = "rejected: language", "not English"
    if page.charset != "utf-8":
        note += f"; in {page.charset}, which only its {page.charset_in} says"
    return {
        "url": page.url,
        "host": page.host,
        "language": page.language,
        "kind": page.kind,
        "charset": page.charset,
        "duplicate_of": page.duplicate_of,
        "outcome": outcome,
        "note": note,
    }


def _other(entry: dict[str, str]) -> tuple[packing.Capture, dict[str, str | None]]:
    """A response that is no page: not HTML, or not status 200."""
    payload = base64.b64decode(entry["base64"]) if "base64" in entry else entry["text"].encode()
    headers = (("Location", entry["location"]),) if "location" in entry else ()
    capture = packing.Capture(entry["url"], payload, entry["type"], status=entry["status"], headers=headers)
    row = {
        "url": entry["url"],
        "host": entry["url"].split("/")[2],
        "language": None,
        "kind": entry["kind"],
        "charset": None,
        "duplicate_of": None,
        "outcome": "not a page",
        "note": f"status {entry['status']}, {entry['type']}",
    }
    return capture, row


def _split(captures: list, num_parts: int) -> list[list]:
    """Cuts the captures, in their order, into parts of about the same number of payload bytes."""
    total, done = sum(len(capture.payload) for capture, _ in captures), 0
    parts: list[list] = [[] for _ in range(num_parts)]
    for capture, row in captures:
        parts[done * num_parts // total].append((capture, row))
        done += len(capture.payload)
    return parts


if __name__ == "__main__":
    build(HERE)
