"""What Common Crawl calls things: its crawls, the paths in their lists, hosts; on the real server or a mirror of it."""

import dataclasses
import gzip
import io
import re
import zlib
from collections.abc import Sequence

from curation import storage

FORMATS = ("warc", "wet")
_NAME = re.compile(r"CC-MAIN-([0-9]{4}-[0-9]{2}(-[0-9]{2})?|2008-2009|2009-2010|2012)")
_PATH = re.compile(r"(crawl-data|cc-index)/[A-Za-z0-9_.=+/-]+")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_FILES = re.compile(r"([0-9]{1,9})?:([0-9]{1,9})?|([0-9]{1,9})")
_MAX_LIST = 64 << 20  # bytes; the list of a crawl of 90,000 archives takes 13 MB


@dataclasses.dataclass(frozen=True)
class Crawl:
    """One crawl of Common Crawl and where its files lie; ValueError where its name or format is none."""

    name: str  # such as CC-MAIN-2024-51
    base: str = "https://data.commoncrawl.org"  # or s3://commoncrawl, or a mirror with the same folders
    format: str = "warc"  # or "wet", the text that Common Crawl has extracted

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"--crawl {self.name}: expected the name of a crawl, such as CC-MAIN-2024-51; choose one that "
                "https://index.commoncrawl.org lists"
            )
        if self.format not in FORMATS:
            raise ValueError(f"--format {self.format}: expected one of {', '.join(FORMATS)}")


def parse_files(text: str) -> slice:
    """The archives that `0:10`, `5`, `:100` or `7:` names, counted from 0; ValueError where it names none."""
    if match := _FILES.fullmatch(text):
        start, stop, single = (None if number is None else int(number) for number in match.groups())
        if single is not None:
            return slice(single, single + 1)
        if stop is None or (start or 0) < stop:
            return slice(start, stop)
    raise ValueError(f"--files {text}: expected archives by number, counted from 0, such as 0:10, 5, :100 or 7:")


def archive_paths(crawl: Crawl, *, files: slice | None = None, segment: str | None = None) -> list[str]:
    """Full paths of a crawl's archives, in the order of its list: all, or one segment's, and `files` of those.

    Raises ValueError where the crawl has no list, no such segment or fewer archives than `files` asks for.
    """
    paths = [storage.join(crawl.base, path) for path in paths_list(crawl, crawl.format)]
    whole = crawl.name
    if segment is not None:
        there = [path for path in paths if f"/segments/{segment}/" in path]
        if not there:
            raise ValueError(f"--segment {segment}: {whole} has {_segments(paths)}; choose one of its own")
        paths, whole = there, f"segment {segment} of {whole}"
    if files is None:
        return paths
    assert files.step is None and min(files.start or 0, files.stop or 0) >= 0, files
    chosen = paths[files]
    if not chosen or (files.stop or 0) > len(paths):
        raise ValueError(
            f"--files {_spelled(files)}: {whole} has {len(paths)} {crawl.format} archives, counted from 0; "
            f"ask for some of 0:{len(paths)}"
        )
    return chosen


def index_paths(crawl: Crawl) -> list[str]:
    """Full paths of the files that make up a crawl's columnar index of pages; ValueError where it has none."""
    paths = paths_list(crawl, "cc-index-table")
    pages = [storage.join(crawl.base, path) for path in paths if "/subset=warc/" in path]  # others: errors, robots.txt
    if not pages:
        raise ValueError(
            f"--crawl {crawl.name}: its cc-index-table.paths.gz at {crawl.base} names {len(paths)} files, such as "
            f"{paths[0][:200]}, and none of subset=warc; choose another crawl or --crawl-base"
        )
    return pages


def paths_list(crawl: Crawl, kind: str) -> list[str]:
    """The paths below the base that one of a crawl's lists holds, such as `warc`, `wet` or `cc-index-table`.

    Raises ValueError where the crawl has no such list, and where what is there is no list of paths.
    """
    path = storage.join(crawl.base, "crawl-data", crawl.name, f"{kind}.paths.gz")
    try:
        with storage.open_read(path) as file:
            packed = file.read(_MAX_LIST + 1)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:  # S3 answers 403 where nothing is
        raise ValueError(
            f"--crawl {crawl.name}: {crawl.base} has no such crawl, or no {kind}.paths.gz of it ({error}); choose one "
            "that https://index.commoncrawl.org lists, or another --crawl-base"
        ) from None
    lines = _inflated(path, packed).decode("utf-8", "replace").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if not is_path(line):
            raise _no_list(path, f"{line[:60]!r} in line {number}")
    return lines


def is_path(text: str) -> bool:
    """Whether `text` is a path as Common Crawl writes them in its lists: below the base, and never out of it."""
    return _PATH.fullmatch(text) is not None and ".." not in text


def host_name(name: str) -> str:
    """A host as the index spells it, in small letters and IDN as punycode; ValueError where `name` is none."""
    try:
        host = name.lower().removesuffix(".").encode("idna").decode()
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ValueError(
            f"--hosts {name}: expected the name of a host, such as example.com, which stands for its subdomains too; "
            "leave scheme, port, path and wildcards out"
        )
    return host


def sort_key_prefixes(hosts: Sequence[str]) -> list[bytes]:
    """How the `url_surtkey` of pages of these hosts and their subdomains may begin in the index, sorted.

    That of https://www.example.com:8080/a is com,example:8080)/a.
    """
    prefixes = set()
    for host in hosts:
        # Sort keys drop a leading `www.` or `www2.`, and some versions leave the numbers of an address in order.
        key, bare = (",".join(name.split(".")[::-1]) for name in (host, re.sub(r"^www[0-9]*\.", "", host)))
        prefixes |= {f"{key},", *(name + mark for name in (key, bare, host) for mark in "):")}
    return sorted(prefix.encode() for prefix in prefixes)


def _inflated(path: str, packed: bytes) -> bytes:
    """What a list holds: not nothing, and no more than its bound."""
    if not packed:
        raise _no_list(path, "an empty file")
    if packed[:2] != b"\x1f\x8b":
        raise _no_list(path, f"{'HTML' if packed.lstrip()[:1] == b'<' else 'no gzip but'} {packed[:40]!r}")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            text = file.read(_MAX_LIST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _no_list(path, f"broken gzip: {error}") from None
    if len(text) > _MAX_LIST or len(packed) > _MAX_LIST:
        raise _no_list(path, f"more than {_MAX_LIST >> 20} MiB")
    if not text.strip():
        raise _no_list(path, "not one path")
    return text


def _no_list(path: str, found: str) -> ValueError:
    return ValueError(
        f"{path} is no list of paths: expected gzipped lines such as crawl-data/CC-MAIN-2024-51/..., found {found}; "
        "check --crawl-base or download the list again"
    )


def _segments(paths: list[str]) -> str:
    names = {path.split("/segments/")[1].split("/")[0] for path in paths if "/segments/" in path}
    return f"{len(names)} segments, such as {min(names)}" if names else "no segments"


def _spelled(files: slice) -> str:
    return ":".join("" if number is None else str(number) for number in (files.start, files.stop))
