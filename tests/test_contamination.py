"""Documents that hold evaluation items: n-grams against a slow plain reading, each rule by hand, and bad files."""

import dataclasses
import gzip
import hashlib
import json
import random
import string
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import evaluation_sets, overlaps, word_ngrams
from curation.dedup.contamination import Against, Contamination
from curation.dedup.overlaps import judged
from curation.dedup.word_ngrams import ITEM, NgramIndex, of_items
from curation.document import Rejection
from curation.extraction.settings import ExtractText
from curation.walk import bare_document
from tests.cpu_limit import cpu_limit

ANY = Contamination("none")


def numbered(first, last):
    return " ".join(f"w{number}" for number in range(first, last))


def index_of(texts, n):
    return NgramIndex.of(*of_items([(0, number, text) for number, text in enumerate(texts, 1)], n), n)


def judge(step, items, text, ignored=()):
    index = index_of(items, step.n)
    found = word_ngrams.but_for(index.matches(text, 7), np.array(ignored, np.uint32))
    return index, judged(step, index, text, found)


def outcome(step, items, text):
    index, it = judge(step, items, text)
    document = bare_document(text, id="a.warc@7", signals={"words": 1.0})
    return overlaps.outcome(step, index, ["set.jsonl"], document, it)


def plain_words(text):
    """By GPT-3's definition, for texts with blanks between words."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return bare.split()


def plain_matches(items, text, n):
    """(first word, length, item) of each n-gram of the text that stands in an item."""
    found, here = set(), plain_words(text)
    for item, other in enumerate(map(plain_words, items)):
        length = min(n, len(other))
        if length < min(n, 8):
            continue
        theirs = {tuple(other[at : at + length]) for at in range(len(other) - length + 1)}
        found |= {(at, length, item) for at in range(len(here) - length + 1) if tuple(here[at : at + length]) in theirs}
    return found


TEXTS = st.lists(st.sampled_from(["a", "B,", "b", "(c", "d-", "--", "don't"]), max_size=25).map(" ".join)


@given(st.lists(TEXTS, max_size=4), TEXTS, st.sampled_from([1, 2, 3, 9, 13]))
def test_matches_are_those_of_a_naive_reading(items, text, n):
    index, found = index_of(items, n), set()
    for _, at, length, ngram in index.matches(text, 7).tolist():
        found |= {(at, length, item) for item in index.owners(np.array([ngram]))[1].tolist()}
    assert found == plain_matches(items, text, n)


@given(st.text() | TEXTS)
def test_every_word_has_its_place_in_the_text(text):
    words, places = word_ngrams.words(text), word_ngrams.places(text).tolist()
    assert len(words) == len(places)
    ends = [bound for place in places for bound in place]
    assert ends == sorted(ends)
    for word, (start, stop) in zip(words, places, strict=True):
        piece = text[start:stop]
        assert start < stop and len(word_ngrams.words(piece)) == 1
        if "Σ" not in text:  # whose small letter depends on what follows
            assert word_ngrams.words(piece) == [word]


@pytest.mark.parametrize(
    "starts",  # no others are assigned
    [
        [*range(0, 0x20000, 4096), 0xE0000, sys.maxunicode - 4095],
        pytest.param(range(0x20000, 0x40000, 4096), marks=pytest.mark.slow),  # Chinese characters alone
    ],
    ids=["all but ideographs", "ideographs"],
)
def test_no_character_makes_words_and_places_differ(starts):
    for start in starts:
        text = " ".join(f"a{each}b{each}" for each in map(chr, range(start, start + 4096)))
        assert len(word_ngrams.words(text)) == len(word_ngrams.places(text)), hex(start)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The quick, brown fox.", ["the", "quick", "brown", "fox"]),
        ("Don't  STOP\n— it's “well-known” … $5", ["dont", "stop", "its", "wellknown", "5"]),
        ("Where's 中文。ア・ベ ไทย", ["wheres", "中", "文", "ア", "ベ", "ไ", "ท", "ย"]),
        ("", []),
        ("\ud800 ok", ["\ud800", "ok"]),
    ],
)
def test_words_are_lower_case_without_punctuation(text, expected):
    assert word_ngrams.words(text) == expected


ITEM_TEXT = "What, then, is the capital of the old kingdom by the river? It is Lindow."  # 15 words


def test_gpt3_one_ngram_of_13_words_is_enough():
    before, after = "Some say: ", " And so on."
    twelve = "then is the capital of the old kingdom by the river it"
    assert judge(ANY, [ITEM_TEXT], f"x {twelve} y")[1] is None
    found = judge(ANY, [ITEM_TEXT], f"{before}THEN is the Capital of the old, old")[1]
    assert found is None
    text = f"{before}“THEN is the Capital, of the old kingdom by the river — it Is”{after}"
    it = judge(ANY, [ITEM_TEXT], text)[1]
    assert it.num_ngrams == 1 and it.items.tolist() == [0]
    ((_, item, start, stop),) = it.spans.tolist()
    assert item == 0 and text[start:stop] == "THEN is the Capital, of the old kingdom by the river — it Is"


def test_short_items_are_one_ngram_from_eight_words_on():
    items = ["one two three four five six seven", "one two three four five six seven eight"]
    index = index_of(items, 13)
    assert index.items["ngrams"].tolist() == [0, 1] and index.items["words"].tolist() == [7, 8]
    assert judge(ANY, items, "zero one two three four five six seven nine")[1] is None
    assert judge(ANY, items, "zero one two three four five six seven, EIGHT nine")[1].items.tolist() == [1]
    assert index_of(items, 5).items["ngrams"].tolist() == [3, 4]


def test_ngrams_that_do_not_count_are_left_out():
    index = index_of([ITEM_TEXT], 13)
    assert judge(ANY, [ITEM_TEXT], ITEM_TEXT, ignored=range(len(index.keys)))[1] is None
    assert judge(ANY, [ITEM_TEXT], ITEM_TEXT)[1].num_ngrams == 3
    assert judge(ANY, [ITEM_TEXT], ITEM_TEXT, ignored=[0])[1].num_ngrams == 2


@pytest.mark.parametrize("found, is_held", [(13, False), (14, True), (20, True)])
def test_share_of_the_ngrams_of_an_item(found, is_held):
    """27 words are 20 8-grams, of which .7 are 14: those of the first 21 words."""
    step = Contamination("none", rule="share", n=8, min_share=0.7)
    text = f"so {numbered(0, found + 7)} it goes"
    it = judge(step, [numbered(0, 27)], text)[1]
    assert (it is not None) == is_held
    if it:
        assert it.num_ngrams == found
        ((_, _, start, stop),) = it.spans.tolist()
        assert text[start:stop] == numbered(0, found + 7)


def test_an_ngram_that_stands_twice_is_counted_once():
    step = Contamination("none", rule="share", n=8, min_share=0.5)
    half = numbered(0, 9)  # 2 of 6 n-grams
    assert judge(step, [numbered(0, 13)], f"{half} . {half} . {half}")[1] is None
    assert judge(step, [numbered(0, 13)], f"{half} w9")[1].num_ngrams == 3


def test_dropped_documents_say_which_item_they_hold():
    found, cuts = outcome(dataclasses.replace(ANY, action="drop"), ["x", ITEM_TEXT], f"Listen! {ITEM_TEXT}")
    assert isinstance(found, Rejection) and cuts == ()
    assert (found.step, found.reason, found.value) == ("Contamination", "contaminated", 3.0)
    assert found.evidence == f"set.jsonl#2 {ITEM_TEXT[:-1]}"
    share = Contamination("none", "drop", "share", 8, 0.5)
    found, _ = outcome(share, [numbered(0, 27)], numbered(5, 27))
    assert (found.reason, found.value) == ("contaminated", 0.75)


def test_reported_documents_stay_and_clean_ones_count_nothing():
    for text, count in ((f"Listen! {ITEM_TEXT}", 3.0), ("Listen!", 0.0)):
        found, cuts = outcome(ANY, [ITEM_TEXT], text)
        assert found.text == text and cuts == ()
        assert found.signals == {"words": 1.0, "contaminated_ngrams": count}


def test_gpt3_cuts_200_characters_on_either_side():
    before, after = "b" * 250 + " " + "c" * 200, "d" * 200 + "e" * 300
    text = f"{before} {ITEM_TEXT} {after}"
    found, cuts = outcome(dataclasses.replace(ANY, action="cut"), [ITEM_TEXT], text)
    start, stop = text.index("What") - 200, text.index("Lindow") + 6 + 200
    assert found.text == f"{text[:start].strip()}\n{text[stop:]}"
    assert found.signals["contaminated_ngrams"] == 3
    ((cut_start, cut_stop, evidence),) = [(cut.start, cut.stop, cut.evidence) for cut in cuts]
    assert (cut_start, cut_stop, evidence) == (start, stop, "set.jsonl#1")


def test_short_pieces_go_and_what_has_none_left_is_rejected():
    cut = dataclasses.replace(ANY, action="cut")
    text = f"{'b' * 399} {ITEM_TEXT} {'e' * 700}"  # 200 characters before the window
    assert outcome(cut, [ITEM_TEXT], text)[0].text == f"{'b' * 200}\n{text[text.index('Lindow') + 206 :]}"
    found, (only,) = outcome(cut, [ITEM_TEXT], text[1:])
    assert found.text == text[text.index("Lindow") + 206 :]
    assert (only.start, only.stop) == (0, text.index("Lindow") + 205)
    found, cuts = outcome(cut, [ITEM_TEXT], f"{'b' * 399} {ITEM_TEXT}"[1:])
    assert (found.reason, found.value, cuts) == ("nothing_left", 3.0, ())


@pytest.mark.parametrize("times, is_kept", [(9, True), (10, False)])
def test_what_falls_into_more_than_ten_pieces_is_rejected(times, is_kept):
    long = "y" * 1000
    found, cuts = outcome(
        dataclasses.replace(ANY, action="cut"), [ITEM_TEXT], f" {ITEM_TEXT} ".join([long] * (times + 1))
    )
    assert isinstance(found, Rejection) != is_kept
    assert len(cuts) == (times if is_kept else 0)
    if not is_kept:
        assert (found.reason, found.value) == ("too_many_pieces", 11.0)


@given(
    st.lists(st.sampled_from([ITEM_TEXT, "x" * 30, "y " * 40, "z"]), max_size=12),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_cuts_and_what_is_left_make_the_text(parts, window, least):
    step = Contamination("none", "cut", window=window, min_piece=least, max_pieces=100)
    text = " ".join(parts)
    found, cuts = outcome(step, [ITEM_TEXT], text)
    if isinstance(found, Rejection):
        return
    bounds = [0, *(bound for cut in cuts for bound in (cut.start, cut.stop)), len(text)]
    pieces = [text[start:stop] for start, stop in zip(bounds[::2], bounds[1::2], strict=True)]
    assert found.text == "\n".join(filter(None, map(str.strip, pieces))) or (not cuts and found.text == text)
    assert not plain_matches([ITEM_TEXT], found.text.replace("\n", " | "), 13) or not cuts
    assert not cuts or all(len(piece) >= least for piece in pieces if piece)


def test_of_items_with_one_text_the_one_with_most_in_common_is_named():
    prompt = numbered(0, 13)
    items = [f"{prompt} a b c d", f"{prompt} e f g h", f"{prompt} i"]
    text = f"{prompt} e f g"
    it = judge(ANY, items, text)[1]
    assert it.items.tolist() == [0, 1, 2] and it.spans[:, 1].tolist() == [1]


def test_linear_in_hostile_texts():
    items = ["a " * 60, "[ [ [ a", *(f"{'a ' * 20} b{number}" for number in range(2000))]
    index = index_of(items, 13)
    with cpu_limit():
        for text in ("a " * 300_000, "[" * 10**6, "a" + "(" * 10**6, "中" * 300_000, "\ud800 " * 10**5, "(a" * 300_000):
            document, found = bare_document(text), index.matches(text, 1)
            for step in (ANY, dataclasses.replace(ANY, action="cut"), Contamination("n", "cut", "share", 13)):
                it = judged(step, index, text, found)
                overlaps.outcome(step, index, ["set"], document, it)
                if it:
                    assert len(it.spans) <= 100
                    overlaps.rows(step, index, ["set"], document, it)


def test_an_empty_index_finds_nothing():
    index = index_of(["too short"], 13)
    assert len(index.keys) == 0 and index.items["ngrams"].tolist() == [0]
    assert len(index.matches(numbered(0, 50), 1)) == 0
    assert len(NgramIndex.of(np.empty(0, word_ngrams.NGRAM), np.empty(0, ITEM), 13).matches("a b", 1)) == 0


ROWS = [
    {"question": ITEM_TEXT, "choices": ["one two", {"text": "three"}], "id": 7},
    {"question": "", "n": None},
    {"q": "x"},
]


def written(folder, name, rows):
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
    elif name.endswith(".zst"):
        compressor = zstandard.ZstdCompressor()
        path.write_bytes(compressor.compress(content[:50]) + compressor.compress(content[50:]))  # two frames
    else:
        path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("suffix", evaluation_sets.SUFFIXES)
def test_items_are_all_strings_of_a_row(tmp_path, suffix):
    rows = ROWS if suffix != ".parquet" else [{"question": ITEM_TEXT, "choices": ["one two", "three"], "id": 7}]
    path = written(tmp_path, f"set{suffix}", rows)
    found = list(evaluation_sets.items("--against", path))
    assert found[0] == (1, f"{ITEM_TEXT}\none two\nthree")
    assert found[1:] == ([(2, ""), (3, "x")] if suffix != ".parquet" else [])
    assert next(evaluation_sets.items("--against", path, ["choices"])) == (1, "one two\nthree")


def test_rows_count_lines_and_may_be_no_objects(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(b'\xef\xbb\xbf"one"\n\n  \n["two", [["three"]], 4]')
    assert list(evaluation_sets.items("--against", str(path))) == [(1, "one"), (4, "two\nthree")]


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("set.jsonl", b"", "set.jsonl holds no text in any row"),
        ("set.jsonl", b'{"a": 1}\n{"b": ["  "]}\n', "set.jsonl holds no text in any row"),
        ("set.jsonl", b'{"a": "x"}\n{"a": \n', "set.jsonl, line 2: no JSON (Expecting value"),
        ("set.jsonl", b'{"a": "x"}\n{"a": "\xff"}\n', "set.jsonl, line 2: no JSON ('utf-8' codec"),
        ("set.jsonl", b"[" * 100_000, "set.jsonl, line 1: no JSON (maximum recursion"),
        ("set.jsonl.gz", b'{"a": "x"}\n', "set.jsonl.gz cannot be read (Not a gzipped file"),
        (
            "set.jsonl.gz",
            gzip.compress(b'{"a": "x"}\n' * 100)[:-20],
            "set.jsonl.gz cannot be read (Compressed file ended",
        ),
        ("set.jsonl.zst", b"no zstd", "set.jsonl.zst cannot be read ("),
        ("set.parquet", b"no parquet", "set.parquet cannot be read ("),
    ],
)
def test_bad_files_are_errors_of_one_line(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        Contamination(str(tmp_path)).check()
    assert told in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_huge_line_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_sets, "_MAX_LINE", 1 << 20)
    (tmp_path / "set.jsonl").write_bytes(b'{"a": "x"}\n{"a": "' + b"x" * (1 << 20) + b'"}\n')
    with pytest.raises(ValueError, match=r"set\.jsonl, line 2: longer than 1 MiB; one item a line is expected"):
        Contamination(str(tmp_path)).check()


def test_bad_folders_and_names_are_errors(tmp_path):
    cases = {
        "no folder with files": Contamination(str(tmp_path / "none")),
        "no folder with files that end in": Contamination(str(tmp_path)),
        "expected a file that ends in .jsonl": Contamination("", files=("set.csv",)),
        "cannot be read: No such file": Contamination("", files=(f"{tmp_path}/none.jsonl",)),
        "two files are named set.jsonl": Contamination("", files=("a/set.jsonl", "b/set.jsonl")),
    }
    for told, step in cases.items():
        with pytest.raises(ValueError, match=told):
            step.check()
    written(tmp_path, "set.jsonl", [{"question": ITEM_TEXT, "id": "7"}])
    with pytest.raises(ValueError, match=r"no row has text in answer; it has 'question', 'id': name others"):
        Contamination(str(tmp_path), fields=("answer",)).check()
    written(tmp_path, "set.parquet", [{"question": ITEM_TEXT}])
    with pytest.raises(ValueError, match=r"set.parquet has no column answer; it has 'question'"):
        Contamination("", files=(f"{tmp_path}/set.parquet",), fields=("answer",)).check()
    with pytest.raises(ValueError, match="expected a folder of evaluation sets"):
        Contamination("")


def test_the_digest_is_that_of_sha256sum(tmp_path):
    for name in ("b.jsonl", "a.parquet"):
        written(tmp_path, name, [{"question": name}])
    (tmp_path / "README").write_text("no set")
    sums = [
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in ("a.parquet", "b.jsonl")
    ]
    expected = hashlib.sha256("".join(sums).encode()).hexdigest()
    step = Contamination(str(tmp_path), sha256=expected)
    step.check()
    assert [file.name for file in step.sets()] == ["a.parquet", "b.jsonl"]
    with pytest.raises(ValueError, match=f"has sha256 {expected} over a.parquet, b.jsonl, expected 00"):
        dataclasses.replace(step, sha256="0" * 64).check()


def test_flags_and_the_recipes_own_sets_come_together(tmp_path):
    one, two = (written(tmp_path, name, [{"question": name}]) for name in ("one.jsonl", "two.jsonl"))
    extract = ExtractText()
    assert Against().pinned((extract,)).steps((extract,)) == (extract,)
    flags = Against((one,), action="drop").pinned((extract,))
    (_, step) = flags.steps((extract,))
    assert step == Contamination("", "drop", files=(one,), sha256=flags.sha256) and len(flags.sha256) == 64
    own = Contamination("", files=(one,), n=8, sha256=flags.sha256)
    both = Against((two,)).pinned((extract, own))
    assert both.sha256 not in ("", flags.sha256)
    assert both.steps((extract, own)) == (extract, dataclasses.replace(own, files=(one, two), sha256=both.sha256))
    assert Against.of_json(json.loads(json.dumps(dataclasses.asdict(both)))) == both
    for wrong in ({"files": "a"}, {"file": ["a"]}, {"action": "burn"}, [1]):
        with pytest.raises(ValueError, match="setting `against` cannot be read"):
            Against.of_json(wrong)
    with pytest.raises(ValueError, match="--contamination drop: recipe has no Contamination step"):
        Against(action="drop").pinned((extract,))
    with pytest.raises(ValueError, match="has sha256"):
        Against((two,)).pinned((extract, dataclasses.replace(own, sha256="0" * 64)))


def test_the_order_of_items_and_texts_decides_nothing_but_numbers():
    chance = random.Random(3)
    items = [" ".join(chance.choices("abcdefg", k=30)) for _ in range(20)]
    text = " ".join([*items[3].split(), *chance.choices("abcdefg", k=500), *items[11].split()])
    there, back = judge(ANY, items, text)[1], judge(ANY, items[::-1], text)[1]
    assert there.num_ngrams == back.num_ngrams
    assert there.items.tolist() == sorted(19 - back.items)
    assert {3, 11} <= set(there.items.tolist())
