"""Writes a run's model as a HuggingFace folder: `python -m trainers.export --run RUN --output DIR`.

transformers loads it by its Auto classes and computes what this project's model does; vLLM and lm-evaluation-harness
read the same folder. Word vectors, for which transformers has no model, become a word2vec text file.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from curation import storage
from trainers import catalog, model_card, text_tokenizer
from trainers.command import carried_out, show
from trainers.models import replaced, word_vectors
from trainers.models.sizes import SIZES
from trainers.text_tokenizer import TextTokenizer
from trainers.trained import Trained, load

VECTORS = "vectors.txt"


@dataclasses.dataclass(frozen=True)
class Part:
    """One model of a folder; of replaced tokens there are two."""

    folder: str  # below the output; "" for the output itself
    config: Mapping[str, Any]  # config.json
    weights: Mapping[str, torch.Tensor]  # by HuggingFace's names


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    memory = "export on a machine with twice that of the weights"
    return carried_out("export", args, lambda: show(export(args.run, args.output, step=args.step)), memory=memory)


def export(run: str, output: str, *, step: int | None = None) -> str:
    """Writes the folder, whole or not at all, and says in a sentence what is in it.

    ValueError where `output` exists, or the run has no such step or a tokenizer that cannot be read; OSError where
    storage refuses.
    """
    if os.path.lexists(output):
        raise ValueError(f"{output} exists already, and an export replaces nothing; choose another --output")
    trained = load(run, step=step)
    tokenizer = text_tokenizer.of(trained)
    parts = parts_of(trained)
    with beside(output) as folder:
        for part in parts:
            _write_part(os.path.join(folder, part.folder), part, trained, tokenizer)
        if not parts:
            assert isinstance(trained.model, word_vectors.WordVectors)
            count = word_vectors.export_text(trained.model, tokenizer.tokens, os.path.join(folder, VECTORS))
            _write_tokenizer(folder, trained, tokenizer)
        _write_text(folder, model_card.NAME, model_card.card(trained, run, [part.config for part in parts]))
    if not parts:
        return (
            f"step {trained.step} of {run}: transformers has no model of word vectors, so {output} has the vectors of "
            f"the {count:,} tokens that were trained in word2vec's text format, {VECTORS}"
        )
    names = [f"{part.config['architectures'][0]} in {os.path.join(output, part.folder).rstrip('/')}" for part in parts]
    return f"step {trained.step} of {run}: {', '.join(names)}"


def parts_of(trained: Trained) -> list[Part]:
    """What transformers calls the model's parts, each with its weights; none where it has no such model."""
    settings, weights = trained.run.settings, trained.model.state_dict()
    make = catalog.OBJECTIVES[settings.objective].config
    if make is None:
        return []
    shape = {
        "vocab_size": trained.run.vocab_size,
        "sequence_length": settings.sequence_length,
        "end_of_text_id": trained.run.end_of_text_id,
    }
    config = make(SIZES[settings.size], **shape)
    if settings.objective != "replaced":
        return [Part("", config, weights)]
    generator = make(SIZES[settings.size], **shape, generator=True)
    return [
        Part("", config, replaced.weights_of("discriminator", weights)),
        Part("generator", generator, replaced.weights_of("generator", weights)),
    ]


def generation_config(trained: Trained) -> dict[str, Any] | None:
    """generation_config.json of models that generate; what no target ever was, is never generated either."""
    objective, end = trained.run.settings.objective, trained.run.end_of_text_id
    if objective not in ("causal", "spans"):
        return None
    marks = [] if trained.specials.mask_id is None else [trained.specials.mask_id]
    found: dict[str, Any] = {"eos_token_id": end, "pad_token_id": end}
    if objective == "causal":
        found["bos_token_id"] = end
        marks += trained.specials.sentinel_ids
    else:
        found["decoder_start_token_id"] = end
    return found | ({"suppress_tokens": sorted(marks)} if marks else {})


@contextlib.contextmanager
def beside(output: str) -> Iterator[str]:
    """Yields a new folder that gets the name `output` when the block ends, and is removed where it raises."""
    parent, name = os.path.split(os.path.abspath(output))
    temporary = os.path.join(parent, f".writing-{name}-{uuid.uuid4().hex}")
    try:
        os.makedirs(temporary)
        yield temporary
        os.rename(temporary, output)
    except OSError as error:
        raise OSError(
            f"cannot write {output}: {error.strerror or error}; make room or choose another --output"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_part(folder: str, part: Part, trained: Trained, tokenizer: TextTokenizer) -> None:
    with storage.publish(os.path.join(folder, "model.safetensors")) as path:
        try:
            save_file(dict(part.weights), path, metadata={"format": "pt"})
        except SafetensorError as error:  # what a full disk raises as well
            raise OSError(str(error)) from error
    _write_json(folder, "config.json", part.config)
    _write_tokenizer(folder, trained, tokenizer)
    if generation := generation_config(trained):
        _write_json(folder, "generation_config.json", generation)


def _write_tokenizer(folder: str, trained: Trained, tokenizer: TextTokenizer) -> None:
    _write_text(folder, "tokenizer.json", tokenizer.content)
    length = trained.run.settings.sequence_length
    _write_json(folder, "tokenizer_config.json", text_tokenizer.config(tokenizer, sequence_length=length))
    _write_json(folder, "special_tokens_map.json", tokenizer.names)


def _write_json(folder: str, name: str, content: Mapping[str, Any]) -> None:
    _write_text(folder, name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write_text(folder: str, name: str, content: str) -> None:
    with storage.publish(os.path.join(folder, name)) as path, open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.export",
        description="Writes the model of a run as a HuggingFace folder: model.safetensors, config.json, the tokenizer, "
        "and a model card that says what it was trained on.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", metavar="RUN", required=True, help="the --output of trainers.pretrain")
    parser.add_argument("--step", type=int, metavar="N", help="of a checkpoint; default: the newest")
    parser.add_argument("--output", metavar="DIR", required=True, help="new folder; one that is there is left alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
