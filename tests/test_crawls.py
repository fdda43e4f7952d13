"""Corpora from a crawl by name: a server on the loopback laid out as Common Crawl's, well and badly behaved."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import curate
from tests import crawl_mirror, prose
from tests.http_server import Fault, Server

ARCHIVES = [
    [
        crawl_mirror.Page(f"https://www.site{number}.example/{place}", prose.page(text), text)
        for place, text in enumerate(map(prose.text, range(number * 10, number * 10 + 3)))
    ]
    for number in range(4)
]


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crawl of four archives with three pages each."""
    folder = tmp_path_factory.mktemp("mirror")
    crawl_mirror.build(folder, ARCHIVES)
    return folder


@pytest.fixture
def server(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The crawl over http."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Server.of_folder(mirror) as server:
        yield server


def run(base: str | Server, output: Path, *flags: str) -> int:
    base = base if isinstance(base, str) else base.url("")
    always = ["--crawl", crawl_mirror.NAME, "--crawl-base", base, "--vocab-size", "300", "--retry-wait", "0.01"]
    return curate.main([*always, "--output", str(output), *flags])


def archive(number: int) -> str:
    """The path on the server of an archive by its number in the crawl."""
    return "/" + crawl_mirror.archive_path(number % 2, segment=crawl_mirror.SEGMENTS[number // 2])


def asked(server: Server, method: str, path: str) -> int:
    return sum((request.method, request.path) == (method, path) for request in server.requests)


def documents(output: Path) -> list[dict]:
    """The documents, without the path of their archive, which says where it came from."""
    rows = [row for path in sorted((output / "documents").iterdir()) for row in pq.read_table(path).to_pylist()]
    return [{name: value for name, value in row.items() if name != "warc"} for row in rows]


@pytest.mark.slow
def test_a_crawl_over_a_bad_line_is_the_same_as_from_disk(mirror, server, tmp_path):
    assert run(str(mirror), tmp_path / "disk") == 0
    paths = f"/crawl-data/{crawl_mirror.NAME}/warc.paths.gz"
    server.fail(paths, Fault(status=503, headers={"Retry-After": "0"}), method="HEAD")
    server.fail(paths, Fault(status=503), Fault(hang_up_after=20))
    server.fail(archive(0), Fault(status=429, headers={"Retry-After": "0"}), method="HEAD")
    server.fail(archive(0), Fault(hang_up_after=500), Fault(status=403), Fault(hang_up_after=-1))
    server.fail(archive(1), Fault(status=503), Fault(chunked=True))
    server.fail(archive(2), Fault(hang_up_after=300), Fault(no_range=True, hang_up_after=600))
    assert run(server, tmp_path / "http", "--workers", "2", "--connections", "1") == 0
    assert documents(tmp_path / "http") == documents(tmp_path / "disk")
    assert len(documents(tmp_path / "disk")) == 12
    assert server.peak == 1


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_archive_that_cannot_be_had_is_named_and_had_later(server, tmp_path, capfd, workers):
    output = tmp_path / "corpus"
    server.fail(archive(2), Fault(status=500), always=True)
    flags = ["--files", "1:4", "--attempts", "2", "--workers", workers]
    assert run(server, output, *flags) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(
        f"error: extract: 1 of 3 tasks could not read their archive, the first because of {server.url(archive(2))}"
    )
    assert last.endswith("; start the same command again to do the missing tasks only")
    assert "500" in last
    assert not (output / "manifest.json").exists()
    assert [path.name for path in sorted((output / "filtered").iterdir())] == [
        f"part-{number:05d}-of-00003.parquet" for number in (0, 2)
    ]
    server.fail(archive(2), Fault())
    assert run(server, output, *flags) == 0
    assert [asked(server, "GET", archive(number)) for number in range(4)] == [0, 1, 3, 1]
    assert len(documents(output)) == 9


def test_an_error_page_in_place_of_an_archive_is_no_empty_archive(server, tmp_path, capfd):
    server.files[archive(0)] = b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>"
    assert run(server, tmp_path / "corpus", "--files", "0", "--workers", "1") == 1
    assert f"{server.url(archive(0))} is no WARC or ARC archive" in capfd.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_pages_of_a_host_are_fetched_and_nothing_else(mirror, server, tmp_path):
    output = tmp_path / "corpus"
    assert (
        run(server, output, "--hosts", "site3.example,site1.example", "--url-languages", "eng", "--workers", "2") == 0
    )
    wanted = [page.url for number in (1, 3) for page in ARCHIVES[number]]
    assert sorted(row["url"] for row in documents(output)) == wanted
    assert run(str(mirror), tmp_path / "whole") == 0
    whole = {row["id"]: row for row in documents(tmp_path / "whole")}
    assert documents(output) == [whole[row["id"]] for row in documents(output)]
    fetches = [request for request in server.requests if request.path.endswith(".warc.gz")]
    assert {(request.path, request.range is not None) for request in fetches} == {
        (archive(1), True),
        (archive(3), True),
    }
    assert len(fetches) == 2  # records that lie close together come in one request


@pytest.mark.slow
def test_text_that_is_extracted_already(server, tmp_path):
    assert run(server, tmp_path / "corpus", "--format", "wet", "--workers", "1") == 0
    assert [(row["url"], row["text"]) for row in documents(tmp_path / "corpus")] == [
        (page.url, page.text.replace("\n\n", "\n")) for archive in ARCHIVES for page in archive
    ]


def test_dry_run_says_what_would_be_read_and_reads_none_of_it(server, tmp_path, capsys):
    sizes = [len(server.files[archive(number)]) for number in range(4)]
    assert run(server, tmp_path / "corpus", "--dry-run", "--workers", "2", "--core-hour-price", "3600000") == 0
    hours = sum(sizes) / 1_090_000 / 3600
    assert capsys.readouterr().out == (
        f"4 archives, {sum(sizes) / 1e6:,.1f} MB, 4 tasks; about {hours:,.2f} core hours: {hours / 2:,.2f} hours with "
        f"--workers 2, {hours * 3600000:,.2f} USD at 3.6e+06 a core hour\n"
    )
    assert run(server, tmp_path / "corpus", "--dry-run", "--hosts", "site0.example") == 0
    assert capsys.readouterr().out.startswith("3 records in 1 archives, 0.0 MB, 1 tasks; ")
    assert not any(request.method == "GET" and request.path.endswith(".warc.gz") for request in server.requests)
    assert not (tmp_path / "corpus").exists()


def test_a_large_crawl_is_estimated_from_some_of_its_archives(tmp_path, capsys):
    crawl_mirror.build(tmp_path / "mirror", [[crawl_mirror.Page(f"https://a.example/{n}")] for n in range(60)])
    with Server.of_folder(tmp_path / "mirror") as server:
        assert run(server, tmp_path / "corpus", "--dry-run") == 0
        assert sum(request.path.endswith(".warc.gz") for request in server.requests) == 20
    assert capsys.readouterr().out.startswith("60 archives, about 0.0 MB, about 60 tasks; ")


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--files", "2:9"], "--files 2:9: CC-MAIN-2024-51 has 4 warc archives, counted from 0; ask for some of 0:4"),
        (["--segment", "7"], "--segment 7: CC-MAIN-2024-51 has 2 segments"),
        (["--hosts", "nowhere.example"], "--hosts nowhere.example: CC-MAIN-2024-51 has no such page"),
        (["--hosts", "a b"], "--hosts a b: expected the name of a host"),
        (
            ["--mime", "text/html", "--format", "wet"],
            "--format wet: the index says where pages lie in WARC archives only",
        ),
        (["--crawl", "CC-MAIN-2031-01"], "--crawl CC-MAIN-2031-01: http://127.0.0.1"),
        (["--crawl", "december"], "--crawl december: expected the name of a crawl, such as CC-MAIN-2024-51"),
    ],
)
def test_what_cannot_be_asked_of_a_crawl(flags, sentence, server, tmp_path, capsys):
    assert run(server, tmp_path / "corpus", *flags) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {sentence}")
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("content", [b"", b"<html>Slow down</html>", gzip.compress(b""), gzip.compress(b"<html>")])
def test_a_paths_list_that_is_none(content, server, tmp_path, capsys):
    path = f"/crawl-data/{crawl_mirror.NAME}/warc.paths.gz"
    server.files[path] = content
    assert run(server, tmp_path / "corpus") == 1
    assert capsys.readouterr().err.startswith(f"error: {server.url(path)} is no list of paths: ")


def test_flags_that_select_from_a_crawl_need_one(capsys):
    with pytest.raises(SystemExit):
        curate.main(["--input", "a.warc.gz", "--output", "out", "--files", "0:2"])
    assert capsys.readouterr().err.endswith(
        "error: --files selects from a crawl: give --crawl NAME instead of --input\n"
    )
