"""What a corpus says that it was made with: its recipe, found again and checked, and the versions of that time."""

from typing import Any

from curation import recipe, versions
from curation.manifest import Manifest
from curation.recipe import Recipe
from pipelines.run import recipe_of


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
    found = recipe_of(*source, held.settings.get("language"))
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
