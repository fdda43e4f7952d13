"""A corpus by another recipe, from what was measured when it was made: archives are not read again.

Documents are decided anew by their signals where only thresholds changed, and steps that came after are taken on the
texts that are stored; duplicates are then looked for among what is left. The outcome is, byte for byte, what
pipelines.curate makes of the archives by the new recipe. Where that cannot be had, it says which steps must run again.
"""

import argparse
import contextlib
import dataclasses
import functools
import heapq
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from curation import manifest, parts, recipe, refilter, storage, stored_recipe, tokens, versions
from curation.dedup.contamination import Against
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.manifest import Manifest
from curation.refilter import Plan
from curation.sources import Archive, Task
from curation.walk import Walked
from pipelines import command, deduplicate, extract, made_with, options, progress, tokenize
from pipelines.run import Run
from pipelines.tasks import Round

_READ = ("filtered", "rejected", "rejected_texts")
_FROM = "refiltered_from"  # in the manifest, beside times and machine


def decide_part(task: Task, *, run: Run, corpus: str, digests: Mapping[str, str], plan: Plan) -> int:
    """Writes one part: the pages of the same part of the corpus, decided anew."""
    _check_digests(corpus, digests, task)
    made, ledger, fingerprint = parts_of(corpus, task), Ledger(), run.extract_fingerprints[task.number]
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress.reporting(run.progress, "refilter", task.number))
        write = functools.partial(parts.writing, fingerprint=fingerprint, ledger=ledger)
        rejected = stack.enter_context(write(run.rejected(task.number), REJECTED))
        texts = stack.enter_context(write(run.rejected_texts(task.number), DOCUMENTS))
        filtered = stack.enter_context(write(run.filtered(task.number), DOCUMENTS, task=task))
        for row, by in made:
            walked = refilter.decide(row, by, plan) if isinstance(row, Document) else Walked(row)
            ledger.read += 1
            if isinstance(walked.outcome, Document):
                ledger.kept += 1
                filtered.add(walked.outcome)
            else:
                ledger.reject(walked.outcome)
                rejected.add(walked.outcome)
            if walked.rejected:
                texts.add(walked.rejected)
            report(ledger.read, ledger.kept, (row.offset - task.start) / (task.stop - task.start))
        before = parts.ledger_of(_path(corpus, "filtered", task))
        ledger.skipped, ledger.retried = before.skipped, before.retried
        ledger.check(task.part)
    return ledger.kept


def parts_of(corpus: str, task: Task) -> Iterator[tuple[Document | Rejection, str | None]]:
    """The pages of a part in their order: documents, with the step that rejected them if any, and what has no text."""
    texts = parts.documents(_path(corpus, "rejected_texts", task))
    rejected = _with_texts(parts.rejections(_path(corpus, "rejected", task)), texts)
    kept = ((document, None) for document in parts.documents(_path(corpus, "filtered", task)))
    return heapq.merge(kept, rejected, key=lambda pair: pair[0].offset)


def _with_texts(
    rejections: Iterator[Rejection], texts: Iterator[Document]
) -> Iterator[tuple[Document | Rejection, str | None]]:
    text = next(texts, None)
    for rejection in rejections:
        if text and text.id == rejection.id:
            yield text, rejection.step
            text = next(texts, None)
        else:
            yield rejection, None
    assert text is None, text.id


def _path(corpus: str, folder: str, task: Task) -> str:
    return storage.join(corpus, folder, f"{task.part}.parquet")


def _check_digests(corpus: str, digests: Mapping[str, str], task: Task) -> None:
    """ValueError where a part is not the one that the manifest says: its pages would be missing without a word."""
    for folder in _READ:
        path = _path(corpus, folder, task)
        found = manifest.sha256_of(path)
        if found != (expected := digests[f"{folder}/{task.part}.parquet"]):
            raise ValueError(f"{path} has sha256 {found}, expected {expected}; copy the whole corpus, or make it again")


def _digests(held: Manifest, corpus: str) -> dict[str, str]:
    """The sha256 of what is read, by path; ValueError where a file is missing."""
    digests = {it.path: it.sha256 for it in held.outputs if it.path.startswith(tuple(f"{name}/" for name in _READ))}
    parts = [path.partition("/")[2] for path in digests if path.startswith("filtered/")]
    if not parts:
        raise ValueError(f"{corpus}: its manifest names no parts; copy the whole corpus, or make it again")
    for path in (f"{folder}/{part}" for part in parts for folder in _READ):
        if path not in digests or not storage.exists(storage.join(corpus, path)):
            raise ValueError(f"{storage.join(corpus, path)} does not exist; copy the whole corpus, or make it again")
    return digests


def planned(args: argparse.Namespace) -> tuple[Run, Plan]:
    """The run that the corpus would have been by the new recipe; ValueError where it must read the archives."""
    held = manifest.load(args.corpus)
    _check(held, args.corpus)
    _check_apart(args.output, args.corpus)
    file, text = recipe.read_source(args.recipe)
    language = held.settings.get("language")
    flags = dataclasses.replace(Against.of_json(held.settings.get("against")), sha256="")
    against = flags.pinned(recipe.of_run(file, text, language).steps)
    new = recipe.of_run(file, text, language, against)
    _digests(held, args.corpus)
    if missing := {"tokenizer_sha256", "vocab_size", "validation_share"} - held.settings.keys():
        raise ValueError(f"{args.corpus}: its manifest lacks the setting {min(missing)}; make the corpus again")
    plan = refilter.plan(stored_recipe.of_manifest(held, args.corpus), new)
    new.check()
    tokenizer = None
    if held.settings["tokenizer_sha256"]:
        with storage.open_read(storage.join(args.corpus, "tokenizer.json")) as opened:
            tokenizer = opened.read()
        tokens.load(tokenizer, "tokenizer.json")
    return Run(
        output=args.output or f"{args.corpus.rstrip('/')}-{new.name}",
        tasks=made_with.tasks_of_corpus(args.corpus, held),
        inputs=tuple(Archive(**entry) for entry in held.inputs),
        access=args.access,
        recipe_file=file,
        recipe_text=text,
        language=language,
        tokenizer=tokenizer,
        tokenizer_name="tokenizer.json",
        vocab_size=held.settings["vocab_size"] or 0,
        validation_share=held.settings["validation_share"],
        against=against,
        index=made_with.index_of_corpus(args.corpus, held, args.index, new),
        mask_token=held.settings.get("mask_token", False),
        sentinels=held.settings.get("sentinels", 0),
        max_links=args.max_links,
    ), plan


def _check(held: Manifest, corpus: str) -> None:
    if source := held.run.get(_FROM):
        raise ValueError(
            f"{corpus} was itself made by refilter, and of what that rejected it may have later texts: give --corpus "
            f"{source}, which it was made from"
        )
    here = versions.versions()
    others = [name for name in sorted(here) if held.versions.get(name) != here[name]]
    if others:
        raise ValueError(
            f"{corpus} was made with another {', '.join(others)}, whose signals may be others than those measured now: "
            "use the version that made it, or run pipelines.curate with the new recipe on the archives"
        )


def _check_apart(output: str | None, corpus: str) -> None:
    """Refuses to write over what is read: --overwrite would remove the corpus before anything of it was decided."""
    if output:
        written, read = map(_whole, (output, corpus))
        if f"{written}/".startswith(f"{read}/") or f"{read}/".startswith(f"{written}/"):
            raise ValueError(
                f"--output {output} and --corpus {corpus} lie one in the other: the corpus is read while the "
                "new one is written; choose another folder"
            )


def _whole(path: str) -> str:
    return os.path.realpath(path.removeprefix("file://")) if storage.is_local(path) else path.rstrip("/")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is 0 only where everything was made and the books close."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.refilter", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--corpus", required=True, metavar="DIR", help="the --output of pipelines.curate")
    add("--recipe", required=True, help="the new recipe's name, or the path of a Python file")
    add("--output", metavar="DIR", help="the new corpus (default: beside the corpus, with the recipe's name)")
    add("--index", metavar="DIR", help="the index that the corpus was made with, or what that has grown to")
    add("--workers", type=int, default=None, metavar="N", help="tasks at once (default: all cores)")
    add("--exchange", choices=options.EXCHANGES, help=options.EXCHANGE)
    add("--max-links", type=int, default=20_000_000, metavar="N", help=options.MAX_LINKS)
    add("--overwrite", action="store_true", help="remove the corpus that is in --output first")
    add("--dry-run", action="store_true", help="say what is decided by signals and what runs again, and stop")
    args, beam_options = options.split(parser, argv)
    if args.max_links < 0:
        parser.error(f"--max-links {args.max_links}: expected at least 0")
    for name in ("corpus", "recipe", "output", "index"):
        setattr(args, name, getattr(args, name) and os.path.expanduser(getattr(args, name)))
    return command.guarded(lambda: _run(args, beam_options))


def _run(args: argparse.Namespace, beam_options: PipelineOptions) -> int:
    start = time.time()
    args.access = options.access_of_beam(beam_options)
    storage.use(args.access)
    run, plan = planned(args)
    print(*_told(plan), sep="\n", flush=True)
    if args.dry_run:
        return 0
    digests = _digests(manifest.load(args.corpus), args.corpus)
    work = functools.partial(decide_part, corpus=args.corpus, digests=digests, plan=plan)
    first = dataclasses.replace(
        extract.STAGE,
        name="refilter",
        rounds=lambda run, missing: [Round("refilter", missing, functools.partial(work, run=run))],
        in_children=False,
        close=None,
    )
    stages = [first, deduplicate.STAGE, tokenize.STAGE]
    command.make(run, stages, args, beam_options, start, **{_FROM: args.corpus})
    return 0


def _told(plan: Plan) -> Iterator[str]:
    names = [recipe.step_name(step) for step in plan.decided]
    yield f"decided by stored signals: {', '.join(names) or 'nothing'}"
    yield f"with other thresholds: {', '.join(plan.changed) or 'none'}"
    yield f"run again on stored texts: {', '.join(map(recipe.step_name, plan.run)) or 'nothing'}"


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import refilter as command_line

    sys.exit(command_line.main())
