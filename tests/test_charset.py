import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import charset

GERMAN = "<html><p>Straßen, Brücken und Flüsse: die Geschichte einer kleinen Stadt im Frühjahr.</p></html>"
FRENCH = "<html><p>L’été dernier, la rivière a débordé et le vieux pont a été emporté : « adieu ».</p></html>"
RUSSIAN = "<html><p>Река поднялась ночью и унесла старый мост, прежде чем кто-нибудь проснулся.</p></html>"
CHINESE = "<html><p>河水在夜里上涨，在村里的人醒来之前冲走了旧桥。</p></html>"
KOREAN = "<html><p>밤새 강물이 불어나 마을 사람들이 깨기 전에 낡은 다리를 휩쓸어 갔다.</p></html>"
JAPANESE = "<html><p>夜のうちに川が増水し、村人が目を覚ます前に古い橋を押し流した。</p></html>"


def meta(name, text):
    return f'<html><head><meta charset="{name}"></head>{text}'


@pytest.mark.parametrize(
    "payload, header, text, name",
    [
        (b"", "", "", "utf-8"),
        (b"<p>plain</p>", "", "<p>plain</p>", "utf-8"),
        (b"<p>plain</p>", "windows-1252", "<p>plain</p>", "utf-8"),  # ASCII is valid UTF-8
        # byte order marks come first
        (codecs.BOM_UTF8 + GERMAN.encode(), "iso-8859-1", GERMAN, "utf-8"),
        (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le"), "utf-8", GERMAN, "utf-16le"),
        (codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be"), "", GERMAN, "utf-16be"),
        (codecs.BOM_UTF8 + b"a\xffb", "", "a\ufffdb", "utf-8"),
        # valid UTF-8 comes before what a server says
        (GERMAN.encode(), "iso-8859-1", GERMAN, "utf-8"),
        (RUSSIAN.encode(), "windows-1251", RUSSIAN, "utf-8"),
        (meta("windows-1252", GERMAN).encode(), "", meta("windows-1252", GERMAN), "utf-8"),
        # the header comes before the meta tag
        (meta("koi8-r", RUSSIAN).encode("windows-1251"), "windows-1251", meta("koi8-r", RUSSIAN), "windows-1251"),
        (RUSSIAN.encode("koi8-r"), "KOI8-R", RUSSIAN, "koi8-r"),
        (GERMAN.encode("iso-8859-1"), "latin1", GERMAN, "windows-1252"),
        (FRENCH.encode("windows-1252"), "ISO-8859-1", FRENCH, "windows-1252"),  # its quotes are not in ISO-8859-1
        (meta("koi8-r", RUSSIAN).encode("koi8-r"), "", meta("koi8-r", RUSSIAN), "koi8-r"),
        (meta("koi8-r", RUSSIAN).encode("koi8-r"), "no-such-charset", meta("koi8-r", RUSSIAN), "koi8-r"),
        (RUSSIAN.encode("koi8-r"), "no-such-charset", RUSSIAN, "koi8-r"),
        # labels of the encoding standard
        (CHINESE.encode("gb2312"), "gb2312", CHINESE, "gbk"),
        ("\U00020087㐀€".encode("gb18030"), "gb2312", "\U00020087㐀€", "gbk"),
        (CHINESE.encode("big5", "replace"), "big5", CHINESE.encode("big5", "replace").decode("big5"), "big5"),
        (KOREAN.encode("euc-kr"), "euc-kr", KOREAN, "euc-kr"),
        ("똠방각하 햏".encode("cp949"), "ks_c_5601-1987", "똠방각하 햏", "euc-kr"),
        (JAPANESE.encode("shift_jis"), "Shift_JIS", JAPANESE, "shift_jis"),
        ("①と髙と㈱の話。".encode("cp932"), "shift_jis", "①と髙と㈱の話。", "shift_jis"),
        (JAPANESE.encode("euc-jp"), "euc-jp", JAPANESE, "euc-jp"),
        (JAPANESE.encode("iso-2022-jp"), "iso-2022-jp", JAPANESE, "iso-2022-jp"),
        (meta("iso-2022-jp", JAPANESE).encode("iso-2022-jp"), "", meta("iso-2022-jp", JAPANESE), "iso-2022-jp"),
        # nothing declared
        (GERMAN.encode("windows-1252"), "", GERMAN, "windows-1252"),
        (RUSSIAN.encode("windows-1251"), "", RUSSIAN, "windows-1251"),
        (RUSSIAN.encode("koi8-r"), "", RUSSIAN, "koi8-r"),
        (JAPANESE.encode("shift_jis"), "", JAPANESE, "shift_jis"),
        (JAPANESE.encode("euc-jp"), "", JAPANESE, "euc-jp"),
        (KOREAN.encode("euc-kr"), "", KOREAN, "euc-kr"),
        # declared UTF-8
        (GERMAN.encode() + "é".encode()[:1], "utf-8", GERMAN + "\ufffd", "utf-8"),
        (GERMAN.encode("windows-1252"), "utf-8", GERMAN, "windows-1252"),
        (meta("utf-8", RUSSIAN).encode("windows-1251"), "", meta("utf-8", RUSSIAN), "windows-1251"),
        # a tag that could be read is not UTF-16
        (meta("utf-16", GERMAN).encode(), "", meta("utf-16", GERMAN), "utf-8"),
        (meta("utf-16", GERMAN).encode("windows-1252"), "", meta("utf-16", GERMAN), "windows-1252"),
    ],
    ids=range(38),
)
def test_decode(payload, header, text, name):
    assert charset.decode(payload, header) == (text, name)


@pytest.mark.parametrize(
    "tag",
    [
        '<meta charset="koi8-r">',
        "<META CHARSET=koi8-r>",
        "<meta charset = 'koi8-r' />",
        '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">',
        '<meta content="text/html;charset=koi8-r"\n http-equiv=content-type>',
        "<!-- " + "x" * 3000 + ' --><meta charset="koi8-r">',
    ],
)
def test_ways_to_write_the_meta_tag(tag):
    payload = (tag + RUSSIAN).encode("koi8-r")
    assert charset.decode(payload, "") == (tag + RUSSIAN, "koi8-r")


def test_a_meta_tag_deep_in_the_page_declares_nothing():
    """In the tag's charset these bytes would be Greek."""
    text = RUSSIAN + " " * 5000 + '<meta charset="iso-8859-7">'
    assert charset.decode(text.encode("windows-1251"), "") == (text, "windows-1251")


@pytest.mark.parametrize("broken, name", [(6, "utf-8"), (7, "windows-1252")])
def test_declared_utf_8_is_believed_up_to_three_tenths_of_broken_bytes(broken, name):
    """Fourteen bytes of two each that are UTF-8, and bytes that stand alone: 6 of 20, and 7 of 21."""
    payload = b'<meta charset="windows-1252">' + "д".encode() * 7 + b"\xe4 " * broken
    assert charset.decode(payload, "utf-8") == (
        payload.decode("utf-8" if name == "utf-8" else "cp1252", "replace"),
        name,
    )


@pytest.mark.parametrize("label", ["", "x", "utf8mb4", "none", "\u212aoi8-r", "charset", "\0", "x" * 40, "é"])
def test_unknown_labels_are_as_none(label):
    assert charset.decode(GERMAN.encode("windows-1252"), label) == charset.decode(GERMAN.encode("windows-1252"), "")


LABELS = ["", "utf-8", "utf-16", "gbk", "big5", "shift_jis", "euc-kr", "iso-2022-jp", "koi8-r", "x-user-defined"]


@given(payload=st.binary(max_size=200), label=st.sampled_from([*LABELS, "replacement", "hz-gb-2312", "iso-2022-kr"]))
def test_any_bytes_are_a_text_in_some_charset(payload, label):
    text, name = charset.decode(payload, label)
    assert (type(text), name) == (str, name.lower())
    assert text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") == text


@given(text=st.text())
def test_utf_8_is_read_whatever_is_declared(text):
    payload = b"<p>" + text.encode()
    for label in ("", "utf-8", "windows-1252", "shift_jis"):
        assert charset.decode(payload, label) == ("<p>" + text, "utf-8")
