"""Peak memory of all processes together while a corpus is made, on few files and on many.

    python -m tests.benchmarks.memory --input 'FOLDER/*.warc.gz' --few 2 --workers 2

Sums the proportional set size (shared pages counted once) of the command and all its descendants five times a second.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import arguments


def main() -> None:
    """Runs both, and prints the peaks and their ratio."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--few", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    archives = arguments.archives(args, at_least=args.few + 1)
    few, many = (peak(files, args.workers) for files in (archives[: args.few], archives))
    print(f"{args.few} files: {few / 1e6:.0f} MB; {len(archives)} files: {many / 1e6:.0f} MB; ratio {many / few:.2f}")


def peak(archives: list[str], workers: int) -> int:
    """The peak of one run in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pipelines.curate", "--output", f"{folder}/corpus", "--workers", str(workers)]
        return watched([*command, "--input", *archives])[1]


def watched(command: list[str], *, every: float = 0.2, environment: dict[str, str] | None = None) -> tuple[float, int]:
    """Runs a command: wall seconds, and the peak in bytes of its memory and that of all it starts.

    `every` so many seconds it looks, which takes some milliseconds of a core for each GB.
    """
    with tempfile.TemporaryFile("w+") as log:
        start, most = time.perf_counter(), 0
        run = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        while True:
            try:
                run.wait(every)
                break
            except subprocess.TimeoutExpired:
                most = max(most, sum(map(memory, descendants(run.pid))))
        seconds = time.perf_counter() - start
        if run.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(command)} ended with status {run.returncode}:\n{log.read()[-4000:]}")
    return seconds, most


def descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def memory(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
