"""Texts to token ids: a tokenizer of the user's, or a byte-level BPE trained on the corpus itself."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT = "<|endoftext|>"
MASK = "<mask>"  # as RoBERTa's tokenizer names it, which is a byte-level BPE too
SENTINEL = "<extra_id_{}>"  # as T5's tokenizer names them, from 0
_KNOWN_END_OF_TEXT = (END_OF_TEXT, "<|end_of_text|>", "<|im_end|>", "</s>", "<eos>", "[SEP]")
_MAX_TRAINING_CHARACTERS = 1 << 30  # more text does not change the merges that matter, and memory is bounded
_MIN_VOCAB = 257  # the bytes and the end of text


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A tokenizer with what shards must say about it."""

    tokenizer: Tokenizer
    sha256: str  # of the file's bytes
    vocab_size: int
    end_of_text: str
    end_of_text_id: int
    special_ids: Mapping[str, int]  # of all special tokens, by name, in the order of their ids

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of each text, uint16[n] or uint32[n], end-of-text last; special tokens in a text are plain text."""
        dtype = np.uint16 if self.vocab_size <= 1 << 16 else np.uint32
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array([*encoding.ids, self.end_of_text_id], dtype) for encoding in encodings]


def load(content: bytes, name: str) -> Encoder:
    """The tokenizer of a tokenizer.json's bytes; ValueError where it is none, or names no end of text."""
    try:
        tokenizer = Tokenizer.from_str(content.decode())
        tokenizer.encode("A first word, ünd 1 more: 字.\n")  # some fail at the first word that they do not know
    except Exception as error:  # the library raises bare Exception
        raise ValueError(
            f"--tokenizer {name} is no tokenizer file: {error}; give a tokenizer.json of the tokenizers library"
        ) from None
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    end_of_text = next((token for token in _KNOWN_END_OF_TEXT if token in vocabulary), None)
    if end_of_text is None:
        raise ValueError(
            f"--tokenizer {name} has no end-of-text token: expected one of {', '.join(_KNOWN_END_OF_TEXT)}"
        )
    added = tokenizer.get_added_tokens_decoder()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a page that says <|endoftext|> must not end its document
    return Encoder(
        tokenizer=tokenizer,
        sha256=hashlib.sha256(content).hexdigest(),
        vocab_size=max(vocabulary.values()) + 1,
        end_of_text=end_of_text,
        end_of_text_id=vocabulary[end_of_text],
        special_ids={token.content: id for id, token in sorted(added.items()) if token.special},
    )


def check_vocab_size(size: int, *, mask: bool = False, sentinels: int = 0) -> None:
    """ValueError where a byte-level vocabulary of this size, with these special tokens in it, cannot be."""
    given = [*["--mask-token"] * mask, *[f"--sentinels {sentinels}"] * bool(sentinels)]
    if size < (least := _MIN_VOCAB + mask + sentinels):
        named = f" with {' and '.join(given)}" if given else ""
        raise ValueError(f"--vocab-size {size}: a byte-level vocabulary{named} has at least {least} tokens")


def train(texts: Iterable[str], vocab_size: int, *, mask: bool = False, sentinels: int = 0) -> bytes:
    """A tokenizer.json with a byte-level BPE (GPT-2's pre-tokenizer) of at most `vocab_size` tokens.

    With `mask`, one of them is `MASK`. So many `sentinels` are the last ones, downward: <extra_id_0> has the largest
    id, as in T5. No text gives either: the pre-tokenizer parts their names, so that no merge makes one.
    The first 2^30 characters of the texts are used. The same texts give the same bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - sentinels,
        special_tokens=[END_OF_TEXT, *[MASK] * mask],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_first(texts), trainer)
    tokenizer.add_special_tokens([SENTINEL.format(number) for number in reversed(range(sentinels))])
    return str(tokenizer.to_str(pretty=True)).encode()


def _first(texts: Iterable[str]) -> Iterator[str]:
    room = _MAX_TRAINING_CHARACTERS
    for text in texts:
        if room <= 0:
            return
        room -= len(text)
        yield text
