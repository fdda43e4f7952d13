"""What share of near-duplicates a MinHash setting finds, calculated and measured, and what it costs.

With --preset NAME it shows a published setting, with --similarity S --recall R it chooses one: the fewest hashes that
find pairs at similarity S with at least probability R, and pairs at S - 0.3 with at most 0.05. Without either it lists
the presets. It measures on signatures of random sets of known similarity, and ends with the line to write in a recipe.
The exit status is 2 where there is no such setting.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curation.dedup import candidates, presets
from pipelines import terminal
from pipelines.terminal import as_json, show

_RECALL = 0.95


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.minhash", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--preset", choices=list(presets.PRESETS), metavar="NAME", help=", ".join(presets.PRESETS))
    which.add_argument("--similarity", type=float, metavar="S", help="of the pairs that are to be found, such as 0.8")
    add("--recall", type=float, metavar="R", help=f"the share of them that is to be found (default: {_RECALL})")
    add("--seed", type=int, default=1, metavar="N", help="of the permutations and of the sets (default: 1)")
    add("--json", action="store_true", help="one object in place of text")
    args = parser.parse_args(argv)
    if args.recall is not None and args.similarity is None:
        parser.error("--recall goes with --similarity")
    if not 0 <= args.seed < 1 << 32:
        parser.error(f"--seed {args.seed}: expected 0 to {(1 << 32) - 1}")
    return terminal.serve(lambda: _run(args), failed=2)


def _run(args: argparse.Namespace) -> int:
    if not args.preset and args.similarity is None:
        found = [_costs(preset) | {"preset": name} for name, preset in presets.PRESETS.items()]
        show([as_json({"presets": found})] if args.json else _overview(found))
        return 0
    told = _setting(_chosen(args), args.seed) | {"preset": args.preset}
    show([as_json(told)] if args.json else _table(told))
    return 0


def _chosen(args: argparse.Namespace) -> presets.Preset:
    if args.preset:
        return presets.PRESETS[args.preset]
    recall = _RECALL if args.recall is None else args.recall
    bands, rows = presets.choose(args.similarity, recall)
    reached = presets.probability(args.similarity, bands, rows)
    found = f"fewest hashes for recall {recall:g} at {args.similarity:g}, which is {reached:.4f}"
    return presets.Preset(bands, rows, args.similarity, found)


def _costs(preset: presets.Preset) -> dict[str, Any]:
    """A setting, what it takes, and what it finds by calculation."""
    hashes = preset.bands * preset.rows
    curve = {str(it): presets.probability(it, preset.bands, preset.rows) for it in presets.SIMILARITIES}
    return {
        **dataclasses.asdict(preset),
        "hashes": hashes,
        "signature_bytes": 4 * hashes,
        "exchanged_bytes": preset.bands * candidates.KEY.itemsize,
        "calculated": curve,
    }


def _setting(preset: presets.Preset, seed: int) -> dict[str, Any]:
    """The same with what it finds by measurement, and how a recipe says it."""
    curve = presets.measured_curve(preset.bands, preset.rows, seed=seed)
    line = f"NearDuplicates(bands={preset.bands}, rows={preset.rows}, min_similarity={preset.similarity:g})"
    return _costs(preset) | {"seed": seed, "curve": [dataclasses.asdict(point) for point in curve], "recipe": line}


def _overview(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    columns = [it for it in presets.SIMILARITIES if round(it * 20) % 2 == 0 or it >= 0.7]
    yield f"{'':<14} {'bands':>5} {'rows':>4} {'hashes':>6}" + "".join(f" {it:>5.2f}" for it in columns)
    for each in found:
        shares = "".join(f" {each['calculated'][str(it)]:>5.3f}" for it in columns)
        yield f"{each['preset']:<14} {each['bands']:>5} {each['rows']:>4} {each['hashes']:>6}{shares}"
    yield "Share of the pairs at each similarity that become candidates; --preset NAME measures it."


def _table(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['preset'] or 'chosen'}: {told['bands']} bands of {told['rows']} rows, {told['hashes']} hashes"
    yield f"source: {told['source']}"
    yield (
        f"a document: {told['signature_bytes']:,} bytes of signature, and {told['exchanged_bytes']:,} bytes of "
        "keys are exchanged"
    )
    yield ""
    yield "similarity  calculated  measured  standard error   pairs"
    for point in told["curve"]:
        yield (
            f"{point['similarity']:>10.2f}  {point['calculated']:>10.4f}  {point['found']:>8.4f}  "
            f"{point['error']:>14.4f}  {point['num_pairs']:>6,}"
        )
    yield ""
    yield told["recipe"]


if __name__ == "__main__":
    sys.exit(main())
