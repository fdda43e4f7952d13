"""Pages that no run may stop at: each is rejected with its reason, and those around it are kept."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.recipe import of_source, read_source
from pipelines import curate
from tests import prose, warc_builder

# Takes trafilatura several seconds on any machine of today, many times the limit below.
_PARAGRAPHS = b"".join(b"<p>one two three %d four five six.</p>" % number for number in range(60_000))
ENDLESS = b"<html><body>" + _PARAGRAPHS + b"</body></html>"
PAGES = {
    "http://large.example/": (b"<html><body>" + b"<p>word</p>" * 5_000_000, "read", "too_large"),
    "http://deep.example/": (b"<div>" * 20_000 + b"text" + b"</div>" * 20_000, "ExtractText", None),
    "http://binary.example/": (os.urandom(2000).replace(b"<", b"\0") + b"\0" * 50, "response", "binary"),
    "http://empty.example/": (b"", "response", "empty"),
    "http://blank.example/": (b" \r\n\t ", "response", "empty"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list[str]]:
    """Rejections by URL, and the URLs of the documents."""
    folder = tmp_path_factory.mktemp("bad")
    records = []
    for number, (url, (payload, _, _)) in enumerate(PAGES.items()):
        records.append(warc_builder.response(prose.page(prose.text(number)), url=f"http://good{number}.example/"))
        records.append(warc_builder.response(payload, url=url))
    records.append(warc_builder.response(prose.page(prose.text(99)), url="http://good99.example/"))
    (folder / "bad.warc.gz").write_bytes(warc_builder.archive(records))
    flags = ["--input", f"{folder}/bad.warc.gz", "--output", f"{folder}/out", "--workers", "1", "--vocab-size", "300"]
    assert curate.main(flags) == 0
    rejected = {row["url"]: row for row in pq.read_table(folder / "out/rejected").to_pylist()}
    return rejected, pq.read_table(folder / "out/documents").column("url").to_pylist()


@pytest.mark.slow
def test_the_pages_around_them_are_kept(outcome):
    assert outcome[1] == [f"http://good{number}.example/" for number in (*range(len(PAGES)), 99)]


@pytest.mark.slow
@pytest.mark.parametrize("url", PAGES)
def test_each_is_rejected_with_its_reason(url, outcome):
    _, step, reason = PAGES[url]
    assert outcome[0][url]["step"] == step
    if reason:
        assert outcome[0][url]["reason"] == reason


@pytest.mark.slow
def test_the_limit_is_named_with_what_was_found(outcome):
    large = outcome[0]["http://large.example/"]
    assert large["value"] > 50_000_000
    assert large["evidence"] == f"more than {16 << 20} bytes"


@pytest.mark.slow
def test_a_page_that_never_ends(tmp_path: Path):
    """It is tried twice, both times killed at its limit of CPU time, and counted as retried."""
    _, recipe = read_source("fineweb")
    limits = "ExtractText(Trafilatura(favor_precision=True, deduplicate=True), cpu_seconds=0.3, retry_cpu_seconds=0.6)"
    recipe = recipe.replace("ExtractText(Trafilatura(favor_precision=True, deduplicate=True))", limits)
    assert of_source("short.py", recipe).extraction[0].cpu_seconds == 0.3
    (tmp_path / "short.py").write_text(recipe)
    records = [
        warc_builder.response(ENDLESS, url="http://endless.example/"),
        warc_builder.response(prose.page(prose.text(1)), url="http://good.example/"),
    ]
    (tmp_path / "endless.warc.gz").write_bytes(warc_builder.archive(records))
    flags = [
        "--input",
        f"{tmp_path}/endless.warc.gz",
        "--output",
        f"{tmp_path}/out",
        "--recipe",
        f"{tmp_path}/short.py",
    ]
    assert curate.main([*flags, "--workers", "1", "--vocab-size", "300"]) == 0
    (row,) = pq.read_table(tmp_path / "out/rejected").to_pylist()
    assert (row["step"], row["reason"], row["value"]) == ("ExtractText", "timeout", 0.6)
    assert '"retried": 1' in (tmp_path / "out/manifest.json").read_text()
