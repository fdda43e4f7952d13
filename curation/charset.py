"""Page bytes to the text that a browser would show, by the page's charset."""

import codecs
import functools
import re

import webencodings
from resiliparse.parse.encoding import detect_encoding

_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16le"), (codecs.BOM_UTF16_BE, "utf-16be"))
_ASCII = bytes(range(0x80))
# Of a page's non-ASCII bytes, up to which it is read as UTF-8. Of pages in other charsets 0.5 to 1.0 break.
_MAX_BROKEN = 0.3

_PRESCAN_BYTES = (
    1 << 16
)  # Chrome sets the head no end; in 3,800 pages the last tag to name a charset began at byte 58,128
_PRESCAN_BODY_BYTES = 1024  # the standard's, https://html.spec.whatwg.org/#determining-the-character-encoding
_HEAD_TAGS = frozenset(b"html head meta link base object script style title noscript".split())
# Every repeat is possessive and may end with the page, so that no byte is read twice, whatever the page holds.
_MARKUP = re.compile(
    rb"<(?:!--(?:-?>|.*?(?:--!?>|\Z))"
    rb"|(?P<tag>/?[a-z][^\s/>]*+)(?P<attributes>(?:[^>=]++|=\s*+(?:\"[^\"]*+\"?|'[^']*+'?)?+)*+)"
    rb"|[!/?][^>]*+)",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"([^\s/>=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"?|'([^']*+)'?|([^\s>]*+)))?+")
# The tags of what holds no tags, and what ends it.
_ENDS = {
    tag: re.compile(rb"</" + tag + rb"(?=[\s/>])", re.IGNORECASE)
    for tag in b"script style title textarea noscript iframe xmp".split()
}
_IN_CONTENT = re.compile(rb"charset\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s;\"'][^\s;]*+))", re.IGNORECASE)
_XML_DECLARATION = re.compile(rb"<\?xml[^>]*?encoding[\0-\x20]*+=[\0-\x20]*+(?:\"([^\">]*+)\"|'([^'>]*+)')")
_JIS_ESCAPE = re.compile(rb"\x1b\$[@B]")
_BARE_UTF16 = ((re.compile(rb"<\0[!-~]\0"), "utf-16le"), (re.compile(rb"\0<\0[!-~]"), "utf-16be"))

_LABELS_OF_UCHARDET = {"cp949": "euc-kr", "euc_jp": "euc-jp"}
# What uchardet finds in short western texts; browsers never guess these.
_UNLIKELY = frozenset({"utf-8", "iso-8859-3", "iso-8859-10", "iso-8859-14", "iso-8859-15", "iso-8859-16"})
_CONTROLS = re.compile(rb"[\x80-\x9f]")  # in ISO 8859; no page has them, so it is the Windows charset of that script
_WITH_LETTERS_FOR_CONTROLS = {
    "iso-8859-2": "windows-1250",
    "iso-8859-4": "windows-1257",
    "iso-8859-5": "windows-1251",
    "iso-8859-6": "windows-1256",
    "iso-8859-7": "windows-1253",
    "iso-8859-8": "windows-1255",
    "iso-8859-13": "windows-1257",
}

_MULTI_BYTE = {
    "big5": "big5hkscs",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "gb18030": "gb18030",
    "gbk": "gb18030",  # as the standard has it
    "iso-2022-jp": "iso2022_jp_ext",
    "shift_jis": "cp932",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "utf-8": "utf-8",
}
# Where Python's tables differ from the standard's, https://encoding.spec.whatwg.org/#indexes: Python's characters, and
# the standard's for the same bytes.
_FIXES_OF_GB18030 = (
    "\ue5e5\ue7c7\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796"
    "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
    "\u3000\u1e3f︐︒︑︓︔︕︖︗︘︙龴龵龶龷龸龹龺龻",
)
_FIXES_OF_JIS = ("〜‖−\xa2\xa3\xac", "～∥－￠￡￢")
_FIXES = {
    "big5": ("•､‾∼♁☉\xa5\xa2\xa3", "‧﹑\xaf～⊕⊙￥￠￡"),
    "euc-jp": _FIXES_OF_JIS,
    "gb18030": _FIXES_OF_GB18030,
    "gbk": _FIXES_OF_GB18030,
    "iso-2022-jp": _FIXES_OF_JIS,
    "shift_jis": ("\uf8f0\uf8f1\uf8f2\uf8f3", "\ufffd\ufffd\ufffd\ufffd"),
}
_FIXES_OF_BYTES = {"koi8-u": {0xAE: "ў", 0xBE: "Ў"}, "windows-1255": {0xCA: "\u05ba"}}
_MAX_REPAIRED = 1 << 20  # bytes of a page; at worst each of them costs a call to Python, a microsecond


def decode(payload: bytes, http_charset: str) -> tuple[str, str]:
    """The page's text and its charset's name in the encoding standard (https://encoding.spec.whatwg.org).

    Order, as in browsers: byte order mark, which stays as the U+FEFF that it is and shows as nothing; the HTTP header;
    what the page says of itself; detection. Bytes that mean nothing become U+FFFD. Unlike in browsers, a page that is
    said to be UTF-8 and is not, by most of its non-ASCII bytes, counts as one whose header says nothing: a browser
    would show hardly a word of it.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if payload.startswith(mark):
            return payload.decode(_MULTI_BYTE[name], "replace"), name
    name = _standard_name(http_charset) or _declared_inside(payload)
    if name in ("utf-8", ""):
        text = payload.decode("utf-8", "replace")
        if _is_nearly_utf8(payload, text, is_declared=bool(name)):
            return text, "utf-8"
        name = _declared_inside(payload).replace("utf-8", "") if name else ""
    name = name or _detect(payload)
    return _decode(payload, name), name


def _is_nearly_utf8(payload: bytes, text: str, *, is_declared: bool) -> bool:
    broken = text.count("\ufffd")
    if broken:
        broken -= payload.count("\ufffd".encode())  # those were broken before this page was made
    if not broken:
        return True
    tolerated = len(payload.translate(None, _ASCII)) * _MAX_BROKEN
    return broken <= max(tolerated, 2 if is_declared else 0)


def _standard_name(label: str) -> str:
    encoding = webencodings.lookup(label) if label.isascii() else None
    return str(encoding.name) if encoding else ""


def _declared_inside(payload: bytes) -> str:
    """The charset that the page's meta tag, XML declaration or very form names, or an empty string."""
    for pattern, name in _BARE_UTF16:
        if pattern.match(payload):
            return name
    name = _declared_by_meta(payload)
    if not name and (found := _XML_DECLARATION.match(payload, 0, _PRESCAN_BYTES)):
        name = _standard_name((found[1] or found[2] or b"").decode("latin-1"))
    if not name and payload.isascii() and _JIS_ESCAPE.search(payload):
        return "iso-2022-jp"
    if name in ("utf-16le", "utf-16be"):  # or the declaration could not have been read
        return "utf-8"
    return "windows-1252" if name == "x-user-defined" else name


def _declared_by_meta(payload: bytes) -> str:
    position = 0
    while markup := _MARKUP.search(payload, position, _PRESCAN_BYTES):
        position = markup.end()
        tag = (markup["tag"] or b"").lower()
        if tag == b"meta" and (name := _named_by(markup["attributes"])):
            return name
        if tag in _ENDS:
            end = _ENDS[tag].search(payload, position, _PRESCAN_BYTES)
            position = end.start() if end else _PRESCAN_BYTES
        if markup.start() >= _PRESCAN_BODY_BYTES and tag and tag.lstrip(b"/") not in _HEAD_TAGS:
            break  # the head is over
    return ""


def _named_by(attributes: bytes) -> str:
    """The charset that a meta tag of these attributes declares, or an empty string."""
    values: dict[bytes, bytes] = {}
    for found in _ATTRIBUTE.finditer(attributes):
        values.setdefault(found[1].lower(), found[2] or found[3] or found[4] or b"")
    label = values.get(b"charset")
    if label is None and values.get(b"http-equiv", b"").lower() == b"content-type":
        inside = _IN_CONTENT.search(values.get(b"content", b""))
        label = inside[1] or inside[2] or inside[3] if inside else None
    return _standard_name((label or b"").decode("latin-1"))


def _detect(payload: bytes) -> str:
    """The charset that undeclared bytes look like; windows-1252, which can be anything, where nothing better fits."""
    found = detect_encoding(payload, html5_compatible=False) or ""  # compatible, it takes Korean for UTF-8
    name = _standard_name(_LABELS_OF_UCHARDET.get(found, found))
    if name.startswith("iso-8859") and _CONTROLS.search(payload):
        name = _WITH_LETTERS_FOR_CONTROLS.get(name, "")
    return name if name and name not in _UNLIKELY else "windows-1252"


def _decode(payload: bytes, name: str) -> str:
    if name == "replacement":  # charsets that browsers refuse, since markup can hide in them
        return "\ufffd" if payload else ""
    if name not in _MULTI_BYTE:
        return codecs.charmap_decode(payload, "replace", _characters(name))[0]
    text = payload.decode(_MULTI_BYTE[name], "replace")
    if "\ufffd" in text and len(payload) <= _MAX_REPAIRED and not name.startswith(("utf", "iso")):
        text = payload.decode(_MULTI_BYTE[name], _REPAIR)
    for ours, theirs in zip(*_FIXES.get(name, ("", "")), strict=True):
        text = text.replace(ours, theirs)
    return text


@functools.cache
def _characters(name: str) -> str:
    """The characters of the 256 bytes in a charset of one byte each."""
    codec = webencodings.lookup(name)
    assert codec is not None, name
    characters = [codec.codec_info.decode(bytes([byte]), "replace")[0] for byte in range(256)]
    for byte in range(0x80, 0xA0):  # control characters in the standard where Python has none
        characters[byte] = characters[byte].replace("\ufffd", chr(byte))
    for byte, character in _FIXES_OF_BYTES.get(name, {}).items():
        characters[byte] = character
    return "".join(characters)


def _repair(error: UnicodeError) -> tuple[str, int]:
    """What the standard makes of bytes that Python's codecs cannot read, and where to go on.

    One U+FFFD stands for a lead byte and the byte after it, unless that is ASCII: it may be the start of markup.
    """
    assert isinstance(error, UnicodeDecodeError)
    lead, *rest = error.object[error.start : error.start + 2]
    is_pair = bool(rest) and rest[0] >= 0x80 and 0x81 <= lead <= 0xFE
    if error.encoding == "gb18030" and lead == 0x80:
        return "€", error.start + 1
    if error.encoding == "euc_jp":
        if is_pair and lead >= 0xA1 and 0xA1 <= rest[0] <= 0xFE:
            return _beyond_jis(lead - 0xA1, rest[0] - 0xA1), error.start + 2
        is_pair = is_pair and (lead >= 0xA1 or lead in (0x8E, 0x8F))
    return "\ufffd", error.start + (2 if is_pair else 1)


def _beyond_jis(row: int, cell: int) -> str:
    """A character, such as ①, that NEC and IBM added to JIS X 0208: Python has them in Shift_JIS only."""
    row, half = divmod(row, 2)
    cell += 94 * half
    pair = bytes([row + (0x81 if row < 0x1F else 0xC1), cell + (0x40 if cell < 0x3F else 0x41)])
    return pair.decode("cp932", "replace")[0]


_REPAIR = "curation.charset"
codecs.register_error(_REPAIR, _repair)
