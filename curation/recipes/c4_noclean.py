"""C4's config `en.noclean` (TFDS 3.1.0): English pages, the newest of each URL, and nothing else done to them.

As `c4` without its line and page rules, line dedup and bad words. What differs from TFDS is said there.
"""

from curation.dedup.pages import NewestPage
from curation.extraction.settings import ExtractText, Resiliparse
from curation.identifiers import Langdetect
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.c4_page import MaxCharacters
from curation.rules.wet_text import WetText

RECIPE = Recipe(
    name="c4_noclean",
    source="https://jmlr.org/papers/v21/20-074.html and tensorflow_datasets/text/c4.py, version 3.1.0",
    steps=(
        ExtractText(Resiliparse(main_content=False)),  # of WARC archives; WET archives have their text
        WetText(),
        MaxCharacters(190_000),
        NewestPage(),
        KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True),
    ),
    validation="c4",
)
