import codecs
import collections
import gzip
import hashlib
import json
from pathlib import Path

import pytest
import webencodings
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import charset, sources, warc

PRIVATE_PAGES = Path(__file__).parents[2] / "shared" / "data" / "web"

GERMAN = "<html><p>Straßen, Brücken und Flüsse: die Geschichte einer kleinen Stadt im Frühjahr.</p></html>"
FRENCH = "<html><p>L’été dernier, la rivière a débordé et le vieux pont a été emporté : « adieu ».</p></html>"
RUSSIAN = "<html><p>Река поднялась ночью и унесла старый мост, прежде чем кто-нибудь проснулся.</p></html>"
GREEK = "<html><p>Το ποτάμι φούσκωσε τη νύχτα και παρέσυρε την παλιά γέφυρα πριν ξυπνήσει κανείς.</p></html>"
LITHUANIAN = "<html><p>„Upė naktį pakilo ir nunešė seną tiltą, kol kaime dar niekas nebuvo pabudęs.“</p></html>"
CHINESE = "<html><p>河水在夜里上涨，在村里的人醒来之前冲走了旧桥。</p></html>"
TAIWANESE = "<html><p>河水在夜裡上漲，在村裡的人醒來之前沖走了舊橋。</p></html>"
KOREAN = "<html><p>밤새 강물이 불어나 마을 사람들이 깨기 전에 낡은 다리를 휩쓸어 갔다.</p></html>"
JAPANESE = "<html><p>夜のうちに川が増水し、村人が目を覚ます前に古い橋を押し流した。</p></html>"


def meta(name, text):
    return f'<html><head><meta charset="{name}"></head>{text}'


@pytest.mark.parametrize(
    "payload, header, text, name",
    [
        (b"", "", "", "utf-8"),
        (b"<p>plain</p>", "", "<p>plain</p>", "utf-8"),
        (b"<p>plain</p>", "US-ASCII", "<p>plain</p>", "windows-1252"),
        # byte order marks come first
        (codecs.BOM_UTF8 + GERMAN.encode(), "iso-8859-1", "\ufeff" + GERMAN, "utf-8"),
        (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le"), "utf-8", "\ufeff" + GERMAN, "utf-16le"),
        (codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be"), "", "\ufeff" + GERMAN, "utf-16be"),
        (codecs.BOM_UTF8 + b"a\xffb", "", "\ufeffa\ufffdb", "utf-8"),
        # the header comes before the meta tag, even where the bytes are UTF-8
        (meta("koi8-r", RUSSIAN).encode("windows-1251"), "windows-1251", meta("koi8-r", RUSSIAN), "windows-1251"),
        (meta("koi8-r", RUSSIAN).encode(), "utf-8", meta("koi8-r", RUSSIAN), "utf-8"),
        (meta("utf-8", "£5").encode(), "iso-8859-1", meta("utf-8", "Â£5"), "windows-1252"),
        (RUSSIAN.encode("koi8-r"), "KOI8-R", RUSSIAN, "koi8-r"),
        (meta("utf-8", GERMAN).encode("utf-16-le"), "utf-16", meta("utf-8", GERMAN), "utf-16le"),
        (meta("utf-8", GERMAN).encode("utf-16-be"), "UTF-16BE", meta("utf-8", GERMAN), "utf-16be"),
        # the meta tag comes before what the bytes look like
        (meta("koi8-r", RUSSIAN).encode("koi8-r"), "", meta("koi8-r", RUSSIAN), "koi8-r"),
        (meta("koi8-r", RUSSIAN).encode("koi8-r"), "no-such-charset", meta("koi8-r", RUSSIAN), "koi8-r"),
        (meta("iso-8859-1", "£5").encode(), "", meta("iso-8859-1", "Â£5"), "windows-1252"),
        (meta("big5", GERMAN).encode(), "utf8", meta("big5", GERMAN), "utf-8"),
        # labels of the encoding standard
        (GERMAN.encode("iso-8859-1"), "latin1", GERMAN, "windows-1252"),
        (FRENCH.encode("windows-1252"), "ISO-8859-1", FRENCH, "windows-1252"),  # its quotes are not in ISO-8859-1
        ("Işık".encode("windows-1254"), " iso-8859-9\n", "Işık", "windows-1254"),
        (CHINESE.encode("gb2312"), "gb2312", CHINESE, "gbk"),
        ("\U00020087㐀€".encode("gb18030"), "gb2312", "\U00020087㐀€", "gbk"),
        (TAIWANESE.encode("big5"), "big5", TAIWANESE, "big5"),
        (KOREAN.encode("euc-kr"), "euc-kr", KOREAN, "euc-kr"),
        ("똠방각하 햏".encode("cp949"), "ks_c_5601-1987", "똠방각하 햏", "euc-kr"),
        (JAPANESE.encode("shift_jis"), "Shift_JIS", JAPANESE, "shift_jis"),
        ("①と髙と㈱の話。".encode("cp932"), "shift_jis", "①と髙と㈱の話。", "shift_jis"),
        (JAPANESE.encode("euc-jp"), "euc-jp", JAPANESE, "euc-jp"),
        (JAPANESE.encode("iso-2022-jp"), "iso-2022-jp", JAPANESE, "iso-2022-jp"),
        (meta("iso-2022-jp", JAPANESE).encode("iso-2022-jp"), "", meta("iso-2022-jp", JAPANESE), "iso-2022-jp"),
        (b"\x80\xff", "x-user-defined", "\uf780\uf7ff", "x-user-defined"),
        (b"<script>", "iso-2022-kr", "\ufffd", "replacement"),
        (b"", "hz-gb-2312", "", "replacement"),
        # a declaration that could be read is not UTF-16, nor one of fonts
        (meta("utf-16", GERMAN).encode(), "", meta("utf-16", GERMAN), "utf-8"),
        (meta("utf-16", GERMAN).encode("windows-1252"), "", meta("utf-16", GERMAN), "windows-1252"),
        (meta("x-user-defined", GERMAN).encode("cp1252"), "", meta("x-user-defined", GERMAN), "windows-1252"),
        # nothing declared
        (GERMAN.encode(), "", GERMAN, "utf-8"),
        (GERMAN.encode() + "é".encode()[:1], "", GERMAN + "\ufffd", "utf-8"),  # cut off
        (b"\x1b" + GERMAN.encode(), "", "\x1b" + GERMAN, "utf-8"),
        (GERMAN.encode("windows-1252"), "", GERMAN, "windows-1252"),
        (b"a single \xe9", "", "a single é", "windows-1252"),
        (RUSSIAN.encode("windows-1251"), "", RUSSIAN, "windows-1251"),
        (RUSSIAN.encode("koi8-r"), "no-such-charset", RUSSIAN, "koi8-r"),
        (RUSSIAN.encode("windows-1251") + b"\x1b$B", "", RUSSIAN + "\x1b$B", "windows-1251"),
        (GREEK.encode("windows-1253"), "", GREEK, "iso-8859-7"),
        (LITHUANIAN.encode("windows-1257"), "", LITHUANIAN, "windows-1257"),  # its quotes are not in ISO-8859-13
        ("Ærø så øl på Åen".encode("windows-1252"), "", "Ærø så øl på Åen", "windows-1252"),
        (CHINESE.encode("gbk"), "", CHINESE, "gb18030"),
        (TAIWANESE.encode("big5"), "", TAIWANESE, "big5"),
        (JAPANESE.encode("shift_jis"), "", JAPANESE, "shift_jis"),
        (JAPANESE.encode("euc-jp"), "", JAPANESE, "euc-jp"),
        (JAPANESE.encode("iso-2022-jp"), "", JAPANESE, "iso-2022-jp"),
        (KOREAN.encode("euc-kr"), "", KOREAN, "euc-kr"),
        (GERMAN.encode("utf-16-le"), "", GERMAN, "utf-16le"),
        (GERMAN.encode("utf-16-be"), "", GERMAN, "utf-16be"),
        # said to be UTF-8, which the bytes contradict
        (GERMAN.encode() + "é".encode()[:1], "utf-8", GERMAN + "\ufffd", "utf-8"),
        (b"caf\xe9 &amp; th\xe9", "utf-8", "caf\ufffd &amp; th\ufffd", "utf-8"),
        (GERMAN.encode("windows-1252"), "utf-8", GERMAN, "windows-1252"),
        (meta("koi8-r", RUSSIAN).encode("koi8-r"), "utf-8", meta("koi8-r", RUSSIAN), "koi8-r"),
        (meta("utf-8", RUSSIAN).encode("windows-1251"), "", meta("utf-8", RUSSIAN), "windows-1251"),
        (b"\xef\xbf\xbd" * 9 + "é".encode(), "utf-8", "\ufffd" * 9 + "é", "utf-8"),  # broken before it was sent
        (b"\xef\xbf\xbd" * 9, "", "\ufffd" * 9, "utf-8"),
    ],
)
def test_decode(payload, header, text, name):
    assert charset.decode(payload, header) == (text, name)


@pytest.mark.parametrize(
    "label, payload, text",
    [
        ("windows-1252", b"\x80\x81\x8d\x8f\x90\x9d", "€\x81\x8d\x8f\x90\x9d"),
        ("windows-1251", b"\x98", "\x98"),
        ("windows-1253", b"\x81\xaa\xd2\xff", "\x81\ufffd\ufffd\ufffd"),
        ("windows-1255", b"\xca\xd9", "\u05ba\ufffd"),
        ("windows-874", b"\x81\xdb", "\x81\ufffd"),
        ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
        ("gbk", b"\x80 \xa3\xa0 \xa8\xbc \xa1\xa4 \xa1\xaa \xa6\xd9", "€ \u3000 \u1e3f · — ︐"),
        ("big5", b"\xa1\x45 \xa1\xe3 \xa2\x46", "‧ ～ ￠"),
        ("shift_jis", b"\x80 \xa0 \xfd \xff \x81\x60 \x5c", "\x80 \ufffd \ufffd \ufffd ～ \\"),
        ("euc-jp", b"\xa1\xc1 \xa1\xdd \xad\xa1 \xad\xea \xfc\xe2 \x8f\xb0\xa1", "～ － ① ㈱ 髙 丂"),
        ("iso-2022-jp", b"\x1b$B!A\x1b(I1\x1b(B\\", "～ｱ\\"),
    ],
)
def test_tables_are_the_standards(label, payload, text):
    assert charset.decode(payload, label) == (text, label)


@pytest.mark.parametrize(
    "label, payload, text",
    [
        ("utf-8", b"\xf0\x9f\x98<p>", "\ufffd<p>"),
        ("utf-8", b"\xed\xa0\x80<p>" + "д".encode() * 9, "\ufffd\ufffd\ufffd<p>" + "д" * 9),
        ("utf-16le", b"\x00\xd8a\x00b", "\ufffda\ufffd"),
        ("gbk", b"\xc4<p>", "\ufffd<p>"),
        ("gbk", b"\xc4\xff<p>", "\ufffd<p>"),
        ("gbk", b"\xff\xff", "\ufffd\ufffd"),
        ("big5", b"\xa1<p>\xff\xa1", "\ufffd<p>\ufffd\ufffd"),
        ("euc-kr", b"\xc9\xa1\xb0\xa1<p>", "\ufffd가<p>"),
        ("euc-kr", b"\xb0\xff\xb0\xa1", "\ufffd가"),
        ("shift_jis", b"\x85\x9f\x82\xa0<p>", "\ufffdあ<p>"),
        ("euc-jp", b"\xa9\xa1\xa4\xa2\x90\xa4\xa2\xa4<p>", "\ufffdあ\ufffdあ\ufffd<p>"),
        ("euc-jp", b"\xa1\xff<p>", "\ufffd<p>"),
    ],
)
def test_broken_characters_never_swallow_markup(label, payload, text):
    assert charset.decode(payload, label) == (text, label)


@pytest.mark.parametrize(
    "tag",
    [
        '<meta charset="koi8-u">',
        "<META CHARSET=koi8-u>",
        "<meta charset = 'koi8-u' />",
        "<meta/charset=koi8-u>",
        "<meta\ncharset=\tkoi8-u\n>",
        '<meta charset=" KOI8-U ">',
        '<meta charset="koi8-u" charset="iso-8859-7">',
        '<meta http-equiv="Content-Type" content="text/html; charset=koi8-u">',
        '<meta content="text/html;charset=koi8-u"\n http-equiv=content-type>',
        "<meta http-equiv=content-type content='text/html; charset=\"koi8-u\"'>",
        "<meta http-equiv=content-type content=text/html;charset=koi8-u>",
        '<meta http-equiv=content-type content="charset koi; charset = koi8-u; x">',
        '<meta charset="koi8-u" http-equiv="content-type" content="text/html; charset=iso-8859-7">',
        '<meta charset="no-such-charset"><meta charset="koi8-u">',
        '<meta name="a>b" content="<!--"><meta charset="koi8-u">',
        "<a title=it's><meta charset=koi8-u>",
        "<!-- " + "x" * 3000 + ' --><meta charset="koi8-u">',
        "<!--><meta charset=koi8-u><!-- -->",
        "<head><style>" + "x" * 50_000 + '</style><meta charset="koi8-u">',
        "<?xml version='1.0'?><!DOCTYPE html><meta charset=koi8-u>",
        "<?xml version='1.0' encoding='iso-8859-7'?><meta charset=koi8-u>",
        '<?xml version="1.0" encoding = "koi8-u"?>',
    ],
)
def test_ways_to_declare_a_charset(tag):
    """Undeclared, these bytes would be KOI8-R."""
    payload = (tag + RUSSIAN).encode("koi8-u")
    assert charset.decode(payload, "") == (tag + RUSSIAN, "koi8-u")


@pytest.mark.parametrize(
    "tag",
    [
        '<!-- <meta charset="iso-8859-7"> -->',
        '<!--><!-- x > <meta charset="iso-8859-7"> --!>',
        "<script>document.write('<meta charset=\"iso-8859-7\">')</script>",
        '<SCRIPT src=x>a < b</scripty> <meta charset="iso-8859-7"></Script >',
        '<style><meta charset="iso-8859-7"></style>',
        '<title><meta charset="iso-8859-7"></title>',
        '<noscript><meta charset="iso-8859-7"></noscript>',
        '<textarea><meta charset="iso-8859-7"></textarea>',
        '<p title="<meta charset=iso-8859-7>">',
        '<!doctype "<meta charset=iso-8859-7>',
        '<metadata charset="iso-8859-7">',
        '<meta data-charset="iso-8859-7">',
        '<meta charset http-equiv="content-type" content="text/html; charset=iso-8859-7">',
        '<meta name="description" content="text/html; charset=iso-8859-7">',
        '<meta http-equiv="refresh" content="0; charset=iso-8859-7">',
        '<meta http-equiv="content-type" content="text/html; charset iso-8859-7">',
        '<meta http-equiv="content-type" value="text/html; charset=iso-8859-7">',
        '<link charset="iso-8859-7">',
        '&lt;meta charset="iso-8859-7">',
        ' <?xml version="1.0" encoding="iso-8859-7"?>',
        "<head>" + " " * 1024 + '<body><meta charset="iso-8859-7">',
        "<head>" + " " * 70_000 + '<meta charset="iso-8859-7">',
    ],
)
def test_what_declares_nothing(tag):
    """In the charset that it names these bytes would be Greek."""
    payload = (tag + RUSSIAN).encode("windows-1251")
    assert charset.decode(payload, "") == (tag + RUSSIAN, "windows-1251")


@pytest.mark.parametrize("broken, name", [(6, "utf-8"), (7, "windows-1252")])
def test_utf_8_is_believed_up_to_three_tenths_of_broken_bytes(broken, name):
    """Fourteen bytes of two each that are UTF-8, and bytes that stand alone: 6 of 20, and 7 of 21."""
    payload = b'<meta charset="windows-1252">' + "д".encode() * 7 + b"\xe4 " * broken
    codec = "utf-8" if name == "utf-8" else "cp1252"
    assert charset.decode(payload, "utf-8") == (payload.decode(codec, "replace"), name)


@pytest.mark.parametrize("label", ["", "x", "utf8mb4", "none", "\u212aoi8-r", "charset", "\0", "x" * 40, "é", "\udc80"])
def test_unknown_labels_are_as_none(label):
    assert charset.decode(GERMAN.encode("windows-1252"), label) == charset.decode(GERMAN.encode("windows-1252"), "")


@pytest.mark.parametrize(
    "piece",
    [
        b"<meta",
        b"<meta ",
        b"<meta>",
        b"<!--",
        b"<",
        b"<script",
        b"<script>",
        b"<?xml encoding= ",
        b"<meta a",
        b"<a '\"=",
    ],
)
def test_hostile_markup_is_plain_text(piece):
    payload = piece * ((16 << 20) // len(piece))
    assert charset.decode(payload, "") == (payload.decode(), "utf-8")


@pytest.mark.parametrize("label", ["gbk", "euc-jp", "windows-1252", "utf-16le", "iso-2022-jp"])
def test_noise_is_decoded_whole(label):
    text, name = charset.decode(b"\xad\xa1\xff " * (1 << 18) + b"ab", label)
    assert (text[-1], name) == ("扡" if label == "utf-16le" else "b", label)


LABELS = sorted(webencodings.labels.LABELS)


@settings(deadline=None)
@given(payload=st.binary(max_size=200), label=st.sampled_from(LABELS) | st.text(max_size=20))
def test_any_bytes_are_a_text_in_some_charset(payload, label):
    text, name = charset.decode(payload, label)
    assert text.encode().decode() == text  # no lone surrogates
    assert webencodings.lookup(name).name == name
    assert charset.decode(payload, label) == (text, name)


@settings(deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Co"])),  # gb18030 has other bytes for private characters
    label=st.sampled_from(["utf-8", "utf-16le", "utf-16be", "gb18030"]),
    other=st.sampled_from(LABELS),
)
def test_the_header_is_believed_whatever_the_tag_says(text, label, other):
    page = f'<meta charset="{other}">{text}'
    assert charset.decode(page.encode(label), label) == (page, label)


MARKUP = [
    b"<",
    b">",
    b"/",
    b"=",
    b"'",
    b" ",
    b"!",
    b"<!-",
    b"<meta ",
    b"charset=big5",
    b"</p>",
    b"<script>",
    b"\0",
    b"\xe9",
]


@pytest.mark.parametrize(
    "before, after",
    [(b"<!-- ", b" -->"), (b'<a title="', b'">'), (b"<title>", b"</title>"), (b'<script src="">', b"</SCRIPT >")],
)
@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(MARKUP), max_size=30))
def test_what_looks_like_markup_and_is_none_declares_nothing(before, after, pieces):
    payload = before + b"".join(pieces) + after + b'<meta charset="koi8-r">'
    assert charset.decode(payload, "") == (payload.decode("koi8-r"), "koi8-r")


@pytest.mark.slow
@pytest.mark.skipif(not PRIVATE_PAGES.is_dir(), reason="there is no folder ../shared/data/web beside this checkout")
def test_real_pages_are_decoded_as_labelled():
    with gzip.open(PRIVATE_PAGES / "pages.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = {(row["warc"], row["offset"]): row for row in map(json.loads, lines)}
    equal, total, unexplained = collections.Counter(), collections.Counter(), []
    for task in sources.tasks(sources.archives([f"{PRIVATE_PAGES}/*.warc.gz"])):
        for page in warc.pages(task, collections.Counter()):
            row = rows[Path(page.warc).name, page.offset]
            if not row.get("decoded_sha1"):
                continue
            text, _ = charset.decode(page.payload, page.http_charset)
            is_equal = hashlib.sha1(text.encode()).hexdigest() == row["decoded_sha1"]
            total[row["encoding_confidence"]] += 1
            equal[row["encoding_confidence"]] += is_equal
            if not is_equal and row["encoding_confidence"] != "declared":
                unexplained.append(row["record_id"])
    assert equal["exact"] >= 0.995 * total["exact"] > 3000
    assert unexplained == []
