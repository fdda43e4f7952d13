"""CCNet (Wenzek et al. 2019, https://arxiv.org/abs/1911.00359) as its program cc_net orders it (mine.py).

What differs, and why:
- perplexity: the language models are not ours to ship, so the recipe ends before them. With models of your own, or
  CCNet's, copy the file and add, as the last step:
      PerplexityBuckets("en.arpa.bin", "<its sha256>", "en.sp.model", "<its sha256>", head=340.0, middle=520.0),
  from curation.rules.ccnet, which keeps head and middle; `pip install '.[perplexity]'` brings what it needs.
- paragraphs are compared over the whole input; the program compares each of 1600 shards with 50 at a time.
- CCNet reads the plain text of WET archives, whose first line it takes for the title; give WET archives to read what it
  read. Of HTML, here, the whole text is not asked for: extraction leaves menus out, and fewer paragraphs repeat.
- the language is that of lid.176.ftz, the small form of the model that the program downloads.
- pages with the bytes of an earlier one, which would lose every paragraph, are dropped before extraction (SeenPayload).
  Nothing else is looked at there: pages in other languages are dropped after their paragraphs were compared.
"""

from curation.cascade import SeenPayload
from curation.dedup.lines import RepeatedParagraphs
from curation.extraction.settings import ExtractText, Trafilatura
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.ccnet import MinCharacters

RECIPE = Recipe(
    name="ccnet",
    source="https://arxiv.org/abs/1911.00359 and its published program",
    steps=(
        SeenPayload(),
        ExtractText(Trafilatura("recall", fast=True)),
        MinCharacters(300),
        RepeatedParagraphs(),
        KeepLanguage("en", min_score=0.5, at_least=True),
    ),
)
