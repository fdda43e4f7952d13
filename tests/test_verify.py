import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import candidates, minhash, texts, verify
from curation.dedup.candidates import PAIR
from curation.dedup.clusters import VERIFIED
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.dedup.texts import Looks
from curation.dedup.verify import SAME_TEXT, SIMILAR_SIGNATURE, SIMILAR_TEXT, Bounds, bounds, verified
from curation.walk import bare_document
from tests import prose

NEAR, EXACT, NORMALIZED = NearDuplicates(bands=16, rows=8), ExactDuplicates(), ExactDuplicates(normalized=True)
NO_WORDS = 0xFFFFFFFF


def chance(size, similarity, counts):
    """Of a binomial number in `counts`: how many of `size` hashes two sets of this similarity have in common."""
    return sum(math.comb(size, n) * similarity**n * (1 - similarity) ** (size - n) for n in counts)


@given(size=st.integers(1, 128), percent=st.integers(1, 99))
def test_bounds_leave_one_pair_in_a_million_and_no_more_in_doubt_than_that_needs(size, percent):
    similarity, found = percent / 100, bounds(size, percent / 100)
    below, above = range(found.unlike + 1), range(found.alike, size + 1)
    assert chance(size, similarity, below) < 1e-6 and chance(size, similarity, above) <= 1e-6
    assert chance(size, similarity, [*below, found.unlike + 1]) >= 1e-6 * (1 - 1e-6)
    assert chance(size, similarity, [found.alike - 2, found.alike - 1, *above]) > 1e-6


def test_bounds_of_the_recipes():
    assert bounds(112, 0.8) == Bounds(unlike=67, alike=108)
    assert bounds(128, 0.8) == Bounds(unlike=78, alike=122)


@pytest.mark.parametrize("size", [1, 8, 128])
def test_at_either_end_the_texts_tell(size):
    assert bounds(size, 1.0) == Bounds(unlike=size - 1, alike=size + 1)
    assert bounds(size, 0.0) == Bounds(unlike=-1, alike=1)


def test_few_hashes_leave_every_pair_in_doubt():
    assert bounds(8, 0.8) == Bounds(unlike=-1, alike=9)


def test_simulated_pairs_at_the_threshold_are_in_doubt():
    """A million draws, of which less than two are expected outside; 5 sigma."""
    size, similarity = 128, 0.8
    found, equal = bounds(size, similarity), np.random.default_rng(1).binomial(size, similarity, 1_000_000)
    outside = np.count_nonzero((equal <= found.unlike) | (equal >= found.alike))
    assert outside <= 2 + 5 * math.sqrt(2)


def test_signatures_of_sets_at_the_threshold_are_in_doubt():
    """Their equal hashes are what the bounds take them for: 80% in the mean, to 5 sigma."""
    generator, near = np.random.default_rng(2), NearDuplicates(bands=128, rows=1)
    equal = []
    for _ in range(200):
        pool = np.unique(generator.integers(0, 1 << 32, 200, dtype=np.uint32))
        pool = generator.permutation(pool)[:180]
        left, right = np.sort(pool[:162]), np.sort(pool[18:])
        assert minhash.jaccard(left, right) == 0.8
        equal.append(np.count_nonzero(minhash.signature(left, near) == minhash.signature(right, near)))
    found = bounds(128, 0.8)
    assert all(found.unlike < it < found.alike for it in equal)
    assert abs(np.mean(equal) / 128 - 0.8) < 5 * math.sqrt(0.8 * 0.2 / (128 * 200))


def sketches(looks, *rows):
    """SKETCH[n] of (document, rank, text, number of hashes that are 1), sorted; a None has no words."""
    found = np.zeros(len(rows), texts.sketch_type(looks))
    for place, (document, rank, text, ones) in enumerate(sorted(rows)):
        size = found["hashes"].shape[1]
        found["document"][place], found["rank"][place], found["text"][place] = document, rank, (text, 7)
        found["copies"][place] = document
        hashes = [NO_WORDS] * size if ones is None else [1] * ones + [document + 10] * (size - ones)
        found["hashes"][place] = hashes[:size]
    return found


def judge(looks, left, right, is_exact):
    """The similarity of one pair and how it was found, None where it is no duplicate; (text, ones) of either."""
    both = sketches(looks, (3, -1.5, *right)), sketches(looks, (1, 0.0, 99, 0), (5, 2.5, *left))
    found = verified(np.array([(5, 3, is_exact)], PAIR), both[1], both[0], looks)
    assert found.dtype == VERIFIED
    if not len(found):
        return None
    ((*known, similarity, how),) = found.tolist()
    assert known == [5, 2.5, 3, -1.5, 5, 3]  # as many copies as its number says
    return ("doubtful", how) if math.isnan(similarity) else (similarity, how)


ALONE, BOTH, BOTH_NORMALIZED = Looks(None, NEAR), Looks(EXACT, NEAR), Looks(NORMALIZED, NEAR)
IN_DOUBT = ("doubtful", SIMILAR_TEXT)


@pytest.mark.parametrize("looks", [ALONE, BOTH, BOTH_NORMALIZED], ids=["alone", "both", "normalized"])
@pytest.mark.parametrize(
    "equal, expected",
    [
        (0, None),
        (78, None),
        (79, IN_DOUBT),
        (103, IN_DOUBT),
        (121, IN_DOUBT),
        (122, (122 / 128, SIMILAR_SIGNATURE)),
        (128, (1.0, SIMILAR_SIGNATURE)),
    ],
)
def test_a_near_pair_is_judged_by_its_equal_hashes(looks, equal, expected):
    assert judge(looks, (8, equal), (9, 128), is_exact=False) == expected


def test_a_near_pair_of_one_text_is_known():
    for looks in (ALONE, BOTH):
        assert judge(looks, (8, 128), (8, 128), is_exact=False) == (1.0, SIMILAR_TEXT)
    # The bits are of the normalised text there: it is the same, and what stands in it may be another number.
    assert judge(BOTH_NORMALIZED, (8, 100), (8, 128), is_exact=False) == IN_DOUBT
    assert judge(BOTH_NORMALIZED, (8, 128), (8, 128), is_exact=False) == (1.0, SIMILAR_SIGNATURE)


def test_texts_without_a_word_are_left_to_the_texts():
    """Which have nothing in common then."""
    for looks in (ALONE, BOTH, BOTH_NORMALIZED):
        assert judge(looks, (8, None), (9, None), is_exact=False) == IN_DOUBT
        assert judge(looks, (8, None), (8, None), is_exact=False) == IN_DOUBT
        assert judge(looks, (8, None), (9, 128), is_exact=False) is None
    empty = minhash.shingles("...", 5)
    assert verify.similarity(empty, empty, NEAR) == 0


@pytest.mark.parametrize("looks", [Looks(EXACT, None), BOTH, BOTH_NORMALIZED], ids=["alone", "both", "normalized"])
def test_an_exact_pair_is_judged_by_the_bits_of_its_text(looks):
    assert judge(looks, (8, 0), (8, 128), is_exact=True) == (1.0, SAME_TEXT)
    assert judge(looks, (8, None), (8, None), is_exact=True) == (1.0, SAME_TEXT)
    assert judge(looks, (8, 128), (9, 128), is_exact=True) is None  # equal keys by chance alone


def test_half_of_the_bits_is_not_enough():
    looks = Looks(EXACT, None)
    left, right = sketches(looks, (5, 0.0, 8, 0)), sketches(looks, (3, 0.0, 8, 0))
    left["text"][0, 1] = 6
    assert len(verified(np.array([(5, 3, True)], PAIR), left, right, looks)) == 0


def test_no_pairs():
    some = sketches(BOTH, (5, 0.0, 8, 0))
    assert verified(np.empty(0, PAIR), some, some, BOTH).tolist() == []


def test_a_similarity_below_the_threshold_is_none():
    sets = [np.arange(start, start + 9, dtype=np.uint32) for start in (0, 1, 2)]
    assert verify.similarity(sets[0], sets[1], NEAR) == 0.8
    assert verify.similarity(sets[0], sets[2], NEAR) == 0.0
    assert verify.similarity(sets[0], sets[2], NearDuplicates(min_similarity=0.6)) == 7 / 11


def made_texts():
    """Texts at many similarities: each again with some of its words replaced, in capitals, and to the letter."""
    generator = np.random.default_rng(3)
    for number in range(6):
        words = prose.text(number).split()
        yield " ".join(words)
        yield " ".join(words).upper()
        yield " ".join(words)
        for changed in (1, 2, 3, 5, 8, 20):
            places = set(generator.choice(len(words), min(changed, len(words)), replace=False).tolist())
            yield " ".join(f"other{number}x{at}" if at in places else word for at, word in enumerate(words))
    yield from ("", "...", "- - -", "...")


def truth(left, right, looks):
    """How similar two texts are, 0 where that is too little, by plain sets of words; and whether they are the same."""
    a, b = (set(map(tuple, n_grams(text))) for text in (left, right))
    near = len(a & b) / len(a | b) if looks.near and a | b else 0.0
    same = looks.exact is not None and looks.exact.compared(left) == looks.exact.compared(right)
    return near if looks.near and near >= looks.near.min_similarity else 0.0, same


@functools.cache
def n_grams(text):
    words = [word.strip(".,;:!?\"'()-").lower() for word in text.split()]
    words = [word for word in words if word]
    return [words[at : at + 5] for at in range(max(len(words) - 4, 1))] if words else []


@pytest.mark.parametrize(
    "looks",
    [ALONE, BOTH, BOTH_NORMALIZED, Looks(EXACT, None), Looks(NORMALIZED, None)],
    ids=["near", "both", "normalized and near", "exact", "normalized"],
)
def test_from_texts_to_verified_pairs(looks):
    """Every verified pair is one in truth, and every candidate that is one in truth is verified."""
    found = list(made_texts())
    described = [texts.described(bare_document(text), number, looks) for number, text in enumerate(found)]
    pairs = candidates.pairs(np.concatenate([keys for keys, _ in described]))
    sketched = np.concatenate([sketch for _, sketch in described])
    judged = {
        (it["node"], it["neighbour"], it["how"] == SAME_TEXT): it for it in verified(pairs, sketched, sketched, looks)
    }
    assert len(pairs) > 5
    for document, other, is_exact in pairs.tolist():
        similarity, same = truth(found[document], found[other], looks)
        it = judged.get((document, other, is_exact))
        if is_exact:
            assert (it is not None) == same
        elif it is None:
            assert similarity == 0
        elif np.isnan(it["similarity"]):
            left, right = (minhash.shingles(found[number], 5) for number in (document, other))
            assert verify.similarity(left, right, NEAR) == similarity
        else:
            assert similarity > 0 and abs(it["similarity"] - similarity) < 0.2
    same = {(a, b) for b, a in itertools.combinations(range(len(found)), 2) if truth(found[a], found[b], looks)[1]}
    linked = {(a, b) for a, b, is_exact in judged if is_exact}
    assert linked <= same and {a for a, _ in linked} == {a for a, _ in same}  # each copy with the first of them
