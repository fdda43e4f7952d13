"""C4 as DCLM reproduces it (Li et al. 2024, https://arxiv.org/abs/2406.11794, baselines_configs/c4.yaml).

The thresholds and the line dedup are those of `c4`; lines are cleaned before pages of one URL are compared, so that a
newest page that is dropped takes an older one with it no more, and bad words are looked for before the language is.
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
    name="c4_dclm",
    source="https://arxiv.org/abs/2406.11794, baselines_configs/c4.yaml",
    steps=(
        ExtractText(Resiliparse(main_content=False)),  # of WARC archives; WET archives have their text
        WetText(),
        MaxCharacters(190_000),
        C4Page(min_words=5, min_sentences=3, max_word_length=1000),
        NewestPage(),
        RepeatedLines(),
        MinSentences(3),
        BadWords("lists/ldnoobw/en.txt", LDNOOBW_EN),
        KeepLanguage("en", 0.99, identifier=Langdetect(seed=0), at_least=True),
    ),
    validation="c4",
)
