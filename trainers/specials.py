"""Special tokens of a corpus, and which of its tokens begin a word: what objectives beside the causal one must know."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

_MASKS = ("[MASK]", "<mask>")  # as BERT's tokenizer and as RoBERTa's name it
_BLANKS = b" \t\n\v\f\r"
_BYTE_LEVEL_BLANKS = tuple(chr(256 + byte) for byte in _BLANKS)  # as GPT-2's encoder.py writes these bytes: Ġ, ĉ, Ċ, …
_METASPACE = "\N{LOWER ONE EIGHTH BLOCK}"
_METASPACE_BLANKS = (_METASPACE, *(f"<0x{byte:02X}>" for byte in _BLANKS))  # the latter where bytes are a fallback


@dataclasses.dataclass(frozen=True)
class Specials:
    """The special tokens of a tokenizer and its word boundaries."""

    end_of_text_id: int
    mask_id: int | None
    sentinel_ids: tuple[int, ...]  # <extra_id_0>, <extra_id_1>, …, as T5 names them
    starts_word: np.ndarray  # bool[vocab]: whether a token begins a word


def read(tokenizer_json: bytes, *, end_of_text_id: int, vocab_size: int) -> Specials:
    """What a corpus's tokenizer.json says; one that is not known says of every token that it begins a word.

    A mask or sentinel counts only where the file has it as a special token: no text is ever encoded to that.

    A token begins a word where fairseq's masking of whole words for RoBERTa says so (`is_beginning_of_word` of
    data/encoders/gpt2_bpe.py and of sentencepiece_bpe.py): by the blank in front of it, so that a word takes the
    punctuation behind it along. Byte-level BPE: the token begins with a blank, line break or tab (fairseq: with a
    blank, as its lines are single). SentencePiece: it begins with U+2581, or is the byte of such a blank. WordPiece, as
    BERT's create_pretraining_data.py: it does not begin with "##". Special and other added tokens begin a word. Scripts
    that are written without blanks have a word as long as a line.
    """
    starts_word = np.ones(vocab_size, bool)
    try:
        tokenizer = Tokenizer.from_str(tokenizer_json.decode())
    except Exception:  # the library raises bare Exception
        return Specials(end_of_text_id, None, (), starts_word)
    added = tokenizer.get_added_tokens_decoder()
    special = {token.content: id for id, token in added.items() if token.special and id < vocab_size}
    begins = _rule(tokenizer)
    for token, id in tokenizer.get_vocab(with_added_tokens=True).items():
        if id < vocab_size and id not in added:
            starts_word[id] = begins(token)
    starts_word[end_of_text_id] = True
    sentinels: list[int] = []
    while (sentinel := special.get(f"<extra_id_{len(sentinels)}>")) is not None:
        sentinels.append(sentinel)
    return Specials(
        end_of_text_id=end_of_text_id,
        mask_id=next((special[name] for name in _MASKS if name in special), None),
        sentinel_ids=tuple(sentinels),
        starts_word=starts_word,
    )


def require_mask(specials: Specials, objective_name: str) -> int:
    """The id of the mask token; ValueError where there is none."""
    if specials.mask_id is None:
        raise ValueError(
            f"--objective {objective_name} needs a mask token, and the corpus's tokenizer has none: curate the corpus "
            f"again with --mask-token, or with a --tokenizer that has {' or '.join(_MASKS)} as a special token"
        )
    return specials.mask_id


def require_sentinels(specials: Specials, count: int, objective_name: str) -> tuple[int, ...]:
    """The ids of the first `count` sentinels; ValueError where there are fewer."""
    if (found := len(specials.sentinel_ids)) < count:
        raise ValueError(
            f"--objective {objective_name} needs {count} sentinels, and the corpus's tokenizer has {found or 'none'}: "
            f"curate the corpus again with --sentinels {count}, or with a --tokenizer that has <extra_id_0> to "
            f"<extra_id_{count - 1}> as special tokens"
        )
    return specials.sentinel_ids[:count]


def _rule(tokenizer: Tokenizer) -> Callable[[str], bool]:
    """Whether a token of the vocabulary begins a word, by the kind of the tokenizer."""
    if isinstance(tokenizer.model, WordPiece):
        prefix = tokenizer.model.continuing_subword_prefix
        return lambda token: not token.startswith(prefix)
    described = json.loads(tokenizer.to_str())
    parts = [described[name] for name in ("normalizer", "pre_tokenizer", "decoder")]
    around = json.dumps(parts, ensure_ascii=False)
    if '"ByteLevel"' in around:
        return lambda token: token.startswith(_BYTE_LEVEL_BLANKS)
    if _METASPACE in around:
        return lambda token: token.startswith(_METASPACE_BLANKS)
    return lambda token: True
