import numpy as np
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import minhash
from curation.dedup.exact import text_key
from curation.dedup.minhash import NearDuplicates

FINEWEB = NearDuplicates()
SMALL = NearDuplicates(bands=4, rows=2, seed=3)
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=30, unique=True).map(
    lambda found: np.array(sorted(found), np.uint64)
)


def slow_signature(hashed, settings):
    """datasketch, one element at a time."""
    sketch = MinHash(
        num_perm=settings.bands * settings.rows,
        seed=settings.seed,
        scheme="affine32",
        hashfunc=lambda element: element & 0xFFFFFFFF,
    )
    for element in hashed.tolist():
        sketch.update(element)
    return sketch.hashvalues.tolist()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ""),
        ("  The  Bridge\n\tfell. ", "the bridge fell"),
        ("It cost 1,234.50 or 7", "it cost 0 0 or 0"),
        ("1,234", "0"),
        ("naïve CAFÉ", "naive cafe"),
        ("Don't (ever) stop!", "don t ever stop"),
        ("٣٫٥ and १२", "0 and 0"),
        ("«quoted» — “text”", "quoted text"),
        ("日本語、です。", "日本語 てす"),  # as datatrove: marks go, and voicing with them
        ("...", ""),
    ],
)
def test_normalize(text, expected):
    assert minhash.normalize(text) == expected


def test_shingles_are_the_distinct_hashed_word_n_grams():
    words = ["a", "river", "and", "a", "bridge", "and", "a", "river", "and", "a", "boat"]
    expected = {" ".join(words[at : at + 3]) for at in range(len(words) - 2)}
    assert len(expected) == 7  # "a river and" stands twice, and so does "river and a"
    expected = sorted(xxhash.xxh3_64_intdigest(shingle.encode()) for shingle in expected)
    found = minhash.shingles("A river, and a bridge -- and a RIVER and a boat!", 3)
    assert (found.dtype, found.tolist()) == (np.uint64, expected)


@pytest.mark.parametrize(
    "text, count", [("", 0), ("...", 0), ("one", 1), ("a b c d", 1), ("a b c d e", 1), ("a b c d e f", 2)]
)
def test_few_words_are_one_shingle(text, count):
    assert len(minhash.shingles(text, 5)) == count


@given(hashed=HASHES)
@settings(max_examples=60, deadline=None)
def test_signature_is_datasketch_one_element_at_a_time(hashed):
    found = minhash.signature(hashed, SMALL)
    assert found.dtype == np.uint32
    assert found.tolist() == slow_signature(hashed, SMALL)


def test_signature_with_fineweb_settings_is_datasketch():
    hashed = minhash.shingles("the river rose in the night and carried the old bridge away before anyone woke", 5)
    assert len(minhash.signature(hashed, FINEWEB)) == 112
    assert minhash.signature(hashed, FINEWEB).tolist() == slow_signature(hashed, FINEWEB)


def test_signature_does_not_depend_on_the_batches(monkeypatch):
    hashed = np.arange(0, 5000, 7, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    expected = minhash.signature(hashed, SMALL).tolist()
    monkeypatch.setattr(minhash, "_BATCH", 10)
    assert minhash.signature(hashed, SMALL).tolist() == expected


def test_another_seed_is_another_signature():
    hashed = np.arange(1, 50, dtype=np.uint64)
    assert minhash.signature(hashed, SMALL).tolist() != minhash.signature(hashed, NearDuplicates(4, 2)).tolist()


def test_signatures_estimate_jaccard_similarity():
    """The share of equal hashes is an unbiased estimate; 5 sigma."""
    settings = NearDuplicates(bands=100, rows=10)
    generator = np.random.default_rng(1)
    pool = np.unique(generator.integers(0, 2**63, 600, dtype=np.uint64))
    left, right = np.sort(pool[:400]), np.sort(pool[200:])
    jaccard = 200 / len(pool)
    assert minhash.jaccard(left, right) == jaccard
    equal = np.mean(minhash.signature(left, settings) == minhash.signature(right, settings))
    assert abs(equal - jaccard) < 5 * (jaccard * (1 - jaccard) / 1000) ** 0.5


def test_a_band_key_depends_on_its_band_alone():
    signature = np.arange(8, dtype=np.uint32)
    keys = minhash.band_keys(signature, SMALL)
    assert (keys.dtype, len(set(keys.tolist()))) == (np.uint64, 4)
    for changed in range(8):
        other = signature.copy()
        other[changed] += 1
        assert (minhash.band_keys(other, SMALL) != keys).tolist() == [band == changed // 2 for band in range(4)]


def test_equal_rows_of_different_bands_are_different_keys():
    assert len(set(minhash.band_keys(np.zeros(8, np.uint32), SMALL).tolist())) == 4


@given(left=st.sets(st.integers(0, 20)), right=st.sets(st.integers(0, 20)))
def test_jaccard(left, right):
    arrays = [np.array(sorted(side), np.uint64) for side in (left, right)]
    assert minhash.jaccard(*arrays) == (len(left & right) / len(left | right) if left | right else 0.0)


def test_keys_of_texts():
    assert text_key("Grüße") == xxhash.xxh3_64_intdigest("Grüße".encode())
    assert len({text_key(text) for text in ("", "a", "a ", "A", "ä", "a\u0308")}) == 6


def test_a_run_of_marks_ends():
    """Canonical reordering of these alone takes minutes."""
    assert minhash.normalize("a" + "\u0300\u0323" * 500_000 + " \u00e9t\u0301e") == "a ete"
