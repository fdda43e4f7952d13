import collections
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_corpus import texts, write_corpus
from tests.tiny_splits import corpus_of, documents, of_lengths, split_of
from trainers import sampling
from trainers.admit import admit
from trainers.mixture import default_max_repeats, mix
from trainers.stream import Stream

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=12)


def named(count, name, **columns):
    return documents(count, id=[f"{name}.warc.gz@{i}" for i in range(count)], **columns)


def ids(stream):
    return [stream.document(i)["id"] for i in range(stream.num_documents)]


def counted(stream):
    """How often each document is in the stream, by split and number."""
    return collections.Counter(zip(stream.sources.tolist(), stream.documents.tolist(), strict=True))


def test_one_corpus_is_read_as_it_lies():
    split = split_of(documents(4), documents(3, id=["x", "y", "z"]))
    stream, (share,) = mix([corpus_of(split)], wanted_tokens=10**12)
    assert stream.sha256 == Stream.of_split(split).sha256
    assert dataclasses.astuple(share) == ("corpus", 1.0, 1.0, 7, 21, 1.0)
    same, _ = mix([corpus_of(split)], wanted_tokens=5, weights=[3.0], seed=4)
    assert same.sha256 == stream.sha256


def test_one_corpus_may_have_a_limit():
    corpus = corpus_of(split_of(documents(10)))
    assert mix([corpus], wanted_tokens=60, max_repeats=2)[0].num_tokens == 30
    with pytest.raises(ValueError) as caught:
        mix([corpus], wanted_tokens=61, max_repeats=2)
    assert str(caught.value) == (
        "the run reads 61 tokens and corpus has 30, which is 2.03 times, --max-repeats is 2; lower --steps, raise "
        "--max-repeats, or add another --corpus"
    )


def test_weights_are_shares_of_the_tokens():
    """Of 100 and 400 documents of 3 tokens, 3 to 1: three passes of the first and a quarter of the other."""
    corpora = [corpus_of(split_of(named(100, "a"))), corpus_of(split_of(named(400, "b")), path="other")]
    stream, shares = mix(corpora, wanted_tokens=1200, weights=[3, 1], max_repeats=4)
    assert [dataclasses.astuple(share) for share in shares] == [
        ("corpus", 0.75, 0.75, 300, 900, 3.0),
        ("other", 0.25, 0.25, 100, 300, 0.25),
    ]
    found = counted(stream)
    assert all(found[0, document] == 3 for document in range(100))
    sampled = [document for source, document in found if source == 1]
    assert len(sampled) == 100
    assert set(sampled) != set(range(100))
    assert stream.num_tokens == 1200


def test_what_a_capped_corpus_lacks_goes_to_the_others():
    """10 documents may give 40 of the 400 wanted tokens each third; the others take 4 to 1 what is left."""
    made = [split_of(named(count, name)) for count, name in ((10, "a"), (300, "b"), (300, "c"))]
    corpora = [corpus_of(split, path=str(i)) for i, split in enumerate(made)]
    stream, shares = mix(corpora, wanted_tokens=1500, weights=[5, 4, 1], max_repeats=2)
    assert [share.tokens for share in shares] == [60, 1152, 288]
    assert [share.requested for share in shares] == [0.5, 0.4, 0.1]
    assert [share.achieved for share in shares] == [0.04, 0.768, 0.192]
    assert shares[0].repeats == 2.0
    assert max(counted(stream).values()) == 2


def test_corpora_that_are_too_small_are_refused():
    corpora = [corpus_of(split_of(named(10, "a")), path="a"), corpus_of(split_of(named(20, "b")), path="b")]
    assert mix(corpora, wanted_tokens=360, weights=[1, 1], max_repeats=4)[0].num_tokens == 360
    with pytest.raises(ValueError) as caught:
        mix(corpora, wanted_tokens=361, weights=[1, 1], max_repeats=4)
    assert str(caught.value) == (
        "the run reads 361 tokens, and with --max-repeats 4 the corpora have no more than: a 120, b 240; "
        "lower --steps, raise --max-repeats, or add another --corpus"
    )


@given(
    lengths=st.lists(LENGTHS, min_size=1, max_size=3),
    numbers=st.lists(st.floats(0, 7), min_size=12, max_size=12),
    wanted=st.integers(1, 900),
    max_repeats=st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0, 0.0]),
    by_signal=st.booleans(),
    seed=st.integers(0, 99),
    order=st.sampled_from(["row", "document"]),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_mixture_has_the_tokens_it_was_asked_for(lengths, numbers, wanted, max_repeats, by_signal, seed, order, data):
    """Each share within one document of its part, and no document beyond its repetitions."""
    corpora = [
        corpus_of(
            split_of(of_lengths(part, signals=[[("quality", value)] for value in numbers[: len(part)]])), path=str(i)
        )
        for i, part in enumerate(lengths)
    ]
    weights = data.draw(st.lists(st.floats(0.1, 9), min_size=len(corpora), max_size=len(corpora)))
    options = {"max_repeats": max_repeats, "repeat_by": "quality" if by_signal else "", "seed": seed, "order": order}
    try:
        stream, shares = mix(corpora, wanted_tokens=wanted, weights=weights, **options)
    except ValueError as error:
        assert "--max-repeats" in str(error) or "every document comes to 0 times" in str(error)
        return
    again, _ = mix(corpora, wanted_tokens=wanted, weights=weights, **options)
    assert again.sha256 == stream.sha256
    assert sum(share.tokens for share in shares) == stream.num_tokens
    assert sum(share.achieved for share in shares) == pytest.approx(1)
    if max_repeats:
        assert max(counted(stream).values()) <= math.ceil(max_repeats)
    if len(corpora) > 1 or by_signal:
        assert wanted <= stream.num_tokens < wanted + sum(map(max, lengths)) + len(lengths)
        capped = any(share.achieved < 0.98 * share.requested for share in shares) and max_repeats
        for share, part in zip(shares, lengths, strict=True):
            if not capped:
                assert share.requested * wanted <= share.tokens + 1e-6
                assert max_repeats or share.tokens < share.requested * wanted + max(part) + 1


def test_documents_are_repeated_as_their_number_says():
    """Whole parts exactly; 1,000 documents with 1.3 have 300 more, within 5 deviations of sqrt(1000 * 0.3 * 0.7)."""
    copies = split_of(named(5, "a", copies=[1, 2, 0, 7, 4]))
    stream, (share,) = mix([corpus_of(copies)], wanted_tokens=33, repeat_by="copies", max_repeats=4)
    assert counted(stream) == {(0, 0): 1, (0, 1): 2, (0, 3): 4, (0, 4): 4}
    assert (share.documents, share.tokens, share.repeats) == (11, 33, 2.2)

    signals = split_of(named(1000, "a", signals=[[("quality", 1.3)]] * 1000))
    values = sampling.copies(signals.numbers("quality"), sampling.hashes(signals, seed=0), max_repeats=4)
    assert set(values.tolist()) == {1, 2}
    assert abs(int(values.sum()) - 1300) < 5 * 210**0.5


def test_a_document_without_a_number_is_read_once():
    split = split_of(named(3, "a", signals=[[("quality", 3.0)], [("other", 9.0)], [("quality", math.nan)]]))
    stream, _ = mix([corpus_of(split)], wanted_tokens=15, repeat_by="quality", max_repeats=4)
    assert counted(stream) == {(0, 0): 3, (0, 1): 1, (0, 2): 1}


def test_passes_stop_at_the_limit_of_each_document():
    """With 3 and 1 in a pass and a limit of 4, the second pass reads the first document once more only."""
    split = split_of(named(2, "a", copies=[3, 1]))
    stream, _ = mix([corpus_of(split)], wanted_tokens=24, repeat_by="copies", max_repeats=4)
    assert counted(stream) == {(0, 0): 4, (0, 1): 4}
    assert stream.documents.tolist() == [0, 0, 0, 1, 0, 1, 1, 1]


@pytest.mark.parametrize(
    "signals, problem",
    [
        (
            [("quality", -0.5)],
            "--repeat-by quality: in corpus a document has -0.5, expected numbers from 0 on; choose ",
        ),
        (
            [("other", 1.0)],
            "--repeat-by quality: no document of corpus has it; choose copies or a signal of the shards, ",
        ),
        (
            [("quality", 0.0)],
            "--repeat-by quality: in corpus every document comes to 0 times; choose another one, or ",
        ),
    ],
)
def test_numbers_that_say_nothing_are_refused(signals, problem):
    corpus = corpus_of(split_of(named(2, "a", signals=[signals, signals])))
    with pytest.raises(ValueError) as caught:
        mix([corpus], wanted_tokens=2, repeat_by="quality", max_repeats=4)
    assert str(caught.value).startswith(problem)


def test_an_endless_number_needs_a_limit():
    corpus = corpus_of(split_of(named(1, "a", signals=[[("quality", math.inf)]])))
    assert mix([corpus], wanted_tokens=12, repeat_by="quality", max_repeats=4)[0].num_documents == 4
    with pytest.raises(ValueError, match="in corpus a document has an infinite one; set --max-repeats"):
        mix([corpus], wanted_tokens=12, repeat_by="quality")


@pytest.mark.parametrize(
    "weights, problem",
    [
        ([1], "--weights has 1 numbers for 2 corpora; give one for each --corpus"),
        ([], "--weights has 0 numbers for 2 corpora; give one for each --corpus"),
        ([1, 2, 3], "--weights has 3 numbers for 2 corpora; give one for each --corpus"),
        ([1, 0], "--weights holds 0, expected positive numbers; "),
        ([1, -2.5], "--weights holds -2.5, expected positive numbers; "),
        ([1, math.nan], "--weights holds nan, expected positive numbers; "),
        ([math.inf, 1], "--weights holds inf, expected positive numbers; "),
    ],
)
def test_wrong_weights_are_refused(weights, problem):
    corpora = [corpus_of(split_of(named(2, "a"))), corpus_of(split_of(named(2, "b")))]
    with pytest.raises(ValueError) as caught:
        mix(corpora, wanted_tokens=2, weights=weights)
    assert str(caught.value).startswith(problem)


def test_a_wrong_limit_is_refused():
    with pytest.raises(ValueError, match="--max-repeats is -1, expected a positive number, or 0 for without end"):
        mix([corpus_of(split_of(named(2, "a")))], wanted_tokens=2, max_repeats=-1)


def test_other_tokenizers_are_refused():
    corpora = [corpus_of(split_of(named(2, name)), path=name, tokenizer=f"{name * 64}") for name in "ab"]
    with pytest.raises(ValueError) as caught:
        mix(corpora, wanted_tokens=2, weights=[1, 1])
    assert str(caught.value) == (
        f"b and a have different tokenizers: their sha256 are {'b' * 64} and {'a' * 64}; "
        "make one of them again with the --tokenizer of the other"
    )


def test_forgotten_documents_are_not_read():
    """Of any corpus, whichever has the tombstone; a run that says which ones it knows reads by those alone."""
    first = corpus_of(split_of(named(4, "a")), forgotten=["a.warc.gz@1", "b.warc.gz@0"])
    second = corpus_of(split_of(named(3, "b")), path="other")
    stream, shares = mix([first, second], wanted_tokens=15, weights=[9, 6], max_repeats=1)
    assert set(ids(stream)) == {"a.warc.gz@0", "a.warc.gz@2", "a.warc.gz@3", "b.warc.gz@1", "b.warc.gz@2"}
    assert [share.repeats for share in shares] == [1.0, 1.0]
    whole, _ = mix([first], wanted_tokens=9, tombstones=frozenset())
    assert whole.sha256 == Stream.of_split(first.train).sha256
    with pytest.raises(ValueError, match="corpus has only documents that are to be forgotten; give another --corpus"):
        mix([first], wanted_tokens=9, tombstones=frozenset(ids(whole)))


@pytest.mark.parametrize("repeat_by, passes", [("", 1), ("copies", 4)])
def test_another_tokenizer_leaves_the_order_of_documents(repeat_by, passes):
    """The same ids with other tokens in other shards: order "document" reads them in the same order."""
    generator = np.random.default_rng(0)
    splits = []
    for first in (40, 13):
        rows = of_lengths(generator.integers(1, 9, 40).tolist(), copies=[i % 3 + 1 for i in range(40)])
        splits.append(split_of(rows[:first], rows[first:]))
    streams = [
        mix([corpus_of(s)], wanted_tokens=s.num_tokens * passes, order="document", repeat_by=repeat_by, max_repeats=4)[
            0
        ]
        for s in splits
    ]
    assert ids(streams[0]) == ids(streams[1])
    assert ids(streams[0]) != sorted(ids(streams[0]))
    assert set(counted(streams[0]).values()) == {passes}
    other, _ = mix([corpus_of(splits[0])], wanted_tokens=1, order="document", seed=1)
    assert other.documents.tolist() != streams[0].documents.tolist()


def test_the_hash_stays_the_same_between_versions():
    """A resumed run relies on these values."""
    split = split_of(named(2, "a"))
    assert sampling.hashes(split, seed=0).tolist() == [8665698610774521464, 5986603441215858016]


def test_the_default_limit():
    assert [default_max_repeats(1, ""), default_max_repeats(2, ""), default_max_repeats(1, "copies")] == [0, 4, 4]


def test_corpora_on_disk(tmp_path):
    """Admitted corpora, by a signal that their shards hold."""
    corpora = [
        admit(write_corpus(tmp_path / "a", [texts(12)])),
        admit(write_corpus(tmp_path / "b", [texts(40, seed=1)])),
    ]
    stream, shares = mix(corpora, wanted_tokens=1000, weights=[1, 3], repeat_by="quality", max_repeats=4)
    assert [share.corpus for share in shares] == [f"{tmp_path}/a", f"{tmp_path}/b"]
    assert stream.num_tokens >= 1000
    assert not {key for key in counted(stream) if key[1] % 5 == 0}  # whose quality is 0
