"""Makes a run folder with one checkpoint of a tiny model, without training it."""

import os

import torch
from tokenizers import Tokenizer

from curation import tokens
from tests.tiny_corpus import texts
from trainers import catalog, checkpoint, options
from trainers import run as runs
from trainers.models.sizes import Size
from trainers.plan import Plan

TINY = Size(layers=2, width=32, heads=4, key_value_heads=2, hidden=48, learning_rate=1e-2)
LENGTH = 32  # tokens in a row


def make_tokenizer():
    """Byte-level, of 300 tokens, with a mask and two sentinels: the bytes of a tokenizer.json."""
    return tokens.train(texts(40), 300, mask=True, sentinels=2)


def write_run(folder, objective, tokenizer, *, model=None, step=7, spread=False):
    """A run of the size "tiny", which the caller puts among SIZES, with the given model or an untrained one.

    The embeddings of an untrained model are all but equal to one another; `spread` makes them ten times as large.
    """
    encoder = tokens.load(tokenizer, "made in a test")
    settings = options.resolve(
        {"objective": objective, "size": "tiny", "sequence_length": LENGTH, "learning_rate": 1e-2, "device": "cpu"}
    )
    run = runs.Run(
        settings=settings,
        sources=(runs.Source("/nowhere", "0" * 64, "0" * 64, "test", 10, 4096, 1.0, 1.0, 1.0),),
        plan=Plan(4096, LENGTH, settings.batch_rows, 0, "row", "0" * 64),
        vocab_size=Tokenizer.from_str(tokenizer.decode()).get_vocab_size(),
        end_of_text_id=encoder.end_of_text_id,
        model={},
        versions={},
        machine={},
    )
    os.makedirs(folder)
    run.write(folder)
    with open(f"{folder}/{runs.TOKENIZER}", "wb") as file:
        file.write(tokenizer)
    model = model or catalog.model_of(settings, run.vocab_size)
    for name, weight in model.named_parameters() if spread else ():
        if "word_embedding" in name:
            weight.data *= 10
    saver = checkpoint.Saver(folder, model, torch.optim.SGD(model.parameters(), lr=1.0))
    saver.save(step, {})
    saver.wait()
    return folder
