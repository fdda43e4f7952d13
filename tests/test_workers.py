"""Local workers are forked from one process that has loaded everything; where it is gone, each starts by itself."""

import functools
import os
import sys
from pathlib import Path

import pytest

from pipelines import launch, options, workers
from pipelines.tasks import Round


def note(task: int, *, folder: Path) -> int:
    """Writes down what this process is."""
    seen = [os.getpid(), os.getppid(), os.environ.get("ONLY_HERE"), os.getcwd(), "trafilatura" in sys.modules]
    (folder / str(task)).write_text("\n".join(map(str, seen)))
    return 0


def run(work) -> None:
    """Six tasks by two workers."""
    flags = ["--input", "none.warc.gz", "--output", "none", "--workers", "2"]
    args, beam_options = options.parse(options.parser("curate", ""), flags)
    args.access = options.access(args, beam_options)
    launch.run([Round("some", range(6), work)], args, beam_options)


def noted(folder: Path) -> list[list[str]]:
    """What the tasks wrote down, in their order."""
    run(functools.partial(note, folder=folder))
    return [(folder / str(task)).read_text().split("\n") for task in range(6)]


def test_all_workers_of_all_runs_are_forked_from_one_process(tmp_path, monkeypatch):
    """In the folder and with the environment of the run, whatever those were when the server was started."""
    workers.start()
    server = workers._server.process.pid
    for value in ("a", "b"):
        monkeypatch.setenv("ONLY_HERE", value)
        (tmp_path / value).mkdir()
        monkeypatch.chdir(tmp_path / value)
        found = noted(tmp_path / value)
        assert {row[1] for row in found} == {str(server)}
        assert {(row[2], row[3]) for row in found} == {(value, str(tmp_path / value))}
        assert len({row[0] for row in found}) == 2
    assert len(os.listdir(f"/proc/{server}/task")) == 1  # with more threads a fork may hang


@pytest.mark.slow
def test_a_server_that_was_killed_is_replaced():
    workers.start()
    old = workers._server.process
    old.kill()
    old.wait()
    workers.start()
    assert workers._server.process.pid != old.pid and workers._server.process.poll() is None


@pytest.mark.slow
def test_without_a_server_workers_start_by_themselves(tmp_path, monkeypatch):
    """It was killed after Beam had been told its command."""
    command = workers.start()
    server = workers._server
    server.process.kill()
    server.process.wait()
    monkeypatch.setattr(workers, "start", lambda: command)
    assert {row[1] for row in noted(tmp_path)} == {str(os.getpid())}


@pytest.mark.slow
def test_in_a_folder_whose_path_no_socket_takes_workers_start_by_themselves(tmp_path, monkeypatch):
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr(workers, "_server", None)
    monkeypatch.setattr(workers.tempfile, "tempdir", str(deep))
    assert {row[1] for row in noted(tmp_path)} == {str(os.getpid())}
    assert os.listdir(deep) == []
