import tracemalloc

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
    """datasketch, one element at a time, of each the low 32 bits."""
    sketch = MinHash(
        num_perm=settings.bands * settings.rows,
        seed=settings.seed,
        scheme="affine32",
        hashfunc=lambda element: element & 0xFFFFFFFF,
    )
    for element in hashed.tolist():
        sketch.update(element)
    return sketch.hashvalues.tolist()


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


@given(hashed=HASHES, count=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_a_sketch_is_the_first_hashes_of_the_signature(hashed, count):
    found = minhash.signature(hashed, SMALL, count)
    assert (found.dtype, found.tolist()) == (np.uint32, minhash.signature(hashed, SMALL).tolist()[:count])


@pytest.mark.parametrize(
    "bands, rows, expected", [(4, 2, 8), (14, 8, 112), (128, 1, 128), (43, 3, 128), (450, 20, 128)]
)
def test_a_sketch_has_at_most_128_hashes(bands, rows, expected):
    near = NearDuplicates(bands, rows)
    assert minhash.sketch_size(near) == expected
    assert len(minhash.signature(np.arange(9, dtype=np.uint32), near, minhash.sketch_size(near))) == expected


@pytest.mark.parametrize("batch", [1, 10, 112, 113, 1 << 12])
def test_a_sketch_does_not_depend_on_the_batches(batch, monkeypatch):
    hashed = np.arange(0, 5000, 7, dtype=np.uint32) * np.uint32(0x9E3779B1)
    expected = minhash.signature(hashed, FINEWEB)
    assert (expected == slow_signature(hashed, FINEWEB)).all()
    monkeypatch.setattr(minhash, "_BATCH", batch)
    assert minhash.signature(hashed, FINEWEB, 50).tolist() == expected[:50].tolist()


def test_no_shingles_are_the_greatest_hashes():
    assert set(minhash.signature(np.empty(0, np.uint32), SMALL).tolist()) == {0xFFFFFFFF}


def test_a_large_set_takes_little_memory():
    """16,384 shingles and 9,000 hashes: 590 MB if they were computed at once."""
    hashed, wide = np.arange(1 << 14, dtype=np.uint32), NearDuplicates(450, 20)
    tracemalloc.start()
    minhash.signature(hashed, wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


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


def test_keys_of_texts():
    assert text_key("Grüße") == xxhash.xxh3_64_intdigest("Grüße".encode())
    assert len({text_key(text) for text in ("", "a", "a ", "A", "ä", "a\u0308")}) == 6


def test_band_keys_hash_the_rows_of_each_band():
    signature = np.arange(100, 108, dtype=np.uint32)
    rows = [signature[start : start + 2].astype("<u4").tobytes() for start in range(0, 8, 2)]
    expected = [xxhash.xxh3_64_intdigest(row, band) for band, row in enumerate(rows, 1)]
    assert minhash.band_keys(signature, SMALL).tolist() == expected


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"bands": 0}, "bands=0): expected at least 1"),
        ({"rows": 0}, "rows=0): expected at least 1"),
        ({"shingle": 0}, "shingle=0): expected at least 1"),
        ({"shingle": 1001}, "shingle=1001): expected at most 1000 words"),
        ({"min_similarity": 1.1}, "min_similarity=1.1): expected a share from 0 to 1"),
        ({"bands": 4097, "rows": 16}, "bands=4097, rows=16): expected at most 65536 hashes"),
        ({"words": "latin"}, "words='latin'): expected one of plain, fineweb"),
        ({"keep": "best"}, "keep='best'): expected first, longest, newest, or signal: and a signal's name"),
        ({"scope": "host"}, "scope='host'): expected one of corpus, crawl, language"),
        ({"seed": -1}, "seed=-1): expected 0 to 4294967295"),
        ({"seed": 1 << 32}, "seed=4294967296): expected 0 to 4294967295"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_meant(fields, told):
    with pytest.raises(ValueError) as caught:
        NearDuplicates(**fields)
    assert str(caught.value) == f"NearDuplicates({told}"
