"""What a corpus says that it was made with: its recipe and index, found again and checked, its tasks, its versions."""

from typing import Any

from curation import parts, recipe, storage, versions
from curation.dedup import index
from curation.dedup.contamination import Against
from curation.dedup.index import Index
from curation.manifest import Manifest
from curation.recipe import Recipe
from curation.sources import Task
from pipelines.run import recipe_of


def tasks_of_corpus(corpus: str, held: Manifest) -> tuple[Task, ...]:
    """What each part was made of, by number, which past 99,999 is not the order of their names."""
    names = [it.path.removeprefix("filtered/") for it in held.outputs if it.path.startswith("filtered/")]
    found = {name: parts.task_of(storage.join(corpus, "filtered", name)) for name in names}
    for name, task in found.items():
        if name != f"{task.part}.parquet":
            raise ValueError(
                f"{storage.join(corpus, 'filtered', name)} is {task.part}; copy the whole corpus, or make it again"
            )
    return tuple(sorted(found.values(), key=lambda task: task.number))


def index_of_corpus(corpus: str, held: Manifest, folder: str | None, new: Recipe) -> Index | None:
    """The index that the corpus was made with, as it then was, found in a folder, for a recipe to take.

    ValueError where the folder, of --index, holds another, or is not given, or is and the corpus was made with none.
    """
    digest = held.settings.get("index")
    if not digest and folder:
        raise ValueError(f"--index {folder}: {corpus} was made with no index of earlier corpora; leave --index out")
    if not digest:
        return None
    if not folder:
        raise ValueError(f"{corpus} was made with an index of earlier corpora: give it as --index DIR")
    found = index.load(folder).as_it_stood(str(digest))
    if not found:
        raise ValueError(
            f"--index {folder} is not what {corpus} was made with, nor grown from it; give that, or run "
            "pipelines.curate with it on the archives"
        )
    found.check(new.passes[0].looks if new.passes else ())
    return found


def recipe_of_corpus(corpus: str, held: Manifest, name: str | None) -> Recipe:
    """The recipe that the corpus was made with, in its language; ValueError where the one of this name is another.

    `name` is that of a recipe or its file; without one it is what the manifest says.
    """
    made_with, expected = str(held.recipe.get("name")), held.recipe.get("sha256")
    file = name or made_with
    try:
        source = recipe.read_source(file if name else file.removesuffix(".py"))  # no file that a manifest names
    except ValueError:
        if name:
            raise
        raise ValueError(
            f"{corpus} was made with recipe {file}, which is none of this version's; give its file as --recipe FILE"
        ) from None
    against = held.settings.get("against")
    found = recipe_of(*source, held.settings.get("language"), Against.of_json(against) if against else None)
    if found.sha256 == expected:
        return found
    way = "give the file that the corpus was made with as --recipe FILE"
    if f"text_sha256={found.text_sha256!r}" in str(held.recipe.get("repr")):
        code = held.versions.get("code_sha256")
        way = f"the file is the same, but not what this version's steps take for granted: use that of code {code}"
    raise ValueError(
        f"--recipe {file}: found recipe {found.name} of sha256 {found.sha256}, expected that of {corpus}, "
        f"{made_with} of sha256 {expected}; {way}"
    )


def other_versions(held: Manifest) -> dict[str, tuple[Any, str]]:
    """What the corpus was made with, and what is here instead."""
    here = versions.versions()
    names = sorted(here.keys() | held.versions.keys())
    pairs = {name: (held.versions.get(name, "none"), here.get(name, "none")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
