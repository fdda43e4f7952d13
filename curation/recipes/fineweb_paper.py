"""FineWeb (Penedo et al. 2024, https://arxiv.org/abs/2406.17557) as section 3.7 of its paper orders it.

MinHash comes right after Gopher's rules: one copy is chosen among more documents, and C4's rules and FineWeb's own look
at that one. Where paper and script (the recipe fineweb), or the paper and itself, disagree:
- repeated lines: the prose of section 3.6 says 0.1, table 2 says 0.01 for the same 12.47% removed; 0.01 here.
- short lines: the prose says that 3.73% is removed, which is table 2's row of 0.69; 0.67 here, which is its choice.
- line breaks per word: in the script only, so no limit here.
- C4's rules, all but the one on terminal punctuation: of C4's own papers one has lines of 3 words and pages of 5
  sentences, and one has 5 and 3; the former here, as in the script.
What differs beside, and why, is as in the recipe fineweb: extraction, what is rejected before it, how candidates for
near-duplicates are verified and addresses replaced, and the URL filter, which needs lists that are not ours to ship.
"""

import math

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.pii import ReplacePii
from curation.recipe import Recipe
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition

RECIPE = Recipe(
    name="fineweb_paper",
    source="https://arxiv.org/abs/2406.17557, section 3.7",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.65),
        GopherRepetition(),
        GopherQuality(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=5, min_similarity=0.8, words="fineweb"),
        C4Lines(end_mark=False, min_words=3, min_sentences=5),
        FineWebQuality(max_breaks=math.inf),
        ReplacePii(),
    ),
)
