"""The rules of CCNet (Wenzek et al. 2019, https://arxiv.org/abs/1911.00359): length, and perplexity buckets."""

import dataclasses
import functools
import hashlib
import importlib.util
from collections.abc import Mapping
from typing import Any, ClassVar

from curation import pinned, storage
from curation.rules import ccnet_text, limits
from curation.rules.rule import Verdict
from curation.text import Text

_PACKAGES = ("kenlm", "sentencepiece")
_BUCKETS = ("head", "middle", "tail")
_UNKNOWN = -1.0  # perplexity of a text without a model
_MAX_EXPONENT = 300.0  # no model gives a token less than 1e-300, and floats end at 1e308
_BLOCK = 1 << 20  # bytes


@dataclasses.dataclass(frozen=True)
class MinCharacters:
    """The text is short (cc_net, process_wet_file.py and mine.py: min_len)."""

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("min_characters",)

    min_characters: int = 300

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "min_characters")

    def measure(self, text: Text) -> dict[str, float]:
        """The text's length."""
        return {"num_characters": len(text.content)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """Too short, or None."""
        return ("too_few_characters", "num_characters") if signals["num_characters"] < self.min_characters else None


@dataclasses.dataclass(frozen=True)
class PerplexityBuckets:
    """The text is unlike the encyclopedia that a language model learned (cc_net, perplexity.py and data/cutoff.csv).

    A text is normalised, cut by SentencePiece and scored by a KenLM 5-gram: perplexity is 10 ** (-log10 score / (pieces
    + 1)), to one decimal, below `head` for the best 30% of CCNet's English pages, below `middle` for the next 30%. Its
    line breaks are gone by then, so a text is one sentence. Texts of another language than the model's, and empty ones,
    have no perplexity (-1) and pass: CCNet's bucket `all`. The cutoffs are the English ones; those of other languages
    are in CCNet's file.

    The models are files on the disk of the machine that works (CCNet's: en.arpa.bin, 4 GB, and en.sp.model). Let the
    step stand behind one that looks at all documents, or the model counts in ExtractText's `max_memory`.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("head", "middle", "keep")

    model: str  # KenLM's, binary or ARPA
    model_sha256: str
    tokenizer: str  # SentencePiece's
    tokenizer_sha256: str
    language: str = "en"
    head: float = 340.0  # perplexity
    middle: float = 520.0  # perplexity
    keep: tuple[str, ...] = ("head", "middle")  # or tail

    def __post_init__(self) -> None:
        limits.at_least(self, 0, "head", "middle")
        limits.ordered(self, "head", "middle")
        if not self.keep or not set(self.keep) <= set(_BUCKETS):
            raise ValueError(f"PerplexityBuckets(keep={self.keep!r}): expected some of {', '.join(_BUCKETS)}")

    def measure(self, text: Text) -> dict[str, float]:
        """The text's perplexity."""
        if text.language != self.language:
            return {"perplexity": _UNKNOWN}
        pieces = self._tokenizer.encode(ccnet_text.for_model(text.content), out_type=str)
        sentence = " ".join(pieces)
        if not sentence:
            return {"perplexity": _UNKNOWN}
        exponent = -self._model.score(sentence, bos=True, eos=True) / (len(sentence.split()) + 1)
        return {"perplexity": round(10.0 ** min(exponent, _MAX_EXPONENT), 1)}

    def reason(self, signals: Mapping[str, float]) -> Verdict | None:
        """The bucket, where it is not kept."""
        bucket = self.bucket(signals["perplexity"])
        return None if bucket == "all" or bucket in self.keep else (f"perplexity_{bucket}", "perplexity")

    def bucket(self, perplexity: float) -> str:
        """head, middle or tail; all where there is no perplexity."""
        if perplexity < 0:
            return "all"
        return "head" if perplexity < self.head else "middle" if perplexity < self.middle else "tail"

    def check(self) -> None:
        """ValueError where a package is missing, or a model is missing or another than the recipe's."""
        missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
        if missing:
            raise ValueError(
                f"PerplexityBuckets: {' and '.join(missing)} missing; pip install '.[perplexity]' brings them, and "
                "needs a C++ compiler"
            )
        assert self._model and self._tokenizer

    @property
    def _model(self) -> Any:
        return _language_model(self.model, self.model_sha256)

    @property
    def _tokenizer(self) -> Any:
        return _sentence_pieces(self.tokenizer, self.tokenizer_sha256)


@functools.lru_cache(4)
def _language_model(path: str, sha256: str) -> Any:
    import kenlm  # an extra, which few recipes need

    named = f"PerplexityBuckets(model={path!r})"
    if not storage.is_local(path):
        raise ValueError(f"{named}: expected a path on the disk of each machine; copy the model there")
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):  # it may be larger than memory
                digest.update(block)
    except OSError as error:
        raise ValueError(f"{named} cannot be read: {error.strerror or error}; check the path") from None
    if digest.hexdigest() != sha256:
        raise ValueError(
            f"{named} has sha256 {digest.hexdigest()}, expected {sha256}; take the model that the recipe was made "
            "with, or put the new digest into the recipe"
        )
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(path, config)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{named} is no model of KenLM: {' '.join(str(error).split())}") from None


@functools.lru_cache(4)
def _sentence_pieces(path: str, sha256: str) -> Any:
    import sentencepiece  # an extra, which few recipes need

    try:
        return sentencepiece.SentencePieceProcessor(model_proto=pinned.content("PerplexityBuckets", path, sha256))
    except RuntimeError as error:
        raise ValueError(f"PerplexityBuckets(tokenizer={path!r}) is no model of SentencePiece: {error}") from None
