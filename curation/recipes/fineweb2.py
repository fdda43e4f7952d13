"""FineWeb-2 (https://huggingface.co/datasets/HuggingFaceFW/fineweb-2): one language that is not English at a time.

As its published program has it, near-duplicates of a language are found before its filters, and each kept document
keeps the size of its cluster (`copies`), so that what was found often can be given more weight. `--language` chooses
the language: one of those that have stop words, in curation/rules/stop_words.py. What differs, and why:
- the language is lid.176's, so that the recipe runs as it stands. FineWeb-2 asks GlotLID, which knows far more
  languages, is larger than 1 GB, and is not ours to ship. With the model on disk, copy the file, leave FirstLook out,
  which asks lid.176, and write, with FastTextModel from curation.identifiers,
      ExtractText(Trafilatura("recall", fast=True), max_memory=6 << 30),
      KeepLanguage("deu_Latn", 0.7, identifier=FastTextModel("models/glotlid.bin", "<its sha256>")),
  A run does not start where the model is missing or is another one.
- thresholds: FineWeb-2 has a file of them for each of its languages, made from statistics of that language. Those here
  are one set, wide enough for the prose of any: mean word lengths are 1.6 characters in Chinese and 8.2 in Tamil, and
  23% of what Georgian text is split into are marks and numbers. Narrow them in a copy.
- C4's lines are of one word or more, and of words of up to 10,000 characters, since white space finds one word in a
  line of Chinese however long it is; pages are of three sentences.
- Thai and Lao have no sentence mark for a line to end in: they need FineWebQuality(min_terminal_lines=0.0).
- words are those of curation/splitting.py, not those of FineWeb-2's packages. Candidates for near-duplicates are looked
  for with them, and verified on n-grams of plain words: runs of letters, or single characters where no blanks are.
"""

from curation.cascade import SeenPayload
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
from curation.rules.stop_words import STOP_WORDS

RECIPE = Recipe(
    name="fineweb2",
    source="https://huggingface.co/datasets/HuggingFaceFW/fineweb-2 and its published program",
    steps=(
        SeenPayload(),
        FirstLook("de", min_score=0.1),  # no min_words: it counts as English has them
        ExtractText(Trafilatura("recall", fast=True)),
        KeepLanguage("de", min_score=0.65),
        ExactDuplicates(),
        NearDuplicates(bands=14, rows=8, shingle=5, min_similarity=0.8, words="fineweb"),
        GopherRepetition(),
        GopherQuality(
            min_mean_word_length=1.2,
            max_mean_word_length=14.0,
            min_alphabetic_words=0.65,
            stop_words=STOP_WORDS["de"],
        ),
        C4Lines(end_mark=False, min_words=1, max_word_length=10_000, min_sentences=3),
        FineWebQuality(),
        ReplacePii(),
    ),
)
