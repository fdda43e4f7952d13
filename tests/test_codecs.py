import io
import itertools
import random
import zlib

import pytest
import zstandard

from curation.reading import codecs, members
from curation.reading.codecs import BZIP2, CODECS, GZIP, LZ4, ZSTD
from curation.reading.records import Damage, Record
from tests.warc_builder import (
    COMPRESSIONS,
    dictionary_frame,
    member,
    response,
    trained_dictionary,
    zstd_frame,
)

COMPRESSED = {codec.name: COMPRESSIONS[codec.name] for codec in CODECS}
_NOISE = random.Random(11)
WORDS = [_NOISE.randbytes(_NOISE.randint(2, 9)).hex().encode() for _ in range(3000)]
SAMPLES = [response(b" ".join(_NOISE.choices(WORDS, k=40)), url=f"http://site{n}.example/") for n in range(60)]
DICTIONARY = trained_dictionary(SAMPLES)


def page(words):
    """Text that hardly shrinks, so that its first block fills many kilobytes."""
    return b" ".join(_NOISE.choices(WORDS, k=words))


def inflated(codec, *pieces):
    """What comes out of a member that is fed these bytes, and what is left of them."""
    inflater = codec.start()
    text = b"".join(out for piece in pieces for out in inflater.feed(piece))
    return text, inflater.eof, inflater.unused


@pytest.mark.parametrize("name", COMPRESSED)
def test_an_archive_is_known_by_its_first_bytes(name):
    found = codecs.of_archive(io.BytesIO(COMPRESSED[name](SAMPLES[0])))
    assert found is not None and found.name == name


@pytest.mark.parametrize("content", [b"", b"WARC/1.0\r\n", b"\x1f\x8b", b"filedesc://a.arc 0.0.0.0 20060731110420"])
def test_an_archive_that_is_not_compressed_has_no_codec(content):
    assert codecs.of_archive(io.BytesIO(content)) is None


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
def test_a_member_is_inflated_however_it_is_fed_and_what_lies_behind_it_is_kept(name, step):
    text, behind = b"".join(SAMPLES[:9]), b"behind it"
    packed = COMPRESSED[name](text)
    fed = [packed[at : at + step] for at in range(0, len(packed), step)]
    codec = next(codec for codec in CODECS if codec.name == name)
    assert inflated(codec, *fed[:-1], fed[-1] + behind) == (text, True, behind)


@pytest.mark.parametrize("name", COMPRESSED)
def test_bytes_that_are_no_member_are_broken(name):
    codec = next(codec for codec in CODECS if codec.name == name)
    with pytest.raises(codecs.Broken):
        inflated(codec, codec.magic + b"\xff" * 100)


@pytest.mark.parametrize("codec, most", [(GZIP, 1 << 20), (BZIP2, 1 << 20), (LZ4, 1 << 20), (ZSTD, 8 << 20)])
def test_pieces_are_bounded(codec, most):
    """zstd takes no limit: its pieces are as large as the bytes it is given at once can make them."""
    packed = COMPRESSED[codec.name](bytes(40 << 20))
    sizes = [len(piece) for piece in codec.start().feed(packed)]
    assert (sum(sizes), max(sizes) <= most) == (40 << 20, True)


def test_all_that_lies_before_damage_to_a_gzip_member_comes_out():
    text = b"".join(SAMPLES)
    packed = member(text)
    for kept in (100, len(packed) // 3, len(packed) // 2):
        stock = zlib.decompressobj(31).decompress(packed[:kept])
        damaged, found = packed[:kept] + random.Random(kept).randbytes(20_000), b""
        with pytest.raises(codecs.Broken):
            for piece in GZIP.start().feed(damaged):
                found += piece
        assert len(stock) > 0 and found.startswith(stock) and stock == text[: len(stock)]


@pytest.mark.parametrize("name", COMPRESSED)
def test_members_whose_first_block_is_large_are_found_from_every_range(name, monkeypatch):
    """All but gzip give nothing of a block before it has been read to its end."""
    monkeypatch.setattr(members, "_LOOK_BACK", 1)
    records = [response(page(3000), url=f"http://site{n}.example/") for n in range(6)]
    packed = [COMPRESSED[name](one) for one in records]
    assert min(map(len, packed)) > 8000
    content = b"".join(packed)
    file = io.BytesIO(content)
    bounds = [0, *itertools.accumulate(map(len, packed))]
    found = [list(members.read(file, start, stop, max_bytes=1 << 20)) for start, stop in itertools.pairwise(bounds)]
    assert found == [
        [Record(start, stop - start, one[:-4], len(one) - 4)]
        for one, (start, stop) in zip(records, itertools.pairwise(bounds), strict=True)
    ]
    assert members.holds_records(file)


@pytest.mark.parametrize("packs", [False, True], ids=["as it is", "compressed"])
def test_a_dictionary_that_stands_first_is_used(packs):
    content = dictionary_frame(zstandard.compress(DICTIONARY) if packs else DICTIONARY)
    content += b"".join(zstd_frame(one, DICTIONARY) for one in SAMPLES)
    found = members.read(io.BytesIO(content), 0, len(content), max_bytes=1 << 20)
    assert [one.data for one in found if isinstance(one, Record)] == [one[:-4] for one in SAMPLES]
    with pytest.raises(codecs.Broken):  # so that it was needed
        inflated(ZSTD, zstd_frame(SAMPLES[0], DICTIONARY))


@pytest.mark.parametrize(
    "frame",
    [
        dictionary_frame(b""),
        dictionary_frame(DICTIONARY[:4] + b"\xff" * 200 + DICTIONARY[204:]),
        dictionary_frame(zstandard.compress(DICTIONARY)[:-20]),
        dictionary_frame(zstandard.compress(bytes(20 << 20))),
    ],
    ids=["empty", "damaged", "cut off", "too large"],
)
def test_without_its_dictionary_an_archive_is_damage(frame):
    content = frame + b"".join(zstd_frame(one, DICTIONARY) for one in SAMPLES[:3])
    found = list(members.read(io.BytesIO(content), 0, len(content), max_bytes=1 << 20))
    assert [type(one) for one in found] == [Damage] * len(found) != []
    assert (found[-1].offset + found[-1].length) == len(content)


@pytest.mark.parametrize(
    "head, size",
    [
        (dictionary_frame(b"12345"), 13),
        (b"\x50\x2a\x4d\x18\0\0\0\0", 8),
        (b"\x5f\x2a\x4d\x18\1\0\0\0", 9),
        (b"\x60\x2a\x4d\x18\1\0\0\0", 0),
        (b"\x50\x2a\x4d\x18\0\0\0", 0),
        (zstd_frame(b"content"), 0),
        (b"", 0),
    ],
)
def test_frames_that_hold_nothing_are_passed_over_by_their_size(head, size):
    assert codecs.skippable(head) == size
