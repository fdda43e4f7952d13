"""The stop words of a language, some hundreds, as spaCy carries them for some fifty languages."""

import functools
import importlib.util
import os
import re
import runpy

_LABEL = re.compile(r"[a-z]{2,3}")


@functools.cache
def of_language(language: str) -> frozenset[str]:
    """The list of a language's label, such as "en"; empty where spaCy has none."""
    spec = importlib.util.find_spec("spacy")  # which does not import it: that takes seconds, and its list is one file
    if spec is None or not spec.submodule_search_locations or not _LABEL.fullmatch(language):
        return frozenset()
    path = os.path.join(spec.submodule_search_locations[0], "lang", language, "stop_words.py")
    return frozenset(runpy.run_path(path)["STOP_WORDS"]) if os.path.isfile(path) else frozenset()
