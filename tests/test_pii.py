import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import pii
from curation.pii import DolmaPii, ReplacePii
from curation.text import Text
from tests.cpu_limit import cpu_limit

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


EMAIL, PHONE, IP = "|||EMAIL_ADDRESS|||", "|||PHONE_NUMBER|||", "|||IP_ADDRESS|||"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ""),
        ("Write to anna@mail.example.net today", f"Write to {EMAIL} today"),
        ("Write to (anna@mail.example.net) today", f"Write to ({EMAIL}) today"),
        ("Write to anna@mail.example.net.\n", f"Write to {EMAIL}.\n"),
        ("Write to anna@mail.example.net", "Write to anna@mail.example.net"),  # nothing follows
        ("anna@mail.example.net).\n", "anna@mail.example.net).\n"),  # two marks follow
        ("anna@localhost and (@mail.example.net ", "anna@localhost and (@mail.example.net "),
        ("äé/1@mail.example.net ", f"{EMAIL} "),
        ("Call (212) 555-1234 now", f"Call {PHONE} now"),
        ("Call 212.555.1234", f"Call {PHONE}"),
        ("Call 2125551234567", f"Call {PHONE}567"),
        ("Call +12125551234 or 212-55-1234", "Call +12125551234 or 212-55-1234"),
        ("212-555-1234", "212-555-1234"),  # nothing stands before
        ("at 10.0.0.1 and 8.8.8.8", f"at {IP} and {IP}"),
        ("at 256.8.8.300", f"at 2{IP}0"),  # no boundaries
        ("at 256.8.8", "at 256.8.8"),
        ("from 100.200.3004.1 on", f"from {PHONE}.1 on"),  # of two that overlap the first
    ],
    ids=range(17),
)
def test_masks_of_dolma(text, expected):
    assert DolmaPii().edit(Text(text)) == expected


@pytest.mark.parametrize("num, dropped", [(0, False), (5, False), (6, True)])
def test_dolma_drops_pages_of_many(num, dropped):
    step, text = DolmaPii(), Text("Mail: " + "a@b.cc " * (num // 2) + " 212 555 1234" * (num - num // 2))
    signals = step.measure(text)
    assert signals == {"num_pii_spans": num}
    assert step.reason(signals) == (("too_many_pii_spans", "num_pii_spans") if dropped else None)
    assert DolmaPii(max_spans=6).reason(signals) is None


def test_dolmas_threshold_is_no_negative_number():
    with pytest.raises(ValueError, match=r"DolmaPii\(max_spans=-1\)"):
        DolmaPii(max_spans=-1)


DOLMA_EMAIL = re.compile(r"[.\s@,?!;:)(]*([^\s@]+@[^\s@,?!;:)(]+?)[.\s@,?!;:)(]?[\s\n\r]")
DOLMA_PHONE = re.compile(r"\s+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4})")


@pytest.mark.slow
@given(text=st.lists(st.sampled_from([*"a@(),.: \n", "b.", "x@y.z", "a@b.c "]), max_size=14).map("".join))
@settings(max_examples=1000, deadline=None)
def test_addresses_are_those_of_dolmas_pattern(text):
    parts = [(match.span(1), *match[1].split("@")) for match in DOLMA_EMAIL.finditer(text)]
    plain = [place for place, local, domain in parts if local.strip(".,?!;:)(") and "." in domain]
    assert [(start, end) for start, end, _ in DolmaPii()._spans(Text(text))] == plain


@pytest.mark.slow
@given(text=st.lists(st.sampled_from(["123", "4", "5678", *"() -.\nx"]), max_size=16).map("".join))
@settings(max_examples=1000, deadline=None)
def test_phone_numbers_are_those_of_dolmas_pattern(text):
    found = [text[start:end] for start, end, mask in DolmaPii()._spans(Text(text)) if mask == PHONE]
    assert found == [match[0].lstrip() for match in DOLMA_PHONE.finditer(text)]


@pytest.mark.parametrize("run", ["@", "a", " ", "a@b.c ", "1 ", " 123", "-", "1.1.1.1.", " 123-----", "a a@"])
def test_dolma_takes_linear_time(run):
    text = Text(run * (1_000_000 // len(run)))
    with cpu_limit():
        assert len(DolmaPii().edit(text)) < 4_000_000
