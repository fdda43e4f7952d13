"""Exact substrings: what is cut, by a plain reading of the definition, by a suffix array, and in whole runs."""

import functools
import random
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation import manifest
from curation.dedup import substrings
from curation.dedup.substrings import ExactSubstrings, Span
from curation.document import Cut
from curation.walk import bare_document
from pipelines import curate, launch, refilter
from tests import plain_c4, plain_launch
from tests.cpu_limit import cpu_limit


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ""),
        (" \n\t\u3000", ""),
        ("The end,\n\nthe_2nd END.", "The|end|,|the_2nd|END|."),
        ("日本語abcかなDEF", "日|本|語|abc|か|な|DEF"),
        ("สวัสดี x", "ส|ว|ั|ส|ด|ี|x"),
        ("ខ្មែរ", "ខ|្|ម|ែ|រ"),
        ("don't «stop»…", "don|'|t|«|stop|»|…"),
        ("한국어 문장", "한국어|문장"),
        ("cafe\u0301s", "cafe|\u0301|s"),
        ("a\ud800b\x00", "a|\ud800|b|\x00"),
    ],
)
def test_tokens(text, expected):
    found = substrings.tokens(text)
    assert [token.decode("utf-8", "surrogatepass") for token in found] == [*filter(None, expected.split("|"))]


def after(step, texts, parts=1):
    """The spans of each text, by way of all that crosses the exchange."""
    held = [[number for number in range(len(texts)) if number % parts == part] for part in range(parts)]
    found = []
    for part, numbers in enumerate(held):
        each = [np.empty(0, substrings.FINGERPRINT), *(substrings.of_document(step, texts[name]) for name in numbers)]
        merged = substrings.merged(np.concatenate(each))
        merged["part"] = part
        found.append(merged)
    shared = substrings.shared(np.concatenate(found))
    windows = [np.empty(0, substrings.WINDOW)]
    for part, numbers in enumerate(held):
        among = np.sort(shared["key"][shared["part"] == part])
        windows += [substrings.windows(step, texts[name], name, among) for name in numbers]
    mixed = np.random.default_rng(0).permutation(np.concatenate(windows))
    drops = np.sort(substrings.drops(mixed), order=["document", "token"])
    return [substrings.spans(step, text, drops[drops["document"] == name]) for name, text in enumerate(texts)]


def cut_tokens(texts, length):
    """By the definition: for each text, which token is cut, and for whom where a window starts with it."""
    first, gone, kept = {}, [], []
    for number, text in enumerate(texts):
        tokens = substrings.tokens(text)
        gone.append([False] * len(tokens))
        kept.append({})
        for place in range(len(tokens) - length + 1):
            window = tuple(tokens[place : place + length])
            if window in first:
                gone[-1][place : place + length] = [True] * length
                kept[-1][place] = first[window]
            else:
                first[window] = number
    return gone, kept


def by_suffix_array(texts, length):
    """The tokens in a repeat of at least so many that stands earlier, from sorted suffixes of the whole corpus."""
    whole, owners = [], []
    for number, text in enumerate(texts):
        tokens = [*substrings.tokens(text), -1 - number]  # a mark of its own ends each text
        whole += tokens
        owners += [number] * len(tokens)
    codes = {token: place for place, token in enumerate(dict.fromkeys(whole))}
    numbers = [codes[token] for token in whole]
    suffixes = sorted(range(len(numbers)), key=lambda place: numbers[place:])
    gone = [False] * len(numbers)
    for order in (suffixes, suffixes[::-1]):
        for rank, place in enumerate(order):
            length_here = len(numbers)  # in common with one suffix after another, going away from `place`
            for left, right in zip(order[rank::-1], order[rank - 1 :: -1] if rank else [], strict=False):
                length_here = min(length_here, common(numbers, left, right))
                if length_here < length:
                    break
                if right < place:
                    gone[place : place + length_here] = [True] * length_here
                    break
    return [
        [
            it
            for it, owner, code in zip(gone, owners, whole, strict=True)
            if owner == number and not isinstance(code, int)
        ]
        for number in range(len(texts))
    ]


def common(numbers, left, right):
    count = 0
    while max(left, right) + count < len(numbers) and numbers[left + count] == numbers[right + count]:
        count += 1
    return count


SEAMS = st.sampled_from([" ", " ", "\n", "\n\n", " \t", "", ","])
TEXTS = st.lists(
    st.lists(st.tuples(st.sampled_from(["a", "b", "a", "c", "日", "-"]), SEAMS), max_size=30).map(
        lambda pairs: "".join(token + seam for token, seam in pairs)
    ),
    max_size=6,
)


@settings(deadline=None)
@given(TEXTS, st.integers(1, 7), st.integers(1, 3))
@example(["a " * 40], 5, 1)
@example(["a b c d e f", "b c d e", "x a b c d e f y"], 4, 2)
def test_what_is_cut_is_what_stands_earlier(texts, length, parts):
    found = after(ExactSubstrings(length), texts, parts)
    gone, kept = cut_tokens(texts, length)
    assert gone == by_suffix_array(texts, length)
    for text, cuts, cut, first in zip(texts, found, gone, kept, strict=True):
        tokens = substrings.tokens(text)
        left = [token for token, is_gone in zip(tokens, cut, strict=True) if not is_gone]
        assert substrings.tokens(substrings.without(text, cuts)) == left
        assert sum(span.tokens for span in cuts) == sum(cut)
        starts = [place for place, is_gone in enumerate(cut) if is_gone and (place == 0 or not cut[place - 1])]
        assert [span.kept for span in cuts] == [first[place] for place in starts]
        before = [len(substrings.tokens(text[: span.start])) for span in cuts]
        assert before == starts


@given(TEXTS)
def test_nothing_but_the_spans_and_white_space_goes(texts):
    for text, spans in zip(texts, after(ExactSubstrings(3), texts), strict=True):
        left = substrings.without(text, spans)
        bounds = zip([0, *(it.stop for it in spans)], [*(it.start for it in spans), len(text)], strict=True)
        pieces = [text[stop:start] for stop, start in bounds]
        assert re.sub(r"\s", "", left) == re.sub(r"\s", "", "".join(pieces))
        assert all(span.start < span.stop <= len(text) for span in spans)
        if not spans:
            assert left == text


X = "k l m n"


@pytest.mark.parametrize(
    "text, expected, cut",
    [
        (f"a {X} b", "a b", f"{X} "),
        (f"a\n{X}\nb", "a\nb", f"{X}\n"),
        (f"a {X}\n\nb", "a\n\nb", f" {X}"),
        (f"a\n\n{X} b", "a\n\nb", f"{X} "),
        (f"{X} b", "b", f"{X} "),
        (f"{X}\n\nb\n", "b\n", f"{X}\n\n"),
        (f"a\n{X}\n", "a\n", f"\n{X}"),
        (f"a {X}", "a", f" {X}"),
        (f"  {X}  ", "  ", f"{X}  "),
        (f"a-{X}-b", "a--b", X),
        (f"日{X}日", "日日", X),
        (f"日{X} b", "日 b", X),
        (f"a {X}, b", "a , b", f"{X}"),
        (f"a {X} b {X} c", "a b c", f"{X} "),
    ],
)
def test_white_space_at_the_seams(text, expected, cut):
    _, spans = after(ExactSubstrings(4), [X, text])
    assert substrings.without(text, spans) == expected
    assert {text[span.start : span.stop] for span in spans} == {cut}


def test_words_are_not_glued_together():
    _, spans = after(ExactSubstrings(5), ["- k l m -", "a-k l m-b"])
    assert spans == [Span(1, 8, 5, 0)]
    assert substrings.without("a-k l m-b", spans) == "a b"


def test_the_first_copy_by_number_is_named_and_what_touches_is_one():
    texts = ["z", "a b c d", "q a b c d q", "x a b c d a b c d y", "a b c"]
    assert after(ExactSubstrings(4), texts, 3) == [[], [], [Span(2, 10, 4, 1)], [Span(2, 18, 8, 1)], []]


def test_a_fingerprint_is_that_of_its_window_alone():
    """Equal windows have equal fingerprints, taken at the same place in them, whatever stands around."""
    chance = random.Random(1)
    for length in (1, 2, 3, 7, 50):
        step = ExactSubstrings(length)
        window = [bytes([chance.choice(b"abc")]) for _ in range(length)]
        ((key,), (place,)) = substrings.fingerprints(step, window)
        for size in (1, 30):
            before = [bytes([chance.choice(b"abc")]) for _ in range(size)]
            keys, places = substrings.fingerprints(step, [*before, *window, b"d"])
            assert (keys[size], places[size] - size) == (key, place)
        assert len(substrings.fingerprints(step, window[1:])[0]) == 0


def test_few_fingerprints_stand_for_many_windows():
    """Winnowing's density: 2 of w + 1 places are taken in random text (Schleimer et al. 2003, theorem 1)."""
    tokens = [b"%d" % number for number in np.random.default_rng(2).permutation(200_000)]
    _, places = substrings.fingerprints(ExactSubstrings(50), tokens)
    w = 26
    share, expected = len(np.unique(places)) / len(tokens), 2 / (w + 1)
    assert abs(share - expected) < 5 * (expected / len(tokens)) ** 0.5  # 5 sigma, were the places independent


def test_what_stands_once_sends_no_window():
    texts = [" ".join(f"w{number}" for number in range(start, start + 300)) for start in (0, 1000)]
    step = ExactSubstrings(50)
    found = substrings.merged(np.concatenate([substrings.of_document(step, text) for text in texts]))
    assert len(substrings.shared(found)) == 0 and not found["is_repeated"].any()
    assert 20 < len(found) < 100
    again = np.concatenate([found, found[:1]])
    assert substrings.shared(again)["key"].tolist() == found["key"][:1].tolist() * 2


@pytest.mark.parametrize(
    "text",
    [
        *("a " * 200_000, "a" * 1_000_000, "\n" * 1_000_000, "a\n\n" * 100_000, "\ud800 " * 100_000),
        *(pytest.param(it, marks=pytest.mark.slow) for it in ("日" * 300_000, "[" * 300_000)),
        *(pytest.param(it, marks=pytest.mark.slow) for it in ("a b " * 100_000, "é\u0301" * 100_000)),
    ],
    ids=range(9),
)
def test_a_trap_takes_linear_time(text):
    with cpu_limit():
        for step, given_ in ((ExactSubstrings(1000), text[:20_000]), (ExactSubstrings(), text)):
            (spans,) = after(step, [given_])
    assert len(substrings.tokens(text)) < 50 or len(substrings.tokens(substrings.without(text, spans))) <= 2


def test_impossible_lengths_are_refused():
    for given_, told in (({"min_tokens": 0}, "at least 1"), ({"min_tokens": 1001}, "at most 1000")):
        with pytest.raises(ValueError, match=rf"ExactSubstrings\(min_tokens=\d+\): expected {told}"):
            ExactSubstrings(**given_)
    with pytest.raises(ValueError, match=r"ExactSubstrings\(min_characters=-1\): expected at least 0"):
        ExactSubstrings(min_characters=-1)


@pytest.mark.parametrize("text, is_enough", [("x" * 20, True), (f" {'x' * 19}\n\n", False), ("-" * 30, False)])
def test_how_much_must_be_left(text, is_enough):
    assert ExactSubstrings().is_enough(text) is is_enough


def test_a_cut_shows_its_first_500_characters():
    document = bare_document("ab" * 600, id="x@1", url="http://a.example/")
    assert Cut.of(document, step="S", start=1, stop=1199, evidence="y@2") == Cut(
        "x@1", "http://a.example/", "S", 1, 1199, "ba" * 250, "y@2"
    )
    assert Cut.of(document, step="S", start=2, stop=5, evidence="").text == "aba"


RECIPE = """\
import dataclasses
from curation.dedup.pages import FirstOfUrl
from curation.dedup.substrings import ExactSubstrings
from curation.extract import ExtractText
from curation.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Size:
    THRESHOLDS = ("least",)

    least: int = LEAST

    def measure(self, text):
        return {"size": len(text.content)}

    def reason(self, signals):
        return ("too_small", "size") if signals["size"] < self.least else None


RECIPE = Recipe("cutting", "a test", (ExtractText(), BEFORE ExactSubstrings(8, 10), Size(), FirstOfUrl()))
"""


LENGTH = """\
@dataclasses.dataclass(frozen=True)
class Length(Size):
    least: int = LENGTH

    def measure(self, text):
        return {"length": len(text.content)}

    def reason(self, signals):
        return ("short", "length") if signals["length"] < self.least else None


"""


def wet(texts):
    """One WET archive of these texts, by URL."""
    pages = [plain_c4._member("conversion", text, url) for url, text in texts]
    return b"".join([plain_c4._member("warcinfo", "Software-Info: tests\n"), *pages])


def made_texts(chance, count):
    """Pages of plain words, some of which hold a passage that others hold too, from its start or from its middle."""
    words = [f"w{number}" for number in range(40)]
    passages = [" ".join(chance.choices(words, k=20)) for _ in range(4)]
    for _ in range(count):
        pieces = [" ".join(chance.choices(words, k=chance.randint(0, 15))) for _ in range(chance.choice([0, 3, 3]))]
        for _ in range(chance.randint(0, 2)):
            passage = chance.choice(passages).split(" ")
            pieces.insert(chance.randint(0, len(pieces)), " ".join(passage[chance.randint(0, 9) :]))
        yield "\n".join(filter(None, pieces)) or "-"


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The folder of three archives and the flags to read them; a passage stands in all of them, and twice in some."""
    folder, chance = tmp_path_factory.mktemp("cutting"), random.Random(3)
    for number in range(3):
        texts = [(f"http://a.example/{number}/{page // 2}", text) for page, text in enumerate(made_texts(chance, 25))]
        (folder / f"made-{number}.warc.wet.gz").write_bytes(wet(texts))
    (folder / "cutting.py").write_text(RECIPE.replace("LEAST", "60").replace("BEFORE ", ""))
    return folder, ["--input", f"{folder}/*.wet.gz", "--vocab-size", "512"]


@pytest.fixture(scope="module")
def corpus(archives):
    """A corpus that is cut, made on Beam by three workers."""
    folder, flags = archives
    output, carrier = folder / "corpus", ["--workers", "3", "--exchange", "shuffle"]
    assert curate.main([*flags, "--recipe", f"{folder}/cutting.py", "--output", str(output), *carrier]) == 0
    return output


@pytest.fixture
def in_this_process(monkeypatch):
    """Without Beam, one task after another."""
    monkeypatch.setattr(launch, "run", plain_launch.run)


def rows(corpus, name):
    return [row for path in sorted((corpus / name).iterdir()) for row in pq.read_table(path).to_pylist()]


def assert_same(one, other):
    """The same files with the same bytes, but for what the manifests say of time and machine."""
    assert manifest.load(str(one)).outputs == manifest.load(str(other)).outputs
    for expected in manifest.load(str(one)).outputs:
        assert (other / expected.path).read_bytes() == (one / expected.path).read_bytes()


@pytest.mark.slow
def test_a_run_cuts_what_the_definition_says_and_writes_it_down(corpus):
    before = sorted(rows(corpus, "filtered"), key=lambda row: (row["warc"], row["offset"]))
    gone, kept = cut_tokens([row["text"] for row in before], 8)
    after_it = {row["id"]: row for row in rows(corpus, "documents")}
    rejected = {row["id"]: row for row in rows(corpus, "rejected")}
    cuts = rows(corpus, "cuts")
    reasons = set()
    for row, cut, first in zip(before, gone, kept, strict=True):
        mine = [it for it in cuts if it["id"] == row["id"]]
        tokens = substrings.tokens(row["text"])
        left = [token for token, is_gone in zip(tokens, cut, strict=True) if not is_gone]
        starts = [place for place, is_gone in enumerate(cut) if is_gone and (place == 0 or not cut[place - 1])]
        assert [it["evidence"] for it in mine] == [before[first[place]]["id"] for place in starts]
        for it in mine:
            assert it["text"] == row["text"][it["start"] : it["stop"]] and it["url"] == row["url"]
            assert it["step"] == "ExactSubstrings"
        spans = [Span(it["start"], it["stop"], 0, 0) for it in mine]
        text = substrings.without(row["text"], spans)
        assert substrings.tokens(text) == left
        if row["id"] in after_it:
            signals = dict(after_it[row["id"]]["signals"])
            assert after_it[row["id"]]["text"] == text
            assert signals == {"cut_spans": len(mine), "cut_tokens": sum(cut), "size": len(text)}
        else:
            found = rejected[row["id"]]
            reasons.add(found["reason"])
            assert (found["reason"] == "nothing_left") == (bool(mine) and (len(text.strip()) < 10 or "w" not in text))
            if found["reason"] == "nothing_left":
                assert (found["value"], found["evidence"]) == (len(text.strip()), mine[0]["evidence"])
    assert reasons == {"nothing_left", "too_small", "same_url"}
    assert sum(it.path.startswith("cuts/") for it in manifest.load(str(corpus)).outputs) == 3
    assert len({it["evidence"] for it in cuts}) > 3 and any(it["evidence"] == it["id"] for it in cuts)


@pytest.mark.slow
@pytest.mark.parametrize("carrier", ["files", "shuffle"])
def test_workers_carriers_and_the_order_of_tasks_change_nothing(carrier, archives, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "run", functools.partial(plain_launch.run, seed=carrier))
    (folder, known), flags = archives, ["--workers", "1", "--exchange", carrier]
    assert curate.main([*known, "--recipe", f"{folder}/cutting.py", "--output", str(tmp_path / "out"), *flags]) == 0
    assert_same(corpus, tmp_path / "out")


@pytest.mark.slow
def test_a_run_goes_on_where_cuts_are_missing(archives, corpus, in_this_process, tmp_path):
    folder, flags = archives
    output = tmp_path / "out"
    shutil.copytree(corpus, output)
    (output / "manifest.json").unlink()
    next(iter(sorted((output / "cuts").iterdir()))).unlink()
    command = [*flags, "--recipe", f"{folder}/cutting.py", "--output", str(output), "--workers", "1"]
    assert curate.main(command) == 0
    assert_same(corpus, output)


@pytest.mark.slow
def test_refilter_cuts_anew(archives, in_this_process, tmp_path):
    """Another threshold before the step leaves other documents, and so other first copies."""
    _, flags = archives
    for name, least in (("old", 30), ("new", 160)):
        own = RECIPE.replace("RECIPE =", f"{LENGTH.replace('LENGTH', str(least))}RECIPE =").replace(
            "BEFORE", "Length(),"
        )
        (tmp_path / f"{name}.py").write_text(own.replace("LEAST", "60"))
        known = [*flags, "--recipe", f"{tmp_path}/{name}.py", "--workers", "1"]
        assert curate.main([*known, "--output", f"{tmp_path}/{name}"]) == 0
    made = ["--corpus", f"{tmp_path}/old", "--recipe", f"{tmp_path}/new.py", "--output", f"{tmp_path}/again"]
    assert refilter.main([*made, "--workers", "1"]) == 0
    for path in ("cuts", "documents"):
        for expected in sorted((tmp_path / "new" / path).iterdir()):
            assert (tmp_path / "again" / path / expected.name).read_bytes() == expected.read_bytes()
    assert rows(tmp_path / "new", "cuts") != rows(tmp_path / "old", "cuts")
