"""C4 as the T5 paper words it (Raffel et al. 2020, https://jmlr.org/papers/v21/20-074.html, section 2.2).

Five words a line, three sentences a page, as in TFDS (`c4`), but all but one of any three sentences in a row that stand
more than once are dropped, where the program that made C4 drops lines. The paper gives no order, no length and no rule
for URLs: the order here is TFDS's. arXiv's first version has three words and five sentences.
"""

from curation.dedup.lines import SentenceSpans
from curation.extraction.settings import ExtractText, Resiliparse
from curation.identifiers import Langdetect
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.bad_words import LDNOOBW_EN, BadWords
from curation.rules.c4_page import C4Page, MinSentences
from curation.rules.wet_text import WetText

RECIPE = Recipe(
    name="c4_t5",
    source="https://jmlr.org/papers/v21/20-074.html, section 2.2",
    steps=(
        ExtractText(Resiliparse(main_content=False)),  # of WARC archives; WET archives have their text
        WetText(),
        C4Page(min_words=5, min_sentences=3),
        SentenceSpans(),
        MinSentences(3),
        KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True),
        BadWords("lists/ldnoobw/en.txt", LDNOOBW_EN),
    ),
    validation="c4",
)
