"""Where a text holds numbers of bank accounts and of payment cards: those whose checksum fits."""

import functools
import re
from collections.abc import Iterator

from stdnum import ean, iban, luhn, numdb
from stdnum.iso7064 import mod_97_10

from curation.addresses import Place

_BLANK = r"[ \u00a0-]"  # between the groups of an account number
_IBAN = re.compile(rf"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{{2}}(?={_BLANK}?[A-Z0-9])")

# In one piece, or in the groups in which cards print them: of four, or of four, six and four or five.
_CARD = re.compile(
    r"[2-6](?<![\w./=#+-].)(?<![0-9] .)"
    r"(?:[0-9]{12,18}|[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{3})?"
    r"|(?<=3)[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})"
    r"(?![\w-]|[.,][0-9]| [0-9])"
)
_ISSUERS: tuple[tuple[str, tuple[int, ...]], ...] = (  # first digits, and how many there are in all (ISO/IEC 7812)
    (r"4", (13, 16, 19)),  # Visa
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),  # Mastercard
    (r"3[47]", (15,)),  # American Express
    (r"30[0-5]|3095|36|3[89]", (14, 16, 19)),  # Diners Club
    (r"6011|64[4-9]|65", (16, 19)),  # Discover
    (r"352[89]|35[3-8]", (16, 19)),  # JCB
    (r"62|81", (16, 17, 18, 19)),  # UnionPay
    (r"5018|5020|5038|5893|6304|6759|676[1-3]", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
)


def ibans(content: str) -> Iterator[Place]:
    """International bank account numbers (ISO 13616): with their country's length and form, and check digits."""
    done = 0
    for match in _IBAN.finditer(content):
        form = _iban_form(match[0][:2]) if match.start() >= done else None
        if form and (whole := form.match(content, match.start())):
            number = re.sub(_BLANK, "", whole[0])
            if mod_97_10.is_valid(number[4:] + number[:4]) and iban.is_valid(number, check_country=False):
                yield whole.span()
                done = whole.end()


@functools.cache
def _iban_form(country: str) -> re.Pattern[str] | None:
    """As many letters and digits as a country's numbers have, in groups or not; None where it has no such numbers."""
    (_, found), *_ = numdb.get("iban").info(country)
    if "bban" not in found:
        return None
    size = sum(int(size) for size in re.findall("[0-9]+", found["bban"]))
    return re.compile(rf"{country}[0-9]{{2}}(?:{_BLANK}?[A-Z0-9]){{{size}}}(?![A-Za-z0-9])")


def card_numbers(content: str) -> Iterator[Place]:
    """Payment card numbers: 13 to 19 digits of a known issuer with the check digit of Luhn."""
    for match in _CARD.finditer(content):
        number = re.sub("[ -]", "", match[0])
        is_barcode = len(number) == 13 and number == match[0] and ean.is_valid(number)  # as one card in ten would be
        if _is_issued(number) and luhn.is_valid(number) and not is_barcode:
            yield match.span()


def _is_issued(number: str) -> bool:
    return any(len(number) in lengths and re.match(first, number) for first, lengths in _ISSUERS)
