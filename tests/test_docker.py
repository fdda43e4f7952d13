"""The images cannot be built without a Docker engine; what can be said of their files is said here."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def copied(dockerfile: Path) -> list[str]:
    """The sources of COPY lines that come from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.*)$", dockerfile.read_text(), re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_there_are_two_images():
    assert [path.name for path in DOCKERFILES] == ["trainer.Dockerfile", "worker.Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_copies_only_what_exists(dockerfile):
    assert [source for source in copied(dockerfile) if not (ROOT / source).exists()] == []


def test_the_worker_holds_the_beam_version_that_launches():
    version = re.search(r"BEAM_VERSION=(\S+)", (ROOT / "docker/worker.Dockerfile").read_text())[1]
    assert f"apache-beam>={version.rsplit('.', 1)[0]}," in "\n".join(PYPROJECT["dependencies"])


def test_the_trainer_installs_ranges_that_the_project_allows():
    wanted = re.findall(r"'([\w\[\]]+[<>=][^']*)'", (ROOT / "docker/trainer.Dockerfile").read_text())
    assert len(wanted) == 11
    extras = PYPROJECT["optional-dependencies"]
    allowed = {*PYPROJECT["dependencies"], *extras["trainers"], *extras["tensorboard"]}
    assert [requirement for requirement in wanted if requirement not in allowed] == []


@pytest.mark.slow
def test_what_the_trainer_image_holds_is_enough_to_start(tmp_path):
    """The files that the image copies, alone in a folder, import without the rest of the project."""
    for source in copied(ROOT / "docker/trainer.Dockerfile"):
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, target)
    commands = ["pretrain", "trace", "suspects", "forget", "generate", "evaluate", "export", "finetune", "harness"]
    code = (
        f"import curation.remote.fetch, {', '.join(f'trainers.{each}' for each in commands)}; print(curation.__file__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, str(tmp_path / "curation/__init__.py")), run.stderr


@pytest.mark.slow
def test_the_launcher_runs_outside_the_package_folder(tmp_path):
    """tokenize.py in the first folder of the path would hide Python's own."""
    run = subprocess.run(
        [sys.executable, ROOT / "docker/launch.py", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "--recipe" in run.stdout
