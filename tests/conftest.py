"""What several tests share: the sample crawl, curated once, and the process that extraction's children come from."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

from curation import fork_server
from pipelines import curate, extract

# Timing decides no test: an example may take as long as a busy machine makes it.
settings.register_profile("patient", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("patient")

# Tests run side by side, so each process has one core; torch's threads would spin while they wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

SAMPLE = Path(__file__).parent / "sample_crawl"


@pytest.fixture(scope="session", autouse=True)
def one_fork_server() -> Iterator[None]:
    """Stages leave it running: it takes two seconds to load what a run's children need, and they are forked for each.

    That it ends when it is told to, and with its parent, is what test_sandbox is about.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "fork_server", SimpleNamespace(stop=lambda: None))
        yield
    fork_server.stop()


@pytest.fixture(scope="session")
def sample_flags() -> list[str]:
    """The flags that decide what the sample corpus holds."""
    return ["--input", f"{SAMPLE}/*.warc.gz", "--vocab-size", "1024", "--validation-share", "0.1"]


@pytest.fixture(scope="session")
def sample_corpus(sample_flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the sample crawl, made by two workers."""
    output = tmp_path_factory.mktemp("sample") / "corpus"
    assert curate.main([*sample_flags, "--output", str(output), "--workers", "2"]) == 0
    return output


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes by their number: gzip's hold the time, and tests that run side by side must have the same names."""
    return f"{argname} of {len(val)} bytes" if isinstance(val, bytes) and len(val) > 8 else None
