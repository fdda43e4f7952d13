"""Bloom filters and the steps that ask them, beside plain programs with exact sets; pages of one payload."""

import collections
import dataclasses
import functools
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import manifest
from curation.dedup import bloom
from curation.dedup.bloom import BloomNgrams, BloomParagraphs
from curation.dedup.bloom_filter import BloomFilter
from pipelines import curate, launch
from tests import plain_launch, warc_builder
from tests.cpu_limit import cpu_limit

NEVER = 1e-9  # a rate at which nothing is taken for seen in these tests


def plain_filter(capacity, rate, keys):
    """What a Bloom filter answers that looks at one key and one bit at a time, with the bits of ours."""
    made = BloomFilter(capacity, rate)
    bits, answers = set(), []
    for key in keys:
        asked = made._bits(np.array([key], np.uint64))[0].tolist()
        answers.append(bits.issuperset(asked))
        bits.update(asked)
    return answers


@given(
    st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 20), max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
    st.sampled_from([0.5, 0.1, 0.01, 1e-9]),
)
def test_whole_arrays_are_answered_like_key_after_key_in_any_pieces(keys, cuts, rate):
    ours = BloomFilter(4, rate)
    pieces = np.split(np.array(keys, np.uint64), sorted(cuts))
    answers = [answer for piece in pieces for answer in ours.see(piece).tolist()]
    assert answers == plain_filter(4, rate, keys)
    assert ours.num_new == answers.count(False)
    assert all(ours.see(np.array(keys, np.uint64)))


def test_more_keys_than_are_looked_at_together():
    keys = np.random.default_rng(0).integers(0, 2**64, 100_000, np.uint64)
    twice = np.concatenate([keys, keys[::-1]])
    seen = BloomFilter(100_000, NEVER).see(twice)
    assert seen.tolist() == [False] * 100_000 + [True] * 100_000


@pytest.mark.parametrize("capacity", [1_000, 50_000])
@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01, 0.001])
def test_a_full_filter_is_wrong_at_the_promised_rate(rate, capacity):
    """Of 100,000 other keys, within five standard deviations; and no larger than it need be."""
    generator = np.random.default_rng(7)
    filled = BloomFilter(capacity, rate)
    missed = capacity - len(np.flatnonzero(~filled.see(generator.integers(0, 2**64, capacity, np.uint64))))
    assert missed == capacity - filled.num_new <= capacity * rate
    asked, held = 100_000, filled._bytes.copy()
    bits = filled._bits(generator.integers(0, 2**64, asked, np.uint64))
    wrong = np.unpackbits(held, bitorder="little")[bits].all(axis=1).sum()
    assert abs(wrong - asked * rate) < 5 * (asked * rate * (1 - rate)) ** 0.5 + 5 * asked * rate / capacity**0.5
    assert filled.num_bits < 1.2 * max(1.4427 * -np.log2(rate) * capacity, 1024)


@pytest.mark.parametrize(
    "text, words",
    [
        ("He can't pay 3.14, or 1,000!", ["He", "can't", "pay", "3.14", ",", "or", "1,000", "!"]),
        ("(u.s.a) foo_bar a-b", ["(", "u.s.a", ")", "foo_bar", "a", "-", "b"]),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7 日本", ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7", "日", "本"]),
        (" \t\u3000", []),
        ("e\u0301a  b", ["e\u0301a", "b"]),
    ],
)
def test_words_are_what_lies_between_the_boundaries_of_unicode(text, words):
    assert [word for word in bloom._WORD.findall(text) if not word.isspace()] == words


def plain_paragraphs(texts):
    """Each text without the lines that stand before it, or before in it."""
    seen, left = set(), []
    for text in texts:
        kept = []
        for line in text.split("\n"):
            if not line.strip() or line not in seen:
                kept.append(line)
            if line.strip():
                seen.add(line)
        left.append("\n".join(kept))
    return left


def plain_ngrams(step, texts, *, of_kept=False):
    """Each text as bff leaves it, or None where it drops it; with `of_kept` it learns from kept paragraphs alone."""
    seen, left = set(), []
    for text in texts:
        kept, known, total = [], 0, 0
        for line in text.split("\n"):
            words = line.split()
            found = [tuple(words[at : at + step.size]) for at in range(len(words) - step.size + 1)]
            if not found and len(words) >= step.min_words:
                found = [tuple(words)]
            here = sum(ngram in seen for ngram in found)
            known, total = known + here, total + len(found)
            is_seen = bool(found) and here / len(found) > step.max_seen
            if not is_seen:
                kept.append(line)
            if not (is_seen and of_kept):
                seen.update(found)
        left.append(None if total and known / total > step.max_seen else "\n".join(kept))
    return left


def of_step(step, texts):
    """Each text as the step leaves it, or None where it drops it; one filter for all."""
    sent = sum(len(bloom.keys(step, text)) for text in texts)
    filled = bloom.filter_of(step, sent=sent, partitions=1)
    found = [bloom.verdict(step, text, filled.see(bloom.keys(step, text))) for text in texts]
    return [None if it.reason == "seen_ngrams" else it.text for it in found]


LINES = st.lists(st.text("ab \t", max_size=4) | st.sampled_from(["", "the same", "The same", "the same "]), max_size=6)


@given(st.lists(LINES.map("\n".join), max_size=6))
def test_paragraphs_that_stay_are_those_of_exact_sets(texts):
    assert of_step(BloomParagraphs(false_positive_rate=NEVER), texts) == plain_paragraphs(texts)


def test_beside_exact_sets_only_false_positives_differ():
    chance = random.Random(6)
    texts = [f"the line {chance.randint(0, 4000)}" for _ in range(5000)]
    found = of_step(BloomParagraphs(false_positive_rate=0.05), texts)
    exact = plain_paragraphs(texts)
    assert all(ours == "" for ours, plain in zip(found, exact, strict=True) if not plain)
    mistakes = sum(bool(plain) and not ours for ours, plain in zip(found, exact, strict=True))
    assert 0 < mistakes < 0.05 * sum(map(bool, exact))  # the filter is full, if ever, at the end


TEXTS = st.lists(
    st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), max_size=4).map("\n".join), max_size=8
)
SMALL = st.builds(
    lambda size, less, share: BloomNgrams(size, max(size - less, 1), share, false_positive_rate=NEVER),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.5, 0.8, 1.0]),
)


@given(SMALL, TEXTS)
def test_what_ngrams_leave_is_that_of_exact_sets(step, texts):
    assert of_step(step, texts) == plain_ngrams(step, texts)


@given(SMALL, TEXTS)
def test_what_bff_drops_is_dropped(step, texts):
    """bff knows the n-grams of kept paragraphs alone, and so never more than this step does."""
    for ours, bff in zip(of_step(step, texts), plain_ngrams(step, texts, of_kept=True), strict=True):
        assert ours is None or (
            bff is not None and not collections.Counter(ours.split()) - collections.Counter(bff.split())
        )


def test_an_ngram_of_a_dropped_paragraph_is_known_here_alone():
    words = [f"w{number}" for number in range(30)]
    texts = [" ".join(words[:27]), " ".join(words[:30]), " ".join(words[15:30])]
    step = BloomNgrams(false_positive_rate=NEVER)
    assert of_step(step, texts) == [texts[0], None, None]
    assert plain_ngrams(step, texts, of_kept=True) == [texts[0], None, texts[2]]


def test_long_documents_of_random_words():
    chance = random.Random(4)
    passages = [[f"w{chance.randint(0, 3000)}" for _ in range(60)] for _ in range(20)]
    texts = []
    for _ in range(60):
        lines = [chance.choice(passages)[chance.randint(0, 20) :] for _ in range(chance.randint(0, 3))]
        lines += [[f"w{chance.randint(0, 3000)}" for _ in range(chance.randint(0, 40))] for _ in range(2)]
        chance.shuffle(lines)
        texts.append("\n".join(map(" ".join, lines)))
    step = BloomNgrams(false_positive_rate=NEVER)
    found = of_step(step, texts)
    assert found == plain_ngrams(step, texts)
    assert found.count(None) > 5 and any(it is not None and it != text for it, text in zip(found, texts, strict=True))


def test_a_verdict_says_what_was_measured():
    text = "new words\nseen once"
    found = bloom.verdict(BloomParagraphs(), text, np.array([False, True]))
    assert found == ("new words", {"seen_paragraphs": 1.0}, None, 0.0)
    found = bloom.verdict(BloomParagraphs(), text, np.array([True, True]))
    assert (found.reason, found.value) == ("no_line_left", 2.0)
    step = BloomNgrams(size=2, min_words=2, max_seen=0.5)
    found = bloom.verdict(step, "a b c\nd e", np.array([True, True, False]))
    assert (found.text, found.signals) == ("d e", {"seen_ngram_share": 2 / 3, "seen_paragraphs": 1.0})
    assert (found.reason, found.value) == ("seen_ngrams", 2 / 3)


@given(st.text() | st.text(st.characters(categories=["Cs", "Zs", "Mn", "So"])))
def test_any_text_has_a_verdict(text):
    for step in (BloomParagraphs(), BloomNgrams(), BloomNgrams(size=2, min_words=1)):
        keys = bloom.keys(step, text)
        assert keys.dtype == np.uint64
        for seen in (np.zeros(len(keys), bool), np.ones(len(keys), bool)):
            found = bloom.verdict(step, text, seen)
            assert found.text == text or seen.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["[", "a ", "a\n", "\n", "\U0001f1e9", "\u0301", "\u200d", "\u0301\U0001f1e9", "a'\u0301", "1,", '\u05d0"']
)
def test_time_is_linear_in_the_text(piece):
    text = piece * (300_000 // len(piece))
    with cpu_limit():
        for step in (BloomParagraphs(), BloomNgrams(), BloomNgrams(size=10**6, min_words=1)):
            keys = bloom.keys(step, text)
            bloom.verdict(step, text, np.ones(len(keys), bool))


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"false_positive_rate": 0.0}, "BloomNgrams(false_positive_rate=0.0): expected a share from 1e-09 to 0.5"),
        ({"false_positive_rate": 0.6}, "BloomNgrams(false_positive_rate=0.6): expected a share from 1e-09 to 0.5"),
        ({"expected_items": 0}, "BloomNgrams(expected_items=0): expected at least 1"),
        ({"size": 0}, "BloomNgrams(size=0): expected at least 1"),
        ({"min_words": 14}, "BloomNgrams(min_words=14): expected at most size, which is 13"),
    ],
)
def test_impossible_fields_are_refused(fields, told):
    with pytest.raises(ValueError) as caught:
        dataclasses.replace(BloomNgrams(), **fields)
    assert str(caught.value) == told


def test_more_than_was_expected_is_an_error_and_not_a_worse_rate():
    step = BloomParagraphs(expected_items=8000)
    filled = bloom.filter_of(step, sent=10**12, partitions=8)
    assert filled.num_bits < 24.1 * (1000 + 6 * 1000**0.5 + 2)
    keys = np.random.default_rng(1).integers(0, 2**64, 1100, np.uint64)
    filled.see(keys)
    filled.see(keys)
    bloom.check_room(step, filled, partitions=8)
    filled.see(keys + np.uint64(1))
    with pytest.raises(ValueError, match=r"2,200 things that differ.*room for 1,190.*set expected_items to 17,600 or"):
        bloom.check_room(step, filled, partitions=8)
    bloom.check_room(BloomParagraphs(), filled, partitions=8)


RECIPE = """\
from curation.dedup.bloom import BloomNgrams, BloomParagraphs
from curation.dedup.pages import FirstOfUrl, SamePayload
from curation.extract import ExtractText
from curation.recipe import Recipe

STEPS = (ExtractText(), SamePayload(), FirstOfUrl(normalized=True), BloomParagraphs(ROOM), BloomNgrams(6, 4, .6))
RECIPE = Recipe("bloom", "a test", STEPS)
"""


def made_texts(chance, count):
    """Texts of lines that stand in several, of parts of such lines, and of words of their own."""
    lines = [" ".join(f"w{chance.randint(0, 400)}" for _ in range(chance.randint(3, 25))) for _ in range(30)]
    for _ in range(count):
        kept = [chance.choice(lines) for _ in range(chance.randint(0, 2))]
        kept += [f"{chance.choice(lines)} {chance.randint(0, 10**6)}" for _ in range(chance.randint(0, 2))]
        kept += [" ".join(f"w{chance.randint(0, 400)}" for _ in range(20)) for _ in range(chance.randint(0, 1))]
        yield "\n".join(kept) or chance.choice(lines)


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The folder of three archives and a recipe; of some pages the text stands in another archive, or the URL."""
    folder, chance = tmp_path_factory.mktemp("bloom"), random.Random(3)
    texts = list(made_texts(chance, 90))
    for number in range(3):
        pages = [
            warc_builder.conversion(chance.choice(texts[:20]) if chance.random() < 0.2 else text, url=url)
            for page, text in enumerate(texts[number::3])
            for url in [f"http{'s' * chance.randint(0, 1)}://a.example/{page if page % 5 else 0}/{number % 2}"]
        ]
        (folder / f"made-{number}.warc.wet.gz").write_bytes(warc_builder.archive(pages))
    (folder / "bloom.py").write_text(RECIPE.replace("ROOM", ""))
    return folder


def made(folder, output, *flags, recipe="bloom.py"):
    known = ["--input", f"{folder}/*.wet.gz", "--vocab-size", "512", "--recipe", f"{folder}/{recipe}"]
    return curate.main([*known, "--output", str(output), *flags])


def rows(corpus, name):
    found = [row for path in sorted((corpus / name).iterdir()) for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: (row["warc"], row["offset"]))


@pytest.fixture(scope="module")
def corpus(archives):
    """Made on Beam by three workers."""
    assert made(archives, archives / "corpus", "--workers", "3", "--exchange", "shuffle") == 0
    return archives / "corpus"


@pytest.mark.slow
def test_a_run_keeps_what_plain_programs_keep(corpus):
    before, after = rows(corpus, "filtered"), {row["id"]: row for row in rows(corpus, "documents")}
    rejected = {row["id"]: (row["step"], row["reason"], row["evidence"]) for row in rows(corpus, "rejected")}
    copies, left = collections.Counter(row["digest"] for row in before), []
    first = {row["digest"]: row["id"] for row in reversed(before)}
    of_url = {}
    for row in before:
        url = row["url"].removeprefix("https").removeprefix("http")
        if first[row["digest"]] != row["id"]:
            assert rejected.pop(row["id"]) == ("SamePayload", "same_payload", first[row["digest"]])
        elif url in of_url:
            assert rejected.pop(row["id"]) == ("FirstOfUrl", "same_url", of_url[url])
        else:
            of_url[url] = row["id"]
            left.append(row)
    texts = plain_paragraphs(row["text"] for row in left)
    gone = [row["id"] for row, text in zip(left, texts, strict=True) if not text.strip()]
    assert all(rejected.pop(name) == ("BloomParagraphs", "no_line_left", None) for name in gone)
    left = [(row, text) for row, text in zip(left, texts, strict=True) if text.strip()]
    texts = plain_ngrams(BloomNgrams(6, 4, 0.6), [text for _, text in left])
    for (row, _), text in zip(left, texts, strict=True):
        if text is None:
            assert rejected.pop(row["id"]) == ("BloomNgrams", "seen_ngrams", None)
        else:
            found = after.pop(row["id"])
            assert (found["text"], found["copies"]) == (text, copies[row["digest"]])
            assert dict(found["signals"]).keys() == {"seen_paragraphs", "seen_ngram_share"}
    assert not after and {step for step, _, _ in rejected.values()} <= {"response", "ExtractText"}
    steps = manifest.load(str(corpus)).ledger["rejected"].keys()
    assert steps >= {"SamePayload", "FirstOfUrl", "BloomParagraphs", "BloomNgrams"}


@pytest.mark.slow
@pytest.mark.parametrize("carrier", ["files", "shuffle"])
def test_workers_carriers_and_the_order_of_tasks_change_nothing(carrier, archives, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "run", functools.partial(plain_launch.run, seed=carrier))
    assert made(archives, tmp_path / "out", "--workers", "1", "--exchange", carrier) == 0
    assert manifest.load(str(tmp_path / "out")).outputs == manifest.load(str(corpus)).outputs


@pytest.mark.slow
def test_a_run_ends_where_there_is_more_than_was_expected(archives, tmp_path, capsys):
    (archives / "room.py").write_text(RECIPE.replace("ROOM", "expected_items=1"))
    assert made(archives, tmp_path / "out", "--workers", "1", recipe="room.py") != 0
    assert "BloomParagraphs(expected_items=1, false_positive_rate=1e-05): " in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("documents/*"))
