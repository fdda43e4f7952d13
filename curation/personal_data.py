"""Personal data in a text: found by kind, counted, and replaced by what is nobody's."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

import phonenumbers

from curation.account_numbers import card_numbers, ibans
from curation.addresses import Place, emails, ip_addresses
from curation.phone_numbers import phone_numbers
from curation.rules.limits import at_least, typed
from curation.rules.rule import Verdict
from curation.text import Text

KINDS = ("emails", "ip_addresses", "ibans", "card_numbers", "phone_numbers")
_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z\n]{0,4}[0-9]){6}")  # in every text with a card's or phone's number
_MAX_ROUNDS = 8  # a replacement may leave digits beside each other that were apart


@dataclasses.dataclass(frozen=True)
class Found:
    """One piece of personal data in a text."""

    start: int
    end: int
    kind: str  # one of KINDS


@dataclasses.dataclass(frozen=True)
class ReplacePersonalData:
    """Replaces e-mail and public IP addresses, phone, bank account and card numbers; drops pages of too many.

    The n-th distinct one of its kind in a document always becomes the n-th replacement, so that a name stays the same
    within a document and nothing depends on the order of processing. The replacements are nobody's: domains of RFC
    2606, addresses of RFC 5737 and 3849, numbers of 555-0100 to 555-0199, and account and card numbers that no country
    and no issuer has. To replace twice changes nothing.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("max_items",)

    emails: bool = True
    ips: bool = True
    phones: bool = True
    ibans: bool = True
    cards: bool = True
    region: str = "US"  # whose national phone numbers are found, ISO 3166; empty for international forms alone
    max_items: int | None = None  # of all kinds, in a document that is kept; None keeps all
    email_replacements: tuple[str, ...] = ("email@example.com", "firstname.lastname@example.org")
    ipv4_replacements: tuple[str, ...] = ("192.0.2.1", "198.51.100.1", "203.0.113.1")
    ipv6_replacements: tuple[str, ...] = ("2001:db8::1", "2001:db8::2")
    phone_replacements: tuple[str, ...] = ("202-555-0101", "202-555-0102", "202-555-0103")
    iban_replacements: tuple[str, ...] = ("XX00 0000 0000 0000",)
    card_replacements: tuple[str, ...] = ("0000 0000 0000 0000",)

    def __post_init__(self) -> None:
        typed(self)
        if self.max_items is not None:
            at_least(self, 0, "max_items")
        if self.region and self.region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(
                f"ReplacePersonalData(region={self.region!r}): expected a country's two capital letters, such as 'DE', "
                "or '' for international forms alone"
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_replacements") and not value:
                raise ValueError(f"ReplacePersonalData({field.name}={value!r}): expected a tuple of one text or more")

    def measure(self, text: Text) -> dict[str, float]:
        """How many there are of each kind that is looked for, repeated ones included, and of all kinds."""
        return self._replaced(text)[1]

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Too many: a directory, a list of members, a log."""
        if self.max_items is not None and signals["num_personal_data"] > self.max_items:
            return "too_many_personal_data", "num_personal_data"
        return None

    def edit(self, text: Text) -> str:
        """The text with every one replaced."""
        return self._replaced(text)[0]

    def find(self, content: str) -> list[Found]:
        """What is to be replaced, in order; of two that overlap the one whose kind comes first in KINDS."""
        found: list[Found] = []
        for kind, places in self._finders(content):
            taken = [(other.start, other.end) for other in found]
            found += [Found(*place, kind) for place in _apart(sorted(places), taken)]
            found.sort(key=lambda item: item.start)
        return found

    def _finders(self, content: str) -> Iterator[tuple[str, Iterator[Place]]]:
        if self.emails and "@" in content:
            yield "emails", emails(content)
        if self.ips:
            yield "ip_addresses", ip_addresses(content)
        if self.ibans:
            yield "ibans", ibans(content)
        if not (self.cards or self.phones) or not _SEVEN_DIGITS.search(content):
            return
        if self.cards:
            yield "card_numbers", card_numbers(content)
        if self.phones:
            yield "phone_numbers", phone_numbers(content, self.region)

    def _replaced(self, text: Text) -> tuple[str, dict[str, float]]:
        done: tuple[str, dict[str, float]] | None = text.notes.get(self)
        if done is None:
            done = text.notes[self] = self._replace(text.content)
        return done

    def _replace(self, content: str) -> tuple[str, dict[str, float]]:
        wanted = (self.emails, self.ips, self.ibans, self.cards, self.phones)
        counts = {f"num_{kind}": 0.0 for kind, is_wanted in zip(KINDS, wanted, strict=True) if is_wanted}
        turns: dict[tuple[str, ...], dict[str, str]] = {}
        for _ in range(_MAX_ROUNDS):
            pieces, end = [], 0
            for item in self.find(content):
                known = content[item.start : item.end]
                choice = self._choice(item.kind, known)
                if known in choice:
                    continue
                distinct = turns.setdefault(choice, {})
                replacement = distinct.setdefault(known.casefold(), choice[len(distinct) % len(choice)])
                counts[f"num_{item.kind}"] += 1
                pieces += [content[end : item.start], replacement]
                end = item.end
            if not pieces:
                break
            content = "".join([*pieces, content[end:]])
        return content, {**counts, "num_personal_data": sum(counts.values())}

    def _choice(self, kind: str, known: str) -> tuple[str, ...]:
        if kind == "ip_addresses":
            return self.ipv6_replacements if ":" in known else self.ipv4_replacements
        return {
            "emails": self.email_replacements,
            "ibans": self.iban_replacements,
            "card_numbers": self.card_replacements,
            "phone_numbers": self.phone_replacements,
        }[kind]


def _apart(places: list[Place], taken: list[Place]) -> Iterator[Place]:
    """The places, in order, that overlap neither each other nor those that are taken, in order too."""
    end, others = 0, iter(taken)
    other = next(others, None)
    for place in places:
        while other and other[1] <= place[0]:
            other = next(others, None)
        if place[0] >= end and (other is None or place[1] <= other[0]):
            yield place
            end = place[1]
