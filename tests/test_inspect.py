import dataclasses
import functools
import http.server
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from curation import inspection, storage, trace
from curation import recipe as recipes
from pipelines import inspect
from tests.conftest import SAMPLE
from tests.warc_builder import archive, member, metadata, record, request, response, starts, warcinfo

ROOT = Path(__file__).parent.parent
ENGLISH = "The council promised him a new boat before the winter, and it kept its word three years later."
HTML = f"<html><title>Boats</title><body><article><p>{ENGLISH}</p></article></body></html>".encode()
RECIPE = """
import dataclasses
from curation.dedup.exact import ExactDuplicates
from curation.extract import ExtractText
from curation.language import KeepLanguage
from curation.recipe import Recipe

@dataclasses.dataclass(frozen=True)
class NumBoats:
    least: int = 1

    def measure(self, text):
        return {"num_boats": text.content.count("boat") / 3}

    def reason(self, signals):
        return ("too_few_boats", "num_boats") if signals["num_boats"] * 3 < self.least else None

@dataclasses.dataclass(frozen=True)
class Shout:
    def edit(self, text):
        return text.content.replace("boat", "BOATS")

STEPS = (ExtractText(), KeepLanguage("LANGUAGE", 0.5), NumBoats(LEAST), ExactDuplicates(), Shout())
RECIPE = Recipe("boats", "nowhere", STEPS)
"""
HOSTILE = "\x1b[2J\x1b]0;title\x07\u202eevil\u2066\x9b1m\x7f"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, so that paths are printed as they are here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, content, name="a.warc.gz"):
    (folder / name).write_bytes(content)
    return name


def recipe(folder, language="en", least=1):
    text = RECIPE.replace("LANGUAGE", language).replace("LEAST", str(least))
    (folder / "boats.py").write_text(text)
    return ["--recipe", "boats.py"]


def run(capsys, *argv):
    status = inspect.main([str(word) for word in argv])
    found = capsys.readouterr()
    return status, found.out, found.err


def refused(capsys, *argv):
    """What a command line that makes no sense is told."""
    with pytest.raises(SystemExit) as end:
        inspect.main([str(word) for word in argv])
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("python -m pipelines.inspect: error: ")


def everything():
    """An archive with a record of every kind, and the offset of its damage."""
    records = [
        warcinfo(),
        request(),
        response(HTML),
        metadata(),
        response(b"{}", content_type="application/json", headers=[("WARC-Truncated", "length")]),
        response(HTML, status="HTTP/1.1 404 Not Found"),
        record("revisit", url="http://example.org/"),
    ]
    broken = member(response(HTML))
    return archive(records) + broken[:-8] + bytes(8), starts(records)[-1], len(broken)


def test_the_table_of_an_archive_with_everything(folder, capsys):
    content, offset, length = everything()
    path = write(folder, content)
    table = f"""\
a.warc.gz: gzip, {len(content):,} bytes
records 7, pages 3, of these HTML or text 1, of these with language 1
format      WARC/1.0                        7  100.0%
type        response                        3   42.9%
type        metadata                        1   14.3%
type        request                         1   14.3%
type        revisit                         1   14.3%
type        warcinfo                        1   14.3%
status      200                             2   66.7%
status      404                             1   33.3%
media type  text/html                       2   66.7%
media type  application/json                1   33.3%
charset     utf-8                           1  100.0%
language    en                              1  100.0%
truncated   length                          1  100.0%
rejected    damaged_record                  1   50.0%
rejected    revisit                         1   50.0%
payload     count                           3
payload     total, bytes                  334
payload     min, bytes                      2
payload     median, bytes                 166
payload     p90, bytes                    166
payload     p99, bytes                    166
payload     max, bytes                    166
damage      places                          1
damage      bytes                         {length}
         offset           length  reason            evidence
           {offset:>4}              {length}  damaged_record    Error -3 while decompressing data: incorrect data check

"""
    assert run(capsys, path) == (0, table, "")


def test_several_files_have_a_table_each_and_a_total(folder, capsys):
    write(folder, archive([warcinfo(), response(HTML)]), "b.warc.gz")
    write(folder, archive([warcinfo(), response(HTML)], gzipped=False), "a.warc")
    status, out, _ = run(capsys, "b.warc.gz", "*.warc*")
    tables = out.split("\n\n")
    assert status == 0
    assert [table.split(": ")[0] for table in tables[:-1]] == ["b.warc.gz", "a.warc", "total of 2 files"]
    assert tables[2].splitlines()[0].split(", ")[:2] == ["total of 2 files: gzip", "plain"]
    assert tables[2].splitlines()[2:5] == [
        "format      WARC/1.0                     4  100.0%",
        "type        response                     2   50.0%",
        "type        warcinfo                     2   50.0%",
    ]


def test_json_has_one_line_a_file_with_the_documented_keys(folder, capsys):
    content, offset, length = everything()
    write(folder, content, "a.warc.gz")
    write(folder, archive([warcinfo()]), "b.warc.gz")
    status, out, _ = run(capsys, "*.gz", "--json", "--sample", 0)
    first, second = map(json.loads, out.splitlines())
    assert (status, first["path"], second["path"]) == (0, "a.warc.gz", "b.warc.gz")
    assert list(first) == [field.name for field in dataclasses.fields(inspection.Inspection)]
    assert first["types"] == {"response": 3, "metadata": 1, "request": 1, "revisit": 1, "warcinfo": 1}
    assert first["payload"] == {"count": 3, "total": 334, "min": 2, "median": 166, "p90": 166, "p99": 166, "max": 166}
    evidence = "Error -3 while decompressing data: incorrect data check"
    place = {"offset": offset, "length": length, "reason": "damaged_record", "evidence": evidence}
    assert (first["damaged"], first["damage"]) == (1, [place])
    assert (first["sampled"], first["languages"]) == (0, {})


def test_damage_beyond_the_first_twenty_places_is_for_json(folder, capsys):
    path = write(folder, archive([warcinfo()]) + (b"garbage, no member" + archive([warcinfo()])) * 23)
    _, out, _ = run(capsys, path)
    assert len(re.findall(r"^ +\d+ +18  not_a_record      b'garbage, no member", out, re.MULTILINE)) == 20
    assert "\n… and 3 more; --json lists the first 23\n" in out
    assert len(json.loads(run(capsys, path, "--json")[1])["damage"]) == 23


def test_the_output_is_the_same_each_time(capsys):
    path = sorted(SAMPLE.glob("*.warc.gz"))[0]
    first = run(capsys, path, "--sample", 20)
    assert first == run(capsys, path, "--sample", 20)
    assert sum(map(int, re.findall(r"^language\D+(\d+)", first[1], re.MULTILINE))) == 20


NO_UTF8 = b"\xed\xa0\x80\xff"


def hostile(more=b""):
    """Records whose every field tries to reach the terminal."""
    text = HOSTILE.encode() + more
    page = response(HTML + text, content_type="text/HOSTILE", headers=[("X", "HOSTILE"), ("WARC-Truncated", "HOSTILE")])
    types = record("HOSTILE\n not a line", b"block HOSTILE")
    records = [each.replace(b"HOSTILE", text) for each in (page, types)]
    long = response(HTML, http_headers=[("X-Long", "x" * (1 << 20))], url="http://example.org/a\n| b")
    return [*(re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % _block(each), each) for each in records), long]


def _block(content):
    return len(content.split(b"\r\n\r\n", 1)[1]) - 4


@pytest.mark.parametrize(
    "more, shown",
    [
        (b"", "\\x1b[2J\\x1b]0;title\\x07\\u202eevil\\u2066"),
        (NO_UTF8, "\\x1b[2J\\x1b]0;title\\x07â\\x80®evil"),
    ],
    ids=["utf-8", "no utf-8"],
)
def test_nothing_that_a_crawl_holds_reaches_the_terminal_raw(folder, capsys, more, shown):
    records = hostile(more)
    path = write(folder, archive(records) + b"\x1b[2J" + b"garbage")
    outputs = [run(capsys, path), run(capsys, path, "--json")]
    for offset in starts(records):
        for flags in ([], ["--full", "--json"]):
            outputs.append(run(capsys, path, "--record", offset, *recipe(folder), *flags))
    assert [status for status, _, _ in outputs] == [0] * len(outputs)
    for _, out, err in outputs:
        assert all(character.isprintable() or character == "\n" for character in out + err)
    assert shown in outputs[0][1]
    assert json.loads(outputs[1][1])["records"] == 3


def test_a_header_of_a_mebibyte_is_cut_unless_all_is_asked_for(folder, capsys):
    records = hostile()
    path, offset = write(folder, archive(records)), starts(records)[2]
    flags = [path, "--record", offset, *recipe(folder)]
    _, out, _ = run(capsys, *flags)
    assert len(out) < 20_000 and re.search(r"^… [\d,]+ more characters; --full shows all$", out, re.MULTILINE)
    _, out, _ = run(capsys, *flags, "--full")
    assert 60_000 < len(out) < 80_000


def test_json_of_hostile_bytes_is_ascii_that_every_parser_takes(folder, capsys):
    records = hostile(NO_UTF8)
    path = write(folder, archive(records))
    for argv in ([], *(["--record", offset, *recipe(folder)] for offset in starts(records)[:3])):
        _, out, _ = run(capsys, path, "--json", *argv)
        found = json.loads(out, parse_constant=lambda name: pytest.fail(name))
        json.dumps(found, ensure_ascii=False).encode()  # no half of a surrogate pair
        assert (out.isascii(), out.count("\n")) == (True, 1)


def test_json_has_no_numbers_that_json_lacks(folder, capsys):
    path = write(folder, archive([response(HTML)]))
    flags = recipe(folder)
    source = (folder / "boats.py").read_text()
    (folder / "boats.py").write_text(source.replace('text.content.count("boat") / 3', 'float("nan")'))
    out = run(capsys, path, "--json", "--record", 0, *flags)[1]
    found = json.loads(out, parse_constant=lambda name: pytest.fail(name))
    assert found["steps"][4]["signals"] == {"num_boats": None}


def test_a_file_name_that_is_no_text_is_escaped(folder, capsys):
    path = write(folder, archive([warcinfo()]), "a\udcff\u202e.warc.gz")
    assert run(capsys, path)[1].startswith("a\\udcff\\u202e.warc.gz: gzip, ")
    assert json.loads(run(capsys, path, "--json")[1])["path"] == "a?\u202e.warc.gz"


def test_a_page_through_every_step(folder, capsys):
    records = [warcinfo(), response(HTML, headers=[("WARC-Truncated", "length")])]
    path, offset = write(folder, archive(records)), starts(records)[1]
    length, block = len(member(records[1])), len(records[1].rstrip(b"\r\n"))
    header, message = records[1].decode().split("\r\n\r\n")[:2]
    status, out, _ = run(capsys, path, "--record", offset, *recipe(folder))
    score = re.search(r"KeepLanguage +kept +en, (\S+)\n", out)[1]
    assert 0.5 < float(score) <= 1.0001
    lines = [
        f"a.warc.gz@{offset}: response, {length} bytes, {block} bytes inflated",
        *("| " + line for line in header.split("\r\n")),
        "",
        *("| " + line for line in message.split("\r\n")),
        "",
        "payload: 166 bytes, cut by the crawler (length), sha1:" + re.search("sha1:(.*)", out)[1],
        "status 200, media type text/html, charset utf-8",
        "",
        "read                kept",
        "response            kept",
        "ExtractText         kept       0 to 94 characters",
        f"| {ENGLISH}",
        f"KeepLanguage        kept       en, {score}",
        "NumBoats            kept       num_boats 0.3333",
        "ExactDuplicates     not run",
        "Shout               edited     94 to 95 characters",
        "",
        "a document, if it duplicates no other",
        f"| {ENGLISH.replace('boat', 'BOATS')}",
    ]
    assert (status, out.splitlines()) == (0, lines)


def test_a_page_that_a_step_rejects(folder, capsys):
    path = write(folder, archive([response(HTML)]))
    _, out, _ = run(capsys, path, "--record", 0, *recipe(folder, least=2))
    assert out.splitlines()[-4:] == [
        "NumBoats            rejected   too_few_boats, num_boats, 0.333333, num_boats 0.3333",
        "",
        "rejected by NumBoats: too_few_boats",
        f"| {ENGLISH}",
    ]


def test_the_language_of_the_run_can_be_given(folder, capsys):
    path = write(folder, archive([response(HTML)]))
    _, out, _ = run(capsys, path, "--record", 0, *recipe(folder), "--language", "de")
    assert "\nrejected by KeepLanguage: other_language\n" in out


def test_a_first_look_shows_its_score(folder, capsys):
    page = HTML.replace(b"</article>", b"<p>" + ENGLISH.encode() + b"</p><p>" + ENGLISH.encode() + b"</p></article>")
    path = write(folder, archive([response(page)]))
    _, out, _ = run(capsys, path, "--record", 0)  # the FineWeb recipe
    assert re.search(r"^FirstLook           kept       en, 0\.9\d+$", out, re.MULTILINE)
    assert re.search(r"^rejected by GopherRepetition: \w+$", out, re.MULTILINE)


def test_a_first_look_that_rejects_shows_its_number(folder, capsys):
    path = write(folder, archive([response(HTML)]))
    _, out, _ = run(capsys, path, "--record", 0)
    assert "\nFirstLook           rejected   too_few_words, of the whole page, 20\n" in out
    assert "\nrejected by FirstLook: too_few_words\n" in out


def test_a_record_as_json(folder, capsys):
    path = write(folder, archive([response(HTML)]))
    found = json.loads(run(capsys, path, "--record", 0, "--json", *recipe(folder))[1])
    assert list(found) == [field.name for field in dataclasses.fields(trace.RecordTrace)] + ["characters"]
    assert (found["type"], found["outcome"], found["charset"]) == ("response", "document", "utf-8")
    assert (found["extracted"], found["text"]) == (ENGLISH, ENGLISH.replace("boat", "BOATS"))
    assert found["page"]["payload"] == 166 and found["page"]["date"] == "2024-05-06T07:08:09+00:00"
    names = ["read", "response", "ExtractText", "KeepLanguage", "NumBoats", "ExactDuplicates", "Shout"]
    assert [step["step"] for step in found["steps"]] == names
    assert found["steps"][-1] == {
        "step": "Shout",
        "verdict": "edited",
        "reason": None,
        "value": None,
        "evidence": None,
        "characters": [94, 95],
        "signals": {},
    }
    assert found["characters"]["text"] == 95


def test_a_long_text_is_cut_unless_all_is_asked_for(folder, capsys):
    text = " ".join(f"Sentence {number} of a long text about a boat." for number in range(100))
    path = write(folder, archive([response(f"<html><body><article><p>{text}</p></article>".encode())]))
    flags = [path, "--record", 0, *recipe(folder)]
    size = len(text) + 100
    cut, full = run(capsys, *flags)[1].splitlines(), run(capsys, *flags, "--full")[1].splitlines()
    assert (len(cut[-2]), cut[-1]) == (2002, f"… {size - 2000:,} more characters; --full shows all")
    assert full[-1] == f"| {text.replace('boat', 'BOATS')}"
    as_json = [json.loads(run(capsys, *flags, "--json", *more)[1]) for more in ([], ["--full"])]
    assert [(len(found["text"]), found["characters"]["text"]) for found in as_json] == [(2000, size), (size, size)]


@pytest.mark.parametrize(
    "content, read, end",
    [
        (warcinfo(), "skipped    warcinfo", "no page: a record of type warcinfo"),
        (record("response", b"no HTTP"), "rejected   no_http_header, b'no HTTP'", "rejected by read: no_http_header"),
        (
            record("revisit", headers=[("WARC-Refers-To-Target-URI", "http://a/")]),
            "rejected   revisit, http://a/ None",
            "rejected by read: revisit",
        ),
    ],
)
def test_a_record_that_is_no_page_says_what_it_is(folder, capsys, content, read, end):
    path = write(folder, archive([content]))
    status, out, _ = run(capsys, path, "--record", 0)
    assert (status, out.splitlines()[-3:]) == (0, [f"read                {read}", "", end])
    found = json.loads(run(capsys, path, "--record", 0, "--json")[1])
    assert (found["page"], found["text"]) == (None, None)


def test_what_a_record_that_is_no_page_holds_is_shown(folder, capsys):
    path = write(folder, archive([warcinfo()]))
    assert "\n\n| software: tests/warc_builder.py\n\nread " in run(capsys, path, "--record", 0)[1]


def test_records_of_a_shared_member_are_shown(folder, capsys):
    path = write(folder, member(warcinfo() + response(HTML) + metadata()))
    assert "\nrecords 3 (3 in shared members), pages 1, " in run(capsys, path)[1]
    first = [run(capsys, path, "--record", place, *recipe(folder))[1].splitlines()[0] for place in range(3)]
    assert [line.rpartition(", ")[0] for line in first] == [
        "a.warc.gz@0: warcinfo, in a shared member",
        "a.warc.gz@1: response, in a shared member",
        "a.warc.gz@2: metadata, in a shared member",
    ]


def test_text_of_an_archive_of_text_goes_through_the_rules(folder, capsys):
    path = write(folder, archive([record("conversion", ENGLISH.encode(), url="http://a/")]), "a.warc.wet.gz")
    out = run(capsys, path, "--record", 0, *recipe(folder))[1].splitlines()
    assert out[out.index("read                kept") + 1] == "response            kept       0 to 94 characters"
    assert out[-1] == f"| {ENGLISH.replace('boat', 'BOATS')}"
    as_warc = run(capsys, path, "--record", 0, "--format", "warc")[1]
    assert as_warc.endswith("no page: a record of type conversion\n")


def test_an_archive_on_the_web(folder, capsys):
    write(folder, archive([warcinfo(), response(HTML)]))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/a.warc.gz"
        status, out, _ = run(capsys, url)
        local = run(capsys, "a.warc.gz")[1]
    finally:
        server.shutdown()
    assert (status, out) == (0, local.replace("a.warc.gz: ", f"{url}: "))


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_shown(folder, capsys):
    write(folder, b"", "empty.warc.gz")
    write(folder, b"<html>no archive", "page.warc.gz")
    write(folder, archive([warcinfo()]), "good.warc.gz")
    status, out, err = run(capsys, "*.gz", "--json")
    assert (status, [json.loads(line)["path"] for line in out.splitlines()]) == (1, ["good.warc.gz"])
    first, second = err.splitlines()
    assert first.startswith("error: empty.warc.gz holds nothing but blank lines")
    assert second.startswith("error: page.warc.gz is no WARC or ARC archive: expected a record")


@pytest.mark.parametrize(
    "argv, message",
    [
        (["none.warc.gz"], "none.warc.gz: no file matches; check the path and quote the pattern"),
        (["."], ".: is a folder; give its files, such as FOLDER/*.warc.gz; check the path and quote the pattern"),
        (["*.gz", "--record", "0"], "--record 0: expected one FILE, found 2; name the one that holds it"),
        (
            ["a.warc.gz", "--record", "0", "--recipe", "nothing"],
            f"--recipe nothing: no such recipe; choose one of {', '.join(recipes.names())}, or give the path of a .py "
            "file",
        ),
        (
            ["a.warc.gz", "--record", "0", "--language", "xx"],
            "--language xx: not one of the codes lid.176 knows, such as en, de or zh",
        ),
        (
            ["a.warc.gz", "--record", "7"],
            "--record 7: no record starts there in a.warc.gz, which has SIZE bytes; the nearest start at 0 before it: "
            "give one of these",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(folder, capsys, argv, message):
    content = archive([warcinfo()])
    write(folder, content, "a.warc.gz")
    write(folder, content, "b.warc.gz")
    assert run(capsys, *argv) == (1, "", f"error: {message.replace('SIZE', str(len(content)))}\n")


@pytest.mark.parametrize(
    "argv, message",
    [
        (["a", "--recipe", "x"], "--recipe, --language and --full are for one record: give its --record OFFSET"),
        (["a", "--full"], "--recipe, --language and --full are for one record: give its --record OFFSET"),
        (["a", "--record", "0", "--sample", "9"], "--sample is for whole files: leave it out, or --record"),
        (["a", "--sample", "-1"], "--sample -1: expected at least 0"),
        (["a", "--record", "-1"], "--record -1: expected at least 0"),
        (["a", "--record", "x"], "argument --record: invalid int value: 'x'"),
        ([], "the following arguments are required: FILE"),
    ],
)
def test_flags_that_make_no_sense_are_refused(capsys, argv, message):
    assert refused(capsys, *argv) == message


def test_anonymous_reading_is_for_the_buckets_of_the_files(folder, capsys, monkeypatch):
    used = []
    monkeypatch.setattr(storage, "use", used.append)
    monkeypatch.setattr(storage, "glob", lambda pattern: [])
    monkeypatch.setattr(storage, "exists", lambda pattern: False)
    assert run(capsys, "s3://bucket/crawl/*.gz", "--anonymous")[0] == 1
    assert [(access.anonymous, access.is_anonymous("s3://bucket/crawl/a.gz")) for access in used] == [(True, True)]


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m pipelines.inspect tests/sample_crawl/*.warc.gz --sample 0 | head -n 1"
    found = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stderr, found.stdout.count("\n")) == (0, "", 1)


@pytest.mark.slow
def test_letters_that_the_terminal_lacks_are_escaped(folder):
    path = write(folder, archive([response(HTML, url="http://example.org/Grüße/猫")]))
    found = subprocess.run(
        [sys.executable, "-m", "pipelines.inspect", str(folder / path), "--record", "0"],
        cwd=ROOT,
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"},
    )
    assert (found.returncode, b"/Gr\\xfc\\xdfe/\\u732b" in found.stdout) == (0, True), found.stderr
