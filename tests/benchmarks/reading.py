"""What reading archives costs: CPU seconds of this project's reader beside warcio's and FastWARC's, and of a whole run.

    python -m tests.benchmarks.reading --input 'FOLDER/*.warc.gz'

The three readers take turns in one process and each hands out every response. FastWARC leaves payloads as they are,
since its decoding ends at the first page that says it is chunked and is not; the others decode them, and ours also
checks each record's bounds and digests the payload. The whole run is `pipelines.curate` with one worker, by the clock.
"""

import collections
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fastwarc.warc import ArchiveIterator as FastWarcIterator
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator as WarcioIterator

from curation import sources, warc
from curation.document import Page
from tests.benchmarks import arguments


def main() -> None:
    """Prints seconds and responses of each reader, and the share of ours in a run."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    archives = arguments.archives(args)
    readers = {"this project": ours, "ours, 1 MiB tasks": ours_in_pieces, "warcio": warcio, "FastWARC": fastwarc}
    seconds: dict[str, list[float]] = collections.defaultdict(list)
    found = {}
    for _ in range(args.rounds):
        for name, read in readers.items():
            start = time.process_time()
            found[name] = sum(map(read, archives))
            seconds[name].append(time.process_time() - start)
    for name, times in seconds.items():
        print(f"{name:18} {found[name]:6d} responses  {statistics.median(times):6.2f} s  {len(times)} rounds, median")
    whole = run(archives)
    for name in ("this project", "ours, 1 MiB tasks"):
        print(f"{name}: {statistics.median(seconds[name]) / whole:.1%} of the {whole:.1f} s of a whole run")


def ours(path: str) -> int:
    return _ours(path, None)


def ours_in_pieces(path: str) -> int:
    return _ours(path, 1 << 20)


def _ours(path: str, task_bytes: int | None) -> int:
    entry = sources.archives([path])
    tasks = sources.tasks(entry, task_bytes=task_bytes or 1 << 40)
    skipped: collections.Counter[str] = collections.Counter()
    return sum(isinstance(page, Page) for task in tasks for page in warc.pages(task, skipped))


def warcio(path: str) -> int:
    count = 0
    with open(path, "rb") as file:
        for record in WarcioIterator(file):
            if record.rec_type == "response":
                record.content_stream().read()
                count += 1
    return count


def fastwarc(path: str) -> int:
    count = 0
    with open(path, "rb") as file:
        for record in FastWarcIterator(file, record_types=WarcRecordType.response):
            record.reader.read()
            count += 1
    return count


def run(archives: Sequence[str]) -> float:
    """Seconds that a whole run takes one worker."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder, "corpus"))
        command = [sys.executable, "-m", "pipelines.curate", "--output", output, "--workers", "1", "--input", *archives]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
