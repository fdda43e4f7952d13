"""Texts that are made to take long. Each is read in a process that may use 15 or 30 CPU seconds: what is quadratic in a
million characters would take minutes or hours, and is stopped; how fast what is linear is decides nothing.
"""

import os
import random
import struct
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
import os, resource, struct, sys
from curation.language import identify
from curation.pii import ReplacePii
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition
from curation.rules.gopher_curator import CuratorGopherQuality, CuratorGopherRepetition
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition
from curation.rules.gopher_dolma import DolmaGopher
from curation.text import Text

OTHERS = DclmGopherQuality, DclmGopherRepetition, DolmaGopher, CuratorGopherQuality, CuratorGopherRepetition

def read(content, dialects):
    text = Text(content)
    every_line = C4Lines(end_mark=False, min_words=0, max_word_length=1 << 30)
    for rule in (GopherRepetition(), GopherQuality(), C4Lines(end_mark=False), every_line):
        rule.measure(text)
    for dialect in dialects:
        dialect().measure(text)
    FineWebQuality().measure(Text(content))
    for step in (C4Lines(end_mark=False), ReplacePii()):
        step.edit(text)
    identify(content)

read("The models are loaded once.", OTHERS)
while header := sys.stdin.buffer.read(16):
    cpu_seconds, every_rule, size = struct.unpack("<iiq", header)
    content = sys.stdin.buffer.read(size)
    if not (pid := os.fork()):
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
            read(content.decode(), OTHERS if every_rule else ())
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.stdout.buffer.write(struct.pack("<i", status))
    sys.stdout.buffer.flush()
"""
# A process with more cannot be forked safely.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@pytest.fixture(scope="module")
def read():
    """Gives the exit status of a process that takes a text through every rule; negative where its time ran out.

    Each text has a process of its own, forked from one that has loaded the rules.
    """
    with subprocess.Popen(
        [sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD}
    ) as server:

        def status(content, cpu_seconds=CPU_SECONDS, *, rules="all"):
            encoded = content.encode()
            server.stdin.write(struct.pack("<iiq", cpu_seconds, rules == "all", len(encoded)) + encoded)
            server.stdin.flush()
            return struct.unpack("<i", server.stdout.read(4))[0]

        yield status
        server.stdin.close()


@pytest.mark.slow
@pytest.mark.parametrize("trap", TRAPS)
def test_half_a_million_characters(trap, read):
    assert read(TRAPS[trap](MIB // 2), CPU_SECONDS // 2) == 0


@pytest.mark.slow
@pytest.mark.parametrize("trap", LONG_PATTERNS)
def test_as_many_characters_as_extraction_lets_through(trap, read):
    assert read(TRAPS[trap](4 * MIB), rules="fineweb") == 0


@pytest.mark.slow
def test_all_traps_in_one_text(read):
    content = "\n".join(make(MIB // 64) for make in TRAPS.values())
    assert read(content) == 0


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_ended(read):
    assert read("the " * MIB, cpu_seconds=1) < 0
