"""RedPajama-V2's signals of lines (RedPajama-Data, quality_signals/lines.py), over all lines of a text."""

import math

_TERMINAL = (".", "!", "?", "”")
_ELLIPSES = ("...", "…")
_BULLETS = tuple("•‣▶◀◦■□▪▫–")  # bullets, triangles, squares and the en dash
_JAVASCRIPT = "javascript"


def lines(content: str) -> list[str]:
    """The lines of a text, blank ones included; what ends with a line break has no empty line behind it."""
    found = content.split("\n")
    return found if found[-1] else found[:-1]


def signals(content: str, normalized: str) -> dict[str, float]:
    """The signals of a text's lines; blank lines count as lines that have nothing.

    - shares of lines: rps_doc_frac_lines_end_with_ellipsis, rps_lines_ending_with_terminal_punctution_mark (spelt as
      published; . ! ? and ”), rps_lines_start_with_bulletpoint;
    - means over lines: rps_lines_num_words and rps_lines_numerical_chars_fraction, of the normalised line, and
      rps_lines_uppercase_letter_fraction, of the raw one;
    - a sum: rps_lines_javascript_counts, of normalised words that are "javascript".
    """
    raw = lines(content)
    num_lines = max(len(raw), 1)
    ellipses = terminal = bullets = javascript = num_words = 0
    numerical: list[float] = []
    uppercase: list[float] = []
    for line, plain in zip(raw, normalized.split("\n"), strict=False):
        if not line or line.isspace():
            continue
        end = line.rstrip()
        ellipses += end.endswith(_ELLIPSES)
        terminal += end.endswith(_TERMINAL)
        bullets += line.lstrip().startswith(_BULLETS)
        uppercase.append(0.0 if line.islower() else sum(map(str.isupper, line)) / len(line))
        words = plain.split()
        num_words += len(words)
        if _JAVASCRIPT in plain:
            javascript += words.count(_JAVASCRIPT)
        if words and not plain.isalpha():
            numerical.append(sum(map(str.isnumeric, plain)) / len(plain))
    return {
        "rps_doc_frac_lines_end_with_ellipsis": ellipses / num_lines,
        "rps_lines_ending_with_terminal_punctution_mark": terminal / num_lines,
        "rps_lines_start_with_bulletpoint": bullets / num_lines,
        "rps_lines_javascript_counts": javascript,
        "rps_lines_num_words": num_words / num_lines,
        "rps_lines_numerical_chars_fraction": math.fsum(numerical) / num_lines,
        "rps_lines_uppercase_letter_fraction": math.fsum(uppercase) / num_lines,
    }
