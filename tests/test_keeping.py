import dataclasses
import datetime
import itertools
import math

import numpy as np
import pytest

from curation.dedup import keeping, texts
from curation.dedup.exact import ExactDuplicates, text_key
from curation.dedup.minhash import NearDuplicates
from curation.dedup.pages import NewestPage
from curation.extraction.settings import ExtractText
from curation.recipe import Recipe
from curation.walk import bare_document

CRAWLS = {  # archives of one crawl each
    "CC-MAIN-2024-51": (
        "crawl-data/CC-MAIN-2024-51/segments/1733066035857.0/warc/CC-MAIN-20241201162023-20241201192023-00000.warc.gz",
        "s3://commoncrawl/crawl-data/CC-MAIN-2024-51/segments/1/wet/CC-MAIN-20241212040148-00009.warc.wet.gz",
        "CC-MAIN-2024-51-sample.warc.gz",
        "samples/CC-MAIN-2024-51-00.warc.gz",
        "other/CC-MAIN-2024-51.warc.gz",
    ),
    "CC-MAIN-2024-46": (
        "crawl-data/CC-MAIN-2024-46/segments/1/warc/CC-MAIN-20241201162023-20241201192023-00000.warc.gz",
    ),
    "CC-MAIN-2009-2010": (
        "crawl-data/CC-MAIN-2009-2010/segments/2009/09/17/0/1253240991448_12.arc.gz",
        "crawl-data/CC-MAIN-2009-2010/segments/2010/01/06/18/1262847572760_42.arc.gz",
    ),
    "CC-MAIN-2012": (
        "crawl-data/CC-MAIN-2012/segments/1346823845675/1346864466526_10.arc.gz",
        "crawl-data/CC-MAIN-2012/segments/1346823846039/1346864469604_0.arc.gz",
    ),
    "crawls/mine": ("crawls/mine/00000.warc.gz", "crawls/mine/CC-MAIN-20241201162023-00001.warc.gz"),
    "crawls/mine/more": ("crawls/mine/more/00000.warc.gz",),
    "crawls": ("crawls/00000.warc.gz",),
    "": ("00000.warc.gz", "00001.warc.gz"),
}


def document(text="", *, day=None, signals=None, **fields):
    date = day and datetime.datetime(2024, 12, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=day)
    return dataclasses.replace(bare_document(text, date=date), signals=signals or {}, **fields)


@pytest.mark.parametrize(
    "keep, documents",
    [
        ("longest", [document("河" * 30), document("a" * 29), document("é"), document("")]),  # characters, not bytes
        ("newest", [document(day=9), document(day=1.5), document(day=1), document(day=-40_000), document()]),
        (
            "signal:quality",
            [
                document(signals={"quality": math.inf}),
                document(signals={"quality": 0.5}),
                document(signals={"quality": -0.0}),
                document(signals={"quality": -2.0, "other": 9.0}),
                document(signals={"other": 9.0}),
            ],
        ),
    ],
    ids=["longest", "newest", "signal"],
)
def test_the_best_copy_comes_first(keep, documents):
    ranks = [keeping.rank(each, keep) for each in documents]
    assert all(one < other for one, other in itertools.pairwise(ranks))


def test_of_equals_none_is_better():
    """The smallest id decides."""
    some = [document("a" * size, day=size, signals={"quality": size}) for size in (1, 2, 3)]
    assert {keeping.rank(each, "first") for each in some} == {0.0}
    pairs = {
        "longest": (document("ab", day=1), document("cd", day=2)),
        "newest": (document("ab", day=1), document("c", day=1)),
        "signal:quality": (document("ab", signals={"quality": 1}), document("c", signals={"quality": 1})),
    }
    for keep, (one, other) in pairs.items():
        assert keeping.rank(one, keep) == keeping.rank(other, keep)


def test_no_date_no_signal_and_no_number_are_last():
    missing = [
        keeping.rank(document("long" * 99), "newest"),
        keeping.rank(document(), "signal:quality"),
        keeping.rank(document(signals={"Quality": 1.0}), "signal:quality"),
        keeping.rank(document(signals={"quality": math.nan}), "signal:quality"),
    ]
    assert set(missing) == {math.inf}


def test_newest_is_to_the_millisecond():
    later = document(day=1 + 0.001 / 86_400)
    assert keeping.rank(later, "newest") < keeping.rank(document(day=1), "newest")


def test_a_signal_may_have_any_name():
    each = document(signals={"first": 2.0, "signal:a": 3.0})
    assert (keeping.rank(each, "signal:first"), keeping.rank(each, "signal:signal:a")) == (-2.0, -3.0)


def test_in_a_corpus_all_are_compared():
    some = [document(warc=path, language=language) for path in ("a/1", "b/2") for language in ("", "de")]
    assert {keeping.scope_hash(each, "corpus") for each in some} == {0}


def test_a_crawl_is_what_the_path_names_or_the_folder():
    found = {
        crawl: {keeping.scope_hash(document(warc=path), "crawl") for path in paths} for crawl, paths in CRAWLS.items()
    }
    assert {crawl: len(hashes) for crawl, hashes in found.items()} == dict.fromkeys(CRAWLS, 1)
    assert len(set.union(*found.values())) == len(CRAWLS)


def test_a_language_is_as_the_document_has_it():
    found = [
        keeping.scope_hash(document(language=language, warc="a/b"), "language") for language in ("", "de", "en", "a")
    ]
    assert len({*found, keeping.scope_hash(document(warc="a/b"), "crawl")}) == 5
    other = document("another text", language="de", warc="CC-MAIN-2024-51/1")
    assert keeping.scope_hash(other, "language") == found[1]


@pytest.mark.parametrize("step", [ExactDuplicates, NearDuplicates])
@pytest.mark.parametrize("keep", ["", "last", "First", "signal", "signal:", "oldest"])
def test_a_rule_that_is_none(step, keep):
    with pytest.raises(ValueError) as caught:
        step(keep=keep)
    told = "expected first, longest, newest, or signal: and a signal's name"
    assert str(caught.value) == f"{step.__name__}(keep={keep!r}): {told}"


@pytest.mark.parametrize("step", [ExactDuplicates, NearDuplicates])
@pytest.mark.parametrize("scope", ["", "host", "Crawl", "global"])
def test_a_scope_that_is_none(step, scope):
    with pytest.raises(ValueError) as caught:
        step(scope=scope)
    assert str(caught.value) == f"{step.__name__}(scope={scope!r}): expected one of corpus, crawl, language"


def recipe(*steps):
    return Recipe("mine", "a test", (ExtractText(), *steps))


@pytest.mark.parametrize("field, value, other", [("keep", "longest", "first"), ("scope", "crawl", "corpus")])
def test_side_by_side_exact_and_near_keep_the_same_copy(field, value, other):
    exact, near = ExactDuplicates(**{field: value}), NearDuplicates()
    told = (
        f"ExactDuplicates({field}={value!r}) stands beside NearDuplicates({field}={other!r}): they make clusters "
        "together, so give both the same"
    )
    for steps in ((exact, near), (near, exact)):
        for build in (texts.looks_of, lambda steps: recipe(*steps)):
            with pytest.raises(ValueError) as caught:
                build(steps)
            assert str(caught.value) == told
    recipe(exact, NearDuplicates(**{field: value}))
    recipe(exact, NewestPage(), near)  # one after the other: two passes


def test_the_looks_of_a_pass():
    exact, near = ExactDuplicates(keep="longest", scope="crawl"), NearDuplicates(keep="longest", scope="crawl")
    for steps in ((exact, near), (near, exact), (exact,), (near,)):
        found = texts.looks_of(steps)
        assert (found.exact, found.near) == (exact if exact in steps else None, near if near in steps else None)
        assert (found.keep, found.scope) == ("longest", "crawl")


def described(each, **fields):
    """The keys and the sketch of a document, by exact and by near steps with these fields."""
    looks = texts.looks_of((ExactDuplicates(**fields), NearDuplicates(bands=2, rows=3, **fields)))
    return texts.described(each, 41, looks)


def test_keys_and_sketch_of_a_document():
    text = "The river rose in the night and carried the bridge away"
    keys, sketch = described(document(text), keep="longest")
    assert keys["document"].tolist() == [41, 41, 41] and keys["is_exact"].tolist() == [False, False, True]
    assert keys["text"].tolist() == [text_key(text)] * 3 and keys["key"][2] == text_key(text)
    assert (sketch["document"].tolist(), sketch["rank"].tolist()) == ([41], [-float(len(text))])
    assert sketch["hashes"].shape == (1, 6)


def test_documents_of_other_scopes_share_no_key():
    text = "The river rose in the night and carried the bridge away"
    of_crawls = [described(document(text, warc=paths[0]), scope="crawl") for paths in CRAWLS.values()]
    assert len(np.unique(np.concatenate([keys["key"] for keys, _ in of_crawls]))) == 3 * len(CRAWLS)
    assert len({sketch.tobytes() for _, sketch in of_crawls}) == 1
    one, again = (described(document(text, language="de", warc=path), scope="language")[0] for path in ("a/b", "c/d"))
    assert one.tolist() == again.tolist()


def test_a_document_without_words_has_its_exact_key_alone():
    keys, sketch = described(document("..."))
    assert keys["is_exact"].tolist() == [True]
    assert set(sketch["hashes"][0].tolist()) == {0xFFFFFFFF}


def test_candidates_by_words_of_fineweb_are_judged_by_plain_ones():
    plain, fineweb = (
        texts.described(document("the 7 bridges"), 1, texts.Looks(None, NearDuplicates(words=words)))
        for words in ("plain", "fineweb")
    )
    assert (plain[0]["key"] != fineweb[0]["key"]).all()
    assert plain[1].tobytes() == fineweb[1].tobytes()  # and judged by the same
