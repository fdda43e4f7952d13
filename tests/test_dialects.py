"""What the same name means to different programs, in one table: no dialect passes the vectors of another.

The vectors of each family are inputs with what every dialect makes of them, written from the published programs and
papers. Those of single rules stand in test_gopher_dialects.py and test_c4_page.py and are taken from there. At the end
stand the order and the thresholds of every recipe that is shipped, so that none drifts with a default.
"""

import dataclasses
import datetime
import hashlib
import importlib.resources
import itertools
import re
import types

import numpy as np
import pytest

from curation import recipe
from curation.cascade import SeenPayload
from curation.dedup import lines, pages, substrings
from curation.dedup.minhash import NearDuplicates
from curation.dedup.substrings import ExactSubstrings
from curation.extraction.settings import ExtractText
from curation.first_look import FirstLook
from curation.host_list import KeepHosts
from curation.personal_data import ReplacePersonalData
from curation.pii import DolmaPii, ReplacePii
from curation.recipe import step_name
from curation.rules.bad_words import BadWords
from curation.rules.c4 import C4Lines
from curation.rules.ccnet import PerplexityBuckets
from curation.text import Text
from curation.url_words import FineWebUrlWords, RefinedWebUrlWords, WordList
from curation.walk import bare_document
from tests import prose, test_c4_page, test_fineweb, test_gopher_dialects, test_substrings

BY_PAGE = (SeenPayload, FirstLook, ExtractText)  # before there is a text
NEAR_DUPLICATE, OLD_PAGE = "<near_duplicate>", "<same_url>"


@dataclasses.dataclass
class Family:
    """Dialects by name: what each makes of an input; and vectors: an input, and what it is to each."""

    dialects: dict
    vectors: list


FAMILIES = {}


def family(name, *dialects):
    """A function of a folder that may hold lists of words, called once, when its first test runs."""

    def named(make):
        FAMILIES[name] = dialects, make
        return make

    return named


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A family by its name, with what its dialects made of its inputs so far."""
    known, outcomes = {}, {}

    def get(name):
        if name not in known:
            known[name] = FAMILIES[name][1](tmp_path_factory.mktemp("lists"))
            assert tuple(known[name].dialects) == FAMILIES[name][0]
        return known[name]

    def outcome(name, dialect, number):
        if (name, dialect, number) not in outcomes:
            found = get(name)
            outcomes[name, dialect, number] = found.dialects[dialect](found.vectors[number][0])
        return outcomes[name, dialect, number]

    return types.SimpleNamespace(get=get, outcome=outcome)


WORD, OTHER_WORD = "wicked", "vile"


def steps_of(name):
    return recipe.of_source(*recipe.read_source(name)).steps


def step_of(name, step):
    (found,) = (each for each in steps_of(name) if step_name(each) == step)
    return found


def listed(folder, name, *words):
    path = folder / name
    path.write_text("\n".join(words), "utf-8")
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def reason_of(rule, text, **known):
    found = rule.reason(rule.measure(Text(text, **known)))
    return found and f"<{found[0]}>"


def of_everyone(dialects, outcome, **others):
    return {**dict.fromkeys(dialects, outcome), **others}


# A recipe on pages that are texts already, each (url, day, text): what becomes of each, a text or a reason in brackets.


def corpus(steps):
    return lambda given: _corpus(steps, given)


def _corpus(steps, given):
    found, left = {}, dict(enumerate(text for _, _, text in given))
    for step in steps:
        if isinstance(step, BY_PAGE):
            continue
        for number, text in _after(step, given, left).items():
            if text.startswith("<"):
                found[number] = text
                del left[number]
            else:
                left[number] = text
    return tuple((found | left)[number] for number in range(len(given)))


def _after(step, given, left):
    if isinstance(step, (pages.NewestPage, pages.FirstOfUrl)):
        keys = np.array([next(pages.keys(step, _document(given, n, left[n]), n)) for n in left], pages.PAGE)
        return dict.fromkeys(pages.drops(keys)["document"].tolist(), OLD_PAGE)
    if isinstance(step, lines.Lines):
        rows = [row for n in left for row in lines.keys(step, _document(given, n, left[n]), n)]
        gone = lines.drops(np.array(rows, lines.LINE))
        return {n: lines.without(step, left[n], gone["line"][gone["document"] == n].tolist()) for n in left}
    if isinstance(step, ExactSubstrings):
        spans = test_substrings.after(step, list(left.values()))
        return {n: substrings.without(text, gone) for (n, text), gone in zip(left.items(), spans, strict=True)}
    if isinstance(step, NearDuplicates):
        found = {}
        for (n, one), (m, other) in itertools.combinations(left.items(), 2):
            a, b = (shingles(text, step.shingle) for text in (one, other))
            if n not in found and len(a & b) >= step.min_similarity * len(a | b):
                found[m] = NEAR_DUPLICATE
        return found
    if step_name(step) == "ExactDuplicates":
        return {n: "<duplicate>" for n in left for m in left if m < n and left[n] == left[m]}
    return {n: _one(step, text, given[n][0]) for n, text in left.items()}


def _one(step, text, url):
    if hasattr(step, "judge"):
        found = step.judge(url)
        return f"<{found[0]}>" if found else text
    if hasattr(step, "identify"):
        found = step.reason(*step.identify(text))
        return f"<{found}>" if found else text
    read = Text(text, url=url)
    if hasattr(step, "measure") and (found := step.reason(step.measure(read))):
        return f"<{found[0]}>"
    return step.edit(read) if hasattr(step, "edit") else text


def _document(given, number, text):
    url, day, _ = given[number]
    return bare_document(text, url=url, date=datetime.datetime(2024, 1, day, tzinfo=datetime.UTC))


def shingles(text, n):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}


@family("Gopher", "datatrove", "dclm", "dolma", "curator")
def gopher(folder):
    """What is common to all four is left to test_gopher_dialects.py: texts of 100,000 words among it."""
    found = []
    for dialect, vectors in test_gopher_dialects.VECTORS.items():
        for content, expected in vectors:
            if (content, expected) not in test_gopher_dialects.COMMON:
                found.append((content, {dialect: expected is None}))

    def judge(dialect):
        return lambda content: test_gopher_dialects.verdict(dialect, content) is None

    return Family({name: judge(name) for name in test_gopher_dialects.VECTORS}, found)


def lines_of(rule):
    return lambda text: test_c4_page.outcome(rule, text)


FINEWEB_LINES = {
    "three sentences on lines of five words": "<too_few_sentences>",
    "five sentences on lines of three words": test_c4_page.THREE,
    "a single quote at the end": f"{test_c4_page.LONG}\nHe called it 'the river'",
    "no end mark": f"{test_c4_page.LONG}\nThe river rose again",
    "three words before the citation goes": f"{test_c4_page.LONG}\n It rained.\nThe end is near.",
    "javascript": test_c4_page.LONG,
    "a bracket on a line that is dropped": "<curly_bracket>",
    "an abbreviation that ends no sentence for Punkt": "<too_few_sentences>",
}
C4_LINES = ("tfds", "t5_v1", "datatrove", "dolma", "dolma_end_mark", "fineweb")


@family("C4 lines", *C4_LINES)
def c4_lines(folder):
    """DCLM's lines are those of TFDS: it differs in the order of steps, and so in "C4 corpora"."""
    LONG, LINE = test_c4_page.LONG, test_c4_page.LINE
    vectors = [
        (text, {**expected, "fineweb": FINEWEB_LINES[name]}) for name, (text, expected) in test_c4_page.VECTORS.items()
    ]
    policy, spaced = f"{LONG}\nRead our privacy policy today.", f"{LONG}\nThe river rose again today. [1]"
    long_word = f"{LONG}\nOne two three four {'x' * 1001}."
    vectors += [
        (policy, of_everyone(C4_LINES, LONG, dolma=policy, dolma_end_mark=policy)),
        (f"{LONG}\n{LINE} {{", of_everyone(C4_LINES, "<curly_bracket>", tfds=LONG, t5_v1=LONG, datatrove=LONG)),
        (f"{LONG}\nlorem ipsum dolor sit amet.", of_everyone(C4_LINES, "<lorem_ipsum>")),
        (long_word, of_everyone(C4_LINES, LONG, dolma=long_word, dolma_end_mark=long_word)),
        (
            spaced,
            of_everyone(C4_LINES, LONG, dolma=spaced, fineweb=f"{LONG}\n{LINE} ".strip()),
        ),
        (f"{LONG}\nTwo words.", of_everyone(C4_LINES, LONG)),
        (f"{LONG}\nHere are three.", of_everyone(C4_LINES, f"{LONG}\nHere are three.", tfds=LONG)),
    ]
    rules = test_c4_page.DIALECTS | {"fineweb": C4Lines(end_mark=False)}
    assert rules["fineweb"] == step_of("fineweb", "C4Lines")
    assert rules["tfds"] == step_of("c4", "C4Page") == step_of("c4_dclm", "C4Page")
    assert rules["dolma"] == step_of("dolma", "C4Dolma")
    return Family({name: lines_of(rules[name]) for name in C4_LINES}, vectors)


# RIVER and TOWN pass all of C4's rules.
RIVER = "The river rose in the night.\nThe old bridge was carried away.\nNobody in the village had woken up."
TOWN = "The baker opens before the sun rises.\nHis bread is sold out by nine.\nThe children wait at his door."
MOVED = "This page has moved to another place and there is nothing left here for anyone to see"
GERMAN = (
    "Der Fluss stieg in der Nacht über das Ufer.\nDie alte Brücke wurde vom Wasser fortgetragen.\n"
    f"Niemand im Dorf hatte das Wort {WORD} je gehört."
)
PARAGRAPHS = "\n".join(
    " ".join(sentence.rstrip(".") for sentence in prose.text(number, sentences=5).split(". ")) for number in (1, 2, 3)
)
NEWS, OTHER = "http://www.news.example/a", "http://other.example/a"
URLS = sorted((NEWS, "http://news.example/b"), key=lambda url: hashlib.md5(url.encode()).hexdigest())
HEADER = "Content-Types of this kind matter a great deal."
SPAN = "The moon was out again. It had been raining all day. The boats stayed in the harbour."
C4_CORPORA = ("c4", "c4_extracted", "c4_dclm", "c4_t5", "c4_noclean", "c4_multilingual", "realnewslike")


@family("C4 corpora", *C4_CORPORA)
def c4_corpora(folder):
    files = {
        BadWords: listed(folder, "bad", WORD),
        KeepHosts: listed(folder, "hosts", "news.example"),
    }

    def steps(name):
        return [dataclasses.replace(step, **files.get(type(step), {})) for step in steps_of(name)]

    short = "<too_few_paragraphs>"
    shared = RIVER.split("\n")[0]
    vectors = [
        (
            [(NEWS, 1, RIVER), (NEWS, 2, MOVED)],
            of_everyone(
                C4_CORPORA,
                (OLD_PAGE, "<too_few_sentences>"),
                c4_dclm=(RIVER, "<too_few_sentences>"),
                c4_t5=(RIVER, "<too_few_sentences>"),
                c4_noclean=(OLD_PAGE, MOVED),
                c4_multilingual=(OLD_PAGE, short),
            ),
        ),
        (
            [(NEWS, 1, GERMAN)],
            of_everyone(C4_CORPORA, ("<other_language>",), c4_dclm=("<bad_words>",), c4_multilingual=(short,)),
        ),
        (
            [(NEWS, 1, f"{RIVER}\nThe {WORD} heron slept all night.")],
            of_everyone(
                C4_CORPORA,
                ("<bad_words>",),
                c4_noclean=(f"{RIVER}\nThe {WORD} heron slept all night.",),
                c4_multilingual=(short,),
            ),
        ),
        (
            [(URLS[1], 1, f"{TOWN}\n{shared}"), (URLS[0], 1, RIVER)],
            of_everyone(
                C4_CORPORA,
                (TOWN, RIVER),
                c4_t5=(f"{TOWN}\n{shared}", RIVER),
                c4_noclean=(f"{TOWN}\n{shared}", RIVER),
                c4_multilingual=(short, short),
            ),
        ),
        (
            [(URLS[1], 1, f"{RIVER}\n{SPAN}"), (URLS[0], 1, f"{TOWN}\n{SPAN} The end is not known.")],
            of_everyone(
                C4_CORPORA,
                (f"{RIVER}\n{SPAN}", f"{TOWN}\n{SPAN} The end is not known."),
                c4_t5=(f"{RIVER}\n{SPAN}", f"{TOWN}\nThe end is not known."),
                c4_multilingual=(short, short),
            ),
        ),
        (
            [(NEWS, 1, f"{RIVER}\n{HEADER}")],
            of_everyone(C4_CORPORA, (RIVER,), c4_extracted=(f"{RIVER}\n{HEADER}",), c4_multilingual=(short,)),
        ),
        (
            [(NEWS, 1, PARAGRAPHS)],
            of_everyone(C4_CORPORA, ("<too_few_sentences>",), c4_noclean=(PARAGRAPHS,), c4_multilingual=(PARAGRAPHS,)),
        ),
        (
            [(OTHER, 1, RIVER)],
            of_everyone(C4_CORPORA, (RIVER,), c4_multilingual=(short,), realnewslike=("<unlisted_host>",)),
        ),
    ]
    return Family({name: corpus(steps(name)) for name in C4_CORPORA}, vectors)


def page_lines(count, template="In the year {} the old bridge fell into the river."):
    return "\n".join(template.format(1900 + number) for number in range(count))


def twice_in(size):
    """A line of two characters twice, in so many characters without line breaks."""
    return "\n".join(["a.", "a.", page_lines(3), f"The mill by the {'x' * (size - 185)} was old."])


@family("FineWeb's rules", "script", "paper")
def fineweb_rules(folder):
    """The paper does not know the last rule, on line breaks."""
    script, paper = step_of("fineweb", "FineWebQuality"), step_of("fineweb_paper", "FineWebQuality")
    long = test_fineweb.lines(*"...")
    same = [
        (long, None),
        (test_fineweb.lines(*("." * 3 + "," * 22)), None),  # .12
        (test_fineweb.lines(*("." * 3 + "," * 23)), "<too_few_terminal_lines>"),
        ("\n".join([page_lines(33), *(f"Short {n}." for n in range(67))]), None),  # .67
        ("\n".join([page_lines(32), *(f"Short {n}." for n in range(67))]), "<too_many_short_lines>"),
        (twice_in(200), None),  # .01
        (twice_in(199), "<too_many_repeated_lines>"),
        (f"{long}\n{test_fineweb.LONG.format(1900)}", "<too_many_repeated_lines>"),
    ]
    differ = [
        (long.replace("\n", "\n\n\n\n\n\n"), {"script": "<too_many_line_breaks>", "paper": None}),
        ("\n".join(f"Donaudampfschifffahrtsgesellschaft{n}." for n in range(9)), {"script": "<too_many_line_breaks>"}),
        ("\n".join(f"Donaudampfschifffahrtsgesellschaft{n}." for n in range(9)), {"paper": None}),
    ]
    vectors = [(text, {"script": expected, "paper": expected}) for text, expected in same] + differ
    return Family(
        {"script": lambda text: reason_of(script, text), "paper": lambda text: reason_of(paper, text)}, vectors
    )


CURLY = "The set {here} is left over."


@family("FineWeb corpora", "fineweb", "fineweb_paper")
def fineweb_corpora(folder):
    """Of two near-duplicates the first fails C4's rules: before the comparison, or after it."""
    one = prose.text(1)
    left = one.replace("\n\n", "\n")  # C4's step leaves blank lines out
    given = [(NEWS, 1, f"{one}\n{CURLY}"), (OTHER, 1, one)]
    vectors = [
        (given, {"fineweb": ("<curly_bracket>", left), "fineweb_paper": ("<curly_bracket>", NEAR_DUPLICATE)}),
        ([(NEWS, 1, "the " * 60)], dict.fromkeys(("fineweb", "fineweb_paper"), ("<top_2gram_too_frequent>",))),
    ]
    return Family({name: corpus(steps_of(name)) for name in ("fineweb", "fineweb_paper")}, vectors)


ENGLISH_RULES = ("fineweb", "gopher", "refinedweb", "dclm_refinedweb", "dolma")
WIKI = "https://en.wikipedia.org/wiki/River"


@family("web corpora", *ENGLISH_RULES)
def web_corpora(folder):
    """What stands first, in recipes that have the same rules or nearly: URLs, quality, repetition, masks."""
    one, other = prose.text(1), prose.text(2)
    flat, other_flat = one.replace("\n\n", "\n"), other.replace("\n\n", "\n")
    mail = f"{flat}\nWrite to Anna at anna@mail.example.net or to nobody else."
    few, menu = "the and " * 20, f"{flat}\nHome"
    quoted = flat[: flat.index(".", 400) + 1].replace("\n", " ")  # on one line, so that no line stands twice
    quoting = f"{other_flat}\n{quoted}"
    vectors = [
        ([(WIKI, 1, flat)], of_everyone(ENGLISH_RULES, (flat,), refinedweb=("<left_out_host>",))),
        (
            [(NEWS, 1, flat), (NEWS, 2, other_flat)],
            of_everyone(ENGLISH_RULES, (flat, other_flat), refinedweb=(flat, OLD_PAGE), dolma=(flat, OLD_PAGE)),
        ),
        ([(NEWS, 1, menu)], of_everyone(ENGLISH_RULES, (flat,), gopher=(menu,))),
        (
            [(NEWS, 1, flat), (OTHER, 1, quoting)],
            of_everyone(ENGLISH_RULES, (flat, quoting), refinedweb=(flat, other_flat)),
        ),
        (
            [(NEWS, 1, mail)],
            of_everyone(
                ENGLISH_RULES,
                (mail,),
                fineweb=(mail.replace("anna@mail.example.net", "email@example.com"),),
                dolma=(mail.replace("anna@mail.example.net", "|||EMAIL_ADDRESS|||"),),
            ),
        ),
        ([(NEWS, 1, few)], of_everyone(ENGLISH_RULES, ("<too_few_words>",), fineweb=("<top_2gram_too_frequent>",))),
    ]

    def steps(name):  # the texts here are not long enough to say what language they are in
        return [step for step in steps_of(name) if step_name(step) != "KeepLanguage"]

    return Family({name: corpus(steps(name)) for name in ENGLISH_RULES}, vectors)


LANGUAGES = ("fineweb", "refinedweb", "c4", "c4_multilingual", "dolma")


@family("language", *LANGUAGES)
def language(folder):
    """More than .65 or at least .65, .99, .95 and .5; CCNet and Dolma have one threshold."""
    no, yes = "uncertain_language", None
    scores = {
        0.4999: (no, no, no, no, no),
        0.5: (no, no, no, no, yes),
        0.6499: (no, no, no, no, yes),
        0.65: (no, yes, no, no, yes),
        0.6501: (yes, yes, no, no, yes),
        0.9499: (yes, yes, no, no, yes),
        0.95: (yes, yes, no, yes, yes),
        0.9899: (yes, yes, no, yes, yes),
        0.99: (yes, yes, yes, yes, yes),
    }
    vectors = [(("en", score), dict(zip(LANGUAGES, expected, strict=True))) for score, expected in scores.items()]
    vectors.append((("de", 1.0), of_everyone(LANGUAGES, "other_language")))
    rules = {name: step_of(name, "KeepLanguage") for name in LANGUAGES}
    assert rules["dolma"] == step_of("ccnet", "KeepLanguage") == step_of("redpajama_v2", "KeepLanguage")

    def judge(rule):
        return lambda found: rule.reason(*found)

    return Family({name: judge(rules[name]) for name in LANGUAGES}, vectors)


@family("bad words", "tfds", "dolma", "without_boundaries", "multilingual")
def bad_words(folder):
    """mC4 keeps a thousandth of pages with a bad word, by the md5 of the URL; ja, th and zh have no boundaries."""
    found = listed(folder, "bad", WORD, f"{OTHER_WORD} bird")
    tfds = BadWords(**found)
    kept = next(url for n in itertools.count() if _draw(url := f"http://a.example/{n}") < 0.001)
    rules = {
        "tfds": tfds,
        "dolma": BadWords(**found, whole_tokens=True),
        "without_boundaries": tfds.in_language("zh", **found),
        "multilingual": BadWords(**found, keep_share=0.001),
    }
    bad = "<bad_words>"
    vectors = [
        (("", "a heron"), of_everyone(rules, None)),
        (("", f"a {WORD} heron"), of_everyone(rules, bad)),
        (("", f"A {WORD.upper()} heron"), of_everyone(rules, bad)),
        (("", f"a {WORD}, old heron"), of_everyone(rules, bad, dolma=None)),
        (("", f"a {OTHER_WORD} bird"), of_everyone(rules, bad, dolma=None)),
        (("", f"un{WORD} heron"), of_everyone(rules, None, without_boundaries=bad)),
        ((kept, f"a {WORD} heron"), of_everyone(rules, bad, multilingual=None)),
    ]

    def judge(rule):
        return lambda page: reason_of(rule, page[1], url=page[0])

    return Family({name: judge(rule) for name, rule in rules.items()}, vectors)


def _draw(url):
    """The md5 of a URL without its scheme, as a share."""
    return int(hashlib.md5(url.removeprefix("http://").encode()).hexdigest(), 16) / 2**128


@family("URL words", "fineweb", "refinedweb")
def url_words(folder):
    hard = WordList(**listed(folder, "hard", "bad", "Very-Bad"))
    soft = WordList(**listed(folder, "soft", "grey", "dim"))
    part = WordList(**listed(folder, "part", "slime"))
    steps = {
        "fineweb": FineWebUrlWords(hard, soft, part),
        "refinedweb": RefinedWebUrlWords(strict=part, hard=hard, soft=soft),
    }

    def judge(step):
        return lambda url: (found := step.judge(f"http://a.example/{url}")) and found[0]

    vectors = [
        (url, {"fineweb": one, "refinedweb": other})
        for url, one, other in [
            ("bad", "hard_url_word", "hard_url_word"),
            ("badge", None, None),
            ("BAD", None, "hard_url_word"),  # FineWeb's tokens keep their case
            ("verybad", "hard_url_word", None),  # FineWeb's list loses its hyphens
            ("grey", None, None),
            ("grey/grey", None, None),
            ("grey/dim", "soft_url_words", "soft_url_words"),
            ("Grey/dim", None, "soft_url_words"),
            ("a-slime.d", "url_subword", "strict_url_word"),
            ("s-li.me", "url_subword", "strict_url_word"),
            ("SLIME", "url_subword", "strict_url_word"),
            ("s/lime", "url_subword", None),  # RefinedWeb takes out - and . alone
            ("slime/bad", "hard_url_word", "strict_url_word"),
        ]
    ]
    return Family({name: judge(step) for name, step in steps.items()}, vectors)


@family("personal data", "fineweb", "dolma", "ours")
def personal_data(folder):
    steps = {"fineweb": ReplacePii(), "dolma": DolmaPii(), "ours": ReplacePersonalData()}
    assert (steps["fineweb"], steps["dolma"]) == (step_of("fineweb", "ReplacePii"), step_of("dolma", "DolmaPii"))
    first, second, mask = "email@example.com", "firstname.lastname@example.org", "|||EMAIL_ADDRESS|||"
    phone, ip = "|||PHONE_NUMBER|||", "|||IP_ADDRESS|||"
    rows = [  # a text, and what FineWeb, Dolma and our own step make of it
        ("no address @ all", "no address @ all", "no address @ all", "no address @ all"),
        ("a@b.cc or c@d.ee now", f"{first} or {second} now", f"{mask} or {mask} now", f"{first} or {second} now"),
        ("a@b.cc or a@b.cc now", f"{first} or {second} now", f"{mask} or {mask} now", f"{first} or {first} now"),
        ("to a@b.cc", f"to {first}", "to a@b.cc", f"to {first}"),  # Dolma: an address ends before a blank
        ("at 10.0.0.1 now", "at 10.0.0.1 now", f"at {ip} now", "at 10.0.0.1 now"),
        ("at 8.8.8.8 now", "at 22.214.171.124 now", f"at {ip} now", "at 192.0.2.1 now"),
        ("call 212-456-7890 now", "call 212-456-7890 now", f"call {phone} now", "call 202-555-0101 now"),
        ("a@b.cc " * 5, f"{first} {second} " * 2 + f"{first} ", f"{mask} " * 5, f"{first} " * 5),
        ("a@b.cc " * 6, f"{first} {second} " * 3, "<too_many_pii_spans>", f"{first} " * 6),
    ]
    vectors = [(text, dict(zip(steps, expected, strict=True))) for text, *expected in rows]

    def judge(step):
        return lambda text: _one(step, text, "")

    return Family({name: judge(step) for name, step in steps.items()}, vectors)


SENTENCES = "One goes up. Two come down. Three stay here."


@family("repeated lines", "c4", "ccnet", "t5")
def repeated_lines(folder):
    """All three: of the second page, which loses what the first has. C4's first page is that of the smaller md5."""
    rules = {"c4": lines.RepeatedLines(), "ccnet": lines.RepeatedParagraphs(), "t5": lines.SentenceSpans()}
    assert [rules["c4"], rules["ccnet"], rules["t5"]] == [
        step_of("c4", "RepeatedLines"),
        step_of("ccnet", "RepeatedParagraphs"),
        step_of("c4_t5", "SentenceSpans"),
    ]

    def judge(step):
        return lambda texts: _corpus([step], [(url, 1, text) for url, text in zip(URLS, texts, strict=True)])

    def judge_reversed(step):
        return lambda texts: _corpus([step], [(url, 1, text) for url, text in zip(URLS[::-1], texts, strict=True)])

    vectors = [
        (("Read on", "  READ ON \nmine"), {"c4": "mine", "ccnet": "mine", "t5": "  READ ON \nmine"}),
        (("In 1999", "In 2024\nmine"), {"c4": "In 2024\nmine", "ccnet": "mine", "t5": "In 2024\nmine"}),
        (("In 2024", "In «2024»…\nmine"), {"c4": "In «2024»…\nmine", "ccnet": "mine", "t5": "In «2024»…\nmine"}),
        (("Read on", "Read on.\nmine"), of_everyone(rules, "Read on.\nmine")),
        (
            (SENTENCES, f"{SENTENCES} Four end."),
            {"c4": f"{SENTENCES} Four end.", "ccnet": f"{SENTENCES} Four end.", "t5": "Four end."},
        ),
        ((SENTENCES, SENTENCES[13:]), of_everyone(rules, SENTENCES[13:])),  # two of the sentences
    ]
    vectors = [(texts, {name: (texts[0], left) for name, left in known.items()}) for texts, known in vectors]
    assert judge_reversed(rules["c4"])(("Read on", "read on\nmine")) == ("", "read on\nmine")
    assert judge_reversed(rules["ccnet"])(("Read on", "read on\nmine")) == ("Read on", "mine")
    return Family({name: judge(rule) for name, rule in rules.items()}, vectors)


@family("pages of one URL", "c4", "dolma")
def same_url(folder):
    a, b = "http://a.example/x", "https://www.a.example/x/?utm_source=b"
    vectors = [
        ([(a, 1, "old"), (a, 2, "new")], {"c4": (OLD_PAGE, "new"), "dolma": ("old", OLD_PAGE)}),
        ([(a, 1, "one"), (a, 1, "two")], {"c4": ("one", OLD_PAGE), "dolma": ("one", OLD_PAGE)}),
        ([(a, 2, "new"), (b, 1, "old")], {"c4": ("new", OLD_PAGE), "dolma": ("new", "old")}),
        ([(a, 1, "one"), (a + "y", 1, "two")], {"c4": ("one", "two"), "dolma": ("one", "two")}),
    ]
    steps = {"c4": step_of("c4", "NewestPage"), "dolma": step_of("dolma", "FirstOfUrl")}
    return Family({name: corpus([step]) for name, step in steps.items()}, vectors)


EACH = [(name, dialect) for name, (dialects, _) in FAMILIES.items() for dialect in dialects]
PAIRS = [(name, *pair) for name, (dialects, _) in FAMILIES.items() for pair in itertools.permutations(dialects, 2)]


def own(made, name, dialect):
    """The vectors that say what this dialect makes of them: the number, and what that is."""
    found = [(at, known[dialect]) for at, (_, known) in enumerate(made.get(name).vectors) if dialect in known]
    assert found
    return found


@pytest.mark.parametrize("name, dialect", EACH)
def test_each_dialect_passes_its_vectors(made, name, dialect):
    for number, expected in own(made, name, dialect):
        assert made.outcome(name, dialect, number) == expected, made.get(name).vectors[number][0]


@pytest.mark.parametrize("name, one, other", PAIRS)
def test_no_dialect_passes_the_vectors_of_another(made, name, one, other):
    assert any(made.outcome(name, other, number) != expected for number, expected in own(made, name, one))


EN = "'the', 'be', 'to', 'of', 'and', 'that', 'have', 'with'"
DE = "'der', 'die', 'und', 'zu', 'ist', 'das', 'nicht', 'mit'"
LID, TOP = "identifier=Lid176(lower=False), min_scores=()", "((2, 0.2), (3, 0.18), (4, 0.16))"
AGAIN = "((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))"
LANGDETECT = "KeepLanguage(language='en', min_score=0.99, identifier=Langdetect(seed=0), min_scores=(), at_least=True)"
BAD_WORDS = (
    "BadWords(path='lists/ldnoobw/en.txt', sha256='af851ecef1d5f212caba17339b12ac39cc2fef7d78c74876f67237644fcee8bd', "
    "language='en', keep_share={}, boundaries=True, allowed=(), whole_tokens=False)"
)
LENGTH = "MaxCharacters(max_characters=190000)"
C4_PAGE = "C4Page(min_words=5, min_sentences=3, max_word_length=1000, end_marks=('.', '?', '!', '\"'))"
ABOVE = f"KeepLanguage(language='{{}}', min_score=0.65, {LID}, at_least=False)"
FROM = f"KeepLanguage(language='en', min_score={{}}, {LID}, at_least=True)"
QUALITY = (
    "GopherQuality(min_words=50, max_words=100000, min_mean_word_length={}, max_mean_word_length={}, max_hashes=0.1, "
    "max_ellipses=0.1, max_bullet_lines=0.9, max_ellipsis_lines=0.3, min_alphabetic_words={}, min_stop_words=2, "
    "stop_words=({}))"
)
DATATROVE_QUALITY = QUALITY.format("3.0", "10.0", "0.8", EN)
DATATROVE_REPETITION = (
    "GopherRepetition(max_repeated_paragraphs=0.3, max_repeated_paragraph_characters=0.2, max_repeated_lines=0.3, "
    f"max_repeated_line_characters=0.2, max_top_ngram={TOP}, max_repeated_ngrams={AGAIN})"
)
DCLM_QUALITY = (
    "DclmGopherQuality(min_words=50, max_words=100000, min_mean_word_length=3.0, max_mean_word_length=10.0, "
    "max_symbols=0.1, max_bullet_lines=0.9, max_ellipsis_lines=0.3, max_words_without_letters=0.2, min_stop_words=2, "
    f"stop_words=({EN}))"
)
DCLM_REPETITION = (
    "DclmGopherRepetition(max_repeated_lines=0.3, max_repeated_paragraphs=0.3, max_repeated_line_characters=0.2, "
    f"max_repeated_paragraph_characters=0.2, max_top_ngram={TOP}, max_repeated_ngrams={AGAIN})"
)
CURATOR_QUALITY = (
    "CuratorGopherQuality(max_symbol_words=0.1, min_words=50, max_words=100000, min_alphabetic_words=0.8, "
    "min_stop_words=2, min_mean_word_length=3.0, max_mean_word_length=10.0, max_ellipsis_lines=0.3, "
    f"max_bullet_lines=0.9, stop_words=({EN}))"
)
CURATOR_REPETITION = (
    "CuratorGopherRepetition(min_unique_lines=0.7, min_unique_paragraphs=0.7, min_unique_line_characters=0.8, "
    f"min_unique_paragraph_characters=0.8, max_top_ngram={TOP}, max_repeated_ngrams={AGAIN})"
)
DOLMA_GOPHER = (  # characters in repeated lines: 0.3, where the paper has 0.2
    "DolmaGopher(min_words=50, max_words=100000, min_median_word_length=3.0, max_median_word_length=10.0, "
    "max_symbol_words=0.1, min_alphabetic_words=0.8, min_stop_words=2, max_bullet_lines=0.9, max_ellipsis_lines=0.3, "
    f"max_repeated_lines=0.3, max_repeated_line_characters=0.3, max_top_ngram={TOP}, max_repeated_ngrams={AGAIN}, "
    f"stop_words=({EN}))"
)
FINEWEB_C4 = "C4Lines(end_mark=False, min_words=3, max_word_length=1000, min_sentences=5)"
FINEWEB_RULES = (
    "FineWebQuality(min_terminal_lines=0.12, max_short_lines=0.67, short_line=30, max_repeated_characters=0.01, "
    "max_breaks={})"
)
FINEWEB_PII = (
    "ReplacePii(emails=('email@example.com', 'firstname.lastname@example.org'), ips=('22.214.171.124', "
    "'126.96.36.199', '188.8.131.52', '184.108.40.206', '220.127.116.11', '18.104.22.168'))"
)
REFINEDWEB_LINES = (
    "RefinedWebLines(max_uppercase=0.5, max_digits=0.999999, min_words=2, short_line=10, max_words_removed=0.05, "
    "max_breaks=2)"
)
SITES = "'wikipedia.org', 'arxiv.org', 'stackoverflow.com', 'stackexchange.com', 'reddit.com', 'github.com'"


EXACT = "ExactDuplicates(normalized=False, keep='first', scope='corpus')"


def minhash(bands, rows, shingle, words="plain"):
    return (
        f"NearDuplicates(bands={bands}, rows={rows}, shingle={shingle}, min_similarity=0.8, words='{words}', "
        "keep='first', scope='corpus', seed=1)"
    )


def same(bands, rows, shingle, words="plain"):
    return [EXACT, minhash(bands, rows, shingle, words)]


WET, OURS = ["ExtractText", "WetText()"], ["SeenPayload", "FirstLook", "ExtractText"]
CCNET = ["SeenPayload", "ExtractText", "MinCharacters(min_characters=300)", "RepeatedParagraphs()", FROM.format(0.5)]
C4_END = ["RepeatedLines()", "MinSentences(min_sentences=3)", LANGDETECT, BAD_WORDS.format("0.0")]
REFINEDWEB = [
    "RefinedWebText(max_breaks=2)",
    FROM.format(0.65),
    DCLM_QUALITY,
    DCLM_REPETITION,
    REFINEDWEB_LINES,
]
FINEWEB = [
    *OURS,
    ABOVE.format("en"),
    DATATROVE_REPETITION,
    DATATROVE_QUALITY,
    FINEWEB_C4,
    FINEWEB_RULES.format("0.3"),
    *same(14, 8, 5, "fineweb"),
]

# The steps of each recipe, in order; of those that look at a page before it is a text, and are not published, the name.
RECIPES = {
    "c4": [*WET, LENGTH, "NewestPage()", C4_PAGE, *C4_END],
    "c4_extracted": ["ExtractText", LENGTH, "NewestPage()", C4_PAGE, *C4_END],
    "c4_dclm": [*WET, LENGTH, C4_PAGE, "NewestPage()", *C4_END[:2], *C4_END[:1:-1]],
    "c4_t5": [*WET, C4_PAGE, "SentenceSpans(length=3)", *C4_END[1:]],
    "c4_noclean": [*WET, LENGTH, "NewestPage()", LANGDETECT],
    "c4_multilingual": [
        *WET,
        LENGTH,
        "NewestPage()",
        "MultilingualParagraphs(min_lines=3, min_length=200)",
        "RepeatedLines()",
        "MinSentences(min_sentences=0)",
        FROM.format(0.95),
        BAD_WORDS.format("0.001"),
    ],
    "realnewslike": [
        "KeepHosts(path='lists/realnews_domains.txt', sha256='')",
        *WET,
        LENGTH,
        "NewestPage()",
        C4_PAGE,
        *C4_END,
    ],
    "gopher": [*OURS, ABOVE.format("en"), DATATROVE_QUALITY, DATATROVE_REPETITION, *same(14, 8, 13)],
    "gopher_dclm": [*OURS, ABOVE.format("en"), DCLM_QUALITY, DCLM_REPETITION, *same(14, 8, 13)],
    "gopher_dolma": [*OURS, ABOVE.format("en"), DOLMA_GOPHER, *same(14, 8, 13)],
    "gopher_curator": [*OURS, ABOVE.format("en"), CURATOR_QUALITY, CURATOR_REPETITION, *same(14, 8, 13)],
    "refinedweb": [
        f"NotHosts(hosts=({SITES}))",
        *OURS,
        *REFINEDWEB,
        *same(450, 20, 5),
        "ExactSubstrings(min_tokens=50, min_characters=20)",
        "FirstOfUrl(normalized=False)",
    ],
    "dclm_refinedweb": [*OURS, *REFINEDWEB, *same(93, 15, 5)],
    "dclm_baseline": [
        *OURS,
        *REFINEDWEB,
        *same(93, 15, 5),
        "QualityClassifier(path='models/openhermes_reddit_eli5_vs_rw_v2_200k_train.bin', sha256='<its sha256>', "
        "label='__label__hq', min_score=0.018112)",
    ],
    "fineweb": [*FINEWEB, FINEWEB_PII],
    "fineweb_paper": [
        *FINEWEB[:-4],
        *same(14, 8, 5, "fineweb"),
        FINEWEB_C4,
        FINEWEB_RULES.format("inf"),
        FINEWEB_PII,
    ],
    "fineweb_edu": [
        *FINEWEB,
        "QualityClassifier(path='models/educational.bin', sha256='put the sha256 of your model here', "
        "label='__label__hq', min_score=0.0)",
        "TopShare(signal='quality_score', share=0.08)",
        FINEWEB_PII,
    ],
    "fineweb2": [
        *OURS,
        ABOVE.format("de"),
        *same(14, 8, 5, "fineweb"),
        DATATROVE_REPETITION,
        QUALITY.format("1.2", "14.0", "0.65", DE),
        "C4Lines(end_mark=False, min_words=1, max_word_length=10000, min_sentences=3)",
        FINEWEB_RULES.format("0.3"),
        FINEWEB_PII,
    ],
    "ccnet": CCNET,
    "redpajama_v2": [*CCNET, "RedPajamaSignals(stop_words=None, ldnoobw=None, ut1=())", EXACT],
    "dolma": [
        *OURS,
        FROM.format(0.5),
        "FirstOfUrl(normalized=False)",
        EXACT,
        DOLMA_GOPHER,
        "RepeatedTokens(min_run=100, max_period=13, tokenizer='', sha256='')",
        "DolmaPii(max_spans=5, email='|||EMAIL_ADDRESS|||', phone='|||PHONE_NUMBER|||', ip='|||IP_ADDRESS|||')",
        "C4Dolma(min_words=3, end_mark=False)",
        "RepeatedLines()",
    ],
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_order_and_thresholds_of_each_recipe(name):
    steps = [step_name(step) if isinstance(step, BY_PAGE) else repr(step) for step in steps_of(name)]
    assert steps == RECIPES[name]


def test_every_recipe_that_is_shipped_has_its_numbers_here():
    shipped = {file.name.removesuffix(".py") for file in importlib.resources.files("curation.recipes").iterdir()}
    assert {name for name in shipped if not name.startswith("_")} == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_held_out(name):
    """C4 holds out a thousandth of URLs, all others hosts."""
    found = recipe.of_source(*recipe.read_source(name)).validation
    assert found == ("c4" if name.startswith("c4") or name == "realnewslike" else "host")


def test_perplexity_cutoffs_are_those_of_english():
    step = PerplexityBuckets("model", "0", "tokenizer", "0")
    found = [step.bucket(perplexity) for perplexity in (-1.0, 339.9, 340.0, 519.9, 520.0)]
    assert (found, step.keep) == (["all", "head", "middle", "middle", "tail"], ("head", "middle"))
