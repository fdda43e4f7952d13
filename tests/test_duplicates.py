"""What a corpus is told of its duplicates: the numbers are those of its rows, and nothing hostile gets through."""

import collections
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lxml.etree
import lxml.html
import numpy as np
import pytest

from curation import duplicate_examples, duplicates, manifest, parts, recipe, stored_recipe
from curation.document import DOCUMENTS, REJECTED, Document, Rejection
from curation.ledger import Ledger
from curation.manifest import OutputFile
from pipelines import duplicates as command
from tests import tiny_corpus

ROOT = Path(__file__).parent.parent
FINEWEB = stored_recipe.as_json(recipe.of_source(*recipe.read_source("fineweb")))
WORDS = [f"word{number}" for number in range(40)]
EVIL = "</td><script>alert(1)</script><b x='\"&\x1b[2J\x9b\u202e\ud800"


def text(*others):
    """A text of 40 words, with others in place of the first."""
    return " ".join([*others, *WORDS[len(others) :]])


def document(name, host, content=None, copies=1):
    archive, _, offset = name.partition("@")
    where = (f"crawl/{archive}.warc.gz", int(offset), 9, "sha1:x", "utf-8", {}, copies)
    return Document(
        f"{archive}.warc.gz@{offset}", f"https://{host}/{offset}", None, content or text(name), "en", 0.9, *where
    )


def dropped(found, step, reason, evidence=None, value=None):
    evidence = evidence and re.sub(r"(\w)@", r"\1.warc.gz@", evidence)
    return Rejection.of(found, step=step, reason=reason, evidence=evidence, value=value)


def near(found, evidence, value, reason="similar_text"):
    return dropped(found, "NearDuplicates", reason, evidence, value)


def exact(found, evidence):
    return dropped(found, "ExactDuplicates", "same_text", evidence, 1.0)


def write(folder, written, *, made_by=FINEWEB):
    """A corpus of two parts; `written` has what lies in each folder of each part."""
    outputs = []
    for number, name in enumerate("ab"):
        for kind, rows in written[name].items():
            kind, _, suffix = kind.partition(" ")
            schema = REJECTED if kind == "rejected" else DOCUMENTS
            path = f"{kind}/part-{number:05d}-of-00002{suffix}.parquet"
            (folder / kind).mkdir(parents=True, exist_ok=True)
            with parts.writing(f"{folder}/{path}", schema, fingerprint="f", ledger=Ledger()) as part:
                for row in rows:
                    part.add(row)
            outputs.append(OutputFile(path, 1, "0" * 64))
    inputs = tuple({"path": f"crawl/{name}.warc.gz", "size": 1, "digest": ""} for name in "ab")
    (folder / "tokens").mkdir()
    (folder / "tokenizer.json").write_bytes(tiny_corpus.TOKENIZER)
    tiny_corpus.write_manifest(str(folder), recipe=made_by, inputs=inputs, outputs=tuple(outputs))
    return folder


def contents():
    """Clusters of 5 and of 4 documents; of a root that went later, of an earlier corpus, and of no document."""
    a = {number: document(f"a@{number}", "one.example") for number in range(1, 10)}
    b = {number: document(f"b@{number}", "two.example") for number in range(1, 9)}
    a[1], b[2] = dataclasses.replace(a[1], copies=5), dataclasses.replace(b[2], copies=3)
    return {
        "a": {
            "filtered": [a[number] for number in (1, 3, 4, 6, 7)],
            "documents": [a[1]],
            "rejected": [
                dropped(a[2], "SeenPayload", "repeated_payload", "a@1", 1.0),
                dropped(a[8], "SeenPayload", "repeated_payload", "a@9", 1.0),
                dropped(a[9], "KeepLanguage", "other_language"),
            ],
            "rejected -duplicates": [
                exact(a[3], "a@1"),
                near(a[4], "a@1", 0.9),
                dropped(a[6], "GopherQuality", "too_few_words", "num_words", 3.0),
                dropped(a[7], "NewestPage", "same_url", "b@5"),
            ],
        },
        "b": {
            "filtered": [b[number] for number in (1, 2, 3, 4, 5, 7, 8)],
            "documents": [b[2], b[8]],
            "rejected": [],
            "rejected -duplicates": [
                near(b[1], "a@1 through a@4", 0.85),
                near(b[3], "b@2", 0.97, "similar_signature"),
                near(b[4], "a@6", 0.8),
                exact(b[5], "b@2"),
                near(b[7], "old:c@5", 0.93),
            ],
        },
    }


@pytest.fixture
def corpus(tmp_path):
    return write(tmp_path / "corpus", contents())


def run(capsys, *argv):
    status = command.main([*map(str, argv)])
    found = capsys.readouterr()
    return status, found.out, found.err


def asked(capsys, corpus, *more):
    status, out, err = run(capsys, "--corpus", corpus, "--json", *more)
    assert (status, err) == (0, "")
    assert out.isascii() and out.count("\n") == 1
    return json.loads(out)


def values(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_numbers_by_hand(capsys, corpus):
    found = asked(capsys, corpus)
    assert [found[name] for name in ("documents", "clusters", "dropped", "through_another")] == [3, 4, 9, 1]
    assert values(found["steps"], "step", "reason", "documents") == [
        ("ExactDuplicates", "same_text", 2),
        ("NearDuplicates", "similar_signature", 1),
        ("NearDuplicates", "similar_text", 4),
        ("NewestPage", "same_url", 1),
        ("SeenPayload", "repeated_payload", 2),
    ]
    assert values(found["roots"], "root", "clusters", "dropped") == [
        ("kept", 2, 7),
        ("rejected by a later step", 1, 1),
        ("in an earlier corpus", 1, 1),
        ("never a document", 1, 1),
    ]
    assert values(found["sizes"], "first", "last", "clusters", "documents") == [
        (1, 1, 1, 1),
        (2, 2, 2, 4),
        (3, 4, 1, 4),
        (5, 8, 1, 5),
    ]
    assert values(found["largest"], "id", "url", "documents", "copies", "hosts") == [
        ("a.warc.gz@1", "https://one.example/1", 5, 5, 2),
        ("b.warc.gz@2", "https://two.example/2", 4, 3, 2),
        ("a.warc.gz@6", "https://one.example/6", 2, 0, 2),
        ("old:c.warc.gz@5", "", 2, 0, 1),
    ]
    assert values(found["hosts"], "host", "dropped", "kept") == [("two.example", 5, 2), ("one.example", 4, 1)]
    assert values(found["host_pairs"], "kept", "dropped", "documents") == [
        ("one.example", "one.example", 3),
        ("one.example", "two.example", 2),
        ("two.example", "two.example", 2),
        ("two.example", "one.example", 1),
    ]
    assert [it["found"] for it in found["similarity"]["bins"]] == [1, 0, 1, 0, 0, 1, 1, 0, 1, 0]
    pairs = [(it["similarity"], it["other"]["id"], it["dropped"]["id"], it["kept"]) for it in found["examples"]]
    assert pairs == [
        (0.8, "a.warc.gz@6", "b.warc.gz@4", "a.warc.gz@6"),
        (0.85, "a.warc.gz@4", "b.warc.gz@1", "a.warc.gz@1"),
        (0.9, "a.warc.gz@1", "a.warc.gz@4", "a.warc.gz@1"),
        (0.97, "b.warc.gz@2", "b.warc.gz@3", "b.warc.gz@2"),
    ]  # the texts of earlier corpora are not here
    assert found["examples"][0]["dropped"]["url"] == "https://two.example/4"
    assert found["examples"][0]["difference"]["spans"][:2] == [
        {"kind": "removed", "text": "a@6", "words": 1},
        {"kind": "added", "text": "b@4", "words": 1},
    ]


def test_top_and_examples_are_the_first_of_all(capsys, corpus):
    whole, few = asked(capsys, corpus), asked(capsys, corpus, "--top", 2, "--examples", 2)
    for name in ("largest", "hosts", "host_pairs"):
        assert few[name] == whole[name][:2]
    assert len(few["examples"]) == 2 and few["examples"][0] == whole["examples"][0]
    none = asked(capsys, corpus, "--top", 0, "--examples", 0)
    assert [none[name] for name in ("largest", "hosts", "host_pairs", "examples")] == [[], [], [], []]
    assert none["sizes"] == whole["sizes"]


def test_what_is_printed(capsys, corpus):
    status, out, err = run(capsys, "--corpus", corpus, "--examples", 1)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        f"{corpus}: recipe fineweb, 3 documents; 9 were dropped as duplicates in 4 clusters, 1 of them through another "
        "document"
    )
    for line in (
        "NearDuplicates      similar_text                       4",
        "never a document                                       1           1",
        "5 to 8                             1           5",
        "        5        5       2  a.warc.gz@1  https://one.example/1",
        "        2        -       2  a.warc.gz@6  https://one.example/6",
        "two.example                                                5           2",
        "14 bands of 8 rows, pairs of similarity 0.8 or more: 5 found of about 5, 98.1% ± 6.1% (one standard error)",
        "similarity 0.8000 (similar_text), kept a.warc.gz@6",
        "- a.warc.gz@6  https://one.example/6",
        "+ b.warc.gz@4  https://two.example/4  (dropped)",
        "  39 words the same, 1 only in -, 1 only in +",
        "| - a@6",
        "| + b@4",
        "| … 27 more words",
    ):
        assert line in lines, line


def test_the_sizes_of_clusters_are_the_copies_of_the_corpus(capsys, sample_corpus):
    held = manifest.load(str(sample_corpus))
    rows, found = duplicates.read(str(sample_corpus), held)
    of_root = {rows.documents.id(int(root)): int(size) for root, size in zip(found.root, found.size, strict=True)}
    kept = [it for path in sorted((sample_corpus / "documents").iterdir()) for it in parts.documents(str(path))]
    assert {it.id: it.copies for it in kept if it.copies > 1} == {
        it.id: of_root[it.id] for it in kept if it.id in of_root
    }
    told = asked(capsys, sample_corpus, "--examples", 100)
    ledger = held.ledger["rejected"]
    counts = {(step, reason): n for step, reasons in ledger.items() for reason, n in reasons.items()}
    assert told["steps"] and all(counts[it["step"], it["reason"]] == it["documents"] for it in told["steps"])
    assert sum(it["documents"] for it in told["sizes"][:1]) == sum(it.copies == 1 for it in kept)
    texts = {it.id: it.text for path in (sample_corpus / "filtered").iterdir() for it in parts.documents(str(path))}
    assert told["examples"] and len(told["examples"]) == sum(it["found"] for it in told["similarity"]["bins"])
    for it in told["examples"]:
        difference = it["difference"]
        assert difference["same"] + difference["added"] == len(texts[it["dropped"]["id"]].split())
        assert difference["same"] + difference["removed"] == len(texts[it["other"]["id"]].split())


def test_many_rows_agree_with_a_plain_count(tmp_path, capsys):
    """Chains of drops in any order, over hosts that share clusters."""
    generator = np.random.default_rng(3)
    known = {name: [document(f"{name}@{n}", f"h{n % 7}.example") for n in range(1, 201)] for name in "ab"}
    whole = [*known["a"], *known["b"]]
    order = generator.permutation(len(whole))
    above = {}  # a document to one that comes before it in a random order: no rings
    for place in range(100, len(whole)):
        above[whole[order[place]].id] = whole[order[generator.integers(0, place)]].id
    written = {}
    for name, found in known.items():
        rows = [near(it, above[it.id].replace(".warc.gz", ""), 0.9) for it in found if it.id in above]
        kept = [it for it in found if it.id not in above]
        written[name] = {"filtered": found, "documents": kept, "rejected": [], "rejected -duplicates": rows}
    told = asked(capsys, write(tmp_path / "corpus", written), "--top", 1000)

    def root(name):
        return root(above[name]) if name in above else name

    sizes = collections.Counter(root(it.id) for it in whole)
    urls = {it.id: it.url for it in whole}
    assert {it["id"]: it["documents"] for it in told["largest"]} == {name: n for name, n in sizes.items() if n > 1}
    ordered = sorted(told["largest"], key=lambda it: (-it["documents"], it["id"]))
    assert told["largest"] == ordered
    pairs = collections.Counter((urls[root(name)].split("/")[2], urls[name].split("/")[2]) for name in above)
    assert {(it["kept"], it["dropped"]): it["documents"] for it in told["host_pairs"]} == pairs
    for it in told["largest"]:
        assert it["hosts"] == len({url.split("/")[2] for name, url in urls.items() if root(name) == it["id"]})


def test_examples_are_spread_and_have_the_least_similar():
    values = np.concatenate([np.full(1000, 0.99), np.linspace(0.8, 0.9, 50)])
    chosen = duplicate_examples.choose(values, count=6, seed=0)
    found = values[chosen]
    assert found[0] == 0.8 and (np.diff(found) >= 0).all() and len(set(chosen)) == 6
    assert (found < 0.9).sum() >= 3 and (found == 0.99).sum() >= 1
    assert duplicate_examples.choose(values, count=6, seed=0) == chosen
    assert any(duplicate_examples.choose(values, count=6, seed=seed) != chosen for seed in range(1, 5))
    everything = duplicate_examples.choose(values, count=5000, seed=0)
    assert sorted(everything) == list(range(len(values)))
    assert [duplicate_examples.choose(values, count=count, seed=1) for count in (0, 1)] == [[], [1000]]
    assert duplicate_examples.choose(np.empty(0), count=3, seed=1) == []
    assert len(duplicate_examples.choose(np.full(9, 1.0), count=3, seed=1)) == 3


@pytest.fixture
def hostile(tmp_path):
    """A corpus whose texts, URLs and hosts hold markup, control characters and enormous words."""
    # Half a surrogate pair cannot be stored in Parquet, so it does not get this far.
    evil = EVIL.replace("\ud800", "")
    found = contents()
    bad = [text(evil, evil, "\x00"), text(f"{evil}2", "x" * 1_000_000, "<ins>"), "[" * 1_000_000, "a " * 500_000]
    for name, rows in found.items():
        for kind in rows:
            rows[kind] = [
                dataclasses.replace(it, url=f"http://{evil}.example/{evil}")
                if isinstance(it, Rejection)
                else dataclasses.replace(it, url=f"http://{evil}/", text=bad[(it.offset + ord(name)) % 4])
                for it in rows[kind]
            ]
    return write(tmp_path / "corpus", found)


def test_nothing_raw_is_printed(capsys, hostile):
    out = run(capsys, "--corpus", hostile)[1]
    assert "script" in out and all(line.isprintable() for line in out.splitlines())
    assert max(map(len, out.splitlines())) < 400
    told = asked(capsys, hostile)
    assert any("<script>" in it["dropped"]["url"] for it in told["examples"])


def test_the_page_shows_text_as_text(capsys, hostile, tmp_path):
    path = tmp_path / "out.html"
    assert run(capsys, "--corpus", hostile, "--html", path)[0] == 0
    written = path.read_text(encoding="utf-8")
    assert all(c.isprintable() or c == "\n" for c in written)
    assert len(written) < 1_000_000
    root = lxml.html.document_fromstring(written)
    used = collections.Counter(it.tag for it in root.iter())
    known = "html head meta title style body h1 h2 h3 p div table tr th td svg rect line polyline text del ins"
    assert used.keys() <= set(known.split())
    assert not used["script"] and "<script" not in written
    assert used["h3"] == 4 and used["del"] > 4
    assert any("<script>alert(1)" in it.text_content() for it in root.iter("del"))
    # Well formed too, so that no text has opened or closed an element.
    xml = re.sub(r"<meta [^>]*>", "", written.removeprefix("<!DOCTYPE html>\n"))
    lxml.etree.fromstring(xml, lxml.etree.XMLParser(huge_tree=True))


def test_the_page_has_all_that_is_printed(capsys, corpus, tmp_path):
    status, out, _ = run(capsys, "--corpus", corpus, "--html", tmp_path / "out.html")
    assert status == 0 and out == run(capsys, "--corpus", corpus)[1]
    root = lxml.html.parse(str(tmp_path / "out.html")).getroot()
    cells = [[cell.text_content() for cell in row] for row in root.iter("tr")]
    for row in (
        ["NearDuplicates", "similar_text", "4"],
        ["5 to 8", "1", "5"],
        ["a.warc.gz@1", "https://one.example/1", "5", "5", "2"],
        ["two.example", "5", "2"],
        ["two.example", "one.example", "1"],
        ["0.80 to 0.82", "1", "92.4%", "1.1", "92.4% ± 25.5%"],
    ):
        assert any(cell == row for cell in cells), row
    pair = next(row for row in cells if row[0].startswith("similar to a.warc.gz@6"))
    assert pair == ["similar to a.warc.gz@6\nhttps://one.example/6", "dropped b.warc.gz@4\nhttps://two.example/4"]
    shown = cells[cells.index(pair) + 1]
    assert shown == [f"a@6 {' '.join(WORDS[1:13])}", f"b@4 {' '.join(WORDS[1:13])}"]


def test_the_page_is_written_where_asked(capsys, corpus, tmp_path):
    for path, why in (
        (tmp_path / "none" / "x.html", "does not exist; make the folder, or name another"),
        (tmp_path, f"is a folder; name a file, such as {tmp_path}/duplicates.html"),
        (corpus / "x.html", "lies in the corpus, which holds nothing but its own files; name another folder"),
    ):
        status, out, err = run(capsys, "--corpus", corpus, "--html", path)
        assert (status, out, err.count("\n")) == (2, "", 1) and why in err


def test_a_corpus_without_duplicates(capsys, tmp_path):
    alone = document("a@1", "one.example")
    empty = {"filtered": [], "documents": [], "rejected": [], "rejected -duplicates": []}
    corpus = write(tmp_path / "corpus", {"a": empty | {"filtered": [alone], "documents": [alone]}, "b": empty})
    told = asked(capsys, corpus)
    assert (told["documents"], told["clusters"], told["dropped"]) == (1, 0, 0)
    assert values(told["sizes"], "clusters", "documents") == [(1, 1)]
    assert told["similarity"]["whole"]["recall"] is None
    assert run(capsys, "--corpus", corpus, "--html", tmp_path / "x.html")[0] == 0


def test_a_recipe_without_minhash_has_no_estimate(capsys, tmp_path):
    other = stored_recipe.as_json(recipe.of_source(*recipe.read_source("c4")))
    told = asked(capsys, write(tmp_path / "corpus", contents(), made_by=other))
    assert told["similarity"] is None and told["clusters"] == 4


def test_a_recipe_without_such_a_step_is_refused(capsys, tmp_path):
    other = stored_recipe.as_json(recipe.of_source(*recipe.read_source("gopher")))
    other = {**other, "repr": re.sub(r"(Exact|Near)Duplicates\([^)]*\),? ?|SeenPayload\(\), ", "", other["repr"])}
    status, out, err = run(capsys, "--corpus", write(tmp_path / "corpus", contents(), made_by=other))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "recipe gopher has no step that drops duplicates" in err


def test_no_corpus(capsys, tmp_path):
    status, out, err = run(capsys, "--corpus", tmp_path)
    assert (status, out) == (2, "") and err.endswith("is no finished corpus; run pipelines.curate on it\n")


PART = "part-00001-of-00002"


@pytest.mark.parametrize(
    "name", [f"rejected/{PART}.parquet", f"rejected/{PART}-duplicates.parquet", f"documents/{PART}.parquet"]
)
def test_files_that_are_missing_or_damaged_are_named(capsys, corpus, name):
    whole = (corpus / name).read_bytes()
    for content in (None, b"", b"PAR1", whole[: len(whole) // 2], bytes(len(whole))):
        (corpus / name).unlink()
        if content is not None:
            (corpus / name).write_bytes(content)
        status, out, err = run(capsys, "--corpus", corpus)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"error: {corpus}/{name}") and "make it again" in err
        (corpus / name).write_bytes(whole)
    assert run(capsys, "--corpus", corpus)[0] == 0


def test_a_damaged_page_of_data_is_named(capsys, corpus):
    path = corpus / f"filtered/{PART}.parquet"
    whole = bytearray(path.read_bytes())
    whole[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)
    path.write_bytes(whole)
    status, out, err = run(capsys, "--corpus", corpus)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"{path}" in err and "make it again" in err


@pytest.mark.parametrize(
    "evidence, why",
    [
        ("nothing", "expected the id of the document that was kept, found 'nothing'"),
        (None, "expected the id of the document that was kept, found 'None'"),
        ("a@99999999999999999999", "expected an id, <archive>@<offset>"),
        ("a@3 through", "expected the id of the document that was kept"),
    ],
)
def test_evidence_that_names_nothing_is_refused(capsys, tmp_path, evidence, why):
    found = contents()
    found["a"]["rejected -duplicates"][0] = exact(document("a@3", "one.example"), evidence)
    status, out, err = run(capsys, "--corpus", write(tmp_path / "corpus", found))
    assert (status, out, err.count("\n")) == (2, "", 1) and why in err


def test_rings_and_missing_texts_are_refused(capsys, tmp_path):
    found = contents()
    found["b"]["rejected -duplicates"][3] = exact(document("b@5", "two.example"), "a@7")
    status, out, err = run(capsys, "--corpus", write(tmp_path / "ring", found))
    assert (status, out) == (2, "") and "for one another in a ring" in err
    found = contents()
    found["b"]["filtered"] = found["b"]["filtered"][1:]
    status, out, err = run(capsys, "--corpus", write(tmp_path / "missing", found))
    assert (status, out) == (2, "") and f"filtered/{PART}.parquet lacks b.warc.gz@1" in err


@pytest.mark.parametrize("flags", [["--examples", "-1"], ["--top", "-1"], ["--examples", "1001"], ["--seed", "x"], []])
def test_flags_that_make_no_sense(capsys, flags):
    with pytest.raises(SystemExit) as stopped:
        command.main([*(["--corpus", "x"] if flags else []), *flags])
    assert stopped.value.code == 2


def test_the_command(capsys, corpus):
    """Says the same as in this process, whose hashes of strings are others."""
    argv = [sys.executable, "-m", "pipelines.duplicates", "--corpus", str(corpus), "--json"]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout
    assert found.decode() == run(capsys, *argv[3:])[1] and json.loads(found)["clusters"] == 4


def test_the_same_whatever_the_order_of_names_in_other_archives(capsys, corpus, tmp_path):
    """A copy elsewhere tells the same but for its name."""
    shutil.copytree(corpus, tmp_path / "copy")
    one, other = (asked(capsys, path, "--seed", 5) for path in (corpus, tmp_path / "copy"))
    assert one | {"corpus": ""} == other | {"corpus": ""}
