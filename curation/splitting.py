"""Words and sentences of a text in any language, as its script has them.

Languages in Latin, Cyrillic and Greek letters are split as English is (`curation.words`), and so is a text whose
language is not known: blanks stand between their words, and their marks are the same. All others are split by ICU: at
the word boundaries of Unicode (https://unicode.org/reports/tr29), and by its dictionaries where no blanks stand between
words: Chinese and Japanese, Thai, Lao, Khmer, Burmese. datatrove has a package for each of these languages, so its
words are not always ours. Time is linear in the text: less than a second for a million characters of any kind.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence

from curation import words as english
from curation.rules.characters import TERMINAL_PUNCTUATION
from curation.words import Split

_AS_ENGLISH = frozenset(("latn", "cyrl", "grek"))  # ISO 15924
_OTHER_SCRIPTS = (
    # Arabic, Hebrew, Syriac, Thaana, N'Ko; Ethiopic, Tifinagh; Armenian, Georgian
    "ar ary arz azb bal ckb fa glk ks lrc mzn pnb prs ps sd skr ug ur he yi arc syr dv nqo am ti zgh hy hyw ka xmf "
    # Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, Sinhala, Ol Chiki, Meitei
    "awa bh bho dty gom hi mai mr ne new sa as bn bpy pa gu or ta te kn ml si sat mni "
    # Thai, Lao, Khmer, Burmese, Tibetan; Chinese, Japanese, Korean; Cherokee, Canadian syllables
    "th lo km my shn bo dz zh yue wuu gan hsn lzh cmn ja ko chr iu cr"
)
_SUBTAG = re.compile("[-_]")
_WITHOUT_MARKS = frozenset(("th", "tha", "thai", "lo", "lao", "laoo"))  # a blank may end their sentences
_MIN_CLAUSE = 8  # words; with it, 80 documents of 8 Thai lines have 7.1 sentences in the mean
_TERMINALS = TERMINAL_PUNCTUATION | frozenset("།༎༏༐༑༔")  # Tibetan's
_TERMINAL, _OTHER = "t", "o"  # kinds of tokens, see `curation.words`


@functools.lru_cache(1024)
def is_split_as_english(language: str) -> bool:
    """Whether a language, given as "ru", "zh-cn", "sr-Latn" or "rus_Cyrl", is split as English is."""
    base, *rest = _SUBTAG.split(language.lower())
    script = next((part for part in rest if len(part) == 4), None)
    return script in _AS_ENGLISH if script else base not in _OTHER_SCRIPTS.split()


def words(text: str, language: str) -> list[str]:
    """The words of a text, punctuation marks among them, without white space."""
    return english.tokens(split(text.split(), language))


def num_words(text: str, language: str) -> int:
    """How many words `words` gives."""
    if is_split_as_english(language):
        return english.num_words(text)
    return sum(len(tokens) for tokens, _ in split(text.split(), language))


def num_sentences(line: str, language: str) -> int:
    """The sentences of `line`, which end where another word follows a sentence mark; 0 for an empty line.

    Thai and Lao have no such mark but a blank, which stands inside of sentences too: there, one ends at a blank behind
    eight words or more.
    """
    pieces = line.split()
    return english.num_sentences_of(line, pieces, split(pieces, language))


def split(pieces: Sequence[str], language: str) -> list[Split]:
    """What each piece, a run of characters without white space, is split into."""
    if is_split_as_english(language):
        return english.split(pieces)
    if not pieces:
        return []
    from icu4py.breakers import WordBreaker  # here, since it is large, and most runs are in one language

    found: list[list[str]] = [[]]
    # In one call, since each has its price. A line break is a word of its own, and no rule reaches over one.
    for token in WordBreaker("\n".join(pieces), "und"):
        if token == "\n":
            found.append([])
        elif len(token) > 1 or token.isprintable():  # not a blank of no width, which some write between words
            found[-1].append(token)
    ends_at_blanks = not _WITHOUT_MARKS.isdisjoint(_SUBTAG.split(language.lower()))
    return [(tuple(tokens), _kinds(tokens, ends_at_blanks)) for tokens in found]


def _kinds(tokens: Sequence[str], ends_at_blanks: bool) -> str:
    kinds = "".join(map(_kind, tokens))
    return kinds + _TERMINAL if ends_at_blanks and len(tokens) >= _MIN_CLAUSE else kinds


def _kind(token: str) -> str:
    if token in _TERMINALS:
        return _TERMINAL
    return "" if unicodedata.category(token[0])[0] == "P" else _OTHER
