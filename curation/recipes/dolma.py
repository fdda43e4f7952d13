"""The web part of Dolma 1.6 (Soldaini et al. 2024, https://arxiv.org/abs/2402.00159; configs/dolma-v1_6/mixing/cc-*).

What differs, and why:
- Dolma starts from CCNet's text of WET archives; give WET archives to read the same. Paragraphs are compared once, at
  the end, where CCNet compares those of neighbouring shards first. The language model is lid.176.ftz, the small form.
- SeenPayload and FirstLook reject before extraction what would be rejected after it.
- Bloom filters drop a few URLs, documents and paragraphs that are none's copy; here none is dropped by mistake, and
  which copy stays does not depend on the order of reading. Paragraphs are compared without regard to case. Where keys
  of all lines would be too much, write BloomParagraphs() for RepeatedLines(): Dolma's way, which sees case.
- Dolma measures all on one text, and the mixer cuts last; here the rules that cut nothing stand first, the masks next,
  and C4's rule on lines, which sees the masks, after them.
- the Jigsaw classifiers of hate and obscenity are not here: they are not ours to ship, and need a model of their own.
- RepeatedTokens counts pieces of text; name GPT-NeoX's tokenizer.json in a copy of this file to count its tokens.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.lines import RepeatedLines
from curation.dedup.pages import FirstOfUrl
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.pii import DolmaPii
from curation.recipe import Recipe
from curation.rules.c4_page import C4Dolma
from curation.rules.gopher_dolma import DolmaGopher
from curation.rules.repeated_tokens import RepeatedTokens

RECIPE = Recipe(
    name="dolma",
    source="https://arxiv.org/abs/2402.00159 and its configs/dolma-v1_6",
    steps=(
        SeenPayload(),
        FirstLook("en", min_score=0.1),
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("en", min_score=0.5, at_least=True),
        FirstOfUrl(),
        ExactDuplicates(),
        DolmaGopher(),
        RepeatedTokens(min_run=100),
        DolmaPii(max_spans=5),
        C4Dolma(end_mark=False),
        RepeatedLines(),
    ),
)
