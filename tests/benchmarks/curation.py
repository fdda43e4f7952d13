"""The whole FineWeb path beside datatrove, in turn, on the same files, and what each step takes.

    python -m tests.benchmarks.curation --input 'FOLDER/*.warc.gz' --workers 2

datatrove 0.10.1 is installed into an environment of its own (build/benchmarks/). Both start cold in each round, with
all their start-up; both read WARC, extract with trafilatura, keep English and apply FineWeb's rules; neither removes
duplicates. datatrove also has FineWeb's URL blocklist, which takes it 5% of its time and keeps some pages from
extraction. Whole-process wall seconds: the median of the rounds is what counts. The seconds of steps are datatrove's
own statistics, and the CPU seconds of the same steps of this project, run one page after another in one process.

It then says on which pages the two decide otherwise, of those to which both extractors give the same text.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import arguments, decisions, peer, timed_steps


def main() -> None:
    """Installs datatrove where it is not yet, runs both in turn, and prints the tables."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    archives = arguments.archives(args)
    python = peer.install()

    with tempfile.TemporaryDirectory() as folder:
        linked = Path(folder, "archives")
        linked.mkdir()
        for archive in archives:
            (linked / Path(archive).name).symlink_to(Path(archive).resolve())
        seconds: dict[str, list[float]] = {"this project": [], "datatrove 0.10.1": []}
        outputs = {name: Path(folder, name) for name in seconds}
        for _ in range(args.rounds):
            for name, run in (("this project", ours), ("datatrove 0.10.1", peer.run)):
                shutil.rmtree(outputs[name], ignore_errors=True)
                start = time.perf_counter()
                run(linked, outputs[name], args.workers, python)
                seconds[name].append(time.perf_counter() - start)
        mine, theirs = outputs.values()
        report(seconds, decisions.num_pages(mine), args.workers)
        timed_steps.report(timed_steps.of_this_project(archives), peer.seconds_of_steps(theirs))
        texts = peer.texts(linked, Path(folder, "texts"), args.workers, python)
        decisions.report(mine, theirs, texts, archives)


def ours(archives: Path, output: Path, workers: int, _: str) -> None:
    """The extract stage, as a user starts it."""
    command = [sys.executable, "-m", "pipelines.extract", "--input", f"{archives}/*.warc.gz", "--output", str(output)]
    peer.checked([*command, "--workers", str(workers)])


def report(seconds: dict[str, list[float]], pages: int, workers: int) -> None:
    """Prints the table and the ratio of each round."""
    print(f"{pages} pages, {workers} workers, {os.cpu_count()} cores, {len(seconds['this project'])} rounds in turn")
    print(f"{'':<18} {'median s':>9} {'min':>7} {'max':>7} {'pages/s':>8}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<18} {median:>9.1f} {min(times):>7.1f} {max(times):>7.1f} {pages / median:>8.1f}")
    ratios = [theirs / ours for ours, theirs in zip(*seconds.values(), strict=True)]
    print(f"times as fast, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}\n")


if __name__ == "__main__":
    main()
