"""Archives from elsewhere that stay out of the repository, read where they are there: made to be odd, and found odd."""

import collections
import itertools
import json
import random
from pathlib import Path

import pytest

from curation import sources, warc
from curation.document import Page

DATA = Path(__file__).parents[2] / "shared" / "data"
MADE, REAL = DATA / "warc_made", DATA / "warc_real"
_BOMB = "warc__bench.warc.bz2"  # 500 MB in 1763 bytes, which every task of it inflates
ODD = [json.loads(line) for line in (MADE / "expected.jsonl").read_text().splitlines()] if MADE.is_dir() else []
FOUND = json.loads((REAL / "manifest.json").read_text()) if REAL.is_dir() else []

pytestmark = pytest.mark.skipif(not ODD or not FOUND, reason="there are no folders of archives beside this checkout")

# Where warcio or FastWARC count more responses than are intact, since they do not look whether a record ends where it
# says it does. Each was looked at; file: (intact responses, theirs, why the others are none).
FEWER = {
    "web_data_vu__sample.warc.gz": (
        0,
        1,
        "edited: three pages are 119 to 234 bytes longer than stated, one is cut off",
    ),
    "chatnoir-resiliparse__clipped.warc.gz": (0, 1, "the file ends inside its only member"),
    "solrwayback__transfer_compression_none_truncated.warc.gz": (0, 1, "the file ends inside the response's member"),
    "jwat__test-arc-1.0-dashed-fields.arc": (0, 1, "80 blanks and no line break follow the length stated"),
    "jwat__test-arc-1.0-invalid-fields.arc": (0, 1, "the same page, with 80 blanks more than stated"),
    "netarchivesuite__get1.ARC": (1, 2, "anonymised with X: one page is 189 bytes shorter than stated, one 30 longer"),
    "netarchivesuite__NetarchiveSuite-store2.arc": (
        1,
        2,
        "CRs are gone and each Latin-1 letter became 3 bytes of U+FFFD: one page is 6 bytes short, one 82 long",
    ),
    "netarchivesuite__integrity2.ARC": (
        2,
        3,
        "anonymised with X: the pages are 2 longer, 16 and 27 shorter than stated",
    ),
    "netarchivesuite__42-117-20051212141240-00000-sb-test-har-001.statsbiblioteket.dk.ARC": (
        1,
        2,
        "anonymised with X: two pages are 145 and 69 bytes shorter than stated, one of length 0 has 1627",
    ),
    "ipwb__HTTP204.warc": (1, 2, "edited: the first response has 148 bytes and states 140"),
    "ipwb__redirect.warc": (0, 1, "the CRs of the HTTP header are gone: 9 bytes are missing at the end of the file"),
    "WARCProcessor__test.warc": (1, 2, "CRs are gone: 5 bytes are missing at the end of the file"),
    "WarcProtocol__response.warc": (0, 1, "git took its CRs: 57 bytes are missing"),
    "WarcProtocol__1de18e_response.warc": (0, 1, "git took its CRs: 57 bytes are missing"),
    "WarcProtocol__42db95_response.warc": (0, 1, "git took its CRs: 57 bytes are missing"),
    "WarcProtocol__response_gemini_w_payload.warc": (0, 1, "git took its CRs: 2 bytes are missing"),
    "warcio__bad.arc": (1, 3, "lengths that are none: -1 and abc"),
    "warcio__example-trunc.warc": (0, 1, "it states 973 bytes; its digest fits the 975 that are there"),
    "warcio.js__example-bad-length.warc": (0, 1, "it states 974 bytes; its digest fits the 975 that are there"),
}


def read(path, *cuts):
    """What the tasks between the cuts make of an archive, and what they skipped."""
    skipped = collections.Counter()
    found = []
    with path.open("rb") as file:
        bounds = [0, *sorted(cuts), path.stat().st_size]
        for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
            task = sources.Task(number, len(bounds) - 1, path.name, start, stop, sources.format_of(path.name))
            found += warc.read_pages(file, task, skipped)
    return found, skipped


def cuts_of(path):
    """Some ways to cut a file, the same each time."""
    size, chance = path.stat().st_size, random.Random(path.name)
    yield [size // 2]
    if path.name == _BOMB:
        return
    yield range(size // 7 + 1, size, size // 7 + 1)
    for number in (1, 3, 6):
        yield [chance.randint(0, size) for _ in range(number)]


def pages(found):
    return [one for one in found if isinstance(one, Page)]


def reasons(found):
    return collections.Counter(one.reason for one in found if not isinstance(one, Page))


def intact_responses(found, skipped):
    """Those that lie in the archive as they were written, whether or not a page is in them."""
    refused = reasons(found)
    return (
        len(pages(found))
        + sum(refused[reason] for reason in ("no_http_header", "undecodable_payload", "too_large"))
        + sum(skipped[kind] for kind in ("dns", "other", "response"))
    )


def counted_by_others(entry):
    return max(
        (counts or {}).get("types", {}).get("response", 0)
        for counts in (entry["warcio"], entry["warcio_arc2warc"], entry["fastwarc"])
    )


@pytest.mark.parametrize("entry", ODD, ids=lambda entry: entry["file"])
def test_a_page_that_can_be_had_is_delivered(entry):
    found, _ = read(MADE / entry["file"])
    assert [url for url in entry["must_yield"] if url not in {page.url for page in pages(found)}] == []


def test_there_are_as_many_pages_to_be_had_as_the_makers_of_these_archives_say():
    assert sum(len(entry["must_yield"]) for entry in ODD) == 120


@pytest.mark.parametrize("entry", ODD, ids=lambda entry: entry["file"])
def test_a_page_that_is_lost_leaves_a_trace(entry):
    """A rejection, or a page whose record does not say where it is from."""
    found, _ = read(MADE / entry["file"])
    urls = {page.url for page in pages(found)}
    lost = [url for url in entry["may_lose"] if url not in urls]
    assert len([one for one in found if not isinstance(one, Page) or not one.url]) >= len(lost)


@pytest.mark.parametrize("name", ["s3-error-page.warc.gz", "random-bytes.warc.gz"])
def test_a_file_that_is_no_archive_is_one_rejection(name):
    (found,), skipped = read(MADE / name)
    assert (found.reason, found.offset, found.length) == ("not_a_record", 0, (MADE / name).stat().st_size)
    assert not skipped


@pytest.mark.slow
@pytest.mark.parametrize("path", [MADE / entry["file"] for entry in ODD], ids=lambda path: path.name)
def test_every_cut_of_a_made_archive_gives_the_same(path):
    expected = read(path)
    for cuts in cuts_of(path):
        assert read(path, *cuts) == expected


@pytest.mark.slow
@pytest.mark.parametrize("path", [REAL / entry["file"] for entry in FOUND], ids=lambda path: path.name)
def test_every_cut_of_a_real_archive_gives_the_same(path):
    expected = read(path)
    for cuts in cuts_of(path):
        assert read(path, *cuts) == expected


@pytest.mark.slow
def test_no_real_archive_yields_fewer_intact_responses_than_other_readers_find():
    fewer = {}
    for entry in FOUND:
        ours = intact_responses(*read(REAL / entry["file"]))
        if ours < (theirs := counted_by_others(entry)):
            fewer[entry["file"]] = (ours, theirs)
    assert fewer == {name: (ours, theirs) for name, (ours, theirs, _) in FEWER.items()}
