"""The pages of the sample crawl: reads them from the text files beside it, makes the copies, and puts all in order."""

import dataclasses
import hashlib
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Page:
    """One page as its author wrote it, and where the crawl found it."""

    url: str
    host: str
    language: str
    kind: str
    title: str
    text: str  # paragraphs, see markup.py
    charset: str = "utf-8"  # what the page says it is encoded in
    charset_in: str = ""  # "header", "meta", "both", or "" to let the address decide
    duplicate_of: str | None = None  # the address of the page that this one repeats


def read_sites(folder: Path = HERE) -> dict[str, dict[str, str]]:
    """What is true of a whole site: its name, language, scheme and server software, by host."""
    return tomllib.loads((folder / "sites.toml").read_text(encoding="utf-8"))


def read_page(path: Path, site: dict[str, str]) -> Page:
    """Reads one file: `key: value` lines between two lines of dashes, then the text."""
    start, head, text = path.read_text(encoding="utf-8").split("---\n", 2)
    if start:
        raise ValueError(f"{path} starts with {start[:20]!r}, expected a line of three dashes")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    host = path.parent.name
    return Page(
        url=f"{site['scheme']}://{host}{fields.pop('path')}",
        host=host,
        language=fields.pop("language", site["language"]),
        kind=fields.pop("kind"),
        title=fields.pop("title"),
        text=text.strip(),
        **fields,
    )


def make_copy(original: Page, entry: dict[str, Any], sites: dict[str, dict[str, str]]) -> Page:
    """A page that repeats another one, with the edits that `copies.toml` lists for it."""
    text = original.text
    for old, new in entry.get("edits", []):
        if text.count(old) != 1:
            raise ValueError(f"{original.url} has {old!r} {text.count(old)} times, expected once; mend copies.toml")
        text = text.replace(old, new)
    host = entry.get("host", original.host)
    url = original.url + entry["suffix"] if "suffix" in entry else f"{sites[host]['scheme']}://{host}{entry['path']}"
    return dataclasses.replace(
        original,
        url=url,
        host=host,
        kind=entry["kind"],
        title=entry.get("title", original.title),
        text=text,
        duplicate_of=original.url,
    )


def read_pages(folder: Path = HERE) -> list[Page]:
    """Every page, in the order of the crawl."""
    sites = read_sites(folder)
    files = sorted((folder / "sites").glob("*/*.md"))
    originals = {page.url: page for page in (read_page(path, sites[path.parent.name]) for path in files)}
    entries = tomllib.loads((folder / "copies.toml").read_text(encoding="utf-8"))["copy"]
    copies = [make_copy(originals[entry["of"]], entry, sites) for entry in entries]

    pages = [*originals.values(), *copies]
    if len(pages) != len({page.url for page in pages}):
        raise ValueError(f"{folder}: two pages have the same address, expected each once")
    return sorted(pages, key=_place)


def share(name: str) -> float:
    """A number in [0, 1) that depends on nothing but `name`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _place(page: Page) -> float:
    """Where in the crawl a page stands: the sites mixed, as in a real crawl, and every copy after its original."""
    if page.duplicate_of is None:
        return share(page.url)
    first = share(page.duplicate_of)
    return first + (1 - first) * (0.01 + 0.99 * share(page.url))
