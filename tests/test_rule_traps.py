"""Texts that are made to take long. Each is read in a process that may use 15 or 30 CPU seconds: what is quadratic in a
million characters would take minutes or hours, and is stopped; how fast what is linear is decides nothing.
"""

import random
import subprocess
import sys

import pytest

CPU_SECONDS = 30
MIB = 1 << 20
_RANDOM = random.Random(1)


def repeat(pattern, size):
    return (pattern * (size // len(pattern) + 1))[:size]


def random_pieces(alphabet, size):
    """Pieces just short enough to be split whole, none of which was seen before."""
    return " ".join("".join(_RANDOM.choices(alphabet, k=255)) for _ in range(size // 256))


TRAPS = {
    **{
        ascii(pattern)[:30]: lambda size, pattern=pattern: repeat(pattern, size)
        for pattern in (
            *(
                "[",
                "[1",
                "[1]",
                "a",
                "1",
                ".",
                "(",
                "…",
                "Σ",
                "\n",
                " \n",
                "\t",
                "a\n",
                "\n\na",
                "a.  ",
                "a.\xa0",
                "数字。",
            ),
            *(
                "1.",
                "1.1.1.",
                "1.1.1.1 ",
                "a.",
                "a@",
                "a:@",
                "@",
                "a-" * 160 + "@" + "a" * 256,
                "a.b@c.d ",
                "http://a.b/c?",
            ),
            *("the ", "a b a b c ", "a b c d e f g h i j k l ", "a\u0301\u0323", "a " + " " * 1000, "a" * 255 + " "),
            *("\U0001f1e6", "# ", "* ", "z\n\n"),
        )
    },
    "a bracket and digits": lambda size: "[" + "1" * size,
    "distinct words": lambda size: " ".join(map(str, range(size // 8))),
    "Thue-Morse": lambda size: " ".join("ab"[number.bit_count() % 2] for number in range(size // 2)),
    "one word of letters": lambda size: "".join(_RANDOM.choices("abc", k=size)),
    "letters and marks of URLs": lambda size: random_pieces("ab.:@/", size),
    "letters and hyphens": lambda size: random_pieces("ab-", size),
}
LONG_PATTERNS = ("'['", "'a\\n'", "'the '", "'a@'", "a bracket and digits", "Thue-Morse")
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1])))
from curation.language import identify
from curation.pii import ReplacePii
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition
from curation.rules.gopher_curator import CuratorGopherQuality, CuratorGopherRepetition
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition
from curation.rules.gopher_dolma import DolmaGopher
from curation.text import Text

content = sys.stdin.buffer.read().decode()
text = Text(content)
every_line = C4Lines(end_mark=False, min_words=0, max_word_length=1 << 30)
for rule in (GopherRepetition(), GopherQuality(), C4Lines(end_mark=False), every_line):
    rule.measure(text)
others = (DclmGopherQuality, DclmGopherRepetition, DolmaGopher, CuratorGopherQuality, CuratorGopherRepetition)
for dialect in others if sys.argv[2] == "all" else ():
    dialect().measure(text)
FineWebQuality().measure(Text(content))
for step in (C4Lines(end_mark=False), ReplacePii()):
    step.edit(text)
identify(content)
"""


def read(content, cpu_seconds=CPU_SECONDS, *, rules="all"):
    """The exit status of a process that takes a text through every rule; negative where its time ran out."""
    command = [sys.executable, "-c", READ, str(cpu_seconds), rules]
    return subprocess.run(command, input=content.encode(), check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize("trap", TRAPS)
def test_half_a_million_characters(trap):
    assert read(TRAPS[trap](MIB // 2), CPU_SECONDS // 2) == 0


@pytest.mark.slow
@pytest.mark.parametrize("trap", LONG_PATTERNS)
def test_as_many_characters_as_extraction_lets_through(trap):
    assert read(TRAPS[trap](4 * MIB), rules="fineweb") == 0


@pytest.mark.slow
def test_all_traps_in_one_text():
    content = "\n".join(make(MIB // 64) for make in TRAPS.values())
    assert read(content) == 0


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_ended():
    assert read("the " * MIB, cpu_seconds=1) < 0
