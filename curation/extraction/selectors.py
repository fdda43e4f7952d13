"""trafilatura's XPath expressions, asked once for each attribute value instead of once for each element.

They decide by an element's tag and attributes alone, mostly with EXSLT's regular expressions, each of which is a call
back into Python: half of trafilatura's time. A page repeats few values of class and id, and so do pages of one site. So
each value is put to trafilatura's own expression once, on an element made up for that, and the answer is remembered:
the same elements are found, several times as fast, and no rule of trafilatura's is written anew.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lxml import etree

Item = tuple[str, str]  # an attribute's name and value
Kind = tuple[str, tuple[str, ...], Item | None]  # tag, names of the attributes before, and an attribute, if any

_ATTRIBUTE = re.compile(r"@([\w-]+)")
_TAG = re.compile(r"self::(\w+)|//(main)\b")
_TEST_OF_PRESENCE = re.compile(r"(?:\[|or)\s*@([\w-]+)\s*(?:\]|or)")
_TRANSLATED = re.compile(r"translate\((@[\w-]+),[^)]*\)")
_LITERAL = re.compile(r"(re:test\([^']*)?'([^']*)'(?:, '(i)')?")
_DIGITS = re.compile(r"\d+")
_DIGITS_OF_TESTS = re.compile(r"(?<!\[)(?<!h)\d|\\d")  # that is, but for positions and headings
_NOT_LOWERED = re.compile(r"\(\?<?!|\[\^|\\[A-Z]")  # tests that small letters could make untrue, or something else
_MAX_KNOWN = 50_000  # values, by an expression; about 10 MB
_MAX_VALUE = 300  # characters; longer ones, such as whole pictures in a `style`, are not met again
_EXSLT = {"re": "http://exslt.org/regular-expressions"}


class Selector:
    """What a compiled expression of the form `.//*[tests of the element's own tag and attributes]` finds in a tree.

    The tests must be such that an element is found where one of its attributes alone would have it found; of a union
    like `@id|@class` the attribute counts that stands first. `first_only`: the caller looks at nothing but the first
    element found. `any_tag`: the expression names tags in other ways than by `self::`. An expression that also looks at
    what an element holds is asked itself wherever an element is found that could be one of its own.
    """

    def __init__(self, expression: Any, *, first_only: bool = False, any_tag: bool = False) -> None:
        path = expression.path
        self._expression = etree.XPath(path, namespaces=_EXSLT)
        self._attributes = frozenset(_ATTRIBUTE.findall(path))
        self._ordered = re.search(r"@[\w-]+\|@", path) is not None
        named = dict.fromkeys(one or other for one, other in _TAG.findall(path))
        self._tags: tuple[str, ...] = () if any_tag else tuple(named)
        self._tag_matters = any_tag or bool(named)
        self._tag_may_do = any_tag or any(self._ask((tag, (), None)) for tag in self._tags)
        self._looks_inside = "not(.//" in path
        self._first_only = first_only
        # Numbers make most of what is new on a page (`post-1234`), and none of trafilatura's tests looks at digits.
        self._digits_matter = _DIGITS_OF_TESTS.search(path) is not None
        self._presence = frozenset(_TEST_OF_PRESENCE.findall(path))
        self._possible = _possible(path)
        self._impossible: set[str] = set()  # values, with which no attribute has an element found
        self._known: dict[Kind, bool] = {}
        self._known_without_digits: dict[Kind, bool] = {}

    def __call__(self, tree: Any) -> list[Any]:
        """The elements below `tree`, in document order."""
        found = self._matches(tree)
        if self._first_only:
            return list(itertools.islice(found, 1))
        elements = list(found)
        return self._expression(tree) if elements and self._looks_inside else elements  # type: ignore[no-any-return]

    def _matches(self, tree: Any) -> Iterator[Any]:
        attributes, presence, impossible = self._attributes, self._presence, self._impossible
        by_expression = functools.cache(lambda: frozenset(self._expression(tree)))
        for element in tree.iterdescendants(*self._tags or (etree.Element,)):
            items = element.items()
            if self._tag_may_do and self._is_found(element, items, None, by_expression):
                yield element
                continue
            for item in items:
                name, value = item
                if name not in attributes or (value in impossible and name not in presence):
                    continue  # as nearly all are
                if self._is_found(element, items, item, by_expression):
                    yield element
                    break

    def _is_found(
        self, element: Any, items: Sequence[Item], item: Item | None, by_expression: Callable[[], frozenset[Any]]
    ) -> bool:
        """Whether an element is found for one of its attributes, or for its tag where `item` is None."""
        if item and item[0] not in self._presence and not self._possible(item[1]):
            if len(item[1]) <= _MAX_VALUE:
                _make_room(self._impossible)
                self._impossible.add(item[1])
            return False
        before = items[: items.index(item)] if item and self._ordered else ()
        names = tuple(name for name, _ in before if name in self._attributes)
        kind = (element.tag if self._tag_matters else "any", names, item)
        answer = self._known.get(kind)
        if answer is None:
            answer = self._learn(kind)
        return element in by_expression() if answer is None else answer

    def _learn(self, kind: Kind) -> bool | None:
        """Whether an element of this kind is found; None where none can be made up."""
        tag, before, item = kind
        if item and not self._digits_matter:
            item = (item[0], _DIGITS.sub("0", item[1]))
        similar = (tag, before, item)
        answer = self._known_without_digits.get(similar)
        if answer is None:
            try:
                answer = self._ask(similar)
            except ValueError:  # a name or value that lxml reads but does not write, such as a control character
                return None
            _remember(self._known_without_digits, similar, answer)
        _remember(self._known, kind, answer)
        return answer

    def _ask(self, kind: Any) -> bool:
        tag, before, item = kind
        parent = etree.Element("parent")
        element = etree.SubElement(parent, tag)
        for name in before:
            element.set(name, "")
        if item is not None:
            element.set(*item)
        return bool(self._expression(parent))


def _possible(path: str) -> Callable[[str], Any]:
    """Whether a value could, whatever its attribute, make any of an expression's tests true."""
    tests = [
        test if is_expression else re.escape(test)
        for is_expression, test, _ in _LITERAL.findall(_TRANSLATED.sub(r"\1", path))
    ]
    pattern = "|".join(f"(?:{test})" for test in tests)
    is_loose = ", 'i')" in path or "translate(" in path
    exact = re.compile(pattern, re.IGNORECASE if is_loose else 0).search
    if _NOT_LOWERED.search(pattern):
        return exact
    # Small letters hold wherever the letters themselves do, and are several times as fast as to ignore their case.
    lower = re.compile(pattern.lower()).search
    return lambda value: lower(value.lower()) if value.isascii() else exact(value)


def _remember(known: dict[Kind, bool], kind: Kind, answer: bool) -> None:
    _make_room(known)
    if kind[2] is None or len(kind[2][1]) <= _MAX_VALUE:
        known[kind] = answer


def _make_room(known: dict[Kind, bool] | set[str]) -> None:
    if len(known) >= _MAX_KNOWN:
        known.clear()
