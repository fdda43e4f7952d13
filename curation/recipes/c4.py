"""C4 (Raffel et al. 2020, https://jmlr.org/papers/v21/20-074.html) from WET archives, as TFDS 3.1.0 makes `en`.

The order is that of tensorflow_datasets/text/c4.py. What differs, and why:
- of pages of one URL and date the one with the smallest id is kept, not whichever came first, so that the same archives
  always give the same corpus; a page without a date loses against one that has one, and is not dropped for that.
- a page's own line that starts with `WARC-Target-URI:` gives it no other URL (`WetText`).
- the list of bad words is not ours to ship: `curation.rules.bad_words` says where to get it and where to put it.
"""

from curation.dedup.lines import RepeatedLines
from curation.dedup.pages import NewestPage
from curation.extraction.settings import ExtractText, Resiliparse
from curation.identifiers import Langdetect
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.bad_words import LDNOOBW_EN, BadWords
from curation.rules.c4_page import C4Page, MaxCharacters, MinSentences
from curation.rules.wet_text import WetText

RECIPE = Recipe(
    name="c4",
    source="https://jmlr.org/papers/v21/20-074.html and tensorflow_datasets/text/c4.py, version 3.1.0",
    steps=(
        ExtractText(Resiliparse(main_content=False)),  # of WARC archives; WET archives have their text
        WetText(),
        MaxCharacters(190_000),
        NewestPage(),
        C4Page(min_words=5, min_sentences=3, max_word_length=1000),
        RepeatedLines(),
        MinSentences(3),
        KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True),
        BadWords("lists/ldnoobw/en.txt", LDNOOBW_EN),
    ),
    validation="c4",
)
