"""The rules as their sources describe them, with nothing shared, remembered or foreseen: slow, and the oracle."""

import collections
import functools
import re
import unicodedata

from curation.rules.c4 import C4Lines
from curation.rules.characters import ALL_PUNCTUATION, TERMINAL_PUNCTUATION
from curation.rules.fineweb import FineWebQuality
from curation.rules.gopher import GopherQuality, GopherRepetition

_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


@functools.cache
def pipeline():
    import spacy

    return spacy.blank("en")


@functools.cache
def terminals():
    from spacy.pipeline import Sentencizer

    return frozenset(Sentencizer.default_punct_chars)


@functools.lru_cache(1 << 17)
def tokens(piece):
    """What spaCy makes of a piece alone, in slices of 256 characters."""
    return [token.text for at in range(0, len(piece), 256) for token in pipeline().tokenizer(piece[at : at + 256])]


def words(text):
    return [token for piece in text.split() for token in tokens(piece)]


def num_sentences(line):
    """As spaCy's sentencizer does it: a sentence starts at the first token after a mark that is no punctuation."""
    count, seen_terminal = int(bool(line)), False
    for number, part in enumerate(re.findall(r"\S+|\s+", line)):
        found = [] if part.isspace() else tokens(part)
        if part.isspace() and (number == 0 or part != " "):
            found = [part]  # a single blank belongs to the word before it
        for token in found:
            if token in terminals():
                seen_terminal = True
            elif seen_terminal and not all(unicodedata.category(character)[0] == "P" for character in token):
                count, seen_terminal = count + 1, False
    return count


def repeats(elements):
    seen, count, characters = set(), 0, 0
    for element in elements:
        if element in seen:
            count += 1
            characters += len(element)
        seen.add(element)
    return count, characters


def ngrams(tokens, n, glue):
    return [glue.join(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]


def top_characters(tokens, n):
    found = ngrams(tokens, n, " ")
    if not found:
        return 0
    ngram, count = collections.Counter(found).most_common(1)[0]
    return len(ngram) * count


def repeated_characters(tokens, n):
    found, seen, characters, at = ngrams(tokens, n, ""), set(), 0, 0
    while at < len(found):
        if found[at] in seen:
            characters += len(found[at])
            at += n
        else:
            seen.add(found[at])
            at += 1
    return characters


def gopher_repetition(rule, text):
    size, tokens = max(len(text), 1), words(text)
    paragraphs, lines = re.split(r"\n{2,}", text.strip()), re.split(r"\n+", text)
    signals = {}
    for name, parts in (("paragraph", paragraphs), ("line", lines)):
        count, characters = repeats(parts)
        signals[f"repeated_{name}s"] = count / len(parts)
        signals[f"repeated_{name}_characters"] = characters / size
    signals |= {f"top_{n}gram": top_characters(tokens, n) / size for n, _ in rule.max_top_ngram}
    return signals | {f"repeated_{n}grams": repeated_characters(tokens, n) / size for n, _ in rule.max_repeated_ngrams}


def gopher_quality(rule, text):
    tokens, lines = words(text), text.splitlines()
    plain = [token for token in tokens if not all(character in ALL_PUNCTUATION for character in token)]
    num_words, num_lines = max(len(tokens), 1), max(len(lines), 1)
    return {
        "num_words": len(plain),
        "mean_word_length": sum(map(len, plain)) / max(len(plain), 1),
        "hashes_per_word": text.count("#") / num_words,
        "ellipses_per_word": (text.count("...") + text.count("…")) / num_words,
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines) / num_lines,
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines) / num_lines,
        "alphabetic_words": sum(any(map(str.isalpha, token)) for token in tokens) / num_words,
        "stop_words": len(set(rule.stop_words).intersection(tokens)),
    }


def c4_lines(rule, text):
    """Each kept line without citations, and the signal of the fault in it."""
    for line in map(str.strip, text.splitlines()):
        pieces = line.split()
        if any(len(piece) > rule.max_word_length for piece in pieces):
            continue
        line = re.sub(r"\[\d*]|\[edit]|\[citation needed]", "", line)
        if rule.end_mark and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
            continue
        if len(pieces) < rule.min_words:
            continue
        lower = line.lower()
        if "lorem ipsum" in lower:
            yield line, "lorem_ipsum_lines"
        elif "javascript" in lower:
            continue
        elif "{" in line:
            yield line, "curly_bracket_lines"
        elif not any(phrase in lower for phrase in _POLICY):
            yield line, None


def c4_signals(rule, text):
    signals = {"num_sentences": 0.0, "lorem_ipsum_lines": 0.0, "curly_bracket_lines": 0.0}
    for line, fault in c4_lines(rule, text):
        if fault:
            signals[fault] += 1
            break
        signals["num_sentences"] += num_sentences(line)
    return signals


def c4_edit(rule, text):
    return "\n".join(line for line, _ in c4_lines(rule, text)).strip()


def fineweb_quality(rule, text):
    lines = [line for line in text.split("\n") if line.strip()]
    num_lines = max(len(lines), 1)
    return {
        "terminal_lines": sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in lines) / num_lines,
        "short_lines": sum(len(line) <= rule.short_line for line in lines) / num_lines,
        "repeated_line_share": repeats(lines)[1] / max(len(text.replace("\n", "")), 1),
        "breaks_per_word": text.count("\n") / max(len(words(text)), 1),
    }


MEASURES = {
    GopherRepetition: gopher_repetition,
    GopherQuality: gopher_quality,
    C4Lines: c4_signals,
    FineWebQuality: fineweb_quality,
}
