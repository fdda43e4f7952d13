import gzip
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import sources, storage
from curation.reading import codecs
from curation.sources import Task
from curation.storage import Entry
from tests.warc_builder import archive, member, response, starts, warcinfo

NOISE = random.Random(5).randbytes(3000)
RECORDS = [warcinfo(), response(b"<p>one</p>"), response(NOISE)]


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def check(path, *, allow_truncated=False):
    sources.check([Entry(path, os.path.getsize(path))], allow_truncated=allow_truncated)


def refusal(path, *, allow_truncated=False):
    with pytest.raises(ValueError) as caught:
        check(path, allow_truncated=allow_truncated)
    return str(caught.value)


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=8),
    task_bytes=st.integers(1, 5000),
)
def test_tasks_cover_each_file_exactly(sizes, task_bytes):
    entries = [Entry(f"{number}.warc.gz", size) for number, size in enumerate(sizes)]
    found = sources.tasks(entries, task_bytes=task_bytes)
    assert [task.number for task in found] == list(range(len(found)))
    assert {task.count for task in found} == {len(found)}
    for entry in entries:
        ranges = [(task.start, task.stop) for task in found if task.path == entry.path]
        assert [0, *(stop for _, stop in ranges)] == [*(start for start, _ in ranges), entry.size]
        assert max(stop - start for start, stop in ranges) <= max(1.5 * task_bytes + 1, 1)


@pytest.mark.parametrize(
    "size, ranges",
    [
        (1, [(0, 1)]),
        (149, [(0, 149)]),
        (151, [(0, 75), (75, 151)]),
        (300, [(0, 100), (100, 200), (200, 300)]),
    ],
)
def test_ranges(size, ranges):
    found = sources.tasks([Entry("a", size)], task_bytes=100)
    assert found == [Task(number, len(ranges), "a", *bounds) for number, bounds in enumerate(ranges)]


@pytest.mark.parametrize("total, task", [(1 << 20, 1 << 20), (320 << 20, 5 << 20), (8 << 30, 64 << 20)])
def test_small_inputs_are_cut_finer(total, task):
    found = sources.tasks([Entry("a", total // 2), Entry("b", total // 2)])
    assert {task.stop - task.start for task in found} == {min(task, total // 2)}


def test_part_names_sort_as_their_numbers():
    assert Task(7, 160, "a", 0, 1).part == "part-00007-of-00160"


def test_archives_do_not_depend_on_the_order_of_the_patterns(tmp_path):
    paths = [put(tmp_path, name, b"x" * size) for size, name in enumerate(["c.warc", "a.warc.gz", "b.warc.gz"], 1)]
    expected = [Entry(paths[1], 2), Entry(paths[2], 3), Entry(paths[0], 1)]
    patterns = [f"{tmp_path}/*.gz", paths[0], f"{tmp_path}/a*"]
    assert sources.archives(patterns) == expected
    assert sources.archives(patterns[::-1]) == expected


def test_two_archives_of_one_name_are_refused(tmp_path):
    first, second = put(tmp_path, "a/x.warc.gz", b"1"), put(tmp_path, "b/x.warc.gz", b"2")
    with pytest.raises(ValueError) as caught:
        sources.archives([second, first])
    assert str(caught.value) == (f"{first} and {second} have the same file name, which ids are made of; rename one")


@pytest.mark.parametrize("pattern", ["nothing.warc.gz", "*.warc.gz", "no/such/*"])
def test_a_pattern_without_a_match_is_refused(tmp_path, pattern):
    pattern = f"{tmp_path}/{pattern}"
    with pytest.raises(ValueError) as caught:
        sources.archives([pattern])
    assert str(caught.value) == f"{pattern}: no file matches; check the path and quote the pattern"


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1], RECORDS[::-1]], ids=["many", "one", "noise last"])
def test_whole_archives_pass(tmp_path, records, gzipped):
    check(put(tmp_path, "a.warc", archive(records, gzipped=gzipped)))


def test_the_first_problem_is_named(tmp_path):
    good = put(tmp_path, "a.warc.gz", archive(RECORDS))
    bad = [put(tmp_path, name, b"") for name in ("b.warc.gz", "c.warc.gz")]
    with pytest.raises(ValueError) as caught:
        sources.check([Entry(good, 1), Entry(bad[0], 0), Entry(bad[1], 0)], allow_truncated=False)
    assert str(caught.value) == f"{bad[0]} is empty (0 bytes); download it again or leave it out of --input"


def test_an_empty_file_is_refused(tmp_path):
    path = put(tmp_path, "a.warc.gz", b"")
    assert refusal(path) == f"{path} is empty (0 bytes); download it again or leave it out of --input"


def test_a_file_of_blank_lines_is_refused(tmp_path):
    path = put(tmp_path, "a.warc", b"\r\n\r\n")
    assert refusal(path) == f"{path} holds nothing but blank lines; leave it out"


@pytest.mark.parametrize(
    "content, found",
    [
        (b"<html>a page</html>", "b'<html>a page</html>'"),
        (gzip.compress(b"a page"), "b'a page'"),
        (gzip.compress(b""), "b''"),
        (b"\x1f\x8b\x08 broken gzip " + NOISE, "Error -3 while decompressing data: unknown header flags set"),
        (b"\0" * 100, repr(b"\0" * 40)),
    ],
    ids=["page", "gzipped page", "gzipped nothing", "broken gzip", "zeros"],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path, content, found):
    path = put(tmp_path, "a.warc.gz", content)
    assert refusal(path) == refusal(path, allow_truncated=True)
    assert refusal(path) == (
        f"{path} is no WARC or ARC archive: expected a record (plain, or compressed by gzip, zstd, bzip2 or lz4), "
        f"found {found}; leave it out"
    )


def test_a_plain_archive_whose_first_record_is_damaged_is_not_called_blank(tmp_path):
    """Its other records are there; what is wrong is a Content-Length."""
    path = put(tmp_path, "a.warc", response(b"page", content_length=1) + response(b"more"))
    try:
        message = ""
        check(path)
    except ValueError as error:
        message = str(error)
    assert "blank lines" not in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path):
    path = put(tmp_path, "a.warc.gz", archive(RECORDS))
    os.chmod(path, 0)
    assert refusal(path) == (
        f"{path} cannot be read: permission denied; change its permissions or leave it out of --input"
    )


@pytest.mark.parametrize(
    "error, what",
    [
        (
            PermissionError(13, "Permission denied"),
            "permission denied; change its permissions or leave it out of --input",
        ),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error; check the path and your access to it"),
    ],
)
def test_a_file_that_storage_does_not_open_is_refused(tmp_path, monkeypatch, error, what):
    path = put(tmp_path, "a.warc.gz", archive(RECORDS))

    def refuse(path):
        raise error

    monkeypatch.setattr(storage, "open_read", refuse)
    assert refusal(path) == f"{path} cannot be read: {what}"


def test_a_truncated_archive_is_refused_unless_allowed(tmp_path):
    """Cut anywhere in its last record: the sentence says where that record starts."""
    content, start = archive(RECORDS), starts(RECORDS)[2]
    accepted = []
    for end in [*range(start + 1, start + 60), *range(start + 60, len(content), 97), len(content) - 1]:
        path = put(tmp_path, "a.warc.gz", content[:end])
        check(path, allow_truncated=True)
        try:
            check(path)
            accepted.append(end - start)
        except ValueError as error:
            assert str(error) == (
                f"{path} is truncated: its last record starts at byte {start} and never ends; download it again, "
                "or pass --allow-truncated to curate what is whole"
            )
    assert accepted == []


def test_a_truncated_first_record_is_refused_unless_allowed(tmp_path):
    path = put(tmp_path, "a.warc.gz", member(response(NOISE))[:-500])
    assert refusal(path).startswith(f"{path} is truncated: its last record starts at byte 0 and never ends;")
    check(path, allow_truncated=True)


def test_a_magic_inside_the_last_record_is_no_record(tmp_path):
    payload = NOISE + codecs.GZIP.magic + NOISE
    records = [response(b"first"), response(payload)]
    content = member(records[0]) + member(records[1], level=0)
    check(put(tmp_path, "a.warc.gz", content))
    start = starts(records)[1]
    path = put(tmp_path, "b.warc.gz", content[:-1])
    assert refusal(path).startswith(f"{path} is truncated: its last record starts at byte {start} ")
