"""What an archive holds, counted in one pass and in memory that does not grow with it."""

import collections
import dataclasses
import hashlib
import heapq
from collections.abc import Mapping
from typing import Any, BinaryIO

from curation import charset, language, response, trace
from curation.document import Page, Rejection
from curation.extract import Extractor
from curation.reading import members, record_header
from curation.reading.records import Damage, Record

OTHER, NONE, FAILED = "other", "none", "failed"  # names beyond the 50; no name; a page that could not be looked at
_MAX_KINDS, _MAX_HELD = 50, 1000  # names that are told apart in the end, and while counting
_MAX_NAME, _MAX_EVIDENCE = 100, 200  # characters
_MAX_DAMAGE = 10_000  # places
_DIGITS = 10  # binary, that are kept of a payload's size: at most 8,192 different ones
_LOOKED_AT = 20_000  # characters of a page that is text; as many as FirstLook looks at


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large payloads are, in bytes."""

    count: int = 0
    total: int = 0
    min: int = 0
    max: int = 0
    rounded: Mapping[int, int] = dataclasses.field(default_factory=dict)  # sizes, rounded down, and how many have them

    def summary(self) -> dict[str, int]:
        """How many there are, and how many bytes they have in all, at least, and so on."""
        quantiles = {"median": self.quantile(50), "p90": self.quantile(90), "p99": self.quantile(99)}
        return {"count": self.count, "total": self.total, "min": self.min, **quantiles, "max": self.max}

    def quantile(self, percent: int) -> int:
        """The size that so many per cent of the payloads do not exceed, at most 0.2% too small; 0 without payloads."""
        rank, below = -(-self.count * percent // 100), 0
        for size, count in sorted(self.rounded.items()):
            below += count
            if below >= rank:
                return max(size, self.min)
        return 0


@dataclasses.dataclass(frozen=True)
class Place:
    """Bytes of an archive that are no intact record."""

    offset: int
    length: int
    reason: str
    evidence: str


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What an archive holds. Counts by name have the 50 most frequent, and then the sum of the others."""

    path: str
    bytes: int
    container: str  # plain, gzip, zstd, bzip2 or lz4
    records: int  # that are intact
    shared_members: int  # of them, records that share a compressed member
    formats: Mapping[str, int]  # records by WARC/1.0, ..., ARC
    types: Mapping[str, int]  # records by type
    pages: int  # records that the step `read` lets pass
    html: int  # pages that the step `response` lets pass
    statuses: Mapping[str, int]  # pages by HTTP status
    media_types: Mapping[str, int]  # pages
    charsets: Mapping[str, int]  # pages of HTML by what they are decoded with
    truncated: Mapping[str, int]  # pages that the crawler cut, by why
    rejected: Mapping[str, int]  # what the step `read` rejects, damage included, by reason
    sampled: int  # pages of HTML whose language was looked at
    languages: Mapping[str, int]  # of their whole text
    payload: Sizes  # of the pages
    damaged: int  # places
    damaged_bytes: int
    damage: tuple[Place, ...]  # the first 10,000; none in a total


def inspect(file: BinaryIO, path: str, looker: Extractor, *, sample: int, format: str | None = None) -> Inspection:
    """Counts what an open archive holds; languages are those of `sample` pages, by a `trace.looker()`."""
    outcome_of = trace.reader(file, path, format)
    counts, codec, size = _Counts(_Sample(sample, looker)), members.codec_of(file), file.seek(0, 2)
    for item in trace.items(file, 0, size):
        counts.add(item, outcome_of(item))
    return counts.result(path, size, codec.name if codec else "plain")


def merged(one: Inspection, other: Inspection) -> Inspection:
    """Both together, under the path of the first, without the places of damage."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(one):
        mine, others = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, int):
            values[field.name] = mine + others
        elif isinstance(mine, Mapping):
            values[field.name] = _most_frequent(collections.Counter(mine) + collections.Counter(others), _MAX_KINDS)
    containers = sorted({*one.container.split(", "), *other.container.split(", ")})
    payload = _merged_sizes(one.payload, other.payload)
    return dataclasses.replace(one, **values, container=", ".join(containers), payload=payload, damage=())


def _merged_sizes(one: Sizes, other: Sizes) -> Sizes:
    if not one.count or not other.count:
        return one if one.count else other
    return Sizes(
        count=one.count + other.count,
        total=one.total + other.total,
        min=min(one.min, other.min),
        max=max(one.max, other.max),
        rounded=collections.Counter(one.rounded) + collections.Counter(other.rounded),
    )


class _Sample:
    """The languages of the pages whose ids have the smallest digests: the same pages in whichever order they come."""

    def __init__(self, size: int, looker: Extractor) -> None:
        self._size, self._looker = size, looker
        self._kept: list[tuple[int, str]] = []  # digests, negated: the first is the one to give way; and languages

    def offer(self, page: Page) -> None:
        digest = int.from_bytes(hashlib.blake2b(page.id.encode("utf-8", "replace"), digest_size=8).digest())
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, (-digest, self._language(page)))
        elif self._kept and -digest > self._kept[0][0]:
            heapq.heapreplace(self._kept, (-digest, self._language(page)))

    def languages(self) -> collections.Counter[str]:
        return collections.Counter(label for _, label in self._kept)

    def _language(self, page: Page) -> str:
        if page.is_text:
            return language.identify(page.payload.decode("utf-8", "replace")[:_LOOKED_AT])[0] or NONE
        found = trace.look(page, self._looker)
        return FAILED if found is None else found[1] or NONE


class _Counts:
    """What has been seen so far."""

    def __init__(self, sample: _Sample) -> None:
        self._sample = sample
        self._names = collections.defaultdict[str, collections.Counter[str]](collections.Counter)
        self._numbers = collections.Counter[str]()
        self._rounded = collections.Counter[int]()
        self._total, self._min, self._max = 0, 0, 0
        self._damage: list[Place] = []

    def add(self, item: Record | Damage, outcome: trace.Outcome) -> None:
        if isinstance(item, Damage):
            self._numbers.update(damaged=1, damaged_bytes=item.length)
            if len(self._damage) < _MAX_DAMAGE:
                self._damage.append(Place(item.offset, item.length, item.reason, item.evidence[:_MAX_EVIDENCE]))
        else:
            self._numbers.update(records=1, shared_members=not item.length)
            self._count("formats", _format(item))
            self._count("types", trace.record_type(item))
        if isinstance(outcome, Rejection):
            self._count("rejected", outcome.reason)
        elif outcome is not None:
            self._add_page(outcome)

    def _add_page(self, page: Page) -> None:
        size = len(page.payload)
        shift = max(size.bit_length() - _DIGITS, 0)
        self._rounded[size >> shift << shift] += 1
        self._min = min(size, self._min) if self._numbers["pages"] else size
        self._total, self._max = self._total + size, max(size, self._max)
        self._numbers["pages"] += 1
        self._count("statuses", str(page.status) if page.status else NONE)
        self._count("media_types", page.media_type or NONE)
        if page.truncated:
            self._count("truncated", page.truncated)
        if response.check(page) is None:
            self._numbers["html"] += 1
            if not page.is_text:
                self._count("charsets", charset.decode(page.payload, page.http_charset)[1])
            self._sample.offer(page)

    def _count(self, what: str, name: str) -> None:
        counts = self._names[what]
        counts[name[:_MAX_NAME]] += 1
        if len(counts) > _MAX_HELD:  # a crawl may hold any number of different ones
            self._names[what] = collections.Counter(_most_frequent(counts, _MAX_HELD // 2))

    def result(self, path: str, size: int, container: str) -> Inspection:
        names = {what: _most_frequent(counts, _MAX_KINDS) for what, counts in self._names.items()}
        languages = self._sample.languages()
        return Inspection(
            path=path,
            bytes=size,
            container=container,
            records=self._numbers["records"],
            shared_members=self._numbers["shared_members"],
            formats=names.get("formats", {}),
            types=names.get("types", {}),
            pages=self._numbers["pages"],
            html=self._numbers["html"],
            statuses=names.get("statuses", {}),
            media_types=names.get("media_types", {}),
            charsets=names.get("charsets", {}),
            truncated=names.get("truncated", {}),
            rejected=names.get("rejected", {}),
            sampled=languages.total(),
            languages=_most_frequent(languages, _MAX_KINDS),
            payload=Sizes(self._numbers["pages"], self._total, self._min, self._max, self._rounded),
            damaged=self._numbers["damaged"],
            damaged_bytes=self._numbers["damaged_bytes"],
            damage=tuple(self._damage),
        )


def _most_frequent(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """The most frequent names, by name where they are equally frequent, and the sum of all others."""
    names = sorted((name for name in counts if name != OTHER), key=lambda name: (-counts[name], name))
    rest = counts.get(OTHER, 0) + sum(counts[name] for name in names[most:])
    return {name: counts[name] for name in names[:most]} | ({OTHER: rest} if rest else {})


def _format(item: Record) -> str:
    """The version on a record's first line, without what may follow it."""
    return item.data[:20].split()[0].decode("ascii", "replace") if record_header.is_warc(item.data) else "ARC"
