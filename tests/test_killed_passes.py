"""C4 is made in several passes; a run that is killed in any of them goes on to the same bytes."""

import hashlib

import pytest

from curation import recipe
from pipelines import curate
from tests import killing, plain_c4

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


@pytest.mark.parametrize(
    "seen, exchange",
    [(["work/*/pass-0/*", "work/*/pass-1/*"], "files"), (["work/*/pass-0/documents/*"], "shuffle")],
)
def test_killed_with_two_workers_in_every_pass(seen, exchange, uninterrupted, tmp_path):
    """SIGKILL as soon as files of a pass appear, and again in the next."""
    flags, corpus = uninterrupted
    killing.killed_and_finished(seen, [*flags, "--exchange", exchange], tmp_path / "out", corpus)
