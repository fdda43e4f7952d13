"""trafilatura's tests of link density, each made once; for `hastened`, which says why its results are equal."""

from typing import Any


def install(main_extractor: Any, htmlprocessing: Any) -> None:
    """Puts the tests in the place of trafilatura's own, in its modules of these names."""
    density = LinkDensity(main_extractor, htmlprocessing)
    main_extractor.prune_unwanted_sections = density.prune_unwanted_sections
    main_extractor.delete_by_link_density = density.delete_by_link_density
    htmlprocessing.link_density_test = density.link_density_test


class LinkDensity:
    """Has trafilatura measure the density of links only in elements that hold one, and again only where it may differ.

    It would search all elements for links, in two passes. What it tests is an element's text, its links, and whether a
    sibling follows; of elements, only those are deleted that the test has said something of.
    """

    def __init__(self, main_extractor: Any, htmlprocessing: Any) -> None:
        self._prune, self._test = main_extractor.prune_unwanted_sections, htmlprocessing.link_density_test
        self._delete = main_extractor.delete_by_link_density
        self._holders: set[Any] | None = None
        self._answers: dict[Any, tuple[bool, bool]] = {}
        self._stale: set[Any] = set()

    def prune_unwanted_sections(self, *args: Any, **kwargs: Any) -> Any:
        """trafilatura's, which calls the others."""
        try:
            return self._prune(*args, **kwargs)
        finally:
            self._holders = None
            self._answers.clear()
            self._stale.clear()  # one element would keep its whole tree until the next page

    def delete_by_link_density(self, subtree: Any, *args: Any, **kwargs: Any) -> Any:
        """trafilatura's, where there is anything to do."""
        if self._holders is None:
            self._holders = _holders_of_links(subtree)
        if not self._holders:
            return subtree
        self._stale.clear()
        found = self._delete(subtree, *args, **kwargs)
        for element in self._stale:
            self._answers.pop(element, None)
        return found

    def link_density_test(self, element: Any, favor_precision: bool = False) -> tuple[bool, bool]:
        """trafilatura's, or what it has said of the element before."""
        if self._holders is None:
            return self._test(element, favor_precision)  # type: ignore[no-any-return]
        if element not in self._holders:
            return False, False
        answer = self._answers.get(element)
        if answer is None:
            answer = self._answers[element] = self._test(element, favor_precision)
        if any(answer):  # it may be deleted, which changes what holds it, and what follows on the one before
            self._stale.update((element, element.getprevious(), *element.iterancestors()))
        return answer


def _holders_of_links(tree: Any) -> set[Any]:
    holders: set[Any] = set()
    for link in tree.iter("ref"):
        for holder in link.iterancestors():
            if holder in holders:
                break
            holders.add(holder)
    return holders
