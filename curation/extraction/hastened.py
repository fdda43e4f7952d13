"""trafilatura 2.3, made faster without changing a character of what it finds.

`install` is for a process that does nothing but extract: it replaces names inside trafilatura's modules. Tests hold the
result equal to trafilatura's own on every page they have.
"""

import copy
import importlib
import re
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from curation.extraction import link_density
from curation.extraction.selectors import Selector

_MODULES = ("core", "main_extractor", "external", "baseline", "utils", "htmlprocessing")
_ALONE = (".//header", "(.//article)[1]")  # expressions that libxml2 answers without help
_COMMENT_WORDS = ("omment", "comol", "disqus_thread")
_ENDLESS_WORDS = ("mvp-post-add-", "infinite-scroll", "infinitescroll")
# A character of such words as a number, of which an attribute may be made up; most of `&#` is quotes and dashes.
_HIDDEN_LETTER = re.compile(
    r"&#(?:0*(?:45|95|9[7-9]|1[01]\d|12[0-2])(?!\d)|[xX]0*(?:2[dD]|5[fF]|6[1-9a-fA-F]|7[0-9aA])(?![0-9a-fA-F]))"
)
_ESCAPED = ("xmp", "noembed", "noframes", "plaintext")
_VIDEO = len(" VIDEO ")
_LEAST_SHARE = 40  # characters of HTML for one of the main text
_VISIBLE = etree.XPath("//text()[not(parent::script or parent::style)]", smart_strings=False)


def install() -> None:
    """Replaces trafilatura's expressions, its parser's class lookup, its tests of links, and work that it may spare."""
    modules: list[Any] = [importlib.import_module(f"trafilatura.{name}") for name in _MODULES]
    core, main_extractor, external, baseline, utils, htmlprocessing = modules
    main_extractor.BODY_XPATH = [_hastened(it, first_only=True) for it in main_extractor.BODY_XPATH]
    discard = [_hastened(it) for it in main_extractor.OVERALL_DISCARD_XPATH]
    main_extractor.OVERALL_DISCARD_XPATH = external.OVERALL_DISCARD_XPATH = discard
    main_extractor.PRECISION_DISCARD_XPATH = [_hastened(it) for it in main_extractor.PRECISION_DISCARD_XPATH]
    for module, name, words in (
        (main_extractor, "TEASER_DISCARD_XPATH", [("easer",)]),
        (main_extractor, "DISCARD_IMAGE_ELEMENTS", [("caption",)]),
        (core, "RAW_TREE_PRUNE_XPATH", [_ENDLESS_WORDS, ("elementor-share-buttons",)]),
        (core, "REMOVE_COMMENTS_XPATH", [_COMMENT_WORDS]),
        (core, "REMOVE_COMMENTS_AND_LISTS_XPATH", [_COMMENT_WORDS]),
    ):
        expressions = zip(getattr(module, name), words, strict=True)
        setattr(module, name, [_IfMentioned(_hastened(it), its_words) for it, its_words in expressions])
    utils.repair_faulty_html = _repairing(utils.repair_faulty_html)
    utils.INVALID_XML_CHARS = _IfThere(utils.INVALID_XML_CHARS)
    baseline.BASIC_CLEAN_XPATH = Selector(baseline.BASIC_CLEAN_XPATH, any_tag=True)
    # lxml.html looks up the class of every element it hands out in Python; trafilatura uses one class for all.
    utils.HTML_PARSER.set_element_class_lookup(
        etree.ElementDefaultClassLookup(element=lxml_html.HtmlElement, comment=lxml_html.HtmlComment)
    )
    _spare(core, external)
    _parse_again_if_need_be(core)
    link_density.install(main_extractor, htmlprocessing)


def _hastened(expression: Any, *, first_only: bool = False) -> Any:
    is_simple = expression.path.strip() in _ALONE
    return expression if is_simple else Selector(expression, first_only=first_only)


class _Page:
    """The page at hand: one at a time in this process."""

    source: Any = ""  # as trafilatura was given it
    text = ""  # as it is parsed
    hides_letters = False
    pruned: list[Any]  # lists of expressions whose elements were deleted in its whole tree
    is_spent = False  # its whole tree was cleaned, not a copy


_page = _Page()


class _IfMentioned:
    """An expression that can find nothing on a page without certain words, which most pages do not have."""

    def __init__(self, expression: Any, words: tuple[str, ...]) -> None:
        self._expression = expression
        self._words = words

    def __call__(self, tree: Any) -> list[Any]:
        may_be_there = any(word in _page.text for word in self._words) or _page.hides_letters
        return list(self._expression(tree)) if may_be_there else []


class _IfThere:
    """A pattern of single characters, each of which is looked for by itself first: a third of the time."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._characters = [chr(code) for code in range(1 << 16) if pattern.match(chr(code))]

    def sub(self, replacement: str, text: str) -> str:
        """As the pattern's."""
        is_there = any(character in text for character in self._characters)
        return self._pattern.sub(replacement, text) if is_there else text


def _repairing(repair: Any) -> Any:
    def repair_faulty_html(page: str, beginning: str) -> str:
        """trafilatura's, and what it gives is the page at hand."""
        _page.text = repair(page, beginning)
        _page.hides_letters = "&#" in _page.text and _HIDDEN_LETTER.search(_page.text) is not None
        return _page.text

    return repair_faulty_html


def _spare(core: Any, external: Any) -> None:
    """Leaves out readability where it cannot win, and trees that only it, or justext, would have read."""
    prepare, extract, compare = core._prepare_tree, core._extract_and_compare, core.compare_extraction
    readability, justext, discard = external.try_readability, external.justext_rescue, external.OVERALL_DISCARD_XPATH

    def prepare_tree(tree: Any, options: Any, url: str | None) -> tuple[Any, Any]:
        if options.comments:
            return prepare(tree, options, url)  # type: ignore[no-any-return]
        _page.is_spent = options.fast and options.focus != "balanced"  # only `baseline` looks at it after that
        cleaned = core.tree_cleaning(tree if _page.is_spent else copy.copy(tree), options)
        # `tree` stays as it is until the second one is asked for, if ever.
        return core.convert_tags(cleaned, options, url), lambda: core.tree_cleaning(copy.copy(tree), options)

    def extract_and_compare(cleaned_tree: Any, cleaned_tree_backup: Any, tree: Any, options: Any) -> tuple[Any, str]:
        if options.comments:
            return extract(cleaned_tree, cleaned_tree_backup, tree, options)  # type: ignore[no-any-return]
        body, text = core.extract_content(cleaned_tree, options)
        if options.fast:
            return body, text
        cannot_win = options.focus != "recall" and _readability_cannot_win(tree, body, len(text))
        external.try_readability = _nothing if cannot_win else readability
        external.OVERALL_DISCARD_XPATH = [] if cannot_win else discard
        raw_tree = None if cannot_win else copy.copy(tree)
        return compare(cleaned_tree_backup, raw_tree, body, text, options)  # type: ignore[no-any-return]

    def justext_rescue(tree: Any, options: Any) -> Any:
        return justext(tree() if callable(tree) else tree, options)

    core._prepare_tree, core._extract_and_compare = prepare_tree, extract_and_compare
    external.justext_rescue = justext_rescue


def _parse_again_if_need_be(core: Any) -> None:
    """Gives `baseline`, which one page in 16 needs, the whole page anew where its tree was not spared for it."""
    load, prune, baseline = core.load_html, core.prune_unwanted_nodes, core.baseline

    def load_html(source: Any, *args: Any) -> Any:
        _page.source, _page.pruned, _page.is_spent = source, [], False
        return load(source, *args)

    def prune_unwanted_nodes(tree: Any, expressions: Any) -> Any:
        _page.pruned.append(expressions)
        return prune(tree, expressions)

    def baseline_of_page(tree: Any) -> Any:
        if _page.is_spent:
            tree = load(_page.source)
            for expressions in _page.pruned:
                tree = prune(tree, expressions)
        return baseline(tree)

    core.load_html, core.prune_unwanted_nodes, core.baseline = load_html, prune_unwanted_nodes, baseline_of_page


def _readability_cannot_win(tree: Any, body: Any, size: int) -> bool:
    """Whether no text of the page is long enough for trafilatura to prefer it to its own of `size` characters.

    It does where its own is empty, less than half as long, has no paragraphs, or more tables than paragraphs
    (`external._prefer_readability`). What readability finds is at most all that is not script or style, and a word that
    it writes into iframes; but for elements whose text it escapes, and parses again.
    """
    if not size or not body.xpath(".//p//text()") or len(body.findall(".//table")) > len(body.findall(".//p")):
        return False
    if size * _LEAST_SHARE < len(_page.text):
        return False  # in truth unknown, but not worth the look: most of such a page's text is elsewhere
    if next(tree.iter(*_ESCAPED), None) is not None:
        return False
    num_frames = sum(1 for _ in tree.iter("iframe"))
    return len(" ".join(" ".join(_VISIBLE(tree)).split())) + _VIDEO * num_frames <= 2 * size


def _nothing(_: Any) -> Any:
    return lxml_html.HtmlElement()
