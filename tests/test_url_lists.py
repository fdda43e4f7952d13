"""Rules on URLs: UT1's folders, words in the dialects of FineWeb and RefinedWeb, hosts that are left out."""

import dataclasses
import gzip
import hashlib
import subprocess
from pathlib import Path

import pytest

from curation.cascade import UrlBlocklist
from curation.rules.rule import UrlRule
from curation.url_lists import NotHosts, Ut1Blocklist
from curation.url_words import FineWebUrlWords, RefinedWebUrlWords, WordList
from tests.cpu_limit import cpu_limit

UT1 = Path(__file__).parents[2] / "shared" / "data" / "lists" / "ut1"

FILES = {
    "red/domains": "# a comment\nred.example\n\nBlog.Host.example\nred.co.uk\nwww.com\n192.0.2.7\n"
    "both.example\nflat.com\n",
    "red/urls": "pages.example/red\npages.example/dir/\npages.example/a?x=1\nhttp://www.scheme.example/Path\nroot.example/\n"
    "pages.example/fragment/#top\npages.example/empty?\n",
    "red/expressions": "(a+)+$\n",
    "blue.domains": "blue.example\nboth.example\nwww.blue-too.example\n",
    "blue.urls": "pages.example/blue.html\n",
    "unused/domains": "unused.example\n",
}


def ut1(folder, files=FILES, *, packed=False, dialect="ut1", categories=("red", "blue")):
    used = []
    for name, content in files.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content.encode(), mtime=0) if packed else content.encode())
        if name.split("/")[0].split(".")[0] in categories and "expressions" not in name:
            used.append(path)
    sums = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in sorted(used))
    return Ut1Blocklist(str(folder), hashlib.sha256(sums.encode()).hexdigest(), categories, dialect)


DOMAIN, URL = "blocked_domain", "blocked_url"
CASES = [  # a URL, and what each dialect finds: UT1's own, FineWeb's, RefinedWeb's
    ("http://red.example/", (DOMAIN, "red: red.example"), None, (DOMAIN, "red: red.example")),  # .example is no suffix
    ("http://flat.com/", *[(DOMAIN, "red: flat.com")] * 3),
    ("https://user:pass@FLAT.com.:8080/a?b#c", *[(DOMAIN, "red: flat.com")] * 3),
    ("http://www.flat.com/", *[(DOMAIN, "red: flat.com")] * 3),
    ("http://a.flat.com/", *[(DOMAIN, "red: flat.com")] * 2, None),
    ("http://a.red.co.uk/", *[(DOMAIN, "red: red.co.uk")] * 2, None),
    ("http://deep.blog.host.example/", (DOMAIN, "red: blog.host.example"), None, None),
    ("http://host.example/", None, None, None),
    ("http://192.0.2.7/x", (DOMAIN, "red: 192.0.2.7"), None, (DOMAIN, "red: 192.0.2.7")),
    ("http://192.0.2.70/", None, None, None),
    ("http://www.com/", *[(DOMAIN, "red: www.com")] * 3),
    ("http://other.com/", None, None, None),
    ("http://both.example/", (DOMAIN, "red: both.example"), None, (DOMAIN, "red: both.example")),
    ("http://a.blue.example/", (DOMAIN, "blue: blue.example"), None, None),
    ("http://blue-too.example/", (DOMAIN, "blue: blue-too.example"), None, (DOMAIN, "blue: blue-too.example")),
    ("http://unused.example/", None, None, None),
    ("http://pages.example/", None, None, None),
    ("http://pages.example/red", *[(URL, "red: pages.example/red")] * 2, None),
    ("https://www.pages.example:81/RED/", *[(URL, "red: pages.example/red")] * 2, None),
    ("http://pages.example/red#part", *[(URL, "red: pages.example/red")] * 2, None),
    ("http://pages.example/red/more/of/it", (URL, "red: pages.example/red"), None, None),
    ("http://pages.example/red?id=1", (URL, "red: pages.example/red"), None, None),
    ("http://pages.example/redder", None, None, None),
    ("http://pages.example/dir", *[(URL, "red: pages.example/dir")] * 2, None),
    ("http://pages.example/dir/x.html", (URL, "red: pages.example/dir"), None, None),
    ("http://pages.example/a?x=1", *[(URL, "red: pages.example/a?x=1")] * 2, None),
    ("http://pages.example/a?x=1&y=2", (URL, "red: pages.example/a?x=1"), None, None),
    ("http://pages.example/a?x=12", None, None, None),
    ("http://pages.example/fragment/#end", *[(URL, "red: pages.example/fragment")] * 2, None),
    ("http://pages.example/empty", *[(URL, "red: pages.example/empty")] * 2, None),
    ("http://pages.example/empty?", *[(URL, "red: pages.example/empty")] * 2, None),
    ("http://pages.example/blue.html", *[(URL, "blue: pages.example/blue.html")] * 2, None),
    ("http://scheme.example/path", *[(URL, "red: scheme.example/path")] * 2, None),
    ("http://root.example", *[(URL, "red: root.example/")] * 2, None),
    ("http://root.example/any/page", (URL, "red: root.example/"), None, None),
    ("http://sub.root.example/", None, None, None),
    ("http://other.example/http://flat.com/", None, None, None),
    ("http://flat.com@other.example/", None, None, None),
    ("http://notflat.com/", None, None, None),
    ("http://flat.com.example/", None, None, None),
    ("http://[::1]/", None, None, None),
    ("http://[broken/", None, None, None),
    ("http:///path", None, None, None),
    ("no url", None, None, None),
    ("", None, None, None),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("number, dialect", list(enumerate(("ut1", "fineweb", "refinedweb"))))
def test_what_each_dialect_blocks(tmp_path, number, dialect, packed):
    step = ut1(tmp_path, packed=packed, dialect=dialect)
    step.check()
    for url, *expected in CASES:
        found = expected[number]
        assert step.judge(url) == (found and (found[0], None, found[1])), url


def test_the_first_category_of_the_recipe_is_named(tmp_path):
    step = ut1(tmp_path, categories=("blue", "red"))
    assert step.judge("http://both.example/") == (DOMAIN, None, "blue: both.example")


def test_the_digest_is_that_of_the_command(tmp_path):
    step = ut1(tmp_path)
    command = "LC_ALL=C sha256sum blue.domains blue.urls red/domains red/urls | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == step.sha256


def test_another_folder_than_the_recipes_is_refused(tmp_path):
    step = ut1(tmp_path)
    wrong = dataclasses.replace(step, sha256="0" * 64)
    for ask in (wrong.check, lambda: wrong.judge("http://a.example/")):
        with pytest.raises(ValueError) as caught:
            ask()
        assert str(caught.value) == (
            f"Ut1Blocklist({str(tmp_path)!r}) has sha256 {step.sha256} over blue.domains blue.urls red/domains "
            f"red/urls, expected {'0' * 64}; take the lists that the recipe was made with, or put the new "
            "digest into the recipe"
        )


def test_a_category_that_is_not_there_is_refused(tmp_path):
    step = dataclasses.replace(ut1(tmp_path), categories=("red", "green"))
    with pytest.raises(ValueError) as caught:
        step.check()
    assert str(caught.value) == (
        f"Ut1Blocklist({str(tmp_path)!r}): category 'green' has none of green/domains, green/urls, green.domains and "
        "green.urls, plain or .gz; check folder and categories"
    )


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "red.domains.gz"
    path.write_bytes(gzip.compress(b"red.example\n" * 999)[:-9])
    sums = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  red.domains.gz\n"
    step = Ut1Blocklist(str(tmp_path), hashlib.sha256(sums.encode()).hexdigest(), ("red",))
    with pytest.raises(ValueError, match=r"Ut1Blocklist\('red.domains.gz'\) is no whole gzip file"):
        step.check()


def test_empty_files_block_nothing(tmp_path):
    step = ut1(tmp_path, {"red/domains": "", "red/urls": "\n# none\n"}, categories=("red",))
    assert step.judge("http://red.example/") is None


def test_a_blocklist_may_be_packed(tmp_path):
    path = tmp_path / "domains.gz"
    path.write_bytes(gzip.compress(b"red.example\n"))
    step = UrlBlocklist(str(path), hashlib.sha256(path.read_bytes()).hexdigest())
    step.check()
    assert step.judge("http://a.red.example/") == (DOMAIN, None, "red.example")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Ut1Blocklist("a", "0", dialect="c4"), "dialect='c4'): expected one of ut1, fineweb, refinedweb"),
        (lambda: Ut1Blocklist("a", "0", categories=()), "categories=()): expected different names"),
        (lambda: Ut1Blocklist("a", "0", categories=("b", "b")), "categories=('b', 'b')): expected different names"),
        (lambda: Ut1Blocklist("a", "0", categories="adult"), "categories='adult'): expected a tuple"),
        (lambda: NotHosts(()), "NotHosts(hosts=()): expected host names"),
        (lambda: NotHosts("a.example"), "NotHosts(hosts='a.example'): expected a tuple"),
        (lambda: NotHosts(("A.example",)), "NotHosts(hosts=('A.example',)): expected host names"),
        (lambda: NotHosts(("www.a.example",)), "expected host names in lower case without www."),
        (lambda: NotHosts(("http://a.example",)), "expected host names"),
        (lambda: FineWebUrlWords(), "FineWebUrlWords() has no list of words"),
        (
            lambda: RefinedWebUrlWords(soft=WordList("a", "0"), min_soft_words=0),
            "min_soft_words=0): expected at least 1",
        ),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "url, host",
    [
        ("https://en.wikipedia.org/wiki/Bridge", "wikipedia.org"),
        ("http://WWW.Wikipedia.org./", "wikipedia.org"),
        ("http://arxiv.org:80/abs/1", "arxiv.org"),
        ("http://wikipedia.org.example/", None),
        ("http://notarxiv.org/", None),
        ("http://other.example/arxiv.org", None),
        ("http://org/", None),
        ("", None),
    ],
)
def test_hosts_that_are_left_out(url, host):
    assert NotHosts(("wikipedia.org", "arxiv.org")).judge(url) == (("left_out_host", None, host) if host else None)


def words(folder, name, content):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return WordList(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def both(tmp_path):
    """The same words for both dialects."""
    hard = words(tmp_path, "hard", "# hard words\nbad\n\nVery-Bad\nworse\n")
    soft = words(tmp_path, "soft", "grey\ndim\ndusk\n")
    part = words(tmp_path, "part", "slime\nooze\n")
    return FineWebUrlWords(hard, soft, part), RefinedWebUrlWords(strict=part, hard=hard, soft=soft)


HARD, SOFT, PART, STRICT = "hard_url_word", "soft_url_words", "url_subword", "strict_url_word"


@pytest.mark.parametrize(
    "url, fineweb, refinedweb",
    [
        ("http://a.example/bad/", *[(HARD, None, "bad")] * 2),
        ("http://my-bad_page.example/", *[(HARD, None, "bad")] * 2),
        ("http://a.example/BAD/", None, (HARD, None, "bad")),  # FineWeb's tokens keep their case
        ("http://a.example/badge", None, None),
        ("http://a.example/bad%20news", *[(HARD, None, "bad")] * 2),
        ("http://a.example/verybad", (HARD, None, "verybad"), None),  # FineWeb's words lose their hyphens
        ("http://a.example/very-worse", *[(HARD, None, "worse")] * 2),
        ("http://a.example/very.bad", *[(HARD, None, "bad")] * 2),
        ("http://a.example/grey", None, None),
        ("http://a.example/grey/grey", None, None),  # one word twice
        ("http://a.example/grey-dim", *[(SOFT, 2.0, "grey, dim")] * 2),
        ("http://a.example/Grey-dim", None, (SOFT, 2.0, "grey, dim")),
        ("http://dusk.example/dim?q=grey", (SOFT, 3.0, "dusk, dim, grey"), (SOFT, 3.0, "grey, dim, dusk")),
        ("http://slimehouse.example/", (PART, None, "slime"), (STRICT, None, "slime")),
        ("http://SLIME.example/", (PART, None, "slime"), (STRICT, None, "slime")),
        ("http://s-li.me.example/", (PART, None, "slime"), (STRICT, None, "slime")),
        ("http://a.example/s/lime", (PART, None, "slime"), None),  # RefinedWeb takes out - and . alone
        ("http://a.example/oo_ze", (PART, None, "ooze"), None),
        ("http://slime.example/bad", (HARD, None, "bad"), (STRICT, None, "slime")),  # the order of the lists
        ("http://a.example/", None, None),
        ("", None, None),
    ],
)
def test_the_words_of_each_dialect(both, url, fineweb, refinedweb):
    assert tuple(step.judge(url) for step in both) == (fineweb, refinedweb)


def test_other_thresholds_and_lists(both):
    fineweb, refinedweb = both
    for step in both:
        assert dataclasses.replace(step, min_soft_words=1).judge("http://a.example/dim") == (SOFT, 1.0, "dim")
        assert dataclasses.replace(step, hard=None).judge("http://a.example/bad") is None
    assert dataclasses.replace(fineweb, subwords=None).judge("http://slime.example/") is None
    assert dataclasses.replace(refinedweb, strict=None).judge("http://slime.example/") is None


def test_words_of_other_scripts(tmp_path):
    step = RefinedWebUrlWords(hard=words(tmp_path, "hard", "плохо\nlive cam\n"))
    assert step.judge("http://a.example/очень-плохо") == (HARD, None, "плохо")
    assert step.judge("http://a.example/see-live_cam/") == (HARD, None, "live cam")
    assert step.judge("http://a.example/livecam") is None
    assert FineWebUrlWords(hard=step.hard).judge("http://a.example/плохо") is None  # ASCII only


def test_another_list_of_words_is_refused(both):
    for step in both:
        step.check()
        wrong = dataclasses.replace(step, soft=dataclasses.replace(step.soft, sha256="0" * 64))
        with pytest.raises(ValueError) as caught:
            wrong.check()
        assert str(caught.value).startswith(f"WordList({step.soft.path!r}) has sha256 {step.soft.sha256}, expected 000")
        missing = dataclasses.replace(step, hard=WordList("/none.txt", "0"))
        with pytest.raises(ValueError, match=r"WordList\('/none.txt'\) cannot be read: No such file"):
            missing.check()


HOSTILE = [
    "http://" + "a." * 500_000 + "com/",
    "http://a.example/" + "/a" * 500_000,
    "http://a.example/" + "?" * 1_000_000,
    "http://a.example/?" + "&" * 1_000_000,
    "http://" + "\u0301" * 300_000 + "/",
    "a." * 500_000,
    "//" * 500_000,
    "http://a.example/" + "-bad" * 300_000,
    "http://[" + ":" * 1_000_000,
    "http://a.example/\x00\r\n\t\u2028%%%00",
    "\N{FULLWIDTH FULL STOP}".join(["http://a", "b", "c/"]),
    "http://\u2100.example/",  # urlsplit refuses it
    "http://xn--" + "a" * 5000 + ".example/",
    "http://a.example:99999/",
    "http://1.2.3.4.5.6.7.8:x/",
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_urls_are_judged_in_time(tmp_path, both, number):
    steps = [*both, NotHosts(("wikipedia.org",))]
    steps += [ut1(tmp_path / dialect, dialect=dialect) for dialect in ("ut1", "fineweb", "refinedweb")]
    path = tmp_path / "domains.txt"
    path.write_text("red.example\n")
    steps.append(UrlBlocklist(str(path), hashlib.sha256(path.read_bytes()).hexdigest()))
    with cpu_limit():
        for step in steps:
            assert isinstance(step, UrlRule)
            step.judge(HOSTILE[number])


@pytest.mark.skipif(not UT1.is_dir(), reason="there is no folder of UT1's lists beside this checkout")
@pytest.mark.parametrize("categories", [("adult",), ("agressif", "dating", "drogue"), ("malware", "phishing")])
def test_ut1s_own_lists(categories):
    with pytest.raises(ValueError) as caught:
        Ut1Blocklist(str(UT1), "0" * 64, categories).check()
    step = Ut1Blocklist(str(UT1), str(caught.value).split("has sha256 ")[1].split()[0], categories)
    step.check()
    for category in categories:
        for kind in ("domains", "urls"):
            path = UT1 / f"{category}.{kind}.gz"
            if path.is_file():
                listed = gzip.decompress(path.read_bytes()).decode().split()
                for entry in listed[:: max(len(listed) // 50, 1)]:
                    reason, value, evidence = step.judge(f"https://www.{entry}")
                    assert reason in (f"blocked_{kind[:-1]}", "blocked_domain", "blocked_url") and value is None
                    assert evidence.split(": ")[0] in categories
    assert step.judge("https://www.example.com/") is None
