"""Some tags of a page, without its tree: in linear time, and never raises. What is commented out does not count."""

import dataclasses
import functools
import html as entities
import re
from collections.abc import Iterator

_MAX_TAG = 1 << 16  # characters; longer ones are passed over
_END = re.compile(r"""[^"'>]*+(?:"[^"]*"[^"'>]*+|'[^']*'[^"'>]*+)*+>""")
_COMMENT_END = re.compile("--!?>")
_ATTRIBUTE = re.compile(
    r"""([^\s"'<>/=]+)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""",
)
_RAW = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed")  # what they hold is text


@dataclasses.dataclass(frozen=True)
class Tag:
    """A start tag; end tags have a name that begins with a slash."""

    name: str  # in lower case
    start: int  # characters before it
    source: str  # its attributes as they stand
    content: str = ""  # of a script

    def attribute(self, name: str) -> str:
        """The value of the first attribute of this name, entities resolved; empty where there is none."""
        return self._attributes.get(name, "")

    @functools.cached_property
    def _attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(self.source):
            found.setdefault(match[1].lower(), _unescaped(match[2] or match[3] or match[4] or ""))
        return found


def _unescaped(value: str) -> str:
    try:
        return entities.unescape(value) if "&" in value else value
    except ValueError:  # a character's number of more than 4300 digits
        return value


def read(html: str, names: tuple[str, ...]) -> Iterator[Tag]:
    """The tags of these names, and the end tags of all of them."""
    pattern = _pattern(names)
    place = 0
    while match := pattern.search(html, place):
        name = match[1].lower()
        if name == "!--":
            end = _COMMENT_END.search(html, match.start() + 2)  # <!--> is a whole one
            if not end:
                return
            place = end.end()
            continue
        closed = _END.match(html, match.end(), match.end() + _MAX_TAG)
        if not closed:
            place = match.end() + _MAX_TAG  # not read again from the next one, or it would take quadratic time
            continue
        place, content = closed.end(), ""
        if name in _RAW:
            stop = _raw_end(name).search(html, place)
            place, content = (stop.start(), html[closed.end() : stop.start()]) if stop else (len(html), "")
        if name in names or name.lstrip("/") in names:
            yield Tag(name, match.start(), closed[0][:-1], content if name == "script" else "")


@functools.cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    wanted = "|".join(sorted({*names, *_RAW}))
    return re.compile(rf"<(!--|/?(?:{wanted})(?=[\s/>]))", re.IGNORECASE | re.ASCII)


@functools.cache
def _raw_end(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE | re.ASCII)
