"""What costs others their memory or their time costs the reader a bounded amount of it."""

import collections
import gzip
import io
import tracemalloc
import zlib

import pytest
import zstandard

from curation import warc
from curation.document import Page
from curation.sources import Task
from tests.warc_builder import archive, http, member, record, response

pytestmark = pytest.mark.slow
MOST = 64 << 20  # bytes that the reader may take at once, whatever the archive
GOOD = [response(b"<html>before"), response(b"<html>after")]


def read(file, stop):
    """The reasons and payloads of an archive, and the most memory that reading it took."""
    tracemalloc.start()
    try:
        found = [
            one.payload[:20] if isinstance(one, Page) else one.reason
            for one in warc.read_pages(file, Task(0, 1, "a.warc", 0, stop), collections.Counter())
        ]
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def of(content):
    found, peak = read(io.BytesIO(content), len(content))
    assert peak < MOST, f"{peak >> 20} MiB"
    return found


def zeros(size, compressor):
    """A response of so many zeros, compressed piece by piece."""
    head, block = record("response", b"", url="http://a/", content_length=size + len(http(b"")), ending=b""), http(b"")
    pieces = [compressor.compress(head + block)]
    pieces += [compressor.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, compressor.compress(b"\r\n\r\n"), compressor.flush()])


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_record_of_many_zeros(codec):
    if codec == "gzip":
        bomb, wrap = zeros(300 << 20, zlib.compressobj(9, zlib.DEFLATED, 31)), member
    else:
        bomb, wrap = zeros(300 << 20, zstandard.ZstdCompressor().compressobj()), zstandard.compress
    assert len(bomb) < 1 << 20
    assert of(wrap(GOOD[0]) + bomb + wrap(GOOD[1])) == [b"<html>before", "too_large", b"<html>after"]


def test_a_payload_of_many_zeros():
    body = gzip.compress(bytes(200 << 20), 9)
    bomb = response(body, http_headers=[("Content-Encoding", "gzip")])
    assert of(archive([GOOD[0], bomb, GOOD[1]])) == [b"<html>before", "too_large", b"<html>after"]


def test_a_record_of_gigabytes_in_a_plain_archive(tmp_path):
    size = 6 << 30
    head = record("response", b"", url="http://a/", content_length=size, ending=b"")
    path = tmp_path / "a.warc"
    with open(path, "wb") as file:  # a hole, which takes no room on the disk
        file.write(GOOD[0] + head)
        file.seek(size, 1)
        file.write(b"\r\n\r\n" + GOOD[1])
    with open(path, "rb") as file:
        found, peak = read(file, path.stat().st_size)
    assert (found, peak < MOST) == ([b"<html>before", "too_large", b"<html>after"], True)


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_headers_of_any_size(gzipped):
    large, endless = (response(b"<html>large", headers=[("X-Large", "x" * size)]) for size in (100_000, 10_000_000))
    found = of(archive([GOOD[0], large, endless, GOOD[1]], gzipped=gzipped))
    assert found == [b"<html>before", b"<html>large", "damaged_record", b"<html>after"]


def test_a_large_archive_that_is_compressed_as_a_whole():
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    page = response(b"<html>" + b"word " * 20_000)
    content = b"".join([*(packer.compress(page) for _ in range(2000)), packer.flush()])
    found = of(content)
    assert (len(found), set(map(type, found))) == (2000, {bytes})


@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_many_lengths_that_promise_too_much(gzipped):
    """Each could make a reader run to the end of the archive and back."""
    bogus = record("response", http(b"<html>"), url="http://a/", content_length=10**13)
    found = of(archive([bogus] * 2000 + GOOD[:1], gzipped=gzipped))
    assert collections.Counter(found) == {"truncated_record": 2000, b"<html>before": 1}


def test_a_member_of_many_small_records_has_an_id_for_each():
    records = [response(b"<html>%d" % number) for number in range(20_000)]
    content = gzip.compress(b"".join(records), mtime=0)
    task = Task(0, 1, "a.warc.gz", 0, len(content))
    pages = list(warc.read_pages(io.BytesIO(content), task, collections.Counter()))
    assert len({page.id for page in pages}) == len(pages) == 20_000
    assert pages[-1].offset < len(content)
