"""A run: everything a task must know, in one frozen value that travels to the workers."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from curation import recipe as recipes
from curation import storage, versions
from curation.dedup.contamination import Against, Contamination, step_of
from curation.dedup.index import Index
from curation.document import Cut, Document, Rejection
from curation.ids import Ids
from curation.recipe import Recipe
from curation.remote.access import Access
from curation.sources import Archive, Task

_MAX_SHARDS_OF_FEW_PARTS = 8
_PARTS_OF_A_SHARD = 10  # 640 MiB of compressed archive


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """Consecutive parts that become one training shard and one validation shard."""

    number: int
    count: int
    parts: tuple[int, ...]


class Edited(NamedTuple):
    """What a document becomes where a pass cuts, and what was cut out of it."""

    outcome: Document | Rejection
    cuts: tuple[Cut, ...] = ()


# Of a pass: a document with its number, and what it becomes.
Decide = Callable[[Document, int], Document | Rejection | Edited]


class PassOutput(NamedTuple):
    """The files of one part after a pass."""

    documents: str
    rejected: str
    texts: str  # of what a step of the pass rejected
    cuts: str | None  # where a step of the recipe writes down what it cuts

    @property
    def files(self) -> list[str]:
        """Those that there are."""
        return [path for path in self if path is not None]


@dataclasses.dataclass(frozen=True)
class Run:
    """The input, cut into tasks, the recipe, and where everything goes."""

    output: str
    tasks: tuple[Task, ...]
    inputs: tuple[Archive, ...]
    recipe_file: str  # name, for messages
    recipe_text: str
    language: str | None
    tokenizer: bytes | None  # a tokenizer.json, or None to train one
    tokenizer_name: str
    vocab_size: int
    validation_share: float  # of hosts
    access: Access  # how storage is come by; decides nothing about what is made
    against: Against | None = None  # the evaluation sets that the run found, beside the recipe
    index: Index | None = None  # of earlier corpora
    mask_token: bool = False  # of the tokenizer that is trained
    sentinels: int = 0  # that the tokenizer that is trained has
    max_links: int = 10_000_000  # pairs that one task makes clusters of; decides nothing about what is made
    progress: str | None = None  # local folder where running tasks say how far they are
    is_dry: bool = False  # its rounds are translated and not run, so that there may be no storage to ask

    @property
    def recipe(self) -> Recipe:
        """The recipe, for the language asked for."""
        return recipe_of(self.recipe_file, self.recipe_text, self.language, self.against)

    @property
    def contamination(self) -> Contamination | None:
        """The step that compares documents with evaluation sets, if there is one."""
        return step_of(self.recipe.steps)

    @property
    def ids(self) -> Ids:
        """The run's documents as numbers."""
        return _ids(self.tasks)

    @property
    def last_pass(self) -> int:
        """The number of the pass that writes the corpus; a recipe without any has one that keeps everything."""
        return max(len(self.recipe.passes) - 1, 0)

    def num_partitions(self, parts: int) -> int:
        """Partitions of an exchange: about so many parts' keys each where there are many parts."""
        return max(min(len(self.tasks), 8), -(-len(self.tasks) // parts))

    def owners(self, documents: np.ndarray) -> np.ndarray:
        """The parts, int64[n], that hold these documents, int64[n]; for those of the index -1 - its part."""
        found: np.ndarray = np.searchsorted(self.ids.first, documents, "right") - 1
        if self.index:
            is_old = documents < 0
            found[is_old] = -1 - self.index.owners(documents[is_old])
        return found

    @property
    def settings(self) -> dict[str, Any]:
        """What the command line decided beside input and recipe; part of the manifest."""
        sha256 = None if self.tokenizer is None else hashlib.sha256(self.tokenizer).hexdigest()
        specials = {"mask_token": self.mask_token, "sentinels": self.sentinels}
        return {
            "language": self.language,
            "tokenizer_sha256": sha256,
            "vocab_size": None if sha256 else self.vocab_size,
            "validation_share": self.validation_share,
            "against": dataclasses.asdict(self.against) if self.against and self.contamination else None,
            "index": self.index and self.index.digest,
            "num_tasks": len(self.tasks),
            **{name: value for name, value in specials.items() if value},  # a run without them keeps its digest
        }

    @functools.cached_property
    def extract_fingerprints(self) -> list[str]:
        """By task: the digest of all that decides its part of `filtered` and `rejected`."""
        known = {archive.path: [archive.size, archive.digest] for archive in self.inputs}
        before = [self.recipe.text_sha256, *map(repr, self.recipe.before)]
        return [self._digest("extract", before, [dataclasses.astuple(task), known[task.path]]) for task in self.tasks]

    @functools.cached_property
    def fingerprint(self) -> str:
        """The digest of all that decides `documents`: the whole input, since duplicates may lie anywhere in it."""
        earlier = self.index and self.index.digest
        return self._digest("deduplicate", repr(self.recipe), self.extract_fingerprints, earlier)

    @functools.cached_property
    def tokens_fingerprint(self) -> str:
        """The digest of all that decides `tokens`."""
        return self._digest("tokenize", self.fingerprint, self.settings)

    def _digest(self, *parts: Any) -> str:
        return hashlib.sha256(json.dumps([versions.versions(), *parts]).encode()).hexdigest()

    def filtered(self, part: int) -> str:
        """The documents of a part after the recipe's first per-document steps."""
        return storage.join(self.output, "filtered", f"{self.tasks[part].part}.parquet")

    def rejected(self, part: int) -> str:
        """The pages of a part that those steps rejected."""
        return storage.join(self.output, "rejected", f"{self.tasks[part].part}.parquet")

    def rejected_texts(self, part: int) -> str:
        """The texts of those that a step after extraction rejected, with what was measured on them until then."""
        return storage.join(self.output, "rejected_texts", f"{self.tasks[part].part}.parquet")

    def later_texts(self, part: int) -> str:
        """The same for what was rejected after the first step on all documents."""
        return storage.join(self.output, "rejected_texts", f"{self.tasks[part].part}-duplicates.parquet")

    def duplicates(self, part: int) -> str:
        """The documents of a part that were rejected as duplicates, or after."""
        return storage.join(self.output, "rejected", f"{self.tasks[part].part}-duplicates.parquet")

    def documents(self, part: int) -> str:
        """The curated documents of a part."""
        return storage.join(self.output, "documents", f"{self.tasks[part].part}.parquet")

    def cuts(self, part: int) -> str | None:
        """What was cut out of a part's documents; None where no step of the recipe writes that down."""
        return storage.join(self.output, "cuts", f"{self.tasks[part].part}.parquet") if self.recipe.cuts else None

    def overlaps(self, part: int) -> str | None:
        """Where a part's documents hold evaluation items; None where no step of the recipe looks for them."""
        name = f"{self.tasks[part].part}.parquet"
        return storage.join(self.output, "contamination", name) if self.contamination else None

    def shard(self, task: ShardTask, split: str) -> str:
        """A token shard."""
        return storage.join(self.output, "tokens", f"{split}-{task.number:05d}-of-{task.count:05d}.arrow")

    def tokenizer_path(self) -> str:
        """The corpus's tokenizer."""
        return storage.join(self.output, "tokenizer.json")

    def pass_input(self, number: int, part: int) -> str:
        """The documents that a pass reads."""
        return self.pass_output(number - 1, part).documents if number else self.filtered(part)

    def pass_output(self, number: int, part: int) -> PassOutput:
        """What a pass writes: the last one the corpus, those before it what the next one reads."""
        if number == self.last_pass:
            return PassOutput(self.documents(part), self.duplicates(part), self.later_texts(part), self.cuts(part))
        name = f"{self.tasks[part].part}.parquet"
        documents, rejected, texts, cuts = (self.pass_work(number, kind, name) for kind in PassOutput._fields)
        return PassOutput(documents, rejected, texts, cuts if self.recipe.cuts else None)

    def pass_work(self, number: int, *names: str) -> str:
        """As `work`, for one pass."""
        return self.work(f"pass-{number}", *names)

    def failure(self, part: int) -> str:
        """Why a part could not be made."""
        return storage.join(self.output, "work", "failed", f"{self.tasks[part].part}.txt")

    def work(self, *names: str) -> str:
        """A file that lives from round to round of a run and is removed at its end."""
        return storage.join(self.output, "work", self.fingerprint[:16], *names)

    def token_work(self, *names: str) -> str:
        """As `work`, for what depends on the tokenizer too."""
        return self.work(self.tokens_fingerprint[:16], *names)

    @property
    def shard_tasks(self) -> list[ShardTask]:
        """Parts to shards: a few of them where there are few parts, one for ten parts where there are many."""
        parts = len(self.tasks)
        count = max(min(parts, _MAX_SHARDS_OF_FEW_PARTS), -(-parts // _PARTS_OF_A_SHARD))
        cuts = [parts * number // count for number in range(count + 1)]
        return [ShardTask(number, count, tuple(range(cuts[number], cuts[number + 1]))) for number in range(count)]


@functools.lru_cache(4)
def recipe_of(file: str, text: str, language: str | None, against: Against | None = None) -> Recipe:
    """The recipe of a file's text, for a language where one is asked for, and with the evaluation sets of a run."""
    return recipes.of_run(file, text, language, against)


@functools.lru_cache(4)
def _ids(tasks: tuple[Task, ...]) -> Ids:
    return Ids(tasks)
