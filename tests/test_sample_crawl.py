"""The sample crawl is what its sources make it, and holds every case that its answer key promises."""

import collections
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sample_crawl import build, content

SAMPLE = Path(__file__).parent / "sample_crawl"
ARCHIVES = sorted(SAMPLE.glob("*.warc.gz"))
PAGES = content.read_pages()
BY_URL = {page.url: page for page in PAGES}
EXPECTED = [json.loads(line) for line in (SAMPLE / "expected.jsonl").read_text(encoding="utf-8").splitlines()]


def members(data: bytes) -> Iterator[bytes | None]:
    """The records of an archive, None for one that does not inflate; goes on at the next gzip member after it."""
    while data:
        inflate = zlib.decompressobj(wbits=31)
        try:
            record = inflate.decompress(data)
            assert inflate.eof
            yield record
            data = inflate.unused_data
        except zlib.error:
            yield None
            data = data[data.index(b"\x1f\x8b\x08\x00", 4) :]


def similarity(left: str, right: str) -> float:
    """The Jaccard similarity of two texts as sets of five words in a row."""
    a, b = (set(zip(*(words[i:] for i in range(5)), strict=False)) for words in map(_words, (left, right)))
    return len(a & b) / len(a | b)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_rebuilding_gives_the_same_bytes(tmp_path):
    build.build(tmp_path)
    names = [path.name for path in ARCHIVES] + ["expected.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), f"run python -m {build.__name__}: {name}"


def test_size():
    sizes = [path.stat().st_size for path in ARCHIVES]
    assert len(sizes) == build.NUM_FILES
    assert sum(sizes) < 2_000_000  # bytes
    assert max(sizes) < 1.2 * min(sizes)
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.suffix != ".pyc") < 2_000_000


def test_variety():
    languages = collections.Counter(page.language for page in PAGES if page.kind == "article")
    hosts = {page.host for page in PAGES}
    english = {page.host for page in PAGES if page.language == "en" and page.kind == "article"}
    assert len(PAGES) >= 150 and len(hosts) >= 12 and len(english) >= 8
    assert {host.rpartition(".")[2] for host in hosts} == {"example"}
    assert languages.pop("en") >= 110
    assert languages.keys() == {"de", "fr", "es", "it", "pt", "ru", "ja", "zh"}
    assert min(languages[language] for language in ("de", "fr", "es", "it", "pt", "ru")) >= 4


def test_every_case_is_planted():
    kinds = collections.Counter(row["kind"] for row in EXPECTED)
    least = {
        "near_duplicate": 6,
        "exact_duplicate": 4,
        "tracking": 3,
        "series": 5,
        "spam": 4,
        "soft_404": 3,
        "list": 3,
        "code": 3,
        "lorem_ipsum": 1,
        "short": 2,
        "contact_details": 1,
        "layout_table": 1,
        "damaged": 1,
        "not_html": 3,
        "error": 1,
        "redirect": 1,
    }
    assert {kind: kinds[kind] for kind in least if kinds[kind] < least[kind]} == {}
    assert kinds.keys() == least.keys() | {"article"}
    assert {page.charset for page in PAGES} == {"utf-8", "windows-1252", "iso-8859-1", "windows-1251", "shift_jis"}


def test_the_answer_key_names_every_response_in_order():
    responses, num_damaged = [], 0
    for archive in ARCHIVES:
        for record in members(archive.read_bytes()):
            if record is None:
                num_damaged += 1
                responses.append((archive.name, None))
            elif b"\r\nWARC-Type: response\r\n" in record:
                url = re.search(rb"WARC-Target-URI: (\S+)", record)
                responses.append((archive.name, url and url[1].decode()))
    assert num_damaged == 1
    assert responses == [(row["file"], None if row["kind"] == "damaged" else row["url"]) for row in EXPECTED]


def test_a_damaged_record_is_not_the_last_of_its_file():
    for archive in ARCHIVES:
        *_, last = members(archive.read_bytes())
        assert last is not None


@pytest.mark.parametrize("page", [page for page in PAGES if page.duplicate_of], ids=lambda page: page.url)
def test_a_copy_is_as_similar_as_it_should_be_and_comes_later(page):
    original = BY_URL[page.duplicate_of]
    if page.kind == "near_duplicate":
        assert 0.85 <= similarity(page.text, original.text) <= 0.97
    else:
        assert page.text == original.text
    assert PAGES.index(original) < PAGES.index(page)
    assert original.duplicate_of is None and original.kind != "damaged"


def test_pages_of_a_series_share_frames_but_are_different():
    series = [page.text for page in PAGES if page.kind == "series"]
    similarities = [similarity(left, right) for left, right in itertools.combinations(series, 2)]
    assert min(similarities) > 0
    assert max(similarities) < 0.6


def test_no_other_pages_are_alike():
    texts = [page.text for page in PAGES if page.language == "en" and page.kind == "article"]
    shingles = [set(zip(*(_words(text)[i:] for i in range(5)), strict=False)) for text in texts]
    assert max(len(a & b) / len(a | b) for a, b in itertools.combinations(shingles, 2)) < 0.1
