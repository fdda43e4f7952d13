"""Which pages this project and datatrove decide otherwise, and why."""

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from curation import charset, recipe
from curation.extraction import main_text
from curation.extraction.main_text import Html
from tests.benchmarks import peer, timed_steps


def num_pages(output: Path) -> int:
    """The pages that a run of this project read."""
    parts = [*output.glob("filtered/*.parquet"), *output.glob("rejected/*.parquet")]
    return sum(pq.read_metadata(path).num_rows for path in parts)


def report(ours: Path, theirs: Path, their_texts: Mapping[str, str], archives: Sequence[str]) -> None:
    """Prints how many pages are kept by whom, how many of equal text are decided alike, and each that is not."""
    kept = {row["url"] for row in pq.read_table(ours / "filtered", columns=["url"]).to_pylist()}
    rejected = {row["url"]: row for row in pq.read_table(ours / "rejected").to_pylist()}
    kept_there = {row["metadata"]["url"] for row in peer.documents(theirs)}
    print(f"kept: {len(kept)} here, {len(kept_there)} by datatrove, {len(kept & kept_there)} by both")
    same = [url for url, text in _texts(archives).items() if text.strip() and text == their_texts.get(url, "").strip()]
    differ = [url for url in same if (url in kept) != (url in kept_there)]
    share = 1 - len(differ) / max(len(same), 1)
    print(f"pages whose text is the same from both extractors: {len(same)}; decided alike: {share:.1%}")
    why: collections.Counter[str] = collections.Counter()
    for url in differ:
        if row := rejected.get(url):
            why[f"rejected here only, {row['step']}: {row['reason']}"] += 1
            print(f"  {url}: rejected here by {row['step']}: {row['reason']} {row['value']}")
        else:
            why["rejected by datatrove only"] += 1
            print(f"  {url}: rejected by datatrove only")
    for reason, count in why.most_common():
        print(f"{count:>6}  {reason}")


def _texts(archives: Sequence[str]) -> dict[str, str]:
    """The text of every page as the FineWeb recipe extracts it, by URL, also where a first look would reject it."""
    settings, _ = recipe.of_source(*recipe.read_source("fineweb")).extraction
    return {
        page.url: main_text.main_text(
            Html(charset.decode(page.payload, page.http_charset)[0].removeprefix("\ufeff")), settings.extractor
        ).strip()
        for page in timed_steps.pages(archives)
    }
