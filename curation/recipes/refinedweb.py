"""RefinedWeb (Penedo et al. 2023, https://arxiv.org/abs/2306.01116), with the thresholds of DCLM's refinedweb.yaml.

The pipeline was never released; DCLM's file is the fullest account of its rules. What differs, and why:
- the URL filter's lists of domains and words were never published, so it is not here. With UT1's folder and three word
  lists of your own, copy the file and put in front, from curation.url_lists and curation.url_words:
      Ut1Blocklist("ut1", "<its sha256>", ("adult", "phishing", "dating", "gambling"), dialect="refinedweb"),
      RefinedWebUrlWords(strict=WordList("strict.txt", "<its sha256>"), hard=WordList(...), soft=WordList(...)),
- hosts that are left out, to be had in better form elsewhere, are the ones that are named most; the paper's list is
  longer.
- SeenPayload and FirstLook reject before extraction what would be rejected after it.
- trafilatura is a later version, with its own default for how much it takes.
- exact substrings of 50 tokens and more are cut in the whole corpus, but for their first copy; tokens are words and
  marks, where the paper's are a tokenizer's.
- all parts are compared at once, where the paper has a hundred, and candidates are verified before they are merged. Its
  450 bands of 20 rows are those of the appendix; the main text words them the other way round.
"""

from curation.cascade import SeenPayload
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.dedup.pages import FirstOfUrl
from curation.dedup.substrings import ExactSubstrings
from curation.extraction.settings import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.recipe import Recipe
from curation.rules.gopher_dclm import DclmGopherQuality, DclmGopherRepetition
from curation.rules.refinedweb import RefinedWebLines, RefinedWebText
from curation.url_lists import NotHosts

RECIPE = Recipe(
    name="refinedweb",
    source="https://arxiv.org/abs/2306.01116 and DCLM's refinedweb.yaml",
    steps=(
        NotHosts(("wikipedia.org", "arxiv.org", "stackoverflow.com", "stackexchange.com", "reddit.com", "github.com")),
        SeenPayload(),
        FirstLook("en", min_score=0.1, min_words=50),
        ExtractText(Trafilatura("balanced")),
        RefinedWebText(max_breaks=2),
        KeepLanguage("en", min_score=0.65, at_least=True),
        DclmGopherQuality(),
        DclmGopherRepetition(),
        RefinedWebLines(max_words_removed=0.05),
        ExactDuplicates(),
        NearDuplicates(bands=450, rows=20, shingle=5, min_similarity=0.8),
        ExactSubstrings(min_tokens=50, min_characters=20),
        FirstOfUrl(),
    ),
)
