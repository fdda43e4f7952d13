"""Multilingual C4 (Xue et al. 2021, https://arxiv.org/abs/2010.11934) as TFDS 3.1.0 orders it, one language at a time.

No line rules, which are made for English: pages need three long lines instead. What differs, and why:
- the language is lid.176's, since gcld3 has no wheel for Python 3.11. mC4 asks gcld3 for a probability of
  at least 0.95 on 100 to 10,000 bytes; the threshold is taken over, and means something else with another model.
- for another language a copy of this recipe needs its label in KeepLanguage and its list in BadWords, which
  `BadWords.in_language` gives its boundaries and allowed words; languages without a list go without BadWords.
- one page in a thousand is kept of those with bad words, as in mC4, but not the same ones.
"""

from curation.dedup.lines import RepeatedLines
from curation.dedup.pages import NewestPage
from curation.extraction.settings import ExtractText, Resiliparse
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.bad_words import LDNOOBW_EN, BadWords
from curation.rules.c4_page import MaxCharacters, MinSentences, MultilingualParagraphs
from curation.rules.wet_text import WetText

RECIPE = Recipe(
    name="c4_multilingual",
    source="https://arxiv.org/abs/2010.11934 and tensorflow_datasets/text/c4.py, version 3.1.0",
    steps=(
        ExtractText(Resiliparse(main_content=False)),  # of WARC archives; WET archives have their text
        WetText(),
        MaxCharacters(190_000),
        NewestPage(),
        MultilingualParagraphs(min_lines=3, min_length=200),
        RepeatedLines(),
        MinSentences(0),
        KeepLanguage("en", 0.95, at_least=True),
        BadWords("lists/ldnoobw/en.txt", LDNOOBW_EN, keep_share=0.001),
    ),
    validation="c4",
)
