import bz2
import dataclasses
import hashlib
import io
import random

import lz4.frame
import pytest
import zstandard

from curation import inspection, trace
from curation.extract import Failed
from curation.inspection import Place, Sizes
from tests.warc_builder import archive, http, member, metadata, record, request, response, starts, warcinfo

HTML = b"<html><p>text</p>"


def arc(url, media_type, block):
    return f"{url} 192.0.2.1 20051212141240 {media_type} {len(block)}\n".encode() + block + b"\n"


@dataclasses.dataclass
class FakeLooker:
    """Says of each page that it is in the language its text names."""

    pages: list = dataclasses.field(default_factory=list)

    def extract(self, page):
        self.pages.append(page)
        if b"crash" in page.payload:
            return Failed("ExtractText", "crashed", -11.0)
        return Failed("FirstLook", "other_language", 0.5, page.payload.decode("latin1").partition("lang=")[2][:2])


def inspect(content, path="a.warc.gz", **settings):
    return inspection.inspect(io.BytesIO(content), path, FakeLooker(), **{"sample": 10, **settings})


def in_language(label, number=0):
    return response(b"<html>%d lang=%s" % (number, label.encode()))


def test_every_count_of_an_archive():
    records = [
        warcinfo(),
        request(),
        in_language("en", 100),
        in_language("en", 1000),
        response("<html>grüße lang=de".encode("cp1252"), content_type="Text/HTML; charset=latin1"),
        metadata(),
        response(b"{}", content_type="application/json"),
        response(HTML, status="HTTP/1.1 404 Not Found"),
        response(HTML, status="HTTP/1.1 huh", content_type=None, headers=[("WARC-Truncated", "length")]),
        record("revisit", http(b""), url="http://example.org/"),
        record("response", b"no HTTP", url="http://example.org/"),
        record("Their-Own", b"block"),
    ]
    bounds = starts(records)
    broken = member(in_language("en"))
    content = archive(records) + broken[:-8] + bytes(8) + member(warcinfo())
    evidence = "Error -3 while decompressing data: incorrect data check"
    assert inspect(content) == inspection.Inspection(
        path="a.warc.gz",
        bytes=len(content),
        container="gzip",
        records=13,
        shared_members=0,
        formats={"WARC/1.0": 13},
        types={"response": 7, "warcinfo": 2, "metadata": 1, "request": 1, "revisit": 1, "their-own": 1},
        pages=6,
        html=3,
        statuses={"200": 4, "404": 1, "none": 1},
        media_types={"text/html": 4, "application/json": 1, "none": 1},
        charsets={"utf-8": 2, "windows-1252": 1},
        truncated={"length": 1},
        rejected={"damaged_record": 1, "no_http_header": 1, "revisit": 1},
        sampled=3,
        languages={"en": 2, "de": 1},
        payload=Sizes(6, 2 + 17 + 17 + 19 + 17 + 18, 2, 19, {2: 1, 17: 3, 18: 1, 19: 1}),
        damaged=1,
        damaged_bytes=len(broken),
        damage=(Place(bounds[-1], len(broken), "damaged_record", evidence),),
    )


@pytest.mark.parametrize(
    "container, content",
    [
        ("plain", archive([warcinfo(), request()], gzipped=False)),
        ("gzip", archive([warcinfo(), request()])),
        ("zstd", b"".join(map(zstandard.compress, [warcinfo(), request()]))),
        ("bzip2", b"".join(map(bz2.compress, [warcinfo(), request()]))),
        ("lz4", b"".join(map(lz4.frame.compress, [warcinfo(), request()]))),
        ("gzip", b"damaged" + archive([warcinfo(), request()])),
    ],
)
def test_containers(container, content):
    found = inspect(content)
    assert (found.container, found.records, found.shared_members) == (container, 2, 0)


def test_records_of_a_member_of_several_are_counted_as_such():
    found = inspect(member(warcinfo() + request()) + member(metadata()))
    assert (found.container, found.records, found.shared_members) == ("gzip", 3, 2)


def test_arc_has_types_by_the_scheme_of_its_urls():
    records = [
        arc(
            "filedesc://a.arc", "text/plain", b"1 0 Archive\nURL IP-address Archive-date Content-type Archive-length\n"
        ),
        arc("dns:example.org", "text/dns", b"192.0.2.1"),
        arc("http://example.org/", "text/html", http(HTML)),
    ]
    found = inspect(archive(records, gzipped=False), "a.arc")
    assert (found.formats, found.types) == ({"ARC": 3}, {"dns": 1, "filedesc": 1, "response": 1})
    assert (found.pages, found.statuses, found.damaged) == (1, {"200": 1}, 0)


def test_versions_of_warc_are_told_apart():
    found = inspect(member(warcinfo()) + member(warcinfo().replace(b"WARC/1.0", b"WARC/1.1", 1)) * 2)
    assert found.formats == {"WARC/1.1": 2, "WARC/1.0": 1}


def test_pages_of_text_have_a_language_and_no_charset():
    english = b"The council promised him a new boat before the winter, and it kept its word."
    content = archive([record("conversion", text, url="http://example.org/") for text in (english, b" \n", b"12 34")])
    found = inspect(content, "a.warc.wet.gz")
    assert (found.pages, found.html, found.charsets, found.media_types) == (3, 2, {}, {"none": 3})
    assert found.languages["en"] >= 1 and found.sampled == 2
    assert (inspect(content).pages, inspect(content, format="wet").pages) == (0, 3)


def test_the_sample_is_of_the_pages_with_the_smallest_digests_of_their_ids():
    labels = [f"{letter}{second}" for letter in "abcde" for second in "vwxyz"]
    records = [in_language(label) for label in labels]
    ids = [f"a.warc.gz@{offset}" for offset in starts(records)[:-1]]
    by_digest = sorted(range(25), key=lambda it: hashlib.blake2b(ids[it].encode(), digest_size=8).digest())
    for size in (0, 1, 7, 25, 100):
        found = inspect(archive(records), sample=size)
        assert found.languages == {labels[number]: 1 for number in sorted(by_digest[:size])}
        assert found.sampled == min(size, 25)


def test_only_pages_that_enter_the_sample_are_looked_at():
    records = [in_language("en", number) for number in range(100)]
    looker = FakeLooker()
    inspection.inspect(io.BytesIO(archive(records)), "a.warc.gz", looker, sample=2)
    assert 2 <= len(looker.pages) < 25


def test_pages_without_words_and_pages_that_cannot_be_looked_at_are_counted_as_such():
    found = inspect(archive([response(b"<html>lang="), response(b"<html>crash"), in_language("de")]))
    assert found.languages == {"de": 1, "failed": 1, "none": 1}


def test_a_real_looker_knows_a_text_without_words():
    with trace.looker() as looker:
        content = archive([response(b"<html><body> </body>"), response(b"<html><p>Der Rat versprach ihm ein Boot.")])
        found = inspection.inspect(io.BytesIO(content), "a.warc.gz", looker, sample=5)
    assert found.languages == {"de": 1, "none": 1}


def test_names_beyond_the_fifty_most_frequent_are_summed():
    names = [f"type/{number:03}" for number in range(60) for _ in range(60 - number)]
    random.Random(7).shuffle(names)
    found = inspect(archive([response(b"x", content_type=name) for name in names], gzipped=False))
    assert found.media_types == {f"type/{number:03}": 60 - number for number in range(50)} | {"other": 55}


def test_any_number_of_names_is_counted_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(inspection, "_MAX_HELD", 4)
    names = [name for number in range(100) for name in (f"type/{number:02}", "text/html")]
    found = inspect(archive([response(b"x", content_type=name) for name in names], gzipped=False))
    assert found.media_types == {"text/html": 100, "type/00": 1, "other": 99}


def test_a_name_is_cut():
    found = inspect(archive([response(b"x", content_type="text/" + "x" * 5000)]))
    assert found.media_types == {"text/" + "x" * 95: 1}


def test_no_more_damage_is_kept_than_its_bound_and_all_is_counted(monkeypatch):
    monkeypatch.setattr(inspection, "_MAX_DAMAGE", 2)
    garbage = b"garbage that is no member"
    content = member(warcinfo()) + (garbage + member(warcinfo())) * 5
    found = inspect(content)
    assert (found.damaged, found.damaged_bytes, found.rejected) == (5, 5 * len(garbage), {"not_a_record": 5})
    first, step = len(member(warcinfo())), len(garbage + member(warcinfo()))
    assert [place.offset for place in found.damage] == [first, first + step]


def test_quantiles_are_exact_for_small_sizes():
    sizes = Sizes(4, 100, 10, 40, {10: 1, 20: 1, 30: 1, 40: 1})
    assert [sizes.quantile(percent) for percent in (1, 25, 26, 50, 51, 90, 99)] == [10, 10, 20, 20, 30, 40, 40]
    assert sizes.summary() == {"count": 4, "total": 100, "min": 10, "median": 20, "p90": 40, "p99": 40, "max": 40}


def test_quantiles_of_large_sizes_are_at_most_a_five_hundredth_too_small():
    chance = random.Random(11)
    sizes = sorted(int(2 ** chance.uniform(0, 17)) for _ in range(300))
    found = inspect(archive([response(bytes(size), content_type="a/b") for size in sizes], gzipped=False)).payload
    for percent in (1, 10, 50, 90, 99):
        exact = sizes[-(-300 * percent // 100) - 1]
        assert exact * 511 / 512 <= found.quantile(percent) <= exact
    assert (found.count, found.total, found.min, found.max) == (300, sum(sizes), sizes[0], sizes[-1])


def test_an_archive_without_pages_has_sizes_of_zero():
    found = inspect(archive([warcinfo()]))
    assert found.payload.summary() == dict.fromkeys(("count", "total", "min", "median", "p90", "p99", "max"), 0)
    assert inspection.merged(found, found).payload == Sizes()


def test_archives_merged_are_as_one_that_holds_both():
    one = archive([warcinfo(), in_language("en"), in_language("de", 10**9), response(b"", content_type="a/b")])
    other = archive([request(), in_language("en"), response(HTML, status="HTTP/1.1 500 Oh")]) + b"garbage" * 9
    whole = inspect(one + other)
    assert inspection.merged(inspect(one), inspect(other)) == dataclasses.replace(whole, damage=())
    plain = inspect(archive([metadata()], gzipped=False))
    assert inspection.merged(inspection.merged(inspect(one), plain), inspect(other)).container == "gzip, plain"
