import dataclasses
import hashlib
import json
import os
import re
import shutil

import pytest

from curation import manifest as manifests
from tests.tiny_corpus import texts, write_corpus, write_manifest
from trainers.admit import admit
from trainers.tombstones import Tombstone, add

FIRST = "tokens/train-00000-of-00002.arrow"


@pytest.fixture
def corpus(tmp_path):
    documents = texts(12)
    return write_corpus(tmp_path / "corpus", [documents[:5], documents[5:9]], [documents[9:]])


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_admits_a_whole_corpus(corpus):
    admitted = admit(corpus)
    documents = texts(12)
    assert admitted.train.num_documents == 9
    assert admitted.validation.num_documents == 3
    assert admitted.train.num_tokens == sum(len(text) + 1 for text in documents[:9])
    assert (admitted.vocab_size, admitted.end_of_text_id) == (257, 256)
    assert admitted.specials.end_of_text_id == 256
    assert (admitted.specials.mask_id, admitted.specials.sentinel_ids) == (None, ())
    assert admitted.tombstones == frozenset()


def test_tombstones_are_read_and_are_no_part_of_the_corpus(corpus):
    """A run that began before they were written finds the corpus it was made on."""
    before = admit(corpus)
    assert add(corpus, [Tombstone("train0.warc.gz@1", "asked", "2026-01-01")]) == 1
    after = admit(corpus)
    assert after.tombstones == {"train0.warc.gz@1"}
    assert after.sha256 == before.sha256
    assert (after.train.sha256, after.validation.sha256) == (before.train.sha256, before.validation.sha256)
    assert len({after.sha256, after.train.sha256, after.validation.sha256}) == 3


def test_a_damaged_tombstone_is_refused(corpus):
    with open(f"{corpus}/tombstones.jsonl", "w") as file:
        file.write("train0.warc.gz@1\n")
    refused(corpus, f"{corpus}/tombstones.jsonl: line 1 is no tombstone ")


def test_a_flipped_byte_is_refused_with_both_digests(corpus):
    """The file keeps its size, and the byte is one of a token's: Arrow reads it without complaint."""
    path = f"{corpus}/{FIRST}"
    before = digest(path)
    with open(path, "rb") as file:
        content = bytearray(file.read())
    token = content.index("\0".join("the").encode())  # the tokens of "the" as uint16
    content[token] ^= 1
    with open(path, "wb") as file:
        file.write(content)
    with pytest.raises(ValueError) as caught:
        admit(corpus)
    assert str(caught.value) == (
        f"{path} has changed since the corpus was made: its sha256 is {digest(path)}, the manifest says {before}; "
        "copy the corpus again from where it was made, or make it again with pipelines.curate"
    )
    assert digest(path) != before


def test_a_truncated_shard_is_refused(corpus):
    path = f"{corpus}/{FIRST}"
    size = os.path.getsize(path)
    os.truncate(path, size - 8)
    refused(corpus, f"{path} is truncated: it has {size - 8:,} bytes, the manifest says {size:,}; copy the corpus")


def test_a_missing_shard_is_refused(corpus):
    size = os.path.getsize(f"{corpus}/{FIRST}")
    os.remove(f"{corpus}/{FIRST}")
    refused(corpus, f"{corpus}/{FIRST} is missing: the manifest lists it with {size:,} bytes; copy the corpus")


def test_another_tokenizer_is_refused(corpus):
    path = f"{corpus}/tokenizer.json"
    before = digest(path)
    with open(path, "w") as file:
        file.write("{}")
    refused(
        corpus, f"{path} is not the tokenizer of this corpus: its sha256 is {digest(path)}, the manifest says {before}"
    )


def test_no_tokenizer_is_refused(corpus):
    os.remove(f"{corpus}/tokenizer.json")
    refused(corpus, f"{corpus}/tokenizer.json is missing; ")


def test_no_manifest_is_refused(corpus):
    os.remove(f"{corpus}/manifest.json")
    refused(corpus, f"{corpus}/manifest.json does not exist: ")


def test_no_folder_is_refused(tmp_path):
    refused(f"{tmp_path}/nowhere", f"{tmp_path}/nowhere is not a folder; --corpus takes the --output folder of ")
    refused("gs://bucket/corpus", "gs://bucket/corpus is not on this machine: ")


@pytest.mark.parametrize(
    "field, value, expected",
    [
        ("vocab_size", 300, 257),
        ("end_of_text_id", 255, 256),
        ("recipe_sha256", "other", "r" * 64),
        ("tokenizer_sha256", "other", None),
        ("split", "validation", "train"),
    ],
)
def test_a_shard_of_another_corpus_is_refused(tmp_path, field, value, expected):
    """Its bytes are those of the manifest: what it says of itself does not fit."""
    corpus = write_corpus(tmp_path / "corpus", [texts(5)], [], **{field: value})
    expected = expected or digest(f"{corpus}/tokenizer.json")
    shard = f"{corpus}/tokens/train-00000-of-00001.arrow"
    refused(corpus, f"{shard} does not belong to this corpus: its {field} is {value}, expected {expected}; ")


def test_other_columns_are_refused(corpus):
    """A file of the right size and digest, but no token shard."""
    with open(f"{corpus}/{FIRST}", "wb") as file:
        file.write(b"ARROW1 not really")
    write_manifest(corpus)
    refused(corpus, f"{corpus}/{FIRST} is not a token shard: ")


@pytest.mark.parametrize("what, value", [("rows", 4), ("tokens", 1)])
def test_the_counts_of_the_manifest_are_checked(corpus, what, value):
    manifest = manifests.load(corpus)
    outputs = [dataclasses.replace(o, **{what: value}) if o.path == FIRST else o for o in manifest.outputs]
    dataclasses.replace(manifest, outputs=tuple(outputs)).write(corpus)
    found = 5 if what == "rows" else sum(len(text) + 1 for text in texts(12)[:5])
    refused(corpus, f"{corpus}/{FIRST} does not belong to this corpus: its {what} is {found}, expected {value}; ")


def test_a_largest_token_outside_the_vocabulary_is_refused(corpus):
    write_manifest(corpus, largest_token_id=257)
    refused(corpus, f"{corpus}/manifest.json: largest_token_id is 257, expected one below the vocabulary's 257; ")


def test_a_token_outside_the_vocabulary_is_refused(tmp_path):
    """Both the manifest and the shards claim a vocabulary of 120, and both are wrong."""
    corpus = write_corpus(tmp_path / "corpus", [["a~b"]], [], vocab_size=120, end_of_text_id=97)
    with open(f"{corpus}/manifest.json") as file:
        tokenizer = {**json.load(file)["tokenizer"], "vocab_size": 120, "end_of_text_id": 97}
    write_manifest(corpus, tokenizer=tokenizer, largest_token_id=119)
    refused(
        corpus, f"{corpus}/tokens/train-00000-of-00001.arrow holds token 256, expected ids below the vocabulary's 120"
    )


def test_a_document_without_end_of_text_is_refused(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", [["a", "b", "c", "d"]], [], end_of_text_id=7)
    with open(f"{corpus}/manifest.json") as file:
        tokenizer = {**json.load(file)["tokenizer"], "end_of_text_id": 7}
    write_manifest(corpus, tokenizer=tokenizer)
    shard = f"{corpus}/tokens/train-00000-of-00001.arrow"
    refused(corpus, f"{shard}: row 0 ends with token 256, expected end-of-text, 7; ")


def test_an_empty_training_split_is_refused(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", [[]], [texts(3)])
    refused(corpus, f"{corpus} has no token to train on: its training split is empty; ")


def test_the_digest_is_of_what_is_read(corpus, tmp_path):
    """Another time or machine in the manifest is the same corpus; another token is not."""
    first = admit(corpus)
    write_manifest(corpus, run={"started": "later"})
    second = admit(corpus)
    assert second.manifest_sha256 != first.manifest_sha256
    assert second.sha256 == first.sha256
    shutil.copytree(corpus, tmp_path / "copy")
    assert admit(f"{tmp_path}/copy").sha256 == first.sha256
    other = write_corpus(tmp_path / "other", [texts(5, seed=1), texts(4)], [texts(3)])
    assert admit(other).sha256 != first.sha256


def refused(corpus, beginning):
    with pytest.raises(ValueError, match=re.escape(beginning)) as caught:
        admit(corpus)
    assert str(caught.value).startswith(beginning)


def test_a_shard_that_the_manifest_no_longer_lists_is_missed(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", [["one", "two"], ["three"]])
    outputs = tuple(file for file in manifests.load(corpus).outputs if "train-00001" not in file.path)
    write_manifest(corpus, outputs=outputs)
    with pytest.raises(ValueError, match="says num_documents 3, and its shards hold 2; "):
        admit(corpus)
