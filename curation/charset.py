"""Page bytes to text by the page's true charset."""

import codecs
import re

import charset_normalizer
import webencodings
from resiliparse.parse.encoding import detect_encoding

_META = re.compile(rb"<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.+-]{1,40})", re.IGNORECASE)
_META_BYTES = 4096  # where a page may declare its charset; the standard says 1024, servers put comments before it
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16le"), (codecs.BOM_UTF16_BE, "utf-16be"))
_MAX_BROKEN = 0.3  # of the non-ASCII bytes, up to which a page that says UTF-8 is believed; in others nearly all break
_ASCII = bytes(range(0x80))
_DETECT_BYTES = 1 << 16
_PYTHON_NAMES = {"cp949": "euc-kr", "cp932": "shift-jis", "euc_jp": "euc-jp", "big5hkscs": "big5"}
# Where the encoding standard's charset holds more than Python's codec of that name.
_WIDER = {"shift_jis": "cp932", "euc-kr": "cp949", "gbk": "gb18030"}


def decode(payload: bytes, http_charset: str) -> tuple[str, str]:
    """The page's text and its charset's name in the encoding standard (https://encoding.spec.whatwg.org).

    Order: byte order mark; UTF-8 wherever the bytes are valid UTF-8, since other charsets hardly ever are by chance and
    servers declare wrong ones; the HTTP header; the meta tag; detection. Bytes that mean nothing become U+FFFD.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if payload.startswith(mark):
            return payload[len(mark) :].decode(name, "replace"), name
    meta = _META.search(payload[:_META_BYTES])
    labels = [http_charset, meta[1].decode() if meta else ""]
    declared = [encoding.name for label in labels if (encoding := webencodings.lookup(label))]
    if "iso-2022-jp" not in declared and _is_nearly_utf8(payload, "utf-8" in declared):
        return payload.decode("utf-8", "replace"), "utf-8"
    for name in declared:
        if name not in ("utf-8", "utf-16le", "utf-16be"):  # a meta tag that could be read is not UTF-16
            return _decode(payload, name), name
    name = _detect(payload)
    return _decode(payload, name), name


def _detect(payload: bytes) -> str:
    """The charset that undeclared bytes look like; windows-1252, which can be anything, where nothing better fits."""
    found = webencodings.lookup((detect_encoding(payload) or "").replace("_", "-"))  # it gives Python's names
    if found and found.name == "utf-8":  # which these bytes are not
        second = charset_normalizer.from_bytes(payload[:_DETECT_BYTES]).best()
        found = webencodings.lookup(_PYTHON_NAMES.get(second.encoding, second.encoding)) if second else None
    return found.name if found and found.name != "utf-8" else "windows-1252"


def _is_nearly_utf8(payload: bytes, is_declared: bool) -> bool:
    text = payload.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if not broken:
        return True
    return is_declared and broken <= max(len(payload.translate(None, _ASCII)) * _MAX_BROKEN, 2)


def _decode(payload: bytes, name: str) -> str:
    if name in _WIDER:
        return payload.decode(_WIDER[name], "replace")
    encoding = webencodings.lookup(name)
    assert encoding is not None, name
    return str(encoding.codec_info.decode(payload, "replace")[0])
