"""The answers of pipelines.whatif, as numbers and as lines."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation.recipe_diff import Difference
from curation.rule_name import Change
from curation.tally import MEASURED, Tally
from curation.whatif import Answer, Question
from pipelines.terminal import block, cell

_HOSTS = 10  # that are shown
_BEFORE = "before the steps on all documents, which are not taken anew"
_BEHIND = "behind the steps on all documents"
_KEPT = "(kept)"


def rule(found: Answer, asked: Question, changes: Sequence[Change]) -> dict[str, Any]:
    """What other thresholds do, as numbers."""
    lost = [found.lost, found.lost_duplicates]
    return {
        "changes": [dataclasses.asdict(change) for change in changes],
        "place": _BEHIND if asked.is_after else _BEFORE,
        "pages": found.pages,
        "seen": found.seen,
        "measured": found.measured,
        "gained": _numbers(found.gained),
        "lost": {name: sum(_numbers(tally)[name] for tally in lost) for name in ("documents", "characters", "tokens")}
        | {"is_estimate": any(tally.is_estimate for tally in lost)},
        "lost_from_corpus": _numbers(found.lost),
        "steps": list(asked.steps),
        "moves": _moves(found.moves),
        "hosts": _hosts(found.gained.hosts, found.lost.hosts + found.lost_duplicates.hosts),
        "samples": {
            "gained": _samples(found.gained.samples),
            "lost": _samples(found.lost.samples or found.lost_duplicates.samples),
        },
    }


def diff(found: Difference) -> dict[str, Any]:
    """What two recipes decide differently, as numbers."""
    return {
        "pages": found.pages,
        "both": found.both,
        "other_texts": found.other_texts,
        "neither": found.neither,
        "only_a": _numbers(found.only[0]),
        "only_b": _numbers(found.only[1]),
        "moves": _moves(found.moves),
        "hosts": _hosts(found.only[0].hosts, found.only[1].hosts),
        "samples": {"only_a": _samples(found.only[0].samples), "only_b": _samples(found.only[1].samples)},
    }


def _numbers(tally: Tally) -> dict[str, Any]:
    return {
        "documents": tally.documents,
        "characters": tally.characters,
        "tokens": tally.tokens,
        "is_estimate": tally.is_estimate,
    }


def _moves(moves: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """The most frequent first; a step is empty where the page is kept."""
    ordered = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    return [{"from": before, "to": now, "pages": pages} for (before, now), pages in ordered]


def _hosts(first: collections.Counter[str], second: collections.Counter[str]) -> list[dict[str, Any]]:
    both = first + second
    ordered = sorted(both, key=lambda host: (-both[host], host))[:_HOSTS]
    return [{"host": host, "pages": [first[host], second[host]]} for host in ordered]


def _samples(samples: Sequence[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(sample) for sample in samples]


def rule_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What other thresholds do, to be read."""
    yield f"{told['corpus']}: recipe {told['recipe']}, {told['pages']:,} pages"
    for change in told["changes"]:
        yield f"{change['step']}.{change['field']}: {cell(repr(change['new']))} in place of {cell(repr(change['old']))}"
    steps = " and ".join(told["steps"])
    first, measured = told["steps"][0], told["measured"]
    yield f"{told['seen']:,} pages come to {first}; {measured:,} of them take later steps on their texts"
    yield ""
    rows = [("documents gained", told["gained"]), ("documents lost", told["lost"])]
    if told["lost"]["documents"] != told["lost_from_corpus"]["documents"]:
        rows.append(("  of them in documents/", told["lost_from_corpus"]))
    yield from _table(rows)
    yield told["place"]
    for step in told["steps"]:
        yield from _overlap(told["moves"], step)
    if not told["moves"]:
        yield f"{steps} decides nothing differently"
    yield from _ending(told, ("gained", "lost"), ("gained: was stopped by", "lost: is stopped by"))


def _overlap(moves: Sequence[Mapping[str, Any]], step: str) -> Iterator[str]:
    """What other steps decide on the pages that one decides differently."""
    passes = [move for move in moves if move["from"] == step]
    stops = [move for move in moves if move["to"] == step]
    if passes:
        yield from ("", f"{sum(move['pages'] for move in passes):,} pages are not stopped by {step} any more; of them")
        yield from (f"  {_who('is', move['to']):<40} {move['pages']:>8,}" for move in passes)
    if stops:
        yield from ("", f"{sum(move['pages'] for move in stops):,} pages are stopped by {step} now; of them")
        yield from (f"  {_who('was', move['from']):<40} {move['pages']:>8,}" for move in stops)


def _who(verb: str, step: str) -> str:
    return f"{verb} stopped by {step}" if step else f"{verb} kept"


def diff_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What two recipes decide differently, to be read."""
    for name, place, made in zip("AB", ("a", "b"), told["recipes"], strict=True):
        yield f"{name}  {told[place]}" + (f": recipe {made}" if made != told[place] else "")
    where = "as the corpora have them" if told["is_final"] else "before the steps on all documents"
    yield f"{told['pages']:,} pages, {where}"
    yield ""
    yield f"documents of both {told['both']:,}, {told['other_texts']:,} of them with other texts"
    yield f"documents of none {told['neither']:,}"
    yield from _table([("documents of A alone", told["only_a"]), ("documents of B alone", told["only_b"])])
    yield f"tokens by {told['tokenizer']}"
    if told["moves"]:
        yield from ("", f"{'A: stopped by':<24}{'B: stopped by':<24}{'pages':>8}")
    for move in told["moves"]:
        yield f"{move['from'] or _KEPT:<24}{move['to'] or _KEPT:<24}{move['pages']:>8,}"
    yield from _ending(told, ("only_a", "only_b"), ("A alone: B stops by", "B alone: A stops by"))


def _table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    yield f"{'':<24}{'documents':>12}{'characters':>16}{'tokens':>16}"
    for name, it in rows:
        tokens = f"{'about ' if it['is_estimate'] else ''}{it['tokens']:,}"
        yield f"{name:<24}{it['documents']:>12,}{it['characters']:>16,}{tokens:>16}"
    if any(it["is_estimate"] for _, it in rows):
        yield f"about: the tokens of {MEASURED:,} documents are counted, and scaled by characters"


def _ending(told: Mapping[str, Any], kinds: tuple[str, str], titles: tuple[str, str]) -> Iterator[str]:
    """Hosts and samples."""
    names = [kind.replace("only_a", "A alone").replace("only_b", "B alone") for kind in kinds]
    if told["hosts"]:
        yield from ("", f"{'host':<48}{names[0]:>10}{names[1]:>10}")
    for it in told["hosts"]:
        yield f"{cell(it['host'], 46):<48}{it['pages'][0]:>10,}{it['pages'][1]:>10,}"
    for kind, title in zip(kinds, titles, strict=True):
        for sample in told["samples"][kind]:
            number = "" if sample["value"] is None else f" {sample['value']:.6g}"
            reason = f": {sample['reason']}{number}" if sample["reason"] else ""
            yield from ("", f"{title} {sample['step']}{reason}", f"{sample['id']}  {cell(sample['url'], 100)}")
            yield from block(sample["text"], None)
