"""Gopher's MassiveText (Rae et al. 2021, https://arxiv.org/abs/2112.11446, appendix A), with datatrove's words.

Order and thresholds are the paper's: quality, repetition (table A1), duplicates of documents by the Jaccard similarity
of 13-grams. What differs, and why:
- the paper, which published no program, leaves open what a word is and what is counted twice. The rules here are
  datatrove's; gopher_dclm, gopher_dolma and gopher_curator are the same recipe with those of other programs.
- the paper filters by Google's SafeSearch first, which is not public, and is of web pages in English without saying how
  they were found. lid.176 with FineWeb's threshold does that here; nothing stands for SafeSearch.
- the paper extracts with a program of its own, and here trafilatura does; SeenPayload and FirstLook save time before.
- of near-duplicates the document with the smallest id is kept, and the paper keeps one by chance. Candidates are
  verified; the paper does not give its bands and rows.
- documents near to test sets go in the paper. That needs the test sets, and is not here.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher import GopherQuality, GopherRepetition

RECIPE = Recipe(
    name="gopher",
    source="https://arxiv.org/abs/2112.11446, appendix A, in the dialect of datatrove",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.65),
        GopherQuality(),
        GopherRepetition(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=13, min_similarity=0.8),
    ),
)
