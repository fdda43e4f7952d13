"""What the per-document rules cost: milliseconds a document of each, beside their plain versions.

    python -m tests.benchmarks.rules --input 'FOLDER/*.warc.gz'

The texts are the main content of the archives' pages as resiliparse finds it, from 200 characters on and in English, as
FineWeb's language step, which comes first, has it. Both versions take turns in one process, first with every other
text, which is not shown, then with the texts between: so both
remember the words of other pages and meet new ones, as a run does. Ours split a text once, and the rule that asks for
the words first pays for them, GopherRepetition; the plain versions split it anew for each rule.
"""

import collections
import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding

from curation import language, sources, warc
from curation.document import Page
from curation.language import KeepLanguage
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition
from curation.text import Text
from tests import plain_rules
from tests.benchmarks import arguments

_REPETITION, _QUALITY, _FINEWEB = GopherRepetition(), GopherQuality(), FineWebQuality()
_C4 = C4Lines(end_mark=False, min_words=3, min_sentences=5)
_MIN_TEXT = 200  # characters
_T = TypeVar("_T")


def main() -> None:
    """Prints a table of milliseconds a document."""
    archives = arguments.archives(arguments.parser(__doc__).parse_args())
    found = list(texts(archives))
    if len(found) < 2:
        sys.exit(f"{len(found)} texts of {_MIN_TEXT} characters or more, expected two at least")
    time_rules(found[::2])
    times = time_rules(found[1::2])
    print(f"{len(found[1::2])} texts, {statistics.median(map(len, found[1::2])):.0f} characters in the median")
    print(f"{'ms a document':24}{'median':>9}{'p99':>9}{'mean':>9}")
    for name, seconds in times.items():
        numbers = (statistics.median(seconds), statistics.quantiles(seconds, n=100)[98], statistics.fmean(seconds))
        print(f"{name:24}" + "".join(f"{number * 1000:9.3f}" for number in numbers))


def time_rules(found: Sequence[str]) -> dict[str, list[float]]:
    """CPU seconds of each rule on each text, of all rules together, and the same of the plain versions."""
    times: dict[str, list[float]] = collections.defaultdict(list)
    for label, timed in (("", _time), ("plain ", _time_plain)):
        for content in found:
            seconds = timed(content)
            for name, value in seconds.items():
                times[label + name].append(value)
            times[label + "all rules"].append(sum(seconds.values()))
    return dict(times)


def texts(archives: Sequence[str]) -> Iterator[str]:
    """The main content of the archives' pages of HTML, where it is in English: what the rules get to see."""
    for task in sources.tasks(sources.archives(archives), task_bytes=1 << 40):
        for page in warc.pages(task, collections.Counter()):
            if isinstance(page, Page) and page.media_type == "text/html":
                content = page.payload.decode(detect_encoding(page.payload), "replace")
                text = extract_plain_text(content, main_content=True)
                if len(text) >= _MIN_TEXT and not KeepLanguage().reason(*language.identify(text)):
                    yield text


def _time(content: str) -> dict[str, float]:
    text, seconds = Text(content), {}
    for name, rule in (("GopherRepetition", _REPETITION), ("GopherQuality", _QUALITY), ("C4Lines", _C4)):
        _, seconds[name] = _seconds(functools.partial(rule.measure, text))
    edited, seconds["C4Lines edit"] = _seconds(lambda: _C4.edit(text))
    last = text if edited == content else Text(edited, before=text)
    _, seconds["FineWebQuality"] = _seconds(lambda: _FINEWEB.measure(last))
    return seconds


def _time_plain(content: str) -> dict[str, float]:
    seconds: dict[str, float] = {}
    _, seconds["GopherRepetition"] = _seconds(lambda: plain_rules.gopher_repetition(_REPETITION, content))
    _, seconds["GopherQuality"] = _seconds(lambda: plain_rules.gopher_quality(_QUALITY, content))
    _, seconds["C4Lines"] = _seconds(lambda: plain_rules.c4_signals(_C4, content))
    edited, seconds["C4Lines edit"] = _seconds(lambda: plain_rules.c4_edit(_C4, content))
    _, seconds["FineWebQuality"] = _seconds(lambda: plain_rules.fineweb_quality(_FINEWEB, edited))
    return seconds


def _seconds(work: Callable[[], _T]) -> tuple[_T, float]:
    start = time.process_time()
    return work(), time.process_time() - start


if __name__ == "__main__":
    main()
