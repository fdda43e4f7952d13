"""trafilatura made faster says, letter for letter, what trafilatura says; each in a process of its own."""

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import ground_truth

WEB = Path(__file__).parents[2] / "shared" / "data" / "web"
SETTINGS = list(itertools.product(["balanced", "precision", "recall"], [False, True], [False, True]))

# Reads pages, writes the text of each under each of SETTINGS; the last argument says whether to hasten.
EXTRACT = """
import json, logging, sys
import trafilatura
from trafilatura.deduplication import LRUCache

logging.disable(logging.CRITICAL)
if sys.argv[1] == "hastened":
    from curation.extraction import hastened
    hastened.install()
else:
    assert "curation" not in sys.modules
asked = json.load(sys.stdin)
texts = [
    trafilatura.extract(
        page, fast=fast, favor_precision=focus == "precision", favor_recall=focus == "recall", include_comments=False,
        deduplicate=LRUCache(maxsize=4096) if deduplicate else False,
    )
    for page in asked["pages"]
    for focus, fast, deduplicate in asked["settings"]
]
json.dump(texts, sys.stdout)
"""


def extracted(pages, settings=SETTINGS):
    """{(page's number, *setting): (plain text, hastened text)}; both processes at once."""
    asked = json.dumps({"pages": list(pages), "settings": settings}).encode()
    running = [
        subprocess.Popen([sys.executable, "-c", EXTRACT, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for how in ("plain", "hastened")
    ]
    for process in running:
        process.stdin.write(asked)
        process.stdin.close()
    plain, hastened = (json.loads(process.stdout.read()) for process in running)
    assert [process.wait() for process in running] == [0, 0]
    keys = [(number, *setting) for number in range(len(pages)) for setting in settings]
    return dict(zip(keys, zip(plain, hastened, strict=True), strict=True))


RIVER = (
    "The river rose in the night and carried the old bridge away, before anyone in the village had woken. By the "
    "morning only the two stone pillars were left, and the ferryman was asked to bring people across the water. "
)
FERRY = (
    "He had not worked for eleven years, and his boat leaked, but there was nobody else who knew the water so well. "
    "The council promised him a new one before the winter, and kept its word three years later, as councils do. "
)
FILMS = "<p>The river, the bridge, the ferry, and nothing else, in forty short films.</p>"
VIDEO = "<p><iframe src='https://www.youtube.com/embed/a'></iframe></p>"
MENU = "<nav class='main-navigation'><ul><li><a href='/'>Home</a></li><li><a href='/a'>About us</a></li></ul></nav>"
FOOT = "<div id='Footer'><p>Copyright 2024 Example Ltd. All rights reserved.</p></div>"
LINK = "<a href='/a'>A bridge elsewhere</a>"
LINKS = f"<ul>{f'<li>{LINK}</li>' * 3}</ul>"
FORUM = '<script type="application/ld+json">{"@type": "DiscussionForumPosting", "headline": "Bridges"}</script>'


def whole(content, *, head=""):
    return f"<!DOCTYPE html><html><head><title>A page</title>{head}</head><body>{content}</body></html>"


def told(count, start=0):
    """Paragraphs of which no two are alike."""
    return "".join(f"<p>{RIVER}This was told {number} times. {FERRY}</p>" for number in range(start, start + count))


PAGES = {
    "article": whole(f"{MENU}<article class='post-12'><h1>The bridge</h1>{told(4)}</article>{FOOT}"),
    "no markup of an article": whole(
        f"{MENU}<div class='wrap'><div>{told(3)}</div></div><div class='side'>{FOOT}</div>"
    ),
    "forum": whole(
        "".join(f"<div class='comment' id='comment-{i}'><p>{RIVER} Post {i}. {FERRY}</p></div>" for i in range(4)),
        head=FORUM,
    ),
    "comments in lists": whole(
        f"<article>{told(2)}<ol class='commentlist'><li><p>Thanks for this story.</p></li></ol>"
        f"<ul id='disqus_thread'><li><p>{FERRY}</p></li></ul><ul id='comments'><li>{RIVER}</li></ul>"
        f"<div id='disqus_thread'><p>{FERRY}</p></div><details class='Comments'><p>{RIVER}</p></details></article>"
    ),
    "infinite scroll": whole(
        f"<article>{told(2)}</article><div class='infinite-scroll'><article><p>{FERRY * 3}</p></article></div>"
        f"<section id='mvp-post-add-box'><h1>Next</h1>{told(2, 5)}</section>"
        f"<div class='elementor-widget'>{told(1, 8)}<div class='elementor-share-buttons'>Share this</div></div>"
    ),
    "infinite scroll around the heading": whole(f"<div class='infinite-scroll'><h1>Bridge</h1>{told(3)}</div>{FOOT}"),
    "infinite scroll written with character references": whole(
        f"<article>{told(2)}</article><div class='&#105;nfinite-scroll'>{told(2, 5)}</div>"
        f"<div id='mvp&#45;post-add-box'>{told(2, 9)}</div><div class='elementor&#45;share-buttons'>{RIVER}</div>"
    ),
    "infinite scroll with a control character": whole(
        f"<div class='entry-content'>{told(2)}<div class='infi\x01nite-scroll'>{told(2, 5)}</div></div>"
    ),
    "tables": whole(
        "<div id='content'><table><tr><th>Year</th><th>Bridge</th></tr>"
        + "".join(f"<tr><td>{1900 + i}</td><td>{RIVER}</td></tr>" for i in range(5))
        + f"</table>{told(1)}<table class='navbox'><tr><td><a href='/'>Home</a></td></tr></table></div>"
    ),
    "nested tables": whole(
        f"<table><tr><td>{MENU}</td><td><table><tr><td><table><tr><td>{told(2)}</td></tr></table></td></tr></table></td>"
        f"<td bgcolor='red'><table><tr><td>{FERRY}</td></tr></table></td></tr></table>"
    ),
    "cookie banner": whole(
        f"<div id='CookieBanner' class='x'><p>We use cookies. {FERRY}</p></div><div class='onetrust-sdk'>{RIVER}</div>"
        f"<p>A line.</p><div class='x' id='cookie-1'>{FERRY}</div><div id='cookie-2' class='x'>{RIVER}</div>"
    ),
    "ids in mixed case": whole(
        f"<div ID='Main-Content' CLASS='Page-Content'>{told(2)}<div id='Comments-List'>{FERRY}</div>"
        f"<div ID='SideBar'>{RIVER}</div><div Role='Navigation'>{RIVER}</div><p class='TeaserBox'>{FERRY}</p></div>"
    ),
    "hidden": whole(
        f"<article>{told(2)}<p style='display:none'>{FERRY}</p><p aria-hidden='true'>{RIVER}</p>"
        f"<p class='x hidden'>{FERRY}</p><p style='visibility:hidden' id='x'>{RIVER}</p>"
        f"<div data-lp-replacement-content>a</div><p id='x' style='visibility:hidden'>{FERRY}</p>"
        f"<p style='border: 0'>{RIVER}</p></article>"
    ),
    "readability wins": whole(
        f"<article><p>{RIVER}</p><p>{FERRY}</p></article><div class='entry-body'>{told(6)}</div>{FOOT}"
    ),
    "justext wins": whole(
        f"<div id='content'><p>{RIVER}</p><button>Order</button></div>"
        + "".join(f"<div class='cell-{i}'><span>{RIVER} Number {i}. {FERRY}</span></div>" for i in range(6))
    ),
    "no paragraphs": whole(f"<div class='content'>{RIVER}<br>{FERRY}<br>{RIVER}</div><div>{FERRY * 4}</div>"),
    # readability makes four characters of each of these, so that what it finds is longer than all there is
    "readability escapes": whole(f"<div class='entry-text'><p>{RIVER}</p><p>{FERRY}</p><xmp>{'<' * 200}</xmp></div>"),
    "readability adds": whole(  # a word to each video
        f"<article>{FILMS * 4}</article><div class='entry-text'>{FILMS * 3}{VIDEO * 120}</div>"
    ),
    "forms": whole(
        f"<form id='aspnetForm'><input name='a'><select><option>a</option></select>{told(3)}<label>b</label></form>"
    ),
    "odd tags": whole(f"<div class='WordSection1'>{''.join(f'<p>{RIVER}{i}<o:p></o:p></p>' for i in range(9))}</div>"),
    "values that lxml does not write": whole(f"<article>{told(2)}<div class='nav&#1;'>{FERRY}</div></article>"),
    "what repeats": whole(f"<article>{f'<p>{FERRY}</p><p>{RIVER}</p>' * 6}</article>"),
    "text in JSON": whole(
        "<div id='app'></div>",
        head=f'<script type="application/ld+json">{{"@type": "Article", "articleBody": "{RIVER * 3}"}}</script>',
    ),
    "chinese": whole(
        f"<div class='article-content'>{'<p>河水在夜里上涨，冲走了旧桥，村里还没有人醒来。</p>' * 9}</div>"
    ),
    "little beside what is pruned": whole(
        f"<p>Read on.</p><div id='comments' class='comments-area'><p>{RIVER}</p></div>"
        f"<div class='infinite-scroll'><p>{FERRY}</p></div><ul class='commentlist'><li><p>{RIVER}</p></li></ul>"
    ),
    "lists of links in lists": whole(
        f"<div class='content'>{told(1)}<div><div>{LINKS}</div><div>Ferries: {LINKS}<p>{LINK}</p></div></div>"
        f"<ul><li>{LINK}</li><li>{RIVER[:40]}</li><li><ul><li>{LINK}</li><li>{LINK}</li></ul></li></ul>"
        f"<div>A word <div>{LINK}<div>{LINK} {LINK}</div></div></div><p>{LINK} and {LINK}</p><p>{LINK}</p>"
        f"<div><p>{RIVER[:90]}</p><div>{LINKS * 4}</div></div><div>{FERRY}{LINK}</div></div>"
    ),
    "no html": "The river rose in the night.",
    "empty": "",
}


@pytest.fixture(scope="module")
def made():
    found = extracted(PAGES.values())
    return {(list(PAGES)[number], *setting): texts for (number, *setting), texts in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_made_page_has_the_same_text(made, name):
    for setting in SETTINGS:
        plain, hastened = made[name, *setting]
        assert hastened == plain, setting


@pytest.mark.slow
def test_the_made_pages_go_all_ways(made):
    """What is found without the fallbacks, in another focus, or without deduplication is another text."""
    plain = {key: texts[0] for key, texts in made.items()}
    others = {
        "fast": [n for n in PAGES if plain[n, "balanced", True, False] != plain[n, "balanced", False, False]],
        "precision": [n for n in PAGES if plain[n, "precision", False, False] != plain[n, "balanced", False, False]],
        "recall": [n for n in PAGES if plain[n, "recall", False, False] != plain[n, "balanced", False, False]],
        "deduplicate": [n for n in PAGES if plain[n, "balanced", False, True] != plain[n, "balanced", False, False]],
    }
    assert {"readability wins", "justext wins"} <= set(others["fast"])
    assert {"forum", "hidden"} <= set(others["precision"])
    assert "ids in mixed case" in others["recall"]
    assert "what repeats" in others["deduplicate"]


# A page at random: what trafilatura looks at in tags and attributes, around texts of several lengths.
_TAGS = [
    "div",
    "div",
    "p",
    "p",
    "section",
    "article",
    "main",
    "ul",
    "ol",
    "table",
    "aside",
    "header",
    "span",
    "h2",
    "form",
]
_WORDS = """
    content entry-content post post-body article main-content story comment comments comment-list sidebar widget
    share nav menu footer teaser hidden link bottom caption infinite-scroll mvp-post-add-box elementor-share-buttons
    cookie cookie-banner related tags author byline meta x post-1 main text cell fulltext Page-Content
""".split()  # noqa: SIM905
_TEXTS = ["One.", "Read more", "<a href='/a'>A link that leads elsewhere</a>", RIVER[:101], RIVER, RIVER + FERRY]
_INSIDE = {"ul": "<li>{}</li>", "ol": "<li>{}</li>", "table": "<tr><td>{}</td><td>2</td></tr>"}


def _element(chance, depth):
    tag = chance.choice(_TAGS)
    names = chance.sample(["id", "class", "style", "role"], chance.choice([0, 1, 1, 2]))
    pairs = " ".join(f"{name}='{' '.join(chance.choices(_WORDS, k=chance.choice([1, 1, 2])))}'" for name in names)
    count = chance.choice([1, 2, 3, 5]) if depth else 0
    inside = "".join(_element(chance, depth - 1) for _ in range(count)) or f"{chance.choice(_TEXTS)} {chance.random()}"
    return f"<{tag} {pairs}>{_INSIDE.get(tag, '{}').format(inside)}</{tag}>"


def _random_page(number):
    chance = random.Random(number)
    content = "".join(_element(chance, chance.choice([1, 2, 3])) for _ in range(chance.choice([2, 4, 8])))
    return whole(content, head=FORUM if number % 10 == 0 else "")


@pytest.mark.slow
def test_a_page_at_random_has_the_same_text():
    found = extracted([_random_page(number) for number in range(150)])
    assert [key for key, (plain, hastened) in found.items() if plain != hastened] == []
    assert len({plain for plain, _ in found.values()}) > 300


@pytest.mark.slow
@pytest.mark.skipif(not WEB.is_dir(), reason="there is no folder shared/data/web beside this checkout")
def test_a_real_page_has_the_same_text():
    """Some pages of one archive, the same each time."""
    pages = [page.html for page in ground_truth.pages_of(WEB / "web-dev-00003-of-00010.warc.gz")]
    settings = [setting for setting in SETTINGS if setting[1] != setting[2]]
    found = extracted(random.Random(1).sample(pages, 60), settings)
    assert [key for key, (plain, hastened) in found.items() if plain != hastened] == []
    assert len({plain for plain, _ in found.values()}) > 100
