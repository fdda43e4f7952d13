"""trafilatura's expressions, asked by attribute value, find what they find when asked of every element."""

import html
import itertools
import re
import string
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html
from trafilatura import settings as trafilatura_settings
from trafilatura import xpaths

from curation.extraction import selectors
from curation.extraction.selectors import Selector

EXSLT = {"re": "http://exslt.org/regular-expressions"}
LISTS = {
    "BODY": xpaths.BODY_XPATH,
    "OVERALL_DISCARD": xpaths.OVERALL_DISCARD_XPATH,
    "TEASER": xpaths.TEASER_DISCARD_XPATH,
    "PRECISION": xpaths.PRECISION_DISCARD_XPATH,
    "DISCARD_IMAGE": xpaths.DISCARD_IMAGE_ELEMENTS,
    "REMOVE_COMMENTS": xpaths.REMOVE_COMMENTS_XPATH,
    "REMOVE_COMMENTS_AND_LISTS": xpaths.REMOVE_COMMENTS_AND_LISTS_XPATH,
    "RAW_TREE_PRUNE": xpaths.RAW_TREE_PRUNE_XPATH,
    "BASIC_CLEAN": [trafilatura_settings.BASIC_CLEAN_XPATH],
}
EXPRESSIONS = {f"{name}-{i}": it for name, their in LISTS.items() for i, it in enumerate(their) if "@" in it.path}
PATHS = "\n".join(it.path for it in EXPRESSIONS.values())

ODD_TAGS = ["o:p", "a", "h1", "h2", "html", "head", "body", "table", "td", "li", "svg", "script", "x-y", "lb", "ref"]
TAGS = sorted({*re.findall(r"(?:self::|//)(\w+)", PATHS), *ODD_TAGS})
ATTRIBUTES = sorted({*re.findall(r"@([\w-]+)", PATHS), "href", "data-x", "xml:id", "hidden"})
LITERALS = sorted(set(re.findall(r"'([^']*)'", PATHS)) - {"i"})
# ſ and the Kelvin sign are s and k to a test that ignores case; \x01 and \ufffe lxml reads and does not write.
GLUE = [
    "",
    " ",
    "-",
    "_",
    "__",
    "0",
    "27",
    "x",
    "ary",
    "s",
    "\n",
    "\t",
    "\u0661",
    "ſ",
    "\u212a",
    "\x01",
    "\ufffe",
    "\x85",
]
CHANGES = [
    str,
    str,
    str,
    lambda it: it[: len(it) // 2] + "7" + it[len(it) // 2 :],
    str.upper,
    str.lower,
    str.swapcase,
    str.title,
    lambda it: it[:-1],
    lambda it: it[1:],
]


def selector_of(name):
    is_body, is_basic = name.startswith("BODY"), name.startswith("BASIC")
    return Selector(EXPRESSIONS[name], first_only=is_body, any_tag=is_basic)


def expected(name, tree):
    found = EXPRESSIONS[name](tree)
    return found[:1] if name.startswith("BODY") else found


def parsed(content, *, keep_comments=False):
    """As trafilatura parses pages, below a body; with comments and instructions too where they are kept."""
    parser = lxml_html.HTMLParser(
        collect_ids=False, encoding="utf-8", remove_comments=not keep_comments, remove_pis=not keep_comments
    )
    return lxml_html.document_fromstring(f"<html><body>{content}</body></html>", parser=parser)


def written(value):
    """An attribute's value in quotes, with character references for what is not printable."""
    return "".join(it if it.isprintable() else f"&#{ord(it)};" for it in html.escape(value))


def pieces_of(literals):
    return sorted({piece for it in literals for piece in re.split(r"[\\^$|()?:!\[\]{},]+", it) if piece})


def values_of(literals):
    """What the tests look for, whole and in pieces, with all kinds of things around and in between."""
    parts = st.tuples(st.sampled_from(GLUE), st.sampled_from(CHANGES), st.sampled_from([*pieces_of(literals), ""]))
    in_pieces = st.lists(parts, max_size=3).map(lambda made: "".join(glue + change(it) for glue, change, it in made))
    printable = st.characters(min_codepoint=32, max_codepoint=126)
    matching = st.one_of(*(st.from_regex(it, alphabet=printable) for it in literals if it))
    tight = st.one_of(*(st.from_regex(rf"\A(?:{it})\Z", alphabet=printable) for it in literals if it))
    return st.one_of(in_pieces, in_pieces, tight, matching, st.tuples(tight, st.sampled_from(GLUE)).map("".join))


def elements_of(tags, attributes, literals):
    """A tag, its attributes, and how many elements end after it."""
    values = st.one_of(values_of(literals), st.sampled_from(["", *literals]))
    pairs = st.lists(st.tuples(st.sampled_from(attributes), values), max_size=4)
    return st.tuples(st.sampled_from(tags), pairs, st.integers(0, 2))


def pages_of(elements):
    """Pages of elements many of which are alike, as tags, as names, as values, and many inside others."""
    # The same values under other names and behind others.
    return st.lists(elements, min_size=1, max_size=8).flatmap(
        lambda shelf: st.builds(
            _page, st.lists(st.sampled_from(_crossed(shelf)), min_size=1, max_size=24), st.booleans()
        )
    )


def _crossed(shelf):
    turned = [(tag, attributes[::-1], ends) for tag, attributes, ends in shelf]
    single = [(tag, [pair], ends) for tag, attributes, ends in shelf for pair in attributes]
    return [*shelf, *turned, *single, *((tag, pairs, 0) for (tag, _, _) in shelf[:3] for (_, pairs, _) in shelf[:3])]


def _page(elements, keep_comments):
    content, is_open = [], []
    for tag, attributes, ends in elements:
        pairs = [f'{name}="{written(value)}"' for name, value in attributes]
        content.append(f"<{tag} {' '.join(pairs)}>text<!-- a comment --><?an instruction?>")
        is_open.append(tag)
        for _ in range(min(ends, len(is_open))):
            content.append(f"</{is_open.pop()}>tail")
    return parsed("".join(content), keep_comments=keep_comments)


def pages():
    """Of the words of all expressions."""
    return pages_of(elements_of(["div", *TAGS], ["id", "class", *ATTRIBUTES], LITERALS))


def own_pages(name):
    """Of the words of one expression."""
    path = EXPRESSIONS[name].path
    tags = sorted(set(re.findall(r"(?:::|//)(\w+)", path))) or ["div", "p"]
    literals = sorted(set(re.findall(r"'([^']*)'", path)) - {"i", "N", "n", "T", "t", "CM", "cm", "CP", "cp"})
    return pages_of(elements_of([*tags, "h1", "a", "o:p"], sorted(set(re.findall(r"@([\w-]+)", path))), literals))


def contexts(tree):
    """The whole tree, and what is below its first few elements."""
    return [tree, *list(tree.iter(etree.Element))[1:5]]


def differences(tree, asked):
    """The expressions whose selector finds anything else, in any other order, anywhere in the tree."""
    return [
        (name, etree.tostring(within))
        for name, selector in asked.items()
        for within in contexts(tree)
        if list(selector(within)) != expected(name, within)
    ]


KNOWING = {name: selector_of(name) for name in EXPRESSIONS}  # which remember each page made by these tests
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def test_the_expressions_are_those_that_are_replaced():
    assert len(EXPRESSIONS) == 14
    left_out = [it.path.strip() for their in LISTS.values() for it in their if "@" not in it.path]
    assert left_out == ["(.//article)[1]", ".//header"]


@pytest.mark.slow
@given(pages())
@QUICK
def test_finds_the_same_elements_in_the_same_order(tree):
    assert differences(tree, KNOWING) == []
    assert differences(tree, {name: selector_of(name) for name in EXPRESSIONS}) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_finds_the_same_among_words_of_its_own(name):
    @given(own_pages(name))
    @QUICK
    def test(tree):
        assert differences(tree, {name: selector_of(name)}) == []

    test()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_finds_the_same_on_many_pages_of_its_own(name):
    @given(own_pages(name))
    @THOROUGH
    def test(tree):
        assert differences(tree, {name: KNOWING[name]}) == []

    test()


@pytest.mark.slow
@given(pages())
@THOROUGH
def test_finds_the_same_on_many_pages(tree):
    assert differences(tree, KNOWING) == []


@pytest.mark.slow
@given(pages(), pages())
@QUICK
def test_finds_the_same_while_it_forgets(one, other):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selectors, "_MAX_KNOWN", 2)
        asked = {name: selector_of(name) for name in EXPRESSIONS}
        for tree in (one, other, one):
            assert differences(tree, asked) == []


def _variants(literal):
    """What the expression's words become when they are written otherwise, or with something before and after."""
    for word in {literal, *pieces_of([literal])}:
        yield from (word, word.swapcase(), f"{word}-1", f"a{word}", f"1 {word} 2", word[:-1])


OTHERS = ["id='cookie'", "class='tags'", "id='x'", "class='x'", "class=''", "style='x'"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_each_value_alone_and_with_another_attribute_before_it_and_after(name):
    path, selector = EXPRESSIONS[name].path, selector_of(name)
    tags = [it for it in TAGS if re.search(rf"(::|/){it}\b", path)] + ["a"]
    words = {word for literal in re.findall(r"'([^']+)'", path) for word in _variants(literal)}
    for attribute in sorted(set(re.findall(r"@([\w-]+)", path))):
        pairs = [f'{attribute}="{written(word)}"' for word in sorted(words)]
        if "|@" in path:
            pairs += [it for pair in pairs for other in OTHERS for it in (f"{pair} {other}", f"{other} {pair}")]
        for start in range(0, len(pairs), 300):
            some = pairs[start : start + 300]
            tree = parsed("".join(f"<div><{tag} {pair}>x</{tag}></div>" for pair in some for tag in tags))
            assert list(selector(tree)) == expected(name, tree)
            for within in tree.iter("div"):
                assert list(selector(within)) == expected(name, within)


def test_a_heading_inside_counts_as_it_does():
    words = ["infinite-scroll", "infinitescroll", "mvp-post-add-box", "mvp-post-add-wrap", "x"]
    tree = parsed(
        "".join(
            f"<{tag} {name}='{word}'>{inside}</{tag}>"
            for word in words
            for name in ("id", "class")
            for tag in ("aside", "div", "section", "main")
            for inside in ("<h1>A heading</h1>", "<p><b><h1>deep</h1></b></p>", "none")
        )
    )
    assert differences(tree, KNOWING) == []
    assert len(KNOWING["RAW_TREE_PRUNE-0"](tree)) == 2 * 2 * 3 * 1 + 2 * 2 * 3 * 3


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_order_of_three_attributes(name):
    """Some of the values are written in another case, and one begins as others do."""
    choices = ["", "hidden", "reply-1 link", "Cookie-Banner", "FullText cookie footer", "reply-1 Footer tags"]
    tree = parsed(
        "".join(
            f"<div {' '.join(f'{attribute}={value!r}' for attribute, value in pairs)}>x</div>"
            for values in itertools.product(choices, repeat=3)
            for pairs in itertools.permutations(zip(("id", "class", "style"), values, strict=True))
        )
    )
    assert list(selector_of(name)(tree)) == expected(name, tree)
    for one in tree.iter("div") if name.startswith("BODY") else ():  # of which the whole page shows the first alone
        alone = parsed(etree.tostring(one, encoding="unicode"))
        assert list(KNOWING[name](alone)) == expected(name, alone)


def test_remembers_no_more_values_than_it_may(monkeypatch):
    monkeypatch.setattr(selectors, "_MAX_KNOWN", 100)
    asked = {name: selector_of(name) for name in EXPRESSIONS}
    tree = parsed(
        "".join(
            f"<div class='nav{chr(97 + number % 26)}{number}' id='cookie-{number}'>x</div>" for number in range(1000)
        )
    )
    assert differences(tree, asked) == []
    held = [len(it) for one in asked.values() for it in vars(one).values() if isinstance(it, dict)]
    assert max(held) <= 100


@pytest.mark.slow
def test_remembers_right_beyond_its_bound():
    selector = selector_of("OVERALL_DISCARD-0")
    for start in range(0, 120_000, 10_000):
        letters = [f"{number:x}".translate(str.maketrans(string.digits, "ghijklmnop")) for number in range(10_000)]
        content = "".join(f"<div class='{'tags' if i % 3 else ''}{start}{it}'>x</div>" for i, it in enumerate(letters))
        tree = parsed(content.replace(str(start), chr(113 + start // 10_000)))
        assert list(selector(tree)) == expected("OVERALL_DISCARD-0", tree)
    assert all(len(it) <= selectors._MAX_KNOWN for it in vars(selector).values() if isinstance(it, dict))


@pytest.mark.parametrize(
    "element",
    ["<p>text<o:p>&nbsp;</o:p></p>", "<div class='nav&#1;'>text</div>", "<div style='hidden' id='cookie&#1;'>x</div>"],
)
@pytest.mark.parametrize("name", ["BASIC_CLEAN-0", "OVERALL_DISCARD-0", "OVERALL_DISCARD-1"])
def test_what_cannot_be_made_up_costs_no_more_than_the_expression(name, element):
    """A page that Word made has thousands of `o:p`; each must not ask the whole page."""
    tree = parsed(element * 1000)
    selector, start = selector_of(name), time.process_time()
    found = selector(tree)
    taken = time.process_time() - start
    assert list(found) == expected(name, tree)
    assert taken < 0.5


@pytest.mark.parametrize(
    "path, page",
    [
        (".//*[@id='a' and @class='b']", "<div id='a' class='b'>x</div>"),
        (".//*[@id='a' and not(@class)]", "<div id='a' class='b'>x</div>"),
        (".//*[not(@id)]", "<div class='b'>x</div>"),
        (".//*[re:test(@id, '[0-9]{3}')]", "<div id='a12'>x</div><div id='a123'>x</div>"),
        (".//*[re:test(@id, '^..$')]", "<div id='12'>x</div>"),
        (".//*[contains(@id, 'a') and contains(@id, 'b') or @class and @style]", "<div class='' style=''>x</div>"),
        (".//div[@id='a']", "<p id='a'>x</p><div id='a'>x</div>"),
    ],
)
def test_these_tests_would_see_an_expression_of_another_form(path, page):
    """None of these is what Selector's docstring asks for; all but the one with digits are found out."""
    expression = etree.XPath(path, namespaces=EXSLT)
    tree = parsed(page)
    is_same = list(Selector(expression)(tree)) == expression(tree)
    assert is_same == ("{3}" in path)
