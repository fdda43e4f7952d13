"""Evaluation sets that documents are compared with: the step of a recipe, and the flags of a command."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from curation.dedup import evaluation_sets, word_ngrams
from curation.dedup.word_ngrams import NgramIndex
from curation.rules import limits

RULES: dict[str, dict[str, Any]] = {  # as the command line names them
    "gpt3": {"rule": "gpt3", "n": 13},
    "share8": {"rule": "share", "n": 8, "min_share": 0.7},
    "share10": {"rule": "share", "n": 10, "min_share": 0.8},
}


@dataclasses.dataclass(frozen=True)
class Contamination:
    """Looks in every document for n-grams of evaluation items, and reports, cuts or drops.

    `folder` holds files of JSON lines (plain, .gz, .zst) and Parquet; `files` are single ones beside it. An item is a
    row: all its strings, or those in `fields`. A word is what blanks separate, in lower case, without punctuation; in
    scripts without blanks each character is one. An item of fewer than `n` words counts as one n-gram of all of them
    where it has at least 8, and else not. `sha256` is of what `sha256sum` prints of the files in the order of their
    names (`cd FOLDER && LC_ALL=C sha256sum * | sha256sum`); where it is empty, any files are taken, and a run writes
    down which they were.

    Rules, by which a document holds an item:
    - "gpt3" (Brown et al. 2020, https://arxiv.org/abs/2005.14165, appendix C; n=13): one of its n-grams, but for those
      that stand in more than `max_documents` documents, which are phrases and boilerplate.
    - "share": at least `min_share` of its n-grams, each counted once. n=8 and 0.7 is PaLM's (Chowdhery et al. 2022,
      https://arxiv.org/abs/2204.02311, section 8), there over all documents together; n=10 and 0.8 are the numbers of
      Llama 2 (Touvron et al. 2023, https://arxiv.org/abs/2307.09288, appendix A.6), which counts tokens in n-grams of
      tokens with up to four that differ. Here both are n-grams of words, the same to the last.

    Actions: "report" keeps all documents as they are; "drop" rejects them; "cut", as GPT-3, takes the n-grams out with
    `window` characters on either side, then pieces of fewer than `min_piece` characters, and rejects what falls into
    more than `max_pieces` pieces or has none left; the pieces that stay are lines of one document.

    Kept documents get the signal `contaminated_ngrams`: how many places of the document have n-grams that count.
    """

    folder: str
    action: Literal["drop", "cut", "report"] = "report"
    rule: Literal["gpt3", "share"] = "gpt3"
    n: int = 13  # words
    min_share: float = 0.7  # of an item's n-grams
    max_documents: int = 10
    window: int = 200  # characters
    min_piece: int = 200  # characters
    max_pieces: int = 10
    files: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # of a row, those whose strings are its text; all where there is none
    sha256: str = ""

    def __post_init__(self) -> None:
        limits.at_least(self, 1, "n", "max_documents", "max_pieces")
        limits.at_least(self, 0, "window", "min_piece")
        limits.shares(self, "min_share")
        if not self.folder and not self.files:
            raise ValueError(
                f"Contamination(folder={self.folder!r}): expected a folder of evaluation sets, or files=(...)"
            )
        if self.n > 1000:
            raise ValueError(f"Contamination(n={self.n!r}): expected at most 1000 words")

    def sets(self) -> tuple[evaluation_sets.EvaluationFile, ...]:
        """The files, with their digests; ValueError where they cannot be had, or are others than the recipe says."""
        found = evaluation_sets.files("Contamination", self.folder, self.files)
        digest = evaluation_sets.sha256_of(found)
        if self.sha256 not in ("", digest):
            raise ValueError(
                f"Contamination({self.folder or self.files!r}) has sha256 {digest} over "
                f"{', '.join(file.name for file in found)}, expected {self.sha256}; take the sets that the recipe or "
                "the corpus was made with, or put the new digest into the recipe"
            )
        return found

    def items(self) -> Iterator[tuple[int, int, str]]:
        """All items: the number of the set, from 0, that of the row, from 1, and the text."""
        for number, file in enumerate(self.sets()):
            for row, text in evaluation_sets.items("Contamination", file.path, self.fields):
                yield number, row, text

    def check(self) -> None:
        """ValueError where a file cannot be had or read, or is another than the recipe says."""
        for _ in self.items():
            pass

    def index(self) -> NgramIndex:
        """The n-grams of all items."""
        return NgramIndex.of(*word_ngrams.of_items(self.items(), self.n), self.n)


@dataclasses.dataclass(frozen=True)
class Against:
    """What the command line says of evaluation sets, beside the recipe, and which ones a run found."""

    files: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    action: Literal["drop", "cut", "report"] | None = None  # None: the recipe's, or else report
    sha256: str = ""  # of all sets, see Contamination; empty where there are none

    @classmethod
    def of_json(cls, found: Mapping[str, Any] | None) -> "Against":
        """What a manifest tells; nothing where it is None; ValueError where it is not told as by this version."""
        try:
            known: dict[str, Any] = {
                name: tuple(it) if isinstance(it, list) else it for name, it in (found or {}).items()
            }
            result = cls(**known)
            limits.typed(result)
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"the manifest's setting `against` cannot be read ({str(error)[:200]}); make the corpus again"
            ) from None
        return result

    def steps(self, steps: tuple[Any, ...]) -> tuple[Any, ...]:
        """The steps of a run, given those of its recipe: with all sets in its own step, or in one more at the end."""
        own = step_of(steps)
        new = self._step(own)
        return tuple(new if step is own else step for step in steps) if own or not new else (*steps, new)

    def _step(self, own: Contamination | None) -> Contamination | None:
        if own is None and not self.files:
            return None
        step = own or Contamination("", files=self.files)
        files = (*step.files, *self.files) if own else self.files
        action, fields = self.action or step.action, self.fields or step.fields
        return dataclasses.replace(step, files=files, fields=fields, action=action, sha256=self.sha256 or step.sha256)

    def pinned(self, steps: tuple[Any, ...]) -> "Against":
        """The same for the files as they are now; ValueError where they cannot be had, or flags have no effect."""
        own = step_of(steps)
        if own is None and not self.files:
            flag = f"--contamination {self.action}" if self.action else "--against-fields"
            if self.action or self.fields:
                raise ValueError(f"{flag}: recipe has no Contamination step; name evaluation sets as --against FILE")
            return self
        if own:
            own.sets()  # are what the recipe says, before others come to them
        step = dataclasses.replace(self, sha256="")._step(own and dataclasses.replace(own, sha256=""))
        assert step
        return dataclasses.replace(self, sha256=evaluation_sets.sha256_of(step.sets()))


def step_of(steps: Sequence[Any]) -> Contamination | None:
    """The step that compares documents with evaluation sets, if there is one."""
    return next((step for step in steps if isinstance(step, Contamination)), None)
