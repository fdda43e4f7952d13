"""What the steps before extraction change, and what CPU time they save.

    python -m tests.benchmarks.cascade --input 'FOLDER/*.warc.gz'

Every page takes the FineWeb recipe's steps up to the duplicates, in one process as the recipe is, and in another
without the steps before extraction; the two take turns, archive by archive. Printed are the documents that end
otherwise, and the CPU seconds of both, for all pages and for a mix of which half are in another language than English
by lid.176: all pages of the rarer kind, and as many of the other. Reading the archives is not counted.
"""

import dataclasses
import functools
import multiprocessing
import time
from collections.abc import Sequence

from curation import page_text, walk
from curation.cascade import Seen
from curation.document import Document, Rejection
from curation.extract import Extractor
from curation.recipe import Recipe
from tests.benchmarks import arguments, in_process, timed_steps


@dataclasses.dataclass(frozen=True)
class Passed:
    """What became of a page, and its CPU seconds."""

    outcome: Document | Rejection
    seconds: float


def main() -> None:
    """Prints what changed and what it took."""
    archives = arguments.archives(arguments.parser(__doc__).parse_args())
    fresh = multiprocessing.get_context("spawn").Pool
    with fresh(1) as ours, fresh(1) as bare:
        passes: tuple[list[Passed], list[Passed]] = ([], [])
        for number, archive in enumerate(archives):
            turns = [(ours, (), passes[0]), (bare, ("SeenPayload", "FirstLook"), passes[1])]
            for pool, without, found in turns if number % 2 else reversed(turns):
                found += pool.apply(passed, (archive, without))
    report(*passes)


def passed(archive: str, without: tuple[str, ...]) -> list[Passed]:
    """Every page of an archive through the recipe without some steps; what was seen before is what it held."""
    steps, extractor = _of_process(without)
    seen, found = Seen(), []
    for page in timed_steps.pages([archive]):
        start = time.process_time()
        outcome = walk.outcome_in_child(page, steps.before, extractor, seen).outcome
        found.append(Passed(outcome, time.process_time() - start))
    return found


@functools.cache
def _of_process(without: tuple[str, ...]) -> tuple[Recipe, Extractor]:
    page_text.load()
    steps, text = in_process.fineweb(without=without)
    return steps, in_process.extractor(steps, text, in_process=True)


def _is_foreign(outcome: Document | Rejection) -> bool:
    """Whether the page's text, as far as it was looked at, is in another language."""
    if isinstance(outcome, Document):
        return False
    return outcome.step == "KeepLanguage" and outcome.reason == "other_language"


def report(with_them: Sequence[Passed], without: Sequence[Passed]) -> None:
    """Prints the documents that ended otherwise, and the CPU seconds."""
    pairs = list(zip(with_them, without, strict=True))
    documents = sum(isinstance(page.outcome, Document) for page in without)
    print(f"{len(pairs)} pages of HTML, {documents} documents without the steps before extraction")
    changed = [(one.outcome, other.outcome) for one, other in pairs if _verdict(one.outcome) != _verdict(other.outcome)]
    print(f"documents that end otherwise with them: {len(changed)} ({len(changed) / max(documents, 1):.2%})")
    for one, other in changed:
        print(f"  {one.id}: {_words(one)} with them, {_words(other)} without")
    foreign = [pair for pair in pairs if _is_foreign(pair[1].outcome)]
    english = [pair for pair in pairs if not _is_foreign(pair[1].outcome)]
    half = min(len(foreign), len(english))
    for name, mix in (("all pages", pairs), (f"{half} foreign and {half} other", foreign[:half] + english[:half])):
        ours, bare = (sum(pair[side].seconds for pair in mix) for side in (0, 1))
        print(f"{name}: {ours:.1f} CPU s with them, {bare:.1f} without: {1 - ours / bare:.1%} saved")


def _verdict(outcome: Document | Rejection) -> str | bool:
    return outcome.text if isinstance(outcome, Document) else False


def _words(outcome: Document | Rejection) -> str:
    if isinstance(outcome, Document):
        return "a document"
    return f"{outcome.step}: {outcome.reason} {outcome.value if outcome.value is not None else ''}".rstrip()


if __name__ == "__main__":
    main()
