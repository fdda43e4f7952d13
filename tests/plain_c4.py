"""C4 as TFDS 3.1.0 makes it, in one process and without a thought for speed, and WET archives to compare it on.

Written from the recipe alone: nothing here is taken from `curation`. Sentences are NLTK's and languages langdetect's.
"""

import collections
import functools
import gzip
import hashlib
import importlib
import io
import random
import re

import langdetect
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from tests import prose

Page = collections.namedtuple("Page", "id url date text")
POLICY = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"]


def c4(files, bad_words, counts=None):
    """The corpus of WET archives, {name: bytes}, as (url, text, split) in the order of the archives' names."""
    counts = collections.Counter() if counts is None else counts
    pages = [page for name in sorted(files) for page in read(name, files[name], counts)]
    pages = [page for page in pages if len(page.text) <= 190_000 or count(counts, "too_long")]
    pages = newest(pages, counts)
    cleaned = [page._replace(text=clean(page.text, counts)) for page in pages]
    cleaned = without_repeated_lines([page for page in cleaned if page.text is not None], counts)
    left = [page for page in cleaned if is_left(page.text, counts)]
    left = [page for page in left if is_english(page.text) or count(counts, "language")]
    left = [page for page in left if not is_bad(page.text, bad_words) or count(counts, "bad_words")]
    return [(page.url, page.text, split(page.url)) for page in left]


def count(counts, reason):
    counts[reason] += 1
    return False


def read(name, content, counts):
    """The pages of one archive, line by line; those with nothing of what a page needs are none."""
    page, number = {}, 0
    for line in io.TextIOWrapper(io.BytesIO(gzip.decompress(content)), "utf-8"):
        line = line.strip()
        if not line:
            continue
        if line == "WARC/1.0":
            yield from whole(name, number, page, counts)
            page, number = {"lines": []}, number + 1
        if line.startswith("WARC-Target-URI:"):
            page["url"] = line.removeprefix("WARC-Target-URI:").strip()
        if line.startswith("WARC-Date:"):
            page["date"] = line.removeprefix("WARC-Date:").strip()
        if not line.startswith(("WARC", "CONTENT-", "Content-")):
            page["lines"].append(line)
    yield from whole(name, number, page, counts)


def whole(name, number, page, counts):
    if page:
        for part, reason in (("url", "no_url"), ("lines", "no_text"), ("date", "no_date")):
            if not page.get(part):
                counts[reason] += 1
                return
        yield Page((name, number), page["url"], page["date"], "\n".join(page["lines"]))


def normalized(url):
    url = re.sub("https?://(www.)?", "", url)
    url = re.sub(r"\?(utm_|ref|feed).*", "", url)
    while url.endswith("/"):
        url = url[:-1]
    return url


def newest(pages, counts):
    """One page of each URL: that of the greatest date, and of one date the first."""
    kept = {}
    for page in pages:
        key = normalized(page.url)
        if key in kept:
            counts["old_page"] += 1
        if key not in kept or page.date > kept[key].date:
            kept[key] = page
    return sorted(kept.values())


def clean(text, counts):
    """The lines that are prose, or None where the page is dropped."""
    kept, sentences = [], 0
    for line in text.splitlines():
        line = line.strip()
        if any(len(word) > 1000 for word in line.split()):
            counts["line_too_long_word"] += 1
            continue
        line = re.sub(r"\[\d*\]|\[edit\]|\[citation needed\]", "", line)
        if line[-1:] not in (".", "?", "!", '"') or line[-3:] == "...":
            counts["line_no_end_mark"] += 1
            continue
        if len(line.split()) < 5:
            counts["line_too_short"] += 1
            continue
        if "lorem ipsum" in line.lower():
            counts["lorem_ipsum"] += 1
            return None
        if "javascript" in line.lower():
            counts["line_javascript"] += 1
            continue
        if "{" in line:
            counts["curly_bracket"] += 1
            return None
        if [phrase for phrase in POLICY if phrase in line.lower()]:
            counts["line_policy"] += 1
            continue
        sentences += len(tokenizer().tokenize(line))
        kept.append(line)
    if sentences < 3:
        counts["too_few_sentences"] += 1
        return None
    return "\n".join(kept).strip()


def without_repeated_lines(pages, counts):
    """Each line stays on the page whose URL has the smallest md5, and there where it stands first."""
    owner = {}
    for page in sorted(pages, key=lambda page: hashlib.md5(page.url.encode()).hexdigest()):
        for line in page.text.split("\n"):
            owner.setdefault(line.strip().lower(), page.url)
    result = []
    for page in pages:
        kept, seen = [], set()
        for line in page.text.split("\n"):
            key = line.strip().lower()
            if owner[key] != page.url:
                counts["line_global_duplicate"] += 1
            elif key in seen:
                counts["line_local_duplicate"] += 1
            else:
                seen.add(key)
                kept.append(line)
        result.append(page._replace(text="\n".join(kept)))
    return result


def is_left(text, counts):
    if not text:
        return count(counts, "empty")
    return len(tokenizer().tokenize(text)) >= 3 or count(counts, "too_few_sentences_left")


def is_english(text):
    langdetect.DetectorFactory.seed = 0
    try:
        best = langdetect.detect_langs(text)[0]
    except langdetect.LangDetectException:
        return False
    return best.lang == "en" and best.prob >= 0.99


def is_bad(text, bad_words):
    words = "|".join(re.escape(word) for word in bad_words)
    return re.search(rf"(?:\W|^)(?:{words})(?:\W|$)", text.lower()) is not None


def split(url):
    return "validation" if int(hashlib.md5(normalized(url).encode()).hexdigest(), 16) % 1000 == 0 else "train"


@functools.cache
def tokenizer():
    found, parameters = importlib.import_module("punkt.data.english"), PunktParameters()
    parameters.abbrev_types, parameters.collocations = set(found.ABBREV_TYPES), set(found.COLLOCATIONS)
    parameters.sent_starters = set(found.SENT_STARTERS)
    parameters.ortho_context.update(found.ORTHO_CONTEXT)
    return PunktSentenceTokenizer(parameters)


BAD_WORDS = ["flurbish", "grackle nob", "snark-weasel", "🖖"]  # made up, for these archives
SHARED = [
    "All of the photographs on this site were taken by members of the walking club.",
    "Write to the editor if you would like to have a recipe of your own on this page. We answer.",
    "the opening hours of the museum are printed on the back of every ticket.",
    "THE OPENING HOURS OF THE MUSEUM ARE PRINTED ON THE BACK OF EVERY TICKET.",
    "[1] Footnotes are gathered at the end of the second volume.",
]
FOREIGN = [
    "Der Fluss stieg in der Nacht und riss die alte Brücke fort, bevor jemand im Dorf aufgewacht war.",
    "La rivière est montée pendant la nuit et a emporté le vieux pont avant que le village ne se réveille.",
    "Nadie en el pueblo recuerda quién plantó el nogal que está junto al puente de piedra.",
    "Niemand weiß mehr, wer den Nussbaum gepflanzt hat. Er trägt aber jedes Jahr sehr viele Nüsse.",
]
ODD = [
    "A line that stops",
    "A line that trails off and says no more...",
    "A line that trails off and says no more…",
    'She said that the boat was called "The Patient Heron"',
    "He said that the boat was called 'The Patient Heron.'",
    "Only four words here.",
    "Only five words here now.",
    "Only four words here[2].",
    "Only four words here [2].",
    "The walnut tree was planted by the miller.[3]",
    "The walnut tree was planted by the miller. [3]",
    "The bridge[edit] was built by monks[citation needed] long ago.[]",
    "The long word is " + "x" * 1000,
    "The long word is " + "x" * 999 + ".",
    "The long word is " + "x" * 1000 + ".",
    "Please enable JavaScript to see the map of the harbour.",
    "Please enable JavaScript to see { the map of the harbour.",
    "Lorem ipsum has no end mark and drops nothing {",
    "Lorem ipsum dolor.",
    "Read our Privacy Policy and the Terms of Use before you go.",
    "This site uses cookies and so does my grandmother's tin.",
    "The use of cookies is explained in the kitchen next door.",
    "Mr. Bach met Dr. J. S. Smith at 5 p.m. in St. Gallen. However, it rained!!!",
    "It ended in the U.S. of A. Nobody minded? “Quite so.” They went.",
    "Content-Type of the cake is butter and that is all there is to it.",
    "WARC is what the old ledger calls it and nobody knows the reason.",
    "CONTENT-free lines like this one are dropped without being looked at.",
    "Content with little, she stayed on the island for forty years.",
    "One half of a line ends here.\u2028The other half of it follows right after it.",
    "One half of a line ends here.\rThe other half of it follows right after it.",
    "One half of a line\x0bends where nobody would look for the end of it.",
    "   \t  ",
    "",
    "The flurbishing of the hull took three summers and a winter.",
]
DROPPING = [
    "Some lorem IPSUM was left on the page by a careless hand.",
    "The set { one, two } is listed on the page below.",
]


def wet_files(seed=0, *, files=3, pages=40):
    """Seeded WET archives, {name: bytes}, with every rule on both of its sides."""
    chance = random.Random(seed)
    numbers = iter(range(files * pages))
    return {
        f"made-{number:05d}.warc.wet.gz": b"".join(
            [_member("warcinfo", "Software-Info: tests/plain_c4.py\n")]
            + [_member("conversion", *made_page(chance, next(numbers))) for _ in range(pages)]
        )
        for number in range(files)
    }


def made_page(chance, number):
    """(text, url, date) of one page."""
    kind = number % 40
    if kind in (0, 1):
        body = exactly(190_000 + kind)
    elif kind == 2:
        body = chance.choice(["", " \n\t\n", "Content-Length: 12\n"])
    elif kind == 3:
        body = "\n".join(chance.sample(SHARED, 3))  # nothing is left, but on one page
    elif kind in (4, 5):
        body = "\n".join(chance.choices(FOREIGN, k=6) + chance.sample(prose._SENTENCES, kind - 4))
    elif kind == 6:
        body = "\n".join([*chance.sample(prose._SENTENCES, 2), chance.choice(ODD[:8])])
    else:
        body = "\n".join(_lines(chance, number))
        if kind == 7:
            body += "\nWARC/1.0\n" + "\n".join(chance.sample(prose._SENTENCES, 4))
    url = validation_url(number) if kind == 8 else _url(chance, number)
    return body, url, f"2019-04-{chance.randint(18, 21)}T0{chance.randint(0, 2)}:00:00Z"


def validation_url(number):
    """A URL that the split holds out."""
    urls = (f"https://www.example.org/{number}/{place}/" for place in range(1_000_000))
    return next(url for url in urls if split(url) == "validation")


def exactly(size):
    """A page of this many characters, of lines of its own."""
    lines, length = [], 0
    while length < size - 400:
        lines.append(f"The clerk of the harbour wrote the number {len(lines)} of {size} into the ledger and sighed.")
        length += len(lines[-1]) + 1
    return "\n".join([*lines, "a" * (size - length - 1) + "."])[:size]


def _lines(chance, number):
    lines = [" ".join(chance.sample(prose._SENTENCES, chance.randint(1, 3))) for _ in range(chance.randint(1, 7))]
    lines += [f"Page {number} of the album shows the harbour as it was before the storm."] * chance.randint(0, 2)
    lines += chance.sample(SHARED, chance.randint(0, 3)) + chance.sample(ODD, chance.randint(0, 6))
    if chance.random() < 0.1:
        lines.append(chance.choice(DROPPING))
    if chance.random() < 0.15:
        word = chance.choice([*BAD_WORDS, "Flurbish", "flurbishes", "grackle  nob", "snark-weasels", "a_flurbish"])
        lines.append(f"Nobody in the village would say ({word}) in front of the doctor.")
    chance.shuffle(lines)
    return [line + chance.choice(["", "", " ", "\r"]) for line in lines]


def _url(chance, number):
    if chance.random() < 0.05:
        return ""
    place = f"example.org/{number}" if chance.random() < 0.6 else f"example.com/page/{chance.randint(0, 20)}"
    end = chance.choice(["", "", "", "/", "//", "?utm_source=a", "?ref=b/", "?feed", "?id=1&utm_source=a"])
    return chance.choice(["http://", "https://", "http://www.", "https://www."]) + place + end


def _member(kind, text, url="", date="2019-04-18T00:00:00Z"):
    block = text.encode()
    head = ["WARC/1.0", f"WARC-Type: {kind}", *([f"WARC-Target-URI: {url}"] if url else []), f"WARC-Date: {date}"]
    head += ["Content-Type: text/plain", f"Content-Length: {len(block)}", "", ""]
    return gzip.compress("\r\n".join(head).encode() + block + b"\r\n\r\n", 6, mtime=0)
