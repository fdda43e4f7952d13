"""DCLM-Baseline (Li et al. 2024, https://arxiv.org/abs/2406.11794): the recipe dclm_refinedweb, then a classifier.

The classifier is DCLM's fastText model of instructions and explanations against the web (openhermes_reddit_eli5_vs_rw),
which is not ours to ship. Put it at `MODEL`, relative to where you start the run, and its sha256 into a copy of this
file; a run without it ends before it starts. 0.018112 is the score of the best tenth of DCLM's own pool: with another
model or another pool take TopShare("quality_score", 0.1), which finds the tenth of yours. All else that differs is
as in dclm_refinedweb.
"""

from curation.cascade import SeenPayload
from curation.classify import QualityClassifier
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extraction.settings import ExtractText, Resiliparse
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition
from curation.rules.refinedweb import RefinedWebLines, RefinedWebText

MODEL = "models/openhermes_reddit_eli5_vs_rw_v2_200k_train.bin"
SHA256 = "<its sha256>"

RECIPE = Recipe(
    name="dclm_baseline",
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
        QualityClassifier(MODEL, SHA256, label="__label__hq", min_score=0.018112),
    ),
)
