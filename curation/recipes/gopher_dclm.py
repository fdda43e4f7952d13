"""Gopher's filters (Rae et al. 2021, https://arxiv.org/abs/2112.11446) as DCLM's programs apply them.

The rules are those of DCLM (Li et al. 2024, https://arxiv.org/abs/2406.11794; refinedweb.yaml), which are part of its
DCLM-Baseline. All else is as in curation/recipes/gopher.py, which says what differs from the paper, so that the two
recipes differ in the dialect alone.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition

RECIPE = Recipe(
    name="gopher_dclm",
    source="https://arxiv.org/abs/2112.11446, appendix A, in the dialect of DCLM",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.65),
        DclmGopherQuality(),
        DclmGopherRepetition(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=13, min_similarity=0.8),
    ),
)
