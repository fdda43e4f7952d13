"""RedPajama-V2 (2023, https://github.com/togethercomputer/RedPajama-Data): CCNet, annotated, and nothing else dropped.

What differs, and why:
- CCNet's steps are those of the recipe ccnet, with what differs there. Its buckets head and middle are published; here,
  without its language models, every document is kept, as CCNet does for languages without one. PerplexityBuckets goes
  before RedPajamaSignals.
- signals that need a model, or a list that is not ours to ship, are left out (`curation.rules.redpajama` names them).
- one language of the five (en, de, fr, es, it): KeepLanguage("en", 0.5, min_scores=(("de", 0.5), ...)) keeps more.
- exact duplicates are found by the text that is left; RedPajama-V2 asks a Bloom filter for digests, in which a few
  documents look like duplicates by chance. Its MinHash signatures are published beside the documents and drop nothing.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.lines import RepeatedParagraphs
from curation.extraction.settings import ExtractText, Trafilatura
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.ccnet import MinCharacters
from curation.rules.redpajama import RedPajamaSignals

RECIPE = Recipe(
    name="redpajama_v2",
    source="https://github.com/togethercomputer/RedPajama-Data",
    steps=(
        SeenPayload(),
        ExtractText(Trafilatura("recall", fast=True)),
        MinCharacters(300),
        RepeatedParagraphs(),
        KeepLanguage("en", min_score=0.5, at_least=True),
        RedPajamaSignals(),
        ExactDuplicates(),
    ),
)
