"""Near-duplicates found by this project, and with --peers by datatrove and text-dedup, on texts with known truth.

    python -m tests.benchmarks.dedup --labelled ../shared/data/dedup --peers
    python -m tests.benchmarks.dedup --synthetic 100000 1000000 --workers 2 --peers

--labelled reads texts, all of whose pairs have a known Jaccard similarity of word 5-grams, and takes them through the
extract and deduplicate stages; then it judges every candidate pair, at all thresholds. --synthetic makes texts of 100
to 500 words, one in five a copy whose similarity to its original is uniform from .5 to 1 (`dedup_texts`), and says
whether the time grows linearly. Seconds and memory are those of whole processes, start-up included: of this project the
deduplicate stage, which reads and writes Parquet, of the others all they do from JSON lines to JSON lines or Arrow.
datatrove and text-dedup are installed into environments of their own (build/benchmarks/), text-dedup without its Spark.

A pair is right from a similarity of .8 on. Pairs in one cluster are what all three decide, so also those that are alike
only by way of others; verified pairs are those that this project made the clusters of.
"""

import argparse
import datetime
import importlib.metadata
import itertools
import os
import platform
import shlex
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks import dedup_labelled, dedup_runs, dedup_texts
from tests.benchmarks.dedup_runs import Found
from tests.benchmarks.dedup_texts import Synthetic

_SHOWN = ("numpy", "pyarrow", "datasketch", "xxhash", "apache-beam")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs what is asked for and prints it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--labelled", type=Path, metavar="FOLDER", help="of made_docs, made_all_pairs_j5_ge_0.2 and so on")
    add("--synthetic", type=int, nargs="+", default=[], metavar="N", help="documents, such as 100000 1000000")
    add("--workers", type=int, default=2)
    add(
        "--rounds", type=int, default=1, metavar="N", help="in turn, on synthetic texts; the median counts (default: 1)"
    )
    add("--seed", type=int, default=1, help="of the synthetic texts (default: 1)")
    add("--bands", type=int, default=14, metavar="N", help="of this project, on synthetic texts (default: 14)")
    add("--peers", action="store_true", help="datatrove and text-dedup too")
    add("--peers-up-to", type=int, default=100_000, metavar="N", help="synthetic documents (default: 100000)")
    add("--folder", type=Path, metavar="DIR", help="where archives go and stay (default: a temporary folder)")
    args = parser.parse_args(argv)
    if args.labelled is None and not args.synthetic:
        parser.error("expected --labelled FOLDER or --synthetic N")
    if min([*args.synthetic, args.workers, args.rounds]) < 1:
        parser.error("--synthetic, --workers and --rounds: expected at least 1")
    print(*_about(sys.argv[1:] if argv is None else argv), "", sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        if args.labelled:
            for labelled in dedup_labelled.read(args.labelled):
                for line in dedup_labelled.report(
                    labelled, Path(temporary, labelled.name), args.workers, peers=args.peers
                ):
                    print(line, flush=True)
                print()
        if args.synthetic:
            for line in _synthetic(args, args.folder or Path(temporary, "synthetic"), Path(temporary)):
                print(line, flush=True)


def _synthetic(args: argparse.Namespace, folder: Path, work: Path) -> Iterator[str]:
    """A row for each size and program, and how the time grows."""
    yield from dedup_runs.HEADINGS
    seconds: dict[int, float] = {}
    notes = []
    for size in sorted(set(args.synthetic)):
        corpus = Synthetic(size, args.seed)
        truth = dedup_texts.truth(corpus, args.workers)
        runs = _rounds(args, corpus, folder, work)
        for name, found in runs.items():
            middle = statistics.median_low(each.seconds for each in found)
            chosen = next(each for each in found if each.seconds == middle)
            yield chosen.row(f"{size:,}", name, size, truth)
            if len(found) > 1:
                notes.append(f"{size:,}, {name}: {', '.join(f'{each.seconds:.1f}' for each in found)} s")
            if name == _OURS:
                seconds[size] = middle
            else:
                notes.append(f"{size:,}: {middle / seconds[size]:.2f} times as fast as {name}")
    sizes = sorted(seconds)
    for small, large in itertools.pairwise(sizes):
        times, more = seconds[large] / seconds[small], large / small
        notes.append(f"{large:,} take {times:.2f} times as long as {small:,}: {times / more:.2f} of linear")
    yield from ("", *notes)


_OURS = "this project"


def _rounds(args: argparse.Namespace, corpus: Synthetic, folder: Path, work: Path) -> dict[str, list[Found]]:
    """What each program found, in each round; texts are written and extracted before."""
    archives, texts = folder / corpus.name, folder / f"{corpus.name}-json"
    dedup_texts.write(corpus, archives, args.workers)
    extracted = work / f"{corpus.name}-corpus"
    dedup_runs.extract(f"{archives}/*.wet.gz", extracted, args.workers, bands=args.bands)
    peers = dedup_runs.PEERS if args.peers and corpus.num_documents <= args.peers_up_to else {}
    if peers:
        dedup_texts.write(corpus, texts, args.workers, as_json=True)
    runs: dict[str, list[Found]] = {name: [] for name in (_OURS, *peers)}
    for _ in range(args.rounds):
        runs[_OURS].append(dedup_runs.this_project(f"{archives}/*.wet.gz", extracted, args.workers))
        for name, run in peers.items():
            with tempfile.TemporaryDirectory(dir=work) as output:
                runs[name].append(run(texts, Path(output), args.workers))
    return runs


def _about(argv: Sequence[str]) -> Iterator[str]:
    """Command, machine and versions."""
    yield f"`python -m tests.benchmarks.dedup {shlex.join(argv)}`, {datetime.date.today()}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    yield f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {platform.system()} {platform.release()}"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _SHOWN)
    yield f"Python {platform.python_version()}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
