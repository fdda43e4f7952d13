"""The walls between the packages: what importing every module of one may bring in."""

import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names), *sorted(set(sys.argv[2:]) & set(sys.modules)))
"""


# Commands that read one corpus start at once: the first without what the other two do need.
IMPORT_COMMANDS = """
import sys, pipelines.whatif
print(*sorted({'apache_beam', 'torch', 'spacy', 'trafilatura'} & set(sys.modules)))
import pipelines.inspect, pipelines.replay
print(*sorted({'apache_beam'} & set(sys.modules)))
"""
WALLS = {
    "curation": {"apache_beam", "torch", "pipelines", "trainers"},
    "pipelines": {"torch", "trainers"},
    "trainers": {"apache_beam", "trafilatura", "pipelines", "spacy"},
}


def started(source, *argv, path=ROOT):
    return subprocess.Popen([sys.executable, "-c", source, *argv], cwd=path, stdout=subprocess.PIPE, text=True)


def printed(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return out


def loading(package, forbidden, *, path=ROOT):
    """A process that says how many modules the package has, and which of the forbidden ones they bring in."""
    return started(IMPORT_ALL, package, *sorted(forbidden), path=path)


def loaded(process):
    count, *found = printed(process).split()
    return int(count), found


@pytest.fixture(scope="module")
def processes():
    """Side by side, as they take seconds."""
    running = {package: loading(package, forbidden) for package, forbidden in WALLS.items()}
    running["commands"] = started(IMPORT_COMMANDS)
    yield running
    for process in running.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("package", WALLS)
def test_a_package_imports_nothing_beyond_its_wall(package, processes):
    count, found = loaded(processes[package])
    assert found == []
    assert count >= 10


def test_beam_is_not_needed(processes):
    """By pipelines.whatif, inspect and replay."""
    assert printed(processes["commands"]) == "\n\n"


def test_the_check_can_fail(tmp_path):
    """A forbidden import that hides in a function's module two levels down is found."""
    (tmp_path / "walled" / "inner").mkdir(parents=True)
    for folder in ("walled", "walled/inner"):
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "walled" / "inner" / "deep.py").write_text("import forbidden_module\n")
    (tmp_path / "forbidden_module.py").touch()
    assert loaded(loading("walled", {"forbidden_module", "torch"}, path=tmp_path)) == (2, ["forbidden_module"])
