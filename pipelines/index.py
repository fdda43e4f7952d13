"""An index of finished corpora, against which pipelines.curate --index finds duplicates in later ones.

With --add it takes in a corpus, with --merge all that another index holds; without either it says what is in it. A
corpus is described by the steps that look at all documents first in its recipe, which must be ExactDuplicates,
NearDuplicates or both, and the same for all corpora of an index.
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from curation import manifest, parts, storage
from curation.dedup import index, index_files, texts
from curation.dedup.index import Index, IndexedPart
from curation.dedup.texts import Looks
from curation.document import Document
from curation.ids import Ids
from curation.recipe import Recipe, step_name
from curation.sources import Task
from pipelines import command, launch, made, made_with, options
from pipelines.tasks import Round
from pipelines.terminal import cell, show

_NAME = re.compile(r"[\w-][\w.-]{0,99}")
_LOCK = ".lock"  # which no corpus can be called


@dataclasses.dataclass(frozen=True)
class Added:
    """A corpus that is being taken in."""

    corpus: str
    name: str
    held: Index  # as it was before
    tasks: tuple[Task, ...]
    rows: tuple[int, ...]  # documents of each part
    digests: Mapping[str, str]  # the sha256 of the corpus's files
    looks: Looks

    def path(self, part: int) -> str:
        """Where a part goes, relative to the index."""
        return f"{self.name}/{self.tasks[part].part}.parquet"

    def filtered(self, part: int) -> str:
        """The documents of a part before any step that looked at all."""
        return storage.join(self.corpus, "filtered", f"{self.tasks[part].part}.parquet")

    def rejected(self, part: int) -> str:
        """What those steps rejected of it, and all that followed."""
        return storage.join(self.corpus, "rejected", f"{self.tasks[part].part}-duplicates.parquet")


def write_part(part: int, *, added: Added) -> int:
    """Describes the documents of one part of a corpus."""
    for path in (added.filtered(part), added.rejected(part)):
        if (found := manifest.sha256_of(path)) != (expected := added.digests[path]):
            raise storage.StorageError(
                f"{path} has sha256 {found}, expected {expected}; copy the whole corpus, or make it again"
            )
    dropped_by = {step_name(step) for step in (added.looks.exact, added.looks.near) if step}
    evidence = {
        rejection.id: str(rejection.evidence).partition(" through ")[0]
        for rejection in parts.rejections(added.rejected(part))
        if rejection.step in dropped_by
    }
    kept, first = _places(set(evidence.values()), added), sum(added.rows[:part])

    def rows() -> Iterator[tuple[Document, tuple[str, int]]]:
        for place, document in enumerate(parts.documents(added.filtered(part)), first):
            yield document, kept[evidence[document.id]] if document.id in evidence else (added.name, place)

    return index_files.write(storage.join(added.held.folder, added.path(part)), rows(), added.looks)


def _places(names: set[str], added: Added) -> dict[str, tuple[str, int]]:
    """The corpus and the row of documents, given by id, or by corpus and id where an index named them."""
    ids, found = Ids(added.tasks), _places_in_index(names, added.held)
    own = {ids.number_of(name): name for name in names - found.keys()}
    numbers = np.array(sorted(own), np.int64)
    owners = np.searchsorted(ids.first, numbers, "right") - 1
    starts = np.cumsum((0, *added.rows))
    for part in np.unique(owners).tolist():
        path, mine = added.filtered(part), numbers[owners == part]
        there = ids.number(part, 0) + _offsets(path, added.digests[path])
        rows = np.searchsorted(there, mine)
        if (rows == len(there)).any() or (there[rows] != mine).any():
            raise storage.StorageError(f"{path} lacks documents; copy the whole corpus, or make it again")
        found |= {
            own[number]: (added.name, row)
            for number, row in zip(mine.tolist(), (starts[part] + rows).tolist(), strict=True)
        }
    return found


@functools.lru_cache(64)
def _offsets(path: str, _: str) -> np.ndarray:
    """The offsets of the documents of a part, int64[n], ascending; its digest tells parts of one path apart."""
    with storage.open_read(path) as file:
        return np.asarray(pq.read_table(file, columns=["offset"]).column("offset").to_numpy())


def _places_in_index(names: set[str], held: Index) -> dict[str, tuple[str, int]]:
    """The corpus and the row of those documents that an index holds, by corpus and id."""
    wanted: dict[str, set[str]] = {}
    for name in names:
        corpus, is_other, id = name.partition(":")
        if is_other and corpus in held.manifests:
            wanted.setdefault(corpus, set()).add(id)
    found, starts = dict[str, tuple[str, int]](), dict.fromkeys(wanted, 0)
    for place, part in enumerate(held.parts):
        if part.corpus in wanted:
            ids = index_files.columns(held, place, ("id",))["id"].tolist()
            rows = {id: row for row, id in enumerate(ids, starts[part.corpus]) if id in wanted[part.corpus]}
            found |= {f"{part.corpus}:{id}": (part.corpus, row) for id, row in rows.items()}
            starts[part.corpus] += part.rows
    return found


def add(folder: str, corpus: str, name: str, recipe: Recipe, args: argparse.Namespace, beam: PipelineOptions) -> Index:
    """Takes a corpus into an index, which is made where there is none."""
    looks = texts.looks_of(recipe.passes[0].looks if recipe.passes else ())
    digest = manifest.sha256_of(storage.join(corpus, manifest.NAME))
    empty = Index(folder, index.settings_of(looks), (), {})
    held = index.load(folder) if storage.exists(storage.join(folder, index.NAME)) else empty
    held.check(recipe.passes[0].looks if recipe.passes else ())
    index.merged(held, dataclasses.replace(empty, folder=corpus, manifests={name: digest}))
    of_corpus = manifest.load(corpus)
    if (earlier := of_corpus.settings.get("index")) and not held.as_it_stood(earlier):
        raise ValueError(
            f"{corpus} was made with an index that --index {folder} neither is nor holds, and names its documents; add "
            "it to that index, which --merge can then bring here"
        )
    tasks = made_with.tasks_of_corpus(corpus, of_corpus)
    rows = tuple(of_corpus.file(f"filtered/{task.part}.parquet").rows or 0 for task in tasks)
    digests = {storage.join(corpus, it.path): it.sha256 for it in of_corpus.outputs}
    added = Added(corpus, name, held, tasks, rows, digests, looks)
    with _locked(held):
        with launch.worker_log():
            launch.run([Round("documents", range(len(rows)), functools.partial(write_part, added=added))], args, beam)
        new = [
            IndexedPart(name, added.path(part), count, manifest.sha256_of(storage.join(folder, added.path(part))))
            for part, count in enumerate(rows)
        ]
        grown = dataclasses.replace(held, parts=(*held.parts, *new), manifests={**held.manifests, name: digest})
        grown.write(held)
    return grown


@contextlib.contextmanager
def _locked(held: Index) -> Iterator[None]:
    """Lets one process at a time grow an index on local disk; ValueError where another does, or has since it was read.

    Elsewhere the index is looked at again when it is written, which loses none but one of the same moment.
    """
    with contextlib.ExitStack() as stack:
        if storage.is_local(held.folder):
            try:
                os.makedirs(held.folder.removeprefix("file://"), exist_ok=True)
            except OSError as error:
                raise storage.StorageError(f"--index {held.folder} cannot be made: {error.strerror}") from error
            refusal = f"--index {held.folder}: another process is at work in it; wait for it, and start again"
            stack.enter_context(made.alone(storage.join(held.folder, _LOCK), refusal))
        held.check_unchanged()
        yield


def merge(folder: str, other: str) -> Index:
    """Takes all that another index holds into an index; the other stays as it is."""
    held, taken = index.load(folder), index.load(other)
    grown = index.merged(held, taken)
    with _locked(held):
        for place, part in enumerate(taken.parts):
            index_files.check(taken, place)
            with (
                storage.open_read(storage.join(other, part.path)) as source,
                storage.publish(storage.join(folder, part.path)) as temporary,
                open(temporary, "wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        grown.write(held)
    return grown


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.index", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    flag = parser.add_argument
    flag("--index", required=True, metavar="DIR", help="the index's folder")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--add", metavar="CORPUS", help="the --output of pipelines.curate")
    what.add_argument("--merge", metavar="DIR", help="another index")
    flag("--name", help="what the corpus is called in evidence (default: its folder's name)")
    flag("--recipe", help="the name or the file that the corpus was made with (default: by the manifest's name)")
    flag("--workers", type=int, default=None, metavar="N", help="parts at once (default: all cores)")
    flag("--exchange", choices=options.EXCHANGES, help=argparse.SUPPRESS)
    args, beam_options = options.split(parser, argv)
    for name in ("index", "add", "merge", "recipe"):
        setattr(args, name, getattr(args, name) and os.path.expanduser(getattr(args, name)))
    if args.name and not args.add:
        parser.error("--name is for --add CORPUS")
    return command.guarded(lambda: _run(args, beam_options))


def _run(args: argparse.Namespace, beam_options: PipelineOptions) -> int:
    args.access = options.access_of_beam(beam_options)
    storage.use(args.access)
    if args.add:
        name = args.name or storage.base_name(args.add.rstrip("/"))
        if not _NAME.fullmatch(name) or name == index.NAME:
            raise ValueError(f"--name {name}: expected letters, digits and . _ - alone, not to start with .")
        recipe = made_with.recipe_of_corpus(args.add, manifest.load(args.add), args.recipe)
        held = add(args.index.rstrip("/"), args.add.rstrip("/"), name, recipe, args, beam_options)
    else:
        held = merge(args.index.rstrip("/"), args.merge.rstrip("/")) if args.merge else index.load(args.index)
    show(_listing(held))
    return 0


def _listing(held: Index) -> Iterator[str]:
    for name in held.manifests:
        rows = sum(part.rows for part in held.parts if part.corpus == name)
        yield f"{cell(name)}: {rows:,} documents"
    yield f"{sum(part.rows for part in held.parts):,} documents of {len(held.manifests)} corpora in {held.folder}"


if __name__ == "__main__":
    # Not this module's own `main`: workers cannot import what `-m` calls __main__.
    from pipelines import index as this

    sys.exit(this.main())
