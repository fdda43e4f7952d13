"""CCNet's two ways to normalise text (Wenzek et al. 2019, https://arxiv.org/abs/1911.00359, text_normalizer.py).

One makes paragraphs comparable, the other is what its language models were trained on.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping

# Marks beyond ASCII and what stands for them, the full-width digit one among them, as in the program. It is a digit
# before it is a mark, so both ways make it a 0.
_PUNCTUATION = dict(
    zip(
        "，。、„”“«»１」「《》´∶：？！（）；–～’━〈〉【】％►",
        """,.,\"\"\"\"\"\"\"\"\"\"'::?!();-~'-<>[]%-""",
        strict=True,
    )
)
_PUNCTUATION |= {"—": " - ", "．": ". ", "…": "..."}
_DIGIT = re.compile(r"\d")  # of any script
_REMEMBERED = 1 << 16  # characters


def for_paragraphs(line: str) -> str:
    """A line stripped, in lower case, with digits as 0, without marks beyond ASCII and what does not print.

    Marks of ASCII stay, as in the program: "one two." and "one two" are two paragraphs.
    """
    return _gone().sub("", _DIGIT.sub("0", line.strip().lower()))


def for_model(text: str) -> str:
    """A text stripped, in lower case, without accents, with digits as 0 and marks beyond ASCII as their like in it.

    Line breaks are among what does not print, and goes: "one.\\ntwo" becomes "one.two", as in the program.
    """
    text = text.strip().lower()
    # One character at a time: to decompose a whole text takes quadratic time where marks pile up.
    return text.translate({ord(character): _for_model(character) for character in set(text)})


@functools.lru_cache(_REMEMBERED)
def _for_model(character: str) -> str:
    parts = [part for part in unicodedata.normalize("NFD", character) if unicodedata.category(part) != "Mn"]
    seen = ("0" if part.isdecimal() else _PUNCTUATION.get(part, part) for part in parts)
    return "".join(seen).translate(_not_printing())


@functools.cache
def _gone() -> re.Pattern[str]:
    """Faster than a table for translate, which is asked for each character where one is beyond ASCII."""
    return re.compile(f"[{''.join(_PUNCTUATION)}{''.join(map(chr, _not_printing()))}]+")


@functools.cache
def _not_printing() -> Mapping[int, None]:
    return dict.fromkeys([*range(32), *range(127, 160)])
