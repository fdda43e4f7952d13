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


def loaded(package, forbidden, *, path=ROOT):
    """How many modules the package has, and which of the forbidden ones they bring in."""
    command = [sys.executable, "-c", IMPORT_ALL, package, *sorted(forbidden)]
    found = subprocess.run(command, cwd=path, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return int(found[0]), found[1:]


@pytest.mark.parametrize(
    "package, forbidden",
    [
        ("curation", {"apache_beam", "torch", "pipelines", "trainers"}),
        ("pipelines", {"torch", "trainers"}),
        ("trainers", {"apache_beam", "trafilatura", "pipelines", "spacy"}),
    ],
)
def test_a_package_imports_nothing_beyond_its_wall(package, forbidden):
    count, found = loaded(package, forbidden)
    assert found == []
    assert count >= 10


def test_the_check_can_fail(tmp_path):
    """A forbidden import that hides in a function's module two levels down is found."""
    (tmp_path / "walled" / "inner").mkdir(parents=True)
    for folder in ("walled", "walled/inner"):
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "walled" / "inner" / "deep.py").write_text("import forbidden_module\n")
    (tmp_path / "forbidden_module.py").touch()
    assert loaded("walled", {"forbidden_module", "torch"}, path=tmp_path) == (2, ["forbidden_module"])
