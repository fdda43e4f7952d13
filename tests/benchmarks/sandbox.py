"""What the sandbox costs: the same pages through a child process and in this one, in turn.

    python -m tests.benchmarks.sandbox --input 'FOLDER/*.warc.gz'

Wall seconds of one worker, of all steps from the first look to the duplicates; every page goes through both, one right
after the other, so that a busy machine is as busy for either.
"""

import argparse
import glob
import sys
import time

from curation import page_text
from tests.benchmarks import in_process, timed_steps


def main() -> None:
    """Prints both times and the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, metavar="GLOB")
    args = parser.parse_args()
    archives = sorted(glob.glob(args.input))
    if not archives:
        sys.exit(f"--input {args.input}: no file matches")
    page_text.load()
    recipe = in_process.fineweb()
    seconds = {"in a child": 0.0, "in this process": 0.0}
    with (
        in_process.extractor(*recipe, in_process=False) as child,
        in_process.extractor(*recipe, in_process=True) as own,
    ):
        for number, page in enumerate(timed_steps.pages(archives)):
            pairs = [("in a child", child), ("in this process", own)]
            for name, extractor in pairs if number % 2 else reversed(pairs):
                start = time.perf_counter()
                extractor.extract(page)
                if number:  # the first starts the child
                    seconds[name] += time.perf_counter() - start
    for name, total in seconds.items():
        print(f"{name:<16} {total:.2f} s of {number} pages, {total / number * 1e3:.2f} ms each")
    print(f"the sandbox takes {seconds['in a child'] / seconds['in this process'] - 1:.1%} more")


if __name__ == "__main__":
    main()
