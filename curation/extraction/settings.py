"""What a recipe says about extraction."""

import dataclasses

from curation.rules import limits

FOCUSES = ("agreed", "balanced", "precision", "recall")


_DAY = 86_400  # seconds of CPU for one page: more is a mistake
_MAX = 1 << 60  # bytes that a limit of the system can say


@dataclasses.dataclass(frozen=True)
class Trafilatura:
    """trafilatura's main text, without comments (Barbaresi 2021, https://aclanthology.org/2021.acl-demo.15).

    `agreed` takes the balanced text or the precise one, whichever resiliparse's agrees with more, and checks it; the
    other three are trafilatura's own. What is checked loses the short lines that resiliparse has nowhere, and gives way
    to resiliparse's text where it is next to nothing (`agreement`). F1, the mean over eight sets of pages marked by
    hand: .918 agreed, .904 for recall, fast and checked, .897 for trafilatura's own default (tests/benchmarks).
    """

    focus: str = "agreed"  # or balanced, precision, recall
    deduplicate: bool = False  # drops what repeats within the page; what earlier pages said never matters
    fast: bool = False  # without the fallback extractors
    checked: bool = False  # by resiliparse's text; what is agreed always is

    def __post_init__(self) -> None:
        limits.typed(self)
        if self.focus not in FOCUSES:
            raise ValueError(f"Trafilatura(focus={self.focus!r}): expected one of {', '.join(FOCUSES)}")


@dataclasses.dataclass(frozen=True)
class Resiliparse:
    """resiliparse's main text (Bevendorff et al. 2018, https://doi.org/10.1007/978-3-319-76941-7_83).

    Ten times as fast as trafilatura, and less exact: F1 of .843. Without `main_content` all text that a reader sees,
    menus and footers too, which is what WET archives hold.
    """

    main_content: bool = True

    def __post_init__(self) -> None:
        limits.typed(self)


@dataclasses.dataclass(frozen=True)
class ExtractText:
    """The page's main text by its true charset, inside limits that end with the page and not with the run.

    Time is the child's CPU time, so that a loaded machine decides as an idle one does. A page over a limit, or one that
    ends its child, is tried once more in a fresh one with the longer limit, and counted. `second` is tried where the
    first finds nothing, fails, or is over the longer limit too; the document then has the signal `second_extractor`.
    The limits hold for the recipe's steps after it as well, up to the first that looks at all documents.
    """

    extractor: Trafilatura | Resiliparse = Trafilatura()
    second: Trafilatura | Resiliparse | None = Resiliparse()
    cpu_seconds: float = 5.0
    retry_cpu_seconds: float = 20.0
    max_memory: int = 2 << 30  # bytes of address space
    max_text: int = 4 << 20  # bytes of UTF-8

    def __post_init__(self) -> None:
        limits.typed(self)
        for limit, most in (
            ("cpu_seconds", _DAY),
            ("retry_cpu_seconds", _DAY),
            ("max_memory", _MAX),
            ("max_text", _MAX),
        ):
            if not getattr(self, limit) > 0:
                raise ValueError(f"ExtractText({limit}={getattr(self, limit)!r}): expected more than 0")
            if not getattr(self, limit) <= most:
                raise ValueError(f"ExtractText({limit}={getattr(self, limit)!r}): expected at most {most}")
