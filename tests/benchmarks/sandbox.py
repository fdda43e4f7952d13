"""What the sandbox costs: the same pages through a child process and in this one, in turn.

    python -m tests.benchmarks.sandbox --input 'FOLDER/*.warc.gz'

Wall seconds of one worker, of all steps from the first look to the duplicates; every page goes through both, one right
after the other, so that a busy machine is as busy for either. Both run on one core, where the system can be told so:
two cores of a shared machine are not equally fast. All pages go through three times, and the shortest time of a page
counts: what a child costs is less than what a clock is off by.
"""

import math
import os
import time

from curation import page_text
from tests.benchmarks import arguments, in_process, timed_steps

_ROUNDS = 3


def main() -> None:
    """Prints both times and the difference."""
    archives = arguments.archives(arguments.parser(__doc__).parse_args())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the child inherits it
    page_text.load()
    recipe = in_process.fineweb()
    pages = list(timed_steps.pages(archives))
    seconds = {name: [math.inf] * len(pages) for name in ("in a child", "in this process")}
    with (
        in_process.extractor(*recipe, in_process=False) as child,
        in_process.extractor(*recipe, in_process=True) as own,
    ):
        both = list(zip(seconds.values(), (child, own), strict=True))
        for extractor in (child, own):
            extractor.extract(pages[0])  # starts the child
        for turn in range(_ROUNDS):
            for number, page in enumerate(pages):
                for shortest, extractor in both if (turn + number) % 2 else reversed(both):
                    start = time.perf_counter()
                    extractor.extract(page)
                    shortest[number] = min(shortest[number], time.perf_counter() - start)
    totals = {name: sum(times) for name, times in seconds.items()}
    for name, total in totals.items():
        print(f"{name:<16} {total:.2f} s of {len(pages)} pages, {total / len(pages) * 1e3:.2f} ms each")
    print(f"the sandbox takes {totals['in a child'] / totals['in this process'] - 1:.1%} more")


if __name__ == "__main__":
    main()
