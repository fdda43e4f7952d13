"""What a corpus would hold with another threshold, within seconds, from what is stored of it; nothing is written.

With --rule NAME.FIELD=VALUE it prints the documents and tokens gained and lost, the other rules that decide the same
pages, the hosts most affected, and samples of both. With --diff A B it prints what two corpora of the same archives
decide differently, and the steps that did it; with --corpus, A and B may be recipes, which are decided anew for that
corpus up to the steps on all documents. Duplicates are not looked for anew: pipelines.refilter makes the new corpus.
The exit status is 2 where there is no answer.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from curation import manifest, recipe, recipe_diff, refilter, rule_name, storage, stored_recipe, tokens, whatif
from curation.manifest import Manifest
from curation.recipe_diff import Decided
from curation.tokens import Encoder
from pipelines import answers, made_with, terminal
from pipelines.run import recipe_of
from pipelines.terminal import as_json, cell, show


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.whatif", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--corpus", metavar="DIR", help="the --output of pipelines.curate")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--rule",
        action="append",
        metavar="NAME.FIELD=VALUE",
        help="a step of the recipe, by its class or the start of its or its module's name; may be given several times",
    )
    what.add_argument("--diff", nargs=2, metavar=("A", "B"), help="two corpora, or with --corpus recipes")
    add("--recipe", help="the name or the file that the corpus was made with (default: by the manifest's name)")
    add("--samples", type=int, default=3, metavar="N", help="documents that are shown of each kind (default: 3)")
    add("--json", action="store_true", help="one object in place of text")
    args = parser.parse_args(argv)
    if args.rule and not args.corpus:
        parser.error("--rule needs --corpus DIR")
    if args.diff and args.recipe:
        parser.error("--recipe is for --rule; name recipes in --diff A B")
    if args.samples < 0:
        parser.error(f"--samples {args.samples}: expected 0 or more")
    for name in ("corpus", "recipe"):
        setattr(args, name, getattr(args, name) and os.path.expanduser(getattr(args, name)))
    return terminal.serve(lambda: _rule(args) if args.rule else _diff(args), failed=2)


def _rule(args: argparse.Namespace) -> int:
    held = manifest.load(args.corpus)
    old = made_with.recipe_of_corpus(args.corpus, held, args.recipe)
    new, changes = rule_name.changed(old, args.rule)
    asked = whatif.question(args.corpus, held, old=old, new=new, changes=changes)
    found = whatif.answer(args.corpus, held, asked, encoder=_encoder(args.corpus), samples=args.samples)
    told = {"corpus": args.corpus, "recipe": old.name, "versions": made_with.other_versions(held)}
    told |= answers.rule(found, asked, changes)
    show([as_json(told)] if args.json else [*_about(told), *answers.rule_lines(told)])
    return 0


def _diff(args: argparse.Namespace) -> int:
    names = [os.path.expanduser(name) for name in args.diff]
    corpora = {name: manifest.load(name) for name in names if storage.exists(storage.join(name, manifest.NAME))}
    if args.corpus and any(name not in corpora for name in names):
        corpora[args.corpus] = manifest.load(args.corpus)
    elif lone := [name for name in names if name not in corpora]:
        raise ValueError(
            f"--diff {lone[0]}: no corpus lies there (it has no {manifest.NAME}); where it is a recipe, give --corpus "
            "DIR, the corpus whose pages it decides"
        )
    elif args.corpus:
        raise ValueError(f"--corpus {args.corpus} is for recipes: {names[0]} and {names[1]} are corpora; leave it out")
    first, *others = corpora
    for other in others:
        recipe_diff.check_inputs(corpora[first], corpora[other], (first, other))
    is_final = all(name in corpora for name in names)
    left, right = (_side(name, args.corpus, corpora, is_final=is_final) for name in names)
    # Texts of two corpora are counted by one tokenizer, so that the numbers compare.
    found = recipe_diff.difference(left, right, encoder=_encoder(first), samples=args.samples)
    told: dict[str, Any] = {"a": names[0], "b": names[1], "corpus": args.corpus, "is_final": is_final}
    told["recipes"] = [corpora[name].recipe.get("name") if name in corpora else name for name in names]
    told["versions"] = {
        name: pair for held in corpora.values() for name, pair in made_with.other_versions(held).items()
    }
    told["tokenizer"] = storage.join(first, "tokenizer.json")
    told |= answers.diff(found)
    show([as_json(told)] if args.json else [*_about(told), *answers.diff_lines(told)])
    return 0


def _side(name: str, corpus: str, corpora: dict[str, Manifest], *, is_final: bool) -> Decided:
    """The pages as one of the two decides them."""
    if name in corpora:
        return recipe_diff.of_corpus(name, corpora[name], is_final=is_final)
    held = corpora[corpus]
    whatif.check(held, corpus)
    new = recipe_of(*recipe.read_source(name), held.settings.get("language"))
    try:
        plan = refilter.plan(stored_recipe.of_manifest(held, corpus), new)
    except ValueError as error:
        raise ValueError(f"--diff {name}: {error}") from None
    new.check()
    return recipe_diff.of_recipe(corpus, held, whatif.Question(plan, is_after=False, steps=()))


def _encoder(corpus: str) -> Encoder:
    path = storage.join(corpus, "tokenizer.json")
    try:
        with storage.open_read(path) as file:
            return tokens.load(file.read(), path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: the corpus is damaged; make it again") from None


def _about(told: dict[str, Any]) -> list[str]:
    """What was made with other versions."""
    return [
        f"made with {name} {cell(str(was))}, asked with {cell(here)}: signals measured now may be others than stored"
        for name, (was, here) in told["versions"].items()
    ]


if __name__ == "__main__":
    sys.exit(main())
