"""datatrove's four MinHash stages with FineWeb's numbers; run inside an environment that holds datatrove.

The arguments are: a folder with JSON lines, an output folder, and the number of workers. Cluster ids are saved beside
what its fourth stage needs.
"""

import os
import sys

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig

CONFIG = MinhashConfig(
    n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64, hash_fc="xxhash")
)


def main(texts: str, output: str, workers: int) -> None:
    """Runs one stage after another."""
    tasks = len([name for name in os.listdir(texts) if name.endswith(".jsonl")])
    signatures, buckets, clusters = (f"{output}/{name}" for name in ("signatures", "buckets", "clusters"))
    reader = JsonlReader(texts, glob_pattern="*.jsonl")
    stages = [
        (tasks, [reader, MinhashDedupSignature(output_folder=signatures, config=CONFIG)]),
        (
            CONFIG.num_buckets,
            [MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=CONFIG)],
        ),
        (1, [MinhashDedupCluster(input_folder=buckets, output_folder=clusters, config=CONFIG, save_cluster_id=True)]),
        (tasks, [reader, MinhashDedupFilter(input_folder=clusters), JsonlWriter(f"{output}/documents")]),
    ]
    for number, (count, steps) in enumerate(stages):
        logs = f"{output}/logs/{number}"
        LocalPipelineExecutor(steps, tasks=count, workers=min(workers, count), logging_dir=logs).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
