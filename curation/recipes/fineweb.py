"""FineWeb (Penedo et al. 2024, https://arxiv.org/abs/2406.17557) as its published script orders it.

The script is datatrove's examples/fineweb.py; the paper's section 3.7 has the duplicates step before the C4 rules.
What differs: what repeats is dropped within a page, never because an earlier page said it, and addresses are replaced
in turn within a document, so that the same page always gives the same text; candidates for near-duplicates are verified
before they are merged, and exact ones are named as such; FirstLook is not in the script, and saves a third of the time.
The script's URL blocklist is not here: its lists are not ours to ship.
"""

from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.extract import ExtractText, Trafilatura
from curation.first_look import FirstLook
from curation.language import KeepLanguage
from curation.pii import ReplacePii
from curation.recipe import Recipe
from curation.rules.c4 import C4Lines
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition

RECIPE = Recipe(
    name="fineweb",
    source="https://arxiv.org/abs/2406.17557 and its published script",
    steps=(
        FirstLook("en", min_score=0.02),
        ExtractText(Trafilatura(favor_precision=True, deduplicate=True)),
        KeepLanguage("en", min_score=0.65),
        GopherRepetition(),
        GopherQuality(),
        C4Lines(end_mark=False, min_words=3, min_sentences=5),
        FineWebQuality(),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=5, min_similarity=0.8),
        ReplacePii(),
    ),
)
