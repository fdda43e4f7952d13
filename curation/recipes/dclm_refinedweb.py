"""DCLM's pool before its classifier (Li et al. 2024, https://arxiv.org/abs/2406.11794; dclm_baseline_refinedweb.yaml).

RefinedWeb's rules on resiliparse's text, without its list of hosts that are left out. What differs, and why:
- the URL filter is not here: its lists are not ours to ship. The recipe refinedweb says how to add one.
- SeenPayload and FirstLook reject before extraction what would be rejected after it.
- duplicates: DCLM's program asks a Bloom filter, in a hundred parts, for a document's and its paragraphs' 13-grams,
  and cuts or drops what is .8 known. Which copy stays depends on the order of reading. Here it is MinHash with 93 bands
  of 15 rows, the alternative that the paper found as good (within .2 of its score); paragraphs are not cut. For the
  program's own way, by ids, write BloomNgrams() for ExactDuplicates() and NearDuplicates(...).
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Resiliparse
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition
from curation.rules.refinedweb import RefinedWebLines, RefinedWebText

RECIPE = Recipe(
    name="dclm_refinedweb",
    source="https://arxiv.org/abs/2406.11794 and its dclm_baseline_refinedweb.yaml",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Resiliparse(), second=None),
        RefinedWebText(max_breaks=2),
        KeepLanguage("en", min_score=0.65, at_least=True),
        DclmGopherQuality(),
        DclmGopherRepetition(),
        RefinedWebLines(max_words_removed=0.05),
        ExactDuplicates(),
        NearDuplicates(bands=93, rows=15, shingle=5, min_similarity=0.8),
    ),
)
