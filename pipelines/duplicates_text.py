"""What pipelines.duplicates tells, as lines for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from curation import word_diff
from curation.duplicate_examples import Example
from curation.pair_recall import Bin, Estimate
from pipelines.terminal import cell, escaped

# What the estimate of the recall is of, and what it is not.
PAIRS = (
    "A pair is a dropped document with the one that its evidence names, mostly the most similar of its cluster; other "
    "pairs of a cluster are not counted. A pair found at similarity s stands for 1/p(s) pairs that there were, where "
    "p(s) = 1 - (1 - s^rows)^bands is the chance that MinHash makes a candidate of it. Nor are chains counted: a "
    "document that is missed as one pair may be dropped for another of its cluster, so fewer documents than pairs are "
    "missed."
)
_BAR = 30  # characters of the longest
_WIDTH = 116  # characters of a line of a text
_MARKS = {word_diff.SAME: " ", word_diff.REMOVED: "-", word_diff.ADDED: "+"}


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """All of it."""
    yield head(told)
    yield from ("", f"{'step':<20}{'reason':<24}{'documents':>12}")
    for step in told["steps"]:
        yield f"{cell(step.step, 19):<20}{cell(step.reason, 23):<24}{step.documents:>12,}"
    yield from ("", f"{'document that stays':<44}{'clusters':>12}{'dropped':>12}")
    for fate in told["roots"]:
        yield f"{fate.root:<44}{fate.clusters:>12,}{fate.dropped:>12,}"
    yield from ("", f"{'documents of a cluster':<24}{'clusters':>12}{'documents':>12}")
    for size in told["sizes"]:
        yield f"{span(size.first, size.last):<24}{size.clusters:>12,}{size.documents:>12,}"
    yield from _clusters_and_hosts(told)
    if found := told["similarity"]:
        yield from ("", *_similarity(found))
    for example in told["examples"]:
        yield from ("", *_example(example))


def head(told: Mapping[str, Any]) -> str:
    """The whole in one sentence."""
    return (
        f"{told['corpus']}: recipe {told['recipe']}, {told['documents']:,} documents; {told['dropped']:,} were dropped "
        f"as duplicates in {told['clusters']:,} clusters, {told['through_another']:,} of them through another document"
    )


def span(first: int, last: int) -> str:
    """A range of sizes."""
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def recall_of(found: Bin) -> str:
    """What share of the pairs was found, with its standard error."""
    if found.recall is None or found.standard_error is None:
        return "-"
    return f"{found.recall:.1%} ± {found.standard_error:.1%}"


def summary(found: Estimate) -> str:
    """The recall in one sentence."""
    whole, settings = found.whole, found.settings
    told = f"{settings.bands} bands of {settings.rows} rows, pairs of similarity {settings.min_similarity:g} or more"
    if not whole.found:
        return f"{told}: none found"
    return f"{told}: {whole.found:,} found of about {whole.estimate:,.0f}, {recall_of(whole)} (one standard error)"


def _clusters_and_hosts(told: Mapping[str, Any]) -> Iterator[str]:
    if told["largest"]:
        yield from ("", f"{'documents':>9}{'copies':>9}{'hosts':>8}  largest clusters, by the document that stays")
    for it in told["largest"]:
        url = cell(it.url, 80) if it.url else f"({it.root})"
        yield f"{it.documents:>9,}{it.copies or '-':>9}{it.hosts:>8,}  {cell(it.id)}  {url}"
    if told["hosts"]:
        yield from ("", f"{'host':<48}{'dropped':>12}{'kept':>12}")
    for it in told["hosts"]:
        yield f"{cell(it.host, 46):<48}{it.dropped:>12,}{it.kept:>12,}"
    if told["host_pairs"]:
        yield from ("", f"{'host of what stays':<44}{'host of what was dropped':<44}{'documents':>12}")
    for it in told["host_pairs"]:
        yield f"{cell(it.kept, 42):<44}{cell(it.dropped, 42):<44}{it.documents:>12,}"


def _similarity(found: Estimate) -> Iterator[str]:
    yield summary(found)
    most = max(it.found for it in found.bins) or 1
    yield f"{'similarity':<14}{'pairs':>10}  {'':<{_BAR}}{'chance':>9}{'estimate':>12}{'recall':>18}"
    for it in found.bins:
        bar = "#" * -(-_BAR * it.found // most)
        numbers = f"{it.chance:>9.1%}{it.estimate:>12,.1f}{recall_of(it):>18}"
        yield f"{f'{it.first:.2f} to {it.last:.2f}':<14}{it.found:>10,}  {bar:<{_BAR}}{numbers}"
    yield from (f"  {line}" for line in _wrapped(PAIRS))
    yield "chance of a candidate" + "".join(f"{similarity:>7.2f}" for similarity, _ in found.curve)
    yield "by calculation       " + "".join(f"{chance:>7.3f}" for _, chance in found.curve)


def _example(example: Example) -> Iterator[str]:
    found = example.difference
    yield f"similarity {example.similarity:.4f} ({cell(example.reason)}), kept {cell(example.kept, 2 * 60)}"
    yield f"- {cell(example.other.id)}  {cell(example.other.url, 100)}"
    yield f"+ {cell(example.dropped.id)}  {cell(example.dropped.url, 100)}  (dropped)"
    more = ", of the first words of long texts" if found.is_cut else ""
    yield f"  {found.same:,} words the same, {found.removed:,} only in -, {found.added:,} only in +{more}"
    for it in found.spans:
        if it.kind == word_diff.SKIPPED:
            yield f"| … {it.words:,} more words"
        else:
            yield from (f"| {_MARKS[it.kind]} {line}" for line in _wrapped(it.text))


def _wrapped(text: str) -> Iterator[str]:
    """A text in lines of at most 116 characters, cut within words where they are longer."""
    line = ""
    for word in text.split():
        word = escaped(word)
        if line and len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        while len(line) > _WIDTH:
            yield line[:_WIDTH]
            line = line[_WIDTH:]
    if line:
        yield line
