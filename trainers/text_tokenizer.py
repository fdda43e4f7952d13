"""A run's tokenizer as transformers takes it: one that gives a text the tokens that it had in training.

A corpus ends each document with an end-of-text. A causal model reads the one before a document first, so that is where
it stands here; for other models it is the last token. Nothing else is added, no [CLS] and no [SEP].
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from trainers.trained import Trained


@dataclasses.dataclass(frozen=True)
class TextTokenizer:
    """The files of a tokenizer."""

    content: str  # tokenizer.json
    names: Mapping[str, Any]  # special_tokens_map.json: tokens by the roles that transformers gives them
    tokens: Mapping[int, str]  # all, by id, in the order of the ids


def of(trained: Trained) -> TextTokenizer:
    """The tokenizer of a run; ValueError where it is none that the tokenizers library reads."""
    try:
        tokenizer = Tokenizer.from_str(trained.tokenizer.decode())
    except Exception as error:  # the library raises bare Exception
        raise ValueError(
            f"the tokenizer.json of the run cannot be read: {error}; export needs a corpus with a tokenizer of the "
            "tokenizers library"
        ) from None
    specials, causal = trained.specials, trained.run.settings.objective == "causal"
    vocabulary = {id: token for token, id in tokenizer.get_vocab(with_added_tokens=True).items()}
    tokens = dict(sorted((id, token) for id, token in vocabulary.items() if id < trained.run.vocab_size))
    end_of_text = tokens[specials.end_of_text_id]
    sentinels = [tokens[id] for id in specials.sentinel_ids]
    mask = None if specials.mask_id is None else tokens[specials.mask_id]

    content = json.loads(tokenizer.to_str())
    content["truncation"] = content["padding"] = None
    content["post_processor"] = _template(end_of_text, specials.end_of_text_id, first=causal)
    for token in content["added_tokens"]:
        # A mask stands for a word with the blank before it, so that blank has to go.
        if token["content"] in (mask, *sentinels):
            token["lstrip"] = True
    names = {
        "bos_token": end_of_text if causal else None,
        "eos_token": end_of_text,
        "pad_token": end_of_text,
        "unk_token": unknown(content["model"]),
        "mask_token": mask,
        "additional_special_tokens": sentinels,
    }
    return TextTokenizer(
        content=json.dumps(content, ensure_ascii=False, indent=1) + "\n",
        names={name: value for name, value in names.items() if value},
        tokens=tokens,
    )


def config(tokenizer: TextTokenizer, *, sequence_length: int) -> dict[str, Any]:
    """tokenizer_config.json; models are trained on rows of `sequence_length` tokens, without token types."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **tokenizer.names,
        "model_max_length": sequence_length,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }


def _template(end_of_text: str, id: int, *, first: bool) -> dict[str, Any]:
    """The post-processor that adds an end-of-text to each text, before or behind it."""
    mark = {"SpecialToken": {"id": end_of_text, "type_id": 0}}
    parts = [[mark, text] if first else [text, mark] for text in ({"Sequence": {"id": n, "type_id": 0}} for n in "AB")]
    return {
        "type": "TemplateProcessing",
        "single": parts[0],
        "pair": parts[0] + parts[1],
        "special_tokens": {end_of_text: {"id": end_of_text, "ids": [id], "tokens": [end_of_text]}},
    }


def unknown(model: Mapping[str, Any]) -> str | None:
    """The token for what a vocabulary lacks; that of Unigram is given by its id."""
    if model.get("unk_id") is not None:
        return str(model["vocab"][model["unk_id"]][0])
    return model.get("unk_token")
