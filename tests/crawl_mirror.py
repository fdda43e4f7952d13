"""Builds a small crawl laid out as on data.commoncrawl.org: archives, paths lists and columnar index."""

import dataclasses
import datetime
import gzip
import itertools
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests import warc_builder

NAME = "CC-MAIN-2024-51"
SEGMENTS = ("1733066035857.0", "1733066036176.4")
DATE = datetime.datetime(2024, 12, 1, 16, 20, 23, tzinfo=datetime.UTC)
SCHEMA = pa.schema(
    [
        ("url_surtkey", pa.string()),
        ("url", pa.string()),
        ("url_host_name", pa.string()),
        ("url_host_tld", pa.string()),
        ("url_host_2nd_last_part", pa.string()),
        ("url_host_3rd_last_part", pa.string()),
        ("url_host_4th_last_part", pa.string()),
        ("url_host_5th_last_part", pa.string()),
        ("url_host_registry_suffix", pa.string()),
        ("url_host_registered_domain", pa.string()),
        ("url_host_private_suffix", pa.string()),
        ("url_host_private_domain", pa.string()),
        ("url_host_name_reversed", pa.string()),
        ("url_protocol", pa.string()),
        ("url_port", pa.int32()),
        ("url_path", pa.string()),
        ("url_query", pa.string()),
        ("fetch_time", pa.timestamp("ms", "UTC")),
        ("fetch_status", pa.int16()),
        ("fetch_redirect", pa.string()),
        ("content_digest", pa.string()),
        ("content_mime_type", pa.string()),
        ("content_mime_detected", pa.string()),
        ("content_charset", pa.string()),
        ("content_languages", pa.string()),
        ("content_truncated", pa.string()),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int32()),
        ("warc_record_length", pa.int32()),
        ("warc_segment", pa.string()),
    ]
)

Row = dict[str, Any]  # of the index, by column


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that was fetched with status 200, as the archives and the index know it."""

    url: str
    payload: bytes = b"<p>A page.</p>"
    text: str = "A page."  # as in the WET archive
    languages: str | None = "eng"  # most probable first, comma-separated
    mime: str = "text/html"


def build(
    folder: Path, archives: Sequence[Sequence[Page]], *, name: str = NAME, rows_per_group: int = 4, num_files: int = 2
) -> list[Row]:
    """Writes a crawl of these archives, spread over the segments, and returns the rows of its index, sorted."""
    per_segment = -(-len(archives) // len(SEGMENTS))
    paths, rows = [], []
    for number, pages in enumerate(archives):
        path = archive_path(number % per_segment, segment=SEGMENTS[number // per_segment], name=name)
        paths.append(path)
        rows += _write_warc(folder, path, pages)
        _write(folder / wet_path(path), warc_builder.archive(_wet_records(pages)))
    write_list(folder, "warc", paths, name=name)
    write_list(folder, "wet", [wet_path(path) for path in paths], name=name)
    write_list(folder, "segment", [f"crawl-data/{name}/segments/{segment}/" for segment in SEGMENTS], name=name)
    rows.sort(key=lambda row: row["url_surtkey"])
    cuts = [len(rows) * number // num_files for number in range(num_files + 1)]
    write_index(folder, [rows[a:b] for a, b in itertools.pairwise(cuts)], name=name, rows_per_group=rows_per_group)
    return rows


def archive_path(number: int, *, segment: str = SEGMENTS[0], name: str = NAME) -> str:
    """Where the archive of this number lies in its segment, below the base."""
    hour = 10 + int(segment[9])  # each segment has a time of its own, so that no two archives share a name
    return (
        f"crawl-data/{name}/segments/{segment}/warc/CC-MAIN-20241201{hour}2023-20241201{hour}5023-{number:05d}.warc.gz"
    )


def wet_path(path: str) -> str:
    """Where the extracted text of an archive lies."""
    return path.replace("/warc/", "/wet/").replace(".warc.gz", ".warc.wet.gz")


def write_list(folder: Path, kind: str, paths: Sequence[str], *, name: str = NAME) -> Path:
    """Writes a list of paths, such as warc.paths.gz."""
    text = "".join(f"{path}\n" for path in paths)
    return _write(folder / f"crawl-data/{name}/{kind}.paths.gz", gzip.compress(text.encode(), mtime=0))


def write_index(
    folder: Path, files: Sequence[Sequence[Row]], *, name: str = NAME, rows_per_group: int = 4, **options: Any
) -> list[Path]:
    """Writes index files of pages and the list that names them, between files of the subsets that hold no pages.

    `options` go to Parquet's writer. Those subsets get the same rows, in archives of their own.
    """
    written, paths = [], []
    for subset in ("crawldiagnostics", "robotstxt", "warc"):
        for number, rows in enumerate(files):
            path = (
                f"cc-index/table/cc-main/warc/crawl={name}/subset={subset}/"
                f"part-{number:05d}-b5ddf469-bf28-43c4-9c36-5b5ccc3b2bf1.c000.gz.parquet"
            )
            if subset != "warc":
                rows = [row | {"warc_filename": f"crawl-data/{name}/{subset}/{number}.warc.gz"} for row in rows]
            write_table(folder / path, pa.Table.from_pylist(list(rows), SCHEMA), rows_per_group, **options)
            paths.append(path)
            written += [folder / path] if subset == "warc" else []
    write_list(folder, "cc-index-table", paths, name=name)
    return written


def write_table(path: Path, table: pa.Table, rows_per_group: int = 4, **options: Any) -> None:
    """Writes one index file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows_per_group, compression="gzip", **options)


def row(url: str, path: str | None, offset: int | None, length: int | None, **columns: Any) -> Row:
    """A row of the index: an English page of HTML unless `columns` say otherwise."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    labels = [*reversed(host.split(".")), *[None] * 5]
    domain = ".".join(host.split(".")[-2:])
    return {
        "url_surtkey": surtkey(url),
        "url": url,
        "url_host_name": host,
        "url_host_tld": labels[0],
        "url_host_2nd_last_part": labels[1],
        "url_host_3rd_last_part": labels[2],
        "url_host_4th_last_part": labels[3],
        "url_host_5th_last_part": labels[4],
        "url_host_registry_suffix": labels[0],
        "url_host_registered_domain": domain,
        "url_host_private_suffix": labels[0],
        "url_host_private_domain": domain,
        "url_host_name_reversed": ".".join(reversed(host.split("."))),
        "url_protocol": parts.scheme,
        "url_port": parts.port,
        "url_path": parts.path,
        "url_query": parts.query or None,
        "fetch_time": DATE,
        "fetch_status": 200,
        "content_digest": "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ",
        "content_mime_type": "text/html",
        "content_mime_detected": "text/html",
        "content_charset": "UTF-8",
        "content_languages": "eng",
        "warc_filename": path,
        "warc_record_offset": offset,
        "warc_record_length": length,
        "warc_segment": SEGMENTS[0],
    } | columns


def surtkey(url: str) -> str:
    """The sort key of a URL: its host from the top down without `www.`, port, path and query, in small letters."""
    parts = urllib.parse.urlsplit(url.lower())
    labels = re.sub(r"^www\d*\.", "", parts.hostname or "").split(".")
    port = f":{parts.port}" if parts.port else ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{','.join(reversed(labels))}{port}){parts.path or '/'}{query}"


def _write_warc(folder: Path, path: str, pages: Sequence[Page]) -> Iterator[Row]:
    """Each page as a request, a response and metadata, as Common Crawl writes them; the index knows the response."""
    records = [warc_builder.warcinfo()]
    for page in pages:
        response = warc_builder.response(page.payload, url=page.url, content_type=page.mime)
        records += [warc_builder.request(page.url), response, warc_builder.metadata(page.url)]
    _write(folder / path, warc_builder.archive(records))
    starts = warc_builder.starts(records)
    segment = path.split("/segments/")[1].split("/")[0]
    for page, at in zip(pages, range(2, len(records), 3), strict=True):
        columns = {"content_languages": page.languages, "content_mime_detected": page.mime, "warc_segment": segment}
        yield row(page.url, path, starts[at], starts[at + 1] - starts[at], content_mime_type=page.mime, **columns)


def _wet_records(pages: Sequence[Page]) -> list[bytes]:
    records = [warc_builder.warcinfo()]
    for page in pages:
        language = [("WARC-Identified-Content-Language", page.languages)] if page.languages else []
        headers = [*language, ("Content-Type", "text/plain")]
        records.append(warc_builder.record("conversion", page.text.encode(), url=page.url, headers=headers))
    return records


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
