import gzip
import random
import uuid

import pytest

from curation import common_crawl, storage
from curation.common_crawl import Crawl
from tests import crawl_mirror
from tests.crawl_mirror import NAME, SEGMENTS, Page, archive_path, wet_path

PATHS = [archive_path(number, segment=segment) for segment in SEGMENTS for number in range(3)]
CHOOSE = "choose one that https://index.commoncrawl.org lists, or another --crawl-base"


@pytest.fixture
def mirror(tmp_path):
    """A mirror whose lists name six archives in two segments."""
    crawl_mirror.write_list(tmp_path, "warc", PATHS)
    crawl_mirror.write_list(tmp_path, "wet", [wet_path(path) for path in PATHS])
    return tmp_path


def refusal(crawl, **options):
    with pytest.raises(ValueError) as caught:
        common_crawl.archive_paths(crawl, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["CC-MAIN-2024-51", "CC-MAIN-2013-20", "CC-MAIN-2008-2009", "CC-MAIN-2009-2010", "CC-MAIN-2012"],
)
def test_crawls_have_names_of_these_shapes(name):
    assert Crawl(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "2024-51", "CC-MAIN-2024", "CC-NEWS-2024-51", "CC-MAIN-2024-51/..", "CC-MAIN-2024-5１", "CC-MAIN-2024-51\n"],
)
def test_a_name_that_is_no_crawl_is_refused(name):
    with pytest.raises(ValueError) as caught:
        Crawl(name)
    assert str(caught.value) == (
        f"--crawl {name}: expected the name of a crawl, such as CC-MAIN-2024-51; choose one that "
        "https://index.commoncrawl.org lists"
    )


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError) as caught:
        Crawl(NAME, format="wat")
    assert str(caught.value) == "--format wat: expected one of warc, wet"


@pytest.mark.parametrize(
    "text, files",
    [
        ("0:10", slice(0, 10)),
        ("5", slice(5, 6)),
        ("0", slice(0, 1)),
        (":100", slice(None, 100)),
        ("7:", slice(7, None)),
        (":", slice(None, None)),
    ],
)
def test_files_are_spelled_as_in_python(text, files):
    assert common_crawl.parse_files(text) == files


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "0:-1", "1:2:3", "3:3", "5:2", ":0", "1.5", "1,2", " 1", "٣", "1" * 5000]
)
def test_files_that_name_nothing_are_refused(text):
    with pytest.raises(ValueError) as caught:
        common_crawl.parse_files(text)
    assert str(caught.value) == (
        f"--files {text}: expected archives by number, counted from 0, such as 0:10, 5, :100 or 7:"
    )


@pytest.mark.parametrize(
    "files, segment, expected",
    [
        (None, None, PATHS),
        (slice(0, 2), None, PATHS[:2]),
        (slice(5, 6), None, PATHS[5:]),
        (slice(None, 6), None, PATHS),
        (slice(4, None), None, PATHS[4:]),
        (None, SEGMENTS[1], PATHS[3:]),
        (slice(1, 3), SEGMENTS[1], PATHS[4:]),
    ],
)
def test_archives_come_in_the_order_of_the_list(mirror, files, segment, expected):
    found = common_crawl.archive_paths(Crawl(NAME, str(mirror)), files=files, segment=segment)
    assert found == [f"{mirror}/{path}" for path in expected]
    assert common_crawl.archive_paths(Crawl(NAME, f"{mirror}/"), files=files, segment=segment) == found


def test_wet_archives_have_a_list_of_their_own(mirror):
    found = common_crawl.archive_paths(Crawl(NAME, str(mirror), "wet"), files=slice(0, 1))
    assert found == [
        f"{mirror}/crawl-data/{NAME}/segments/{SEGMENTS[0]}/wet/CC-MAIN-20241201152023-20241201155023-00000.warc.wet.gz"
    ]


def test_a_mirror_may_lie_on_remote_storage(mirror):
    base = f"memory://{uuid.uuid4().hex}"
    content = (mirror / f"crawl-data/{NAME}/warc.paths.gz").read_bytes()
    with storage.publish(f"{base}/crawl-data/{NAME}/warc.paths.gz") as temporary, open(temporary, "wb") as file:
        file.write(content)
    assert common_crawl.archive_paths(Crawl(NAME, base)) == [f"{base}/{path}" for path in PATHS]


def test_the_archives_of_the_mirror_lie_where_its_lists_say(tmp_path):
    crawl_mirror.build(tmp_path, [[Page(f"http://{number}.example/")] for number in range(3)])
    for kind in common_crawl.FORMATS:
        paths = common_crawl.archive_paths(Crawl(NAME, str(tmp_path), kind))
        assert (len(paths), [storage.is_file(path) for path in paths]) == (3, [True] * 3)
    assert [storage.is_file(path) for path in common_crawl.index_paths(Crawl(NAME, str(tmp_path)))] == [True] * 2


@pytest.mark.parametrize(
    "files, spelled", [(slice(0, 7), "0:7"), (slice(6, 7), "6:7"), (slice(6, None), "6:"), (slice(None, 100), ":100")]
)
def test_files_out_of_range_are_refused(mirror, files, spelled):
    assert refusal(Crawl(NAME, str(mirror)), files=files) == (
        f"--files {spelled}: {NAME} has 6 warc archives, counted from 0; ask for some of 0:6"
    )


def test_files_are_counted_within_the_segment(mirror):
    assert refusal(Crawl(NAME, str(mirror), "wet"), files=slice(0, 4), segment=SEGMENTS[0]) == (
        f"--files 0:4: segment {SEGMENTS[0]} of {NAME} has 3 wet archives, counted from 0; ask for some of 0:3"
    )


@pytest.mark.parametrize("segment", ["1733066035857", "", "warc"])
def test_an_unknown_segment_is_refused(mirror, segment):
    assert refusal(Crawl(NAME, str(mirror)), segment=segment) == (
        f"--segment {segment}: {NAME} has 2 segments, such as 1733066035857.0; choose one of its own"
    )


def test_a_crawl_without_segments_says_so(tmp_path):
    crawl_mirror.write_list(tmp_path, "warc", ["crawl-data/a.warc.gz"])
    assert refusal(Crawl(NAME, str(tmp_path)), segment="1.0") == (
        f"--segment 1.0: {NAME} has no segments; choose one of its own"
    )


def test_a_crawl_that_is_not_there_is_refused(mirror):
    path = f"{mirror}/crawl-data/CC-MAIN-2024-99/warc.paths.gz"
    assert refusal(Crawl("CC-MAIN-2024-99", str(mirror))) == (
        f"--crawl CC-MAIN-2024-99: {mirror} has no such crawl, or no warc.paths.gz of it "
        f"([Errno 2] No such file or directory: '{path}'); {CHOOSE}"
    )


def test_a_base_that_is_a_file_has_no_crawl(tmp_path):
    base = tmp_path / "file"
    base.write_bytes(b"")
    assert refusal(Crawl(NAME, str(base))).startswith(
        f"--crawl {NAME}: {base} has no such crawl, or no warc.paths.gz of it ([Errno 20] Not a directory"
    )


def test_a_store_that_forbids_what_it_does_not_have_has_no_crawl(monkeypatch):
    """S3 answers 403 for a missing key to those who may not list the bucket."""

    def forbid(path):
        raise PermissionError(f"{path}: the server answers 403 Forbidden")

    monkeypatch.setattr(storage, "open_read", forbid)
    path = f"s3://commoncrawl/crawl-data/{NAME}/wet.paths.gz"
    assert refusal(Crawl(NAME, "s3://commoncrawl", "wet")) == (
        f"--crawl {NAME}: s3://commoncrawl has no such crawl, or no wet.paths.gz of it "
        f"({path}: the server answers 403 Forbidden); {CHOOSE}"
    )


def test_other_refusals_of_storage_stay_what_they_are(monkeypatch):
    def refuse(path):
        raise storage.StorageError(f"{path}: the server answers 503; try again later")

    monkeypatch.setattr(storage, "open_read", refuse)
    with pytest.raises(storage.StorageError):
        common_crawl.archive_paths(Crawl(NAME))


ZIPPED = gzip.compress(random.Random(7).randbytes(500), mtime=0)


NO_LISTS = [
    (b"", "an empty file"),
    (gzip.compress(b""), "not one path"),
    (gzip.compress(b"\n\n"), "not one path"),
    (b"<!DOCTYPE html>\n<title>404</title>", "HTML b'<!DOCTYPE html>\\n<title>404</title>'"),
    (b"\n  <html>", "HTML b'\\n  <html>'"),
    (b"crawl-data/a.warc.gz\n", "no gzip but b'crawl-data/a.warc.gz\\n'"),
    (gzip.compress(b"<html>"), "'<html>' in line 1"),
    (ZIPPED[:-9], "broken gzip: Compressed file ended before the end-of-stream marker was reached"),
    (ZIPPED[:-8] + bytes(8), "broken gzip: CRC check failed 0x0 != 0x7ef2626b"),
    (b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff", "broken gzip: Error -3 while decompressing data: invalid block type"),
    (b"\x1f\x8b\x07" + bytes(20), "broken gzip: Unknown compression method"),
    (gzip.compress(b"crawl-data/a\n\ncrawl-data/b\n"), "'' in line 2"),
    (gzip.compress(b"crawl-data/a\r\n"), "'crawl-data/a\\r' in line 1"),
    (gzip.compress(b"crawl-data/a\n/etc/passwd\n"), "'/etc/passwd' in line 2"),
    (gzip.compress(b"crawl-data/../../secret\n"), "'crawl-data/../../secret' in line 1"),
    (gzip.compress(b"https://example.com/crawl-data/a\n"), "'https://example.com/crawl-data/a' in line 1"),
    (gzip.compress(b"crawl-data/*.warc.gz\n"), "'crawl-data/*.warc.gz' in line 1"),
    (gzip.compress("crawl-data/ä\n".encode()), "'crawl-data/ä' in line 1"),
    (gzip.compress(b"crawl-data/\xff\n"), "'crawl-data/\ufffd' in line 1"),
    (gzip.compress(b"crawl-data/a?" + b"x" * 99), f"'crawl-data/a?{'x' * 47}' in line 1"),
    (gzip.compress(b"a" * ((64 << 20) + 1), 1), "more than 64 MiB"),
]


@pytest.mark.parametrize("content, found", NO_LISTS, ids=[found for _, found in NO_LISTS])
def test_a_list_that_is_none_is_refused(tmp_path, content, found):
    path = crawl_mirror.write_list(tmp_path, "warc", [])
    path.write_bytes(content)
    assert refusal(Crawl(NAME, str(tmp_path))) == (
        f"{path} is no list of paths: expected gzipped lines such as crawl-data/CC-MAIN-2024-51/..., found {found}; "
        "check --crawl-base or download the list again"
    )


def test_the_last_line_of_a_list_may_lack_its_end(tmp_path):
    path = crawl_mirror.write_list(tmp_path, "warc", [])
    path.write_bytes(gzip.compress(b"crawl-data/a\ncrawl-data/b"))
    paths = common_crawl.archive_paths(Crawl(NAME, str(tmp_path)))
    assert paths == [f"{tmp_path}/crawl-data/a", f"{tmp_path}/crawl-data/b"]


def test_a_list_may_be_gzipped_in_pieces(tmp_path):
    path = crawl_mirror.write_list(tmp_path, "warc", [])
    path.write_bytes(gzip.compress(b"crawl-data/a\ncrawl-") + gzip.compress(b"data/b\n"))
    paths = common_crawl.archive_paths(Crawl(NAME, str(tmp_path)))
    assert paths == [f"{tmp_path}/crawl-data/a", f"{tmp_path}/crawl-data/b"]


def test_the_index_of_pages_is_one_of_three_subsets(tmp_path):
    written = crawl_mirror.write_index(tmp_path, [[], []])
    assert common_crawl.index_paths(Crawl(NAME, str(tmp_path))) == [str(path) for path in written]


def test_a_crawl_without_an_index_of_pages_is_refused(tmp_path):
    path = f"cc-index/table/cc-main/warc/crawl={NAME}/subset=robotstxt/part-00000.c000.gz.parquet"
    crawl_mirror.write_list(tmp_path, "cc-index-table", [path])
    with pytest.raises(ValueError) as caught:
        common_crawl.index_paths(Crawl(NAME, str(tmp_path)))
    assert str(caught.value) == (
        f"--crawl {NAME}: its cc-index-table.paths.gz at {tmp_path} names 1 files, such as {path}, and none of "
        "subset=warc; choose another crawl or --crawl-base"
    )
