"""Exported folders: their files here, and what transformers makes of them in test_export_transformers.py."""

import hashlib
import json
import os
import re
import shlex
import shutil
import types
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tokenizers import Tokenizer

from curation import storage
from curation import tokens as corpus_tokens
from tests.exported import DOCUMENTS, LENGTH, MODELS, TINY, made_corpus, made_run, tokenizer_of
from trainers import checkpoints, export, model_card, options, pretrain, text_tokenizer, tombstones, trained
from trainers import run as runs
from trainers.log import Log
from trainers.models.sizes import SIZES


@pytest.fixture(autouse=True, scope="module")
def small():
    """Models of two layers and one thread for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "1m", TINY)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on two corpora, whose recipes have names that no editor would let through."""
    folder = tmp_path_factory.mktemp("run")
    return made_run(folder, "causal", recipes=["web | 2026", "a\n# <b>`b`</b>"], weights=(3.0, 1.0))


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("exported") / "new" / "model")
    assert export.main(["--run", run, "--output", folder]) == 0
    return folder


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def test_the_weights_are_those_of_the_checkpoint(run, exported):
    assert sorted(os.listdir(exported)) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    with safetensors.safe_open(f"{exported}/model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    found, expected = safetensors.torch.load_file(f"{exported}/model.safetensors"), trained.load(run).model.state_dict()
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


def test_a_text_is_given_the_tokens_that_it_had_in_training(exported):
    """Behind an end-of-text for a causal model, as the corpus has it for the others; a mask takes its blank along."""
    content = tokenizer_of().encode()
    as_in_corpus = corpus_tokens.load(content, "test")
    end = as_in_corpus.end_of_text_id
    for text in (*DOCUMENTS[:20], "  ", "naïve 字\n\n\tx"):
        expected = as_in_corpus.encode([text])[0].tolist()
        for objective in ("causal", "masked"):
            made = Tokenizer.from_str(text_tokenizer.of(like_trained(content, objective)).content)
            causal = objective == "causal"
            assert made.encode(text).ids == ([end, *expected[:-1]] if causal else expected), text
            assert made.encode(text, "b").ids == [*made.encode(text).ids, *made.encode("b").ids]
            assert set(made.encode(text, "b").type_ids) == {0}
            assert made.encode(text, add_special_tokens=False).ids == expected[:-1]
    ids = made.encode("the <mask> page<extra_id_0>").ids
    assert [made.id_to_token(id) for id in ids] == ["the", "<mask>", "Ġpage", "<extra_id_0>", corpus_tokens.END_OF_TEXT]
    assert Tokenizer.from_str(read(exported, "tokenizer.json")).encode("the").ids[0] == end


def like_trained(content, objective):
    """What text_tokenizer asks of a trained model."""
    vocab_size = Tokenizer.from_str(content.decode()).get_vocab_size()
    return types.SimpleNamespace(
        tokenizer=content,
        specials=trained.specials.read(content, end_of_text_id=0, vocab_size=vocab_size),
        run=types.SimpleNamespace(vocab_size=vocab_size, settings=types.SimpleNamespace(objective=objective)),
    )


def test_a_template_truncation_and_padding_of_the_corpus_tokenizer_are_not_kept():
    given = Tokenizer.from_str(tokenizer_of())
    given.enable_truncation(3)
    given.enable_padding(length=9)
    given.post_processor = tokenizers_template("<mask> $A <mask>", given.token_to_id("<mask>"))
    made = text_tokenizer.of(like_trained(given.to_str().encode(), "masked"))
    plain = Tokenizer.from_str(tokenizer_of())
    text = "the crawl reads a page"
    assert Tokenizer.from_str(made.content).encode(text).ids == [*plain.encode(text).ids, 0]


def tokenizers_template(single, id):
    from tokenizers.processors import TemplateProcessing

    return TemplateProcessing(single=single, special_tokens=[("<mask>", id)])


def test_the_roles_of_tokens_are_named(exported):
    names = {
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "mask_token": "<mask>",
        "additional_special_tokens": ["<extra_id_0>", "<extra_id_1>", "<extra_id_2>"],
    }
    assert json.loads(read(exported, "special_tokens_map.json")) == names
    settings = json.loads(read(exported, "tokenizer_config.json"))
    assert settings["model_max_length"] == LENGTH
    assert names.items() <= settings.items()
    generation = json.loads(read(exported, "generation_config.json"))
    marks = [
        Tokenizer.from_str(tokenizer_of()).token_to_id(name) for name in ("<mask>", *names["additional_special_tokens"])
    ]
    assert generation == {
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "suppress_tokens": sorted(marks),
    }


@pytest.mark.parametrize(
    ("model", "unknown"),
    [
        ({"type": "Unigram", "unk_id": 1, "vocab": [["a", -1.0], ["<unk>", -2.0]]}, "<unk>"),
        ({"type": "Unigram", "unk_id": None, "vocab": []}, None),
        ({"type": "WordPiece", "unk_token": "[UNK]"}, "[UNK]"),
        ({"type": "BPE", "unk_token": None}, None),
    ],
)
def test_the_unknown_token_is_found_in_each_kind_of_vocabulary(model, unknown):
    assert text_tokenizer.unknown(model) == unknown


def test_the_card_says_what_was_read(run, exported):
    card = read(exported, "README.md")
    sources = runs.load(run).sources
    assert "| 1: web \\| 2026 | " in card
    assert "| 2: a\\\\n\\# \\<b\\>\\`b\\`\\<\\/b\\> | " in card  # one line, and neither a heading nor HTML
    assert re.findall(r"^#+ .*", card, re.MULTILINE)[1:] == [
        f"## {name}" for name in ("Use", "Data", "Training", "Reproduce and trace", "Limits")
    ]
    for source in sources:
        assert source.sha256 in card and source.manifest_sha256 in card and f" {source.tokens:,} " in card
        assert os.path.dirname(source.path) not in card
    assert f"| {sources[0].achieved:.1%} (75.0%) |" in card
    with open(f"{run}/tokenizer.json", "rb") as file:
        assert f"the sha256 `{hashlib.sha256(file.read()).hexdigest()}`" in card
    assert "0 documents with a tombstone were left out" in card
    assert "languages of its documents: en 100.0%" in card
    head = card.split("---\n")[1].splitlines()
    assert head[1:6] == ["language:", '- "en"', "library_name: transformers", "pipeline_tag: text-generation", "tags:"]
    assert head[6:] == ["- llama", "- causal", "- pretraining", "- common-crawl"]


def test_the_command_of_the_card_gives_the_settings(run, exported):
    line = re.search(r"^python -m trainers.pretrain .*", read(exported, "README.md"), re.MULTILINE)[0]
    args, given = options.parse(shlex.split(line)[3:])
    assert options.resolve(given, corpora=2) == runs.load(run).settings
    assert args.corpus == ["CORPUS1", "CORPUS2"]


def test_the_card_of_a_step_has_the_figures_up_to_it(tmp_path):
    run = made_run(tmp_path, "masked")
    energy = {"joules": 1.8e6, "co2e_grams": 100.0}
    with Log(run, step=0) as log:
        log.write("validation", step=0, loss=5.5, bits_per_byte=2.0)
        log.write("step", step=1, loss=5.0, tokens=1000, seconds=1800.0, left_out="its loss is 5")
        log.write("step", step=2, loss=4.0, tokens=500, seconds=1800.0, **energy)
        log.write("validation", step=2, loss=4.5, bits_per_byte=None)
    for step in (1, 2):
        save(run, step)
    cards = []
    for step in (1, 2):
        export.export(run, f"{tmp_path}/{step}", step=step)
        cards.append(read(f"{tmp_path}/{step}", "README.md"))
    assert "| Tokens read | 1,000 |\n| Loss of the last step, nats | 5.0000 |\n| Hours | 0.50 |\n" in cards[0]
    assert "| Steps that were not learned from | 1 |\n" in cards[0]
    assert "| Validation loss at step 0, nats | 5.5000 |\n| Validation, bits per byte | 2.0000 |\n\n" in cards[0]
    assert "| Tokens read | 1,500 |\n| Loss of the last step, nats | 4.0000 |\n| Hours | 1.00 |\n" in cards[1]
    assert (
        "| Validation loss at step 2, nats | 4.5000 |\n| Energy of the GPUs, kWh | 0.5 (of 1 of the 2 steps) |"
        in cards[1]
    )
    assert "| CO2e of that, kg | 0.1 (of 1 of the 2 steps) |\n\n" in cards[1]
    assert not os.path.exists(f"{tmp_path}/1/generation_config.json")


def save(run, step):
    """The weights of step 0 as those of another step."""
    first = checkpoints.saved(run)[0]
    other = first.replace("00000000", f"{step:08}")
    shutil.copytree(first, other)
    about = Path(other, "about.json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"step": step}))


def test_the_card_tells_what_was_withdrawn_and_what_is_gone(tmp_path):
    run = made_run(tmp_path, "causal")
    corpus = runs.load(run).sources[0].path
    tombstones.add(corpus, [tombstones.Tombstone("train0.warc.gz@1", "asked", "2026-01-01")])
    export.export(run, f"{tmp_path}/one")
    assert "- 1 of its documents have had a tombstone since" in read(f"{tmp_path}/one", "README.md")
    shutil.rmtree(corpus)
    export.export(run, f"{tmp_path}/two")
    card = read(f"{tmp_path}/two", "README.md")
    assert "- it was not at hand for this card" in card and runs.load(run).sources[0].sha256 in card
    assert "language:" not in card


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
def test_word_vectors_are_a_word2vec_file(objective, tmp_path, capsys):
    run = made_run(tmp_path, objective)
    assert export.main(["--run", run, "--output", f"{tmp_path}/model"]) == 0
    assert "transformers has no model of word vectors" in capsys.readouterr().out
    lines = read(f"{tmp_path}/model", "vectors.txt").splitlines()
    model = trained.load(run).model
    tokenizer = Tokenizer.from_str(read(f"{tmp_path}/model", "tokenizer.json"))
    assert lines[0] == f"{len(lines) - 1} {model.input_vectors.weight.shape[1]}"
    for line in lines[1:20]:
        word, *values = line.split(" ")
        expected = model.input_vectors.weight[tokenizer.token_to_id(word)]
        assert torch.equal(torch.tensor([float(value) for value in values]), expected.detach())
    card = read(f"{tmp_path}/model", "README.md")
    assert "library_name" not in card and "load_word2vec_format" in card


def refused(capsys, argv, beginning):
    assert export.main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"trainers.export: {beginning}"), error
    assert error.count("\n") == 1


def test_mistakes_are_one_sentence_and_leave_nothing_behind(run, tmp_path, capsys):
    output = f"{tmp_path}/model"
    os.mkdir(f"{tmp_path}/there")
    refused(capsys, ["--run", run, "--output", f"{tmp_path}/there"], f"{tmp_path}/there exists already, ")
    refused(capsys, ["--run", f"{tmp_path}/none", "--output", output], f"{tmp_path}/none holds no run: ")
    refused(
        capsys, ["--run", run, "--output", output, "--step", "7"], f"{run} has no checkpoint of step 7; expected one"
    )
    copy = f"{tmp_path}/copy"
    shutil.copytree(run, copy)
    with open(f"{copy}/tokenizer.json", "w") as file:
        file.write("{}")
    refused(capsys, ["--run", copy, "--output", output], "the tokenizer.json of the run cannot be read: ")
    shutil.rmtree(f"{copy}/checkpoints")
    refused(capsys, ["--run", copy, "--output", output], f"{copy} has no checkpoint yet; ")
    with open(f"{tmp_path}/file", "w"):
        pass
    refused(
        capsys,
        ["--run", run, "--output", f"{tmp_path}/file/model"],
        f"cannot write {tmp_path}/file/model: Not a directory",
    )
    assert sorted(os.listdir(tmp_path)) == ["copy", "file", "there"]


def test_a_full_disk_leaves_nothing_behind(run, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(export, "save_file", full)
    output = f"{tmp_path}/model"
    refused(
        capsys, ["--run", run, "--output", output], f"cannot write {output}: Error while serializing: I/O error: No "
    )
    monkeypatch.undo()

    def full_later(*_, **__):
        raise storage.StorageError("no space is left")

    monkeypatch.setattr(model_card, "card", full_later)
    refused(capsys, ["--run", run, "--output", output], f"cannot write {output}: no space is left; make room ")
    assert os.listdir(tmp_path) == []


def test_every_objective_has_a_card_and_a_way_to_be_loaded(tmp_path):
    for objective, names in MODELS.items():
        found = export.parts_of(trained.load(made_run(tmp_path / objective, objective)))
        assert [part.config["architectures"][0] for part in found] == list(names)
        assert all(name in model_card.LOADERS for name in names)
        assert [part.folder for part in found] == ["", "generator"][: len(names)]


@pytest.mark.slow
def test_a_run_of_the_trainer_is_exported_with_what_it_logged(tmp_path):
    corpus, run = made_corpus(f"{tmp_path}/corpus", "seven"), f"{tmp_path}/run"
    flags = ["--steps", "2", "--sequence-length", "16", "--batch-rows", "2", "--validate-every", "1", "--threads", "1"]
    assert pretrain.main(["--corpus", corpus, "--output", run, *flags]) == 0
    assert export.main(["--run", run, "--output", f"{tmp_path}/model"]) == 0
    found = read(f"{tmp_path}/model", "README.md").replace("\\", "")
    entries = [json.loads(line) for line in read(run, "log.jsonl").splitlines()]
    assert "pre-trained on seven\n" in found and "after step 2 of 2." in found
    assert "| Tokens read | 64 |" in found
    assert f"| Loss of the last step, nats | {entries[-2]['loss']:.4f} |" in found
    assert f"| Validation, bits per byte | {entries[-1]['bits_per_byte']:.4f} |" in found
