"""C4 is made in several passes; a run that is killed in any of them goes on to the same bytes."""

import hashlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from curation import recipe
from pipelines import curate
from tests import plain_c4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The flags of a run by C4's recipe over WET archives, and the corpus that it makes."""
    folder = tmp_path_factory.mktemp("c4")
    for name, content in plain_c4.wet_files(0, files=3, pages=40).items():
        (folder / name).write_bytes(content)
    bad_words = "\n".join(plain_c4.BAD_WORDS).encode()
    (folder / "words.txt").write_bytes(bad_words)
    digest = hashlib.sha256(bad_words).hexdigest()
    _, text = recipe.read_source("c4")
    text = text.replace("LDNOOBW_EN)", f'"{digest}")').replace("lists/ldnoobw/en.txt", str(folder / "words.txt"))
    (folder / "recipe.py").write_text(text)
    flags = ["--input", f"{folder}/*.wet.gz", "--recipe", f"{folder}/recipe.py", "--vocab-size", "512"]
    assert curate.main([*flags, "--output", f"{folder}/corpus", "--workers", "2"]) == 0
    return flags, folder / "corpus"


@pytest.mark.parametrize("seen", ["work/*/pass-0/*", "work/*/pass-1/*"])
def test_killed_with_two_workers_in_any_pass(seen, uninterrupted, tmp_path):
    """SIGKILL as soon as the files appear; the next start gives the bytes of a run that was not killed."""
    flags, corpus = uninterrupted
    output = tmp_path / "out"
    command = [sys.executable, "-m", "pipelines.curate", *flags, "--output", str(output), "--workers", "2"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(output.glob(seen)):
        assert run.poll() is None
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (output / "manifest.json").exists()
    time.sleep(3)  # for the workers to see that it is gone
    assert curate.main([*flags, "--output", str(output), "--workers", "2"]) == 0
    for expected in sorted(corpus.rglob("*.*")):
        if expected.is_file() and expected.name != "manifest.json":
            assert (output / expected.relative_to(corpus)).read_bytes() == expected.read_bytes()
    shutil.rmtree(output)
