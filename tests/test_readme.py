"""Every command of the README is run, in its order, in a folder that looks like a fresh checkout."""

import collections
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation import sources, warc
from curation.document import Page
from pipelines import options
from tests import crawl_mirror
from tests.conftest import SAMPLE
from tests.http_server import Server

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's files, and an environment that is the one running the tests."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("curation", "pipelines", "trainers", "tests", "Makefile", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def common_crawl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on the loopback laid out like data.commoncrawl.org: ten archives, which are one of the sample crawl."""
    folder = tmp_path_factory.mktemp("crawl")
    archive = sorted(SAMPLE.glob("*.warc.gz"))[0]
    paths = [crawl_mirror.archive_path(number) for number in range(10)]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(archive)
    task = sources.Task(0, 1, str(archive), 0, archive.stat().st_size)
    pages = [page for page in warc.pages(task, collections.Counter()) if isinstance(page, Page)]
    rows = [crawl_mirror.row(page.url, paths[0], page.offset, page.length) for page in pages]
    crawl_mirror.write_list(folder, "warc", paths)
    crawl_mirror.write_index(folder, [sorted(rows, key=lambda row: row["url_surtkey"])])
    with Server.of_folder(folder) as server:
        yield server.url("")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=lambda number: BLOCKS[number].split("\n")[0][:60])
def test_command(number: int, checkout: Path, common_crawl: str):
    block = BLOCKS[number]
    if block == "make test\n":  # which runs this test: it is what continuous integration calls
        assert (ROOT / ".ci/run").read_text().rstrip().endswith("exec make test")
        return
    block = block.replace("https://data.commoncrawl.org", common_crawl).replace("make demo", "make -o install demo")
    block = block.replace("--hosts commoncrawl.org", "--hosts slowbread.example harbour-chronicle.example")
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=checkout,
        env={**os.environ, "NO_GCE_CHECK": "true"},  # else the Dataflow runner asks the network who it is
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    if "make -o install demo" in block:
        lines = run.stdout.splitlines()
        table = lines[lines.index(next(line for line in lines if "pages read, " in line)) :]
        shown = table[: 1 + next(n for n, line in enumerate(table) if line.startswith("the books close"))]
        assert [line for line in shown if line not in README] == []


@pytest.mark.slow
@pytest.mark.parametrize("module", re.findall(r"`python -m (tests\.benchmarks\.\w+)", README))
def test_benchmarks_start(module: str):
    """They take minutes, and one of them a package index: here they only say what they do."""
    run = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout.startswith("usage: ")) == (0, True), run.stderr


def test_there_are_commands():
    assert len(BLOCKS) == 25


def test_the_recipe_is_shown_as_it_is():
    source = (ROOT / "curation/recipes/fineweb.py").read_text()
    assert source[source.index("RECIPE = ") :] in README


def test_every_flag_is_in_the_table():
    table = README[README.index("| flag |") : README.index("The stages can be run alone")]
    flags = [flag for action in options.parser("curate", "")._actions for flag in action.option_strings]
    named = set(re.findall(r"--[\w-]+", table))
    assert set(flags) - named == {"-h", "--help"}


def test_links_and_paths_exist():
    paths = re.findall(r"`((?:curation|pipelines|trainers|tests|docker)/[\w/.-]*)`", README)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert len(paths) > 10
