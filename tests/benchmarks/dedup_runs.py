"""Near-duplicates by this project, by datatrove and by text-dedup, each as a whole process: seconds, memory, clusters.

All have 14 bands of 8 rows, unless this project is given others, word 5-grams, xxhash and the same number of workers.
This project reads the parts that its extract stage wrote, the others JSON lines of the same texts.
"""

import dataclasses
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks import dedup_scores, dedup_texts, memory, peer
from tests.benchmarks.dedup_scores import MARGIN, THRESHOLD, Pair

_RECIPE = """\
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText
from curation.recipe import Recipe

RECIPE = Recipe("near_duplicates", "tests/benchmarks/dedup.py", (ExtractText(), NearDuplicates(bands={bands})))
"""
_TEXT_DEDUP = Path("build/benchmarks/text-dedup-0.4.0")
# Without its Spark, TensorFlow and documentation, which its minhash does not use.
_TEXT_DEDUP_NEEDS = [
    ["--no-deps", "text-dedup==0.4.0"],
    [
        "bitarray",
        "click<9",
        "click-option-group<0.6",
        "datasets>=2.17,<5",
        "ftfy",
        "numpy",
        "psutil",
        "pybloom-live>=4",
        "regex",
        "rich<14",
        "scipy",
        "tqdm",
        "xxhash",
        "zstandard",
    ],
]
HEADINGS = (
    "| texts | program | s | documents/s | peak MB | verified pairs: precision | pairs in one cluster: precision "
    "| recall, j ≥ .80 | recall, j ≥ .85 |",
    "|---|---|---|---|---|---|---|---|---|",
)
# Writes {name: cluster} of the documents that share a band with another.
_CLUSTERS = """
import json, pickle, sys
union = pickle.load(open(sys.argv[1], "rb"))
json.dump({name: union.find(name) for name in list(union.parent)}, open(sys.argv[2], "w"))
"""


@dataclasses.dataclass(frozen=True)
class Found:
    """What one program made of some texts."""

    seconds: float
    peak: int  # bytes, of all its processes
    cluster_of: Mapping[str, object]  # of documents that have duplicates
    pairs: tuple[Pair, ...] = ()  # that it verified, and clustered by

    def row(self, texts: str, program: str, num_documents: int, truth: Mapping[Pair, float]) -> str:
        """Below `HEADINGS`; pairs are right from a similarity of .8 on."""
        score = dedup_scores.of_clusters(self.cluster_of, truth, THRESHOLD)
        sure = dedup_scores.of_clusters(self.cluster_of, truth, THRESHOLD, MARGIN)
        verified = dedup_scores.of_pairs(self.pairs, truth, THRESHOLD)
        cells = [texts, program, f"{self.seconds:.1f}", f"{num_documents / self.seconds:,.0f}"]
        cells += [f"{self.peak / 1e6:,.0f}", f"{verified.precision:.4f}" if self.pairs else ""]
        cells += [f"{it:.4f}" for it in (score.precision, score.recall, sure.recall)]
        return f"| {' | '.join(cells)} |"


def extract(archives: str, corpus: Path, workers: int, *, bands: int = 14) -> None:
    """The stage before: archives of texts to parts of documents."""
    recipe = corpus.with_suffix(".py")
    recipe.write_text(_RECIPE.format(bands=bands))
    memory.watched(_stage("extract", archives, corpus, workers), every=1.0)


def this_project(archives: str, corpus: Path, workers: int) -> Found:
    """The stage on all documents, on a copy of what `extract` made."""
    copy = corpus.with_name(f"{corpus.name}-run")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(corpus, copy, copy_function=os.link)
    seconds, peak = memory.watched(_stage("deduplicate", archives, copy, workers, recipe=corpus.with_suffix(".py")))
    names = dict(_names(corpus / "filtered"))
    rows = list(_dropped(copy / "rejected"))
    shutil.rmtree(copy)
    cluster_of: dict[str, object] = {}
    pairs = []
    for document, kept, through in rows:
        cluster_of[names[document]] = cluster_of[names[kept]] = names[kept]
        pairs.append((names[document], names[through]))
    return Found(seconds, peak, cluster_of, tuple(pairs))


def datatrove(texts: Path, work: Path, workers: int) -> Found:
    """Its four stages, which take the first JSON lines file to be the first task's, and so on."""
    script = Path(__file__).with_name("datatrove_minhash.py")
    command = [peer.install(), str(script), str(texts), str(work), str(workers)]
    seconds, peak = memory.watched(command, environment=_offline())
    cluster_of: dict[str, object] = {}
    for rank, path in enumerate(sorted(texts.glob("*.jsonl"))):
        with open(path, encoding="utf-8") as file:
            names = [json.loads(line)["id"] for line in file]
        clusters = work / "clusters" / f"{rank:06d}.clusters"
        if clusters.exists():
            cluster_of |= {names[row]: cluster for row, cluster in struct.iter_unpack("<2I", clusters.read_bytes())}
    return Found(seconds, peak, cluster_of)


def text_dedup(texts: Path, work: Path, workers: int) -> Found:
    """Its minhash on a whole folder."""
    python = peer.environment(_TEXT_DEDUP, _TEXT_DEDUP_NEEDS)
    flags = {
        "path": "json",
        "data_files": f"{texts}/*.jsonl",
        "split": "train",
        "cache_dir": f"{work}/cache",
        "column": "text",
        "idx_column": "id",
        "ngram": "5",
        "num_perm": "112",
        "b": "14",
        "r": "8",
        "hash_func": "xxh3",
        "num_proc": str(workers),
        "output": f"{work}/output",
    }
    command = [python, "-m", "text_dedup.minhash", *(f"--{name}={value}" for name, value in flags.items()), "--debug"]
    seconds, peak = memory.watched(command, environment=_offline())
    clusters = work / "clusters.json"
    subprocess.run([python, "-c", _CLUSTERS, str(work / "output" / "uf.pkl"), str(clusters)], check=True)
    return Found(seconds, peak, json.loads(clusters.read_text()))


PEERS = {"datatrove 0.10.1": datatrove, "text-dedup 0.4.0": text_dedup}


def _stage(stage: str, archives: str, corpus: Path, workers: int, *, recipe: Path | None = None) -> list[str]:
    command = [sys.executable, "-m", f"pipelines.{stage}", "--input", archives, "--output", str(corpus)]
    return [*command, "--recipe", str(recipe or corpus.with_suffix(".py")), "--workers", str(workers)]


def _offline() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def _names(folder: Path) -> Iterator[tuple[str, str]]:
    """Ids and names of all documents."""
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "url"]).to_pylist():
            yield row["id"], dedup_texts.name_of_url(row["url"])


def _dropped(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Ids of each dropped document, of the one kept, and of the one it was found to be like."""
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "step", "evidence"]).to_pylist():
            if row["step"] in ("ExactDuplicates", "NearDuplicates"):  # the first where the texts are the same
                kept, _, through = row["evidence"].partition(" through ")
                yield row["id"], kept, through or kept
