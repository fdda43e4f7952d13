"""What a trained model answers to a prompt, by its objective.

A causal model goes on with the prompt, a masked one fills its masks, one of spans its sentinels; word vectors have
neighbours. There is no cache of keys and values: each token is computed from all that are in the window, which is
simple, and quick enough for looking at models.

Shapes: S samples, n tokens, V vocabulary.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

import torch
from tokenizers import Tokenizer

from trainers.decoding import Decoding, extend, probabilities
from trainers.models import word_vectors
from trainers.models.encoder_decoder import EncoderDecoder
from trainers.trained import Trained

_MASK = "<mask>"  # how a prompt may write the mask, whatever the tokenizer calls it
_FILLINGS = 5  # tokens shown for a mask
_NEIGHBOURS = 10  # tokens shown for a token


@dataclasses.dataclass(frozen=True)
class Asked:
    """One prompt, and how it is answered."""

    prompt: str
    number: int  # among the prompts
    samples: int
    decoding: Decoding


@dataclasses.dataclass(frozen=True)
class Speaker:
    """A trained model with its tokenizer."""

    trained: Trained
    tokenizer: Tokenizer

    @classmethod
    def of(cls, trained: Trained) -> "Speaker":
        """ValueError where the run's tokenizer is none that the tokenizers library reads."""
        try:
            tokenizer = Tokenizer.from_str(trained.tokenizer.decode())
        except Exception as error:  # the library raises bare Exception
            raise ValueError(
                f"the tokenizer of the run cannot be read: {error}; text needs a corpus with a tokenizer.json of the "
                "tokenizers library"
            ) from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # as in the corpus, where no text becomes a special token
        return cls(trained, tokenizer)

    def encode(self, text: str, marks: Mapping[str, int] = MappingProxyType({})) -> list[int]:
        """The tokens of a text; a mark stands for its token, and the blank before it for the one that belongs to it.

        In the corpus a blank is part of the word behind it, so it goes where the word is masked.
        """
        ids: list[int] = []
        parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", text) if marks else [text]
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            if part in marks:
                ids.append(marks[part])
            else:
                plain = part.removesuffix(" ") if following in marks else part
                ids.extend(self.tokenizer.encode(plain, add_special_tokens=False).ids)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; an end of text, which can only be the last, has none."""
        shown = [token for token in ids if token != self.end_id]
        return str(self.tokenizer.decode(shown, skip_special_tokens=False))

    @property
    def end_id(self) -> int:
        """The end-of-text token."""
        return self.trained.specials.end_of_text_id

    @property
    def window(self) -> int:
        """The tokens that the model was trained to see at once."""
        return self.trained.run.settings.sequence_length

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.trained.model.parameters()).device

    @property
    def marks(self) -> tuple[int, ...]:
        """The mask and the sentinels, which are no text."""
        specials = self.trained.specials
        return (*(() if specials.mask_id is None else (specials.mask_id,)), *specials.sentinel_ids)

    def piece(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens int64 (S, n) as a model takes one document a row: inputs, segments and positions, on its device."""
        inputs = ids.to(self.device)
        return (
            inputs,
            torch.zeros_like(inputs, dtype=torch.int32),
            torch.arange(ids.shape[1]).to(inputs).expand_as(inputs),
        )

    def check_length(self, ids: Sequence[int]) -> None:
        """ValueError where a prompt is longer than the rows that the model was trained on."""
        if len(ids) > self.window:
            raise ValueError(
                f"the prompt has {len(ids)} tokens with its end of text, and the run was trained on rows of "
                f"{self.window}; shorten it"
            )


def continuations(speaker: Speaker, asked: Asked) -> Iterator[dict[str, Any]]:
    """Samples of what follows the prompt; documents begin behind an end of text, so the prompt does, too."""

    def next_logits(tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = speaker.trained.model(*speaker.piece(tokens[:, -speaker.window :]))
        return logits[:, -1]

    prompt = speaker.encode(asked.prompt)
    found = extend(
        next_logits,
        [speaker.end_id, *prompt],
        asked.decoding,
        samples=asked.samples,
        end_id=speaker.end_id,
        banned=speaker.marks,
        prompt=asked.number,
    )
    for sample, new in enumerate(found):
        text = speaker.decode([*prompt, *new])
        yield {"prompt": asked.prompt, "sample": sample, "text": text, **_extent(speaker, new)}


def filled_masks(speaker: Speaker, asked: Asked) -> Iterator[dict[str, Any]]:
    """The most probable tokens for each mask of the prompt, each by itself, and the prompt with the first of them."""
    model, mask_id = speaker.trained.model, speaker.trained.specials.mask_id
    assert mask_id is not None, "an objective with masks was trained without any"
    prompt = speaker.encode(asked.prompt, {_MASK: mask_id, str(speaker.tokenizer.id_to_token(mask_id)): mask_id})
    if mask_id not in prompt:
        raise ValueError(f"the prompt has no {_MASK}: write it where a token is to be filled in")
    ids = [*prompt, speaker.end_id]
    speaker.check_length(ids)
    # Of a model of replaced tokens, the part that fills in.
    predict = model.get_submodule("generator") if speaker.trained.run.settings.objective == "replaced" else model
    logits = predict(*speaker.piece(torch.tensor([ids])))[0].float()  # (n, V)
    logits[:, [*speaker.marks, speaker.end_id]] = -torch.inf
    masks = []
    for place in [place for place, token in enumerate(ids) if token == mask_id]:
        best = probabilities(logits[place], Decoding()).sort(descending=True, stable=True)
        pairs = zip(best.indices[:_FILLINGS].tolist(), best.values[:_FILLINGS].tolist(), strict=True)
        masks.append([{**_token(speaker, token), "probability": share} for token, share in pairs])
        ids[place] = masks[-1][0]["id"]
    yield {"prompt": asked.prompt, "text": speaker.decode(ids), "masks": masks}


def filled_sentinels(speaker: Speaker, asked: Asked) -> Iterator[dict[str, Any]]:
    """Samples of what the sentinels of the prompt stand for."""
    model, ids = speaker.trained.model, speaker.trained.specials.sentinel_ids
    assert isinstance(model, EncoderDecoder) and ids
    names = [f"<extra_id_{number}>" for number in range(len(ids))]
    sentinels = dict(zip(names, ids, strict=True))
    prompt = speaker.encode(asked.prompt, sentinels)
    spoken = set(prompt) & set(sentinels.values())
    if not spoken:
        raise ValueError(f"the prompt has no {names[0]}: write it, then {names[-1]} at most, where spans are missing")
    speaker.check_length([*prompt, speaker.end_id])
    inputs, segments, _ = speaker.piece(torch.tensor([[*prompt, speaker.end_id]] * asked.samples))
    states = model.encode(inputs, segments)

    def next_logits(tokens: torch.Tensor) -> torch.Tensor:
        new, new_segments, _ = speaker.piece(tokens)
        logits: torch.Tensor = model.lm_head(model.decode(states, segments, new, new_segments)[:, -1])
        return logits

    found = extend(
        next_logits,
        [speaker.end_id],
        asked.decoding,
        samples=asked.samples,
        end_id=speaker.end_id,
        banned=[mark for mark in speaker.marks if mark not in prompt],
        prompt=asked.number,
    )
    for sample, new in enumerate(found):
        spans = _spans(new, spoken)
        text = speaker.decode([new for old in prompt for new in (spans.get(old, []) if old in spoken else [old])])
        shown = {name: speaker.decode(spans.get(mark, [])) for name, mark in sentinels.items() if mark in prompt}
        yield {"prompt": asked.prompt, "sample": sample, "text": text, "spans": shown, **_extent(speaker, new)}


def neighbourhoods(speaker: Speaker, asked: Asked) -> Iterator[dict[str, Any]]:
    """The nearest neighbours of each token of the prompt."""
    model = speaker.trained.model
    assert isinstance(model, word_vectors.WordVectors)
    prompt = speaker.encode(asked.prompt)
    if not prompt:
        raise ValueError("the prompt is empty: give the words whose neighbours are to be shown")
    for token in dict.fromkeys(prompt):
        near = word_vectors.neighbours(model, token, count=_NEIGHBOURS)
        shown = [{**_token(speaker, other), "cosine": cosine} for other, cosine in near]
        yield {"prompt": asked.prompt, **_token(speaker, token), "neighbours": shown}


ANSWERS: Mapping[str, Callable[[Speaker, Asked], Iterator[dict[str, Any]]]] = MappingProxyType(
    {
        "causal": continuations,
        "masked": filled_masks,
        "replaced": filled_masks,
        "spans": filled_sentinels,
        "skipgram": neighbourhoods,
        "cbow": neighbourhoods,
    }
)


def _spans(tokens: Sequence[int], sentinels: Set[int]) -> dict[int, list[int]]:
    """The tokens behind each sentinel; those behind one that comes again are added to its span."""
    spans: dict[int, list[int]] = {}
    current: list[int] = []  # what comes before the first sentinel belongs to none
    for token in tokens:
        if token in sentinels:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    return spans


def _token(speaker: Speaker, token: int) -> dict[str, Any]:
    return {"id": token, "token": speaker.decode([token])}


def _extent(speaker: Speaker, new: Sequence[int]) -> dict[str, Any]:
    return {"tokens": len(new), "ended": new[-1] == speaker.end_id}
