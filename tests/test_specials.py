import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from curation import tokens
from tests import tiny_corpus
from trainers import specials
from trainers.specials import Specials, require_mask, require_sentinels

TEXTS = ["The river rose in the night,\nand carried the old bridge away.\n\n\tthe ferryman and the bridge"] * 9
TRAINED = tokens.train(TEXTS, 400, mask=True, sentinels=3)
ENCODER = tokens.load(TRAINED, "trained")
SPECIALS = specials.read(TRAINED, end_of_text_id=ENCODER.end_of_text_id, vocab_size=ENCODER.vocab_size)


def read(tokenizer, **fields):
    content = tokenizer if isinstance(tokenizer, bytes) else tokenizer.to_str().encode()
    size = Tokenizer.from_str(content.decode()).get_vocab_size()
    return specials.read(content, **{"end_of_text_id": 0, "vocab_size": size, **fields})


def words(tokenizer, found, text):
    """The text in groups of tokens, each of which starts with one that begins a word."""
    encoding, groups = tokenizer.encode(text, add_special_tokens=False), []
    for token, id in zip(encoding.tokens, encoding.ids, strict=True):
        if found.starts_word[id] or not groups:
            groups.append("")
        groups[-1] += token
    return groups


def test_a_trained_tokenizer_says_its_mask_and_its_sentinels():
    found = SPECIALS
    assert found.mask_id == ENCODER.special_ids["<mask>"] == 1
    last = ENCODER.vocab_size - 1
    assert found.sentinel_ids == (last, last - 1, last - 2)
    assert found.end_of_text_id == ENCODER.end_of_text_id
    assert (found.starts_word.dtype, found.starts_word.shape) == (np.bool_, (ENCODER.vocab_size,))
    assert found.starts_word[[found.end_of_text_id, found.mask_id, *found.sentinel_ids]].all()


def test_without_the_flags_there_are_neither():
    found = read(tokens.train(TEXTS, 300))
    assert (found.mask_id, found.sentinel_ids) == (None, ())


letters = st.text("abcxyzüé東,.'7-", min_size=1, max_size=6)


@given(text=st.lists(st.sampled_from([" ", "\n", "\t", "  ", "\n\n"]) | letters, max_size=12).map("".join))
@settings(max_examples=60, deadline=None)
def test_words_of_byte_level_bpe_begin_with_blanks(text):
    """Against a plain reference: a token begins a word where its first character is a blank."""
    encoding = ENCODER.tokenizer.encode(text, add_special_tokens=False)
    for id, (start, _) in zip(encoding.ids, encoding.offsets, strict=True):
        assert SPECIALS.starts_word[id] == text[start].isspace()


def test_words_of_byte_level_bpe():
    found = words(ENCODER.tokenizer, SPECIALS, "The river's rise,\nso old.")
    assert found == ["The", "Ġriver's", "Ġrise,", "Ċso", "Ġold."]


def test_words_of_wordpiece():
    vocab = ["[UNK]", "[SEP]", "[MASK]", "river", "##s", "##ing", ",", "rose"]
    tokenizer = Tokenizer(models.WordPiece({token: id for id, token in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[UNK]", "[SEP]", "[MASK]"])
    found = read(tokenizer, end_of_text_id=1)
    assert words(tokenizer, found, "rivers,roseing rose") == ["river##s", ",", "rose##ing", "rose"]
    assert (found.mask_id, found.starts_word.tolist()) == (2, [True] * 4 + [False] * 2 + [True] * 2)


@pytest.mark.parametrize("kind", ["unigram", "bytes"])
def test_words_of_sentencepiece(kind):
    pieces = ["</s>", "▁the", "▁river", "s", ",", "▁", "<0x0A>", "<0xE5>", "<extra_id_1>", "<extra_id_0>"]
    if kind == "unigram":  # as T5
        tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0, byte_fallback=False))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
    else:  # as Llama 2
        tokenizer = Tokenizer(models.BPE({piece: id for id, piece in enumerate(pieces)}, [], byte_fallback=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens(["</s>", "<extra_id_1>", "<extra_id_0>"])
    found = read(tokenizer)
    expected = [True, True, True, False, False, True, True, False, True, True]
    assert (found.starts_word.tolist(), found.sentinel_ids, found.mask_id) == (expected, (9, 8), None)


@pytest.mark.parametrize("content", [tiny_corpus.TOKENIZER, b"", b"\xff", b"{}"], ids=range(4))
def test_every_token_of_what_is_no_tokenizer_begins_a_word(content):
    found = specials.read(content, end_of_text_id=256, vocab_size=257)
    assert (found.end_of_text_id, found.mask_id, found.sentinel_ids) == (256, None, ())
    assert found.starts_word.tolist() == [True] * 257


def test_every_token_of_an_unknown_kind_begins_a_word():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert read(tokenizer).starts_word.tolist() == [True, True]


def test_ids_without_a_token_begin_a_word_and_tokens_beyond_the_vocabulary_do_not_count():
    assert read(TRAINED, vocab_size=1000).starts_word[ENCODER.vocab_size :].all()
    found = read(TRAINED, vocab_size=ENCODER.vocab_size - 1)
    assert (len(found.starts_word), found.sentinel_ids) == (ENCODER.vocab_size - 1, ())


@pytest.mark.parametrize("name, kept", [("[MASK]", True), ("<mask>", True), ("<MASK>", False)])
def test_names_of_the_mask(name, kept):
    assert read(TRAINED.replace(b"<mask>", name.encode())).mask_id == (1 if kept else None)


def test_a_mask_that_a_text_may_hold_is_none():
    """A token that the file does not call special is what the text `<mask>` is encoded to."""
    described = json.loads(TRAINED)
    for token in described["added_tokens"]:
        token["special"] = token["content"] not in ("<mask>", "<extra_id_1>")
    found = read(json.dumps(described).encode())
    assert (found.mask_id, found.sentinel_ids) == (None, (ENCODER.vocab_size - 1,))


def test_what_an_objective_requires():
    known = Specials(0, 1, (9, 8, 7), np.ones(10, bool))
    assert require_mask(known, "masked") == 1
    assert require_sentinels(known, 2, "spans") == (9, 8)
    assert require_sentinels(known, 3, "spans") == (9, 8, 7)
    bare = Specials(0, None, (), np.ones(10, bool))
    with pytest.raises(ValueError) as caught:
        require_mask(bare, "masked")
    assert str(caught.value) == (
        "--objective masked needs a mask token, and the corpus's tokenizer has none: curate the corpus again with "
        "--mask-token, or with a --tokenizer that has [MASK] or <mask> as a special token"
    )
    for specials_, have in ((bare, "none"), (known, "3")):
        with pytest.raises(ValueError) as caught:
            require_sentinels(specials_, 100, "spans")
        assert str(caught.value) == (
            f"--objective spans needs 100 sentinels, and the corpus's tokenizer has {have}: curate the corpus again "
            "with --sentinels 100, or with a --tokenizer that has <extra_id_0> to <extra_id_99> as special tokens"
        )
