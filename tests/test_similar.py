"""The pass that drops documents with the same or nearly the same text, over whole small corpora."""

import collections
import datetime
import functools
import itertools
import math
import random

import numpy as np
import pytest
import xxhash
from datasketch import MinHash

from curation.dedup import verify
from curation.dedup.shingles import normalize
from pipelines import curate, launch, stars
from tests import made_corpus, plain_launch, warc_builder
from tests.made_corpus import STEP, contents, copies, dropped, make, text

BOTH = "ExactDuplicates(), NearDuplicates()"
DAY = datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)

# 100 shingles of five words each; B shares 92 of 108 with A and with C, who share 84 of 116.
A, B, C = text((0, 104)), text((0, 96), (500, 508)), text((600, 608), (8, 96), (500, 508))
A_B = pytest.approx(92 / 108)


@pytest.fixture(autouse=True)
def in_this_process(request, monkeypatch):
    """Beam's start-up would take most of the time of most tests."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(launch, "run", plain_launch.run)


def made(folder, archives, steps, **fields):
    """What was dropped, and the copies of what was kept."""
    make(folder, archives, steps, tokens=False, **fields)
    return dropped(folder), copies(folder)


def scoped(scope):
    return f"ExactDuplicates(scope={scope!r}), NearDuplicates(scope={scope!r})"


def test_a_chain_is_one_cluster_and_the_evidence_says_through_whom(tmp_path):
    found = made(tmp_path, {"a.wet": [A, text((700, 800))], "b.wet": [B, C]}, BOTH)
    assert found == (
        {
            "b.wet@0": ("NearDuplicates", "similar_text", A_B, "a.wet@0"),
            "b.wet@100": ("NearDuplicates", "similar_text", A_B, "a.wet@0 through b.wet@0"),
        },
        {"a.wet@0": 3, "a.wet@100": 1},
    )


def test_below_the_threshold_nothing_is_merged(tmp_path):
    """A and C are candidates, by so few rows, and no duplicates."""
    found = made(tmp_path, {"a.wet": [A, C]}, "NearDuplicates(bands=40, rows=2)")
    assert found == ({}, {"a.wet@0": 1, "a.wet@100": 1})
    found = made(tmp_path / "lower", {"a.wet": [A, C]}, "NearDuplicates(bands=40, rows=2, min_similarity=0.7)")
    value = pytest.approx(84 / 116)
    assert found == ({"a.wet@100": ("NearDuplicates", "similar_text", value, "a.wet@0")}, {"a.wet@0": 2})


def test_the_longest_the_newest_or_the_best_copy_is_kept(tmp_path):
    later = DAY + datetime.timedelta(1)
    pages = [
        {"text": A, "signals": {"quality": 0.5, "other": 9.0}},
        {"text": f"{B} end", "date": DAY, "signals": {"quality": math.nan}},
        {"text": B, "date": later, "signals": {}},
        {"text": B, "date": later, "signals": {"quality": 0.75}},
    ]
    expected = {"first": 0, "longest": 100, "newest": 200, "signal:quality": 300, "signal:none": 0}
    for number, (keep, offset) in enumerate(expected.items()):
        steps = f"ExactDuplicates(keep={keep!r}), NearDuplicates(keep={keep!r})"
        drops, kept = made(tmp_path / str(number), {"a.wet": pages}, steps)
        assert kept == {f"a.wet@{offset}": 4}, keep
        assert {evidence.split(" ")[0] for *_, evidence in drops.values()} == {f"a.wet@{offset}"}


def test_in_a_scope_duplicates_are_of_one_crawl_or_language(tmp_path):
    pages = [{"text": one, "language": language} for one in (A, B) for language in ("en", "de")]
    archives = {f"crawl/{crawl}/{name}": pages for crawl, name in (("CC-MAIN-2024-51", "a"), ("CC-MAIN-2025-05", "b"))}
    assert made(tmp_path / "corpus", archives, BOTH)[1] == {"a@0": 8}
    assert made(tmp_path / "crawl", archives, scoped("crawl"))[1] == {"a@0": 4, "b@0": 4}
    drops, kept = made(tmp_path / "language", archives, scoped("language"))
    assert kept == {"a@0": 4, "a@100": 4}
    assert {id: evidence.split(" ")[0] for id, (*_, evidence) in drops.items()} == {
        "a@200": "a@0",
        "b@0": "a@0",
        "b@200": "a@0",
        "a@300": "a@100",
        "b@100": "a@100",
        "b@300": "a@100",
    }


def test_pages_of_one_payload_count_as_copies(tmp_path):
    """They were not extracted; which of their cluster stays does not depend on them."""
    pages = [{"text": A, "payload": "one"}, {"text": A, "payload": "one"}, {"text": A, "payload": "one"}]
    pages += [{"text": C, "payload": "two"}, {"text": C, "payload": "two"}]
    drops, kept = made(tmp_path / "first", {"a": pages, "b": [B]}, BOTH)
    assert kept == {"a@0": 6}
    assert set(drops) == {"a@300", "b@0"}
    steps = "ExactDuplicates(keep='newest'), NearDuplicates(keep='newest')"
    drops, kept = made(tmp_path / "newest", {"a": pages, "b": [{"text": B, "date": DAY}]}, steps)
    assert kept == {"b@0": 6}
    assert set(drops) == {"a@0", "a@300"}


def test_texts_without_a_word_are_the_same_or_have_nothing_in_common(tmp_path):
    pages = ["", "...", "...", "", "!", "one", "one", "One!"]
    same = {"a@200": "a@100", "a@300": "a@0", "a@600": "a@500"}
    steps = {"ExactDuplicates()": same, "NearDuplicates()": {"a@600": "a@500", "a@700": "a@500"}}
    steps[BOTH] = same | {"a@700": "a@500"}
    steps["ExactDuplicates(normalized=True)"] = {
        **{f"a@{number}": "a@0" for number in (100, 200, 300, 400)},
        **{f"a@{number}": "a@500" for number in (600, 700)},
    }
    for number, (step, expected) in enumerate(steps.items()):
        drops, _ = made(tmp_path / str(number), {"a": pages}, step)
        assert {id: evidence for id, (*_, evidence) in drops.items()} == expected, step


def families(seed, count):
    """Texts in families: each the words of its family, some of them at either end replaced, some written otherwise."""
    order = random.Random(seed)
    found = []
    while len(found) < count:
        start, size = 10_000 * order.randrange(6), order.choice([5, 30, 104, 104, 400])
        front, back = (order.choice([0, 0, 1, size // 20, size // 12, size // 5]) for _ in range(2))
        new = 1_000_000 + 1000 * len(found)
        one = text((new, new + front), (start + front, start + size - back), (new + 500, new + 500 + back))
        one = order.choice([one, one, one.upper(), one.replace(" ", ",  "), f"{one}!"])
        found += [one] * order.choice([1, 1, 1, 2, 3])
    order.shuffle(found)
    return [*found[: count - 3], "", "...", "..."]


SIZE, LEAST = 128, 0.8  # of 40 bands of 4 rows


def slow_similarity(one, other, *, is_known):
    """How similar two texts are, and how that is found: by all pairs of word n-grams, and datasketch's estimate."""
    left, right = map(n_grams, (one, other))
    if not left or not right:
        return 0.0, ""
    if is_known and one == other:
        return 1.0, "similar_text"
    if len(left & right) / len(left | right) < 0.5:
        return 0.0, ""
    equal = int(np.count_nonzero(sketch(one) == sketch(other)))
    if equal >= verify.bounds(SIZE, LEAST).alike:
        return equal / SIZE, "similar_signature"
    found = len(left & right) / len(left | right)
    return (found, "similar_text") if found >= LEAST else (0.0, "")


def n_grams(one):
    words = "".join(letter if letter.isalnum() else " " for letter in one.lower()).split()
    return {" ".join(words[at : at + 5]) for at in range(max(len(words) - 4, 1))} if words else set()


def sketch(one):
    found = MinHash(
        num_perm=160, seed=1, scheme="affine32", hashfunc=lambda it: xxhash.xxh3_64_intdigest(it) & (2**32 - 1)
    )
    for each in n_grams(one):
        found.update(each.encode())
    return found.hashvalues[:SIZE]


def slow_decisions(texts, *, exact, normalized):
    """What becomes of texts: the number of the kept one, whom it was dropped through, reason and value; and copies."""
    pairs = collections.defaultdict(list)
    first, first_normalized = {}, {}
    for number, one in enumerate(texts):
        compared = normalize(one) if normalized else one
        candidates = [(other, "near") for it, other in first.items()] if one not in first else [(first[one], "near")]
        if exact and compared in first_normalized:
            candidates.append((first_normalized[compared], "same_text"))
        first.setdefault(one, number)
        first_normalized.setdefault(compared, number)
        for other, how in candidates:
            is_known = not (exact and normalized)
            value, reason = (1.0, how) if how != "near" else slow_similarity(one, texts[other], is_known=is_known)
            if value:
                for left, right in ((number, other), (other, number)):
                    order = 2 if reason != "same_text" else 1 if right < left else 3
                    pairs[left].append((order, -float(np.float32(value)), right, reason))
    kept = {}
    for number in range(len(texts)):  # in order, so that the first of a cluster finds all of it
        waiting = [number] if number not in kept else []
        for node in waiting:
            if node not in kept:
                kept[node] = number
                waiting += [other for *_, other, _ in pairs[node]]
    sizes = collections.Counter(kept.values())
    drops = {}
    for number, other in kept.items():
        if number != other:
            _, negative, through, reason = min(pairs[number], key=lambda it: (it[2] != other, it))
            drops[number] = (other, through, reason, -negative)
    return drops, sizes


@pytest.mark.parametrize(
    "steps, exact, normalized",
    [
        ("ExactDuplicates(), NearDuplicates(bands=40, rows=4)", True, False),
        ("ExactDuplicates(normalized=True), NearDuplicates(bands=40, rows=4)", True, True),
        ("NearDuplicates(bands=40, rows=4)", False, False),
    ],
)
def test_reasons_values_and_copies_are_those_of_all_pairs(steps, exact, normalized, tmp_path):
    texts = families(3, 60)
    expected, sizes = slow_decisions(texts, exact=exact, normalized=normalized)
    drops, kept = made(tmp_path, split(texts, 3), steps)
    assert decided(drops, split(texts, 3)) == expected
    assert list(kept.values()) == list(sizes.values())
    if exact:
        assert {reason for *_, reason, _ in expected.values()} == {"same_text", "similar_text", "similar_signature"}


def split(texts, parts):
    """Texts, in their order, in so many archives."""
    cuts = [len(texts) * number // parts for number in range(parts + 1)]
    return {f"{number}.wet": texts[start:stop] for number, (start, stop) in enumerate(itertools.pairwise(cuts))}


def decided(drops, archives):
    """Drops by the numbers of texts, which do not depend on how they are split."""
    starts = dict(zip(archives, itertools.accumulate(map(len, archives.values()), initial=0), strict=False))

    def number(id):
        name, _, offset = id.partition("@")
        return starts[name] + int(offset) // STEP

    found = {}
    for id, (_, reason, value, evidence) in drops.items():
        kept, _, through = evidence.partition(" through ")
        found[number(id)] = (number(kept), number(through or kept), reason, value)
    return found


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 2))])
def test_order_split_carrier_and_rounds_of_stars_change_nothing(seed, tmp_path, monkeypatch):
    """Tasks in any order, texts in 1 to 4 archives: the same decisions, and the same bytes of the same archives."""
    texts, found = families(seed, 40), {}
    for parts in (1, 2 + seed % 3):
        archives, held = split(texts, parts), []
        for how in ({}, {"exchange": "shuffle"}, {"max_links": 0}, {"max_links": 0, "exchange": "shuffle"}):
            folder = tmp_path / f"{parts}-{len(held)}"
            rounds = f"{seed}{len(held)}"
            monkeypatch.setattr(
                launch, "run", lambda steps, *rest, rounds=rounds, **_: plain_launch.run(steps, *rest, seed=rounds)
            )
            make(folder, dict(reversed(archives.items())), BOTH, tokens=False, **how)
            held.append(contents(folder))
        assert all(other == held[0] for other in held[1:])
        found[parts] = decided(dropped(folder), archives), list(copies(folder).values())
    assert len({repr(each) for each in found.values()}) == 1


def test_star_rounds_go_over_more_launches_than_one(tmp_path, monkeypatch):
    """A long chain: each text is like the next alone."""
    chain = [text((5 * number, 5 * number + 104)) for number in range(20)]
    chain = [chain[number * 7 % 20] for number in range(20)]  # neighbours far apart
    expected = made(tmp_path / "one", split(chain, 3), BOTH)
    assert expected[1] == {"0.wet@0": 20}
    launches = []
    monkeypatch.setattr(stars, "_ROUNDS", 1)
    monkeypatch.setattr(launch, "run", lambda *args, **_: launches.append(plain_launch.run(*args)))
    assert made(tmp_path / "many", split(chain, 3), BOTH, max_links=0) == expected
    assert len(launches) > 4
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


class Killed(Exception):
    """Stands for a process that ends."""


@pytest.mark.parametrize("exchange", ["files", "shuffle"])
def test_a_run_that_ends_at_any_task_goes_on_to_the_same_bytes(exchange, tmp_path, monkeypatch):
    """Each start does nine tasks more than the one before; a task that was cut short is done again."""
    archives, steps = split(families(5, 30), 3), f"{BOTH}, FirstOfUrl(), SentenceSpans()"
    expected = contents(make(tmp_path / "whole", archives, steps, max_links=0, tokens=False))
    left = [0]

    def run(rounds, *args, **_):
        plain_launch.run(rounds, *args, before=before)

    def before():
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    monkeypatch.setattr(launch, "run", run)
    for starts in range(1, 100):
        left[0] = 9 * starts if exchange == "files" else 12 * starts
        try:
            make(tmp_path / "killed", archives, steps, max_links=0, tokens=False, exchange=exchange)
            break
        except Killed:
            pass
    assert starts > 5
    assert contents(tmp_path / "killed") == expected


def test_a_pass_of_stars_may_follow_another(tmp_path):
    """Exact copies go first, and what is near only once lines that stand twice are gone."""
    menu = f"{text((800, 812))}."
    archives = split([*families(6, 20), f"{A}\n{menu}", f"{text((70, 80))}\n{menu}", A], 2)
    steps = "ExactDuplicates(), RepeatedLines(), NearDuplicates()"
    one = make(tmp_path / "one", archives, steps, tokens=False)
    assert {step for step, *_ in dropped(one).values()} >= {"ExactDuplicates", "NearDuplicates"}
    for number, how in enumerate(({"exchange": "shuffle"}, {}, {"exchange": "files", "max_links": 1})):
        other = make(tmp_path / str(number), archives, steps, tokens=False, **{"max_links": 0, **how})
        assert contents(other) == contents(one)


def test_copies_that_an_earlier_pass_found_are_counted(tmp_path):
    """Three of one text, and one like it."""
    archives = {"a.wet": [A, A, A, B]}
    steps = "ExactDuplicates(), FirstOfUrl(), NearDuplicates()"
    for number, max_links in enumerate((10, 0)):
        folder = make(tmp_path / str(number), archives, steps, tokens=False, max_links=max_links)
        assert list(copies(folder).values()) == [4]


RECIPE = made_corpus.RECIPE.format(BOTH)


@pytest.mark.slow
def test_workers_carriers_rounds_and_the_order_of_input_change_nothing(tmp_path, monkeypatch):
    """Archives to tokens by pipelines.curate: on Beam by three workers, and in this process, tasks in another order."""
    archives = split([A, *families(1, 30), B, C], 3)
    for name, texts in archives.items():
        records = [warc_builder.conversion(one, url=f"http://{name}-{n}.example/") for n, one in enumerate(texts)]
        (tmp_path / f"{name}.gz").write_bytes(warc_builder.archive(records))
    (tmp_path / "made.py").write_text(RECIPE)
    paths = [str(tmp_path / f"{name}.gz") for name in archives]
    runs = [
        (paths, ["--workers", "3", "--exchange", "shuffle", "--max-links", "0"]),
        (paths[::-1], ["--workers", "1", "--max-links", "0"]),
        (paths[1:] + paths[:1], ["--workers", "1", "--exchange", "shuffle"]),
        (paths, ["--workers", "1"]),
    ]
    held = []
    for number, (given, flags) in enumerate(runs):
        output = tmp_path / f"out-{number}"
        flags = [*flags, "--recipe", str(tmp_path / "made.py"), "--vocab-size", "300", "--output", str(output)]
        assert curate.main(["--input", *given, *flags]) == 0
        held.append(contents(output))
        monkeypatch.setattr(launch, "run", functools.partial(plain_launch.run, seed=str(number)))
    assert all(other == held[0] for other in held[1:])
    assert {step for step, *_ in dropped(tmp_path / "out-0").values()} >= {"ExactDuplicates", "NearDuplicates"}
