import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import pii
from curation.pii import ReplacePii
from curation.text import Text

FIRST, SECOND = "email@example.com", "firstname.lastname@example.org"
IPS = ReplacePii().ips


def edit(text):
    return ReplacePii().edit(Text(text))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ""),
        ("no address @ all, @home and a@b", "no address @ all, @home and a@b"),
        ("anna@mail.example.net", FIRST),
        ("Write to anna.b+c@mail.example.net, or not.", f"Write to {FIRST}, or not."),
        ("<anna@a.de>;bob@b.de", f"<{FIRST}>;{SECOND}"),
        ("a@b.cc c@d.ee e@f.gg g@h.ii", f"{FIRST} {SECOND} {FIRST} {SECOND}"),
        ("a@b.cc\n\t c@d.ee", f"{FIRST}\n\t {SECOND}"),
        ("mailto:x_y-z@a-b.co.uk?subject=1", f"mailto:{FIRST}?subject=1"),
        ("a@b.cc.", f"{FIRST}."),
        ("a@-b.cc", "a@-b.cc"),
    ],
    ids=range(10),
)
def test_emails(text, expected):
    assert edit(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("8.8.8.8", IPS[0]),
        ("from 8.8.8.8 to 1.1.1.1.", f"from {IPS[0]} to {IPS[1]}."),
        (" ".join(f"8.8.8.{n}" for n in range(8)), " ".join([*IPS, IPS[0], IPS[1]])),
        ("8.8.8.256x", f"{IPS[0]}6x"),  # as the published pattern has it: no word boundary
        ("version 1.2.3", "version 1.2.3"),
        ("010.0.0.1", "010.0.0.1"),
        ("٨.٨.٨.٨", "٨.٨.٨.٨"),
    ],
    ids=range(7),
)
def test_ips(text, expected):
    assert edit(text) == expected


PRIVATE = "10.0.0.1 192.168.1.1 172.16.0.1 127.0.0.1 169.254.1.1 0.0.0.0 255.255.255.255 192.0.2.1 100.64.0.1"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_that_are_not_public_stay_and_take_no_turn(address):
    assert edit(f"{address} 8.8.8.8 {address} 9.9.9.9") == f"{address} {IPS[0]} {address} {IPS[1]}"


def test_the_turn_starts_anew_with_each_document():
    step = ReplacePii()
    text = Text("a@b.cc 8.8.8.8")
    assert [step.edit(text) for _ in range(3)] == [f"{FIRST} {IPS[0]}"] * 3


def test_emails_and_ips_take_turns_apart():
    assert edit("8.8.8.8 a@b.cc 9.9.9.9 c@d.ee") == f"{IPS[0]} {FIRST} {IPS[1]} {SECOND}"


def test_replacements_can_be_chosen():
    step = ReplacePii(emails=("E",), ips=("I", "J"))
    assert step.edit(Text("a@b.cc c@d.ee 8.8.8.8 9.9.9.9 8.8.8.8")) == "E E I J I"


@pytest.mark.parametrize("run", ["a" * 1_000_000, "a." * 500_000, "1234567890" * 100_000, "@" * 50_000], ids=range(4))
def test_long_runs_stay_as_they_are(run):
    assert edit(run) == run
    assert edit(f"{run} a@b.cc") == f"{run} {FIRST}"


@pytest.mark.parametrize(
    "before, after",
    [("数" * 1200 + "：", "。" + "字" * 300), ("x," * 600, ",x")],
    ids=["no blanks between words", "list"],
)
def test_an_address_within_a_long_run_is_replaced(before, after):
    """Languages without blanks between words make a paragraph one run."""
    assert edit(f"{before}anna@mail.example.net{after}") == f"{before}{FIRST}{after}"


@given(
    text=st.lists(st.sampled_from(["a", "b.", "@", "c.d", "é", " ", ",", "-", ".", "x@y.zz"]), max_size=20).map("".join)
)
@settings(max_examples=500, deadline=None)
def test_emails_are_those_of_the_plain_pattern(text):
    """The pattern over the whole text, which takes too long on long texts."""
    turns = itertools.cycle([FIRST, SECOND])
    plain = re.compile(pii._LOCAL.pattern + pii._DOMAIN.pattern)
    assert edit(text) == plain.sub(lambda match: next(turns), text)


@given(
    text=st.lists(st.sampled_from(["1", "8.", "8.8.8.8", "256", ".", "0", "٨", " ", "9.9."]), max_size=12).map("".join)
)
@settings(max_examples=500, deadline=None)
def test_no_ip_is_overlooked(text):
    assert edit(text) == ReplacePii()._replace_ips(text)
