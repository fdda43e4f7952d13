import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from curation.personal_data import KINDS, ReplacePersonalData
from curation.text import Text
from tests.cpu_limit import cpu_limit


def found(text, **fields):
    return [(item.kind, text[item.start : item.end]) for item in ReplacePersonalData(**fields).find(text)]


def edit(text, **fields):
    return ReplacePersonalData(**fields).edit(Text(text))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("anna@mail.net", ["anna@mail.net"]),
        ("Write to anna.b+c@mail.co.uk.", ["anna.b+c@mail.co.uk"]),
        ("<müller@straße.de>, o'brien@a-b.ie", ["müller@straße.de", "o'brien@a-b.ie"]),
        ("请联系anna@mail.com谢谢", ["anna@mail.com"]),
        ("mailto:a_b@x.org?subject=1", ["a_b@x.org"]),
        ("anna@xn--bcher-kva.xn--p1ai", ["anna@xn--bcher-kva.xn--p1ai"]),
        ("email@example.com a@b.example a@localhost a@b.test a@www.example.org", []),
        ("logo@2x.png, package@1.2.3, @home, a@b, a@b.c, a.@b.cc, a..b@c.de", []),
        ("a@b@c.de", ["b@c.de"]),
    ],
    ids=range(9),
)
def test_emails(text, expected):
    assert found(text) == [("emails", one) for one in expected]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("from 8.8.8.8 to 54.210.212.22.", ["8.8.8.8", "54.210.212.22"]),
        ("(8.8.4.4/24) 9.9.9.9-9.9.9.10 9.9.9.9:80", ["8.8.4.4", "9.9.9.9", "9.9.9.10", "9.9.9.9"]),
        ("10.0.0.1 192.168.1.1 172.16.0.1 127.0.0.1 169.254.1.1 0.0.0.0 192.0.2.1 100.64.0.1", []),
        ("8.8.8.256 08.8.8.8 8.8.8 1.8.8.8.8 x8.8.8.8 8.8.8.8x", []),
        ("version 1.2.3.4, v1.2.3.4, v. 1.2.3.4, Release: 1.2.3.4, lib-1.2.3.4, § 1.2.3.4", []),
        ("1.2.3.4 Methods\n8.8.8.8 - - [", ["8.8.8.8"]),
        ("8.8.8.8", ["8.8.8.8"]),
        (
            "[2606:4700:4700::1111]:80 2a00:1450:4001:81b:0:0:0:200e:",
            ["2606:4700:4700::1111", "2a00:1450:4001:81b:0:0:0:200e"],
        ),
        ("2001:db8::1 fe80::1 ::1 12:30:45 2024:01:02 std::bad face::1 2606::4700::1", []),
    ],
    ids=range(9),
)
def test_ip_addresses(text, expected):
    assert found(text) == [("ip_addresses", one) for one in expected]


@pytest.mark.parametrize(
    "region, text, expected",
    [
        ("US", "Call (212) 555-1234 or 212-555-1299.", ["(212) 555-1234", "212-555-1299"]),
        ("US", "212.555.1234 1-800-356-9377 650 253 0000", ["212.555.1234", "1-800-356-9377", "650 253 0000"]),
        ("US", "tel: 2125551234, fax 2125551235", ["2125551234", "2125551235"]),
        ("US", "+44 20 7183 8750, +49 (0)30 1234567", ["+44 20 7183 8750", "+49 (0)30 1234567"]),
        ("US", "+442071838750 0033 1 23 45 67 89", ["+442071838750", "0033 1 23 45 67 89"]),
        ("US", "(212) 555-1234 (212) 555-1235", ["(212) 555-1234", "(212) 555-1235"]),
        ("US", "212-555-1234 " * 9, ["212-555-1234"] * 9),
        ("US", "2125551234 or order 2125551234; 12125551234", []),  # in one piece, and nothing says what it is
        ("US", "Order no. 212-555-1234, ISBN: 212-555-1234, invoice #212-555-1234", []),
        ("US", "1999-2000, 1990 1991 1992 1993, 2024-01-02 10:20:30, 12/31/1999 - 01/02/2000", []),
        ("US", "ISBN 978-0-306-40615-7, 2-266-11156-6, 9783161484100", []),
        ("US", "$1,234,567.89, $212 555 1234, 212 555 1234 EUR, 4,212,555,1234", []),
        ("US", "40.712776, -74.005974 and 123.456.789.012", []),
        ("US", "+1 212 55 123, +999 123 456 789, 212-555-12345, 112-555-1234", []),
        ("US", "https://a.example/212-555-1234?id=212-555-1234", []),
        ("US", "202-555-0101, +1 (650) 555-0199", []),  # nobody's
        ("DE", "Tel.: 030 / 123456, 0211-1234567", ["030 / 123456", "0211-1234567"]),
        ("DE", "12.05.2023, 2019/2020, 2019-2020, 30123456", []),
        ("FR", "01 23 45 67 89, 06.12.34.56.78", ["01 23 45 67 89", "06.12.34.56.78"]),
        ("FR", "0-306-40615-7, 2-266-11156-6, 1 234 567 890 €", []),
        ("GB", "020 7183 8750", ["020 7183 8750"]),
        ("JP", "03-1234-5678", ["03-1234-5678"]),
        ("ES", "612 345 678, 612.345.678 habitantes", ["612 345 678"]),
        ("", "212-555-1234, +1 212-555-1234", ["+1 212-555-1234"]),
    ],
    ids=range(24),
)
def test_phone_numbers(region, text, expected):
    assert found(text, region=region) == [("phone_numbers", one) for one in expected]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("DE89 3704 0044 0532 0130 00 BIC COBADEFF", ["DE89 3704 0044 0532 0130 00"]),
        ("GB82WEST12345698765432, NL91-ABNA-0417-1643-00.", ["GB82WEST12345698765432", "NL91-ABNA-0417-1643-00"]),
        (
            "NO93 8601 1117 947 and MT84MALT011000012345MTLCAST001S",
            ["NO93 8601 1117 947", "MT84MALT011000012345MTLCAST001S"],
        ),
        ("DE89 3704 0044 0532 0130 01", []),
        ("GB82WEST12345698765433", []),
        ("DE89 3704 0044 0532 0130", []),  # too short
        ("DE89 3704 0044 0532 0130 000", []),  # too long
        ("XX89370400440532013000 de89370400440532013000 ADE89370400440532013000", []),
    ],
    ids=range(8),
)
def test_ibans(text, expected):
    assert found(text) == [("ibans", one) for one in expected]


CARDS = "4111 1111 1111 1111,4111111111111111,4111-1111-1111-1111,5555555555554444,2223003122003222,378282246310005"
CARDS += ",3782 822463 10005,6011111111111117,30569309025904,3530111333300000,6200000000000005,4222222222222"


@pytest.mark.parametrize("number", CARDS.split(","))
def test_card_numbers(number):
    assert found(f"Card: {number}, thanks") == [("card_numbers", number)]
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert found(f"Card: {wrong}, thanks") == []


@pytest.mark.parametrize(
    "text",
    [
        "1234567812345670",  # no issuer
        "4006381333931",  # an EAN
        "0000 0000 0000 0000",
        "4111 1111-1111 1111",
        "41111111111111111",  # one digit too many
        "https://a.example/4111111111111111",
        "id=4111111111111111",
        "0.4111111111111111",
        "4111111111111111.5",
        "9 4111 1111 1111 1111",
        "4111 1111 1111 1111 9",
    ],
)
def test_what_is_no_card_number(text):
    assert found(text) == []


def test_all_kinds_are_replaced_and_counted():
    text = Text(
        "a@b.cc c@d.ee A@B.cc e@f.gg; 8.8.8.8, 2606:4700::1; tel +1 212-555-1234; DE89370400440532013000; "
        "4111111111111111"
    )
    step = ReplacePersonalData()
    assert step.edit(text) == (
        "email@example.com firstname.lastname@example.org email@example.com email@example.com; 192.0.2.1, 2001:db8::1; "
        "tel 202-555-0101; XX00 0000 0000 0000; 0000 0000 0000 0000"
    )
    counts = {"emails": 4, "ip_addresses": 2, "ibans": 1, "card_numbers": 1, "phone_numbers": 1, "personal_data": 9}
    assert step.measure(text) == {f"num_{kind}": number for kind, number in counts.items()}


FIELDS = list(zip(["emails", "ips", "ibans", "cards", "phones"], KINDS, strict=True))


@pytest.mark.parametrize("field, kind", FIELDS)
def test_each_kind_can_be_left_alone(field, kind):
    text = "a@b.cc 8.8.8.8 DE89370400440532013000, 4111111111111111, 212-555-1234"
    assert [kind for kind, _ in found(text)] == list(KINDS)
    assert [name for name, _ in found(text, **{field: False})] == [name for name in KINDS if name != kind]
    assert f"num_{kind}" not in ReplacePersonalData(**{field: False}).measure(Text(text))


def test_documents_of_many_are_dropped_where_the_recipe_says_so():
    text = Text("a@b.cc 8.8.8.8 8.8.8.8")
    signals = ReplacePersonalData().measure(text)
    assert ReplacePersonalData().reason(signals) is None
    assert ReplacePersonalData(max_items=3).reason(signals) is None
    assert ReplacePersonalData(max_items=2).reason(signals) == ("too_many_personal_data", "num_personal_data")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"max_items": -1}, r"ReplacePersonalData\(max_items=-1\): expected at least 0"),
        ({"region": "us"}, r"ReplacePersonalData\(region='us'\): expected a country's two capital letters"),
        ({"email_replacements": ()}, r"ReplacePersonalData\(email_replacements=\(\)\): expected a tuple"),
        ({"card_replacements": "x"}, r"ReplacePersonalData\(card_replacements='x'\): expected a tuple"),
    ],
    ids=range(4),
)
def test_impossible_settings(fields, message):
    with pytest.raises(ValueError, match=message):
        ReplacePersonalData(**fields)


PIECES = [
    "a@b.cc",
    "@",
    ".",
    " ",
    "\n",
    "-",
    "(",
    ")",
    "+",
    ", ",
    "x",
    "8.8.8.8",
    "1",
    "212",
    "555",
    "1234",
    "0",
    "00 ",
]
PIECES += ["DE89", "DE89370400440532013000", "4111111111111111", "4111 1111 1111 1111", "+1 212-555-1234", "Tel. "]
PIECES += [
    "202-555-0101",
    "email@example.com",
    "2606:4700::1",
    ":",
    "020 7183 8750",
    "030 1234567",
    "+44",
    "example.com",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)


@pytest.mark.slow
@given(text=st.one_of(TEXTS, st.text()), region=st.sampled_from(["US", "DE", "GB", "FR", ""]))
@settings(max_examples=800, deadline=None)
def test_replacing_twice_changes_nothing(text, region):
    step = ReplacePersonalData(region=region)
    once = step.edit(Text(text))
    assert step.edit(Text(text)) == once
    assert step.edit(Text(once)) == once
    assert not step.measure(Text(once))["num_personal_data"]
    assert len(once) <= 5 * len(text)


@pytest.mark.slow
@given(text=st.one_of(TEXTS, st.text()), region=st.sampled_from(["US", "DE", "FR", ""]))
@settings(max_examples=500, deadline=None)
def test_what_is_found_stands_apart_and_in_order(text, region):
    items = ReplacePersonalData(region=region).find(text)
    ends = [0, *(item.end for item in items)]
    assert all(end <= item.start < item.end <= len(text) for end, item in zip(ends, items, strict=False))


def test_a_directory_of_many_phone_numbers_is_replaced_to_its_end():
    numbers = [f"(212) {555 + number // 9000}-{1000 + number % 9000}" for number in range(3000)]
    assert len(found("\n".join(numbers))) == 3000


NOISE = random.Random(5)
RUNS = [
    "1 ",
    "@",
    "1.1.1.1.",
    "+1 (",
    "1234567890",
    "DE89",
    "DE89 ",
    "4111 1111 1111 1111 ",
    "2001:",
    " ",
    "+",
    "(",
    "a@",
]
RUNS += [
    "a.",
    "-1",
    "212-555-123 ",
    "212-555-123\n",
    "12 34 56 78 90 12\n",
    "1" + " " * 50,
    "2606:4700::1111:",
    "a" * 99,
]
RUNS += ["".join(NOISE.choices("0123456789 -.(\n", k=500_000)), "".join(NOISE.choices("0123456789 \n", k=500_000))]


@pytest.mark.slow
@pytest.mark.parametrize("region", ["US", "DE"])
@pytest.mark.parametrize("run", RUNS, ids=range(len(RUNS)))
def test_time_is_linear(run, region):
    text = run * (500_000 // len(run))
    with cpu_limit():
        assert len(edit(text, region=region)) <= 5 * len(text)


@given(st.text("0123456789", min_size=12, max_size=18))
@settings(max_examples=200, deadline=None)
def test_a_card_number_has_the_check_digit_of_luhn(start):
    number = start + luhn.calc_check_digit(start)
    for _, text in found(f"card {number}.", phones=False):
        assert luhn.is_valid(text)
