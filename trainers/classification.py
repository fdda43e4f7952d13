"""Classification of texts: a linear head on the mean of a pre-trained model's states.

The mean over the text's tokens, in every family: of a decoder, too, whose last state has seen all of the text but was
trained to say what comes next. It is normalized to mean 0 and variance 1, so that one learning rate suits the states of
all families, whose scales differ a hundredfold. Shapes: B texts, T positions, C width, K labels.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainers.answers import Speaker
from trainers.examples import Example
from trainers.gains import Gain, matched, ratio
from trainers.models.decoder import Decoder
from trainers.models.encoder import MaskedModel
from trainers.models.encoder_decoder import EncoderDecoder
from trainers.models.replaced import ReplacedModel
from trainers.models.two_stream import TwoStream
from trainers.models.word_vectors import WordVectors
from trainers.row import NOBODY
from trainers.tuning import Prediction, Scores, batches

# The submodules that the states come from. The rest of a model is neither trained nor counted.
PARTS: Mapping[type[nn.Module], tuple[str, ...]] = {
    Decoder: ("model",),
    MaskedModel: ("bert",),
    ReplacedModel: ("discriminator.electra",),
    EncoderDecoder: ("shared", "encoder"),
    TwoStream: ("transformer.word_embedding", "transformer.layer"),
    WordVectors: ("input_vectors",),
}


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A text in tokens, and the number of its label."""

    line: int
    tokens: Sequence[int]
    label: int


class Classifier(nn.Module):
    """A pre-trained model, and the head that is put on its states; at first every label is as probable."""

    def __init__(self, body: nn.Module, *, width: int, labels: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, labels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor, text: torch.Tensor
    ) -> torch.Tensor:
        """Int (B, T) three times and bool (B, T), True at the tokens of the text -> logits (B, K)."""
        x = states(self.body, inputs, segments, positions).float()
        mean = (x * text[..., None]).sum(dim=1) / text.sum(dim=1, keepdim=True)
        logits: torch.Tensor = self.head(functional.layer_norm(mean, mean.shape[-1:]))
        return logits


def states(model: nn.Module, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """What a pre-trained model knows of each position: int (B, T) three times -> (B, T, C).

    Of ELECTRA the discriminator's, of an encoder-decoder the encoder's, of two streams the content's states.
    """
    if isinstance(model, Decoder):
        found = model.model(inputs, segments, positions)
    elif isinstance(model, MaskedModel | ReplacedModel):
        found = model.states(inputs, segments, positions)
    elif isinstance(model, EncoderDecoder):
        found = model.encode(inputs, segments)
    elif isinstance(model, TwoStream):
        found = model.transformer(inputs, segments, positions)
    else:
        assert isinstance(model, WordVectors), type(model)
        found = model.input_vectors(inputs)
    assert isinstance(found, torch.Tensor)
    return found


def labels_of(examples: Sequence[Example], held_out: Sequence[Example], *, path: str) -> list[str]:
    """The labels to learn, sorted; ValueError where they cannot be learned or validated."""
    labels = sorted({example.wanted for example in examples})
    if len(labels) == 1:
        raise ValueError(f"{path}: every example has the label {labels[0]!r}; expected two labels or more")
    if len(labels) >= len(examples):
        raise ValueError(
            f"{path} has {len(labels)} labels for {len(examples)} examples to learn from, and from one of each nothing "
            'is learned; "label" is the class of a text: see that it is no id or number of its own'
        )
    for example in held_out:
        if example.wanted not in labels:
            raise ValueError(
                f"the label {example.wanted!r} of line {example.line} is among the examples to validate with and not "
                f"among those to learn from in {path}; add some of it there, or leave it out"
            )
    return labels


def encode(speaker: Speaker, examples: Sequence[Example], *, labels: Sequence[str]) -> tuple[list[Labelled], int]:
    """The texts in tokens, and how many were cut to the rows of the run, an end of text included."""
    numbers = {label: number for number, label in enumerate(labels)}
    found, cut = [], 0
    for example in examples:
        tokens = speaker.encode(example.text)
        if not tokens:
            raise ValueError(f"line {example.line}: {example.text[:40]!r} has no token for the run; leave the line out")
        cut += len(tokens) >= speaker.window
        found.append(Labelled(example.line, tokens[: speaker.window - 1], numbers[example.wanted]))
    return found, cut


@dataclasses.dataclass(frozen=True)
class Learner:
    """A classifier that learns from labelled texts."""

    model: Classifier
    labels: Sequence[str]
    end_id: int
    device: torch.device

    def losses(self, examples: Sequence[Labelled]) -> torch.Tensor:
        """The nats of each text's label, float32 (B)."""
        wanted = torch.tensor([example.label for example in examples], device=self.device)
        return functional.cross_entropy(self.logits(examples), wanted, reduction="none")

    def logits(self, examples: Sequence[Labelled]) -> torch.Tensor:
        """(B, K), float32."""
        decoder = isinstance(self.model.body, Decoder)
        rows = padded([example.tokens for example in examples], end_id=self.end_id, end_first=decoder)
        logits: torch.Tensor = self.model(*(row.to(self.device) for row in rows)).float()
        return logits

    def scores(self, examples: Sequence[Labelled], *, batch_size: int) -> Scores:
        """Accuracy, macro F1 and nats of the labels, and what is said of each text; in batches."""
        with torch.no_grad():
            logits = torch.cat([self.logits(batch) for batch in batches(examples, batch_size)]).cpu()
        logs = logits.log_softmax(dim=-1)
        wanted = np.array([example.label for example in examples])
        chosen = logs.argmax(dim=-1).numpy()
        nats = -logs[torch.arange(len(logs)), torch.from_numpy(wanted)].double().numpy()
        predictions = [
            Prediction(example.line, self.labels[example.label], self.labels[label], label == example.label, nat, 1)
            for example, label, nat in zip(examples, chosen.tolist(), nats.tolist(), strict=True)
        ]
        metrics = {
            "accuracy": float((chosen == wanted).mean()),
            "macro_f1": macro_f1(wanted, chosen),
            "loss": float(nats.mean()),
        }
        return Scores(metrics, predictions)


def gains(scores: Scores, others: Scores) -> dict[str, Gain]:
    """What was gained in accuracy, and in loss, where less is better, so that a gain is above 0."""
    right, others_right = (np.array([each.right for each in found.predictions]) for found in (scores, others))
    nats, others_nats = (np.array([each.nats for each in found.predictions]) for found in (scores, others))
    return {"accuracy": matched(right, others_right), "loss": ratio(others_nats - nats, np.ones(len(nats)))}


def macro_f1(wanted: np.ndarray, chosen: np.ndarray) -> float:
    """The mean F1 of the labels that occur on either side; int64[n] twice."""
    found = []
    for label in np.union1d(wanted, chosen):
        both = int(((wanted == label) & (chosen == label)).sum())
        found.append(2 * both / (int((wanted == label).sum()) + int((chosen == label).sum())))
    return float(np.mean(found))


def padded(
    texts: Sequence[Sequence[int]], *, end_id: int, end_first: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """One document a row, with its end of text as in training: behind it, or before it as a decoder's inputs have it.

    Inputs int64, segments int32, positions int64 and where the text is, bool, (B, T) each, T of the longest text.
    """
    shape = (len(texts), max(map(len, texts)) + 1)
    inputs, segments = torch.full(shape, end_id), torch.full(shape, NOBODY, dtype=torch.int32)
    positions, is_text = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool)
    for row, tokens in enumerate(texts):
        text = slice(1, len(tokens) + 1) if end_first else slice(len(tokens))
        inputs[row, text] = torch.tensor(tokens)
        is_text[row, text] = True
        segments[row, : len(tokens) + 1] = 0
        positions[row, : len(tokens) + 1] = torch.arange(len(tokens) + 1)
    return inputs, segments, positions, is_text
