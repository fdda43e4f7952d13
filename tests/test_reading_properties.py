"""Random archives, random damage, random cuts: what was not touched is delivered once, what was is counted."""

import collections
import dataclasses
import io
import itertools
import random
import re
import zlib
from unittest import mock

import zstandard
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from curation.reading import codecs, members, record_header
from curation.reading.records import Damage, Record
from tests import warc_builder
from tests.warc_builder import COMPRESSIONS, arc, arc_start, block_digest, cut_members, http, record

MAX = 1 << 20
STREAMS = ("gzip of the whole", "zstd of the whole", "gzip across records")


@dataclasses.dataclass(frozen=True)
class Made:
    """An archive, and where in it each of its records lies."""

    container: str
    is_arc: bool
    records: tuple[bytes, ...]
    content: bytes
    bounds: tuple[int, ...]  # of the records, in bytes of the file or, of a stream, of its text


@dataclasses.dataclass(frozen=True)
class Harm:
    """Bytes [first, last) of an archive become `new`."""

    first: int
    last: int
    new: bytes

    def done(self, content: bytes) -> bytes:
        return content[: self.first] + self.new + content[self.last :]


def _noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


PAYLOADS = st.one_of(
    st.just(b""),
    st.integers(1, 300).map(lambda size: b"<p>word and word</p>\n" * (size // 8)),
    st.builds(_noise, st.integers(1, 900), st.integers(0, 99)),
    st.sampled_from(
        [b"a\r\n\r\nb\r\n\r\n", b"\r\n\r\n", b"\n\nend", b"line\n", b"\r\n" * 30, b"\0" * 50, b"WARC/ and"]
    ),
    st.lists(st.sampled_from([codec.magic for codec in codecs.CODECS]), max_size=40).map(b" ".join),
)


@st.composite
def warc_records(draw: st.DrawFn) -> list[bytes]:
    found = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["response", "response", "response", "request", "metadata", "warcinfo", "revisit"]))
        newline = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n"]))
        payload = draw(PAYLOADS)
        block = http(payload, newline=newline) if kind in ("response", "revisit") else payload
        headers = [block_digest(block)] if draw(st.booleans()) else []
        url = f"http://site{number}{number}.example/"
        found.append(record(kind, block, url=url, headers=headers, newline=newline, ending=newline * 2))
    return found


@st.composite
def arc_records(draw: st.DrawFn) -> list[bytes]:
    version = draw(st.sampled_from([1, 2]))
    found = [arc_start(version=version)]
    for number in range(draw(st.integers(1, 7))):
        scheme = draw(st.sampled_from(["http", "http", "dns"]))
        block = http(draw(PAYLOADS)) if scheme == "http" else draw(PAYLOADS)
        found.append(arc(block, url=f"{scheme}://site{number}{number}.example/ with space", version=version))
    return found


@st.composite
def archives(draw: st.DrawFn) -> Made:
    is_arc = draw(st.booleans())
    records = tuple(draw(arc_records() if is_arc else warc_records()))
    containers = [*COMPRESSIONS, "stored", "zstd with a dictionary", *STREAMS]
    container = draw(st.sampled_from(containers[:-1] if is_arc else containers))
    text = b"".join(records)
    if container in STREAMS:
        bounds = itertools.accumulate(map(len, records), initial=0)
        if container == "gzip of the whole":
            content = warc_builder.member(text)
        elif container == "zstd of the whole":
            content = warc_builder.zstd_frame(text)
        else:
            content = cut_members(text, draw(st.integers(20, 600)))
        return Made(container, is_arc, records, content, tuple(bounds))
    start = b""
    if container == "stored":
        members_of = [warc_builder.member(one, level=0) for one in records]
    elif container == "zstd with a dictionary":
        start = warc_builder.dictionary_frame(DICTIONARY)
        members_of = [warc_builder.zstd_frame(one, DICTIONARY) for one in records]
    else:
        members_of = [COMPRESSIONS[container](one) for one in records]
    bounds = itertools.accumulate(map(len, members_of), initial=len(start))
    return Made(container, is_arc, records, start + b"".join(members_of), tuple(bounds))


DICTIONARY = warc_builder.trained_dictionary(
    [record("response", http(_noise(200, seed)), url=f"http://site{seed}.example/") for seed in range(50)]
)
GARBAGE = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.sampled_from([b"HTTP proxy error\n", b"\0" * 512, b"<html>Service unavailable</html>", b"\r\n\r\n\r\n", b"x"]),
    st.sampled_from([codec.magic for codec in codecs.CODECS]).flatmap(
        lambda magic: st.binary(max_size=60).map(lambda rest: magic + rest)
    ),
)


@st.composite
def harms(draw: st.DrawFn, made: Made) -> Harm:
    end = len(made.content)
    kind = draw(st.sampled_from(["flip", "zero", "cut out", "insert", "truncate"]))
    first = draw(st.integers(0, end - 1))
    if kind == "flip":
        return Harm(first, first + 1, bytes([made.content[first] ^ draw(st.integers(1, 255))]))
    if kind == "insert":
        at = draw(st.sampled_from([0, end] if made.container in STREAMS else [0, *made.bounds]))
        return Harm(at, at, draw(GARBAGE))
    last = end if kind == "truncate" else min(first + draw(st.integers(1, 400)), end)
    return Harm(first, last, bytes(last - first) if kind == "zero" else b"")


def untouched(made: Made, harm: Harm) -> list[int]:
    """The numbers of the records that the harm left whole."""
    if made.container in STREAMS:
        return _before(made, harm)
    if made.content[: made.bounds[0]] and harm.first < made.bounds[0]:
        return []  # the dictionary
    # A line of ARC is a record's header only at the start of a line.
    before = 1 if made.is_arc and made.container == "plain" else 0
    found = []
    for number, (start, stop) in enumerate(itertools.pairwise(made.bounds)):
        start -= before
        is_hit = start < harm.first < stop if harm.first == harm.last else harm.first < stop and start < harm.last
        if not is_hit:
            found.append(number)
    return found


def _before(made: Made, harm: Harm) -> list[int]:
    """Of a stream: the records that came out of the bytes before the harm, with the first line of the one after."""
    if harm.first == len(made.content):
        return list(range(len(made.records)))
    if harm.first == harm.last == 0:
        return list(range(len(made.records)))
    rest, text = made.content[: harm.first], b""
    if made.container == "zstd of the whole":
        text = zstandard.ZstdDecompressor().decompressobj().decompress(rest[:-1024])
    else:
        while rest:
            inflater = zlib.decompressobj(31)
            text += inflater.decompress(rest)
            rest = inflater.unused_data
    found = []
    for number, stop in enumerate(made.bounds[1:-1]):
        if len(text) >= stop + made.records[number + 1].index(b"\n") + 1:
            found.append(number)
    return found


def read(content: bytes, cuts: list[int]) -> list[Record | Damage]:
    file = io.BytesIO(content)
    bounds = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    return [
        found for start, stop in itertools.pairwise(bounds) for found in members.read(file, start, stop, max_bytes=MAX)
    ]


def whole(text: bytes) -> bytes:
    """The record that a text starts with, without the line breaks behind it; as long as its header says."""
    pattern = rb"WARC[^\0]*?Content-Length: (\d+)\r?\n\r?\n" if text.startswith(b"WARC") else rb"[^\n]* (\d+)\n"
    found = re.match(pattern, text)
    return text[: found.end() + int(found[1])] if found else b""


def length(made: Made, text: bytes) -> int:
    """Of a record or a member that starts here, as its header says or its compression."""
    codec = codecs.of_archive(io.BytesIO(made.content))
    if codec is None:
        return len(whole(text))
    inflater = codec.start()
    try:
        collections.deque(inflater.feed(text), maxlen=0)
    except codecs.Broken:
        return 0
    return len(text) - len(inflater.unused)


def swallows_by_chance(made: Made, harm: Harm) -> bool:
    """Whether what lost or got bytes ends where by chance a record after the next one starts, and so seems whole.

    Only a digest or a checksum could tell.
    """
    content, moved = harm.done(made.content), len(harm.new) - (harm.last - harm.first)
    later = [start + moved for start in made.bounds[:-1] if start >= harm.last]
    for start in (start for start in made.bounds if start < harm.first):
        end = start + length(made, content[start:])
        behind = len(content) - len(content[end:].lstrip(b"\r\n"))
        if later and behind > later[0] and behind in [*later, len(content)]:
            return True
    return False


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_cut_of_a_damaged_archive_gives_the_same_and_every_untouched_record_once(data):
    made = data.draw(archives())
    harm = data.draw(st.one_of(st.none(), harms(made)))
    if harm and made.container in ("plain", "zstd", "zstd with a dictionary", "lz4"):
        assume(not swallows_by_chance(made, harm))
    content = harm.done(made.content) if harm else made.content
    if harm and made.container != "plain":  # a file that starts like a plain record is plain
        assume(not record_header.starts(content[:1000].lstrip(b"\r\n")))
    moved = len(content) - len(made.content)
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=5))
    with mock.patch.object(members, "_LOOK_BACK", data.draw(st.sampled_from([1, 100, 1 << 20]))):
        found = read(content, cuts)
    assert found == read(content, [])
    delivered = [one.data for one in found if isinstance(one, Record)]
    expected = (
        [whole(made.records[number]) for number in untouched(made, harm)] if harm else list(map(whole, made.records))
    )
    if made.container in STREAMS:  # behind the harm any text may come out, even that of an earlier record again
        assert delivered[: len(expected)] == expected
    else:
        assert [one for one in delivered if one in expected] == expected
        assert len(set(delivered)) == len(delivered)
        places = {one.data: (one.offset, one.length) for one in found if isinstance(one, Record)}
        for number in untouched(made, harm) if harm else range(len(made.records)):
            start, stop = made.bounds[number : number + 2]
            if harm and start >= harm.last:
                start, stop = start + moved, stop + moved
            if not harm or harm.first != stop:
                assert places[whole(made.records[number])] == (start, stop - start)
    assert len({one.offset for one in found}) == len(found)
    if made.container not in STREAMS and all(one.length for one in found):
        at = 0
        for one in found:
            between = content[at : one.offset].strip(b"\r\n")
            assert between == b"" or (at == 0 and made.bounds[0] > 0 and codecs.skippable(between)), (at, one)
            at = one.offset + one.length
        assert at == len(content.rstrip(b"\r\n")) or not content[at:].strip(b"\r\n")
    elif len(delivered) < len(made.records) and content:
        assert any(isinstance(one, Damage) for one in found)
