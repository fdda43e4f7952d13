"""datatrove's FineWeb steps up to deduplication, with its own defaults; run inside an environment that holds datatrove.

The arguments are: a folder with the WARC files, an output folder, the number of workers, and the path of lid.176.ftz
(datatrove would download lid.176.bin).
"""

import os
import sys

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    URLFilter,
)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.lid import FT176LID

FT176LID.MODEL_URL = sys.argv[4]  # here, since datatrove's workers import this file anew


def main(archives: str, output: str, workers: int) -> None:
    """Runs one task a file."""
    steps = [
        WarcReader(archives, glob_pattern="*.warc.gz"),
        URLFilter(),
        Trafilatura(favour_precision=True),
        LanguageFilter(languages=["en"]),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
        JsonlWriter(f"{output}/documents"),
    ]
    tasks = len(os.listdir(archives))
    LocalPipelineExecutor(steps, tasks=tasks, workers=workers, logging_dir=f"{output}/logs").run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
