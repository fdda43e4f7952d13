"""Pages that no run may stop at: each is rejected with its reason, and those around it are kept."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation import manifest
from pipelines import curate
from tests import prose, warc_builder

# Takes trafilatura several seconds on any machine of today, many times the limit below.
_PARAGRAPHS = b"".join(b"<p>one two three %d four five six.</p>" % number for number in range(60_000))
ENDLESS = b"<html><body>" + _PARAGRAPHS + b"</body></html>"
PAGES = {
    "http://large.example/": (b"<html><body>" + b"<p>word</p>" * 5_000_000, "read", "too_large"),
    "http://deep.example/": (b"<div>" * 20_000 + b"text" + b"</div>" * 20_000, "FirstLook", "too_few_words"),
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


RECIPE = """
from curation.extract import ExtractText, Resiliparse, Trafilatura
from curation.recipe import Recipe

EXTRACT = ExtractText(Trafilatura("precision"), second=SECOND, cpu_seconds=0.6, retry_cpu_seconds=1.2)
RECIPE = Recipe("short", "a test", (EXTRACT,))
"""


@pytest.mark.slow
@pytest.mark.parametrize("second", ["None", "Resiliparse()"])
def test_a_page_that_never_ends(tmp_path: Path, second: str):
    """It is tried twice, both times killed at its limit of CPU time, and counted as retried."""
    (tmp_path / "short.py").write_text(RECIPE.replace("SECOND", second))
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
    rejected = [
        (row["step"], row["reason"], row["value"], row["evidence"])
        for row in pq.read_table(tmp_path / "out/rejected").to_pylist()
    ]
    signals = {row["url"]: dict(row["signals"]) for row in pq.read_table(tmp_path / "out/documents").to_pylist()}
    if second == "None":
        assert rejected == [("ExtractText", "timeout", 1.2, "no text after 1.2 s of CPU")]
        assert signals == {"http://good.example/": {}}
    else:
        assert rejected == []
        assert signals == {"http://endless.example/": {"second_extractor": 1.0}, "http://good.example/": {}}
    assert manifest.load(str(tmp_path / "out")).ledger["retried"] == 1


TRAPPED = """
import dataclasses
from curation.extract import ExtractText, Resiliparse
from curation.recipe import Recipe

@dataclasses.dataclass(frozen=True)
class Size:
    def measure(self, text):
        return {"size": len(text.content)}

    def reason(self, signals):
        return None

@dataclasses.dataclass(frozen=True)
class Trap:
    def measure(self, text):
        while "ENDLESS" in text.content:
            pass
        if "GREEDY" in text.content:
            hoard = [bytes(1 << 26) for _ in range(100)]
        if "BROKEN" in text.content:
            raise KeyError("broken")
        if "FATAL" in text.content:
            import os
            os.abort()
        return {"CLASH" if "CLASH" in text.content else "SIGNAL": 1.0}

    def reason(self, signals):
        return None

EXTRACT = ExtractText(Resiliparse(), cpu_seconds=0.2, retry_cpu_seconds=0.4, max_memory=640 << 20)
RECIPE = Recipe("trapped", "a test", (EXTRACT, Size(), Trap()))
"""


def trapped(folder: Path, signal: str) -> list[str]:
    """The flags of a run whose rule is a trap for some pages."""
    (folder / "trapped.py").write_text(TRAPPED.replace("SIGNAL", signal))
    records = []
    for number, word in enumerate(["ENDLESS", "GREEDY", "BROKEN", "FATAL"]):
        for text, host in ((f"{word} {prose.text(number)}", word.lower()), (prose.text(number), f"good{number}")):
            records.append(warc_builder.response(prose.page(text), url=f"http://{host}.example/"))
    (folder / "a.warc.gz").write_bytes(warc_builder.archive(records))
    flags = ["--input", f"{folder}/a.warc.gz", "--output", f"{folder}/out", "--recipe", f"{folder}/trapped.py"]
    return [*flags, "--workers", "1", "--vocab-size", "300"]


@pytest.mark.slow
def test_pages_on_which_a_rule_fails_are_rejected_by_that_rule(tmp_path: Path):
    assert curate.main(trapped(tmp_path, "trap")) == 0
    rows = {row["url"]: row for row in pq.read_table(tmp_path / "out/rejected").to_pylist()}
    greedy = rows.pop("http://greedy.example/")
    assert (greedy["step"], greedy["reason"]) == ("Trap", "out_of_memory")
    assert 500 << 20 < greedy["value"] <= 640 << 20
    assert {url: (row["step"], row["reason"], row["value"], row["evidence"]) for url, row in rows.items()} == {
        "http://endless.example/": ("Trap", "timeout", 0.4, "no text after 0.4 s of CPU"),
        "http://broken.example/": ("Trap", "failed", None, "KeyError('broken')"),
        "http://fatal.example/": ("Trap", "crashed", -6.0, "the extractor's process ended with status -6"),
    }
    urls = pq.read_table(tmp_path / "out/documents").column("url").to_pylist()
    assert urls == [f"http://good{number}.example/" for number in range(4)]
    ledger = manifest.load(str(tmp_path / "out")).ledger
    assert (ledger["retried"], ledger["rejected"]) == (
        3,
        {"Trap": {"crashed": 1, "failed": 1, "out_of_memory": 1, "timeout": 1}},
    )


@pytest.mark.slow
def test_a_recipe_whose_rules_measure_the_same_stops_the_run(tmp_path: Path, capfd):
    assert curate.main(trapped(tmp_path, "size")) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert errors == ["error: a task failed: ValueError: Trap measures size as an earlier step does"]
