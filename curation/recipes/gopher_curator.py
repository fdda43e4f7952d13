"""Gopher's filters (Rae et al. 2021, https://arxiv.org/abs/2112.11446) as NeMo Curator applies them.

The rules are those of NeMo Curator 1.4.0 that its documentation takes from Gopher. Its English pipeline has them mixed
with rules of C4 and its own, repetition of lines before most of the quality rules; here quality comes first, as in the
paper, and only the order within each rule is Curator's. All else is as in curation/recipes/gopher.py, which says what
differs from the paper, so that the two recipes differ in the dialect alone.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher_curator import CuratorGopherQuality, CuratorGopherRepetition

RECIPE = Recipe(
    name="gopher_curator",
    source="https://arxiv.org/abs/2112.11446, appendix A, in the dialect of NeMo Curator",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.65),
        CuratorGopherQuality(),
        CuratorGopherRepetition(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=13, min_similarity=0.8),
    ),
)
