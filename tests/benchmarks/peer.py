"""datatrove, in an environment of its own: its FineWeb steps, its statistics, and the texts of its extractor."""

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from curation import language

ENVIRONMENT = Path("build/benchmarks/datatrove-0.10.1")
# lxml_html_clean: trafilatura needs it; spacy: splits English words in datatrove, which does not list it for that.
REQUIREMENTS = ["datatrove[io,processing]==0.10.1", "lxml_html_clean", "spacy>=3.8,<3.9"]


def install() -> str:
    """The Python of datatrove's environment."""
    return environment(ENVIRONMENT, [REQUIREMENTS])


def environment(folder: Path, requirements: list[list[str]]) -> str:
    """The Python of an environment, made where it is not there yet by these calls of `pip install`."""
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for each in requirements:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *each], check=True)
        (folder / "installed").touch()
    return str(python.absolute())


def run(archives: Path, output: Path, workers: int, python: str, *, steps: str = "all") -> None:
    """datatrove's local executor; `steps`: all of FineWeb's but duplicates, or `extract` alone."""
    script = Path(__file__).with_name("datatrove_fineweb.py")
    checked([python, str(script), str(archives), str(output), str(workers), language.model_path(), steps])


def texts(archives: Path, output: Path, workers: int, python: str) -> dict[str, str]:
    """What datatrove's extractor gives for every page, by URL."""
    run(archives, output, workers, python, steps="extract")
    return {row["metadata"]["url"]: row["text"] for row in documents(output)}


def documents(output: Path) -> list[dict]:
    """What a run wrote."""
    return [json.loads(line) for path in sorted(output.glob("documents/*.jsonl.gz")) for line in gzip.open(path)]


def seconds_of_steps(output: Path) -> dict[str, float]:
    """Seconds of each step, of all workers together, by datatrove's own statistics."""
    stats = json.loads((output / "logs" / "stats.json").read_text())
    return {step["name"]: step["time_stats"]["total"] for step in stats}


def checked(command: list[str]) -> None:
    """Runs a command, and shows what it said only where it failed."""
    with tempfile.TemporaryFile("w+") as log:  # not a pipe, which workers that outlive a failed driver would hold open
        run = subprocess.run(command, stdout=log, stderr=log, timeout=1800)
        if run.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{log.read()[-4000:]}")
