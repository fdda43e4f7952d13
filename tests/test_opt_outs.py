import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import opt_outs
from curation.licences import short_name
from curation.opt_outs import OptOuts
from curation.reading import http_message
from curation.reading.http_message import Message
from tests.cpu_limit import cpu_limit

BY = "https://creativecommons.org/licenses/by/4.0/"


def signals(html, *headers):
    return list(opt_outs.read(html, headers)[0])


def licence(html, *headers, url=""):
    return opt_outs.read(html, headers, url)[1]


@pytest.mark.parametrize(
    "html, expected",
    [
        ("", []),
        ("<p>noindex noai</p>", []),
        ('<meta name="robots" content="index, follow">', []),
        ('<meta name="robots" content="noindex">', ["noindex"]),
        ("<META CONTENT='NoIndex,NOFOLLOW' NAME='ROBOTS'/>", ["noindex", "nofollow"]),
        ("<meta name=robots content=noai>", ["noai"]),
        ('<meta name="robots" content="noai, noimageai">', ["noai", "noimageai"]),
        ('<meta name="robots" content="none">', ["noindex", "nofollow"]),
        ('<meta name="robots" content="max-snippet:-1, nosnippet noarchive">', ["noarchive", "nosnippet"]),
        ('<meta name="robots" content="noai&#44; noindex">', ["noindex", "noai"]),
        ('<meta name="CCBot" content="noindex">', ["noindex"]),
        ('<meta name="googlebot" content="noindex">', ["noindex"]),
        ('<meta name="googlebot-news" content="noindex">', []),
        ('<meta name="description" content="robots and noindex">', []),
        ('<meta property="og:title" content="how to write noindex for a bot">', []),
        ('<meta data-x="a > b" name="robots" content="noindex">', []),  # nobody writes it so
        ('<meta name="robots"\n  content="noindex"\n>', ["noindex"]),
        ('<meta name="tdm-reservation" content="1">', ["tdm_reserved"]),
        ('<meta name="TDM-Reservation" content=" 1 ">', ["tdm_reserved"]),
        ('<meta name="tdm-reservation" content="0">', []),
        ('<meta name="tdm-policy" content="https://a.example/1">', []),
        ('<!-- <meta name="robots" content="noindex"> -->', []),
        ('<!-- > <meta name="robots" content="noindex">', []),
        ('<!--><meta name="robots" content="noindex">', ["noindex"]),
        ('<!-- a --!><meta name="robots" content="noindex">', ["noindex"]),
        ('<script>\'<meta name="robots" content="noindex">\'</script>', []),
        ('<script>"<!--"</script><meta name="robots" content="noindex">', ["noindex"]),
        ('<style></STYLE ><meta name="robots" content="noindex">', ["noindex"]),
        ('<textarea><meta name="robots" content="noindex">', []),
        ('<title><meta name="robots" content="noindex"></title>', []),
        ('<metadata name="robots" content="noindex">', []),
        ('<meta name="robots" content="noindex"', []),
        ('<meta name="robots" content="noindex' + "x" * 100 + '">', []),
        (" " * 200_000 + '<meta name="robots" content="noindex">', ["noindex"]),
        (" " * 300_000 + '<meta name="robots" content="noindex">', []),
    ],
    ids=range(35),
)
def test_meta_tags(html, expected):
    assert signals(html) == expected


@pytest.mark.parametrize(
    "headers, expected",
    [
        ([("x-robots-tag", "noindex")], ["noindex"]),
        ([("x-robots-tag", "NONE")], ["noindex", "nofollow"]),
        ([("x-robots-tag", "googlebot: nofollow"), ("x-robots-tag", "noai")], ["nofollow", "noai"]),
        ([("x-robots-tag", "googlebot:noindex")], ["noindex"]),
        ([("x-robots-tag", "facebookexternalhit: noindex")], []),
        ([("x-robots-tag", "noai, facebookexternalhit: noindex, nofollow")], ["noai"]),
        ([("x-robots-tag", "unavailable_after: 25 Jun 2030 15:00:00 PST, noindex")], ["noindex"]),
        ([("x-robots-tag", "max-snippet:20, noimageai")], ["noimageai"]),
        ([("tdm-reservation", "1")], ["tdm_reserved"]),
        ([("tdm-reservation", "0")], []),
        ([("tdm-reservation", "yes")], []),
        ([("tdm-policy", "https://a.example/")], []),
        ([("tdm-reservation", "1"), ("x-robots-tag", "noindex")], ["noindex", "tdm_reserved"]),
    ],
    ids=range(13),
)
def test_headers(headers, expected):
    assert signals("<p>A page", *headers) == expected


@pytest.mark.parametrize(
    "link, expected",
    [
        (BY, "cc-by-4.0"),
        ("http://creativecommons.org/licenses/by-sa/3.0", "cc-by-sa-3.0"),
        ("//creativecommons.org/licenses/by-nc-nd/2.5/deed.en", "cc-by-nc-nd-2.5"),
        ("https://www.creativecommons.org/licenses/by-nc/1.0/legalcode", "cc-by-nc-1.0"),
        ("http://creativecommons.org/licenses/by-nd-nc/1.0/", "cc-by-nc-nd-1.0"),
        ("http://creativecommons.org/licenses/by-sa/2.0/de/", "cc-by-sa-2.0-de"),
        ("http://creativecommons.org/licenses/by/3.0/igo/", "cc-by-3.0-igo"),
        ("http://creativecommons.org/licenses/by/3.0/zz/deed.de", "cc-by-3.0-zz"),
        ("http://creativecommons.org/licenses/by/2.5/scotland/", "cc-by-2.5-scotland"),
        ("HTTPS://CreativeCommons.org/Licenses/BY/4.0/", "cc-by-4.0"),
        ("https://creativecommons.org/licenses/by/", "cc-by"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "publicdomain"),
        ("http://creativecommons.org/licenses/publicdomain/", "publicdomain"),
        ("https://creativecommons.org/licenses/", ""),
        ("https://creativecommons.org/about/", ""),
        ("https://creativecommons.org/licenses/sampling+/1.0/", ""),
        ("https://creativecommons.org/licenses/by-by/1.0/", ""),
        ("https://creativecommons.org.example/licenses/by/4.0/", ""),
        ("https://notcreativecommons.org/licenses/by/4.0/", ""),
        ("https://a.example/?u=https://creativecommons.org/licenses/by/4.0/", ""),
        ("", ""),
    ],
    ids=range(22),
)
def test_names_of_licences(link, expected):
    assert short_name(link) == expected


ANCHOR = '<a href="https://creativecommons.org/licenses/by-sa/4.0/" rel="nofollow license">x</a>'
LINK = "<link rel=license href=//creativecommons.org/licenses/by-nd/4.0/>"
META = '<meta name="DCTERMS.license" content="https://creativecommons.org/licenses/by-nc/4.0/">'
JSON = (
    '<script type="application/ld+json">{"license": "https:\\/\\/creativecommons.org\\/licenses\\/by\\/3.0"}</script>'
)
PLAIN = '<a href="https://creativecommons.org/publicdomain/zero/1.0/">CC0</a>'
FOOTER = f'<footer class="x">{PLAIN}</footer>'


@pytest.mark.parametrize(
    "html, expected",
    [
        ("", ""),
        (ANCHOR, "cc-by-sa-4.0"),
        (LINK, "cc-by-nd-4.0"),
        (META, "cc-by-nc-4.0"),
        (JSON, "cc-by-3.0"),
        (FOOTER, "cc0-1.0"),
        (PLAIN, ""),  # perhaps a picture's
        (f"<footer></footer>{PLAIN}", ""),
        (f'<div id="page-footer">{PLAIN}</div>', "cc0-1.0"),
        (FOOTER + JSON + META + LINK + ANCHOR, "cc-by-sa-4.0"),
        (FOOTER + JSON + META + LINK, "cc-by-nd-4.0"),
        (FOOTER + JSON + META, "cc-by-nc-4.0"),
        (FOOTER + JSON, "cc-by-3.0"),
        (ANCHOR + ANCHOR.replace("by-sa", "by"), "cc-by-sa-4.0"),
        (f"<!-- {ANCHOR} -->", ""),
        (f"<script>document.write('{ANCHOR}')</script>", ""),
        ('<a rel="license" href="/terms">Terms</a> about creativecommons.org', ""),
        ('<a rel="license" href="https:&#47;&#47;creativecommons.org/licenses/by/4.0/">', "cc-by-4.0"),
        ('<meta name="dc.rights" content="See https://creativecommons.org/licenses/by/4.0/ for more">', "cc-by-4.0"),
        ('<script type="application/ld+json">{"@type": "ImageObject", "license": "' + BY + '"}</script>', ""),
        ('<script type="application/ld+json">{"@graph": [{"license": {"@id": "' + BY + '"}}]}</script>', "cc-by-4.0"),
        ('<script type="application/ld+json">[{"license": ["' + BY + '"]}, 1]</script>', "cc-by-4.0"),
        ('<script type="application/ld+json">{"license": "' + BY + "</script>", ""),
        ('<script type="application/ld+json">"' + BY + '"</script>', ""),
        ('<script type="application/ld+json">' + "[" * 50_000 + BY + "</script>", ""),
    ],
    ids=range(25),
)
def test_licences(html, expected):
    assert licence(html) == expected


def test_a_licence_in_a_header():
    assert licence("", ("link", f'<https://a.example/>; rel=next, <{BY}>; rel="license"')) == "cc-by-4.0"
    assert licence("", ("link", f"<{BY}>; rel=next")) == ""
    assert licence(ANCHOR, ("link", f"<{BY}>; rel=license")) == "cc-by-sa-4.0"


def test_a_licence_by_a_relative_link_of_its_own_site():
    html = '<a rel="license" href="/licenses/by/4.0/">creativecommons.org</a>'
    assert licence(html, url="https://creativecommons.org/blog/") == "cc-by-4.0"
    assert licence(html, url="https://a.example/") == ""


def test_nothing_is_rejected_unless_it_is_named():
    found = {"noindex": 1.0, "noai": 1.0}
    assert OptOuts().reason(found) is None
    assert OptOuts(reject=("tdm_reserved",)).reason(found) is None
    assert OptOuts(reject=("tdm_reserved", "noai")).reason(found) == ("opted_out_noai", "noai")
    assert OptOuts(reject=("noai", "noindex")).reason(found) == ("opted_out_noai", "noai")


@pytest.mark.parametrize("reject, named", [(("noai", "no-ai"), "'no-ai'")])
def test_unknown_opt_outs_are_errors(reject, named):
    with pytest.raises(ValueError, match=rf"^OptOuts\(reject=.*{named}.*expected a tuple of names out of noindex, "):
        OptOuts(reject=reject)


def test_headers_that_a_page_keeps():
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/html", "X-ROBOTS-Tag: noai", "x-robots-tag: bot: noindex"]
    lines += ["TDM-Reservation: 1", "Link: </a>; rel=next", f"Link: <{BY}>; rel=license", "Server: x"]
    kept = (("x-robots-tag", "noai"), ("x-robots-tag", "bot: noindex"), ("tdm-reservation", "1"))
    kept += (("link", f"<{BY}>; rel=license"),)
    message = http_message.parse("\r\n".join([*lines, "", "<p>"]).encode(), is_truncated=False)
    assert message == Message(200, "text/html", "", b"<p>", kept)
    assert opt_outs.read("<p>", message.headers) == ({"noindex": 1.0, "noai": 1.0, "tdm_reserved": 1.0}, "cc-by-4.0")


def test_headers_are_bounded():
    head = "HTTP/1.1 200 OK\r\n" + f"X-Robots-Tag: {'x' * 2000}\r\n" * 50
    message = http_message.parse(f"{head}\r\n<p>".encode(), is_truncated=False)
    assert isinstance(message, Message)
    assert message.headers == (("x-robots-tag", "x" * 1000),) * 20


MARKED = '<meta name="robots" content="noindex">creativecommons.org'
TRAPS = [
    "<",
    "<a ",
    '<a "',
    "<a '\"",
    "<meta ",
    '<meta name="robots" content="no',
    "<!--",
    "<!-->",
    "<script>",
    "</script",
]
TRAPS += [
    "<a href=creativecommons.org>",
    "<footer ",
    '<div id="footer',
    "<a a='\"' ",
    "&#" + "9" * 5000,
    "<link rel=license ",
]
TRAPS += [
    '<meta name="license" content="//////',
    "<meta",
    "<a =",
    "id=",
    '<script type="ld+json">creativecommons.org[[',
]


@pytest.mark.parametrize("trap", TRAPS, ids=range(len(TRAPS)))
def test_time_is_linear(trap):
    with cpu_limit():
        for end in ("", ">", '">', "\"'>"):
            opt_outs.read(MARKED + trap * (500_000 // len(trap)) + end)


@given(st.lists(st.sampled_from([*TRAPS[:14], ">", '"', "'", "-->", ANCHOR, META, JSON, "=", "&amp;", "é", "\x00"])))
@settings(max_examples=300, deadline=None)
def test_no_page_raises(pieces):
    html = MARKED + "".join(pieces)
    assert opt_outs.read(html) == opt_outs.read(html)


@given(st.text(), st.lists(st.tuples(st.sampled_from(["x-robots-tag", "link", "tdm-reservation"]), st.text())))
@settings(max_examples=300, deadline=None)
def test_no_header_raises(html, headers):
    found, name = opt_outs.read(html, headers, html)
    assert set(found) <= set(opt_outs.SIGNALS) and isinstance(name, str)
