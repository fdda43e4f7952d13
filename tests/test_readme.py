"""Every command of the README is run, in its order, in a folder that looks like a fresh checkout."""

import functools
import gzip
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import options
from tests.conftest import SAMPLE

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
    """A server on the loopback laid out like data.commoncrawl.org, with one archive of the sample crawl."""
    folder = tmp_path_factory.mktemp("crawl")
    crawl = folder / "crawl-data/CC-MAIN-2024-51"
    path = "crawl-data/CC-MAIN-2024-51/segments/1/warc/CC-MAIN-1-00000.warc.gz"
    (folder / path).parent.mkdir(parents=True)
    (folder / path).symlink_to(sorted(SAMPLE.glob("*.warc.gz"))[0])
    (crawl / "warc.paths.gz").write_bytes(gzip.compress(f"{path}\n".encode()))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=lambda number: BLOCKS[number].split("\n")[0][:60])
def test_command(number: int, checkout: Path, common_crawl: str):
    block = BLOCKS[number]
    if block == "make test\n":  # which runs this test: it is what continuous integration calls
        assert (ROOT / ".ci/run").read_text().rstrip().endswith("exec make test")
        return
    block = block.replace("https://data.commoncrawl.org", common_crawl).replace("make demo", "make -o install demo")
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


@pytest.mark.parametrize("module", re.findall(r"`python -m (tests\.benchmarks\.\w+)", README))
def test_benchmarks_start(module: str):
    """They take minutes, and one of them a package index: here they only say what they do."""
    run = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, "--workers" in run.stdout) == (0, True), run.stderr


def test_there_are_commands():
    assert len(BLOCKS) == 10


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
