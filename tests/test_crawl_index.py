import gzip
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import crawl_index, storage
from curation.common_crawl import Crawl
from curation.crawl_index import Selection, Spans
from tests import crawl_mirror, warc_builder
from tests.crawl_mirror import NAME, SEGMENTS, Page, archive_path, row

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARCHIVE = archive_path(0)
ADDRESS = {"warc_filename", "warc_record_offset", "warc_record_length"}
ENGLISH = Selection(languages=("eng",))
DOWNLOAD = "check --crawl-base or download the file again"


def mirror_of(folder, files, **options):
    """A mirror with these index files, and lists of two archives in each segment."""
    crawl_mirror.write_list(
        folder, "warc", [archive_path(number, segment=segment) for segment in SEGMENTS for number in range(2)]
    )
    return crawl_mirror.write_index(folder, files, **options)


def rows_of(hosts, **columns):
    """A row for each host, in the order of the index, at 0, 10, 20 and so on."""
    rows = [row(f"http://{host}/", ARCHIVE, 0, 7, **columns) for host in hosts]
    rows.sort(key=lambda one: one["url_surtkey"])
    return [one | {"warc_record_offset": 10 * number} for number, one in enumerate(rows)]


def select(folder, selection, **options):
    return crawl_index.select(Crawl(NAME, str(folder)), selection, **options)


def refusal(folder, selection=ENGLISH, **options):
    with pytest.raises(ValueError) as caught:
        select(folder, selection, **options)
    return str(caught.value)


def hosts_found(folder, rows, hosts):
    """The hosts of those rows that a selection by host takes."""
    mirror_of(folder, [rows], rows_per_group=1)
    spans = select(folder, Selection(hosts=tuple(hosts)))
    starts = {start for one in spans for start, _ in one.ranges}
    return [one["url"].removeprefix("http://")[:-1] for one in rows if one["warc_record_offset"] in starts]


class RecordedFile(io.FileIO):
    """A file that notes which bytes are read."""

    def __init__(self, path, reads):
        super().__init__(path)
        self._reads = reads

    def read(self, size=-1):
        start = self.tell()
        content = super().read(size)
        self._reads.append((self.name, start, start + len(content)))
        return content


@pytest.fixture
def reads(monkeypatch):
    """What is read through storage: (path, start, stop)."""
    found = []
    monkeypatch.setattr(storage, "open_read", lambda path: RecordedFile(path, found))
    return found


def columns_read(path, reads):
    """The columns of each row group of an index file that were read, by the bytes of their chunks."""
    chunks, footer = {}, pq.read_metadata(path)
    for group in range(footer.num_row_groups):
        for number in range(footer.num_columns):
            column = footer.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            chunks[start, start + column.total_compressed_size] = group, column.path_in_schema
    size, found = os.path.getsize(path), {}
    for _, start, stop in (read for read in reads if read[0] == str(path)):
        if stop != size:  # not the footer
            group, column = chunks[start, stop]
            found.setdefault(group, []).append(column)
    return {group: sorted(columns) for group, columns in found.items()}


def test_pages_become_the_ranges_of_their_records(tmp_path):
    """The ranges hold the responses, whole gzip members, and nothing else."""
    pages = [
        [Page("http://a.example/1", b"one"), Page("http://b.example/", b"two"), Page("http://a.example/0", b"three")],
        [Page("http://c.example/")],
        [Page("https://www.a.example/2", b"four"), Page("http://a.example/3", mime="image/png")],
    ]
    crawl_mirror.build(tmp_path, pages)
    spans = select(tmp_path, Selection(hosts=("a.example",), mimes=("text/html",)))
    assert [one.path for one in spans] == [
        f"{tmp_path}/{archive_path(0)}",
        f"{tmp_path}/{archive_path(0, segment=SEGMENTS[1])}",
    ]
    found = []
    for one in spans:
        with storage.open_read(one.path) as file:
            content = file.read()
        found += [gzip.decompress(content[start:stop]) for start, stop in one.ranges]
    wanted = [("http://a.example/1", b"one"), ("http://a.example/0", b"three"), ("https://www.a.example/2", b"four")]
    html = {"content_type": "text/html"}
    assert found == [warc_builder.response(payload, url=url, **html) for url, payload in wanted]


def test_a_host_is_itself_and_its_subdomains(tmp_path):
    hosts = ["example.com", "www.example.com", "blog.example.com", "a.b.example.com", "example.com:8080"]
    others = ["badexample.com", "example.com.evil.net", "example.org", "com", "example-com.net", "example.comx"]
    rows = rows_of([*hosts, *others])
    assert sorted(hosts_found(tmp_path, rows, ["example.com"])) == sorted(hosts)


@pytest.mark.parametrize(
    "wanted, found",
    [
        (["Example.COM."], ["example.com", "example.com:8080", "www.example.com", "x.www.example.com"]),
        (["www.example.com"], ["www.example.com", "x.www.example.com"]),
        (["x.www.example.com", "www.example.com"], ["www.example.com", "x.www.example.com"]),
        (["www2.example.org"], ["www2.example.org"]),
        (["bücher.example"], ["www.xn--bcher-kva.example", "xn--bcher-kva.example"]),
        (["XN--BCHER-KVA.example"], ["www.xn--bcher-kva.example", "xn--bcher-kva.example"]),
        (["www.com"], ["www.com", "www.www.com"]),
        (["10.0.0.1"], ["10.0.0.1"]),
        (["my_host.example"], ["my_host.example"]),
        (["org"], ["www2.example.org"]),
    ],
)
def test_hosts_are_found_however_sort_keys_spell_them(tmp_path, wanted, found):
    """One row group a row, so that each must be admitted by its statistics."""
    rows = rows_of(
        [
            "example.com",
            "www.example.com",
            "x.www.example.com",
            "example.com:8080",
            "www2.example.org",
            "xn--bcher-kva.example",
            "www.xn--bcher-kva.example",
            "www.com",
            "www.www.com",
            "10.0.0.1",
            "my_host.example",
        ]
    )
    assert sorted(hosts_found(tmp_path, rows, wanted)) == found


def test_addresses_are_found_where_sort_keys_keep_the_order_of_their_numbers(tmp_path):
    rows = [row("http://10.0.0.1:99/", ARCHIVE, 0, 7, url_surtkey="10.0.0.1:99)/")]
    mirror_of(tmp_path, [rows])
    assert select(tmp_path, Selection(hosts=("10.0.0.1",))) == [Spans(f"{tmp_path}/{ARCHIVE}", ((0, 7),))]


@pytest.mark.parametrize(
    "name",
    ["", ".", "exa mple.com", "*.a.com", ".a.com", "a..b", "https://a.com", "a.com:80", "a.com/b", "a@b", "[::1]"],
)
def test_what_is_no_host_is_refused(name):
    with pytest.raises(ValueError) as caught:
        Selection(hosts=("example.com", name))
    assert str(caught.value) == (
        f"--hosts {name}: expected the name of a host, such as example.com, which stands for its subdomains too; "
        "leave scheme, port, path and wildcards out"
    )


@pytest.mark.parametrize("name", ["a" * 64 + ".com", "ä" * 64 + ".com", "\ud800.com"])
def test_names_that_no_host_can_have_are_refused(name):
    with pytest.raises(ValueError, match=r"^--hosts .*: expected the name of a host"):
        Selection(hosts=(name,))


@pytest.mark.parametrize("language", ["", "en", "ENG", "engl", "en1", "eng,deu", "eng\n"])
def test_what_is_no_language_code_is_refused(language):
    with pytest.raises(ValueError) as caught:
        Selection(languages=("deu", language))
    assert str(caught.value) == f"--url-languages {language}: expected a code of ISO 639-3, such as eng or deu"


@pytest.mark.parametrize("mime", ["", "html", "text/", "text/*", "text/html; charset=utf-8", "text/html/x"])
def test_what_is_no_media_type_is_refused(mime):
    with pytest.raises(ValueError) as caught:
        Selection(mimes=(mime,))
    assert str(caught.value) == f"--mime {mime}: expected a media type, such as text/html"


def test_selections_of_the_same_pages_are_equal():
    one = Selection(("B.example", "a.example.", "b.example"), ("eng", "deu", "eng"), ("Text/HTML", "image/png"))
    assert one == Selection(("a.example", "b.example"), ("deu", "eng"), ("image/png", "text/html"))


def test_the_first_language_counts(tmp_path):
    languages = ["eng", "eng,deu", "deu,eng", "deu", None, "", "engl", "fra,eng"]
    rows = [row("http://a.example/", ARCHIVE, 10 * at, 5, content_languages=one) for at, one in enumerate(languages)]
    mirror_of(tmp_path, [rows])
    assert select(tmp_path, ENGLISH)[0].ranges == ((0, 5), (10, 15))
    assert select(tmp_path, Selection(languages=("fra", "deu")))[0].ranges == ((20, 25), (30, 35), (70, 75))


def test_the_detected_type_counts(tmp_path):
    mimes = ["text/html", "application/pdf", None, "application/xhtml+xml", "text/html5"]
    rows = [row("http://a.example/", ARCHIVE, 10 * at, 5, content_mime_detected=one) for at, one in enumerate(mimes)]
    mirror_of(tmp_path, [rows])
    assert select(tmp_path, Selection(mimes=("TEXT/HTML",)))[0].ranges == ((0, 5),)
    assert select(tmp_path, Selection(mimes=("text/html", "application/xhtml+xml")))[0].ranges == ((0, 5), (30, 35))


def test_only_status_200_counts(tmp_path):
    statuses = [200, 404, 301, None, 206, 200]
    rows = [row("http://a.example/", ARCHIVE, 10 * at, 5, fetch_status=one) for at, one in enumerate(statuses)]
    mirror_of(tmp_path, [rows])
    assert select(tmp_path, ENGLISH)[0].ranges == ((0, 5), (50, 55))


def test_ranges_are_sorted_and_each_there_once(tmp_path):
    where = [(archive_path(1), 50), (archive_path(0), 7), (archive_path(1), 5), (archive_path(1), 50)]
    rows = [row("http://a.example/", path, offset, 10) for path, offset in where]
    mirror_of(tmp_path, [rows[:2], rows[2:]], rows_per_group=1)
    assert select(tmp_path, Selection(hosts=("a.example",))) == [
        Spans(f"{tmp_path}/{archive_path(0)}", ((7, 17),)),
        Spans(f"{tmp_path}/{archive_path(1)}", ((5, 15), (50, 60))),
    ]


@pytest.mark.parametrize(
    "files, segment, chosen",
    [
        (None, None, [0, 1, 2, 3]),
        (slice(0, 1), None, [0]),
        (slice(1, 3), None, [1, 2]),
        (None, SEGMENTS[1], [2, 3]),
        (slice(1, None), SEGMENTS[1], [3]),
    ],
)
def test_files_and_segment_restrict_the_archives(tmp_path, files, segment, chosen):
    paths = [archive_path(number, segment=one) for one in SEGMENTS for number in range(2)]
    mirror_of(tmp_path, [[row("http://a.example/", path, 10, 10) for path in paths]], rows_per_group=1)
    crawl = Crawl(NAME, f"{tmp_path}/")
    spans = crawl_index.select(crawl, Selection(hosts=("a.example",)), files=files, segment=segment)
    assert spans == [Spans(f"{tmp_path}/{paths[number]}", ((10, 20),)) for number in chosen]


def test_only_admitted_row_groups_and_needed_columns_are_read(tmp_path, reads):
    """Two files of three row groups of two rows; b.example is in the middle ones of the first file."""
    rows = rows_of([f"{letter}{number}.example" for letter in "ab" for number in range(6)])
    first, second = mirror_of(tmp_path, [rows[:6], rows[6:]], rows_per_group=2)
    select(tmp_path, Selection(hosts=("a3.example",)))
    assert columns_read(first, reads) == {1: sorted({"fetch_status", "url_host_name"} | ADDRESS)}
    assert columns_read(second, reads) == {}
    footer_only = [(start, stop) for path, start, stop in reads if path == str(second)]
    assert footer_only == [(max(0, os.path.getsize(second) - (64 << 10)), os.path.getsize(second))]
    assert {path for path, _, _ in reads if path.endswith(".parquet")} == {str(first), str(second)}


def test_addresses_are_read_only_where_a_page_is_wanted(tmp_path, reads):
    """Statistics admit the host in each row group; its page is in one, and is German in another."""
    rows = [
        row("http://a.example/1", ARCHIVE, 0, 5, content_languages="deu"),
        row("http://a.example/2", ARCHIVE, 10, 5),
        row("http://a.example/3", ARCHIVE, 20, 5, fetch_status=404),
    ]
    path = mirror_of(tmp_path, [rows], rows_per_group=1)[0]
    assert select(tmp_path, Selection(("a.example",), ("eng",), ("text/html",)))[0].ranges == ((10, 15),)
    filters = {"fetch_status", "url_host_name", "content_languages", "content_mime_detected"}
    assert columns_read(path, reads) == {0: sorted(filters), 1: sorted(filters | ADDRESS), 2: sorted(filters)}


def test_without_hosts_every_row_group_is_read(tmp_path, reads):
    path = mirror_of(tmp_path, [rows_of(["a.example", "b.example"], content_languages="fra")], rows_per_group=1)[0]
    select(tmp_path, Selection(languages=("fra",)))
    columns = sorted({"fetch_status", "content_languages"} | ADDRESS)
    assert columns_read(path, reads) == {0: columns, 1: columns}


@pytest.mark.parametrize(
    "options",
    [{"write_statistics": False}, {"write_statistics": ["url_host_name", "url"]}],
    ids=["none", "of other columns"],
)
def test_row_groups_without_statistics_are_read(tmp_path, reads, options):
    path = mirror_of(tmp_path, [rows_of(["a.example", "b.example"])], rows_per_group=1, **options)[0]
    assert select(tmp_path, Selection(hosts=("b.example",)))[0].ranges == ((10, 17),)
    filters = {"fetch_status", "url_host_name"}
    assert columns_read(path, reads) == {0: sorted(filters), 1: sorted(filters | ADDRESS)}


def test_a_subdomain_that_sorts_far_from_its_host_is_found(tmp_path, reads):
    """`com,example-x` sorts between the pages of example.com and those of its port."""
    hosts = ["example.com", "a.example.com", "example-x.com", "example0.com", "example.com:81"]
    path = mirror_of(tmp_path, [rows_of(hosts)], rows_per_group=1)[0]
    assert select(tmp_path, Selection(hosts=("example.com",)))[0].ranges == ((0, 7), (10, 17), (40, 47))
    assert sorted(columns_read(path, reads)) == [0, 1, 4]


def test_other_integers_and_strings_are_as_good(tmp_path):
    """Some versions of the index hold offsets of 64 bits, and other tools write large strings."""
    fields = [
        field.with_type({pa.string(): pa.large_string(), pa.int32(): pa.int64()}.get(field.type, field.type))
        for field in crawl_mirror.SCHEMA
    ]
    path = mirror_of(tmp_path, [[]])[0]
    table = pa.Table.from_pylist([row("http://a.example/", ARCHIVE, 1 << 40, 1 << 30)], pa.schema(fields[::-1]))
    crawl_mirror.write_table(path, table)
    assert select(tmp_path, Selection(("a.example",), ("eng",)))[0].ranges == ((1 << 40, (1 << 40) + (1 << 30)),)


def test_columns_that_no_condition_needs_may_be_missing(tmp_path):
    """The index of crawls before CC-MAIN-2018-39 has no languages."""
    rows = rows_of(["a.example"])
    path = mirror_of(tmp_path, [rows])[0]
    table = pa.Table.from_pylist(rows, crawl_mirror.SCHEMA).drop_columns(["content_languages", "url"])
    crawl_mirror.write_table(path, table)
    assert select(tmp_path, Selection(hosts=("a.example",)))[0].ranges == ((0, 7),)
    assert refusal(tmp_path) == (
        f"{path} is no index of pages: expected content_languages as text (not there), found the columns "
        f"{','.join(table.column_names)}; check --crawl-base or choose another crawl"
    )


def test_an_index_with_other_columns_is_refused(tmp_path):
    path = mirror_of(tmp_path, [[]])[0]
    table = pa.table({"url_host_name": [b"a"], "fetch_status": ["200"], "warc_record_offset": [1.5], "x" * 200: [1]})
    crawl_mirror.write_table(path, table)
    assert refusal(tmp_path, Selection(hosts=("a.example",))) == (
        f"{path} is no index of pages: expected fetch_status as integer (string), url_host_name as text (binary), "
        "warc_filename as text (not there), warc_record_offset as integer (double), warc_record_length as integer "
        f"(not there), url_surtkey as text (not there), found the columns url_host_name,fetch_status,"
        f"warc_record_offset,{'x' * 100}; check --crawl-base or choose another crawl"
    )


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    rows = rows_of(["a.example"])
    path = mirror_of(tmp_path, [rows])[0]
    table = pa.Table.from_pylist(rows, crawl_mirror.SCHEMA).select(["content_languages", "fetch_status", *ADDRESS])
    crawl_mirror.write_table(path, table.append_column("content_languages", pa.array([1])))
    assert "expected content_languages as text (string and int64), found the columns" in refusal(tmp_path)


@pytest.mark.parametrize(
    "name, offset, length",
    [
        (ARCHIVE, -1, 5),
        (ARCHIVE, 5, 0),
        (ARCHIVE, 5, -5),
        (ARCHIVE, 5, (1 << 30) + 1),
        (ARCHIVE, None, 5),
        (ARCHIVE, 5, None),
        (None, 5, 5),
        ("", 5, 5),
        ("/etc/passwd", 0, 5),
        ("crawl-data/../../secret", 0, 5),
        ("https://evil.example/crawl-data/a.warc.gz", 0, 5),
        ("cc-index/a.parquet", 0, 5),
        ("crawl-data/a b.warc.gz", 0, 5),
    ],
)
def test_a_row_that_can_be_no_record_is_refused(tmp_path, name, offset, length):
    rows = [row("http://a.example/", ARCHIVE, 0, 5), row("http://a.example/", name, offset, length)]
    path = mirror_of(tmp_path, [[], rows])[1]
    assert refusal(tmp_path) == (
        f"{path}: expected records of 1 byte to 1 GiB in archives such as crawl-data/.../x.warc.gz, found one of "
        f"{length} bytes at {offset} of {name!r}; {DOWNLOAD}"
    )


def test_records_that_overlap_are_refused(tmp_path):
    rows = [row("http://a.example/", ARCHIVE, offset, 10) for offset in (0, 10, 19)]
    mirror_of(tmp_path, [rows])
    assert refusal(tmp_path) == (
        f"{tmp_path}/{ARCHIVE}: the index has a record in bytes 10 to 20 and another one from 19; "
        "check --crawl-base or choose another crawl"
    )


@pytest.mark.parametrize(
    "content, found",
    [
        (b"", "Parquet file size is 0 bytes"),
        (
            b"<!DOCTYPE html><title>Not found</title>",
            "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file.",
        ),
    ],
    ids=["empty", "HTML"],
)
def test_an_index_file_that_is_no_parquet_is_refused(tmp_path, content, found):
    """The first of two in the list is named."""
    files = mirror_of(tmp_path, [[], []])
    for path in files:
        path.write_bytes(content)
    assert refusal(tmp_path) == f"{files[0]} cannot be read as an index of pages: {found}; {DOWNLOAD}"


def test_a_damaged_index_file_is_refused(tmp_path):
    """Its footer is whole; the pages of a column are overwritten."""
    path = mirror_of(tmp_path, [rows_of(["a.example"])])[0]
    column = pq.read_metadata(path).row_group(0).column(crawl_mirror.SCHEMA.get_field_index("content_languages"))
    content, start = bytearray(path.read_bytes()), column.dictionary_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    assert refusal(tmp_path).startswith(f"{path} cannot be read as an index of pages: ")


DAMAGE = """
import sys
from pathlib import Path
from curation import crawl_index
from curation.common_crawl import Crawl
path, base, name = Path(sys.argv[1]), *sys.argv[2:]
content = path.read_bytes()
footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
outcomes = set()
for at in range(footer, len(content) - 8):
    if at % 4 and content[at] != 12:  # as the types of columns of text are written
        continue
    path.write_bytes(content[:at] + bytes([content[at] ^ 12]) + content[at + 1 :])
    try:
        crawl_index.select(Crawl(name, base), crawl_index.Selection(hosts=("a.example",)))
        outcomes.add("read")
    except Exception as error:
        outcomes.add(type(error).__name__)
print(*sorted(outcomes))
"""


@pytest.mark.slow
def test_a_damaged_footer_does_not_end_the_process(tmp_path):
    """As it does where pyarrow is asked for the statistics of a column whose metadata are damaged."""
    rows = rows_of(["a.example"])
    path = mirror_of(tmp_path, [rows])[0]
    columns = ["url_surtkey", "url_host_name", "fetch_status", *ADDRESS]
    crawl_mirror.write_table(path, pa.Table.from_pylist(rows, crawl_mirror.SCHEMA).select(columns), store_schema=False)
    command = [sys.executable, "-c", DAMAGE, str(path), str(tmp_path), NAME]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert found == "ValueError read\n"


def test_text_that_is_not_utf8_is_refused(tmp_path):
    path = mirror_of(tmp_path, [[]])[0]
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    table = pa.Table.from_pylist(rows_of(["a.example"]), crawl_mirror.SCHEMA)
    at = crawl_mirror.SCHEMA.get_field_index("content_languages")
    crawl_mirror.write_table(path, table.set_column(at, "content_languages", broken))
    assert refusal(tmp_path) == (
        f"{path} cannot be read as an index of pages: Column 1: In chunk 0: Invalid: Dictionary array invalid: "
        f"Invalid: Invalid UTF8 sequence at string index 0; {DOWNLOAD}"
    )


def test_an_index_file_that_is_not_there_is_refused(tmp_path):
    path = mirror_of(tmp_path, [rows_of(["a.example"]), []])[1]
    path.unlink()
    assert refusal(tmp_path) == (
        f"{path} cannot be read as an index of pages: [Errno 2] No such file or directory: '{path}'; {DOWNLOAD}"
    )


def test_a_refusal_of_storage_stays_what_it_is(tmp_path, monkeypatch):
    """Also where it comes while Parquet is read."""
    mirror_of(tmp_path, [rows_of(["a.example"])])

    class Refusing(io.FileIO):
        def read(self, size=-1):
            if str(self.name).endswith(".parquet"):
                raise storage.StorageError(f"{self.name}: the server answers 503")
            return super().read(size)

    monkeypatch.setattr(storage, "open_read", Refusing)
    with pytest.raises(storage.StorageError, match=r"parquet: the server answers 503$"):
        select(tmp_path, ENGLISH)


def test_a_crawl_without_an_index_is_refused(tmp_path):
    crawl_mirror.write_list(tmp_path, "warc", [ARCHIVE])
    assert refusal(tmp_path).startswith(
        f"--crawl {NAME}: {tmp_path} has no such crawl, or no cc-index-table.paths.gz of it ("
    )


def test_the_index_does_not_know_wet_archives(tmp_path):
    with pytest.raises(ValueError) as caught:
        crawl_index.select(Crawl(NAME, str(tmp_path), "wet"), ENGLISH)
    assert str(caught.value) == (
        "--format wet: the index says where pages lie in WARC archives only; use --format warc, or leave --hosts, "
        "--url-languages and --mime out"
    )


def test_a_selection_without_conditions_is_refused(tmp_path):
    assert refusal(tmp_path, Selection()) == ("no page is asked of the index: give --hosts, --url-languages or --mime")


def test_files_out_of_range_are_refused(tmp_path):
    mirror_of(tmp_path, [rows_of(["a.example"])])
    assert refusal(tmp_path, files=slice(0, 5)) == (
        f"--files 0:5: {NAME} has 4 warc archives, counted from 0; ask for some of 0:4"
    )


def test_a_selection_of_no_page_is_refused(tmp_path):
    mirror_of(tmp_path, [rows_of(["a.example"])])
    hosts = tuple(f"{number}.example" for number in range(5))
    assert refusal(tmp_path, Selection(hosts, ("eng",), ("text/html",))) == (
        f"--hosts 0.example,1.example,2.example and 2 more --url-languages eng --mime text/html: {NAME} has no such "
        "page; ask for others"
    )
    assert refusal(tmp_path, files=slice(1, 4)) == (
        f"--url-languages eng: {NAME} has no such page in the 3 archives asked for; ask for others"
    )


HOSTS = [
    "a.com",
    "www.a.com",
    "b.a.com",
    "www.b.a.com",
    "ba.com",
    "a-b.com",
    "a.co",
    "b.com",
    "www.com",
    "com",
    "1.2.3.4",
]
LANGUAGES = ["eng", "deu", "eng,deu", "deu,eng", None]
MIMES = ["text/html", "application/pdf", None]
WANTED_HOSTS = st.lists(st.sampled_from([*HOSTS, "www2.a.com", "nowhere.net"]), max_size=3)


@st.composite
def tables(draw):
    """Rows of an index, each record at a place of its own, some of them twice."""
    rows = []
    for number in range(draw(st.integers(1, 16))):
        host, port, path = draw(st.sampled_from(HOSTS)), draw(st.sampled_from(["", ":81"])), draw(st.sampled_from("aB"))
        one = row(
            f"http://{host}{port}/{path}",
            archive_path(draw(st.integers(0, 1)), segment=draw(st.sampled_from(SEGMENTS))),
            100 * number,
            draw(st.integers(1, 100)),
            content_languages=draw(st.sampled_from(LANGUAGES)),
            content_mime_detected=draw(st.sampled_from(MIMES)),
            fetch_status=draw(st.sampled_from([200, 200, 200, 404, None])),
        )
        rows += [one] * draw(st.sampled_from([1, 1, 2]))
    return sorted(rows, key=lambda one: one["url_surtkey"])


def brute_force(rows, selection, segment):
    """(archive, start, stop) of every row that meets the selection, one after the other."""
    found = set()
    for one in rows:
        host, language = one["url_host_name"], (one["content_languages"] or "").split(",")[0]
        if (
            (not selection.hosts or any(re.fullmatch(rf"(.*\.)?{re.escape(name)}", host) for name in selection.hosts))
            and (not selection.languages or language in selection.languages)
            and (not selection.mimes or one["content_mime_detected"] in selection.mimes)
            and one["fetch_status"] == 200
            and (segment is None or f"/{segment}/" in one["warc_filename"])
        ):
            start = one["warc_record_offset"]
            found.add((one["warc_filename"], start, start + one["warc_record_length"]))
    return found


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    rows=tables(),
    hosts=WANTED_HOSTS,
    languages=st.lists(st.sampled_from(["eng", "deu", "fra"]), max_size=2),
    mimes=st.lists(st.sampled_from(["text/html", "application/pdf"]), max_size=2),
    segment=st.sampled_from([None, None, SEGMENTS[0]]),
    rows_per_group=st.integers(1, 5),
    num_files=st.integers(1, 3),
)
def test_the_selection_is_that_of_a_walk_over_all_rows(
    rows, hosts, languages, mimes, segment, rows_per_group, num_files
):
    selection = Selection(tuple(hosts), tuple(languages), tuple(mimes))
    if selection == Selection():
        selection = ENGLISH
    with tempfile.TemporaryDirectory() as folder:
        cuts = [len(rows) * number // num_files for number in range(num_files + 1)]
        files = [rows[cuts[number] : cuts[number + 1]] for number in range(num_files)]
        mirror_of(Path(folder), files, rows_per_group=rows_per_group)
        expected = brute_force(rows, selection, segment)
        if not expected:
            assert refusal(folder, selection, segment=segment).startswith(f"{selection}: {NAME} has no such page")
            return
        spans = select(folder, selection, segment=segment)
    found = [(one.path.removeprefix(f"{folder}/"), *bounds) for one in spans for bounds in one.ranges]
    assert found == sorted(expected)
