"""Makes runs of untrained models of every objective, whose weights are far from those of the start."""

import os
import shutil

import pytest
import torch

from curation import tokens
from tests import tiny_corpus
from trainers import catalog, checkpoint, identity, optimizer, options, reading
from trainers.admit import admit
from trainers.models import sizes
from trainers.models.sizes import Size

LENGTH = 24  # tokens in a row
DOCUMENTS = tiny_corpus.texts(60)
TINY = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)
MODELS = {
    "causal": ("LlamaForCausalLM",),
    "masked": ("BertForMaskedLM",),
    "replaced": ("ElectraForPreTraining", "ElectraForMaskedLM"),
    "spans": ("T5ForConditionalGeneration",),
    "permuted": ("XLNetLMHeadModel",),
    "skipgram": (),
    "cbow": (),
}


def tokenizer_of() -> str:
    """A byte-level tokenizer with a mask and three sentinels."""
    return tokens.train(DOCUMENTS, 320, mask=True, sentinels=3).decode()


def made_run(folder, objective, *, recipes=("test",), size=TINY, **changes) -> str:
    """The path of a run on a corpus of each recipe, with a checkpoint before its first step."""
    folder = os.fspath(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sizes.SIZES, "1m", size)
        corpora = [made_corpus(f"{folder}/corpus{number}", name) for number, name in enumerate(recipes)]
        given = {
            "objective": objective,
            "sequence_length": LENGTH,
            "steps": 3,
            "batch_rows": 2,
            "threads": 1,
            "seed": 5,
        }
        settings = options.resolve({**given, "device": "cpu", **changes}, corpora=len(corpora))
        data = reading.data_of([admit(path) for path in corpora], settings)
        run, path = identity.of(data, settings), f"{folder}/run"
        os.mkdir(path)
        run.write(path)
        shutil.copyfile(f"{corpora[0]}/tokenizer.json", f"{path}/tokenizer.json")
        model = disturbed(catalog.model_of(settings, run.vocab_size))
        optimizers = optimizer.build(model, name="sgd", learning_rate=1.0)
        saver = checkpoint.Saver(path, model, optimizers)
        saver.save(0, {})
        saver.wait()
    return path


def made_corpus(folder, recipe) -> str:
    """The path of a corpus of the documents, of a recipe of this name."""
    content = tokenizer_of().encode()
    encoder = tokens.load(content, "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_corpus, "TOKENIZER", content)
        patch.setattr(tiny_corpus, "VOCAB_SIZE", encoder.vocab_size)
        patch.setattr(tiny_corpus, "END_OF_TEXT", encoder.end_of_text_id)
        patch.setattr(tiny_corpus, "encode", lambda text: encoder.encode([text])[0].tolist())
        info = {"vocab_size": encoder.vocab_size, "end_of_text_id": encoder.end_of_text_id}
        info["tokenizer_sha256"] = encoder.sha256
        path = tiny_corpus.write_corpus(folder, [DOCUMENTS[:40]], [DOCUMENTS[40:]], **info)
        tiny_corpus.write_manifest(path, recipe={"name": recipe, "sha256": "r" * 64, "repr": "Recipe()"})
    return path


def disturbed(model):
    """No bias stays 0 and no norm 1, so that each of them counts."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            deviation = 0.2 if parameter.ndim == 1 else 0.5 * parameter.shape[1] ** -0.5
            parameter.add_(deviation * torch.randn(parameter.shape, generator=generator))
    return model.eval()
