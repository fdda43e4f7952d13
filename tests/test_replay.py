"""A page of a corpus, fetched again: what is shown of it is what the corpus says, and what differs is named."""

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation import lookup, parts, storage
from curation.document import DOCUMENTS
from curation.ledger import Ledger
from pipelines import curate, launch, replay
from tests import plain_launch, prose
from tests.http_server import Server
from tests.test_walk import document
from tests.warc_builder import archive, conversion, response, starts, warcinfo

ROOT = Path(__file__).parent.parent
URL = "http://{}.example/"
TEXTS = {number: prose.text(number) for number in range(8)}
NEAR = TEXTS[1].replace("the", "some", 1)
GERMAN = "Der Zug fährt jeden Morgen durch das Tal, und niemand weiß, warum er an der Mühle hält. " * 20


NOTHING = b"<html><!-- articleBody, for which the first look lets it pass --><body><img src='a.png'></body></html>"
MENU = " ".join(f"<a href='/{number}'>Chapter number {number}</a>" for number in range(30))


def page(content, name, *, behind="", **more):
    html = prose.page(content, title="A page about boats and their keepers.").decode()
    html = html.replace("<nav>", f"<nav>{MENU}") + behind
    return response(html.encode(), url=URL.format(name), **more)


PAGES = {
    "kept": page(TEXTS[0], "kept", http_headers=[("X-Odd", "\x1b[2J\u202e")]),
    "twice": page(TEXTS[1], "twice"),
    "edited": page(f"{TEXTS[2]}\n\nWrite to the keeper at jane.doe@lighthouse.org before noon.", "edited"),
    "repeated": page(TEXTS[1], "repeated"),
    "exact": page(TEXTS[1], "exact", behind="<!-- other bytes, the same text -->"),
    "near": page(NEAR, "near"),
    "short": page(prose.text(3, sentences=2), "short"),
    "german": page(GERMAN, "german"),
    "nothing": response(NOTHING, url=URL.format("nothing")),
    "gone": page(TEXTS[4], "gone", status="HTTP/1.1 404 Not Found"),
    "last": page(TEXTS[5], "last"),
}
WET = [warcinfo(), conversion(TEXTS[6], url=URL.format("wet")), conversion("Too few.", url=URL.format("few"))]
RECORDS = [warcinfo(), *PAGES.values()]
IDS = {name: f"a.warc.gz@{start}" for name, start in zip(PAGES, starts(RECORDS)[1:], strict=False)}
IDS |= {name: f"b.warc.wet.gz@{start}" for name, start in zip(("wet", "few"), starts(WET)[1:], strict=False)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with two archives and the corpus made of them."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "a.warc.gz").write_bytes(archive(RECORDS))
    (folder / "b.warc.wet.gz").write_bytes(archive(WET))
    flags = ["--output", f"{folder}/corpus", "--workers", "1", "--vocab-size", "300"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run", plain_launch.run)
        assert curate.main(["--input", f"{folder}/*.gz", *flags]) == 0
    return folder


@pytest.fixture
def corpus(made):
    return f"{made}/corpus"


@pytest.fixture
def copy(made, tmp_path):
    """The corpus, to be changed."""
    shutil.copytree(made / "corpus", tmp_path / "corpus")
    return tmp_path / "corpus"


def run(capsys, corpus, id, *argv):
    status = replay.main(["--corpus", str(corpus), "--id", IDS.get(id, id), *map(str, argv)])
    found = capsys.readouterr()
    return status, found.out, found.err


def steps(out):
    """Verdict and details by step, of what is printed."""
    found = re.findall(
        r"^(\w+) +(kept|edited|rejected|skipped|not run)(?: +[\d,.]+ ms)?(?:  +(.+))?$", out, re.MULTILINE
    )
    return {step: (verdict, details) for step, verdict, details in found}


def change(path, **columns):
    """Gives every row of a part another value in these columns."""
    table = pq.read_table(path)
    rows = [{**row, **columns} for row in table.to_pylist()]
    pq.write_table(type(table).from_pylist(rows, table.schema), path)


def set_manifest(corpus, **changes):
    path = corpus / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_page_that_was_kept(capsys, corpus):
    status, out, err = run(capsys, corpus, "kept")
    lines = out.splitlines()
    assert (status, err, lines[-2:]) == (0, "", ["a document", "the same as in the corpus"])
    part = f"{corpus}/documents/part-00000-of-00002.parquet"
    assert lines[0] == f"{IDS['kept']} in {part}: a document of {len(shown(out)):,} characters, copies 1"
    found = steps(out)
    assert list(found) == [
        *(
            "read",
            "response",
            "SeenPayload",
            "FirstLook",
            "ExtractText",
            "KeepLanguage",
            "GopherRepetition",
            "GopherQuality",
        ),
        *("C4Lines", "FineWebQuality", "ExactDuplicates", "NearDuplicates", "ReplacePii"),
    ]
    assert {verdict for verdict, _ in found.values()} == {"kept"}
    decided = [found[step][1] for step in ("SeenPayload", "ExactDuplicates", "NearDuplicates")]
    assert decided == ["from the corpus", "from the corpus", "copies 1, from the corpus"]
    assert re.fullmatch(r"[\d,]+ characters, num_words \d+, .+", found["GopherQuality"][1])
    assert len(re.findall(r"^\w+ +kept +[\d,]+\.\d ms", out, re.MULTILINE)) == len(found) - 3


def shown(out):
    """The text that is printed below the extraction."""
    block = re.search(r"^ExtractText .*\n((?:\| .*\n)+)", out, re.MULTILINE)[1]
    return "\n".join(line[2:] for line in block.splitlines())


def test_the_text_below_the_extraction_is_the_corpus_s(capsys, corpus):
    stored = {row["id"]: row["text"] for row in pq.read_table(f"{corpus}/documents").to_pylist()}
    assert shown(run(capsys, corpus, "kept")[1]) == stored[IDS["kept"]]


def test_nothing_that_the_crawl_holds_reaches_the_terminal_raw(capsys, corpus):
    for argv in (["kept"], ["kept", "--json"], ["\x1b[2J@1"]):
        _, out, err = run(capsys, corpus, *argv)
        assert all(character.isprintable() or character == "\n" for character in out + err)


def test_an_edit_is_shown_as_a_diff(capsys, corpus):
    status, out, _ = run(capsys, corpus, "edited")
    assert (status, steps(out)["ReplacePii"][0]) == (0, "edited")
    assert "\n| -Write to the keeper at jane.doe@lighthouse.org before noon.\n| +Write to the keeper at email@ex" in out
    assert "the keeper at jane.doe@lighthouse.org" in shown(out)


@pytest.mark.parametrize(
    "id, step, reason",
    [
        ("gone", "response", "status, 404"),
        ("german", "FirstLook", "other_language, de, "),
        ("nothing", "ExtractText", "no_text, 0"),
        ("short", "GopherQuality", "too_few_words, num_words, "),
        ("few", "GopherRepetition", "top_2gram_too_frequent, top_2gram, "),
    ],
)
def test_a_rejected_page_ends_at_its_step(capsys, corpus, id, step, reason):
    status, out, _ = run(capsys, corpus, id)
    found = steps(out)
    assert list(found)[-1] == step
    assert (found[step][0], found[step][1][: len(reason)]) == ("rejected", reason)
    assert (status, out.splitlines()[-1]) == (0, "the same as in the corpus")
    assert out.splitlines()[0].endswith(f"rejected by {step}: {reason.split(',')[0]}")


@pytest.mark.parametrize("id, step", [("exact", "ExactDuplicates"), ("near", "NearDuplicates")])
def test_a_duplicate_names_what_the_corpus_kept(capsys, corpus, id, step):
    status, out, _ = run(capsys, corpus, id)
    (row,) = [row for row in pq.read_table(f"{corpus}/rejected").to_pylist() if row["id"] == IDS[id]]
    found = steps(out)
    assert (status, list(found)[-1], row["evidence"]) == (0, step, IDS["twice"])
    reason = "same_text" if id == "exact" else "similar_text"
    assert found[step] == ("rejected", f"{reason}, {IDS['twice']}, {row['value']:g}, from the corpus")
    assert out.splitlines()[-2:] == [f"rejected by {step}: {reason}", "the same as in the corpus"]


def test_the_document_that_was_kept_of_several_says_how_many(capsys, corpus):
    (copies,) = [row["copies"] for row in pq.read_table(f"{corpus}/documents").to_pylist() if row["id"] == IDS["twice"]]
    assert copies >= 3
    assert steps(run(capsys, corpus, "twice")[1])["NearDuplicates"] == ("kept", f"copies {copies}, from the corpus")


def test_a_page_that_repeats_another_is_not_extracted(capsys, corpus):
    status, out, _ = run(capsys, corpus, "repeated")
    assert (status, out.splitlines()[-1]) == (0, "the same as in the corpus")
    assert list(steps(out).items())[-1] == (
        "SeenPayload",
        ("rejected", f"repeated_payload, {IDS['twice']}, 1, from the corpus"),
    )


def test_text_of_an_archive_of_text(capsys, made, corpus, tmp_path):
    status, out, _ = run(capsys, corpus, "wet")
    assert (status, list(steps(out))[:3]) == (0, ["read", "response", "SeenPayload"])
    shutil.copy(made / "b.warc.wet.gz", tmp_path / "renamed.gz")  # so that its name does not tell
    assert run(capsys, corpus, "wet", "--archive", tmp_path / "renamed.gz")[0] == 0


def test_json_is_one_object(capsys, corpus):
    status, out, _ = run(capsys, corpus, "edited", "--json", "--full")
    found = json.loads(out)
    assert (status, out.count("\n"), found["id"], found["same"]) == (0, 1, IDS["edited"], True)
    assert (found["differences"], found["versions"]) == ([], {})
    assert found["stored_steps"] == ["SeenPayload", "ExactDuplicates", "NearDuplicates"]
    by_name = {step["step"]: step for step in found["steps"]}
    assert (by_name["ReplacePii"]["before"], by_name["ReplacePii"]["after"]) == (found["extracted"], found["text"])
    assert found["stored"]["text"] == found["text"] != found["extracted"]
    assert [name for name, step in by_name.items() if step["seconds"] is None] == found["stored_steps"]
    assert by_name["KeepLanguage"]["after"] is None
    cut = json.loads(run(capsys, corpus, "gone", "--json")[1])
    assert (cut["outcome"], cut["stored"]["reason"], cut["text"]) == ("rejected", "status", None)


def test_texts_are_cut_unless_all_is_asked_for(capsys, corpus, monkeypatch):
    monkeypatch.setattr(replay.record, "TEXT", 50)
    _, out, _ = run(capsys, corpus, "kept")
    assert len(shown(out)) == 50 and re.search(r"^… [\d,]+ more characters; --full shows all$", out, re.MULTILINE)
    assert len(shown(run(capsys, corpus, "kept", "--full")[1])) > 500
    assert len(json.loads(run(capsys, corpus, "kept", "--json")[1])["stored"]["text"]) == 50


def test_what_differs_is_named(capsys, copy):
    change(copy / "documents/part-00000-of-00002.parquet", text="No such text.", language_score=0.5)
    status, out, _ = run(capsys, copy, "kept")
    lines = out.splitlines()
    at = lines.index("differs from the corpus: text, language_score")
    assert (status, lines[at + 1]) == (1, "text: the same up to character 0; from the corpus's to the replay's:")
    assert "| -No such text." in lines[at:]
    assert re.fullmatch(r"language_score: the corpus has 0\.5, the replay 0\.9\d+", lines[-1])
    status, out, _ = run(capsys, copy, "kept", "--json")
    found = json.loads(out)
    assert (status, found["same"], found["differences"][0]["stored"]) == (1, False, "No such text.")


def test_a_rejection_that_differs_is_named(capsys, copy):
    for part in sorted(copy.glob("rejected/part-00000-*")):
        change(part, reason="other")
    status, out, _ = run(capsys, copy, "gone")
    assert (status, out.splitlines()[-2:]) == (
        1,
        ["differs from the corpus: reason", "reason: the corpus has other, the replay status"],
    )
    for part in sorted(copy.glob("rejected/part-00000-*")):
        change(part, step="GopherQuality")
    status, out, _ = run(capsys, copy, "near")
    assert (status, out.splitlines()[-1]) == (
        1,
        "outcome: the corpus has rejected by GopherQuality: other, the replay a document",
    )


def test_a_duplicate_is_compared_with_what_was_filtered(capsys, copy):
    change(copy / "filtered/part-00000-of-00002.parquet", charset="latin")
    status, out, _ = run(capsys, copy, "near")
    assert (status, out.splitlines()[-1]) == (1, "charset: the corpus has latin, the replay utf-8")
    shutil.rmtree(copy / "filtered")
    assert run(capsys, copy, "near")[0] == 0


def test_another_version_is_told(capsys, copy):
    versions = json.loads((copy / "manifest.json").read_text())["versions"]
    set_manifest(copy, versions={**versions, "lxml": "0.1"})
    status, out, _ = run(capsys, copy, "gone")
    assert (status, out.splitlines()[1]) == (0, f"made with lxml 0.1, replayed with {versions['lxml']}")
    assert json.loads(run(capsys, copy, "gone", "--json")[1])["versions"] == {"lxml": ["0.1", versions["lxml"]]}


def test_the_archive_may_lie_elsewhere(capsys, made, corpus, tmp_path):
    with Server({"/moved.warc.gz": (made / "a.warc.gz").read_bytes()}) as server:
        url = server.url("/moved.warc.gz")
        status, out, err = run(capsys, corpus, "gone", "--archive", url)
        assert (status, err) == (0, "")
        assert f"\n{url}@{IDS['gone'].partition('@')[2]}: response, " in out
        assert all(request.range for request in server.requests if request.method == "GET")  # never as a whole


def test_anonymous_reading_is_for_the_archive_s_bucket(capsys, made, corpus, monkeypatch):
    used, open_read = [], storage.open_read
    monkeypatch.setattr(storage, "use", used.append)
    monkeypatch.setattr(storage, "open_read", lambda path: open_read(path.replace("s3://bucket", str(made))))
    assert run(capsys, corpus, "gone", "--anonymous", "--archive", "s3://bucket/a.warc.gz")[0] == 0
    assert [(access.anonymous, access.input_buckets) for access in used] == [(True, ("s3://bucket",))]


def test_an_id_that_is_not_there_names_its_neighbours(capsys, corpus):
    assert run(capsys, corpus, IDS["gone"].replace("@", "@0"))[0] == 2  # the same number, not the same id
    _, offset = lookup.split(IDS["gone"])
    assert run(capsys, corpus, f"a.warc.gz@{offset + 1}") == (
        2,
        "",
        f"error: --id a.warc.gz@{offset + 1}: {corpus} has no page of this id; the nearest are {IDS['gone']} and "
        f"{IDS['last']}; pipelines.inspect FILE --record OFFSET shows what lies elsewhere in the archive\n",
    )
    assert run(capsys, corpus, "c.warc.gz@7")[2] == (
        f"error: --id c.warc.gz@7: {corpus} was not made from an archive of the name c.warc.gz, but from a.warc.gz, "
        "b.warc.wet.gz; the id stands in the corpus's column id\n"
    )
    assert run(capsys, corpus, "gone.example")[2] == (
        "error: --id gone.example: expected <file name of an archive>@<offset>, as the column id of a corpus has it\n"
    )


def test_a_folder_without_a_manifest_is_no_corpus(capsys, tmp_path):
    status, out, err = run(capsys, tmp_path, "a@1")
    assert (status, out) == (2, "")
    assert err == (
        f"error: {tmp_path}/manifest.json does not exist: {tmp_path} is no finished corpus; run pipelines.curate on "
        "it\n"
    )


def test_a_part_that_is_missing_is_named(capsys, copy):
    (copy / "documents/part-00000-of-00002.parquet").unlink()
    assert run(capsys, copy, "gone")[2] == (
        f"error: {copy}/documents/part-00000-of-00002.parquet does not exist; the manifest lists it: copy the whole "
        "corpus, or make it again\n"
    )


def test_a_recipe_that_is_not_the_corpus_s_is_refused(capsys, copy, tmp_path):
    source = (ROOT / "curation/recipes/fineweb.py").read_text()
    (tmp_path / "mine.py").write_text(source + "\n")
    sha256 = json.loads((copy / "manifest.json").read_text())["recipe"]["sha256"]
    _, _, err = run(capsys, copy, "gone", "--recipe", tmp_path / "mine.py")
    assert re.fullmatch(
        rf"error: --recipe {tmp_path}/mine.py: found recipe fineweb of sha256 \w+, expected that of {copy}, fineweb of "
        rf"sha256 {sha256}; give the file that the corpus was made with as --recipe FILE\n",
        err,
    )
    (tmp_path / "mine.py").write_text(source)
    assert run(capsys, copy, "gone", "--recipe", tmp_path / "mine.py")[0] == 0
    recipe = json.loads((copy / "manifest.json").read_text())["recipe"]
    set_manifest(copy, recipe={**recipe, "sha256": "1f2e"})
    assert "the file is the same, but not what this version's steps take for granted" in run(capsys, copy, "gone")[2]
    set_manifest(copy, recipe={**recipe, "name": "mine"})
    assert run(capsys, copy, "gone")[2] == (
        f"error: {copy} was made with recipe mine, which is none of this version's; give its file as --recipe FILE\n"
    )


def test_the_language_is_that_of_the_run(capsys, copy):
    held = json.loads((copy / "manifest.json").read_text())
    set_manifest(copy, settings={**held["settings"], "language": "de"})
    assert "expected that of" in run(capsys, copy, "gone")[2]  # in English it had another sha256


def test_an_archive_that_is_gone_or_another_is_refused(capsys, corpus, tmp_path):
    other = tmp_path / "other.warc.gz"
    assert run(capsys, corpus, "kept", "--archive", other)[2] == (
        f"error: {other}, which should hold {IDS['kept']}, does not exist; if the archive lies elsewhere now, give "
        "--archive PATH\n"
    )
    at = starts(RECORDS)[1]
    advice = "it is not the archive that the corpus was made from; give that as --archive PATH\n"

    other.write_bytes(archive([warcinfo(), page(TEXTS[7], "kept")]))
    assert re.fullmatch(
        rf"error: {other} has at {at} a page of digest sha1:\w+, where the corpus has sha1:\w+: {advice}",
        run(capsys, corpus, "kept", "--archive", other)[2],
    )
    other.write_bytes(archive([warcinfo(), page(TEXTS[0], "other")]))
    assert run(capsys, corpus, "kept", "--archive", other)[2] == (
        f"error: {other} has at {at} a record of http://other.example/, where the corpus has http://kept.example/: "
        f"{advice}"
    )
    other.write_bytes(archive([warcinfo(), warcinfo()]))
    assert run(capsys, corpus, "kept", "--archive", other)[2] == (
        f"error: {other} has at {at} a record of type warcinfo, which is no page: {advice}"
    )
    other.write_bytes(archive([warcinfo()]))
    assert run(capsys, corpus, "kept", "--archive", other) == (
        2,
        "",
        f"error: {IDS['kept']}: no record starts there in {other}, which has {at} bytes; the nearest start at 0 before "
        f"it; the archive had {len(archive(RECORDS))} bytes when the corpus was made; give the archive that the corpus "
        "was made from as --archive PATH\n",
    )


def test_rows_are_found_in_any_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_ROWS", 3)
    paths = [f"{tmp_path}/{number}.parquet" for number in range(3)]
    names = ["a", "b", "a"]  # the archive of each part
    for number, path in enumerate(paths):
        with parts.writing(path, DOCUMENTS, fingerprint="", ledger=Ledger()) as part:
            for offset in range(100 * number, 100 * number + 100, 10):
                warc = f"crawl/{names[number]}"
                part.add(document(f"{offset}", id=f"{names[number]}@{offset}", warc=warc, offset=offset))
    path, found = lookup.row(paths, "a@270")
    assert (path, found.text, found.signals) == (paths[2], "270", {})
    assert lookup.row(paths, "b@110")[1].id == "b@110"
    assert lookup.row(paths, "b@10") is None
    assert lookup.nearest(paths, "a@95") == ["a@90", "a@200"]
    assert lookup.nearest(paths, "b@5") == ["b@100"]
    assert lookup.nearest(paths, "c@5") == []
