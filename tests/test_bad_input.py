"""Every mistake of a user's is one sentence and a status, and leaves nothing half-written under a final name."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation import storage
from pipelines import curate, deduplicate, tokenize
from tests import prose, warc_builder

GOOD = [warc_builder.response(prose.page(prose.text(n)), url=f"http://site{n}.example/") for n in range(6)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A small archive whose six pages are all kept."""
    path = tmp_path / "good.warc.gz"
    path.write_bytes(warc_builder.archive([warc_builder.warcinfo(), *GOOD]))
    return path


def run(archive: object, output: Path, *flags: str, command=curate) -> int:
    """One worker, a small vocabulary."""
    return command.main(
        ["--input", str(archive), "--output", str(output), "--workers", "1", "--vocab-size", "300", *flags]
    )


def files(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refuses(capsys: pytest.CaptureFixture[str], output: Path, sentence: str) -> None:
    """The last line of standard error says it, and there is no output."""
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert files(output) == [] if output.is_dir() else True


def test_no_file_matches(tmp_path, capsys):
    assert run(tmp_path / "*.warc.gz", tmp_path / "out") == 1
    refuses(capsys, tmp_path / "out", "*.warc.gz: no file matches; check the path and quote the pattern")


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "is empty (0 bytes); download it again or leave it out of --input"),
        (b"PK\x03\x04 a zip file" * 100, "is no WARC or ARC archive: expected a record"),
        (warc_builder.member(b"only text"), "is no WARC or ARC archive: expected a record"),
        (warc_builder.archive(GOOD)[:-20], "is truncated: its last record starts at byte"),
    ],
)
def test_files_that_are_no_whole_archives(content, sentence, tmp_path, capsys):
    (tmp_path / "bad.warc.gz").write_bytes(content)
    assert run(tmp_path / "bad.warc.gz", tmp_path / "out") == 1
    refuses(capsys, tmp_path / "out", sentence)


@pytest.mark.slow
def test_what_is_whole_of_a_truncated_archive_can_be_had(tmp_path, capsys):
    (tmp_path / "cut.warc.gz").write_bytes(warc_builder.archive(GOOD)[:-20])
    assert run(tmp_path / "cut.warc.gz", tmp_path / "out", "--allow-truncated") == 0
    assert "6 read = 5 documents + 1 rejected" in capsys.readouterr().out
    rejected = pq.read_table(tmp_path / "out/rejected").to_pylist()
    assert [(row["step"], row["reason"]) for row in rejected] == [("read", "truncated_record")]


def test_unreadable_archive(archive, tmp_path, capsys, monkeypatch):
    def refuse(path: str):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(storage, "open_read", refuse)
    assert run(archive, tmp_path / "out") == 1
    refuses(capsys, tmp_path / "out", f"{archive} cannot be read: permission denied; change its permissions")


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--recipe", "finewebb"], "--recipe finewebb: no such recipe; choose one of c4, "),
        (["--recipe", "missing.py"], "--recipe missing.py cannot be read: No such file or directory"),
        (["--recipe", "{tmp}/broken.py"], "--recipe broken.py, line 1: "),
        (["--recipe", "{tmp}/empty.py"], "--recipe empty.py defines no RECIPE = Recipe(...)"),
        (["--language", "xx"], "--language xx: not one of the codes lid.176 knows"),
        (["--tokenizer", "{tmp}/broken.py"], "broken.py is no tokenizer file: "),
        (["--tokenizer", "{tmp}/none.json"], "none.json cannot be read: No such file or directory; check the path"),
        (["--vocab-size", "100"], "--vocab-size 100: a byte-level vocabulary has at least 257 tokens"),
        (
            ["--sentinels", "44"],
            "--vocab-size 300: a byte-level vocabulary with --sentinels 44 has at least 301 tokens",
        ),
        (["--input", "{tmp}/copy/good.warc.gz"], "have the same file name, which ids are made of; rename one"),
    ],
)
def test_flags_that_are_wrong(flags, sentence, archive, tmp_path, capsys):
    (tmp_path / "broken.py").write_text("steps = [\nRECIPE = 1\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/good.warc.gz").write_bytes(archive.read_bytes())
    flags = [flag.replace("{tmp}", str(tmp_path)) for flag in flags]
    given = ["--vocab-size", "300"] if "--vocab-size" not in flags and "--tokenizer" not in flags else []
    argv = ["--input", str(archive), "--output", str(tmp_path / "out"), "--workers", "1", *given, *flags]
    assert curate.main(argv) == 1
    refuses(capsys, tmp_path / "out", sentence)


@pytest.mark.parametrize(
    "flag, sentence",
    [
        ("--recipee=fineweb", "neither this program nor Beam knows --recipee"),
        ("--outpu=x", "neither this program nor Beam knows --outpu"),
        ("stray", "neither this program nor Beam knows --stray"),
        ("--workers=0", "--workers 0: expected at least 1"),
        ("--validation-share=1.5", "--validation-share 1.5: expected a share from 0 up to 1"),
        ("--sentinels=-1", "--sentinels -1: expected at least 0"),
        ("--tokenizer=a.json --mask-token", "--mask-token is for a tokenizer that is trained here: leave it out, and "),
        ("--tokenizer=a.json --sentinels=9", "--sentinels is for a tokenizer that is trained here: leave it out, and "),
    ],
)
def test_flags_that_are_unknown(flag, sentence, archive, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        curate.main([*flag.split(), "--input", str(archive), "--output", str(tmp_path / "out")])
    assert end.value.code == 2
    refuses(capsys, tmp_path / "out", sentence)


@pytest.mark.slow
def test_an_output_that_exists(archive, tmp_path, capsys):
    output = tmp_path / "out"
    assert run(archive, output) == 0
    before = {name: (output / name).read_bytes() for name in files(output)}
    assert run(archive, output) == 1
    assert "already holds a finished corpus; choose another folder, or pass --overwrite" in capsys.readouterr().err
    assert {name: (output / name).read_bytes() for name in files(output)} == before
    assert run(archive, output, "--overwrite", "--validation-share", "0.5") == 0
    assert b'"validation_share": 0.5' in (output / "manifest.json").read_bytes()


def test_a_folder_that_is_not_ours_is_left_alone(archive, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("chapter one")
    assert run(archive, tmp_path / "out", "--overwrite") == 1
    assert "holds thesis.tex, which is no part of a corpus" in capsys.readouterr().err
    assert files(tmp_path / "out") == ["thesis.tex"]


@pytest.mark.slow
def test_an_unfinished_corpus_of_another_run(archive, tmp_path, capsys):
    output = tmp_path / "out"
    assert run(archive, output) == 0
    (output / "manifest.json").unlink()
    assert run(archive, output, "--language", "de") == 1
    assert "was made by another run (other input, recipe, flags or version)" in capsys.readouterr().err
    assert run(archive, output, "--task-mib", "1") == 0  # one task either way: the same parts, and nothing to do


def test_a_stage_without_the_one_before(archive, tmp_path, capsys):
    assert run(archive, tmp_path / "out", command=deduplicate) == 1
    assert (
        "lacks 1 of 1 parts of the stage before; run pipelines.extract with the same flags" in capsys.readouterr().err
    )
    assert run(archive, tmp_path / "out", command=tokenize) == 1
    assert "run pipelines.deduplicate with the same flags first" in capsys.readouterr().err


@pytest.mark.slow
def test_no_document_is_left(tmp_path, capsys):
    short = [warc_builder.response(prose.page("Too short."), url="http://short.example/")]
    (tmp_path / "short.warc.gz").write_bytes(warc_builder.archive(short))
    output = tmp_path / "out"
    assert run(tmp_path / "short.warc.gz", output) == 1
    assert "no document is left of 1 pages; " in capsys.readouterr().err.splitlines()[-1]
    assert not (output / "manifest.json").exists()


@pytest.mark.slow
def test_a_full_disk(archive, tmp_path, capsys):
    """A file-size limit stands in for a full disk: both are an error of the kernel's at a write."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "from pipelines import curate\n"
        f"sys.exit(curate.main(['--input', {str(archive)!r}, '--output', {str(tmp_path / 'out')!r}, '--workers', '1']))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    assert "no space is left there; free some or choose another --output" in found.stderr.splitlines()[-1]
    assert "Traceback" not in found.stderr
    assert [name for name in files(tmp_path / "out") if name.startswith(("documents", "tokens", "manifest"))] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_no_permission(archive, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert run(archive, tmp_path / "locked/out") == 1
    refuses(capsys, tmp_path / "locked/out", "writing there is not permitted; choose another --output")


def test_an_output_that_is_a_file(archive, tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert run(archive, tmp_path / "out") == 1
    assert "is a file; choose a folder" in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "out").read_text() == "mine"
