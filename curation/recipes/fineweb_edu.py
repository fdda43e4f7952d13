"""FineWeb-Edu (Penedo et al. 2024, https://arxiv.org/abs/2406.17557, section 4): FineWeb's best 8% by a classifier.

FineWeb-Edu's own scorer is a linear head on an embedding model, which took 6,000 hours of H100 to score FineWeb, and is
not here. What is here is the rest of it: the score of a classifier, a fastText model of your own, and a limit.
FineWeb-Edu keeps scores of 3 and more of 5, which removes 92%; since another classifier's scores mean something else,
the best 8% are kept instead. That share was one of tokens, and is one of documents here.

So the recipe does not run as it stands: train a classifier on pages that you take for educational, and put its path and
sha256 below. `python -m pipelines.train_classifier` makes both. All other steps are those of the recipe fineweb.
"""

from curation.cascade import SeenPayload
from curation.classify import QualityClassifier
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
from curation.top_share import TopShare

RECIPE = Recipe(
    name="fineweb_edu",
    source="https://arxiv.org/abs/2406.17557, section 4",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.65),
        GopherRepetition(),
        GopherQuality(),
        C4Lines(end_mark=False, min_words=3, min_sentences=5),
        FineWebQuality(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=5, min_similarity=0.8, words="fineweb"),
        QualityClassifier("models/educational.bin", sha256="put the sha256 of your model here"),
        TopShare("quality_score", share=0.08),
        ReplacePii(),
    ),
)
