import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import tokens

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEXTS = [
    "The river rose in the night and carried the old bridge away.",
    "the ferryman and the bridge and the river in the night",
    "naïve café, 東京 \U0001f600 and 12345 numbers",
] * 5
TRAINED = tokens.train(TEXTS, 400)
ENCODER = tokens.load(TRAINED, "trained")
SPECIAL = tokens.load(tokens.train(TEXTS, 400, mask=True, sentinels=12), "special")


def with_vocabulary(content, size):
    """A tokenizer file with more tokens, so that its largest id is size - 1."""
    found = json.loads(content)
    known = len(found["model"]["vocab"])
    found["model"]["vocab"] |= {f"unused{number}": number for number in range(known, size)}
    return json.dumps(found).encode()


def test_training_gives_the_same_bytes_twice():
    assert tokens.train(TEXTS, 400) == TRAINED
    assert tokens.train(iter(TEXTS), 400) == TRAINED
    assert tokens.train(TEXTS, 300) != TRAINED


@pytest.mark.slow
def test_training_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from curation import tokens; from tests.test_tokens import TEXTS; "
        "print(hashlib.sha256(tokens.train(TEXTS, 400)).hexdigest())"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": seed}
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        assert found.stdout.strip() == hashlib.sha256(TRAINED).hexdigest()


def test_what_a_trained_tokenizer_says():
    assert (ENCODER.sha256, ENCODER.end_of_text) == (hashlib.sha256(TRAINED).hexdigest(), "<|endoftext|>")
    assert ENCODER.vocab_size == ENCODER.tokenizer.get_vocab_size()
    assert 257 < ENCODER.vocab_size <= 400
    assert ENCODER.tokenizer.id_to_token(ENCODER.end_of_text_id) == "<|endoftext|>"


def test_the_smallest_vocabulary_is_the_bytes_and_the_end():
    encoder = tokens.load(tokens.train(TEXTS, 257), "bytes")
    assert encoder.vocab_size == 257
    (found,) = encoder.encode(["aé"])
    assert len(found) == 4  # one byte, two bytes, the end
    assert encoder.encode([""])[0].tolist() == [encoder.end_of_text_id]


def test_training_on_nothing_knows_every_byte():
    assert tokens.load(tokens.train([], 1000), "empty").vocab_size == 257


def test_only_the_first_characters_train(monkeypatch):
    monkeypatch.setattr(tokens, "_MAX_TRAINING_CHARACTERS", len(TEXTS[0]) + 1)
    assert tokens.train([TEXTS[0], TEXTS[1], "never seen " * 50], 400) == tokens.train(TEXTS[:2], 400)


@given(texts=st.lists(st.text(), max_size=4))
@settings(max_examples=150, deadline=None)
def test_encoding_is_lossless_and_ends_with_the_end_of_text(texts):
    found = ENCODER.encode(texts)
    assert len(found) == len(texts)
    for text, ids in zip(texts, found, strict=True):
        assert ids.dtype == np.uint16
        assert ids[-1] == ENCODER.end_of_text_id
        assert ENCODER.end_of_text_id not in ids[:-1]
        assert ENCODER.tokenizer.decode(ids[:-1].tolist(), skip_special_tokens=False) == text


@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_a_text_is_encoded_the_same_in_any_company(texts):
    """No padding, no truncation."""
    together = [ids.tolist() for ids in ENCODER.encode(texts)]
    assert together == [ENCODER.encode([text])[0].tolist() for text in texts]


@pytest.mark.parametrize(
    "text", ["<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|> ", " <|endoftext|>\n"]
)
def test_a_text_that_says_end_of_text_does_not_end(text):
    (ids,) = ENCODER.encode([text])
    assert ids.tolist().count(ENCODER.end_of_text_id) == 1
    assert ids[-1] == ENCODER.end_of_text_id
    assert ENCODER.tokenizer.decode(ids[:-1].tolist(), skip_special_tokens=False) == text


@pytest.mark.slow
@pytest.mark.parametrize("size, dtype", [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_the_width_of_ids_follows_the_vocabulary(size, dtype):
    encoder = tokens.load(with_vocabulary(TRAINED, size), "wide")
    assert encoder.vocab_size == size
    assert encoder.encode(["the river"])[0].dtype == dtype
    assert encoder.encode(["the river"])[0].tolist() == ENCODER.encode(["the river"])[0].tolist()


def test_truncation_and_padding_of_the_file_are_switched_off():
    found = json.loads(TRAINED)
    found["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    found["padding"] = {
        "strategy": {"Fixed": 50},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }
    encoder = tokens.load(json.dumps(found).encode(), "padded")
    assert [ids.tolist() for ids in encoder.encode(TEXTS)] == [ids.tolist() for ids in ENCODER.encode(TEXTS)]


@pytest.mark.parametrize("name", ["<|end_of_text|>", "<|im_end|>", "</s>", "<eos>", "[SEP]"])
def test_other_names_of_the_end_of_text(name):
    encoder = tokens.load(TRAINED.replace(b"<|endoftext|>", name.encode()), "other")
    assert (encoder.end_of_text, encoder.encode(["a"])[0][-1]) == (name, ENCODER.end_of_text_id)


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b"\xff\xfe", TRAINED[:-10]], ids=range(5))
def test_a_file_that_is_no_tokenizer_is_one_sentence(content):
    with pytest.raises(ValueError) as caught:
        tokens.load(content, "my.json")
    assert str(caught.value).startswith("--tokenizer my.json is no tokenizer file: ")
    assert str(caught.value).endswith("; give a tokenizer.json of the tokenizers library")


def test_a_file_without_an_end_of_text_is_one_sentence():
    with pytest.raises(ValueError) as caught:
        tokens.load(TRAINED.replace(b"<|endoftext|>", b"<|nothing|>"), "my.json")
    assert str(caught.value) == (
        "--tokenizer my.json has no end-of-text token: expected one of <|endoftext|>, <|end_of_text|>, <|im_end|>, "
        "</s>, <eos>, [SEP]"
    )


def test_the_mask_and_the_sentinels_count_in_the_vocabulary():
    """T5's order: <extra_id_0> is the last id of all."""
    last = SPECIAL.vocab_size - 1
    named = {"<|endoftext|>": 0, "<mask>": 1, **{f"<extra_id_{n}>": last - n for n in range(12)}}
    assert SPECIAL.special_ids == named
    assert list(SPECIAL.special_ids.values()) == sorted(named.values())
    long = tokens.load(tokens.train(map(str, range(9999)), 300, mask=True, sentinels=9), "long")
    assert (long.vocab_size, long.special_ids["<extra_id_0>"], long.special_ids["<extra_id_8>"]) == (300, 299, 291)


@pytest.mark.parametrize("mask, sentinels", [(True, 0), (False, 1), (False, 100), (True, 100)])
def test_either_alone(mask, sentinels):
    encoder = tokens.load(tokens.train(TEXTS, 450, mask=mask, sentinels=sentinels), "either")
    assert len(encoder.special_ids) == 1 + mask + sentinels
    assert encoder.end_of_text_id == 0
    assert encoder.vocab_size <= 450
    assert encoder.tokenizer.get_vocab_size() == encoder.vocab_size


def test_without_either_the_file_is_as_it_was():
    assert tokens.train(TEXTS, 400, mask=False, sentinels=0) == TRAINED
    assert json.loads(TRAINED)["added_tokens"] == [
        {
            "id": 0,
            "content": "<|endoftext|>",
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
    ]
    assert ENCODER.special_ids == {"<|endoftext|>": 0}


names = st.sampled_from(["<mask>", "<extra_id_0>", "<extra_id_11>", "<|endoftext|>", " ", "mask", ">"])


@given(text=st.lists(names | st.text(), max_size=5).map("".join))
@settings(max_examples=150, deadline=None)
def test_a_text_that_names_special_tokens_stays_a_text(text):
    (ids,) = SPECIAL.encode([text])
    assert not set(ids[:-1].tolist()) & set(SPECIAL.special_ids.values())
    assert SPECIAL.tokenizer.decode(ids[:-1].tolist(), skip_special_tokens=False) == text


def test_no_merge_makes_a_special_token():
    """Texts that hold nothing else: the most frequent words of the training are the names themselves."""
    texts = ["<mask><mask> <extra_id_0>", "<mask>", "<extra_id_0>", " <mask>"] * 50
    encoder = tokens.load(tokens.train(texts, 300, mask=True, sentinels=1), "named")
    for ids in encoder.encode(texts):
        assert not set(ids[:-1].tolist()) & set(encoder.special_ids.values())


def test_check_vocab_size_with_special_tokens():
    tokens.check_vocab_size(358, mask=True, sentinels=100)
    for mask, sentinels, size, named in (
        (True, 0, 257, "--mask-token has at least 258"),
        (False, 100, 356, "--sentinels 100 has at least 357"),
        (True, 100, 357, "--mask-token and --sentinels 100 has at least 358"),
    ):
        with pytest.raises(ValueError) as caught:
            tokens.check_vocab_size(size, mask=mask, sentinels=sentinels)
        assert str(caught.value) == f"--vocab-size {size}: a byte-level vocabulary with {named} tokens"


def test_check_vocab_size():
    tokens.check_vocab_size(257)
    for size in (256, 0, -1):
        with pytest.raises(ValueError) as caught:
            tokens.check_vocab_size(size)
        assert str(caught.value) == f"--vocab-size {size}: a byte-level vocabulary has at least 257 tokens"
