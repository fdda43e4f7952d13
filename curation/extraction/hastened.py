"""trafilatura 2.3, made faster without changing a character of what it finds.

`install` is for a process that does nothing but extract: it replaces names inside trafilatura's modules. Tests hold the
result equal to trafilatura's own on every page they have.
"""

import copy
import importlib
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from curation.extraction.selectors import Selector

_MODULES = ("core", "main_extractor", "external", "baseline", "utils", "htmlprocessing")
_ALONE = (".//header", "(.//article)[1]")  # expressions that libxml2 answers without help
_COMMENT_WORDS = ("omment", "comol", "disqus_thread")
_ESCAPED = ("xmp", "noembed", "noframes", "plaintext")
_VIDEO = len(" VIDEO ")
_LEAST_SHARE = 40  # characters of HTML for one of the main text
_VISIBLE = etree.XPath("//text()[not(parent::script or parent::style)]", smart_strings=False)


def install() -> None:
    """Replaces trafilatura's expressions, its parser's class lookup and its comparison with readability."""
    modules: list[Any] = [importlib.import_module(f"trafilatura.{name}") for name in _MODULES]
    core, main_extractor, external, baseline, utils, htmlprocessing = modules
    main_extractor.BODY_XPATH = [_hastened(it, first_only=True) for it in main_extractor.BODY_XPATH]
    discard = [_hastened(it) for it in main_extractor.OVERALL_DISCARD_XPATH]
    main_extractor.OVERALL_DISCARD_XPATH = external.OVERALL_DISCARD_XPATH = discard
    main_extractor.PRECISION_DISCARD_XPATH = [_hastened(it) for it in main_extractor.PRECISION_DISCARD_XPATH]
    for module, name, words in (
        (main_extractor, "TEASER_DISCARD_XPATH", [("easer",)]),
        (main_extractor, "DISCARD_IMAGE_ELEMENTS", [("caption",)]),
        (core, "RAW_TREE_PRUNE_XPATH", [("mvp-post-add", "infinite"), ("elementor-share-buttons",)]),
        (core, "REMOVE_COMMENTS_XPATH", [_COMMENT_WORDS]),
        (core, "REMOVE_COMMENTS_AND_LISTS_XPATH", [_COMMENT_WORDS]),
    ):
        expressions = zip(getattr(module, name), words, strict=True)
        setattr(module, name, [_IfMentioned(_hastened(it), its_words) for it, its_words in expressions])
    utils.repair_faulty_html = _repairing(utils.repair_faulty_html)
    baseline.BASIC_CLEAN_XPATH = Selector(baseline.BASIC_CLEAN_XPATH, any_tag=True)
    # lxml.html looks up the class of every element it hands out in Python; trafilatura uses one class for all.
    utils.HTML_PARSER.set_element_class_lookup(
        etree.ElementDefaultClassLookup(element=lxml_html.HtmlElement, comment=lxml_html.HtmlComment)
    )
    _spare(core, external)
    _pass_over_what_has_no_links(main_extractor, htmlprocessing)


def _hastened(expression: Any, *, first_only: bool = False) -> Any:
    is_simple = expression.path.strip() in _ALONE
    return expression if is_simple else Selector(expression, first_only=first_only)


class _IfMentioned:
    """An expression that can find nothing on a page without certain words, which most pages do not have."""

    page = ""  # the page at hand as it is parsed: one at a time in this process

    def __init__(self, expression: Any, words: tuple[str, ...]) -> None:
        self._expression = expression
        self._words = words

    def __call__(self, tree: Any) -> list[Any]:
        may_be_there = "&#" in self.page or any(word in self.page for word in self._words)
        return list(self._expression(tree)) if may_be_there else []


def _repairing(repair: Any) -> Any:
    def repair_faulty_html(page: str, beginning: str) -> str:
        _IfMentioned.page = repair(page, beginning)
        return _IfMentioned.page

    return repair_faulty_html


def _spare(core: Any, external: Any) -> None:
    """Leaves out readability where it cannot win, and trees that only it, or justext, would have read."""
    prepare, extract, compare = core._prepare_tree, core._extract_and_compare, core.compare_extraction
    readability, justext, discard = external.try_readability, external.justext_rescue, external.OVERALL_DISCARD_XPATH

    def prepare_tree(tree: Any, options: Any, url: str | None) -> tuple[Any, Any]:
        if options.comments:
            return prepare(tree, options, url)  # type: ignore[no-any-return]
        cleaned = core.tree_cleaning(copy.copy(tree), options)
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


def _pass_over_what_has_no_links(main_extractor: Any, htmlprocessing: Any) -> None:
    """Has trafilatura measure the density of links in elements that hold one; it would search all elements for them."""
    delete, test = main_extractor.delete_by_link_density, htmlprocessing.link_density_test
    holders: set[Any] = set()

    def delete_by_link_density(subtree: Any, *args: Any, **kwargs: Any) -> Any:
        holders.clear()
        for link in subtree.iter("ref"):
            for holder in link.iterancestors():
                if holder in holders:
                    break
                holders.add(holder)
        return delete(subtree, *args, **kwargs) if holders else subtree

    def link_density_test(element: Any, favor_precision: bool = False) -> Any:
        return test(element, favor_precision) if element in holders else (False, False)

    main_extractor.delete_by_link_density = delete_by_link_density
    htmlprocessing.link_density_test = link_density_test


def _readability_cannot_win(tree: Any, body: Any, size: int) -> bool:
    """Whether no text of the page is long enough for trafilatura to prefer it to its own of `size` characters.

    It does where its own is empty, less than half as long, has no paragraphs, or more tables than paragraphs
    (`external._prefer_readability`). What readability finds is at most all that is not script or style, and a word that
    it writes into iframes; but for elements whose text it escapes, and parses again.
    """
    if not size or not body.xpath(".//p//text()") or len(body.findall(".//table")) > len(body.findall(".//p")):
        return False
    if size * _LEAST_SHARE < len(_IfMentioned.page):
        return False  # in truth unknown, but not worth the look: most of such a page's text is elsewhere
    if next(tree.iter(*_ESCAPED), None) is not None:
        return False
    num_frames = sum(1 for _ in tree.iter("iframe"))
    return len(" ".join(" ".join(_VISIBLE(tree)).split())) + _VIDEO * num_frames <= 2 * size


def _nothing(_: Any) -> Any:
    return lxml_html.HtmlElement()
