"""Pages made to break a parser, an extractor or a rule: each ends in its limits, and those around it are as ever."""

import random

import pyarrow.parquet as pq
import pytest

from curation import manifest
from curation.document import Page
from curation.extract import Extracted, Extractor, ExtractText, Trafilatura
from curation.recipe import of_source, read_source
from pipelines import curate
from tests import prose, warc_builder

pytestmark = pytest.mark.slow

CPU_SECONDS, RETRY_CPU_SECONDS = 0.5, 1.0
MAX_MEMORY = 1 << 30
MEBIBYTE = 1 << 20
LIMIT = 16 * MEBIBYTE  # of the reader, on payloads
PROSE = "".join(f"<p>{prose.text(number)}</p>" for number in (1001, 1002)).encode()


def page(body: bytes, head: bytes = b"<title>A page</title>") -> bytes:
    """A page that would be a document, were it not for what else it holds."""
    return b"<!DOCTYPE html><html><head>" + head + b"</head><body>" + PROSE + body + b"</body></html>"


def in_text(text: str) -> bytes:
    """A page whose main text is a trap for a rule."""
    return page(b"<p>" + text.encode() + b"</p>")


def lines(*texts: str) -> bytes:
    """A page of many short paragraphs."""
    return page("".join(f"<p>{text}</p>" for text in texts).encode())


def repeated(piece: bytes, size: int) -> bytes:
    """So many bytes of one piece."""
    return piece * (size // len(piece))


NESTED_ENTITIES = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 12))
HOSTILE: dict[str, bytes] = {
    # markup
    "deep div": page(b"<div>" * 100_000 + b"text" + b"</div>" * 100_000),
    "deep div, never closed": page(b"<div>" * 100_000),
    "misnested font and b": page(b"<font><b>text</font></b>" * 100_000),
    "misnested, never closed": page(b"<b><font><i><u>" * 25_000),
    "nested tables": page(b"<table><tr><td>" * 20_000),
    "nested lists": page(b"<ul><li>" * 50_000),
    "nested forms": page(b"<form><select><option>" * 30_000),
    "nested svg": page(b"<svg><g>" * 50_000 + b"<foreignObject><p>text"),
    "nested templates": page(b"<template>" * 50_000),
    "over 16 MiB of one tag": b"<html>" + repeated(b"<p>", 50 * MEBIBYTE),
    "15 MiB of one tag": b"<html>" + repeated(b"<p>", 15 * MEBIBYTE),
    "table cells": page(b"<table>" + b"<tr>" + b"<td>c</td>" * 100_000 + b"</table>"),
    "table rows": page(b"<table>" + b"<tr><td>c" * 100_000),
    "wide cells": page(b"<table><tr><td colspan=1000000000 rowspan=1000000000>c</table>" * 100),
    "nothing closed": page(b"<p><a href=x><em><span><li><td><h1>text" * 10_000),
    "only end tags": page(b"</p></div></a></br></table>" * 100_000),
    "a million attributes": page(b"<p " + b" ".join(b"a%d=1" % n for n in range(1_000_000)) + b">text</p>"),
    "one attribute a million times": page(b"<p " + b"a=1 " * 1_000_000 + b">text</p>"),
    "one attribute of 10 MB": page(b'<p class="' + b"x " * 5_000_000 + b'">text</p>'),
    "an attribute never closed": page(b'<p class="' + b"<p>text</p>" * 100_000),
    "a hundred thousand classes": page(b"".join(b'<p class="c%x" id="i%x">t</p>' % (n, n) for n in range(100_000))),
    "classes like those of menus": page(
        b"".join(b'<div class="nav-menu-%d share%d">t</div>' % (n, n) for n in range(50_000))
    ),
    "comments": page(b"<!-- " + b"-" * 2_000_000 + b" -->" + b"<!---->" * 200_000 + b"<!--" + b"x" * 1_000_000),
    "sections": page(b"<![CDATA[" * 100_000 + b"]]>" * 10 + b"<?xml" + b"?" * 1_000_000),
    "scripts that end late": page(b"<script>'<\\/script> </scrip <!--<script>" * 50_000 + b"</script>"),
    "scripts by the thousand": page(b"<script>x</script><style>y</style><noscript>z</noscript>" * 50_000),
    "plaintext": page(b"<plaintext>" + b"</plaintext><p>text" * 100_000),
    "a textarea never closed": page(b"<textarea>" + b"<p>text" * 100_000),
    "a title of megabytes": page(b"", b"<title>" + b"title " * 500_000 + b"</title>"),
    "link farm": page(b"".join(b'<a href="http://%d.example/">offer %d</a> ' % (n, n) for n in range(60_000))),
    "frames": page(b"<iframe src=x></iframe><object><embed><param>" * 30_000),
    "pictures": page(b'<img src="data:image/png;base64,' + b"A" * 4_000_000 + b'">' + b"<img src=x alt=y>" * 50_000),
    # entities
    "ampersands": page(b"&amp;" * 1_000_000),
    "faces": page(b"&#x1F600;" * 500_000),
    "entities without end": page(b"&amp" * 500_000 + b"&" * 500_000),
    "entities of no name": page(b"&nosuchentity;" * 200_000),
    "entities out of range": page(b"&#99999999999999999999;&#xD800;&#0;&#x110000;" * 50_000),
    "a billion laughs": b"<!DOCTYPE html ["
    + b'<!ENTITY e0 "laugh">'
    + NESTED_ENTITIES
    + b"]>"
    + page(b"<p>&e11;&e11;"),
    "an entity of a file": b'<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + page(b"<p>&x;&x;"),
    # bytes
    "zeros": page(b"\0" * 2_000_000),
    "zeros between": page(b"t\0e\0x\0t\0 " * 300_000),
    "utf-16 without a mark": page(b"").decode().encode("utf-16-le"),
    "utf-32": page(b"").decode().encode("utf-32"),
    "no utf-8": page(b"\xff\xfe\xc0\x80\xed\xa0\x80\xf8" * 200_000),
    "all bytes": page(random.Random(1).randbytes(1_000_000)),
    "escape sequences": page(b"\x1b$B\x1b(B\x1b$)C\x0e\x0f" * 200_000, b"<meta charset=iso-2022-jp>"),
    "many charsets": page(b"", b"<meta charset=utf-7><meta charset=x-user-defined>" * 30_000),
    # text
    "right to left": in_text("\u202e\u05d0\u05d1 \u202b\u0627\u0644 \u2067" * 100_000),
    "nothing to see": in_text("\u200b\u200c\u200d\ufeff\u2060" * 200_000),
    "marks upon marks": in_text("z" + "\u0300\u0489" * 500_000),
    "faces with joints": in_text("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 100_000),
    "brackets": in_text("[" * 1_000_000),
    "footnotes": in_text("[1" * 500_000),
    "footnotes with digits": in_text("[" + "1" * 1_000_000 + "[edit" * 1_000),
    "dots": in_text("." * 1_000_000),
    "dots and blanks": in_text(". " * 500_000),
    "ellipses": in_text("…" * 500_000),
    "quotes and stops": in_text(".\"')" * 250_000),
    "digits": in_text("1" * 1_000_000),
    "addresses of machines": in_text("1.1.1." * 200_000),
    "addresses of machines, nearly": in_text("255.255.255.256 " * 60_000),
    "dots between letters": in_text("a.a." * 250_000),
    "hyphens between letters": in_text("a-" * 500_000),
    "apostrophes": in_text("n't" * 300_000 + "'s" * 300_000),
    "at signs": in_text("a@a@" * 250_000),
    "an address without end": in_text("a" * 500_000 + "@" + "a." * 200_000),
    "addresses": in_text("a.b-c+d_e%f@" + "x-y." * 200_000 + "1"),
    "schemes": in_text("http://" * 150_000),
    "blanks": page(b"<pre>" + b" \n" * 500_000 + b"x</pre>"),
    "blanks and tabs": page(b"<pre>x" + b" \t" * 1_000_000 + b"\n</pre>"),
    "line breaks": page(b"<pre>" + b"x\n\n\n\n" * 250_000 + b"</pre>"),
    "other line breaks": in_text("x\u2028\u2029\x0b\x0c\x1c\x85" * 100_000),
    "a word of megabytes": in_text("x" * 3_000_000),
    "a line of 3.9 MB": in_text("The river is a word. " * 190_000),
    "a quarter of a million short lines": lines(*["ab"] * 250_000),
    "lines all different": lines(*(f"line {number}" for number in range(150_000))),
    "one word": in_text("the " * 900_000),
    "words all different": in_text(" ".join(f"w{number:x}" for number in range(400_000))),
    "brackets of code": in_text("{" * 1_000_000),
    "bars": in_text("| " * 400_000),
    "bullets": lines(*["• x"] * 100_000),
    "hashes": in_text("# " * 400_000),
    "lorem ipsum": in_text("lorem ipsu " * 100_000),
    "javascript": lines(*["javascrip cookie"] * 50_000),
}
RECIPE = f"""cpu_seconds={CPU_SECONDS}, retry_cpu_seconds={RETRY_CPU_SECONDS}, max_memory={MAX_MEMORY}"""
FAULTS = {"timeout", "crashed", "out_of_memory", "too_much_text", "failed"}
BUILT_IN = {"read", "response", "SeenPayload", "FirstLook", "ExtractText", "KeepLanguage"}


def curated(folder, payloads):
    """Every page's row, by URL, of a corpus of these pages."""
    folder.mkdir()
    _, recipe = read_source("fineweb")
    recipe = recipe.replace("fast=True))", f"fast=True), {RECIPE})")
    assert of_source("short.py", recipe).extraction[0].cpu_seconds == CPU_SECONDS
    (folder / "short.py").write_text(recipe)
    records = [warc_builder.response(payload, url=url, content_type="text/html") for url, payload in payloads.items()]
    members = [warc_builder.member(record, level=1) for record in records]
    half = len(members) // 4 * 2  # a hostile page and the good one behind it stay together
    for name, some in (("a", members[:half]), ("b", members[half:])):
        (folder / f"{name}.warc.gz").write_bytes(b"".join(some))
    flags = ["--input", f"{folder}/*.warc.gz", "--output", f"{folder}/out", "--recipe", f"{folder}/short.py"]
    assert curate.main([*flags, "--workers", "2", "--vocab-size", "300"]) == 0
    documents = pq.read_table(folder / "out/filtered").to_pylist()
    rejected = pq.read_table(folder / "out/rejected").to_pylist()
    ledger = manifest.load(str(folder / "out")).ledger
    assert ledger["read"] == len(payloads)
    return {row["url"]: row for row in [*rejected, *documents]}


def url(name):
    return f"http://{name.replace(' ', '-').replace(',', '')}.example/"


def good(number):
    return f"http://good{number}.example/", prose.page(prose.text(number))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """What became of each page: hostile ones, with a good one behind each."""
    payloads = {}
    for number, (name, payload) in enumerate(HOSTILE.items()):
        payloads |= {url(name): payload, **dict([good(number)])}
    return curated(tmp_path_factory.mktemp("hostile") / "run", payloads)


@pytest.fixture(scope="module")
def rows_alone(tmp_path_factory):
    """What becomes of the good pages where there are no others."""
    return curated(tmp_path_factory.mktemp("good") / "run", dict(map(good, range(len(HOSTILE)))))


@pytest.mark.parametrize("name", HOSTILE)
def test_each_is_a_document_or_has_a_named_reason(rows, name):
    row = rows[url(name)]
    if "text" in row:
        assert row["text"].encode().decode() == row["text"] != ""
        return
    assert row["step"] and row["reason"]
    if row["reason"] == "timeout":
        assert row["value"] == RETRY_CPU_SECONDS  # and not the wall's: what ended was busy
        assert row["evidence"] == f"no text after {RETRY_CPU_SECONDS:g} s of CPU"
    if row["reason"] == "out_of_memory":
        assert MAX_MEMORY // 4 < row["value"] <= MAX_MEMORY
    if row["reason"] == "crashed":
        assert row["value"] < 0  # by a signal, and no exception that nobody caught
    assert row["step"] in BUILT_IN or row["reason"] not in FAULTS or row["reason"] == "timeout"


def test_the_reader_has_a_limit_of_its_own(rows):
    row = rows[url("over 16 MiB of one tag")]
    assert (row["step"], row["reason"], row["evidence"]) == ("read", "too_large", f"more than {LIMIT} bytes")


def test_no_file_of_this_machine_reaches_a_text(rows):
    with open("/etc/hostname") as file:
        hostname = file.read().strip()
    row = rows[url("an entity of a file")]
    assert hostname not in row.get("text", "")


def test_pages_around_them_are_as_they_are_without(rows, rows_alone):
    def told(row):
        return {name: value for name, value in row.items() if name not in ("id", "warc", "offset", "length")}

    for number in range(len(HOSTILE)):
        address, _ = good(number)
        assert told(rows[address]) == told(rows_alone[address])
        assert rows[address]["text"]


def test_one_tag_of_any_size_ends_in_the_extractor_too():
    """The reader's limit is not the only one."""
    settings = ExtractText(Trafilatura("precision"), cpu_seconds=0.5, retry_cpu_seconds=1.0)
    with Extractor(settings) as extractor:
        for payload in (HOSTILE["over 16 MiB of one tag"], HOSTILE["15 MiB of one tag"], b"<" * LIMIT, b"\0" * LIMIT):
            found = extractor.extract(_bare(payload))
            assert found.reason in ("no_text", "timeout", "out_of_memory", "too_much_text")
        assert isinstance(extractor.extract(_bare(page(b""))), Extracted)


def _bare(payload):
    return Page("a@0", "http://a/", None, "a", 0, 1, 200, "text/html", "", payload, "")
