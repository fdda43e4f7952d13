"""Where a text holds phone numbers, as Google's libphonenumber knows them; precise rather than complete.

What has a plus sign, or 00, before the country's number is one where it is valid in that country. National forms must
be valid in the region that was asked for, and be grouped as its numbers are. Digits in one piece need a word before
them that says so ("Tel."): order numbers are valid phone numbers somewhere.
"""

import re
from collections.abc import Iterator

import phonenumbers
from phonenumbers import Leniency, NumberParseException, PhoneNumberMatcher

from curation.addresses import Place

MAX_TRIES = 1000  # of a text, after which it is taken for a table where they failed, and for a directory where not
_MAX_WORDS = 12  # between blanks, in one run; more are a table or a list
_MAX_GROUPS = 7  # between blanks, in one number
_DIGITS = range(7, 16)
_INTERNATIONAL = ("+", "(+", "00")
_FICTION = re.compile(r"1?[0-9]{3}55501[0-9]{2}")

# Digits and what stands between those of a phone number, on one line; possessive, so that a flood is read once. What
# stands before is looked at after the first character: a pattern that starts with a set of them is searched faster.
_RUN = re.compile(r"[(+0-9](?<![\w/=#+].)[0-9 \u00a0\u202f.()/+\u2010-\u2013-]{6,}+")
_PIECE = re.compile(r"[(+]*[0-9][^+]{5,}+")  # of a run: a plus sign starts the next number
_WORD = re.compile(r"[^ \u00a0\u202f]+")
_LONG_WORD = re.compile(r"[^ \u00a0\u202f]{7,}+")
_SAID = re.compile(
    r"(?:\b(?:tel[a-zéè]{0,7}|t|p|m|f|tlf|tfno|phone|ph|call|fax|mobile?|mob|cell|cellulare|whatsapp|sms|handy|fon|"
    r"rufnummer|hotline|тел|телефон)|電話|电话|手机|☎|☏|📞|✆)\W{0,4}\Z",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"(?:\b(?:isbn|issn|ean|upc|doi|pmid|order|invoice|sku|ref|reference|item|model|part|patent|ticket|tracking|case|"
    r"serial|vin|id|vat|tax|ein|bestellnummer|artikel|art|rechnung|commande)\b[\s.:#-]{0,3}(?:no|nr|number|num)?"
    r"[\s.:#-]{0,3}|[$€£¥₹#№%]\s?|[0-9],)\Z",
    re.IGNORECASE,
)
_PRICE = re.compile(r"\s?(?:[€$£¥₹%°]|(?:eur|usd|gbp|chf|kr|zł|kg|km|m²|mm|cm|mb|gb)\b)|,[0-9]", re.IGNORECASE)
_DATE_OR_FIGURE = re.compile(
    r"[12][0-9]{3}\W{1,3}[0-9]{1,2}\W{1,3}[0-9]{1,2}|[0-9]{1,2}\W{1,3}[0-9]{1,2}\W{1,3}[12][0-9]{3}"  # dates
    r"|(?:[12][0-9]{3}\W{1,3})+[12][0-9]{3}"  # years
    r"|[0-9]{1,3}(?:\.[0-9]{3})+"  # 612.345.678
    r"|[0-9]+\.[0-9]+(?:\W+[0-9]+\.[0-9]+)*"  # decimals, coordinates
)


def phone_numbers(content: str, region: str) -> Iterator[Place]:
    """International forms, and where a region is given (ISO 3166, such as "US") its national forms."""
    library = _Library(region)
    for run in _RUN.finditer(content):
        if sum(character.isdigit() for character in run[0]) < _DIGITS[0]:
            continue
        for start, words in _pieces(run):
            first = 0
            while first < len(words) and library.failures < MAX_TRIES:
                before = content[max(start - 24, 0) : start] if first == 0 else ""
                found = 0
                for last in range(min(len(words), first + _MAX_GROUPS), first, -1):
                    place = words[first][0], words[last - 1][1]
                    if _may_be(content, place, before, region) and library.is_number(content[place[0] : place[1]]):
                        found = last
                        if not library.is_fiction(content[place[0] : place[1]]):
                            yield place
                        break
                first = found or first + 1


def _pieces(run: re.Match[str]) -> Iterator[tuple[int, list[Place]]]:
    """Where each number may start in a run, and the words that follow, marks at their ends apart."""
    for piece in _PIECE.finditer(run[0]):
        base = run.start() + piece.start()
        words: list[Place] = []
        is_list = len(_WORD.findall(piece[0])) > _MAX_WORDS  # or a table
        for word in (_LONG_WORD if is_list else _WORD).finditer(piece[0]):
            text = word[0].rstrip("+(./-\u2010\u2011\u2012\u2013")
            if text.endswith(")") and "(" not in text:
                text = text[:-1]
            if words or text:
                words.append((base + word.start(), base + word.start() + len(text)))
        if not is_list:
            yield base, words
        else:
            yield from ((place[0], [place]) for place in words)


def _may_be(content: str, place: Place, before: str, region: str) -> bool:
    """What can be said of a candidate at little cost."""
    start, end = place
    if not 7 <= end - start <= 30:
        return False
    text = content[start:end]
    groups = re.findall("[0-9]+", text)
    num_digits = sum(map(len, groups))
    if num_digits not in _DIGITS or text.count("(") != text.count(")") or content[end : end + 1].isalnum():
        return False
    if text.startswith(_INTERNATIONAL):
        return True
    if not region or _DATE_OR_FIGURE.fullmatch(text) or any(len(group) == 1 for group in groups[1:]):
        return False
    if _OTHER_NUMBER.search(before) or _PRICE.match(content, end):
        return False
    return len(groups) > 1 or bool(_SAID.search(before))


class _Library:
    """libphonenumber for the numbers of one text, asked a bounded number of times: an answer takes 0.1 ms."""

    def __init__(self, region: str) -> None:
        self.failures = self._successes = 0
        self._region = region
        self._shapes: set[str] = set()

    def is_number(self, text: str) -> bool:
        """Whether it is valid; after many that were, whether it looks like one of them."""
        shape = re.sub("[0-9]", "0", text)
        if self._successes >= MAX_TRIES:
            return shape in self._shapes
        if not self._is_valid(text):
            self.failures += 1
            return False
        self._successes += 1
        self._shapes.add(shape)
        return True

    def _is_valid(self, text: str) -> bool:
        number = self._parsed(text)
        if number is None or not phonenumbers.is_valid_number(number):
            return False
        if text.startswith(_INTERNATIONAL):
            return True
        found = list(PhoneNumberMatcher(text, self._region, leniency=Leniency.STRICT_GROUPING, max_tries=1))
        return len(found) == 1 and found[0].raw_string.strip("()") == text.strip("()")

    def is_fiction(self, text: str) -> bool:
        """Whether it is one of those that North America keeps for stories: 555-0100 to 555-0199 of any area."""
        is_american = text.lstrip("(").startswith("+1") or phonenumbers.country_code_for_region(self._region) == 1
        return is_american and bool(_FICTION.fullmatch(re.sub("[^0-9]", "", text)))

    def _parsed(self, text: str) -> phonenumbers.PhoneNumber | None:
        try:
            return phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, self._region or None)
        except NumberParseException:
            return None
