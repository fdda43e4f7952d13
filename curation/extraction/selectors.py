"""trafilatura's XPath expressions, asked once for each attribute value instead of once for each element.

They decide by an element's tag and attributes alone, mostly with EXSLT's regular expressions, each of which is a call
back into Python: half of trafilatura's time. A page repeats few values of class and id, and so do pages of one site. So
each value is put to trafilatura's own expression once, on an element made up for that, and the answer is remembered:
the same elements are found, several times as fast, and no rule of trafilatura's is written anew.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

_ATTRIBUTE = re.compile(r"@([\w-]+)")
_TAG = re.compile(r"self::(\w+)|//(main)\b")
_TEST_OF_PRESENCE = re.compile(r"(?:\[|or)\s*@([\w-]+)\s*(?:\]|or)")
_TRANSLATED = re.compile(r"translate\((@[\w-]+),[^)]*\)")
_LITERAL = re.compile(r"(re:test\([^']*)?'([^']*)'(?:, '(i)')?")
_DIGITS = re.compile(r"\d+")
_DIGITS_OF_TESTS = re.compile(r"(?<!\[)(?<!h)\d|\\d")  # that is, but for positions and headings
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
        self._known: dict[Any, bool] = {}
        self._known_without_digits: dict[Any, bool] = {}

    def __call__(self, tree: Any) -> list[Any]:
        """The elements below `tree`, in document order."""
        found = self._matches(tree)
        if self._first_only:
            return list(itertools.islice(found, 1))
        elements = list(found)
        return self._expression(tree) if elements and self._looks_inside else elements  # type: ignore[no-any-return]

    def _matches(self, tree: Any) -> Iterator[Any]:
        known, attributes, ordered, tag_matters = self._known, self._attributes, self._ordered, self._tag_matters
        by_expression: list[Any] = []  # what it finds in this tree, once it had to be asked
        for element in tree.iterdescendants(*self._tags or (etree.Element,)):
            items = element.items()
            if self._tag_may_do:
                items = [None, *items]
            elif not items:
                continue
            tag = element.tag if tag_matters else "any"
            before: tuple[str, ...] = ()
            for item in items:
                if item is None or item[0] in attributes:
                    kind = (tag, before, item)
                    answer = known.get(kind)
                    if answer is None:
                        answer = self._learn(kind)
                    if answer is None:
                        by_expression = by_expression or [set(self._expression(tree))]
                        answer = element in by_expression[0]
                    if answer:
                        yield element
                        break
                    if ordered and item is not None:
                        before += (item[0],)

    def _learn(self, kind: Any) -> bool | None:
        """Whether an element of this kind is found; None where none can be made up."""
        tag, before, item = kind
        if item is not None and item[0] not in self._presence and not self._possible.search(item[1]):
            _remember(self._known, kind, False)
            return False
        if item is not None and not self._digits_matter:
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


def _possible(path: str) -> re.Pattern[str]:
    """What a value must hold, whatever its attribute, for any of an expression's tests to be true."""
    is_loose = ", 'i')" in path or "translate(" in path
    tests = [
        test if is_expression else re.escape(test)
        for is_expression, test, _ in _LITERAL.findall(_TRANSLATED.sub(r"\1", path))
    ]
    return re.compile("|".join(f"(?:{test})" for test in tests), re.IGNORECASE if is_loose else 0)


def _remember(known: dict[Any, bool], kind: Any, answer: bool) -> None:
    if len(known) >= _MAX_KNOWN:
        known.clear()
    if kind[2] is None or len(kind[2][1]) <= _MAX_VALUE:
        known[kind] = answer
