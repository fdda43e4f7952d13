"""datatrove's FineWeb steps up to deduplication, with its own defaults; run inside an environment that holds datatrove.

The arguments are: a folder with the WARC files, an output folder, the number of workers, the path of lid.176.ftz
(datatrove would download lid.176.bin), and `all`, or `extract` for the texts of all pages before any filter.
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


def main(archives: str, output: str, workers: int, which: str) -> None:
    """Runs one task a file."""
    extraction = [
        WarcReader(archives, glob_pattern="*.warc.gz"),
        *([URLFilter()] if which == "all" else []),
        Trafilatura(favour_precision=True),
    ]
    filters = [
        LanguageFilter(languages=["en"]),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    steps = [*extraction, *(filters if which == "all" else []), JsonlWriter(f"{output}/documents")]
    tasks = len(os.listdir(archives))
    LocalPipelineExecutor(steps, tasks=tasks, workers=workers, logging_dir=f"{output}/logs").run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[5])
