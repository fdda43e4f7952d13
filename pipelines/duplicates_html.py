"""What pipelines.duplicates tells, as one page without scripts that loads nothing."""

import html
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from curation.duplicate_examples import Example
from curation.pair_recall import Estimate
from curation.word_diff import ADDED, REMOVED, SAME, SKIPPED, Span
from pipelines import duplicates_text
from pipelines.terminal import escaped

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --bar: #3b78c2; --curve: #c2571a; --out: #ffd7d5; --in: #ccf0d0; }
@media (prefers-color-scheme: dark) { :root { --bar: #6aa5ec; --curve: #f0905a; --out: #6b2320; --in: #17502b; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1.5rem 0 0; }
table { border-collapse: collapse; margin: .7rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: right; vertical-align: top; }
th { white-space: nowrap; } .text { text-align: left; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } svg { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
.bar { fill: var(--bar); } .curve { fill: none; stroke: var(--curve); stroke-width: 2; } .axis { stroke: var(--line); }
.pair { width: 100%; table-layout: fixed; }
.pair td, .pair th { text-align: left; white-space: pre-wrap; overflow-wrap: anywhere; }
.pair .skipped { text-align: center; opacity: .7; }
del, ins { text-decoration: none; border-radius: 2px; padding: 0 1px; color: inherit; }
del { background: var(--out); text-decoration: underline dotted; }
ins { background: var(--in); text-decoration: underline; }
"""
_WIDTH, _HEIGHT, _MARGIN = 640, 220, 36  # of the chart


def page(told: Mapping[str, Any]) -> Iterator[str]:
    """The page, piece by piece."""
    title = f"Duplicates of {_text(told['corpus'])}"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    yield f"<p>{_text(duplicates_text.head(told))}.</p>\n<h2>Steps and clusters</h2>\n"
    yield from _table(("step", "reason", "documents"), ((it.step, it.reason, it.documents) for it in told["steps"]))
    yield from _table(
        ("document that stays", "clusters", "dropped"), ((it.root, it.clusters, it.dropped) for it in told["roots"])
    )
    sizes = ((duplicates_text.span(it.first, it.last), it.clusters, it.documents) for it in told["sizes"])
    yield from _table(("documents of a cluster", "clusters", "documents"), sizes)
    yield "<h2>Largest clusters</h2>\n"
    largest = ((it.id, it.url or f"({it.root})", it.documents, it.copies or "-", it.hosts) for it in told["largest"])
    yield from _table(("document that stays", "URL", "documents", "copies", "hosts"), largest, num_texts=2)
    yield "<h2>Hosts</h2>\n"
    yield from _table(("host", "dropped", "kept"), ((it.host, it.dropped, it.kept) for it in told["hosts"]))
    pairs = ((it.kept, it.dropped, it.documents) for it in told["host_pairs"])
    yield from _table(("host of what stays", "host of what was dropped", "documents"), pairs, num_texts=2)
    if found := told["similarity"]:
        yield from _similarity(found)
    if told["examples"]:
        yield "<h2>Pairs side by side</h2>\n<p>Differences of white space are not shown.</p>\n"
    for example in told["examples"]:
        yield from _example(example)
    yield "</body>\n</html>\n"


def _text(text: str) -> str:
    """A text as HTML that shows it: no markup, and nothing that a browser acts upon but line breaks."""
    return html.escape("\n".join(map(escaped, text.split("\n"))))


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else _text(str(value))


def _table(names: Sequence[str], rows: Iterable[Sequence[object]], *, num_texts: int = 1) -> Iterator[str]:
    """A table whose first columns are texts and the others numbers."""
    kinds = [' class="text"'] * num_texts + [""] * (len(names) - num_texts)
    yield '<div class="wide"><table>\n<tr>'
    yield "".join(f'<th scope="col"{kind}>{name}</th>' for kind, name in zip(kinds, names, strict=True))
    yield "</tr>\n"
    for row in rows:
        cells = "".join(f"<td{kind}>{_cell(value)}</td>" for kind, value in zip(kinds, row, strict=True))
        yield f"<tr>{cells}</tr>\n"
    yield "</table></div>\n"


def _similarity(found: Estimate) -> Iterator[str]:
    yield f"<h2>Similarity of near-duplicates</h2>\n<p>{_text(duplicates_text.summary(found))}.</p>\n"
    yield from _chart(found)
    rows = (
        (
            f"{it.first:.2f} to {it.last:.2f}",
            it.found,
            f"{it.chance:.1%}",
            f"{it.estimate:,.1f}",
            duplicates_text.recall_of(it),
        )
        for it in found.bins
    )
    yield from _table(("similarity", "pairs", "chance of a candidate", "estimate", "recall"), rows)
    yield f"<p>{_text(duplicates_text.PAIRS)}</p>\n"
    curve = ((f"{similarity:.2f}", f"{chance:.3f}") for similarity, chance in found.curve)
    yield from _table(("similarity", "chance of a candidate, by calculation"), curve)


def _chart(found: Estimate) -> Iterator[str]:
    """Bars of the pairs found in each stretch of similarity, and over them the chance that a pair is."""
    first, last = min(found.curve[0][0], found.bins[0].first), 1.0
    most, bottom = max(it.found for it in found.bins) or 1, _HEIGHT - _MARGIN

    def across(similarity: float) -> float:
        return round(_MARGIN + (similarity - first) / (last - first) * (_WIDTH - 2 * _MARGIN), 1)

    def up(share: float) -> float:
        return round(bottom - share * (bottom - 20), 1)

    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">\n'
    yield f"<title>Pairs found by similarity (bars, at most {most:,}), and the chance of a candidate (line)</title>\n"
    for it in found.bins:
        left, top = across(it.first), up(it.found / most)
        size = f'width="{max(across(it.last) - left - 1, 1):.1f}" height="{bottom - top:.1f}"'
        yield f'<rect class="bar" x="{left}" y="{top}" {size}/>\n'
    points = " ".join(f"{across(similarity)},{up(chance)}" for similarity, chance in found.curve)
    yield f'<polyline class="curve" points="{points}"/>\n'
    yield f'<line class="axis" x1="{_MARGIN}" y1="{bottom}" x2="{_WIDTH - _MARGIN}" y2="{bottom}"/>\n'
    for number in range(round(first * 10), 11):
        yield f'<text x="{across(number / 10)}" y="{bottom + 16}" text-anchor="middle">{number / 10:.1f}</text>\n'
    yield f'<text x="{_MARGIN}" y="14">{most:,} pairs (bars); chance of a candidate 1 (line)</text>\n</svg>\n'


def _example(example: Example) -> Iterator[str]:
    found = example.difference
    cut = "; only the first words of long texts were compared" if found.is_cut else ""
    yield f"<h3>Similarity {example.similarity:.4f} ({_text(example.reason)})</h3>\n"
    yield f"<p>{found.same:,} words the same, <del>{found.removed:,} only in the left</del>, "
    yield f"<ins>{found.added:,} only in the right</ins>{cut}. Kept: {_text(example.kept)}</p>\n"
    yield '<table class="pair">\n<tr>'
    for page, role in ((example.other, "similar to"), (example.dropped, "dropped")):
        yield f'<th scope="col">{role} {_text(page.id)}\n{_text(page.url)}</th>'
    yield "</tr>\n"
    for is_skipped, spans in itertools.groupby(found.spans, lambda it: it.kind == SKIPPED):
        if is_skipped:
            words = sum(it.words for it in spans)
            yield f'<tr><td class="skipped" colspan="2">… {words:,} more words</td></tr>\n'
            continue
        shown = list(spans)
        yield f"<tr><td>{_side(shown, REMOVED, 'del')}</td><td>{_side(shown, ADDED, 'ins')}</td></tr>\n"
    yield "</table>\n"


def _side(spans: Sequence[Span], kind: str, tag: str) -> str:
    """What one of the two texts has of some spans."""
    shown = ""
    for it in spans:
        if it.kind in (SAME, kind):
            text = f"<{tag}>{_text(it.text)}</{tag}>" if it.kind == kind else _text(it.text)
            shown += text if not shown or shown.endswith("\n") else f" {text}"
    return shown
