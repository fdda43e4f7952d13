"""Pages per second from archives to filtered documents: this project beside datatrove, in turn, on the same files.

    python -m tests.benchmarks.against_datatrove --input 'FOLDER/*.warc.gz' --workers 2

datatrove 0.10.1 is installed into an environment of its own (build/benchmarks/). Both start cold in each round, with
all their start-up; both read WARC, extract with trafilatura, keep English and apply FineWeb's rules; neither removes
duplicates. datatrove also has FineWeb's URL blocklist, which takes it 5% of its time and keeps some pages from
extraction. Whole-process wall seconds; the median of the rounds is what counts.
"""

import argparse
import glob
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from curation import language

ENVIRONMENT = Path("build/benchmarks/datatrove-0.10.1")
# lxml_html_clean: trafilatura needs it; spacy: splits English words in datatrove, which does not list it for that.
REQUIREMENTS = ["datatrove[io,processing]==0.10.1", "lxml_html_clean", "spacy>=3.8,<3.9"]


def main() -> None:
    """Installs datatrove where it is not yet, runs both in turn, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, metavar="GLOB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    archives = sorted(glob.glob(args.input))
    if not archives:
        sys.exit(f"--input {args.input}: no file matches")
    python = install()

    with tempfile.TemporaryDirectory() as folder:
        linked = Path(folder, "archives")
        linked.mkdir()
        for archive in archives:
            (linked / Path(archive).name).symlink_to(Path(archive).resolve())
        seconds: dict[str, list[float]] = {"this project": [], "datatrove 0.10.1": []}
        kept: dict[str, int] = {}
        num_pages = 0
        for _ in range(args.rounds):
            for name, run in (("this project", ours), ("datatrove 0.10.1", theirs)):
                output = Path(folder, "output")
                start = time.perf_counter()
                run(linked, output, args.workers, python)
                seconds[name].append(time.perf_counter() - start)
                kept[name], pages = count(output)
                num_pages = max(pages, num_pages)  # only ours knows it
                shutil.rmtree(output)
        report(seconds, kept, num_pages, args.workers)


def install() -> str:
    """The Python of datatrove's environment."""
    python = ENVIRONMENT / "bin/python"
    if not (ENVIRONMENT / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        (ENVIRONMENT / "installed").touch()
    return str(python.absolute())


def ours(archives: Path, output: Path, workers: int, _: str) -> None:
    """The extract stage, as a user starts it."""
    command = [sys.executable, "-m", "pipelines.extract", "--input", f"{archives}/*.warc.gz"]
    quiet([*command, "--output", str(output), "--workers", str(workers)])


def theirs(archives: Path, output: Path, workers: int, python: str) -> None:
    """datatrove's local executor."""
    script = Path(__file__).with_name("datatrove_fineweb.py")
    quiet([python, str(script), str(archives), str(output), str(workers), language.model_path()])


def quiet(command: list[str]) -> None:
    """Runs a command, and shows what it said only where it failed."""
    with tempfile.TemporaryFile("w+") as log:  # not a pipe, which workers that outlive a failed driver would hold open
        run = subprocess.run(command, stdout=log, stderr=log, timeout=1800)
        if run.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{log.read()[-4000:]}")


def count(output: Path) -> tuple[int, int]:
    """Documents kept, and pages read where the output says so."""
    kept = sum(pq.read_metadata(path).num_rows for path in output.glob("filtered/*.parquet"))
    rejected = sum(pq.read_metadata(path).num_rows for path in output.glob("rejected/*.parquet"))
    if rejected:
        return kept, kept + rejected
    return sum(sum(1 for _ in gzip.open(path)) for path in output.glob("documents/*.jsonl.gz")), 0


def report(seconds: dict[str, list[float]], kept: dict[str, int], pages: int, workers: int) -> None:
    """Prints the table and the ratio of the medians."""
    print(f"{pages} pages, {workers} workers, {os.cpu_count()} cores, {len(seconds['this project'])} rounds in turn")
    print(f"{'':<18} {'kept':>6} {'median s':>9} {'min':>7} {'max':>7} {'pages/s':>8}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<18} {kept[name]:>6} {median:>9.1f} {min(times):>7.1f} {max(times):>7.1f} {pages / median:>8.1f}")
    ratios = [theirs / ours for ours, theirs in zip(*seconds.values(), strict=True)]
    print(f"times as fast, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
