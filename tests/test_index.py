"""An index of earlier corpora: later ones are as if all had been curated together."""

import argparse
import dataclasses
import json
import random
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import manifest, parts, storage
from curation.dedup import index as indexes
from curation.dedup import index_files, texts
from curation.dedup.candidates import KEY
from curation.dedup.exact import ExactDuplicates
from curation.dedup.minhash import NearDuplicates
from curation.document import DOCUMENTS
from curation.ledger import Ledger
from curation.sources import Task
from pipelines import curate, exchange, index, indexed, launch, made, made_with, refilter, stars
from tests import made_corpus, plain_launch, warc_builder
from tests.made_corpus import contents, copies, dropped, make, text
from tests.test_similar import A, B, C, families, split

BOTH = "ExactDuplicates(), NearDuplicates()"


@pytest.fixture(autouse=True)
def in_this_process(request, monkeypatch):
    """Beam's start-up would take most of the time of most tests."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(launch, "run", plain_launch.run)


def add(folder, *corpora, steps=BOTH, **flags):
    """Takes corpora into an index, which is made where there is none; how the command ended."""
    recipe = folder.parent / "made.py"
    recipe.write_text(made_corpus.RECIPE.format(steps))
    given = [word for name, value in flags.items() for word in (f"--{name}", value)]
    return max(
        index.main(["--index", str(folder), "--add", str(corpus), "--recipe", str(recipe), "--workers", "1", *given])
        for corpus in corpora
    )


def without_corpora(drops):
    """Step, reason, value and evidence by id, as if all documents were of one corpus."""
    names = ("one:", "two:", "three:")

    def plain(evidence):
        for name in names:
            evidence = evidence.replace(name, "")
        return evidence

    return {id: (step, reason, value, plain(evidence)) for id, (step, reason, value, evidence) in drops.items()}


def of(archives, drops):
    """Those of the drops that are documents of these archives."""
    return {id: drop for id, drop in drops.items() if id.partition("@")[0] in archives}


def test_what_an_earlier_corpus_holds_is_rejected_by_its_name(tmp_path):
    """C is like B alone, which was dropped for A."""
    other = text((700, 800))
    make(tmp_path / "one", {"a": [A, B, other]}, BOTH)
    assert add(tmp_path / "index", tmp_path / "one") == 0
    two = make(tmp_path / "two", {"a": [C, A, text((900, 1000)), other, other]}, BOTH, index=tmp_path / "index")
    near = pytest.approx(92 / 108)
    assert dropped(two) == {
        "a@0": ("NearDuplicates", "similar_text", near, "one:a@0 through one:a@100"),
        "a@100": ("ExactDuplicates", "same_text", 1, "one:a@0"),
        "a@300": ("ExactDuplicates", "same_text", 1, "one:a@200"),
        "a@400": ("ExactDuplicates", "same_text", 1, "one:a@200"),
    }
    assert copies(two) == {"a@200": 1}
    held = manifest.load(str(two)).settings["index"]
    assert held == indexes.load(str(tmp_path / "index")).digest


def test_an_earlier_corpus_keeps_its_own_choice(tmp_path):
    """The longest stays in each corpus; what is there already stays whatever comes, and is what a duplicate names."""
    steps = "ExactDuplicates(keep='longest'), NearDuplicates(keep='longest')"
    longer = f"{B} and on and on"
    make(tmp_path / "one", {"a": [A, longer]}, steps)
    assert copies(tmp_path / "one") == {"a@100": 2}
    assert add(tmp_path / "index", tmp_path / "one", steps=steps) == 0
    for how in ({}, {"max_links": 0}):
        two = tmp_path / f"two-{len(how)}"
        make(two, {"b": [f"{A} and so", f"{longer} and on", C]}, steps, index=tmp_path / "index", tokens=False, **how)
        assert [evidence.split(" ")[0] for *_, evidence in dropped(two).values()] == ["one:a@100"] * 3


@pytest.mark.parametrize("steps", [BOTH, "ExactDuplicates(normalized=True)", "NearDuplicates(scope='language')"])
def test_corpora_one_by_one_are_as_all_together(steps, tmp_path):
    """Of three corpora, each made with an index of those before it, the same is dropped as of all at once."""
    texts = [{"text": one, "language": "ende"[place % 2 * 2 :][:2]} for place, one in enumerate(families(11, 60))]
    archives = split(texts, 6)
    names = sorted(archives)
    together = dropped(make(tmp_path / "all", archives, steps, tokens=False))
    assert len(together) > 10
    for number, name in enumerate(("one", "two", "three")):
        mine = {each: archives[each] for each in names[2 * number : 2 * number + 2]}
        folder = make(tmp_path / name, mine, steps, index=tmp_path / "index" if number else None)
        found = dropped(folder)
        expected = of(mine, together)
        assert without_corpora(found) == expected
        assert number == 0 or any(":" in evidence for *_, evidence in found.values())
        how = {"max_links": 0, "exchange": "shuffle"}
        earlier = tmp_path / "index" if number else None
        stars = make(tmp_path / f"stars-{number}", mine, steps, index=earlier, tokens=False, **how)
        assert {path: contents(folder)[path] for path in contents(stars)} == contents(stars)
        if number < 2:
            assert add(tmp_path / "index", folder, steps=steps) == 0


def test_all_of_a_corpus_is_rejected_when_it_comes_again(tmp_path, capsys):
    archives = split(families(12, 40), 2)
    make(tmp_path / "one", archives, BOTH)
    assert add(tmp_path / "index", tmp_path / "one") == 0
    archives = archives | {"z": [text((5, 90))]}
    again = dropped(make(tmp_path / "again", archives, BOTH, index=tmp_path / "index", tokens=False))
    words = {id for id, drop in again.items() if drop[0] == "ExactDuplicates"}
    assert len(words) == 40
    assert {evidence.partition(":")[0] for *_, evidence in again.values()} == {"one"}


def test_merged_indexes_are_as_one_that_both_corpora_were_added_to(tmp_path):
    texts = families(13, 60)
    archives = split(texts, 3)
    for number, name in enumerate(("one", "two")):
        make(tmp_path / name, {f"{number}.wet": archives[f"{number}.wet"]}, BOTH)
        assert add(tmp_path / f"index-{name}", tmp_path / name) == 0
    assert add(tmp_path / "both", tmp_path / "one", tmp_path / "two") == 0
    before = contents(tmp_path / "index-two")
    assert index.main(["--index", f"{tmp_path}/index-one", "--merge", f"{tmp_path}/index-two"]) == 0
    assert contents(tmp_path / "index-one") == contents(tmp_path / "both")
    assert contents(tmp_path / "index-two") == before
    last, found = {"2.wet": archives["2.wet"]}, []
    for name in ("both", "index-one"):
        folder = make(tmp_path / f"three-{name}", last, BOTH, index=tmp_path / name, tokens=False)
        found.append(contents(folder))
    assert found[0] == found[1]
    assert {drop[3].partition(":")[0] for drop in dropped(folder).values()} >= {"one", "two"}


def test_a_later_step_over_all_documents_leaves_no_trace(tmp_path):
    """The index holds what the first step saw: what a later one finds among less than all is found anew."""
    steps = "ExactDuplicates(), FirstOfUrl(), NearDuplicates()"
    make(tmp_path / "one", {"a": [A, B]}, steps)
    assert set(dropped(tmp_path / "one")) == {"a@100"}
    assert add(tmp_path / "index", tmp_path / "one", steps=steps) == 0
    two = make(tmp_path / "two", {"b": [B, C]}, steps, index=tmp_path / "index")
    assert dropped(two) == {"b@0": ("ExactDuplicates", "same_text", 1, "one:a@100")}


@pytest.fixture
def one(tmp_path):
    """An index of one corpus."""
    make(tmp_path / "one", {"a": [A, B], "b": []}, BOTH)
    assert add(tmp_path / "index", tmp_path / "one") == 0
    return tmp_path / "index"


def said(capsys, status):
    """What a command that was refused said."""
    assert status == 1
    return capsys.readouterr().err.strip().splitlines()[-1].removeprefix("error: ")


def test_it_says_what_it_holds(one, capsys):
    capsys.readouterr()
    assert index.main(["--index", str(one)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "one: 2 documents",
        f"2 documents of 1 corpora in {one}",
    ]


def test_a_corpus_is_taken_in_once(one, tmp_path, capsys):
    before = contents(one)
    make(tmp_path / "two", {"c": [C]}, BOTH)
    assert "both hold a corpus one" in said(capsys, add(one, tmp_path / "one"))
    assert "both hold a corpus one" in said(capsys, add(one, tmp_path / "two", name="one"))
    assert "holds corpus" in said(capsys, add(one, tmp_path / "one", name="other"))
    for name in ("a/b", "..", "", "index.json", "a:b", "x" * 101):
        if name:
            assert said(capsys, add(one, tmp_path / "two", name=name)).startswith(f"--name {name}: expected letters")
    assert contents(one) == before
    assert add(one, tmp_path / "two", name="Zwei-2.0") == 0
    assert index.main(["--index", str(one), "--merge", str(one)]) == 1


def test_other_settings_are_told(one, tmp_path, capsys):
    for steps, name in {
        "ExactDuplicates(normalized=True), NearDuplicates()": "exact",
        "NearDuplicates()": "exact",
        "ExactDuplicates()": "near",
        "ExactDuplicates(), NearDuplicates(seed=2)": "near",
        "ExactDuplicates(scope='crawl'), NearDuplicates(scope='crawl')": "scope",
    }.items():
        with pytest.raises(ValueError, match=f"was made with {name} "):
            make(tmp_path / "two", {"c": [C]}, steps, index=one)
    for steps in ("FirstOfUrl(), ExactDuplicates(), NearDuplicates()", "SentenceSpans()"):
        with pytest.raises(ValueError, match="first step on all documents compares none"):
            make(tmp_path / "two", {"c": [C]}, steps, index=one)
    steps = "ExactDuplicates(keep='longest'), NearDuplicates(min_similarity=0.9, keep='longest')"
    make(tmp_path / "two", {"c": [C]}, steps, index=one)  # which decide on what is described, and do not describe

    make(tmp_path / "three", {"d": [C]}, "NearDuplicates()")
    assert "was made with exact" in said(capsys, add(one, tmp_path / "three", steps="NearDuplicates()"))
    assert add(tmp_path / "other", tmp_path / "three", steps="NearDuplicates()") == 0
    assert "other settings" in said(capsys, index.main(["--index", str(one), "--merge", f"{tmp_path}/other"]))


@pytest.mark.parametrize("steps", ["ExactDuplicates()", "NearDuplicates()"])
def test_one_kind_of_duplicates_alone(steps, tmp_path):
    make(tmp_path / "one", {"a": [A, "...", "", A]}, steps)
    assert add(tmp_path / "index", tmp_path / "one", steps=steps) == 0
    two = make(tmp_path / "two", {"b": [text((900, 999)), A, "..."]}, steps, index=tmp_path / "index")
    expected = {"b@100": "one:a@0"} | ({"b@200": "one:a@100"} if "Exact" in steps else {})
    assert {id: evidence for id, (*_, evidence) in dropped(two).items()} == expected


def test_a_damaged_index_is_told(one, tmp_path, capsys):
    path = one / "index.json"
    whole = json.loads(path.read_text())
    part = whole["parts"][0]
    for content in (
        "{",
        "[]",
        json.dumps(whole | {"format_version": 2}),
        json.dumps({name: value for name, value in whole.items() if name != "settings"}),
        json.dumps(whole | {"parts": [part | {"path": "../one/part"}]}),
        json.dumps(whole | {"parts": [part | {"rows": "2"}]}),
        json.dumps(whole | {"parts": [part | {"rows": -2}]}),
        json.dumps(whole | {"parts": [part, part | {"corpus": "two"}]}),
        json.dumps(whole | {"manifests": {}}),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"index\.json is no index that this version reads"):
            indexes.load(str(one))
    path.unlink()
    with pytest.raises(ValueError, match=r"does not exist: .* is no index; make one with pipelines.index"):
        indexes.load(str(one))
    assert "is no index" in said(capsys, index.main(["--index", str(one)]))


def test_a_part_that_is_not_the_one_that_was_written_is_told(one, tmp_path, capsys):
    (path,) = (one / "one").glob("part-00000*")
    content, new = path.read_bytes(), {"c": [A, text((900, 999))]}
    for change in (content[:-100] + bytes(100), content[:50] + b"x" + content[51:]):
        path.write_bytes(change)
        with pytest.raises(Exception, match=r"part-00000.* has sha256 .*, expected .*; copy the whole index"):
            make(tmp_path / "two", new, BOTH, index=one)
        assert "copy the whole index" in said(
            capsys, index.main(["--index", f"{merged(tmp_path)}", "--merge", str(one)])
        )
    path.unlink()
    with pytest.raises(Exception, match=r"part-00000.* does not exist; copy the whole index"):
        make(tmp_path / "two", new, BOTH, index=one)
    path.write_bytes(content)
    assert dropped(make(tmp_path / "two", new, BOTH, index=one)).keys() == {"c@0"}


def merged(folder):
    """An index that takes in another."""
    if not (folder / "taking").exists():
        make(folder / "taken", {"x": [text((2000, 2100))]}, BOTH)
        assert add(folder / "taking", folder / "taken") == 0
    return folder / "taking"


def test_a_damaged_corpus_is_not_taken_in(one, tmp_path, capsys):
    two = make(tmp_path / "two", {"c": [C]}, BOTH)
    (path,) = (two / "filtered").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:50] + b"x" + content[51:])
    before = indexes.load(str(one))
    assert "copy the whole corpus, or make it again" in said(capsys, add(one, two))
    assert indexes.load(str(one)) == before
    (two / "manifest.json").unlink()
    assert "is no finished corpus" in said(capsys, add(one, two))


def test_a_corpus_made_with_an_index_goes_into_that_one_or_what_it_becomes(one, tmp_path, capsys):
    two = make(tmp_path / "two", {"c": [C, text((900, 999))]}, BOTH, index=one)
    assert len(dropped(two)) == 1
    assert "was made with an index that --index" in said(capsys, add(tmp_path / "new", two))
    assert not (tmp_path / "new/index.json").exists()
    other = merged(tmp_path)
    assert "was made with an index that --index" in said(capsys, add(other, two))
    assert index.main(["--index", str(other), "--merge", str(one)]) == 0
    assert add(other, two) == 0
    assert list(indexes.load(str(other)).manifests) == ["taken", "one", "two"]
    three = make(tmp_path / "three", {"d": [C, text((3000, 3100))]}, BOTH, index=other)
    assert dropped(three)["d@0"] == ("ExactDuplicates", "same_text", 1, "one:a@0 through two:c@0")


def test_an_addition_that_was_cut_short_is_made_again(one, tmp_path, monkeypatch):
    before, held = contents(one), indexes.load(str(one))
    two = make(tmp_path / "two", {"c": [C], "d": [text((900, 999))]}, BOTH, index=one)
    left = [1]

    def killed():
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(launch, "run", lambda *args, **_: plain_launch.run(*args, before=killed))
        assert add(one, two) == 1
    assert (one / "two").exists()
    assert {path: content for path, content in contents(one).items() if path in before} == before
    assert indexes.load(str(one)) == held
    assert add(one, two) == 0
    assert add(tmp_path / "whole", tmp_path / "one") == 0
    assert contents(tmp_path / "whole") == before
    assert add(tmp_path / "whole", two) == 0
    assert contents(tmp_path / "whole") == contents(one)


def test_a_run_goes_on_with_the_index_that_it_began_with(one, tmp_path, monkeypatch):
    def stopped(*_):
        raise RuntimeError("stopped")

    archives = {"c": [A, text((900, 999))], "d": [text((1000, 1099))]}
    with monkeypatch.context() as patch:
        patch.setattr(launch, "run", lambda rounds, *args, **_: plain_launch.run(rounds[:-1] or rounds, *args))
        with pytest.raises(RuntimeError, match="outputs are missing"):
            make(tmp_path / "two", archives, BOTH, index=one)
    make(tmp_path / "three", {"x": [text((2000, 2099))]}, BOTH)
    shutil.copytree(one, tmp_path / "grown")
    assert add(tmp_path / "grown", tmp_path / "three") == 0
    make(tmp_path / "two", archives, BOTH, index=one)
    for other in (tmp_path / "grown", None):
        (tmp_path / "two/manifest.json").unlink(missing_ok=True)
        with pytest.raises(ValueError, match="was made by another run"):
            make(tmp_path / "two", archives, BOTH, index=other)


def test_refilter_asks_for_the_index_that_the_corpus_was_made_with(one, tmp_path, capsys):
    archives = {"c": [C, A, text((900, 999))]}
    two = make(tmp_path / "two", archives, BOTH, index=one)
    steps = "ExactDuplicates(), NearDuplicates(min_similarity=0.9)"
    recipe = tmp_path / "new.py"
    recipe.write_text(made_corpus.RECIPE.format(steps))
    flags = ["--corpus", str(two), "--recipe", str(recipe), "--output", f"{tmp_path}/new", "--workers", "1"]
    assert "made with an index of earlier corpora: give it as --index DIR" in said(capsys, refilter.main(flags))
    other = merged(tmp_path)
    assert "is not what" in said(capsys, refilter.main([*flags, "--index", str(other)]))
    old = ["--corpus", str(tmp_path / "one"), *flags[2:4], "--output", f"{tmp_path}/old", "--index", str(one)]
    assert "one was made with no index of earlier corpora; leave --index out" in said(capsys, refilter.main(old))
    assert add(one, two) == 0  # it has grown since, by the corpus itself
    assert refilter.main([*flags, "--index", str(one)]) == 0
    assert set(dropped(tmp_path / "new")) == {"c@100"}
    assert manifest.load(f"{tmp_path}/new").settings == manifest.load(str(two)).settings


def test_an_index_may_lie_in_a_bucket(one, tmp_path):
    folder = f"memory://{tmp_path.name}"
    recipe = ["--recipe", f"{tmp_path}/made.py"]
    assert index.main(["--index", folder, "--add", str(tmp_path / "one"), *recipe]) == 0
    two = make(tmp_path / "two", {"c": [C, text((900, 999))]}, BOTH, index=folder)
    assert dropped(two)["c@0"][3] == "one:a@0 through one:a@100"
    assert index.main(["--index", folder, "--add", str(two), *recipe]) == 0
    assert refiltered(two, tmp_path / "new", folder) == 0
    assert contents(tmp_path / "new") == contents(two)
    assert index.main(["--index", f"{folder}-too", "--add", str(tmp_path / "one"), *recipe, "--name", "x"]) == 0
    assert list(indexes.load(folder).manifests) == ["one", "two"]


def refiltered(corpus, output, index):
    """Makes a corpus again by the recipe that it was made with; how the command ended."""
    flags = ["--corpus", str(corpus), "--recipe", str(corpus.parent / "made.py"), "--output", str(output)]
    return refilter.main([*flags, "--index", index, "--workers", "1"])


def parts_of(folder, name):
    """Two parts of an index that were read, and the index."""
    held = indexes.load(str(folder))
    return held, [folder / part.path for part in held.parts if part.corpus == name]


def test_each_part_is_checked_once_by_a_process_whatever_is_read_of_it(one, monkeypatch):
    held, (path, _) = parts_of(one, "one")
    read, sha256_of = [], manifest.sha256_of
    monkeypatch.setattr(manifest, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    index_files._check.cache_clear()
    numbers = np.array([-2, -1])
    assert index_files.names(held, numbers) == {-2: "one:a@0", -1: "one:a@100"}
    assert index_files.shingles_of(held, numbers).keys() == {-2, -1} and len(index_files.keys(held, 0))
    assert read == [str(path)]
    index_files._check.cache_clear()
    content = path.read_bytes()
    path.write_bytes(content[:50] + b"x" + content[51:])
    looks = texts.looks_of([ExactDuplicates(), NearDuplicates()])
    for reading in (
        lambda: index_files.names(held, numbers),
        lambda: index_files.shingles_of(held, numbers),
        lambda: index_files.sketches(held, 0, looks),
        lambda: index_files.links(held, 0),
    ):
        with pytest.raises(storage.StorageError, match=r"has sha256 .*; copy the whole index"):
            reading()


def test_a_row_group_of_long_documents_holds_few(tmp_path, monkeypatch):
    monkeypatch.setattr(index_files, "_SHINGLES", 100)
    looks = texts.looks_of([NearDuplicates(shingle=1)])
    documents = [made_corpus.documents("a", [text((0, size))])[0][0] for size in (30, 200, 50, 50, 10)]
    path = tmp_path / "part.parquet"
    assert index_files.write(str(path), ((each, ("one", 0)) for each in documents), looks) == 5
    groups = pq.read_metadata(path)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [2, 2, 1]
    assert [len(row) for row in pq.read_table(path).column("shingles").to_pylist()] == [30, 200, 50, 50, 10]


def test_two_at_once_lose_no_corpus(one, tmp_path, capsys, monkeypatch):
    two = make(tmp_path / "two", {"c": [C]}, BOTH)
    before = contents(one)
    with made.alone(str(one / ".lock"), "taken"):
        assert "another process is at work in it" in said(capsys, add(one, two))
        assert "at work" in said(capsys, index.main(["--index", str(one), "--merge", str(merged(tmp_path))]))
    assert contents(one) == before
    held = indexes.load(str(one))

    def meanwhile(*args, **_):
        plain_launch.run(*args)
        changed = dataclasses.replace(held, parts=(*held.parts, held.parts[0]))
        changed.write(held)

    with monkeypatch.context() as patch:
        patch.setattr(launch, "run", meanwhile)
        assert "another process has changed it meanwhile; start again" in said(capsys, add(one, two))
    assert len(indexes.load(str(one)).parts) == len(held.parts) + 1
    with pytest.raises(ValueError, match="another process has changed it"):
        held.write(held)
    dataclasses.replace(held, folder=f"{tmp_path}/new").write(
        dataclasses.replace(held, parts=(), folder=f"{tmp_path}/new")
    )


def test_parts_past_the_99_999th_have_the_order_of_their_numbers(tmp_path):
    tasks = [Task(number, 100_001, f"{number}.wet", 0, 10) for number in (100_000, 99_999, 7)]
    ledger = Ledger()
    for task in tasks:
        with parts.writing(
            f"{tmp_path}/filtered/{task.part}.parquet", DOCUMENTS, fingerprint="x", ledger=ledger, task=task
        ):
            pass
    outputs = tuple(manifest.OutputFile(f"filtered/{task.part}.parquet", 1, "") for task in tasks)
    held = argparse.Namespace(outputs=outputs)
    assert made_with.tasks_of_corpus(str(tmp_path), held) == tuple(reversed(tasks))
    shutil.copy(tmp_path / outputs[0].path, tmp_path / outputs[1].path)
    with pytest.raises(ValueError, match=r"part-99999-of-100001.parquet is part-100000-of-100001; copy the whole"):
        made_with.tasks_of_corpus(str(tmp_path), held)


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=4),
    st.lists(st.integers(0, 9), max_size=8),
)
def test_keys_of_the_index_are_those_that_new_documents_have(sent, new):
    rows = [np.array([(key, -1, 0, False) for key in part], KEY) for part in sent]
    own = np.array([(key, 1, 0, False) for key in new], KEY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexed, "parts", lambda *_: sent)
        patch.setattr(indexed, "senders", lambda *_: [])
        patch.setattr(exchange, "receive_each", lambda *_: iter(rows))
        found = [part["key"].tolist() for part in indexed.keys(own, 0, None, 0)]
    assert found == [[key for key in part if key in new] for part in sent]


def test_flags_of_beam_for_s3_are_heeded(one, tmp_path, monkeypatch):
    endpoint = "http://127.0.0.1:9"
    used = []
    monkeypatch.setattr(storage, "use", used.append)
    assert index.main(["--index", str(one), "--s3_endpoint_url", endpoint]) == 0
    flags = ["--corpus", f"{tmp_path}/one", "--recipe", f"{tmp_path}/made.py", "--output", f"{tmp_path}/new"]
    assert refilter.main([*flags, "--dry-run", f"--s3_endpoint_url={endpoint}"]) == 0
    assert [access.s3_endpoint_url for access in used] == [endpoint] * 2


def test_refilter_makes_clusters_of_many_pairs_by_rounds(one, tmp_path, monkeypatch):
    asked, ask_for = [], stars.ask_for
    monkeypatch.setattr(stars, "ask_for", lambda *args: asked.append(args) or ask_for(*args))
    flags = ["--corpus", f"{tmp_path}/one", "--recipe", f"{tmp_path}/made.py", "--workers", "1"]
    for output, most in (("few", "0"), ("many", "9")):
        assert refilter.main([*flags, "--output", f"{tmp_path}/{output}", "--max-links", most]) == 0
    assert contents(tmp_path / "few") == contents(tmp_path / "many") and len(asked) == 1
    with pytest.raises(SystemExit):
        refilter.main([*flags, "--max-links", "-1"])


@pytest.mark.slow
def test_by_the_commands_with_two_workers(tmp_path):
    """Archives to a corpus, that to an index, and other archives against it."""
    texts = [A, B, *families(14, 30)]
    random.Random(1).shuffle(texts)
    (tmp_path / "made.py").write_text(made_corpus.RECIPE.format(BOTH))
    for name, found in {"a": texts[:16], "b": texts[16:], "c": [*texts, text((90_000, 90_099))]}.items():
        records = [warc_builder.conversion(each, url=f"http://{name}-{n}.example/") for n, each in enumerate(found)]
        (tmp_path / f"{name}.wet.gz").write_bytes(warc_builder.archive(records))
    flags = ["--recipe", f"{tmp_path}/made.py", "--vocab-size", "300", "--workers", "2", "--task-mib", "1"]
    old = ["--input", f"{tmp_path}/a.wet.gz", f"{tmp_path}/b.wet.gz", "--output", f"{tmp_path}/one"]
    assert curate.main([*flags, *old]) == 0
    add_flags = ["--index", f"{tmp_path}/index", "--add", f"{tmp_path}/one", "--recipe", f"{tmp_path}/made.py"]
    assert index.main([*add_flags, "--workers", "2"]) == 0
    new = ["--input", f"{tmp_path}/c.wet.gz", "--index", f"{tmp_path}/index"]
    assert curate.main([*flags, *new, "--output", f"{tmp_path}/two"]) == 0
    assert copies(tmp_path / "two").keys() == {made_corpus.rows(tmp_path / "two", "documents")[0]["id"]}
    words = [drop for drop in dropped(tmp_path / "two").values() if drop[1] == "same_text"]
    assert len(words) == len([each for each in texts if each.strip()])
    shuffled = [*new, "--exchange", "shuffle", "--max-links", "0", "--output", f"{tmp_path}/three"]
    assert curate.main([*flags, *shuffled]) == 0
    assert contents(tmp_path / "three") == contents(tmp_path / "two")
