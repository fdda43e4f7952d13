"""Gopher's filters (Rae et al. 2021, https://arxiv.org/abs/2112.11446) as Dolma 1.6 applies them.

The rules are those of Dolma's tagger gopher_v1 with the limits of its mixer (Soldaini et al. 2024,
https://arxiv.org/abs/2402.00159), in one step, since the mixer has no order. Blank lines are lines that repeat: Dolma
reads CCNet's text, which has none, and a text with two or more of them is often dropped here. All else is as in
curation/recipes/gopher.py, which says what differs from the paper, so that the two recipes differ in the dialect alone.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher_dolma import DolmaGopher

RECIPE = Recipe(
    name="gopher_dolma",
    source="https://arxiv.org/abs/2112.11446, appendix A, in the dialect of Dolma 1.6",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.65),
        DolmaGopher(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=13, min_similarity=0.8),
    ),
)
