"""C4's rules (`c4`) on text that is extracted here, from WARC archives.

Common Crawl's WET text has all that a page shows, menus and footers included; C4's line rules were made to drop those.
trafilatura leaves most of them out before, so fewer lines are dropped, and fewer are repeated on other pages. WetText
is not here: the text has no lines of a record's header.
"""

from curation.dedup.lines import RepeatedLines
from curation.dedup.pages import NewestPage
from curation.extraction.settings import ExtractText, Trafilatura
from curation.identifiers import Langdetect
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.bad_words import LDNOOBW_EN, BadWords
from curation.rules.c4_page import C4Page, MaxCharacters, MinSentences

RECIPE = Recipe(
    name="c4_extracted",
    source="https://jmlr.org/papers/v21/20-074.html and tensorflow_datasets/text/c4.py 3.1.0, but for the text",
    steps=(
        ExtractText(Trafilatura()),
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
