"""C4's config `realnewslike` (TFDS 3.1.0): `c4` on the news sites of RealNews (Zellers et al. 2019,
https://arxiv.org/abs/1905.12616).

The list of sites is not ours to ship: put its domains into lists/realnews_domains.txt, one a line, below the folder
that the run is started in. Any list is taken; with its sha256 in a copy of this recipe, the run's record says which it
was. TFDS asks for the site after the length, here it is asked for first: the pages that are left are the same.
"""

from curation.dedup.lines import RepeatedLines
from curation.dedup.pages import NewestPage
from curation.extraction.settings import ExtractText, Resiliparse
from curation.host_list import KeepHosts
from curation.identifiers import Langdetect
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.bad_words import LDNOOBW_EN, BadWords
from curation.rules.c4_page import C4Page, MaxCharacters, MinSentences
from curation.rules.wet_text import WetText

RECIPE = Recipe(
    name="realnewslike",
    source="https://jmlr.org/papers/v21/20-074.html and tensorflow_datasets/text/c4.py, version 3.1.0",
    steps=(
        KeepHosts("lists/realnews_domains.txt"),
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
